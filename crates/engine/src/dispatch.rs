//! The Dispatcher: from lanes to pools.
//!
//! One loop on the engine's thread takes what came in, decides whose turn it is, and starts reads of
//! push tokens (a few at once, each for many deliveries). When a read is back, what may still be sent
//! goes to the pools. Push tokens are read when the batch is sent, never kept.
//!
//! For deliveries whose doubt is dropped, the watermark is committed before the bytes go.

use crate::core::Core;
use crate::hub::{Hub, Vital};
use crate::job::{JobKey, Note, Step};
use crate::lanes::{Chunk, Run};
use crate::moment::{Moment, ms};
use crate::pools::{Admission, route_for};
use crate::service::Shared;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::id::{DeliveryId, DeviceNo};
use carillon_model::lane::Class;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_ports::fault::{self, Bug};
use carillon_ports::gateway::{Pool, PoolId, Push};
use carillon_ports::store::{StoreError, WorkId};
use std::sync::Arc;
use tokio::time::Instant;

/// Most outcomes handled before others get the lock.
const OUTCOMES_IN_A_ROW: usize = 2_048;

/// Deliveries whose push tokens are read together.
pub(crate) struct Load {
    /// `None`: broadcasts, which need none.
    kind: Option<TokenKind>,
    picks: Vec<Pick>,
}

