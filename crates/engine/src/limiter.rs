//! The Limiter: a token bucket. Knows nothing of lanes or gateways.

use std::time::Duration;
use tokio::time::Instant;

/// Lets so many through in a second, evenly: at most a fifth of a second's worth at once.
#[derive(Clone, Debug)]
pub(crate) struct Limiter {
    per_second: u32,
    /// Thousandths of a permit, so that small rates fill evenly.
    milli: u64,
    filled_at: Instant,
}

impl Limiter {
    pub(crate) fn new(per_second: u32, at: Instant) -> Self {
        let mut limiter = Self {
            per_second: per_second.max(1),
            milli: 0,
            filled_at: at,
        };
        limiter.milli = limiter.capacity();
        limiter
    }

    pub(crate) fn per_second(&self) -> u32 {
        self.per_second
    }

    fn capacity(&self) -> u64 {
        (u64::from(self.per_second) * 200).max(1_000)
    }

    /// How many may pass now.
    pub(crate) fn permits(&mut self, at: Instant) -> usize {
        let millis = at.saturating_duration_since(self.filled_at).as_millis() as u64;
        if millis > 0 {
            let filled = millis.saturating_mul(self.per_second.into());
            self.milli = self.milli.saturating_add(filled).min(self.capacity());
            self.filled_at += Duration::from_millis(millis);
        }
        (self.milli / 1_000) as usize
    }

    /// Uses up permits that [`Self::permits`] just told of.
    pub(crate) fn take(&mut self, count: usize) {
        self.milli = self.milli.saturating_sub(count as u64 * 1_000);
    }

    /// When the next one may pass.
    pub(crate) fn next_at(&self) -> Instant {
        let missing = 1_000u64.saturating_sub(self.milli);
        self.filled_at + Duration::from_millis(missing.div_ceil(self.per_second.into()).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lets_no_more_through_than_its_rate() {
        for rate in [1, 7, 100, 5_000] {
            let start = Instant::now();
            let mut limiter = Limiter::new(rate, start);
            let mut passed = 0;
            for step in 0..10_000u64 {
                let at = start + Duration::from_millis(step);
                let permits = limiter.permits(at);
                limiter.take(permits);
                passed += permits as u64;
            }
            let burst = (u64::from(rate) / 5).max(1);
            let ten_seconds = u64::from(rate) * 10;
            assert!(passed <= ten_seconds + burst, "{rate}: {passed}");
            assert!(passed + 1 >= ten_seconds, "{rate}: {passed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tells_when_the_next_may_pass() {
        let start = Instant::now();
        let mut limiter = Limiter::new(3, start);
        limiter.take(limiter.clone().permits(start));
        assert_eq!(limiter.permits(start), 0);
        let next = limiter.next_at();
        assert!(next > start && next <= start + Duration::from_millis(334));
        assert_eq!(limiter.permits(next), 1);
    }
}
