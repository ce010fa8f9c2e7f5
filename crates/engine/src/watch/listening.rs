//! Since when jobs can be heard without a break: what could not be heard is not missing.
//!
//! A clock that was wrong for a while says nothing about that, so this process counts for how long it has listened. It begins
//! anew when the store has taken nothing, and when a clock went on by more than nobody looking at it explains: then the process
//! stood still, or nobody knows what was due.

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

/// How often both clocks are looked at, if nobody asks before.
const EVERY: Duration = Duration::from_secs(5);
/// With so long between two looks, by either clock, there was a break.
const GAP: Duration = Duration::from_secs(30);

/// See the module's words.
#[derive(Default)]
pub(super) struct Listening(Mutex<Ear>);

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

    /// The store has refused something. Where it was away, or full, up to now nobody could be heard; one that is busy for a
    /// moment is no reason to be patient with every job, unless it has refused one (the gatherer
    /// of beats says so).
    pub(crate) fn refused(&self, error: &StoreError) {
        if matches!(error, StoreError::Away(_) | StoreError::DiskFull) {
            self.listens_anew();
        }
    }

    /// Up to now nobody could be heard.
    pub(crate) fn listens_anew(&self) {
        *self.watching.listening.0.lock() = Ear {
            has_broken_off: true,
            ..Ear::default()
        };
    }

    fn listened(&self) -> (i64, bool) {
        let mut ear = self.watching.listening.0.lock();
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