/// Some positions of a job, for which a pool keeps room.
struct Pick {
    job: JobKey,
    route: usize,
    pool: PoolId,
    chunk: Chunk,
    is_probe: bool,
}

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
        if let Some(limiter) = &mut state.limiter {
            let permits = limiter.permits(moment.at);
            if permits == 0 {
                let next = limiter.next_at();
                self.wake(next);
            }
            allowed = allowed.min(permits);
        }
        let mut total = 0;
        loop {
            let before = total;
            let classes: Vec<(Class, u32)> = self.lanes.all[lane].class_order().collect();
            for (class, credit) in classes {
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
        if let Some(limiter) = &mut state.limiter {
            limiter.take(total);
        }
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
        let options = &note.message.options;
        let kind = options.channel.is_none().then_some(options.token_kind);
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

    // --- before and after the read ---

    /// Devices of a load, ascending, and the watermarks it needs.
    fn prepare_load(&mut self, load: &Load) -> (Vec<DeviceNo>, Vec<(WorkId, u16)>) {
        let mut devices = Vec::new();
        let mut marks: Vec<(WorkId, u16)> = Vec::new();
        for pick in &load.picks {
            let Some(job) = self.jobs.get_mut(pick.job) else {
                continue;
            };
            if load.kind.is_some() {
                let all = job.devices.as_slice();
                devices.extend(pick.chunk.iter().map(|p| all[usize::from(p)]));
            }
            let highest = pick.chunk.iter().max().unwrap_or(0);
            if job.note.drops_doubt() && highest >= job.marked {
                match marks.last_mut() {
                    Some((id, upto)) if *id == job.work.id => *upto = (*upto).max(highest + 1),
                    _ => marks.push((job.work.id, highest + 1)),
                }
            }
        }
        if !devices.is_sorted_by(|a, b| a < b) {
            devices.sort_unstable();
            devices.dedup();
        }
        (devices, marks)
    }

    /// The read (or the watermark) failed: everything back, and a pause.
    fn unload(&mut self, load: Load, error: &StoreError, moment: Moment) {
        for pick in load.picks {
            if pick.is_probe {
                self.routes.all[pick.route].breaker.probe_lost(moment.at);
            }
            self.put_back(&pick, pick.chunk.iter().collect(), moment);
        }
        self.store_refused("a read for sending", error, moment);
    }

    /// Positions of a pick that are not sent now.
    fn put_back(&mut self, pick: &Pick, positions: Vec<u16>, moment: Moment) {
        self.routes.give_room(pick.pool, positions.len());
        let route = self.routes.all[pick.route].route;
        let environment = if route.is_probing {
            carillon_model::environment::TokenEnvironment::Auto
        } else {
            route.environment.into()
        };
        self.requeue(pick.job, positions, environment, moment);
    }

    /// The push tokens are here: sends what may still be sent.
    fn submit(
        &mut self,
        load: Load,
        mut tokens: Vec<PushToken>,
        mut without: Vec<DeviceNo>,
        moment: Moment,
    ) -> Vec<(Arc<dyn Pool>, Vec<Push>)> {
        if !tokens.is_sorted_by_key(|token| token.device) {
            tokens.sort_by_key(|token| token.device);
        }
        without.sort_unstable();
        let mut out: Vec<(PoolId, Arc<dyn Pool>, Vec<Push>)> = Vec::new();
        for pick in load.picks {
            self.submit_pick(
                &pick,
                load.kind.is_some(),
                &tokens,
                &without,
                &mut out,
                moment,
            );
        }
        out.into_iter()
            .map(|(_, pool, pushes)| (pool, pushes))
            .collect()
    }

    fn submit_pick(
        &mut self,
        pick: &Pick,
        needs_token: bool,
        tokens: &[PushToken],
        without: &[DeviceNo],
        out: &mut Vec<(PoolId, Arc<dyn Pool>, Vec<Push>)>,
        moment: Moment,
    ) {
        let key = pick.job;
        let Some(job) = self.jobs.get(key) else {
            self.routes.give_room(pick.pool, pick.chunk.len());
            return;
        };
        let note = job.note.clone();
        let lane = job.lane;
        let (is_first, batch) = (job.work.attempt == 0, job.work.id.batch);
        let state = &self.routes.all[pick.route];
        let is_open = state.breaker.is_closed() || pick.is_probe;
        let pool = state
            .open
            .as_ref()
            .filter(|open| open.id == pick.pool && is_open)
            .map(|open| open.pool.clone());
        let route = state.route;
        let directory = self.hub.directory.load();
        let mut back = Vec::new();
        let mut elsewhere: Vec<(carillon_model::environment::TokenEnvironment, Vec<u16>)> =
            Vec::new();
        let mut sent = 0u32;
        let mut unsent = 0;
        for position in pick.chunk.iter() {
            let Some(job) = self.jobs.get_mut(key) else {
                unsent += 1;
                continue;
            };
            if job.slot(position).step != Step::Loading {
                unsent += 1;
                continue;
            }
            if let Some(state) = end_before_sending(&note, moment) {
                unsent += 1;
                self.end(key, position, state, "", moment);
                continue;
            }
            let Some(pool) = &pool else {
                back.push(position);
                continue;
            };
            let device = job.devices.as_slice()[usize::from(position)];
            let token = match find(tokens, without, device, needs_token) {
                Ok(token) => token,
                Err(rule) => {
                    unsent += 1;
                    let state = FinalState::Suppressed(rule);
                    self.end(key, position, state, rule_word(rule), moment);
                    continue;
                }
            };
            let slot = &mut job.slots[usize::from(position)];
            if let Some(token) = token {
                let credentials = directory.credentials(note.app);
                let options = &note.message.options;
                let wanted = route_for(
                    credentials,
                    note.app,
                    token.environment,
                    slot.tried,
                    options,
                );
                if wanted != Some(route) {
                    unsent += 1;
                    match elsewhere
                        .iter_mut()
                        .find(|(env, _)| *env == token.environment)
                    {
                        Some((_, positions)) => positions.push(position),
                        None => elsewhere.push((token.environment, vec![position])),
                    }
                    continue;
                }
                slot.generation = token.generation;
                slot.is_auto = token.environment.known().is_none();
            }
            slot.step = Step::InFlight;
            let tag = key.tag(position);
            let push = Push {
                tag,
                push_token: token.map_or_else(
                    || PushTokenBytes(bytes::Bytes::new()),
                    |token| token.bytes.clone(),
                ),
                gateway_id: DeliveryId { batch, position }.gateway_id(self.hub.seed),
                message: note.message.clone(),
            };
            match out.iter_mut().rev().find(|(id, _, _)| *id == pick.pool) {
                Some((_, _, pushes)) => pushes.push(push),
                None => out.push((pick.pool, pool.clone(), vec![push])),
            }
            sent += 1;
            if pick.is_probe {
                self.routes.all[pick.route].breaker.probe_sent(tag);
            }
        }
        if pick.is_probe && sent == 0 {
            self.routes.all[pick.route].breaker.probe_lost(moment.at);
        }
        self.lanes.all[lane].in_flight += sent;
        if sent > 0 {
            let name = directory.app_by_no(note.app).map_or("", |app| &app.id);
            let push_type = note.message.options.push_type;
            let meters = self.hub.meters.send(note.app, name, push_type);
            meters.sent.increment(sent.into());
            if is_first {
                let waited = (moment.now - note.accepted_at).max(0) as f64 / 1e3;
                meters.accept_to_send.record_many(waited, sent as usize);
            }
        }
        self.routes.give_room(pick.pool, unsent);
        for (environment, positions) in elsewhere {
            self.requeue(key, positions, environment, moment);
        }
        if !back.is_empty() {
            self.put_back(pick, back, moment);
        }
        if fault::planted(Bug::SettleBeforeAnswer) {
            for position in pick.chunk.iter() {
                let is_sent = |job: &crate::job::Job| job.slot(position).step == Step::InFlight;
                if self.jobs.get(key).is_some_and(is_sent) {
                    self.routes.give_room(pick.pool, 1);
                    self.end(key, position, FinalState::Accepted, "", moment);
                }
            }
        }
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

/// Why nothing of a notification is sent any more.
fn end_before_sending(note: &Note, moment: Moment) -> Option<FinalState> {
    if note.is_cancelled() && !fault::planted(Bug::IgnoreCancel) {
        Some(FinalState::Cancelled)
    } else if note.is_expired(moment.now) {
        Some(FinalState::Expired)
    } else {
        None
    }
}

/// The push token of a device, `None` where none is needed, or the rule that keeps the delivery back.
fn find<'a>(
    tokens: &'a [PushToken],
    without: &[DeviceNo],
    device: DeviceNo,
    needs_token: bool,
) -> Result<Option<&'a PushToken>, Suppression> {
    if !needs_token {
        return Ok(None);
    }
    match tokens.binary_search_by_key(&device, |token| token.device) {
        Ok(at) if tokens[at].retired_at.is_some() => Err(Suppression::PushTokenRetired),
        Ok(at) => Ok(Some(&tokens[at])),
        Err(_) if without.binary_search(&device).is_ok() => Err(Suppression::NoPushToken),
        Err(_) => Err(Suppression::DeviceGone),
    }
}

fn rule_word(rule: Suppression) -> &'static str {
    match rule {
        Suppression::DeviceGone => "device_gone",
        Suppression::NoPushToken => "no_push_token",
        Suppression::PushTokenRetired => "push_token_retired",
        Suppression::AppGone => "app_gone",
    }
}

