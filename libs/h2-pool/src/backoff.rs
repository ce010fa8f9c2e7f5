//! How long to wait before the next connect: a value, without clock or randomness of its own.

use std::time::Duration;

/// Doubling waits with jitter, between a shortest and a longest.
///
/// The n-th wait lies in the upper half of a window that doubles: 1–2 s, 2–4 s, … 30–60 s with the usual bounds. The
/// random number is an argument, so that a test can walk the edges.
///
/// ```
/// use std::time::Duration;
/// let mut backoff = h2_pool::Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// assert_eq!(backoff.next_wait(0.0), Duration::from_secs(1));
/// assert_eq!(backoff.next_wait(0.0), Duration::from_secs(2));
/// backoff.reset();
/// assert_eq!(backoff.next_wait(0.5), Duration::from_millis(1_500));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits between `min` and `max`; a `max` below `min` is read as `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
            failures: 0,
        }
    }

    /// How many failures in a row this has counted.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and says how long to wait. `random` is in 0..1; what lies outside is brought in.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        let doubled = 2_u32
            .checked_pow(self.failures.saturating_add(1))
            .and_then(|factor| self.min.checked_mul(factor));
        let upper = doubled.unwrap_or(self.max).min(self.max);
        let lower = (upper / 2).max(self.min).min(upper);
        self.failures = self.failures.saturating_add(1);
        let random = if random.is_finite() {
            random.clamp(0.0, 1.0)
        } else {
            0.0
        };
        lower + (upper - lower).mul_f64(random)
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn windows_double_up_to_the_longest_wait() {
        let mut low = Backoff::new(SECOND, 60 * SECOND);
        let mut high = low.clone();
        let windows: Vec<_> = (0..8)
            .map(|_| (low.next_wait(0.0).as_secs(), high.next_wait(1.0).as_secs()))
            .collect();
        assert_eq!(
            windows,
            [
                (1, 2),
                (2, 4),
                (4, 8),
                (8, 16),
                (16, 32),
                (30, 60),
                (30, 60),
                (30, 60)
            ]
        );
    }

    #[test]
    fn a_reset_starts_again_at_the_shortest() {
        let mut backoff = Backoff::new(SECOND, 60 * SECOND);
        for _ in 0..5 {
            backoff.next_wait(1.0);
        }
        assert_eq!(backoff.failures(), 5);
        backoff.reset();
        assert_eq!((backoff.failures(), backoff.next_wait(0.0)), (0, SECOND));
    }

    #[test]
    fn never_leaves_its_bounds() {
        for (min, max) in [(1, 60), (60, 1), (5, 5), (0, 60), (0, 0)] {
            let mut backoff = Backoff::new(min * SECOND, max * SECOND);
            for round in 0..100 {
                let wait = backoff.next_wait([-1.0, 0.0, 0.3, 1.0, 7.0, f64::NAN][round % 6]);
                assert!(
                    wait >= min * SECOND && wait <= max.max(min) * SECOND,
                    "{min}..{max}: {wait:?}"
                );
            }
        }
    }
}
