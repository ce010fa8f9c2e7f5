//! Monitors of the fake.

use super::MemoryStore;
use super::state::State;
use super::timers::{Of, Timer};
use crate::store::{Result, StoreError};
use crate::watch::{
    DueChecks, HOUR_MS, HourTally, INCIDENT_ENTRIES, IncidentFilter, PagePhone, ReadWatch,
    StoredEntry, StoredIncident, StoredWatch, TALLY_HOURS, UnreadableWatch, WatchClaim, WatchEntry,
    WatchStep, WatchStore,
};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, DeviceNo, NotificationNo};
use carillon_model::lane::{Gateway, Lane};
use carillon_model::monitor::{CALL_SCREEN, Rings, Tally, WatchState};
use carillon_model::push_type::TokenKind;
use carillon_model::timer::MissedRun;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What the fake keeps of them.
#[derive(Debug, Default)]
pub(super) struct Watching {
    watches: BTreeMap<DefinitionNo, StoredWatch>,
    /// Whose records cannot be read.
    spoilt: BTreeSet<DefinitionNo>,
    incidents: BTreeMap<(DefinitionNo, u32), Kept>,
    pages: BTreeMap<NotificationNo, (DefinitionNo, u32)>,
    rings: BTreeMap<DeviceNo, Rings>,
    tallies: BTreeMap<(DefinitionNo, i64), Tally>,
}

/// An incident with what happened to it.
#[derive(Debug)]
struct Kept {
    incident: StoredIncident,
    entries: BTreeMap<i64, WatchEntry>,
}

impl Watching {
    /// A device that is deleted is not rung.
    pub(super) fn forget_device(&mut self, no: DeviceNo) {
        self.rings.remove(&no);
    }

    fn rings_of(&self, device: DeviceNo) -> Rings {
        self.rings.get(&device).cloned().unwrap_or_default()
    }

    fn write(&mut self, step: &WatchStep, entry: &WatchEntry) {
        let Some(no) = entry.entry.incident else {
            return;
        };
        let key = (step.monitor, no);
        if let Some(incident) = StoredIncident::opened(step.monitor, step.app, &entry.entry) {
            let entries = BTreeMap::new();
            self.incidents.insert(key, Kept { incident, entries });
        }
        let Some(kept) = self.incidents.get_mut(&key) else {
            return;
        };
        kept.incident.happened(&entry.entry);
        let no = kept.entries.keys().next_back().map_or(1, |last| last + 1);
        kept.entries.insert(no, entry.clone());
        kept.entries.remove(&(no - i64::from(INCIDENT_ENTRIES)));
    }
}

impl State {
    pub(super) fn due_watch(&self, no: DefinitionNo) -> Option<StoredWatch> {
        self.watching.watches.get(&no).cloned()
    }

    fn read_watch(&self, monitor: DefinitionNo) -> Option<ReadWatch> {
        let stored = self.due_watch(monitor)?;
        Some(match self.watching.spoilt.contains(&monitor) {
            false => Ok(stored),
            true => {
                let why = format!("the record of monitor {monitor} is spoilt");
                Err(UnreadableWatch { monitor, why })
            }
        })
    }

    fn is_monitor(&self, no: DefinitionNo) -> bool {
        let mut all = self.definitions.values();
        all.any(|(definition, _)| definition.no == no)
    }

    /// Writes a step. `false`: it is not as it was read.
    fn step_watch(&mut self, step: WatchStep) -> bool {
        let known = self.watching.watches.get(&step.monitor);
        let is_as_read = match step.claim {
            WatchClaim::New => known.is_none() && self.is_monitor(step.monitor),
            WatchClaim::Known(fence) => known.is_some_and(|known| known.fence == fence),
        };
        if !is_as_read {
            return false;
        }
        let mut rings = BTreeMap::new();
        for change in &step.rings {
            let stored = || self.watching.rings_of(change.device);
            if rings.get(&change.device).cloned().unwrap_or_else(stored) != change.was {
                return false;
            }
            rings.insert(change.device, change.now.clone());
        }
        self.watching.rings.extend(rings);
        let stored = StoredWatch {
            monitor: step.monitor,
            app: step.app,
            fence: self.number(),
            state: step.state,
            record: step.record.clone(),
            version: step.version,
            check_at: step.check_at,
            updated_at: step.now,
        };
        self.watching.watches.insert(step.monitor, stored);
        let of = Of::Watch(step.monitor);
        self.timers.retain(|_, timer| timer.of != of);
        if let Some(due_at) = step.look_at {
            let (number, fence) = (self.number(), self.number());
            let timer = Timer {
                app: step.app,
                of,
                due_at: Some(due_at),
                own_due_at: None,
                fence,
                missed: MissedRun::Fire,
                attempts: 0,
                last_error: None,
                body: Bytes::new(),
            };
            self.timers.insert(number, timer);
        }
        for entry in &step.entries {
            self.watching.write(&step, entry);
        }
        for event in step.events {
            self.append(event, step.now);
        }
        for (incident, page) in step.pages {
            self.watching
                .pages
                .insert(page.no, (step.monitor, incident));
            self.accept(page);
        }
        true
    }

