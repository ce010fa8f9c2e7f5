//! Since when jobs can be heard without a break: what could not be heard is not missing.
//!
//! A clock that was wrong for a while says nothing about that, so this process counts for how long it has listened. It begins
//! anew when the store has taken nothing, and when a clock went on by more than nobody looking at it explains: then the process
//! stood still, or nobody knows what was due. A store that is there and refuses has to do so for a while: what jobs told
//! meanwhile is remembered, and one lock, or more beats at once than can wait, must not make everybody patient again.

use crate::hub::Hub;
use crate::moment::Moment;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::role::Role;
use carillon_ports::clock::Clock;
use carillon_ports::store::StoreError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often both clocks are looked at, if nobody asks before.
const EVERY: Duration = Duration::from_secs(5);
/// With so long between two looks, by either clock, there was a break.
const GAP: Duration = Duration::from_secs(30);
/// For so long a store that is there refuses until nobody could be heard: twice what a call waits for a lock.
const LASTING: Duration = Duration::from_secs(10);
/// Without a refusal for so long the next one begins anew: who was refused tries again within it, after the longest wait for a
/// turn and the longest pause. What is taken ends it at once.
const OVER: Duration = Duration::from_secs(60);

/// See the module's words.
#[derive(Default)]
pub(super) struct Listening {
    ear: Mutex<Ear>,
    refusals: Mutex<Refusals>,
}

/// When a store that is there began to refuse, and when it last did; none: it takes what it is given.
#[derive(Default)]
struct Refusals(Option<(Instant, Instant)>);

impl Refusals {
    /// The store has refused something. Whether nobody could be heard up to now.
    fn are_silence(&mut self, error: &StoreError, at: Instant) -> bool {
        match error {
            StoreError::Away(_) | StoreError::DiskFull => true,
            StoreError::Busy | StoreError::Overloaded => self.have_lasted(at),
            StoreError::Corrupt(_) | StoreError::Failed(_) | StoreError::Closed => false,
        }
    }

    fn have_lasted(&mut self, at: Instant) -> bool {
        let goes_on = |(_, last): &(Instant, Instant)| at.saturating_duration_since(*last) < OVER;
        let first = self.0.filter(goes_on).map_or(at, |(first, _)| first);
        self.0 = Some((first, at));
        at.saturating_duration_since(first) >= LASTING
    }
}

#[derive(Default)]
struct Ear {
    /// The last look; none: it begins with the next.
    looked: Option<Moment>,
    /// For how long there was no break: business time, in milliseconds.
    for_ms: i64,
    has_broken_off: bool,
}

impl Ear {
    fn look(&mut self, clock: &dyn Clock, moment: Moment) {
        let Some(before) = self.looked.replace(moment) else {
            return;
        };
        let passed_ms = moment.now.saturating_sub(before.now);
        let monotonic = moment.at.saturating_duration_since(before.at);
        // While a machine sleeps its monotonic clock may rest.
        let passed = monotonic.max(clock.lasts(passed_ms));
        if passed < GAP {
            self.for_ms = self.for_ms.saturating_add(passed_ms.max(0));
            return;
        }
        (self.for_ms, self.has_broken_off) = (0, true);
        let secs = passed.as_secs();
        tracing::warn!(
            secs,
            "the clock went on by {secs} s at once: this process stood still, or its clock was moved; jobs have their grace again"
        );
    }
}

impl Hub {
    /// Since when jobs can be heard without a break, here or in another process; never later than `now`.
    pub(crate) fn listening_since(&self, now: UnixMs) -> UnixMs {
        let (for_ms, has_broken_off) = self.listened();
        let here = now.saturating_sub(for_ms);
        let own = self.has(Role::Api).then_some(here);
        let others = self.peers.borrow().others_listen_since();
        // What is still to come was told by another clock.
        let others = others.map(|at| if at > now { here } else { at });
        // Where nobody listens, nothing is missing.
        let since = own.into_iter().chain(others).min().unwrap_or(now);
        // Who had listened before it did not hear either.
        if has_broken_off {
            since.max(here)
        } else {
            since
        }
    }

    /// The store has refused something, whoever wanted it. Where it was away, or full, up to now nobody could be heard; where it
    /// is busy, or has no room, once that has lasted.
    pub(crate) fn refused(&self, error: &StoreError) {
        let at = self.moment().at;
        let mut refusals = self.watching.listening.refusals.lock();
        if refusals.are_silence(error, at) {
            self.listens_anew();
        }
    }

    /// The store has taken something that was to be written: what it refused before did not last.
    pub(crate) fn took(&self) {
        *self.watching.listening.refusals.lock() = Refusals::default();
    }

    /// Up to now nobody could be heard.
    pub(crate) fn listens_anew(&self) {
        *self.watching.listening.ear.lock() = Ear {
            has_broken_off: true,
            ..Ear::default()
        };
    }

    fn listened(&self) -> (i64, bool) {
        let mut ear = self.watching.listening.ear.lock();
        ear.look(&*self.parts.clock, self.moment());
        (ear.for_ms, ear.has_broken_off)
    }
}

/// Looks at both clocks. Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    while !shared.hub.is_stopping() {
        shared.hub.listened();
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_busy_is_silence_once_that_has_lasted() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        let mut busy_at = |secs| {
            let at = start + Duration::from_secs(secs);
            refusals.are_silence(&StoreError::Busy, at)
        };
        for secs in [0, 5, 9] {
            assert!(!busy_at(secs), "{secs} s");
        }
        for secs in [10, 11, 70] {
            assert!(busy_at(secs), "{secs} s");
        }
        for secs in [130, 139] {
            assert!(!busy_at(secs), "{secs} s: a minute without one");
        }
        assert!(busy_at(140));
    }

    #[test]
    fn only_what_nobody_can_be_heard_by_is_silence() {
        let start = Instant::now();
        for (error, at_once, later) in [
            (StoreError::Away("no route".into()), true, true),
            (StoreError::DiskFull, true, true),
            (StoreError::Busy, false, true),
            (StoreError::Overloaded, false, true),
            (StoreError::Failed("a step is spoilt".into()), false, false),
            (StoreError::Corrupt("a row".into()), false, false),
        ] {
            let mut refusals = Refusals::default();
            let mut is_at = |secs| refusals.are_silence(&error, start + Duration::from_secs(secs));
            assert_eq!((is_at(0), is_at(20)), (at_once, later), "{error}");
        }
    }
}
