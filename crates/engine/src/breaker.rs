//! The Breaker: stands before a pool that cannot send, so that work waits instead of being burnt.
//!
//! ```text
//!            trouble                        the probe's answer is anything but trouble
//!   closed ───────────> open ──(interval)──> probing ───────────> closed
//!                         ^                     │
//!                         └──── trouble again ──┘
//! ```
//!
//! A probe is a waiting delivery like any other, let through alone. Only the answer to a probe closes
//! the breaker: what was already under way when trouble came says nothing about now. A probe without
//! an answer does not hold up the next one, up to `max_probes`. Knows no pools and no deliveries.

use crate::moment::{Moment, ms};
use crate::status::{BreakerState, LaneProblem};
use carillon_model::UnixMs;
use carillon_model::outcome::{Trouble, TroubleScope};
use tokio::time::Instant;

/// How a breaker probes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeRules {
    pub(crate) interval_ms: u32,
    pub(crate) max_retry_after_ms: u32,
    pub(crate) max_probes: u32,
}

/// State of one breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    trouble: Trouble,
    since: UnixMs,
    since_at: Instant,
    tried_at: UnixMs,
    next_probe_at: Instant,
    /// Picked as probes and not handed to the pool yet.
    picked: u32,
    /// Tags of probes that the pool has.
    probes: Vec<u64>,
    /// Probes that found the trouble still there.
    failed: u32,
}

/// What a trip did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trip {
    /// The breaker was closed until now.
    pub(crate) is_new: bool,
    /// Worth a line in the delivery's story: probes only at the 1st, 2nd, 4th, 8th… failure.
    pub(crate) is_telling: bool,
}

impl Breaker {
    pub(crate) fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    /// Whether a probe may go now; if not, when to ask again (`None`: when something happens).
    pub(crate) fn may_probe(&self, at: Instant, rules: ProbeRules) -> Result<(), Option<Instant>> {
        match &self.open {
            None => Ok(()),
            Some(open) if open.picked + open.probes.len() as u32 >= rules.max_probes => Err(None),
            Some(open) if open.next_probe_at > at => Err(Some(open.next_probe_at)),
            Some(_) => Ok(()),
        }
    }

    /// A delivery was picked as a probe.
    pub(crate) fn pick_probe(&mut self, at: Instant, rules: ProbeRules) {
        if let Some(open) = &mut self.open {
            open.picked += 1;
            open.next_probe_at = at + ms(rules.interval_ms);
        }
    }

    /// It was handed to the pool under this tag.
    pub(crate) fn probe_sent(&mut self, tag: u64) {
        if let Some(open) = &mut self.open {
            open.picked = open.picked.saturating_sub(1);
            open.probes.push(tag);
        }
    }

    /// It was not sent after all (cancelled, suppressed): the next one may go at once.
    pub(crate) fn probe_lost(&mut self, at: Instant) {
        if let Some(open) = &mut self.open {
            open.picked = open.picked.saturating_sub(1);
            open.next_probe_at = at;
        }
    }

    /// The pool is in trouble.
    pub(crate) fn trip(
        &mut self,
        tag: u64,
        trouble: &Trouble,
        moment: Moment,
        rules: ProbeRules,
    ) -> Trip {
        let retry_after = trouble.retry_after_ms.unwrap_or(0);
        let wait = rules
            .interval_ms
            .max(retry_after.min(rules.max_retry_after_ms));
        let next_probe_at = moment.at + ms(wait);
        match &mut self.open {
            Some(open) => {
                let was_probe = open.forget(tag);
                // Stragglers of before do not push the probe further and further away.
                if was_probe || retry_after > 0 {
                    open.next_probe_at = open.next_probe_at.max(next_probe_at);
                }
                open.trouble.clone_from(trouble);
                open.tried_at = moment.now;
                open.failed += u32::from(was_probe);
                Trip {
                    is_new: false,
                    is_telling: !was_probe || open.failed.is_power_of_two(),
                }
            }
            None => {
                self.open = Some(Open {
                    trouble: trouble.clone(),
                    since: moment.now,
                    since_at: moment.at,
                    tried_at: moment.now,
                    next_probe_at,
                    picked: 0,
                    probes: Vec::new(),
                    failed: 0,
                });
                Trip {
                    is_new: true,
                    is_telling: true,
                }
            }
        }
    }

    /// The pool answered something that is no trouble. `Some`: that closed the breaker; what the
    /// trouble was.
    pub(crate) fn answered(&mut self, tag: u64) -> Option<Trouble> {
        if self.open.as_mut()?.forget(tag) {
            return self.open.take().map(|open| open.trouble);
        }
        None
    }