    /// Deletes all that is kept of a monitor.
    pub(super) fn forget_watch(&mut self, no: DefinitionNo) {
        self.timers.retain(|_, timer| timer.of != Of::Watch(no));
        let watching = &mut self.watching;
        watching.watches.remove(&no);
        watching.spoilt.remove(&no);
        watching.incidents.retain(|(of, _), _| *of != no);
        watching.pages.retain(|_, (of, _)| *of != no);
        watching.tallies.retain(|(of, _), _| *of != no);
    }

    /// Incidents that were closed before an instant, what was counted long ago, and what deleted Apps left.
    pub(super) fn prune_watches(&mut self, before: UnixMs, now: UnixMs) -> u64 {
        let gone: Vec<_> = self.watching.watches.values().cloned().collect();
        let gone = gone
            .into_iter()
            .filter(|watch| self.deleted_apps.contains(&watch.app))
            .map(|watch| watch.monitor);
        let gone: Vec<_> = gone.collect();
        for no in &gone {
            self.forget_watch(*no);
        }
        let Watching {
            incidents,
            pages,
            tallies,
            ..
        } = &mut self.watching;
        let kept = incidents.len() + tallies.len();
        let is_old =
            |kept: &Kept| matches!(kept.incident.resolved, Some((_, closed)) if closed < before);
        incidents.retain(|_, kept| !is_old(kept));
        pages.retain(|_, of| incidents.contains_key(of));
        let first = now.div_euclid(HOUR_MS) - TALLY_HOURS;
        tallies.retain(|(_, hour), _| *hour >= first);
        (gone.len() + kept - incidents.len() - tallies.len()) as u64
    }

    fn page_phone(&self, no: DeviceNo) -> Option<PagePhone> {
        let row = self.devices.get(&no)?;
        let lane = |kind: TokenKind| {
            let found = self.push_tokens.get(&(no, kind))?;
            found.retired_at.is_none().then_some(Lane {
                app: row.app,
                gateway: kind.gateway(),
                environment: found.environment,
            })
        };
        let alerts = Gateway::ALL.map(Gateway::alert_kind).into_iter();
        Some(PagePhone {
            device: no,
            id: row.id(no),
            user: row.registration.user_id.clone()?,
            has_call_screen: row.registration.has_capability(CALL_SCREEN),
            ring_lane: lane(TokenKind::Voip),
            alert_lanes: alerts.filter_map(lane).collect(),
            rings: self.watching.rings_of(no),
        })
    }
}

impl MemoryStore {
    /// From now on the record of this monitor cannot be read, or can again.
    pub fn spoil_watch(&self, monitor: DefinitionNo, is_spoilt: bool) {
        let mut state = self.read();
        let spoilt = &mut state.watching.spoilt;
        match is_spoilt {
            true => spoilt.insert(monitor),
            false => spoilt.remove(&monitor),
        };
    }
}

#[async_trait]
impl WatchStore for MemoryStore {
    async fn watches(&self, monitors: Vec<DefinitionNo>) -> Result<Vec<Option<ReadWatch>>> {
        let state = self.read();
        let all = monitors.iter().map(|no| state.read_watch(*no));
        Ok(all.collect())
    }

    async fn watch_counts(&self) -> Result<Vec<(AppNo, WatchState, u64)>> {
        let state = self.read();
        let mut counts: BTreeMap<(AppNo, u8), (WatchState, u64)> = BTreeMap::new();
        for watch in state.watching.watches.values() {
            if state.apps.contains_key(&watch.app) {
                let key = (watch.app, watch.state.code());
                counts.entry(key).or_insert((watch.state, 0)).1 += 1;
            }
        }
        let counts = counts.into_iter();
        Ok(counts
            .map(|((app, _), (state, count))| (app, state, count))
            .collect())
    }

    async fn due_checks(
        &self,
        until: UnixMs,
        after: Option<(UnixMs, DefinitionNo)>,
        limit: u32,
    ) -> Result<DueChecks> {
        let limit = limit.max(1) as usize;
        let state = self.read();
        let all = state.watching.watches.values();
        let of_apps = all.filter(|watch| state.apps.contains_key(&watch.app));
        let places = of_apps.filter_map(|watch| Some((watch.check_at?, watch.monitor)));
        let mut due: Vec<_> = places
            .filter(|place| place.0 <= until && after.is_none_or(|after| *place > after))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        let checks = due.iter().filter_map(|(_, no)| state.read_watch(*no));
        Ok(DueChecks {
            checks: checks.collect(),
            next: due.last().copied().filter(|_| due.len() == limit),
        })
    }

