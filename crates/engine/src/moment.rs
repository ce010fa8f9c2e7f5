//! Now, twice: business time for what is stored, monotonic time for what only waits.

use carillon_model::UnixMs;
use carillon_ports::clock::Clock;
use std::time::Duration;
use tokio::time::Instant;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Business time: expiry, due work, records.
    pub(crate) now: UnixMs,
    /// Monotonic time: breakers, limiters, delays.
    pub(crate) at: Instant,
}

impl Moment {
    pub(crate) fn read(clock: &dyn Clock) -> Self {
        Self {
            now: clock.now(),
            at: Instant::now(),
        }
    }
}

/// Milliseconds of a setting as a duration.
pub(crate) fn ms(setting: u32) -> Duration {
    Duration::from_millis(setting.into())
}
