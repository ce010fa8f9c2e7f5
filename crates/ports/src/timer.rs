//! Timers in the store: what is to happen later.
//!
//! A timer fires by a *claim*: it is deleted as it was read, in the transaction that stores its effect. Its
//! fence is another with each change, and none is ever given twice, so that a timer that was changed,
//! cancelled or fired meanwhile is not fired by what was read of it before.

use crate::callout::CalloutEnd;
use crate::live_activity::StoredActivity;
use crate::schedule::DueSchedule;
use crate::store::{NewEvent, NotificationHead, NotificationView, Result};
use crate::watch::StoredWatch;
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::notification::SendOptions;
use carillon_model::timer::{MissedRun, TimerKind};

/// A timer as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerClaim {
    /// Its number.
    pub no: i64,
    /// Another one with each change.
    pub fence: i64,
}

/// A timer to set with a notification that is accepted now and sent later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTimer {
    /// When.
    pub due_at: UnixMs,
    /// What becomes of it when that was missed.
    pub missed: MissedRun,
    /// What its effect needs; the engine's business.
    pub body: Bytes,
}

/// A timer whose effect is being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiredTimer {
    /// It, as it was read.
    pub claim: TimerClaim,
    /// The time of it: from here on everything counts that counts from acceptance elsewhere.
    pub at: UnixMs,
}

/// When a notification is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// With its acceptance.
    #[default]
    AtOnce,
    /// Accepted now, without deliveries; this timer sends it.
    Later(NewTimer),
    /// Accepted before; this timer sends it. Nothing is stored if it is not as it was read any more.
    Fired(FiredTimer),
}

/// Which due timers to read: fairly, App by App.
#[derive(Clone, Copy, Debug)]
pub struct DueAsk {
    /// Due at this instant.
    pub now: UnixMs,
    /// Begins with the App after this one, and goes round.
    pub after: Option<AppNo>,
    /// Most of one App, its oldest.
    pub each: u32,
    /// Most in all; Apps that do not fit are left for the next time.
    pub most: u32,
    /// With so many bytes of what they say and whom it is for, no more are read: one that is larger is
    /// read all the same, alone.
    pub most_bytes: u64,
}

/// What is due.
#[derive(Clone, Debug, Default)]
pub struct DueTimers {
    /// App by App, the oldest first. Those of deleted Apps are passed over.
    pub timers: Vec<DueTimer>,
    /// Whether [`DueAsk::most`] or [`DueAsk::most_bytes`] ended it: more may be due.
    pub is_full: bool,
    /// When the next timer is due that is not due yet; unknown when it is full.
    pub next: Option<UnixMs>,
}

/// A timer whose time has come.
#[derive(Clone, Debug)]
pub struct DueTimer {
    /// It, as it was read.
    pub claim: TimerClaim,
    /// Whose.
    pub app: AppNo,
    /// When it was due: of a schedule its own time, however often it was tried since; of a notification
    /// when it was to be tried, see [`NotificationHead::send_at`].
    pub due_at: UnixMs,
    /// Tries that failed so far.
    pub attempts: u16,
    /// What it is for, also where its subject cannot be read; `None`: not even that can be read.
    pub kind: Option<TimerKind>,
    /// What it is about; an error says what of its row cannot be read. That is no reason to stop: it
    /// fails alone.
    pub subject: std::result::Result<TimerSubject, String>,
}

/// What a timer is about.
#[derive(Clone, Debug)]
pub enum TimerSubject {
    /// A notification that is to be sent.
    Send(Box<DueSend>),
    /// A schedule that is due.
    Schedule(Box<DueSchedule>),
    /// A Live Activity whose next moment has come.
    LiveActivity(Box<StoredActivity>),
    /// A monitor that is to be looked at.
    Watch(Box<StoredWatch>),
}

impl TimerSubject {
    /// How many bytes it holds, about: what it says and whom it is for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Send(send) => send.notification.payload.len() + send.body.len(),
            Self::Schedule(schedule) => schedule.body.len(),
            Self::LiveActivity(activity) => activity.plan.len() + activity.run.len(),
            Self::Watch(watch) => watch.record.len(),
        };
        bytes as u64
    }
}

