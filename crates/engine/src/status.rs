//! What the engine says of itself: for `/readyz`, `/metrics`, `doctor` and people.

use crate::rates::RateLimit;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::lane::Lane;
use carillon_model::role::Role;
use carillon_ports::gateway::{PoolId, PoolStatus};
use carillon_ports::instance::Instance;
use serde::{Deserialize, Serialize};

/// State of the engine.
#[derive(Clone, Debug, Default)]
pub struct EngineStatus {
    /// Lanes that have or had work since the start, by App and environment.
    pub lanes: Vec<LaneStatus>,
    /// Lanes that other processes send from and that have trouble, as these said with their last heartbeats.
    pub elsewhere: Vec<LaneStatus>,
    /// Credentials that are kept in files and cannot be taken from there, here or where another process follows these.
    pub credential_problems: Vec<CredentialProblem>,
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
    /// Who shares the store, in the order in which they joined.
    pub instances: Vec<InstanceReport>,
    /// Whether the work of former processes was rescued completely. Always where another process does
    /// that.
    pub rescued: bool,
    /// Whether the engine is stopping.
    pub stopping: bool,
}

impl EngineStatus {
    /// This process' lanes, and those of others that have trouble.
    pub fn all_lanes(&self) -> impl Iterator<Item = &LaneStatus> {
        self.lanes.iter().chain(&self.elsewhere)
    }
}

/// A process that shares the store.
#[derive(Clone, Debug)]
pub struct InstanceReport {
    /// What the store knows of it.
    pub instance: Instance,
    /// What it leads: where parts run of which there is to be one.
    pub leads: Vec<Role>,
    /// Whether it is this process.
    pub is_own: bool,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneProblem {
    /// Stable word, e.g. `InvalidProviderToken`, `connect_failed`, `no_credential`.
    pub reason: String,
    /// What to do.
    pub mend: String,
    /// Whether a person must mend the credential (`true`), or time mends the gateway.
    pub is_credential: bool,
    /// Since when.
    pub since: UnixMs,
    /// When a push last met it; 0: just now, as an older version tells nothing of it.
    #[serde(default)]
    pub tried_at: UnixMs,
}

/// Why a credential is not what its file says. What was set before goes on being used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialProblem {
    /// Id of the App; `None`: it is the file that names the credentials.
    pub app: Option<String>,
    /// Name of the credential; `None`: all of the App's, or of the file's.
    pub credential: Option<String>,
    /// A sentence, with what to do.
    pub problem: String,
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
