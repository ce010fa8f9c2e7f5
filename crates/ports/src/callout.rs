//! What call-outs keep in the store, and what asking an App's code takes and gives; who asks is
//! [`crate::webhook::WebhookSender::ask`].
//!
//! A timer that must ask first is *put off*: it is due again when the asking should long be over, under
//! another fence, and in the same transaction its run is opened. Who asked fires it by that fence, and the
//! run ends in the transaction that stores what came of it. After a crash the timer is due again and its
//! run is still open: the App is asked again, under the same id, and what is fired is fired once.

use crate::store::Result;
use crate::timer::{DueTimer, TimerClaim};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::callout::CalloutResult;
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo};
use carillon_model::webhook::{WebhookAnswer, WebhookSecrets, WebhookUrl};
use std::time::Duration;

/// A timer whose App is to be asked first.
#[derive(Clone, Debug)]
pub struct CalloutBegin {
    /// It, as it was read.
    pub timer: TimerClaim,
    /// Whose.
    pub app: AppNo,
    /// Which call-out.
    pub callout: DefinitionNo,
    /// Which schedule it is for; of a notification, which one it is sent by, if any.
    pub schedule: Option<DefinitionNo>,
    /// Which notification it is for, whose timer this then is.
    pub notification: Option<NotificationNo>,
    /// When it was due, if this is the first that is heard of it.
    pub due_at: UnixMs,
    /// It is due again then, should nothing have come of it.
    pub until: UnixMs,
    /// Whether it is asked now; else it only waits for its turn.
    pub is_asked: bool,
    /// The time of it.
    pub now: UnixMs,
}

/// A run that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCallout {
    /// Its number.
    pub run: i64,
    /// The timer as it is now.
    pub timer: TimerClaim,
    /// When it was due.
    pub due_at: UnixMs,
    /// How often asking began, this time included.
    pub begun: u16,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalloutEnd {
    /// Which.
    pub run: i64,
    /// When.
    pub at: UnixMs,
    /// What came of it.
    pub result: CalloutResult,
    /// Attempts since asking began last.
    pub attempts: u16,
    /// What was wrong, also where the fallback was sent: a stable dotted code, and words.
    pub failure: Option<(String, String)>,
}

/// A run as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalloutRun {
    /// Its number; rises.
    pub no: i64,
    /// Which schedule it is for, or its notification is sent by.
    pub schedule: Option<DefinitionNo>,
    /// When it was due.
    pub due_at: UnixMs,
    /// When asking began first; `None`: it waits for its turn.
    pub started_at: Option<UnixMs>,
    /// How often asking began: more than 1 after a crash.
    pub begun: u16,
    /// When it ended.
    pub finished_at: Option<UnixMs>,
    /// Attempts since asking began last.
    pub attempts: u16,
    /// What came of it.
    pub result: CalloutResult,
    /// What it is for, or what was sent.
    pub notification: Option<NotificationNo>,
    /// What was wrong: a stable dotted code, and words.
    pub failure: Option<(String, String)>,
}

/// The part of the hot store that keeps call-outs' runs. Most runs end with a schedule's turn
/// ([`crate::schedule::ScheduleTurn::callout`]), or with a change of the notification that asked, which then
/// says something ([`crate::timer::SendChange::callout`]). Whatever else happens to a timer while somebody is
/// asked for it, a change or a cancel, ends its run as overtaken.
#[async_trait]
pub trait CalloutStore: Send + Sync + 'static {
    /// Puts a timer off, and opens its run unless it is open already. `None`: the timer is not as it was
    /// read any more, and nothing was changed.
    async fn begin_callout(&self, begin: CalloutBegin) -> Result<Option<OpenCallout>>;
    /// Timers of which a run is open, that of the oldest run first.
    async fn open_callouts(&self, limit: u32) -> Result<Vec<DueTimer>>;
    /// Writes down that a run ended with which nothing else changes. One that has ended stays as it is.
    async fn end_callout(&self, end: CalloutEnd) -> Result<()>;
    /// Runs of a call-out, newest first, before the number `before`.
    async fn callout_runs(
        &self,
        callout: DefinitionNo,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<CalloutRun>>;
}

/// One attempt to ask an App's code.
#[derive(Clone)]
pub struct CalloutCall {
    /// Where.
    pub url: WebhookUrl,
    /// The `webhook-id`: the same at every attempt of a run.
    pub id: String,
    /// The body, the same at every attempt.
    pub body: Bytes,
    /// Secrets of the call-out; those that are live sign.
    pub secrets: WebhookSecrets,
    /// Longest time for it.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct CalloutReply {
    /// As of a webhook; its body is for people.
    pub answer: WebhookAnswer,
    /// The whole body as it came; `None`: it was longer than may be, or broke off.
    pub body: Option<Bytes>,
}
