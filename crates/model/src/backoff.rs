//! When to try again: a value with tests, not a sleep.

use crate::UnixMs;

/// How often and how long a delivery is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Delay after the first failed attempt, in milliseconds.
    pub first_delay_ms: u32,
    /// Longest delay between two attempts, in milliseconds.
    pub max_delay_ms: u32,
    /// Attempts in all, the first included. After the last the delivery is `failed`.
    pub max_attempts: u16,
    /// Longest time from acceptance to the last attempt, in milliseconds.
    pub max_age_ms: i64,
}

impl Default for RetryPolicy {
    /// 1 s, doubling to 15 min, at most 12 attempts in 24 h: after the nominal delays 1, 2, 4, 8, 16,
    /// 32, 64, 128, 256, 512 and 900 s the twelfth attempt leaves about 32 minutes after the first.
    fn default() -> Self {
        Self {
            first_delay_ms: 1_000,
            max_delay_ms: 900_000,
            max_attempts: 12,
            max_age_ms: 86_400_000,
        }
    }
}

impl RetryPolicy {
    /// The instant of the next attempt after `attempts` of them failed (1 or more), or `None` when
    /// the delivery is at its end.
    ///
    /// The delay doubles from `first_delay_ms` to `max_delay_ms`; `random` (any `u32`) spreads it
    /// over the upper half, so that what failed together does not return together. A gateway's
    /// `retry_after_ms` is a floor under it.
    #[must_use]
    pub fn next_attempt_at(
        &self,
        attempts: u16,
        accepted_at: UnixMs,
        now: UnixMs,
        retry_after_ms: Option<u32>,
        random: u32,
    ) -> Option<UnixMs> {
        if attempts >= self.max_attempts {
            return None;
        }
        let doublings = u32::from(attempts.saturating_sub(1)).min(31);
        let nominal = (u64::from(self.first_delay_ms) << doublings).min(self.max_delay_ms.into());
        let spread = nominal / 2 + (nominal.div_ceil(2) * u64::from(random)) / u64::from(u32::MAX);
        let delay = spread.max(retry_after_ms.unwrap_or(0).into());
        let at = now.saturating_add(delay as i64);
        (at <= accepted_at.saturating_add(self.max_age_ms)).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_to_the_ceiling_and_ends() {
        let policy = RetryPolicy::default();
        let delays: Vec<_> = (1..=12)
            .map(|attempts| policy.next_attempt_at(attempts, 0, 0, None, u32::MAX))
            .collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900];
        assert_eq!(delays[..11], expected.map(|secs| Some(secs * 1_000)));
        assert_eq!(delays[11], None, "the twelfth attempt was the last");
        assert_eq!(
            policy.next_attempt_at(1, 0, 86_400_000, None, 0),
            None,
            "too old"
        );
    }

    proptest! {
        #[test]
        fn stays_in_its_window(attempts in 1u16..12, now in 0i64..1_000_000, after in proptest::option::of(0u32..100_000), random: u32) {
            let policy = RetryPolicy::default();
            let at = policy.next_attempt_at(attempts, now, now, after, random).unwrap();
            let nominal = (1_000i64 << (attempts - 1)).min(900_000);
            prop_assert!(at >= now + nominal / 2 && at >= now + i64::from(after.unwrap_or(0)));
            prop_assert!(at <= now + nominal.max(after.unwrap_or(0).into()));
        }
    }
}
