//! The Dispatcher: from lanes to pools.
//!
//! One loop on the engine's thread takes what came in, decides whose turn it is, and starts reads of
//! push tokens (a few at once, each for many deliveries). When a read is back, what may still be sent
//! goes to the pools. Push tokens are read when the batch is sent, never kept.
//!
//! For deliveries whose doubt is dropped, the watermark is committed before the bytes go.

use crate::core::Core;
use crate::hub::{Hub, Vital};
use crate::job::Step;
use crate::lanes::{Chunk, NO_CREDIT, Run};
use crate::load::{Load, Pick, end_before_sending, send_load};
use crate::moment::{Moment, ms};
use crate::pools::Admission;
use crate::service::Shared;
use carillon_model::lane::Class;
use carillon_ports::store::StoreError;
use std::sync::Arc;
use tokio::time::Instant;

/// Most outcomes handled before others get the lock.
const OUTCOMES_IN_A_ROW: usize = 2_048;

/// What one round of the dispatcher found to do.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) loads: Vec<Load>,
    pub(crate) claims: Vec<crate::claim::Order>,
    pub(crate) is_polling: bool,
    /// Go on at once.
    pub(crate) has_more: bool,
    pub(crate) wake_at: Option<Instant>,
}

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    loop {
        let round = shared.core.lock().round(shared.hub.moment());
        shared.hub.bells.moved.notify_waiters();
        for load in round.loads {
            tokio::spawn(send_load(shared.clone(), load));
        }
        for order in round.claims {
            tokio::spawn(crate::claim::claim(shared.clone(), order));
        }
        if round.is_polling {
            tokio::spawn(crate::claim::poll(shared.clone()));
        }
        if round.has_more {
            tokio::task::yield_now().await;
            continue;
        }
        // Under load whoever rang is about to ring again: let him, rather than sleep and be woken.
        std::thread::yield_now();
        let poll = ms(shared.hub.parts.config.poll_interval_ms);
        let latest = Instant::now() + poll;
        let wake_at = round.wake_at.map_or(latest, |at| at.min(latest));
        tokio::select! {
            () = shared.hub.bells.dispatch.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
    }
}

impl Core {
    /// One round: takes in, tidies, plans.
    pub(crate) fn round(&mut self, moment: Moment) -> Round {
        let mut round = Round::default();
        let hub = self.hub.clone();
        let hot = std::mem::take(&mut *hub.inbox.hot.lock());
        for incoming in hot {
            self.adopt(incoming, moment);
        }
        round.has_more = self.take_outcomes(&hub, moment);
        self.tidy(moment);
        self.wake_at = None;
        if hub.is_stopping() || hub.failed.borrow().is_some() {
            return round;
        }
        let is_paused = self
            .store_pause_until
            .is_some_and(|until| until > moment.at);
        if is_paused {
            round.wake_at = self.store_pause_until;
            return round;
        }
        round.is_polling = self.wants_poll(moment);
        round.claims = self.plan_claims(moment);
        let (loads, has_more) = self.plan_loads(moment);
        round.loads = loads;
        round.has_more |= has_more;
        round.wake_at = self.wake_at;
        round
    }

    fn take_outcomes(&mut self, hub: &Hub, moment: Moment) -> bool {
        let mut came = std::mem::take(&mut *hub.inbox.outcomes.lock());
        let mut taken = 0;
        let mut rest = came.len();
        for (at, (_, outcomes)) in came.iter().enumerate() {
            taken += outcomes.len();
            if taken >= OUTCOMES_IN_A_ROW {
                rest = at + 1;
                break;
            }
        }
        let later = came.split_off(rest.min(came.len()));
        for (pool, outcomes) in came {
            self.conclude(pool, outcomes, moment);
        }
        if later.is_empty() {
            return false;
        }
        let mut inbox = hub.inbox.outcomes.lock();
        let newer = std::mem::replace(&mut *inbox, later);
        inbox.extend(newer);
        true
    }

    // --- whose turn ---

    fn plan_loads(&mut self, moment: Moment) -> (Vec<Load>, bool) {
        let config = &self.hub.parts.config;
        let (max_loads, max_unsettled) = (config.max_loads, config.max_unsettled as usize);
        let mut budget = config.load_deliveries as usize;
        let mut loads = Vec::new();
        let mut idle = 0;
        if self.loads >= max_loads || self.unsettled() >= max_unsettled {
            return (loads, false);
        }
        if !self.hub.is_counted_on(moment.at) {
            return (loads, false);
        }
        while budget > 0 && idle < self.lanes.ring.len() {
            let Some(lane) = self.lanes.ring.front().copied() else {
                break;
            };
            let taken = self.turn(lane, budget, &mut loads, moment);
            idle = if taken == 0 { idle + 1 } else { 0 };
            budget -= taken.min(budget);
            self.lanes.turn_over();
        }
        self.loads += loads.len() as u32;
        (loads, budget == 0 && self.loads < max_loads)
    }

