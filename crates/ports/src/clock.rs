//! Business time as an argument.

use carillon_model::UnixMs;
use std::time::Duration;

/// Tells the time. Tests, `demo` and the accountant run on one that they move.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> UnixMs;
    /// How long `ms` milliseconds of its time last on the machine: another length where the clock runs at another
    /// speed. Nothing for what is over.
    fn lasts(&self, ms: i64) -> Duration {
        Duration::from_millis(ms.max(0) as u64)
    }
    /// Any 64 random bits: for jitter and ids, never for secrets.
    fn random(&self) -> u64;
}
