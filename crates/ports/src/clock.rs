//! Business time as an argument.

use carillon_model::UnixMs;

/// Tells the time. Tests, `demo` and the accountant run on one that they move.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now(&self) -> UnixMs;
    /// Any 64 random bits: for jitter and ids, never for secrets.
    fn random(&self) -> u64;
}