/// A notification whose time has come.
#[derive(Clone, Debug)]
pub struct DueSend {
    /// The notification.
    pub notification: NotificationHead,
    /// What becomes of it when its time was missed.
    pub missed: MissedRun,
    /// As it was given with [`NewTimer::body`].
    pub body: Bytes,
}

/// A timer that could not fire.
#[derive(Clone, Debug)]
pub struct TimerFailure {
    /// It, as it was read; one that changed meanwhile is left alone.
    pub claim: TimerClaim,
    /// When it was due, as in [`DueTimer::due_at`]: a schedule's next try is no time of its own.
    pub due_at: UnixMs,
    /// Tries that failed, this one included.
    pub attempts: u16,
    /// Why, in words.
    pub error: String,
    /// When it is tried again; `None`: it is set aside until somebody changes it.
    pub next_try_at: Option<UnixMs>,
    /// What is told of it.
    pub event: Option<NewEvent>,
    /// The run of the call-out that is to blame, and ends with it.
    pub callout: Option<CalloutEnd>,
}

/// A notification that waits for its time, to be changed.
#[derive(Clone, Debug)]
pub struct WaitingSend {
    /// Its timer, as it was read.
    pub claim: TimerClaim,
    /// As it was given with [`NewTimer::body`].
    pub body: Bytes,
}

/// A change of a notification that waits for its time. Tries that failed are forgotten.
#[derive(Clone, Debug)]
pub struct SendChange {
    /// Which.
    pub no: NotificationNo,
    /// Its timer, as it was read.
    pub claim: TimerClaim,
    /// Its timer from now on.
    pub timer: NewTimer,
    /// When it ends.
    pub expires_at: Option<UnixMs>,
    /// How it is sent.
    pub options: SendOptions,
    /// What it says.
    pub payload: Bytes,
    /// The time of it.
    pub now: UnixMs,
    /// The run of the call-out that it comes of, and ends with it.
    pub callout: Option<CalloutEnd>,
}

/// How far a notification is that is not sent with its acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendPlan {
    /// When it was to be sent, as asked.
    pub send_at: UnixMs,
    /// What came of that.
    pub state: SendState,
}

/// See [`SendPlan::state`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendState {
    /// It waits for its time; with `attempts`, for its next try.
    Waiting {
        /// When it is tried.
        next_try_at: UnixMs,
        /// Tries that failed.
        attempts: u16,
        /// Why the last of them did.
        last_error: Option<String>,
    },
    /// It could not be sent and is not tried again until it is changed.
    SetAside {
        /// Tries that failed.
        attempts: u16,
        /// Why the last of them did.
        last_error: Option<String>,
    },
    /// Its sending began.
    Begun {
        /// When.
        at: UnixMs,
    },
    /// It was cancelled before.
    Withdrawn,
}

/// The part of the hot store that keeps timers.
#[async_trait]
pub trait TimerStore: Send + Sync + 'static {
    /// Timers that are due, a fair share of each App.
    async fn due_timers(&self, ask: DueAsk) -> Result<DueTimers>;
    /// Writes down that timers could not fire, all in one transaction.
    async fn fail_timers(&self, failures: Vec<TimerFailure>, now: UnixMs) -> Result<()>;
    /// The timer of a notification that waits for its time. `None`: it does not wait, or is a campaign,
    /// which is not changed.
    async fn waiting_send(&self, app: AppNo, no: NotificationNo) -> Result<Option<WaitingSend>>;
    /// Changes a notification that waits for its time. `false`: it, or its timer, changed meanwhile;
    /// nothing was changed.
    async fn change_send(&self, change: SendChange) -> Result<bool>;
    /// Notifications that wait for their time, the soonest first, after the instant and number `after`;
    /// or those that were set aside, by number. An instant of those is 0.
    async fn scheduled(
        &self,
        app: AppNo,
        set_aside: bool,
        after: Option<(UnixMs, NotificationNo)>,
        limit: u32,
    ) -> Result<Vec<NotificationView>>;
    /// Whether nothing fires until somebody says so, because the store was restored from a backup.
    async fn is_scheduler_paused(&self) -> Result<bool>;
    /// Lets timers fire again. `false`: they were not paused.
    async fn resume_scheduler(&self) -> Result<bool>;
}
