//! Carillon's engine: intake, lanes, dispatch, settle, and what looks after them.
//!
//! A notification enters at [`Engine::send`], is on disk when that returns, and from then on the
//! engine owes every one of its deliveries exactly one final state. It knows no SQL, no HTTP and no
//! TLS: those are behind the ports.

mod asking;
mod attempt;
mod badge;
mod breaker;
mod callout;
mod campaign;
mod cancel;
mod claim;
mod clerk;
mod conclude;
pub mod config;
mod core;
mod digester;
pub mod directory;
mod dispatch;
mod draft;
mod engine;
pub mod event;
mod fanout;
mod fate;
mod flush;
mod gate;
mod gauge;
mod hub;
mod intake;
mod job;
mod key_ring;
mod lanes;
mod late;
mod later;
mod ledger;
mod limiter;
pub mod list;
pub mod live_activity;
mod load;
mod metrics;
mod moment;
mod patience;
mod peers;
mod pools;
mod pruner;
pub mod question;
mod rates;
pub mod receipt;
pub mod rehearsal;
mod repair;
mod report;
pub mod request;
mod rescuer;
mod resolve;
mod routing;
mod saying;
mod schedule;
mod scheduler;
pub mod segment;
mod self_watch;
mod service;
mod settle;
pub mod source;
mod status;
mod teller;
mod tidy;
mod tray;
pub mod trigger;
mod trouble;
mod vault;
mod wake;
pub mod watch;
pub mod webhooks;

pub use campaign::rehearsal::CampaignRehearsal;
pub use clerk::Receipts;
pub use config::EngineConfig;
pub use directory::Directory;
pub use engine::{Engine, Parts, Webhooks};
pub use limiter::Limiter;
pub use peers::Instances;
pub use rates::RateLimit;
pub use request::{
    Accepted, CancelAnswer, ChangeRefusal, IdempotencyKey, Origin, PauseAnswer, Refusal,
    ResumeAnswer, SendItem,
};
pub use self_watch::{SelfWatch, ServerMonitor, outside_plan};
pub use status::{
    BreakerState, CredentialProblem, EngineStatus, InstanceReport, LaneProblem, LaneStatus,
    PoolReport, StopReport,
};
pub use wake::WakeUp;
