//! What one settle transaction writes, and what a cancel did.

use super::{NewEvent, Work, WorkId};
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::environment::Environment;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::positions::Positions;
use carillon_model::push_type::TokenKind;

/// Everything that one settle transaction writes.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// For each batch that something happened to.
    pub batches: Vec<BatchSettlement>,
    /// Push tokens that a gateway declared dead.
    pub retirements: Vec<Retirement>,
    /// Pushes of Live Activities that surely reached nobody: whose they are, is told so with its next step.
    pub refused: Vec<RefusedDelivery>,
    /// Environments that were found out.
    pub repairs: Vec<EnvironmentRepair>,
    /// Counters to add to.
    pub counts: Vec<CountDelta>,
    /// Events to append besides those that the store makes of what it learns by the rest
    /// ([`crate::news`]): notifications that are complete, deliveries that failed, devices that retired.
    pub events: Vec<NewEvent>,
    /// The time of it.
    pub now: UnixMs,
}

/// What happened to one batch.
#[derive(Clone, Debug)]
pub struct BatchSettlement {
    /// Which.
    pub batch: BatchNo,
    /// How positions ended; merged into the verdicts by [`FinalState::merge`].
    pub verdicts: Vec<(u16, FinalState)>,
    /// Why, for those that ended without reaching anybody: what `delivery.failed` tells of them.
    pub failures: Vec<Failure>,
    /// Tries to remember.
    pub attempts: Vec<NewAttempt>,
    /// Work rows that are done.
    pub done: Vec<WorkId>,
    /// Work rows to add (retries, repairs), due or held (`due_at: None`).
    pub follow_ups: Vec<Work>,
}

/// Why a delivery ended without reaching anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its position in the batch.
    pub position: u16,
    /// At which gateway.
    pub gateway: Gateway,
    /// The gateway's reason or our word; empty for none.
    pub reason: String,
}

/// A try to remember: every one that was not a plain first-time success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttempt {
    /// Position in the batch; `None`: all positions of the work (a rescue).
    pub position: Option<u16>,
    /// Which positions, when it concerns several.
    pub positions: Option<Positions>,
    /// Which attempt, from 1.
    pub attempt: u16,
    /// When.
    pub at: UnixMs,
    /// Environment in which it was tried.
    pub environment: Option<Environment>,
    /// Connection number, 0 when none.
    pub connection: u32,
    /// Stable word for what came of it: `accepted, rejected, retry, blocked, not_sent, in_doubt,
    /// rescued_in_doubt, expired, late_answer, held, unrenderable`.
    pub result: String,
    /// HTTP status, 0 when there was no answer.
    pub status: u16,
    /// Gateway's reason or our word.
    pub reason: String,
    /// Raw words of the gateway, at most 1 kB.
    pub raw: String,
    /// From write to answer, microseconds.
    pub elapsed_us: u32,
    /// When it will be tried again, if it will.
    pub next_attempt_at: Option<UnixMs>,
}

/// A push token that a gateway declared dead; applied by `PushToken::dies_by`. When it dies by this, the
/// store tells so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The App.
    pub app: AppNo,
    /// The delivery that was answered so.
    pub delivery: DeliveryId,
    /// Whose.
    pub device: DeviceNo,
    /// Which.
    pub kind: TokenKind,
    /// The registration that the answer is about.
    pub generation: u32,
    /// Since when, as the gateway says.
    pub since: Option<UnixMs>,
    /// The gateway's reason.
    pub reason: String,
}

/// A push of a Live Activity that surely reached nobody: a start that was refused, or what went to an update token that
/// is dead. See [`carillon_model::live_activity::RefusedPush`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDelivery {
    /// Which.
    pub delivery: DeliveryId,
    /// The device that keeps the push token.
    pub device: DeviceNo,
    /// Whether it was to start the activity.
    pub is_start: bool,
    /// The gateway's reason, or our word.
    pub reason: String,
}

/// An environment that was found out; written only to the same registration while it says `auto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentRepair {
    /// Whose push token.
    pub device: DeviceNo,
    /// Which.
    pub kind: TokenKind,
    /// Of which registration.
    pub generation: u32,
    /// Where it is accepted.
    pub environment: Environment,
}

/// Something to add to a counter of `GET /v1/apps/{app}/stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountDelta {
    /// Whose.
    pub app: AppNo,
    /// At which gateway.
    pub gateway: Gateway,
    /// Which state deliveries ended in.
    pub state: FinalState,
    /// The gateway's reason, empty for none.
    pub reason: String,
    /// How many more; fewer, where they are known to have ended otherwise.
    pub count: i64,
    /// When they ended, if not with what else is written.
    pub at: Option<UnixMs>,
}

/// What a cancel did at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelMark {
    /// Deliveries that were taken back from waiting work in this transaction.
    pub not_sent: u64,
    /// Whether work of it is held (in memory): the engine asks the holders.
    pub held: bool,
}