/// Reads push tokens (and commits watermarks), then hands over to the pools.
async fn send_load(shared: Arc<Shared>, load: Load) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let (devices, marks) = shared.core.lock().prepare_load(&load);
    let store = &shared.hub.parts.store;
    let read = async {
        match load.kind {
            Some(kind) if !devices.is_empty() => store.read_push_tokens(kind, devices).await,
            _ => Ok(Default::default()),
        }
    };
    let mark = async {
        if marks.is_empty() {
            return Ok(());
        }
        store.watermark(marks.clone()).await?;
        fault::stage("dispatch.watermark_committed");
        Ok(())
    };
    let result = tokio::try_join!(read, mark);
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.loads -= 1;
    match result {
        Ok(((tokens, without), ())) => {
            core.mark(&load, &marks, true);
            core.store_answered();
            let submits = core.submit(load, tokens, without, moment);
            drop(core);
            for (pool, pushes) in submits {
                pool.submit(pushes);
            }
            fault::stage("dispatch.submitted");
        }
        Err(error) => {
            // The watermark may be on disk all the same.
            core.mark(&load, &marks, false);
            core.unload(load, &error, moment);
            drop(core);
        }
    }
    shared.hub.bells.dispatch.notify_one();
}

impl Core {
    /// Remembers watermarks that are, or may be, on disk.
    fn mark(&mut self, load: &Load, marks: &[(WorkId, u16)], is_sure: bool) {
        for pick in &load.picks {
            let Some(job) = self.jobs.get_mut(pick.job) else {
                continue;
            };
            let mark = marks.iter().find(|(id, _)| *id == job.work.id);
            if let Some((_, upto)) = mark {
                job.work.watermark = job.work.watermark.max(*upto);
                if is_sure {
                    job.marked = job.marked.max(*upto);
                }
            }
        }
    }
}
