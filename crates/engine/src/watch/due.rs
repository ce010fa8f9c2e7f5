//! Reading what is due to be checked, past what is not this process's to check.

use carillon_model::UnixMs;
use carillon_ports::store::{HotStore, StoreError};
use carillon_ports::watch::ReadWatch;

/// Most pages of one reading.
const MOST_PAGES: usize = 16;

/// Hands out what is due at `until` or before, the earliest first, in pages of `limit`: until `enough` of it was taken, or
/// nothing more is due. The first pages may be full of what another process does not get to.
pub(super) async fn read_due(
    store: &dyn HotStore,
    until: UnixMs,
    enough: usize,
    limit: u32,
    mut take: impl FnMut(ReadWatch) -> bool,
) -> Result<(), StoreError> {
    let (mut after, mut taken) = (None, 0);
    for _ in 0..MOST_PAGES {
        let page = store.due_checks(until, after, limit).await?;
        for found in page.checks {
            taken += usize::from(take(found));
        }
        after = page.next;
        if after.is_none() || taken >= enough {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::app::AppSettings;
    use carillon_model::definition::DefinitionKind;
    use carillon_model::id::DefinitionNo;
    use carillon_model::monitor::WatchState;
    use carillon_ports::memory::MemoryStore;
    use carillon_ports::registry::{Actor, Registry as _};
    use carillon_ports::watch::{WatchClaim, WatchStep, WatchStore as _};

    fn nobody() -> Actor {
        Actor {
            api_key: None,
            request_id: None,
        }
    }

    /// So many monitors, each due a millisecond after the one before.
    async fn due(count: i64) -> (MemoryStore, Vec<DefinitionNo>) {
        let store = MemoryStore::new();
        let settings = AppSettings::default();
        let put = store.put_app("shop".into(), "shop".into(), settings, 0, nobody());
        let app = put.await.unwrap().0.no;
        let mut monitors = Vec::new();
        for n in 0..count {
            let (kind, name) = (DefinitionKind::Monitor, format!("m{n}"));
            let no = store.definition_no(app, kind, name.clone()).await.unwrap();
            let put = store.put_definition(no, app, kind, name, "{}".into(), None, 0, nobody());
            put.await.unwrap();
            let step = WatchStep {
                monitor: no,
                app,
                claim: WatchClaim::New,
                state: WatchState::Ok,
                record: "{}".into(),
                version: 1,
                check_at: Some(n),
                look_at: None,
                entries: Vec::new(),
                events: Vec::new(),
                rings: Vec::new(),
                pages: Vec::new(),
                now: 0,
            };
            assert_eq!(store.step_watches(vec![step]).await.unwrap(), [true]);
            monitors.push(no);
        }
        (store, monitors)
    }

    #[tokio::test]
    async fn what_others_leave_undone_is_read_past() {
        let (store, monitors) = due(100).await;
        let own = &monitors[30..];
        let mut taken = Vec::new();
        let take = |found: ReadWatch| {
            let no = found.unwrap().monitor;
            let is_own = own.contains(&no);
            taken.extend(is_own.then_some(no));
            is_own
        };
        read_due(&store, 1_000, 3, 4, take).await.unwrap();
        assert_eq!(
            taken,
            own[..6],
            "to the end of the page in which it was enough"
        );
    }

    #[tokio::test]
    async fn it_ends() {
        for (count, seen_of_them) in [(10, 10), (100, MOST_PAGES * 4)] {
            let (store, _) = due(count).await;
            let mut seen = 0;
            let take = |_| {
                seen += 1;
                false
            };
            read_due(&store, 1_000, 3, 4, take).await.unwrap();
            assert_eq!(seen, seen_of_them);
        }
    }
}
