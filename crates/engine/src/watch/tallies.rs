//! How monitors did, hour by hour: counted in memory with each step and each answer, and added to the store every now and
//! then. A crash loses what was counted since; no page and no incident hangs on it.

use super::plans::Monitor;
use super::telling::read;
use super::turning::Turning;
use crate::engine::Engine;
use crate::hub::Hub;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::monitor::{Tally, WatchState};
use carillon_ports::store::StoreError;
use carillon_ports::watch::{HOUR_MS, HourTally, StoredWatch};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// So long after its check was due nobody has made it: what is later is not known.
const NOT_CHECKED_MS: i64 = 60_000;
/// The windows of a status: name and hours, the present one with them.
const WINDOWS: [(&str, i64); 5] = [
    ("1h", 1),
    ("1d", 24),
    ("7d", 7 * 24),
    ("30d", 30 * 24),
    ("90d", 90 * 24),
];
/// Hours that a status shows one by one.
const SHOWN_HOURS: i64 = 24;

/// How a monitor did.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorStatus {
    /// Within 1 hour, 1 day, 7, 30 and 90 days, the present hour with them; whole hours.
    pub windows: Vec<StatusWindow>,
    /// The first of `hours`: hours since 1970.
    pub first_hour: i64,
    /// The last 24 hours one by one, the present one last.
    pub hours: Vec<Tally>,
}

/// How it did within a time.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusWindow {
    /// `1h`, `1d`, `7d`, `30d` or `90d`.
    pub name: &'static str,
    /// When it began: with an hour of the clock.
    pub from: UnixMs,
    /// What was counted.
    pub tally: Tally,
}

/// What is counted and not written yet.
#[derive(Default)]
pub(super) struct Tallies(Mutex<HashMap<(DefinitionNo, i64), Tally>>);

impl Tallies {
    /// A check got an answer that took so long.
    pub(super) fn answered(&self, monitor: DefinitionNo, elapsed_ms: u64, now: UnixMs) {
        let hour = now.div_euclid(HOUR_MS);
        let mut all = self.0.lock();
        all.entry((monitor, hour)).or_default().answered(elapsed_ms);
    }

    /// A step is on disk: until then it was where it had been.
    pub(super) fn stepped(&self, turning: &Turning, now: UnixMs) {
        if let Some(before) = &turning.before {
            self.stood(&turning.monitor, before, now);
        }
    }

    /// The same of a record.
    pub(super) fn stood(&self, monitor: &Monitor, before: &StoredWatch, now: UnixMs) {
        let mut all = self.0.lock();
        for (hour, state, ms) in spent(monitor, before, now) {
            let tally = all.entry((before.monitor, hour)).or_default();
            tally.spent(state, ms);
        }
    }

    fn take(&self) -> Vec<HourTally> {
        let all = std::mem::take(&mut *self.0.lock()).into_iter();
        all.map(|((monitor, hour), tally)| HourTally {
            monitor,
            hour,
            tally,
        })
        .collect()
    }

    fn give_back(&self, tallies: Vec<HourTally>) {
        let mut all = self.0.lock();
        for one in tallies {
            let tally = all.entry((one.monitor, one.hour)).or_default();
            tally.add(&one.tally);
        }
    }

    fn of(&self, monitors: &[DefinitionNo]) -> Vec<HourTally> {
        let all = self.0.lock();
        let wanted = all.iter().filter(|((no, _), _)| monitors.contains(no));
        wanted
            .map(|((monitor, hour), tally)| HourTally {
                monitor: *monitor,
                hour: *hour,
                tally: tally.clone(),
            })
            .collect()
    }
}

