//! What monitors keep in the store: what is remembered of each, its incidents with all that happened to them, how it did,
//! and how often each device was rung.
//!
//! A step (a check, a beat, somebody's answer, its timer) reads a monitor's record, works out its turn and writes it under
//! the fence that was read: record, entries, what is told, the timer's next time and the pages, all in one transaction or
//! not at all.

use crate::store::{NewEvent, NewNotification, Result};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, DeviceNo, NotificationNo};
use carillon_model::lane::Lane;
use carillon_model::monitor::{
    CheckResult, Entry, Fault, IncidentState, MonitorPlan, ResolvedBy, Rings, Tally, Told,
    WatchState, What,
};
use serde::{Deserialize, Serialize};

/// So many entries of one incident are kept, the newest.
pub const INCIDENT_ENTRIES: u32 = 1_000;
/// What was counted of an hour is kept for so many hours: 400 days.
pub const TALLY_HOURS: i64 = 400 * 24;
/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// What is remembered of a monitor, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWatch {
    /// The monitor.
    pub monitor: DefinitionNo,
    /// Whose.
    pub app: AppNo,
    /// Another one with each change.
    pub fence: i64,
    /// Where it is.
    pub state: WatchState,
    /// [`carillon_model::monitor::Watch`] as JSON: the engine's business.
    pub record: String,
    /// The version of the definition that it last took its turn by.
    pub version: u32,
    /// When it is checked next; `None`: it is a heartbeat, or rests.
    pub check_at: Option<UnixMs>,
    /// When it last changed.
    pub updated_at: UnixMs,
}

/// What is remembered of a monitor. An error is no reason to stop: it fails alone.
pub type ReadWatch = std::result::Result<StoredWatch, UnreadableWatch>;

/// A record whose row cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableWatch {
    /// The monitor.
    pub monitor: DefinitionNo,
    /// A sentence that names it, and says what of its row cannot be read.
    pub why: String,
}

/// Some of the checks that are due.
#[derive(Clone, Debug, Default)]
pub struct DueChecks {
    /// The earliest first, at one instant by monitor. Those of deleted Apps are passed over.
    pub checks: Vec<ReadWatch>,
    /// After which one it goes on; `None`: there are no more.
    pub next: Option<(UnixMs, DefinitionNo)>,
}

/// Which record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchClaim {
    /// One that must not be there yet.
    New,
    /// As it was read, with this fence.
    Known(i64),
}

/// A step of a monitor.
#[derive(Clone, Debug)]
pub struct WatchStep {
    /// The monitor.
    pub monitor: DefinitionNo,
    /// Whose.
    pub app: AppNo,
    /// As it was read.
    pub claim: WatchClaim,
    /// Where it is now.
    pub state: WatchState,
    /// Its record now.
    pub record: String,
    /// The version of the definition that it took its turn by.
    pub version: u32,
    /// When it is checked next.
    pub check_at: Option<UnixMs>,
    /// When its timer is due; `None`: it has none.
    pub look_at: Option<UnixMs>,
    /// What happened, in order. Of those about an incident the store keeps a row each, and the incident's own row by them;
    /// the others are not kept.
    pub entries: Vec<WatchEntry>,
    /// What is told.
    pub events: Vec<NewEvent>,
    /// What was written down of rings, in order. A device whose rings are not as they were read is in another monitor's hand:
    /// the whole step is not written then.
    pub rings: Vec<RingChange>,
    /// Notifications that are accepted with it, each with the incident that it is about; their work is due at once
    /// ([`crate::store::NewBatch::hot`] is false).
    pub pages: Vec<(u32, NewNotification)>,
    /// The time of it.
    pub now: UnixMs,
}

/// A device is rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingChange {
    /// Which.
    pub device: DeviceNo,
    /// Its rings as they were read.
    pub was: Rings,
    /// Its rings now.
    pub now: Rings,
}

/// Something that happened to a monitor, and who was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WatchEntry {
    /// What.
    pub entry: Entry,
    /// Who.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
}

/// An entry as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEntry {
    /// Its number among those of its incident, from 1.
    pub no: i64,
    /// It.
    pub what: WatchEntry,
}

/// An incident as stored: made of its entries.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredIncident {
    /// Its monitor.
    pub monitor: DefinitionNo,
    /// Whose.
    pub app: AppNo,
    /// Its number among those of its monitor, from 1.
    pub no: u32,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// What was wrong then.
    pub fault: Fault,
    /// Who has it in hand, and since when.
    pub acknowledged: Option<(String, UnixMs)>,
    /// How many pages there were.
    pub pages: u32,
    /// Whether nobody answered, and nobody will be paged again.
    pub is_given_up: bool,
    /// By what and when it was closed.
    pub resolved: Option<(ResolvedBy, UnixMs)>,
}

