//! What the engine says of itself: for `/readyz`, `/metrics`, `doctor` and people.

use crate::rates::RateLimit;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::lane::Lane;
use carillon_ports::gateway::{PoolId, PoolStatus};

/// State of the engine.
#[derive(Clone, Debug, Default)]
pub struct EngineStatus {
    /// Lanes that have or had work since the start, by App and environment.
    pub lanes: Vec<LaneStatus>,
    /// Open pools.
    pub pools: Vec<PoolReport>,
    /// Outcomes that are not on disk yet.
    pub unsettled: u64,
    /// Why the last try to settle failed, while it still does.
    pub store_problem: Option<String>,
    /// Fan-outs that are going on.
    pub fanouts: u32,
    /// Whether timers do not fire because the store was restored, until somebody says so.
    pub scheduler_paused: bool,
    /// Whether the work of former processes was rescued completely.
    pub rescued: bool,
    /// Whether the engine is stopping.
    pub stopping: bool,
}

/// State of a lane.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// Which.
    pub lane: Lane,
    /// Deliveries waiting in memory.
    pub queued: u64,
    /// Deliveries handed to a pool and not answered.
    pub in_flight: u64,
    /// Whether more work waits in the store.
    pub backlog: bool,
    /// When the oldest delivery that waits in memory was accepted.
    pub oldest_accepted_at: Option<UnixMs>,
    /// Worst state among the breakers of the pools it sends through.
    pub breaker: BreakerState,
    /// What is wrong, while a breaker is not closed.
    pub problem: Option<LaneProblem>,
    /// Which of its App's rates it waits for.
    pub limited: Option<RateLimit>,
}

/// State of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// Work flows.
    #[default]
    Closed,
    /// Work waits, and a delivery is on its way to see whether it still must.
    Probing,
    /// Work waits.
    Open,
}

impl BreakerState {
    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Probing => "probing",
            Self::Open => "open",
        }
    }
}

/// Why a breaker is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneProblem {
    /// Stable word, e.g. `InvalidProviderToken`, `connect_failed`, `no_credential`.
    pub reason: String,
    /// What to do.
    pub mend: String,
    /// Whether a person must mend the credential (`true`), or time mends the gateway.
    pub is_credential: bool,
    /// Since when.
    pub since: UnixMs,
}

/// State of a pool.
#[derive(Clone, Debug)]
pub struct PoolReport {
    /// Which.
    pub id: PoolId,
    /// Whose.
    pub app: AppNo,
    /// Name of its credential.
    pub credential: String,
    /// How many pushes it may have at once.
    pub window: usize,
    /// How many it has.
    pub in_flight: usize,
    /// Its breaker.
    pub breaker: BreakerState,
    /// What is wrong, while the breaker is not closed.
    pub problem: Option<LaneProblem>,
    /// What it says of its connections.
    pub status: PoolStatus,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Deliveries that were given back to the store unsent.
    pub given_back: u64,
    /// Deliveries that had no answer when time was up: the next start treats them as in doubt.
    pub unanswered: u64,
    /// Outcomes that could not be written any more: the next start treats them as in doubt.
    pub unsettled: u64,
}

impl StopReport {
    /// Whether nothing was cut.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unanswered == 0 && self.unsettled == 0
    }
}
