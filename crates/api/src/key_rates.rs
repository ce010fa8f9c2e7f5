//! How many requests one API key may make: a limiter for each key that was used of late. Publishable
//! keys, which everybody may have, have a rate of their own.
//!
//! It counts requests, whatever they ask for and whatever comes of them. Requests without a key that is
//! in use are refused before they come here.

use crate::problem::{Problem, codes};
use carillon_engine::Limiter;
use carillon_model::id::ApiKeyNo;
use carillon_model::rate::Rate;
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::time::Instant;

/// The rates, and the limiters.
pub(crate) struct KeyRates {
    /// Of keys that only register; `None`: no limit.
    publishable: Option<Rate>,
    /// Of all other keys.
    others: Option<Rate>,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    limiters: HashMap<ApiKeyNo, Limiter>,
    /// With so many, those are dropped that are full again: a new one would be the same.
    sweep_at: usize,
}

/// Fewest limiters that are looked through for full ones.
const SWEEP_FROM: usize = 64;

impl KeyRates {
    pub(crate) fn new(publishable: Option<Rate>, others: Option<Rate>) -> Self {
        Self {
            publishable,
            others,
            used: Mutex::default(),
        }
    }

    /// One more request with this key.
    pub(crate) fn admit(
        &self,
        key: ApiKeyNo,
        is_publishable: bool,
        at: Instant,
    ) -> Result<(), Problem> {
        let (rate, setting) = if is_publishable {
            (self.publishable, "api.registrations_per_second")
        } else {
            (self.others, "api.key_requests_per_second")
        };
        let Some(rate) = rate else { return Ok(()) };
        let mut used = self.used.lock();
        if !used.limiters.contains_key(&key) {
            used.make_room(at);
        }
        let limiter = used.limiters.entry(key);
        let limiter = limiter.or_insert_with(|| Limiter::new(rate, at));
        if limiter.permits(at) > 0 {
            limiter.take(1);
            return Ok(());
        }
        let wait = limiter.next_at().saturating_duration_since(at);
        let detail = format!(
            "this API key may make {} requests in a second ({setting}), and {} at once",
            rate.per_second,
            rate.burst()
        );
        let secs = wait.as_millis().div_ceil(1_000) as u32;
        Err(Problem::new(&codes::REQUEST_RATE, detail).retry_after(secs))
    }
}

impl Used {
    fn make_room(&mut self, at: Instant) {
        if self.limiters.len() < self.sweep_at.max(SWEEP_FROM) {
            return;
        }
        self.limiters
            .retain(|_, limiter| limiter.permits(at) < limiter.rate().burst() as usize);
        self.sweep_at = self.limiters.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn one() -> Option<Rate> {
        Some(Rate {
            per_second: 1,
            burst: Some(2),
        })
    }

    #[test]
    fn each_key_has_its_own_rate_and_publishable_ones_another() {
        let rates = KeyRates::new(one(), None);
        let start = Instant::now();
        for key in [ApiKeyNo(1), ApiKeyNo(2)] {
            assert!(rates.admit(key, true, start).is_ok());
            assert!(rates.admit(key, true, start).is_ok());
            let problem = rates.admit(key, true, start).unwrap_err();
            assert_eq!(problem.code(), &codes::REQUEST_RATE);
            for _ in 0..100 {
                assert!(rates.admit(ApiKeyNo(key.0 + 10), false, start).is_ok());
            }
        }
        let later = start + Duration::from_secs(1);
        assert!(rates.admit(ApiKeyNo(1), true, later).is_ok());
        assert!(rates.admit(ApiKeyNo(1), true, later).is_err());
    }

    #[test]
    fn keys_that_rest_are_forgotten_and_others_are_not() {
        let rates = KeyRates::new(None, one());
        let start = Instant::now();
        for key in 0..1_000 {
            let at = start + Duration::from_secs(key as u64 * 10);
            assert!(rates.admit(ApiKeyNo(key), false, at).is_ok());
        }
        assert!(rates.used.lock().limiters.len() <= SWEEP_FROM);
        let at = start + Duration::from_secs(20_000);
        let spent = ApiKeyNo(5_000);
        while rates.admit(spent, false, at).is_ok() {}
        for key in 0..1_000 {
            assert!(rates.admit(ApiKeyNo(key), false, at).is_ok());
        }
        assert!(rates.admit(spent, false, at).is_err());
    }
}
