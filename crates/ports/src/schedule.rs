//! What schedules keep in the store: when each is due, as a timer, and what came of it, as runs.
//!
//! A schedule's timer is set by the transaction that stores its definition, and again by the one that
//! records what came of a time: the notification that was accepted for it, the run and the next time are
//! all on disk or none is.

use crate::callout::CalloutEnd;
use crate::store::{NewEvent, Result};
use crate::timer::TimerClaim;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo};
use carillon_model::schedule::{RunCause, RunResult};

/// A schedule whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueSchedule {
    /// Its number.
    pub no: DefinitionNo,
    /// Its name.
    pub name: String,
    /// What it says: JSON, as it was when its timer was read.
    pub body: String,
}

/// What came of a time at which a schedule was due, to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleTurn {
    /// Whose.
    pub app: AppNo,
    /// Which schedule.
    pub schedule: DefinitionNo,
    /// Its timer as it was read, and when it is due next (`None`: never again). Without: somebody asked
    /// for it, and its timer stays as it is.
    pub timer: Option<(TimerClaim, Option<UnixMs>)>,
    /// What came of it.
    pub runs: Vec<NewRun>,
    /// How the run of the call-out ended that was asked for it; its notification is that of the last run.
    pub callout: Option<CalloutEnd>,
}

/// A run to write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// When it was due.
    pub due_at: UnixMs,
    /// The last of the times that it stands for.
    pub last_due_at: UnixMs,
    /// How many they are: 1, but for skipped ones.
    pub times: u32,
    /// When it was carried out.
    pub fired_at: UnixMs,
    /// Why it happened.
    pub cause: RunCause,
    /// What came of it.
    pub result: RunResult,
    /// What was sent.
    pub notification: Option<NotificationNo>,
    /// Why it failed: a stable dotted code, and words.
    pub failure: Option<(String, String)>,
}

/// A run as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRun {
    /// Its number; rises.
    pub no: i64,
    /// What came of it.
    pub what: NewRun,
}

/// The part of the hot store that keeps schedules' runs. What was sent is written down by
/// [`crate::store::HotStore::accept`], see [`crate::store::NewNotification::turn`].
#[async_trait]
pub trait ScheduleStore: Send + Sync + 'static {
    /// Writes down what came of a time for which nothing is sent, and what is told of it. `false`: its
    /// timer is not as it was read any more, and nothing was written.
    async fn record_turn(
        &self,
        turn: ScheduleTurn,
        event: Option<NewEvent>,
        now: UnixMs,
    ) -> Result<bool>;
    /// Runs of a schedule, newest first, before the number `before`.
    async fn schedule_runs(
        &self,
        schedule: DefinitionNo,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ScheduleRun>>;
}
