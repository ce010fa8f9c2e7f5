//! The rates of each App's pushes: how many may leave now in one of its lanes. What they hold back
//! waits where it is, in its lane or in the store, and no attempt is used up.

use crate::limiter::Limiter;
use carillon_model::id::AppNo;
use carillon_model::lane::{Gateway, Lane};
use carillon_model::rate::{Rate, RateOf, Rates};
use std::collections::HashMap;
use tokio::time::Instant;

/// What holds a lane back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Which of the App's rates.
    pub of: RateOf,
    /// What it is.
    pub rate: Rate,
}

/// The limiters of all Apps that have rates.
#[derive(Debug, Default)]
pub(crate) struct AppRates {
    limiters: HashMap<(AppNo, Option<Gateway>), Limiter>,
}

impl AppRates {
    /// The App's rates as they are now, as far as a lane of it is concerned.
    pub(crate) fn set(&mut self, lane: Lane, rates: &Rates, at: Instant) {
        for (key, of) in keys(lane) {
            let Some(rate) = rates.get(of) else {
                self.limiters.remove(&key);
                continue;
            };
            let limiter = self.limiters.entry(key);
            let limiter = limiter.or_insert_with(|| Limiter::new(rate, at));
            if limiter.rate() != rate {
                limiter.set_rate(rate, at);
            }
        }
    }

    /// How many may leave in this lane; if none, what holds them back, and when to ask again.
    pub(crate) fn permits(
        &mut self,
        lane: Lane,
        at: Instant,
    ) -> Result<usize, (RateLimit, Instant)> {
        let mut permits = usize::MAX;
        let mut held: Option<(RateLimit, Instant)> = None;
        for (key, of) in keys(lane) {
            let Some(limiter) = self.limiters.get_mut(&key) else {
                continue;
            };
            permits = permits.min(limiter.permits(at));
            let next = limiter.next_at();
            let is_later = held.is_none_or(|(_, known)| known < next);
            if limiter.permits(at) == 0 && is_later {
                let rate = limiter.rate();
                held = Some((RateLimit { of, rate }, next));
            }
        }
        held.map_or(Ok(permits), Err)
    }

    /// So many left in this lane.
    pub(crate) fn take(&mut self, lane: Lane, count: usize) {
        for (key, _) in keys(lane) {
            if let Some(limiter) = self.limiters.get_mut(&key) {
                limiter.take(count);
            }
        }
    }
}

/// Which rates concern a lane.
fn keys(lane: Lane) -> [((AppNo, Option<Gateway>), RateOf); 2] {
    let gateway = lane.gateway;
    [
        ((lane.app, None), RateOf::Total),
        ((lane.app, Some(gateway)), RateOf::Gateway(gateway)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::environment::TokenEnvironment;
    use std::time::Duration;

    fn lane(app: i64, gateway: Gateway, environment: TokenEnvironment) -> Lane {
        Lane {
            app: AppNo(app),
            gateway,
            environment,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_share_their_apps_rates_and_no_others() {
        let at = Instant::now();
        let rates = Rates {
            total: Some(Rate::per_second(10)),
            apns: Some(Rate::per_second(5)),
            ..Rates::default()
        };
        let production = lane(1, Gateway::Apns, TokenEnvironment::Production);
        let sandbox = lane(1, Gateway::Apns, TokenEnvironment::Sandbox);
        let fcm = lane(1, Gateway::Fcm, TokenEnvironment::Production);
        let other = lane(2, Gateway::Apns, TokenEnvironment::Production);
        let mut all = AppRates::default();
        for lane in [production, sandbox, fcm] {
            all.set(lane, &rates, at);
        }
        all.set(other, &Rates::default(), at);
        assert_eq!(all.permits(other, at), Ok(usize::MAX));
        assert_eq!(all.permits(production, at), Ok(1));
        all.take(production, 1);
        let (held, next) = all.permits(sandbox, at).unwrap_err();
        assert_eq!(held.of, RateOf::Gateway(Gateway::Apns));
        assert_eq!(next, at + Duration::from_millis(200));
        assert_eq!(all.permits(fcm, at), Ok(1));
        all.take(fcm, 1);
        assert_eq!(all.permits(fcm, at).unwrap_err().0.of, RateOf::Total);
        let (held, _) = all.permits(production, at).unwrap_err();
        assert_eq!(held.of, RateOf::Gateway(Gateway::Apns), "the longer wait");

        all.set(fcm, &Rates::default(), at);
        assert_eq!(all.permits(fcm, at), Ok(usize::MAX));
    }
}
