//! The project's share of FCM: so many messages a minute, and never from nothing to all of it at once. A value; the time is
//! an argument, and nothing here waits.
//!
//! Google counts by a bucket that is full again after a minute which begins anywhere, and asks senders to raise their rate
//! over a minute at least. Source: Firebase, *Throttling and quotas* and *Best practices when sending FCM messages at scale*.

use std::time::{Duration, Instant};

/// Settings of a [`Quota`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuotaConfig {
    /// Most messages in any minute. Default 600,000, what Google gives a project.
    pub per_minute: u32,
    /// How long the rate takes from nothing to all. Default 60 s.
    pub ramp: Duration,
    /// The rate after a rest, as a part of the whole. Default 0.01: 100 a second.
    pub start: f64,
    /// How long unused allowance is saved up. Default 1 s.
    pub burst: Duration,
}

/// How many messages may go now.
///
/// The rate rises, from a hundredth to the whole within a minute, while more is wanted than it allows; while less is
/// wanted it falls again at the same pace. So a campaign after a quiet hour begins slowly, whatever trickled before it.
///
/// ```
/// use std::time::{Duration, Instant};
/// use fcm::{Quota, QuotaConfig};
/// let start = Instant::now();
/// let mut quota = Quota::new(QuotaConfig::default(), start);
/// assert!(quota.take(5_000, start) < 200); // a slow start
/// for second in 1..=61 {
///     quota.take(100_000, start + Duration::from_secs(second));
/// }
/// assert!(quota.take(100_000, start + Duration::from_secs(62)) > 9_000); // all of it
/// ```
#[derive(Clone, Debug)]
pub struct Quota {
    config: QuotaConfig,
    /// The place on the ramp, from 0 to 1.
    place: f64,
    saved: f64,
    asked_at: Instant,
    /// The last time less was given than was wanted, or all there was.
    is_pressed: bool,
    closed_until: Option<Instant>,
}

impl Quota {
    /// As after a long rest.
    pub fn new(config: QuotaConfig, now: Instant) -> Self {
        let mut quota = Self {
            config,
            place: 0.0,
            saved: 0.0,
            asked_at: now,
            is_pressed: false,
            closed_until: None,
        };
        quota.saved = quota.most_saved();
        quota
    }

    /// How many of these may go now; they count as sent.
    pub fn take(&mut self, wanted: usize, now: Instant) -> usize {
        self.advance(now);
        if wanted == 0 {
            return 0;
        }
        let given = if self.is_closed(now) {
            0
        } else {
            wanted.min(self.saved as usize)
        };
        self.saved -= given as f64;
        // Whoever asks for no more than there is, and takes all of it, wanted more as well.
        self.is_pressed = given < wanted || self.saved < 1.0;
        given
    }

    /// How many could go now; none of them count.
    pub fn available(&mut self, now: Instant) -> usize {
        self.advance(now);
        if self.is_closed(now) {
            0
        } else {
            self.saved as usize
        }
    }

    /// FCM says that the project's quota is used up: nothing goes for so long, and then from the start of the ramp.
    pub fn close(&mut self, pause: Duration, now: Instant) {
        self.advance(now);
        let until = now + pause;
        self.closed_until = Some(self.closed_until.map_or(until, |known| known.max(until)));
        self.place = 0.0;
        self.saved = 0.0;
    }

    /// Messages a second, at the present place on the ramp.
    pub fn rate(&self) -> f64 {
        // What was saved up comes on top of a minute's rate, and both together must keep within the quota.
        let most = f64::from(self.config.per_minute) / (60.0 + self.config.burst.as_secs_f64());
        let start = self.config.start.clamp(0.0, 1.0);
        most * (start + (1.0 - start) * self.place)
    }

    fn most_saved(&self) -> f64 {
        // At least one message, or nothing would ever go at a low rate.
        (self.rate() * self.config.burst.as_secs_f64()).max(1.0)
    }

    fn is_closed(&self, now: Instant) -> bool {
        self.closed_until.is_some_and(|until| until > now)
    }

    fn advance(&mut self, now: Instant) {
        let mut passed = now.saturating_duration_since(self.asked_at);
        self.asked_at = self.asked_at.max(now);
        if let Some(until) = self.closed_until {
            // Nothing is saved up while it is closed.
            let open = now.saturating_duration_since(until);
            passed = passed.min(open);
            if !self.is_closed(now) {
                self.closed_until = None;
            }
        }
        if passed.is_zero() {
            return;
        }
        self.saved += self.rate() * passed.as_secs_f64();
        let step = if self.config.ramp.is_zero() {
            1.0
        } else {
            passed.as_secs_f64() / self.config.ramp.as_secs_f64()
        };
        let step = if self.is_pressed { step } else { -step };
        self.place = (self.place + step).clamp(0.0, 1.0);
        self.saved = self.saved.min(self.most_saved());
    }
}

