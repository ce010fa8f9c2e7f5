//! The Limiter: a token bucket. Knows nothing of lanes, gateways or API keys.

use carillon_model::rate::Rate;
use std::time::Duration;
use tokio::time::Instant;

/// Lets so many through in a second, evenly, and at most a burst at once.
#[derive(Clone, Debug)]
pub struct Limiter {
    rate: Rate,
    /// Thousandths of a permit, so that small rates fill evenly.
    milli: u64,
    filled_at: Instant,
}

impl Limiter {
    /// A full one.
    #[must_use]
    pub fn new(rate: Rate, at: Instant) -> Self {
        Self {
            rate,
            milli: capacity(rate),
            filled_at: at,
        }
    }

    /// What it keeps to.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Another rate from now on; nobody gains a burst by it.
    pub(crate) fn set_rate(&mut self, rate: Rate, at: Instant) {
        self.permits(at);
        self.rate = rate;
        self.milli = self.milli.min(capacity(rate));
    }

    /// How many may pass now.
    pub fn permits(&mut self, at: Instant) -> usize {
        let millis = at.saturating_duration_since(self.filled_at).as_millis() as u64;
        if millis > 0 {
            let filled = millis.saturating_mul(self.per_second());
            self.milli = self.milli.saturating_add(filled).min(capacity(self.rate));
            self.filled_at += Duration::from_millis(millis);
        }
        (self.milli / 1_000) as usize
    }

    /// Uses up permits that [`Self::permits`] just told of.
    pub fn take(&mut self, count: usize) {
        self.milli = self.milli.saturating_sub(count as u64 * 1_000);
    }

    /// When the next one may pass.
    #[must_use]
    pub fn next_at(&self) -> Instant {
        let missing = 1_000u64.saturating_sub(self.milli);
        self.filled_at + Duration::from_millis(missing.div_ceil(self.per_second()).max(1))
    }

    fn per_second(&self) -> u64 {
        self.rate.per_second.max(1).into()
    }
}

/// In thousandths of a permit.
fn capacity(rate: Rate) -> u64 {
    u64::from(rate.burst()) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lets_no_more_through_than_its_rate() {
        for per_second in [1, 7, 100, 5_000] {
            for burst in [None, Some(50), Some(300)] {
                let rate = Rate { per_second, burst };
                let start = Instant::now();
                let mut limiter = Limiter::new(rate, start);
                let mut passed = 0;
                for step in 0..10_000u64 {
                    let at = start + Duration::from_millis(step);
                    let permits = limiter.permits(at);
                    limiter.take(permits);
                    passed += permits as u64;
                }
                let ten_seconds = u64::from(per_second) * 10;
                let most = ten_seconds + u64::from(rate.burst());
                assert!(passed <= most, "{rate:?}: {passed}");
                assert!(passed + 1 >= ten_seconds, "{rate:?}: {passed}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tells_when_the_next_may_pass() {
        let start = Instant::now();
        let mut limiter = Limiter::new(Rate::per_second(3), start);
        limiter.take(limiter.clone().permits(start));
        assert_eq!(limiter.permits(start), 0);
        let next = limiter.next_at();
        assert!(next > start && next <= start + Duration::from_millis(334));
        assert_eq!(limiter.permits(next), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_rate_is_no_new_burst() {
        let start = Instant::now();
        let mut limiter = Limiter::new(Rate::per_second(100), start);
        limiter.take(20);
        limiter.set_rate(Rate::per_second(1_000), start);
        assert_eq!(limiter.permits(start), 0);
        assert_eq!(limiter.permits(start + Duration::from_millis(5)), 5);
        let mut full = Limiter::new(Rate::per_second(1_000), start);
        full.set_rate(Rate::per_second(5), start);
        assert_eq!(full.permits(start), 1);
    }
}