    /// The push came back without an answer (in doubt, not sent): if it was a probe, it tells nothing.
    pub(crate) fn unanswered(&mut self, tag: u64) {
        if let Some(open) = &mut self.open {
            open.forget(tag);
        }
    }

    /// Closes it without a probe: the credential was changed.
    pub(crate) fn rearm(&mut self) -> Option<Trouble> {
        self.open.take().map(|open| open.trouble)
    }

    pub(crate) fn state(&self) -> BreakerState {
        match &self.open {
            None => BreakerState::Closed,
            Some(open) if open.probes.is_empty() && open.picked == 0 => BreakerState::Open,
            Some(_) => BreakerState::Probing,
        }
    }

    pub(crate) fn problem(&self) -> Option<LaneProblem> {
        self.open.as_ref().map(|open| LaneProblem {
            reason: open.trouble.reason.clone(),
            mend: open.trouble.mend.clone(),
            is_credential: open.trouble.scope == TroubleScope::Credential,
            since: open.since,
            tried_at: open.tried_at,
        })
    }

    /// Since when it is open.
    pub(crate) fn open_since(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.since_at)
    }
}

impl Open {
    fn forget(&mut self, tag: u64) -> bool {
        let before = self.probes.len();
        self.probes.retain(|probe| *probe != tag);
        self.probes.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RULES: ProbeRules = ProbeRules {
        interval_ms: 1_000,
        max_retry_after_ms: 60_000,
        max_probes: 2,
    };

    fn trouble(retry_after_ms: Option<u32>) -> Trouble {
        Trouble {
            scope: TroubleScope::Gateway,
            reason: "ServiceUnavailable".into(),
            mend: "wait".into(),
            retry_after_ms,
        }
    }

    fn moment(start: Instant, after_ms: u64) -> Moment {
        Moment {
            now: after_ms as i64,
            at: start + Duration::from_millis(after_ms),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_probe_closes_it() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        assert!(
            breaker
                .trip(1, &trouble(None), moment(start, 0), RULES)
                .is_new
        );
        assert!(
            !breaker
                .trip(2, &trouble(None), moment(start, 900), RULES)
                .is_new
        );
        assert_eq!(breaker.answered(3), None, "sent before the trouble");
        let next = breaker.may_probe(start, RULES).unwrap_err().unwrap();
        assert_eq!(
            next,
            start + Duration::from_secs(1),
            "stragglers do not delay"
        );
        breaker.may_probe(next, RULES).unwrap();
        breaker.pick_probe(next, RULES);
        breaker.probe_sent(9);
        assert_eq!(breaker.state(), BreakerState::Probing);
        assert!(breaker.answered(9).is_some());
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_outage_is_told_in_few_lines() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        breaker.trip(0, &trouble(None), moment(start, 0), RULES);
        let mut told = 0;
        for probe in 1..=3_600 {
            let at = moment(start, probe * 1_000);
            breaker.may_probe(at.at, RULES).unwrap();
            breaker.pick_probe(at.at, RULES);
            breaker.probe_sent(probe);
            told += u32::from(breaker.trip(probe, &trouble(None), at, RULES).is_telling);
        }
        assert_eq!(told, 12);
        let problem = breaker.problem().unwrap();
        assert_eq!((problem.since, problem.tried_at), (0, 3_600_000));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_respected_within_the_window() {
        let start = Instant::now();
        for (retry_after, wait) in [(500, 1_000), (7_000, 7_000), (3_600_000, 60_000)] {
            let mut breaker = Breaker::default();
            breaker.trip(1, &trouble(Some(retry_after)), moment(start, 0), RULES);
            let next = breaker.may_probe(start, RULES).unwrap_err().unwrap();
            assert_eq!(next, start + Duration::from_millis(wait));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silent_probes_do_not_hold_up_the_next_but_are_bounded() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        breaker.trip(1, &trouble(None), moment(start, 0), RULES);
        for (tag, after) in [(10, 1_000), (11, 2_000)] {
            let at = moment(start, after).at;
            breaker.may_probe(at, RULES).unwrap();
            breaker.pick_probe(at, RULES);
            breaker.probe_sent(tag);
        }
        let later = moment(start, 9_000).at;
        assert_eq!(breaker.may_probe(later, RULES), Err(None), "two are out");
        breaker.unanswered(10);
        breaker.may_probe(later, RULES).unwrap();
        breaker.pick_probe(later, RULES);
        breaker.probe_lost(later);
        breaker.may_probe(later, RULES).unwrap();
        assert!(breaker.rearm().is_some() && breaker.is_closed());
    }
}
