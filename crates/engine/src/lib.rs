//! Carillon's engine: intake, lanes, dispatch, settle, and what looks after them.
//!
//! A notification enters at [`Engine::send`], is on disk when that returns, and from then on the
//! engine owes every one of its deliveries exactly one final state. It knows no SQL, no HTTP and no
//! TLS: those are behind the ports.

pub mod config;
pub mod directory;
mod engine;
pub mod request;
pub mod status;

pub use config::EngineConfig;
pub use directory::Directory;
pub use engine::{Engine, Parts};
pub use request::{Accepted, CancelAnswer, IdempotencyKey, Refusal, SendItem};
pub use status::{BreakerState, EngineStatus, LaneProblem, LaneStatus, PoolReport, StopReport};