    async fn step_watches(&self, steps: Vec<WatchStep>) -> Result<Vec<bool>> {
        let mut state = self.write()?;
        let failing = *self.shared.failing_monitor.lock();
        if steps.iter().any(|step| Some(step.monitor) == failing) {
            return Err(StoreError::Failed("a step is spoilt".into()));
        }
        Ok(steps
            .into_iter()
            .map(|step| state.step_watch(step))
            .collect())
    }

    async fn page_phones(
        &self,
        app: AppNo,
        users: Vec<String>,
        most_each: u32,
    ) -> Result<Vec<PagePhone>> {
        self.readable(&users)?;
        let state = self.read();
        let mut phones = Vec::new();
        for user in users {
            let mut devices: Vec<_> = state.devices_of(app, &user).collect();
            devices.sort_by_key(|no| Reverse((state.devices[no].last_seen_at, *no)));
            devices.truncate(most_each as usize);
            devices.sort_unstable();
            phones.extend(devices.into_iter().filter_map(|no| state.page_phone(no)));
        }
        Ok(phones)
    }

    async fn heard_of(&self, devices: Vec<DeviceNo>) -> Result<()> {
        let mut state = self.write()?;
        for device in devices {
            if let Some(rings) = state.watching.rings.get_mut(&device) {
                rings.heard_of();
            }
        }
        Ok(())
    }

    async fn incidents(&self, app: AppNo, filter: IncidentFilter) -> Result<Vec<StoredIncident>> {
        let state = self.read();
        let place = |one: &StoredIncident| (one.opened_at, one.monitor, one.no);
        let all = state.watching.incidents.values().map(|kept| &kept.incident);
        let wanted = all.filter(|one| {
            one.app == app
                && filter.monitor.is_none_or(|monitor| one.monitor == monitor)
                && filter
                    .is_open
                    .is_none_or(|is_open| one.resolved.is_none() == is_open)
                && filter.since.is_none_or(|since| one.opened_at >= since)
                && filter.before.is_none_or(|before| place(one) < before)
        });
        let mut found: Vec<_> = wanted.cloned().collect();
        found.sort_by_key(|one| Reverse(place(one)));
        found.truncate(filter.limit as usize);
        Ok(found)
    }

    async fn incident(&self, monitor: DefinitionNo, no: u32) -> Result<Option<StoredIncident>> {
        let state = self.read();
        let kept = state.watching.incidents.get(&(monitor, no));
        Ok(kept.map(|kept| kept.incident.clone()))
    }

    async fn incident_entries(
        &self,
        monitor: DefinitionNo,
        no: u32,
        limit: u32,
    ) -> Result<Vec<StoredEntry>> {
        let state = self.read();
        let Some(kept) = state.watching.incidents.get(&(monitor, no)) else {
            return Ok(Vec::new());
        };
        let newest = kept.entries.iter().rev().take(limit as usize);
        let mut newest: Vec<_> = newest
            .map(|(no, what)| StoredEntry {
                no: *no,
                what: what.clone(),
            })
            .collect();
        newest.reverse();
        Ok(newest)
    }

    async fn incident_of(&self, no: NotificationNo) -> Result<Option<(DefinitionNo, u32)>> {
        Ok(self.read().watching.pages.get(&no).copied())
    }

    async fn add_tallies(&self, tallies: Vec<HourTally>) -> Result<()> {
        let mut state = self.write()?;
        let Watching {
            watches,
            tallies: all,
            ..
        } = &mut state.watching;
        for one in tallies {
            if watches.contains_key(&one.monitor) {
                all.entry((one.monitor, one.hour))
                    .or_default()
                    .add(&one.tally);
            }
        }
        Ok(())
    }

    async fn tallies(
        &self,
        monitors: Vec<DefinitionNo>,
        from: i64,
        until: i64,
    ) -> Result<Vec<HourTally>> {
        let state = self.read();
        let of = |monitor: DefinitionNo| {
            let all = state.watching.tallies.iter();
            let its =
                all.filter(move |((of, hour), _)| *of == monitor && (from..until).contains(hour));
            its.map(|((monitor, hour), tally)| HourTally {
                monitor: *monitor,
                hour: *hour,
                tally: tally.clone(),
            })
        };
        Ok(monitors.into_iter().flat_map(of).collect())
    }
}