/// How long it was where it is, hour by hour, since its record was written. Of one that nobody has checked for too long
/// nothing is known from then on.
fn spent(monitor: &Monitor, stored: &StoredWatch, now: UnixMs) -> Vec<(i64, WatchState, u64)> {
    let known_until = stored.check_at.map_or(now, |at| {
        at.saturating_add(monitor.plan.one_check_ms())
            .saturating_add(NOT_CHECKED_MS)
            .clamp(stored.updated_at.min(now), now)
    });
    let mut all = Vec::new();
    let mut part = |from: UnixMs, until: UnixMs, state: WatchState| {
        let mut at = from;
        while at < until {
            let hour = at.div_euclid(HOUR_MS);
            let end = (hour + 1).saturating_mul(HOUR_MS).min(until);
            all.push((hour, state, end.abs_diff(at)));
            at = end;
        }
    };
    // Nobody looks further back than this.
    let from = stored.updated_at.max(now - 91 * 24 * HOUR_MS);
    part(from, known_until, counts_as(stored));
    part(known_until.max(from), now, WatchState::Waiting);
    all
}

/// What its time counts as. Only of what is suspected the record says more than the state.
fn counts_as(stored: &StoredWatch) -> WatchState {
    match stored.state {
        WatchState::Suspected => read(stored).map_or(stored.state, |watch| watch.counts_as()),
        state => state,
    }
}

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut shown = BTreeSet::new();
    loop {
        tokio::time::sleep(ms(hub.parts.config.monitors.flush_ms)).await;
        let done = async {
            flush(hub).await?;
            show(hub, &mut shown).await
        };
        if let Err(error) = done.await
            && !hub.store_refused("counting how monitors did", &error)
        {
            return;
        }
    }
}

/// Shows how many monitors there are. `shown`: the Apps of which there were some.
async fn show(hub: &Hub, shown: &mut BTreeSet<String>) -> Result<(), StoreError> {
    let directory = hub.directory.load_full();
    // Most installations watch nothing: theirs costs nothing.
    if shown.is_empty() && directory.watch.monitors().next().is_none() {
        return Ok(());
    }
    let mut all: BTreeMap<String, BTreeMap<WatchState, u64>> = BTreeMap::new();
    let counts = match hub.parts.store.watch_counts().await {
        // Only the gauges hang on it.
        Err(StoreError::Corrupt(why)) => {
            tracing::warn!("monitors are not counted: {why}");
            return Ok(());
        }
        counts => counts?,
    };
    for (app, state, count) in counts {
        if let Some(app) = directory.app_by_no(app) {
            all.entry(app.id.clone()).or_default().insert(state, count);
        }
    }
    for app in std::mem::take(shown) {
        all.entry(app).or_default();
    }
    for (app, counts) in all {
        hub.meters.monitors(&app, &counts);
        shown.insert(app);
    }
    Ok(())
}

/// Writes what is counted. What could not be written is kept.
pub(crate) async fn flush(hub: &Hub) -> Result<(), StoreError> {
    let all = hub.watching.tallies.take();
    if all.is_empty() {
        return Ok(());
    }
    let added = hub.parts.store.add_tallies(all.clone()).await;
    if added.is_err() {
        hub.watching.tallies.give_back(all);
    }
    added
}

