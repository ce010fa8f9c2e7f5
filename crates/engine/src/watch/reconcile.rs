//! The leading worker makes up for what a crash left undone: monitors without a record, records older than their
//! definitions, monitors that rest although they should not, those that still wait for one which is up again, and those that
//! wait for what a clock that was ahead has counted.

use super::plans::Monitor;
use super::shown;
use super::telling::{Telling, Turned, read};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{Hold, WatchState};
use carillon_ports::store::StoreError;
use carillon_ports::watch::StoredWatch;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often definitions are compared with their records.
const EVERY: Duration = Duration::from_secs(5);
/// In how many of these rounds all are looked at, also those that were in order.
const ALL_EVERY: u64 = 12;
/// Monitors that are read at once.
const TOGETHER: usize = 500;
/// So much the clocks of several processes may differ.
const APART_MS: i64 = 5_000;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    // What was seen in order has a record of that version, or none at all any more.
    let mut seen: HashMap<DefinitionNo, u32> = HashMap::new();
    let mut has_caught_up = false;
    let mut before = UnixMs::MIN;
    for round in 0u64.. {
        if hub.is_stopping() {
            return;
        }
        // After a restore nobody is told anything until somebody says so.
        if !has_caught_up && !hub.is_scheduler_paused.load(Relaxed) {
            match shown::catch_up(&shared).await {
                Ok(()) => has_caught_up = true,
                Err(error) if hub.store_refused("showing incidents", &error) => {}
                Err(_) => return,
            }
        }
        // All wait for what will not be for long, where the clock was set back.
        let now = hub.parts.clock.now();
        let is_of_all = round.is_multiple_of(ALL_EVERY) || now < before;
        before = now;
        if let Err(error) = look(&shared, &mut seen, is_of_all).await
            && !hub.store_refused("comparing monitors with their records", &error)
        {
            return;
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn look(
    shared: &Arc<Shared>,
    seen: &mut HashMap<DefinitionNo, u32>,
    is_of_all: bool,
) -> Result<(), StoreError> {
    let directory = shared.hub.directory.load_full();
    seen.retain(|no, _| directory.watch.monitor(*no).is_some());
    let is_wanted =
        |monitor: &&Arc<Monitor>| is_of_all || seen.get(&monitor.no) != Some(&monitor.version);
    let wanted: Vec<Arc<Monitor>> = directory
        .watch
        .monitors()
        .filter(is_wanted)
        .cloned()
        .collect();
    for together in wanted.chunks(TOGETHER) {
        if shared.hub.is_stopping() {
            return Ok(());
        }
        look_at(shared, seen, together).await?;
    }
    Ok(())
}

async fn look_at(
    shared: &Arc<Shared>,
    seen: &mut HashMap<DefinitionNo, u32>,
    together: &[Arc<Monitor>],
) -> Result<(), StoreError> {
    let nos = together.iter().map(|monitor| monitor.no).collect();
    let found = shared.hub.parts.store.watches(nos).await?;
    let now = shared.hub.parts.clock.now();
    let mut tellings = Vec::new();
    for (monitor, stored) in together.iter().zip(found) {
        // One that cannot be read is told to look as one without a record is, and says why it does not.
        let stored = stored.and_then(Result::ok);
        let version = stored.as_ref().map(|stored| stored.version);
        // A later one: another process has read a definition that this one is about to read.
        let is_later = version.is_some_and(|version| version > monitor.version);
        // It was to be deleted, and is still there: it rests, and its definition does not say so.
        let is_checked = !monitor.plan.paused && !monitor.is_heartbeat();
        let is_planned = stored
            .as_ref()
            .is_some_and(|stored| stored.check_at.is_some());
        let is_current = is_later || (version == Some(monitor.version) && is_planned == is_checked);
        // What a heartbeat that was never heard of waits for stands in its record alone.
        let is_unheard = stored.as_ref().is_some_and(|stored| {
            monitor.is_heartbeat() && !monitor.plan.paused && stored.state == WatchState::Waiting
        });
        let is_ahead = !is_later
            && stored
                .as_ref()
                .is_some_and(|stored| is_ahead(stored, monitor, now));
        let waits = || {
            let watch = stored.as_ref().and_then(|stored| read(stored).ok());
            let hold = watch.and_then(|watch| watch.hold);
            matches!(hold, Some(Hold::Dependency(_)))
        };
        if is_current && !is_unheard && !is_ahead && !waits() {
            seen.insert(monitor.no, monitor.version);
            continue;
        }
        tellings.push(Telling {
            must_write: !is_current || is_ahead,
            ..Telling::look(monitor.clone())
        });
    }
    if tellings.is_empty() {
        return Ok(());
    }
    let of: Vec<Arc<Monitor>> = tellings
        .iter()
        .map(|telling| telling.monitor.clone())
        .collect();
    let told = shared.tell_each(tellings, now).await?;
    for (monitor, told) in of.iter().zip(told) {
        match told {
            Turned::Done(_) => drop(seen.insert(monitor.no, monitor.version)),
            Turned::Lost => drop(seen.remove(&monitor.no)),
            Turned::Unreadable(why) => {
                tracing::error!(app = %monitor.app, monitor = monitor.name, "{why}");
                seen.insert(monitor.no, monitor.version);
            }
        }
    }
    shared.hub.bells.checks.notify_one();
    Ok(())
}

/// Whether a clock that was ahead has written it, or planned its next check. Then its turn bounds whatever it waits for.
fn is_ahead(stored: &StoredWatch, monitor: &Monitor, now: UnixMs) -> bool {
    let latest = monitor.plan.latest_check(now).saturating_add(APART_MS);
    stored.updated_at > now.saturating_add(APART_MS)
        || stored.check_at.is_some_and(|at| at > latest)
}