    /// A lane's turn: at most `budget` deliveries go into `loads`.
    fn turn(&mut self, lane: usize, budget: usize, loads: &mut Vec<Load>, moment: Moment) -> usize {
        let quantum = self.hub.parts.config.quantum as usize;
        let state = &mut self.lanes.all[lane];
        let turn = quantum * state.weight as usize;
        state.deficit = (state.deficit + turn).min(turn * 2);
        let mut allowed = state.deficit.min(budget);
        let of_lane = state.lane;
        match self.rates.permits(of_lane, moment.at) {
            Ok(permits) => allowed = allowed.min(permits),
            Err((limit, next)) => {
                if state.waiting() > 0 {
                    state.limited = Some((limit, moment.at));
                    self.wake(next);
                }
                allowed = 0;
            }
        }
        let mut total = 0;
        loop {
            let before = total;
            let classes: Vec<(Class, u32)> = self.lanes.all[lane].class_order().collect();
            for (class, credit) in classes {
                if credit == NO_CREDIT && total > before {
                    // Those with credit could use the room: a new round of the classes, if theirs is spent.
                    break;
                }
                let want = allowed.min(credit as usize);
                let taken = self.take(lane, class, want, loads, moment);
                self.lanes.all[lane].spend(class, taken as u32);
                allowed -= taken;
                total += taken;
            }
            if total == before || allowed == 0 {
                break;
            }
        }
        let state = &mut self.lanes.all[lane];
        state.deficit = if total == 0 {
            0
        } else {
            state.deficit.saturating_sub(total)
        };
        self.rates.take(of_lane, total);
        total
    }

    /// Takes at most `most` deliveries of a class, from all routes that have room.
    fn take(
        &mut self,
        lane: usize,
        class: Class,
        most: usize,
        loads: &mut Vec<Load>,
        moment: Moment,
    ) -> usize {
        let hub = self.hub.clone();
        let sink = self.sink.clone();
        let rules = self.probe_rules();
        let at = usize::from(class.code());
        let mut left = most;
        for flow in 0..self.lanes.all[lane].flows.len() {
            let (route, of) = &self.lanes.all[lane].flows[flow];
            if left == 0 || of.queued[at] == 0 {
                continue;
            }
            let route = *route;
            let admission = self.routes.admits(route, &hub, &sink, moment, rules);
            let (room, is_probe) = match admission {
                Admission::Now(room) => (room, false),
                Admission::Probe => (1, true),
                Admission::Later(at) => {
                    if let Some(at) = at {
                        self.wake(at);
                    }
                    continue;
                }
                Admission::Trouble(trouble) => {
                    self.trip(route, u64::MAX, &trouble, moment);
                    continue;
                }
            };
            let mut want = room.min(left);
            while want > 0 {
                let flow = &mut self.lanes.all[lane].flows[flow].1;
                let Some(run) = flow.take(class, want) else {
                    break;
                };
                let picked = self.pick(run, route, is_probe, loads, moment);
                want -= picked;
                left -= picked;
            }
        }
        most - left
    }

    fn wake(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |wake| wake.min(at)));
    }

    /// Takes positions for loading. Those that need not be sent any more end here. Returns how many
    /// are to be sent.
    fn pick(
        &mut self,
        run: Run,
        route: usize,
        is_probe: bool,
        loads: &mut Vec<Load>,
        moment: Moment,
    ) -> usize {
        let Run { job: key, chunk } = run;
        let rules = self.probe_rules();
        let Some(job) = self.jobs.get(key) else {
            return 0;
        };
        if self.is_paused(job.note.no) {
            let positions: Vec<u16> = chunk.iter().collect();
            self.put_aside(key, &positions, moment);
            return 0;
        }
        let Some(job) = self.jobs.get_mut(key) else {
            return 0;
        };
        let note = &job.note;
        let end = end_before_sending(note, moment);
        if let Some(state) = end {
            for position in chunk.iter() {
                self.end(key, position, state, "", moment);
            }
            return 0;
        }
        let is_queued = |position: u16| job.slot(position).step == Step::Queued;
        let chunk = if chunk.iter().all(is_queued) {
            chunk
        } else {
            Chunk::List(chunk.iter().filter(|p| is_queued(*p)).collect())
        };
        let count = chunk.len();
        let state = &mut self.routes.all[route];
        let Some(open) = state.open.as_mut().filter(|_| count > 0) else {
            return 0;
        };
        for position in chunk.iter() {
            job.slots[usize::from(position)].step = Step::Loading;
        }
        job.busy += count as u32;
        open.used += count;
        let pool = open.id;
        if let Some(limiter) = &mut state.limiter {
            limiter.take(count);
        }
        if is_probe {
            state.breaker.pick_probe(moment.at, rules);
        }
        let options = &note.options;
        let kind = options.channel.is_none().then(|| job.token_kind());
        let pick = Pick {
            job: key,
            route,
            pool,
            chunk,
            is_probe,
        };
        match loads.iter_mut().find(|load| load.kind == kind) {
            Some(load) => load.picks.push(pick),
            None => loads.push(Load {
                kind,
                picks: vec![pick],
            }),
        }
        count
    }

    // --- the store refuses ---

    /// A pause before the store is asked again, longer each time.
    pub(crate) fn store_refused(&mut self, what: &str, error: &StoreError, moment: Moment) {
        if !self.hub.store_refused(what, error) {
            return;
        }
        self.store_refusals = self.store_refusals.saturating_add(1);
        let pause = pause_ms(
            self.hub.parts.config.store_retry_max_ms,
            self.store_refusals,
        );
        self.store_pause_until = Some(moment.at + ms(pause));
        self.store_problem = Some(error.to_string());
    }

    pub(crate) fn store_answered(&mut self) {
        self.store_refusals = 0;
        self.store_pause_until = None;
        self.store_problem = None;
    }
}

/// The `refusals`th pause: a 50th of the longest, doubling.
pub(crate) fn pause_ms(longest: u32, refusals: u32) -> u32 {
    let first = (longest / 50).max(1);
    first
        .saturating_mul(1 << refusals.saturating_sub(1).min(10))
        .min(longest)
}