impl Engine {
    /// How monitors did, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn monitor_status(
        &self,
        _app: AppNo,
        monitors: &[Definition],
    ) -> Result<Vec<MonitorStatus>, StoreError> {
        let hub = &self.shared().hub;
        let now = hub.parts.clock.now();
        let until = now.div_euclid(HOUR_MS) + 1;
        let longest = WINDOWS.iter().map(|(_, hours)| *hours).max().unwrap_or(0);
        let nos: Vec<DefinitionNo> = monitors.iter().map(|monitor| monitor.no).collect();
        let store = &hub.parts.store;
        let stored = store.watches(nos.clone()).await?;
        let mut hours: HashMap<(DefinitionNo, i64), Tally> = HashMap::new();
        let counted = store.tallies(nos.clone(), until - longest, until).await?;
        for one in counted.into_iter().chain(hub.watching.tallies.of(&nos)) {
            let tally = hours.entry((one.monitor, one.hour)).or_default();
            tally.add(&one.tally);
        }
        let directory = hub.directory.load();
        for stored in stored.into_iter().flatten().flatten() {
            if let Some(monitor) = directory.watch.monitor(stored.monitor) {
                for (hour, state, ms) in spent(monitor, &stored, now) {
                    let tally = hours.entry((stored.monitor, hour)).or_default();
                    tally.spent(state, ms);
                }
            }
        }
        let of = |no: DefinitionNo, from: i64| {
            let mut sum = Tally::default();
            for hour in from..until {
                if let Some(tally) = hours.get(&(no, hour)) {
                    sum.add(tally);
                }
            }
            sum
        };
        let first_hour = until - SHOWN_HOURS;
        let status = |no: DefinitionNo| MonitorStatus {
            windows: WINDOWS
                .iter()
                .map(|(name, hours)| StatusWindow {
                    name,
                    from: (until - hours) * HOUR_MS,
                    tally: of(no, until - hours),
                })
                .collect(),
            first_hour,
            hours: (first_hour..until)
                .map(|hour| hours.get(&(no, hour)).cloned().unwrap_or_default())
                .collect(),
        };
        Ok(nos.into_iter().map(status).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::definition::DefinitionKind;
    use serde_json::json;

    fn monitor(check: serde_json::Value) -> Monitor {
        let definition = Definition {
            no: DefinitionNo(7),
            app: AppNo(3),
            kind: DefinitionKind::Monitor,
            name: "shop".into(),
            version: 1,
            body: json!({"check": check}).to_string(),
            created_at: 0,
            updated_at: 0,
        };
        Monitor::read(&definition, None).unwrap()
    }

    fn stored(state: WatchState, check_at: Option<UnixMs>, updated_at: UnixMs) -> StoredWatch {
        StoredWatch {
            monitor: DefinitionNo(7),
            app: AppNo(3),
            fence: 1,
            state,
            record: String::new(),
            version: 1,
            check_at,
            updated_at,
        }
    }

    #[test]
    fn time_is_counted_by_hours_and_what_nobody_looked_at_is_not_known() {
        let tcp = monitor(json!({"tcp": {"host": "a.example", "port": 1}}));
        let begin = 10 * HOUR_MS + HOUR_MS - 1_000;
        let watch = stored(WatchState::Ok, Some(begin + 60_000), begin);
        assert_eq!(
            spent(&tcp, &watch, begin + 3_000),
            [(10, WatchState::Ok, 1_000), (11, WatchState::Ok, 2_000)]
        );
        // Two attempts of at most 10 s with 2 s between, and a minute's patience.
        let known = 60_000 + 24_000 + NOT_CHECKED_MS;
        let late = spent(&tcp, &watch, begin + known + 5_000);
        let sum = |state| -> u64 {
            let of = late.iter().filter(|(_, of, _)| *of == state);
            of.map(|(.., ms)| ms).sum()
        };
        assert_eq!(sum(WatchState::Ok), known as u64);
        assert_eq!(sum(WatchState::Waiting), 5_000);
        let beats = monitor(json!({"heartbeat": {"period": "1d"}}));
        let quiet = stored(WatchState::Ok, None, begin);
        let known: u64 = spent(&beats, &quiet, begin + 5 * HOUR_MS)
            .iter()
            .map(|(_, state, ms)| u64::from(*state == WatchState::Ok) * ms)
            .sum();
        assert_eq!(known, 5 * HOUR_MS as u64, "a heartbeat is not checked");
        assert_eq!(
            spent(&tcp, &watch, begin - 5_000),
            [],
            "the clock was set back"
        );
    }

    #[test]
    fn what_fails_while_something_holds_it_is_not_known() {
        let tcp = monitor(json!({"tcp": {"host": "a.example", "port": 1}}));
        let begin = 10 * HOUR_MS;
        let mut watch = stored(WatchState::Suspected, Some(begin + 60_000), begin);
        for (record, expected) in [
            (json!({"state": "suspected"}), WatchState::Suspected),
            (
                json!({"state": "suspected", "hold": {"hold": "dependency", "name": "router"}}),
                WatchState::Waiting,
            ),
        ] {
            watch.record = record.to_string();
            let spent = spent(&tcp, &watch, begin + 3_000);
            assert_eq!(spent, [(10, expected, 3_000)]);
        }
    }
}
