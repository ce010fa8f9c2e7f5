//! Notifications, deliveries and counters as they are shown, and what retention deletes.

use super::{NewAttempt, NotificationHead};
use crate::timer::SendPlan;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::id::{DeliveryId, DeviceNo};
use carillon_model::lane::Lane;

/// A notification as `GET` shows it.
#[derive(Clone, Debug)]
pub struct NotificationView {
    /// Everything that sending needs. The payload is empty when it was already deleted by retention.
    pub head: NotificationHead,
    /// How far its plan is, if it is not sent with its acceptance.
    pub plan: Option<SendPlan>,
    /// Whether its audience is complete.
    pub fanout_finished: bool,
    /// Deliveries made so far.
    pub deliveries: u64,
    /// How many are open.
    pub open: u64,
    /// How many ended in which state.
    pub states: Vec<(FinalState, u64)>,
    /// When the last delivery became final, once all are.
    pub completed_at: Option<UnixMs>,
}

/// A delivery as `GET` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Which.
    pub id: DeliveryId,
    /// To which device (its public id; `None` when the device was deleted).
    pub device: Option<String>,
    /// Its number.
    pub device_no: DeviceNo,
    /// How it ended, `None` while open.
    pub state: Option<FinalState>,
    /// For an open one: when it is tried next; `None`: it is being sent.
    pub next_attempt_at: Option<UnixMs>,
    /// For an open one: the lane in which it waits or is sent.
    pub lane: Option<Lane>,
}

/// Which deliveries of a notification to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryFilter {
    /// All.
    All,
    /// Those that have not ended.
    Open,
    /// Those that ended in one of these states.
    Ended(Vec<FinalState>),
}

impl DeliveryFilter {
    /// Whether a delivery in this state, `None` while open, is one of them.
    #[must_use]
    pub fn takes(&self, state: Option<FinalState>) -> bool {
        match self {
            Self::All => true,
            Self::Open => state.is_none(),
            Self::Ended(states) => state.is_some_and(|state| states.contains(&state)),
        }
    }
}

/// One remembered try of a delivery.
pub type Attempt = NewAttempt;

/// A row of `GET /v1/apps/{app}/stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Start of the hour.
    pub hour: UnixMs,
    /// State.
    pub state: FinalState,
    /// Reason, empty for none.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What may be deleted.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Payloads of notifications completed before this instant.
    pub content_before: UnixMs,
    /// Records completed before this instant; also events and counters older than it.
    pub records_before: UnixMs,
    /// Versions of templates that were replaced before this instant: a notification may wait for its time
    /// longer than records are kept.
    pub versions_before: UnixMs,
    /// Lists that have had no name since before this instant, unless a fan-out reads them.
    pub lists_before: UnixMs,
    /// Idempotency keys and other short-lived rows that ended before this instant.
    pub now: UnixMs,
    /// Most notifications to look at in one slice.
    pub slice: u32,
}
