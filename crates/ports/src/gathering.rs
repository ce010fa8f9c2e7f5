//! What triggers keep in the store: open digests and throttles.
//!
//! A digest is told by a notification that *consumes* it: both are one transaction, and only if no event
//! has joined since the digest was read ([`crate::store::NewNotification::consumes`]). A throttle is
//! taken in the transaction that accepts the notification it lets through.

use crate::store::Idempotency;
use carillon_model::UnixMs;
use carillon_model::body::EventSource;
use carillon_model::digest::{DigestRule, DigestState};
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::throttle::Throttle;
use serde_json::value::RawValue;

/// An event to gather for somebody.
#[derive(Clone, Debug)]
pub struct DigestAdd {
    /// Whose.
    pub app: AppNo,
    /// By which trigger.
    pub trigger: DefinitionNo,
    /// For whom; empty for a crowd.
    pub user: String,
    /// What digests are kept apart by.
    pub group: String,
    /// How it gathers.
    pub rule: DigestRule,
    /// The event.
    pub event: EventSource,
    /// Its data: a JSON object.
    pub data: Box<RawValue>,
    /// The same event for the same recipient counts once.
    pub idempotency: Option<Idempotency>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAdded {
    /// It joined.
    Gathered {
        /// When the digest is told.
        due_at: UnixMs,
        /// How many events it has now.
        count: u64,
    },
    /// It was gathered before, under the same key.
    Repeated,
    /// The key came before with another body.
    KeyReused,
}

/// An open digest whose time has come.
#[derive(Clone, Debug)]
pub struct DueDigest {
    /// Which, as it was read.
    pub claim: DigestClaim,
    /// Whose.
    pub app: AppNo,
    /// By which trigger.
    pub trigger: DefinitionNo,
    /// For whom; empty for a crowd.
    pub user: String,
    /// When it was due.
    pub due_at: UnixMs,
    /// The latest event.
    pub event: EventSource,
    /// What it gathered.
    pub state: DigestState,
}

/// A digest as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DigestClaim {
    /// Its number.
    pub no: i64,
    /// Rises with every event that joins.
    pub version: i64,
}

/// A throttle that a notification must pass to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleClaim {
    /// The trigger.
    pub trigger: DefinitionNo,
    /// For whom; empty for a crowd.
    pub user: String,
    /// How often at most.
    pub rule: Throttle,
}