// === impl QuotaConfig ===

impl Default for QuotaConfig {
    fn default() -> Self {
        Self {
            per_minute: 600_000,
            ramp: Duration::from_secs(60),
            start: 0.01,
            burst: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota() -> (Quota, Instant) {
        let start = Instant::now();
        (Quota::new(QuotaConfig::default(), start), start)
    }

    #[test]
    fn a_long_pressure_gets_all_of_it_and_a_rest_takes_it_back() {
        let (mut quota, start) = quota();
        let at = |millis| start + Duration::from_millis(millis);
        let mut sent = 0;
        for step in 0..600 {
            sent += quota.take(1_000_000, at(step * 100));
        }
        assert!(
            (290_000..310_000).contains(&sent),
            "about half in the first minute: {sent}"
        );
        assert!(quota.rate() > 9_800.0, "{}", quota.rate());
        let minute: usize = (600..1_200)
            .map(|step| quota.take(1_000_000, at(step * 100)))
            .sum();
        assert!((580_000..=600_000).contains(&minute), "{minute}");
        // A trickle, satisfied each time, is a rest too.
        for step in 1_200..1_800 {
            assert_eq!(quota.take(1, at(step * 100)), 1);
        }
        assert!(quota.rate() < 200.0, "{}", quota.rate());
    }

    #[test]
    fn whoever_asks_first_how_much_there_is_climbs_too() {
        let (mut quota, start) = quota();
        for step in 0..700 {
            let now = start + Duration::from_millis(step * 100);
            let available = quota.available(now);
            assert_eq!(quota.take(available, now), available);
        }
        assert!(quota.rate() > 9_800.0, "{}", quota.rate());
    }

    #[test]
    fn a_refusal_closes_it_and_begins_anew() {
        let (mut quota, start) = quota();
        for second in 0..70 {
            quota.take(1_000_000, start + Duration::from_secs(second));
        }
        let refused = start + Duration::from_secs(70);
        quota.close(Duration::from_secs(60), refused);
        quota.close(Duration::from_secs(5), refused);
        assert_eq!(quota.take(10, refused + Duration::from_secs(59)), 0);
        assert_eq!(quota.available(refused + Duration::from_secs(59)), 0);
        let again = quota.take(100_000, refused + Duration::from_secs(61));
        assert!((1..500).contains(&again), "{again}");
    }

    #[test]
    fn a_tiny_quota_still_lets_single_messages_go() {
        let start = Instant::now();
        let config = QuotaConfig {
            per_minute: 6,
            ..QuotaConfig::default()
        };
        let mut quota = Quota::new(config, start);
        let sent: usize = (0..600)
            .map(|second| quota.take(1, start + Duration::from_secs(second)))
            .sum();
        assert!((40..=66).contains(&sent), "{sent}");
    }

    proptest! {
        #[test]
        fn no_minute_gets_more_than_the_quota(
            steps in proptest::collection::vec((0_u64..2_000, 0_usize..50_000), 1..300),
            per_minute in 600_u32..1_000_000,
        ) {
            let start = Instant::now();
            let config = QuotaConfig { per_minute, ..QuotaConfig::default() };
            let mut quota = Quota::new(config, start);
            let (mut now, mut sent) = (0, Vec::new());
            for (passed, wanted) in steps {
                now += passed;
                let given = quota.take(wanted, start + Duration::from_millis(now));
                prop_assert!(given <= wanted);
                sent.push((now, given));
            }
            for (at, &(begin, _)) in sent.iter().enumerate() {
                let minute: usize = sent[at..]
                    .iter()
                    .take_while(|(time, _)| *time < begin + 60_000)
                    .map(|(_, given)| given)
                    .sum();
                prop_assert!(minute <= per_minute as usize, "{minute} of {per_minute}");
            }
        }

        #[test]
        fn the_first_seconds_follow_the_ramp(millis in proptest::collection::vec(1_u64..500, 1..200)) {
            let (mut quota, start) = quota();
            let (mut now, mut sent) = (0.0_f64, 0);
            for passed in millis {
                now += passed as f64 / 1_000.0;
                sent += quota.take(1_000_000, start + Duration::from_secs_f64(now));
                // The start's rate and what was saved, and the triangle under the ramp.
                let most = 10_000.0 / 60.0 * now * now / 2.0 + 100.0 * now + 200.0 + 170.0 * now;
                prop_assert!((sent as f64) < most, "{sent} after {now} s, at most {most}");
            }
        }
    }
}