impl StoredIncident {
    /// The incident that an entry opens; `None`: it opens none.
    #[must_use]
    pub fn opened(monitor: DefinitionNo, app: AppNo, entry: &Entry) -> Option<Self> {
        let (Some(no), What::Opened(fault)) = (entry.incident, &entry.what) else {
            return None;
        };
        Some(Self {
            monitor,
            app,
            no,
            opened_at: entry.at,
            fault: fault.clone(),
            acknowledged: None,
            pages: 0,
            is_given_up: false,
            resolved: None,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> IncidentState {
        match (&self.resolved, &self.acknowledged) {
            (Some(_), _) => IncidentState::Resolved,
            (None, Some(_)) => IncidentState::Acknowledged,
            (None, None) => IncidentState::Firing,
        }
    }

    /// Something more happened to it.
    pub fn happened(&mut self, entry: &Entry) {
        match &entry.what {
            What::Paged(_) => self.pages = self.pages.saturating_add(1),
            What::GivenUp => self.is_given_up = true,
            What::Acknowledged { by } => self.acknowledged = Some((by.clone(), entry.at)),
            What::Unacknowledged { .. } => (self.acknowledged, self.is_given_up) = (None, false),
            What::Resolved { by, .. } => self.resolved = Some((by.clone(), entry.at)),
            What::Suspected(_)
            | What::Cleared
            | What::Opened(_)
            | What::Snoozed { .. }
            | What::Held(_)
            | What::Released
            | What::FlappingBegan
            | What::FlappingEnded => {}
        }
    }
}

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Only this monitor's.
    pub monitor: Option<DefinitionNo>,
    /// Only those that are open, or closed.
    pub is_open: Option<bool>,
    /// Only those opened at this instant or after.
    pub since: Option<UnixMs>,
    /// Those that come after this one: opened then, of that monitor, with that number.
    pub before: Option<(UnixMs, DefinitionNo, u32)>,
    /// At most so many.
    pub limit: u32,
}

/// A device of somebody who is to be paged.
#[derive(Clone, Debug, PartialEq)]
pub struct PagePhone {
    /// The device.
    pub device: DeviceNo,
    /// Its public id.
    pub id: String,
    /// Whose.
    pub user: String,
    /// Whether its app has declared a call screen ([`carillon_model::monitor::CALL_SCREEN`]).
    pub has_call_screen: bool,
    /// The lane of its VoIP push token, where it has one that is not retired.
    pub ring_lane: Option<Lane>,
    /// The lanes of its push tokens for alerts that are not retired, in the order of [`carillon_model::lane::Gateway::ALL`].
    pub alert_lanes: Vec<Lane>,
    /// Its rings so far.
    pub rings: Rings,
}

/// What an hour of a monitor was like.
#[derive(Clone, Debug, PartialEq)]
pub struct HourTally {
    /// The monitor.
    pub monitor: DefinitionNo,
    /// Hours since 1970-01-01T00:00Z.
    pub hour: i64,
    /// What is counted.
    pub tally: Tally,
}

/// The part of the hot store that keeps what is remembered of monitors.
#[async_trait]
pub trait WatchStore: Send + Sync + 'static {
    /// Of these monitors, in order; `None`: nothing is remembered of it.
    async fn watches(&self, monitors: Vec<DefinitionNo>) -> Result<Vec<Option<ReadWatch>>>;
    /// How many monitors of each App are in each state, by App and state; those of deleted Apps are passed over.
    async fn watch_counts(&self) -> Result<Vec<(AppNo, WatchState, u64)>>;
    /// Those whose check is due at `until` or before, after [`DueChecks::next`] of the page before, at most so many.
    async fn due_checks(
        &self,
        until: UnixMs,
        after: Option<(UnixMs, DefinitionNo)>,
        limit: u32,
    ) -> Result<DueChecks>;
    /// Writes steps in one transaction, in order. `false`: that one is not as it was read, and nothing of it was written. A
    /// monitor whose definition was deleted has no record any more, and a step of it writes nothing.
    async fn step_watches(&self, steps: Vec<WatchStep>) -> Result<Vec<bool>>;
    /// The devices of these users, by user and device; of one user at most so many, those that were seen last.
    async fn page_phones(
        &self,
        app: AppNo,
        users: Vec<String>,
        most_each: u32,
    ) -> Result<Vec<PagePhone>>;
    /// These devices were heard of: they may be rung again. Writes nothing where nothing changes by it.
    async fn heard_of(&self, devices: Vec<DeviceNo>) -> Result<()>;
    /// Incidents of an App, the latest opened first.
    async fn incidents(&self, app: AppNo, filter: IncidentFilter) -> Result<Vec<StoredIncident>>;
    /// One.
    async fn incident(&self, monitor: DefinitionNo, no: u32) -> Result<Option<StoredIncident>>;
    /// What happened to one: the newest `limit`, the oldest of them first.
    async fn incident_entries(
        &self,
        monitor: DefinitionNo,
        no: u32,
        limit: u32,
    ) -> Result<Vec<StoredEntry>>;
    /// Which incident a notification is about: monitor and number. `None`: about none.
    async fn incident_of(&self, no: NotificationNo) -> Result<Option<(DefinitionNo, u32)>>;
    /// Adds to what is counted of hours, in one transaction. Of a monitor that has no record nothing is counted.
    async fn add_tallies(&self, tallies: Vec<HourTally>) -> Result<()>;
    /// What was counted of these monitors in the hours from `from` on and before `until`, by monitor in the order given, and
    /// hour.
    async fn tallies(
        &self,
        monitors: Vec<DefinitionNo>,
        from: i64,
        until: i64,
    ) -> Result<Vec<HourTally>>;
}

/// Makes checks, one attempt at a time.
#[async_trait]
pub trait Checker: Send + Sync + 'static {
    /// Whether this check is made at all, as far as its text tells.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    fn check(&self, plan: &MonitorPlan) -> std::result::Result<(), String>;
    /// Makes one attempt, within the plan's time-out. `dice`: a random number, for what must not be guessed.
    async fn probe(&self, plan: &MonitorPlan, now: UnixMs, dice: u64) -> CheckResult;
}
