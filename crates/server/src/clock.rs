//! The real clock and the real random source, and the clock that tests and `demo` move.
//!
//! Everything else in Carillon takes the time as an argument; here is where it comes from.

use carillon_model::UnixMs;
use carillon_ports::clock::Clock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Business time: the machine's, or one with an offset and a speed.
#[derive(Debug)]
pub(crate) struct ServerClock {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    System,
    Moved {
        started: Instant,
        started_at: UnixMs,
        speed: f64,
    },
}

impl ServerClock {
    /// The machine's time.
    pub(crate) fn system() -> Self {
        Self { kind: Kind::System }
    }

    /// A clock that shows `started_at` now and runs `speed` times as fast as the machine's. It follows
    /// the monotonic clock, so the machine's own jumps do not reach it.
    pub(crate) fn moved(started_at: UnixMs, speed: f64) -> Self {
        Self {
            kind: Kind::Moved {
                started: Instant::now(),
                started_at,
                speed,
            },
        }
    }
}

impl Clock for ServerClock {
    fn now(&self) -> UnixMs {
        match self.kind {
            Kind::System => machine_now(),
            Kind::Moved {
                started,
                started_at,
                speed,
            } => started_at + (started.elapsed().as_secs_f64() * 1_000.0 * speed) as i64,
        }
    }

    fn lasts(&self, ms: i64) -> Duration {
        let lasts = Duration::from_millis(ms.max(0) as u64);
        match self.kind {
            Kind::System => lasts,
            // What would take longer than a Duration holds is never waited for to its end.
            Kind::Moved { speed, .. } => {
                Duration::try_from_secs_f64(lasts.as_secs_f64() / speed).unwrap_or(Duration::MAX)
            }
        }
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The machine's time in Unix milliseconds. Before 1970 it is 0: nothing we do makes sense there.
pub(crate) fn machine_now() -> UnixMs {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_millis() as UnixMs
}

/// Fills with random bytes fit for secrets.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    // aws-lc's generator fails only where the kernel gives no entropy at all: then no key that we
    // made could be trusted, and stopping is the only honest answer.
    #[expect(clippy::expect_used, reason = "see above")]
    aws_lc_rs::rand::fill(bytes).expect("the kernel gives randomness");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_clock_starts_away_and_runs_faster() {
        let clock = ServerClock::moved(machine_now() + 86_400_000, 1_000.0);
        let first = clock.now();
        assert!(first >= machine_now() + 86_000_000);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert!(clock.now() - first >= 2_000, "1000 times as fast");
    }

    #[test]
    fn what_lasts_a_minute_lasts_a_second_where_it_runs_sixty_times_as_fast() {
        let minute = Duration::from_secs(60);
        let moved = |speed| ServerClock::moved(0, speed).lasts(60_000);
        assert_eq!(moved(60.0), Duration::from_secs(1));
        assert_eq!(moved(0.5), 2 * minute);
        assert_eq!(ServerClock::system().lasts(60_000), minute);
        assert_eq!(ServerClock::system().lasts(-1), Duration::ZERO);
        let never = ServerClock::moved(0, 0.001).lasts(i64::MAX);
        assert!(never > Duration::from_secs(u32::MAX.into()));
    }

    #[test]
    fn randomness_differs() {
        let clock = ServerClock::system();
        assert_ne!(clock.random(), clock.random());
    }
}
