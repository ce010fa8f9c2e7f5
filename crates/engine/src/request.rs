//! What goes in at the engine's door, and what comes back.

use carillon_model::UnixMs;
use carillon_model::body::{DigestSource, EventSource};
use carillon_model::id::NotificationNo;
use carillon_model::live_activity::WordedPush;
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_ports::campaign::NewCampaign;
use carillon_ports::gathering::{DigestClaim, ThrottleClaim};
use carillon_ports::live_activity::ActivityStep;
use carillon_ports::schedule::ScheduleTurn;

/// A notification to send.
#[derive(Clone, Debug)]
pub struct SendItem {
    /// What the caller wrote.
    pub request: NotificationRequest,
    /// The caller's idempotency key.
    pub idempotency: Option<IdempotencyKey>,
    /// What it comes from, when it is not a caller's own.
    pub origin: Origin,
}

/// What a notification comes from: an event, several that were gathered, or a schedule.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The event, for the template.
    pub event: Option<EventSource>,
    /// The digest, for the template.
    pub digest: Option<DigestSource>,
    /// A throttle that it must pass.
    pub throttle: Option<ThrottleClaim>,
    /// The digest that it tells, as it was read.
    pub consumes: Option<DigestClaim>,
    /// The turn of a schedule that it is sent by.
    pub turn: Option<ScheduleTurn>,
    /// The campaign that it is.
    pub campaign: Option<NewCampaign>,
    /// The step of a Live Activity that it is pushed by.
    pub activity: Option<ActivityStep>,
    /// What that says to each reader apart.
    pub words: Option<WordedPush>,
}

/// An idempotency key with what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Scope (App and API key) and key, at most 300 bytes; for NDJSON with the line's number.
    pub scoped_key: String,
    /// Hash of the body.
    pub body_hash: [u8; 32],
}

/// A notification that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub no: NotificationNo,
    /// Its public id (`ntf_…`).
    pub id: String,
    /// When it was accepted.
    pub accepted_at: UnixMs,
    /// How many deliveries it has; `None` while its audience is still counted, and for a repeated one.
    pub deliveries: Option<u64>,
    /// Whether it was accepted before, with the same idempotency key and body.
    pub repeated: bool,
    /// When it will be sent, if not at once.
    pub send_at: Option<UnixMs>,
    /// It was to be sent at a time that has passed, and is sent at once instead.
    pub late: bool,
}

/// Why a notification was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// The change is wrong: which fields, and how.
    Invalid(Vec<FieldProblem>),
    /// It does not wait for its time: it was sent or cancelled, or never was to be sent later.
    NotWaiting,
    /// Others keep changing it at the same time.
    Contended,
}

/// Why a notification was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is wrong: which fields, and how.
    Invalid(Vec<FieldProblem>),
    /// Its idempotency key came before with another body.
    KeyReused,
    /// There is no such App (any more).
    AppGone,
    /// The store's queue is full.
    Overloaded {
        /// When to come back.
        retry_after_ms: u32,
    },
    /// Its throttle does not let it through.
    Throttled {
        /// When one will be let through.
        next_allowed_at: UnixMs,
    },
    /// The digest that it tells is gone, or has one more event; or its schedule was changed.
    Stale,
    /// The App has a campaign of this name: this one.
    NameTaken {
        /// Its notification's number.
        no: NotificationNo,
        /// When that was accepted.
        accepted_at: UnixMs,
    },
}

/// What a cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelAnswer {
    /// Deliveries that will never be sent.
    pub not_sent: u64,
    /// Deliveries that had been sent already, or are without an answer.
    pub sent: u64,
    /// Whether everybody who held work of it has confirmed: nothing more of it is written. `false`:
    /// still cancelling.
    pub confirmed: bool,
}

/// What a pause did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseAnswer {
    /// Nothing new of it is sent.
    Paused {
        /// Deliveries that a gateway has, or is about to have, and whose answers are still to come. What
        /// one of them needs besides an answer waits as well.
        in_flight: u64,
    },
    /// It is over: it was cancelled, or every delivery has ended.
    Over,
}

/// What letting a campaign go on did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeAnswer {
    /// It goes on, or did not rest.
    Going,
    /// It is over: it was cancelled, or every delivery has ended.
    Over,
    /// Others keep changing it at the same time.
    Contended,
}
