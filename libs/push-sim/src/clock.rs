//! The simulator's clock: real time plus an offset, running at a chosen speed.
//!
//! Everything Apple would judge by its own clock (age of a provider token, expiry of a stored
//! notification, the eight hours of a Live Activity) is judged by this one. Scripted delays are
//! real time and do not come here.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// A movable clock. Clones share the same time.
///
/// ```
/// use std::time::Duration;
/// let clock = push_sim::Clock::at_ms(1_700_000_000_000);
/// clock.set_speed(0.0);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now_secs(), 1_700_000_060);
/// ```
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<Reading>>);

#[derive(Debug)]
struct Reading {
    taken: Instant,
    value_ms: f64,
    speed: f64,
}

impl Reading {
    fn now_ms(&self) -> f64 {
        self.value_ms + self.taken.elapsed().as_secs_f64() * 1000.0 * self.speed
    }

    fn rebase(&mut self, value_ms: f64) {
        self.taken = Instant::now();
        self.value_ms = value_ms;
    }
}

impl Clock {
    /// A clock that shows the computer's time and runs at normal speed.
    pub fn real() -> Clock {
        Clock::at_ms(wall_us() / 1000)
    }

    /// A clock that shows `unix_ms` (milliseconds since 1970) now and runs at normal speed.
    pub fn at_ms(unix_ms: i64) -> Clock {
        Clock(Arc::new(Mutex::new(Reading {
            taken: Instant::now(),
            value_ms: unix_ms as f64,
            speed: 1.0,
        })))
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.0.lock().now_ms() as i64
    }

    /// Whole seconds since 1970.
    pub fn now_secs(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Seconds of simulated time for each second of real time; 0 stops the clock.
    pub fn speed(&self) -> f64 {
        self.0.lock().speed
    }

    /// Jumps forward.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.0.lock();
        let now = reading.now_ms();
        reading.rebase(now + by.as_secs_f64() * 1000.0);
    }

    /// Jumps to `unix_ms`, forward or back.
    pub fn set_ms(&self, unix_ms: i64) {
        self.0.lock().rebase(unix_ms as f64);
    }

    /// Changes the speed from now on. Negative and non-finite speeds count as 0.
    pub fn set_speed(&self, speed: f64) {
        let mut reading = self.0.lock();
        let now = reading.now_ms();
        reading.rebase(now);
        reading.speed = if speed.is_finite() && speed > 0.0 {
            speed
        } else {
            0.0
        };
    }
}

/// The computer's own time in microseconds since 1970: for measuring, never for Apple's rules.
pub(crate) fn wall_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64)
}
