//! Measuring on this machine: what `carillon bench` runs. The measured server and the simulated
//! gateway are processes of their own, so that their CPU time and memory can be told apart from the
//! load generator's.
//!
//! Nothing here judges: figures are printed, and `cargo xtask bench` holds them against a yardstick.

pub(crate) mod activities;
mod cores;
pub(crate) mod events;
pub(crate) mod faces;
pub(crate) mod figures;
pub(crate) mod gateway;
mod http;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod monitors;
pub(crate) mod pipeline;
pub(crate) mod pools;
mod process;
pub(crate) mod rendering;
pub(crate) mod sealing;
mod server;
pub(crate) mod start;
pub(crate) mod timers;

/// A duration on the command line.
fn span(text: &str) -> Result<std::time::Duration, String> {
    carillon_model::duration::parse_ms(text).map(|ms| std::time::Duration::from_millis(ms as u64))
}
