//! What Live Activities keep in the store: each one's plan and run, what happened, and by which push-to-start token each
//! device starts which type.
//!
//! A step (its timer, an update, a change of plan, a token) reads an activity, works out its turn and writes it under
//! the fence that was read: state, records, what is told, the timer's next time and the notification, all in one transaction
//! or not at all ([`crate::store::NewNotification::activity`]).
//!
//! What comes of its pushes comes back by the transaction that settles them: what surely reached nobody is kept with the activity
//! under another fence, and its timer is due.

use crate::store::{NewEvent, Result};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::live_activity::{ActivityState, Record, RefusedPush};

/// Milliseconds of what pushes at once are counted by.
pub const MINUTE_MS: i64 = 60_000;
/// Over how many of those they are.
pub const URGENT_MINUTES: i64 = 60;

/// A Live Activity as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredActivity {
    /// Its number.
    pub no: i64,
    /// Whose.
    pub app: AppNo,
    /// The caller's id, unique in the App.
    pub id: String,
    /// Another one with each change.
    pub fence: i64,
    /// Where it is.
    pub state: ActivityState,
    /// What was declared: JSON, the engine's business.
    pub plan: String,
    /// What became of it so far: JSON, the engine's business.
    pub run: String,
    /// Pushes that surely reached nobody, since its last step ([`crate::store::Settlement::refused`], and update tokens that
    /// died). The next step is due by them, and they are forgotten with it.
    pub refused: Vec<RefusedPush>,
    /// When it was declared.
    pub created_at: UnixMs,
    /// When it last changed.
    pub updated_at: UnixMs,
}

/// Which activity is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityClaim {
    /// One that must not be there yet.
    New,
    /// This one, as it was read.
    Known {
        /// Its number.
        no: i64,
        /// Its fence.
        fence: i64,
    },
}

/// What becomes of an activity's errand: something that is to be asked of a gateway outside of any transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrandChange {
    /// It has none, or keeps the one that it has.
    #[default]
    Keep,
    /// It is due then.
    At(UnixMs),
    /// It has none any more.
    Done,
}

/// A step of an activity.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityStep {
    /// Whose.
    pub app: AppNo,
    /// The caller's id.
    pub id: String,
    /// As it was read.
    pub claim: ActivityClaim,
    /// Where it is now.
    pub state: ActivityState,
    /// What is declared. `None`: neither that nor its state has changed since it was read, as with most steps; a new one
    /// has one.
    pub plan: Option<String>,
    /// What became of it so far.
    pub run: String,
    /// Whose it is, as `user:…` or `device:…`, see [`LiveActivityStore::live_activities_of`]; else empty.
    pub recipient: String,
    /// The app's type.
    pub attributes_type: String,
    /// When to look again; `None`: never.
    pub next_at: Option<UnixMs>,
    /// See [`LiveActivityStore::live_activity_errands`].
    pub errand: ErrandChange,
    /// What happened; of the notification that it is stored with, if any.
    pub records: Vec<Record>,
    /// What is told.
    pub events: Vec<NewEvent>,
    /// The phones that it is pushed to at once, which is counted.
    pub urgent: Vec<DeviceNo>,
    /// The time of it.
    pub now: UnixMs,
}

/// What happened to an activity, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRecord {
    /// Its number; rises.
    pub no: i64,
    /// When.
    pub at: UnixMs,
    /// What.
    pub what: Record,
    /// What was sent for it.
    pub notification: Option<NotificationNo>,
}

/// A device that can start activities of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Startable {
    /// The device.
    pub device: DeviceNo,
    /// The anonymous device that has its push-to-start token.
    pub push_token_of: DeviceNo,
    /// That is reached through FCM.
    pub is_through_fcm: bool,
}

/// The part of the hot store that keeps Live Activities.
#[async_trait]
pub trait LiveActivityStore: Send + Sync + 'static {
    /// One, by the caller's id.
    async fn live_activity(&self, app: AppNo, id: String) -> Result<Option<StoredActivity>>;
    /// Some, by id, after that one; only those in a state.
    async fn live_activities(
        &self,
        app: AppNo,
        state: Option<ActivityState>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredActivity>>;
    /// Those that run and that phones of one of these recipients may start, of a type.
    async fn live_activities_of(
        &self,
        app: AppNo,
        recipients: Vec<String>,
        attributes_type: String,
        limit: u32,
    ) -> Result<Vec<StoredActivity>>;
    /// Those that run of each of these recipients, at most so many of each: with the recipient.
    async fn running_live_activities(
        &self,
        app: AppNo,
        recipients: Vec<String>,
        limit_each: u32,
    ) -> Result<Vec<(String, StoredActivity)>>;
    /// What happened to one: the newest `limit`, the oldest of them first.
    async fn live_activity_records(&self, no: i64, limit: u32) -> Result<Vec<ActivityRecord>>;
    /// What a notification was sent for: the caller's id of the activity, and what happened to it then. `None`: for none.
    async fn live_activity_sent(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<(String, ActivityRecord)>>;
    /// Writes a step for which nothing is sent. `false`: it is not as it was read any more, or there is one of its id;
    /// nothing was written.
    async fn step_live_activity(&self, step: ActivityStep) -> Result<bool> {
        let written = self.step_live_activities(vec![step]).await?;
        Ok(written.first() == Some(&true))
    }
    /// The errands that are due first, with the times at which they are. An activity that has one is not pruned.
    async fn live_activity_errands(&self, limit: u32) -> Result<Vec<(UnixMs, StoredActivity)>>;
    /// The same as [`Self::step_live_activity`] of several, in one transaction; in their order.
    async fn step_live_activities(&self, steps: Vec<ActivityStep>) -> Result<Vec<bool>>;
    /// How many pushes at once each of these phones got in the hour before, by all that it shows, to the minute: those that
    /// got some.
    async fn urgent_pushes(
        &self,
        phones: Vec<DeviceNo>,
        now: UnixMs,
    ) -> Result<Vec<(DeviceNo, u32)>>;
    /// Those of these devices that can start activities of a type, ascending.
    async fn startable(
        &self,
        devices: Vec<DeviceNo>,
        attributes_type: String,
    ) -> Result<Vec<Startable>>;
    /// Remembers by what a device starts activities of a type, or (`None`) that it does not any more.
    async fn set_startable(
        &self,
        app: AppNo,
        device: DeviceNo,
        attributes_type: String,
        push_token_of: Option<DeviceNo>,
        now: UnixMs,
    ) -> Result<()>;
}
