//! Work from the store: looking where some is due, claiming it page by page while there is room in
//! memory, and keeping lanes that cannot send from holding much.

use crate::core::Core;
use crate::hub::Vital;
use crate::job::{Incoming, Job, Step};
use crate::metrics::LaneFigures;
use crate::moment::{Moment, ms};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::lane::{Class, Lane};
use carillon_ports::store::ClaimedWork;
use std::sync::Arc;
use std::time::Duration;

/// A claim to make.
pub(crate) struct Order {
    index: usize,
    lane: Lane,
    class: Class,
    now: UnixMs,
    batches: u32,
    deliveries: u32,
    /// What the gauge said of stored work when the claim was planned.
    seen: u32,
}

/// How often lanes that cannot send are looked after, and figures are published.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);

impl Core {
    pub(crate) fn wants_poll(&mut self, moment: Moment) -> bool {
        if self.is_polling || moment.at < self.poll_at {
            return false;
        }
        self.is_polling = true;
        self.poll_at = moment.at + ms(self.hub.parts.config.poll_interval_ms);
        true
    }

    /// Learns where work is due.
    fn note_waiting(&mut self, waiting: Vec<(Lane, Class, UnixMs)>, moment: Moment) {
        for (lane, class, due_at) in waiting {
            let index = self.lane_index(lane, moment.at);
            let state = &mut self.lanes.all[index];
            state.note_due(class, due_at);
            if due_at <= moment.now {
                state.gauge.mark_stored(class);
            }
        }
    }

    fn wants_backlog(&mut self, moment: Moment) -> bool {
        let is_time = moment.at >= self.backlog_at;
        if is_time {
            self.backlog_at = moment.at + ms(self.hub.parts.config.backlog_interval_ms);
        }
        is_time
    }

    fn note_backlog(&mut self, backlog: &[(Lane, u32, UnixMs)]) {
        for state in &mut self.lanes.all {
            let found = backlog.iter().find(|(lane, ..)| *lane == state.lane);
            state.oldest_stored = found.map(|(_, _, oldest)| *oldest);
        }
    }

    /// Claims for lanes with due work and room, in turns.
    pub(crate) fn plan_claims(&mut self, moment: Moment) -> Vec<Order> {
        let config = &self.hub.parts.config;
        let (max_claims, batches) = (config.max_claims, config.claim_batches);
        let most = config.claim_deliveries;
        let is_behind = self.unsettled() >= config.max_unsettled as usize;
        let mut orders = Vec::new();
        let lanes = self.lanes.all.len();
        let mut next_due: Option<UnixMs> = None;
        for step in 0..lanes {
            let index = (self.claim_cursor + step) % lanes;
            let state = &mut self.lanes.all[index];
            for class in Class::ALL {
                let at = usize::from(class.code());
                let Some(due_at) = state.due[at] else {
                    continue;
                };
                if due_at > moment.now {
                    next_due = Some(next_due.map_or(due_at, |next| next.min(due_at)));
                    continue;
                }
                if self.claims >= max_claims || state.is_claiming[at] || is_behind {
                    continue;
                }
                let deliveries = self.hub.gauges.reserve_claim(&state.gauge, class, most);
                if deliveries == 0 {
                    continue;
                }
                state.is_claiming[at] = true;
                self.claims += 1;
                self.claim_cursor = (index + 1) % lanes;
                orders.push(Order {
                    index,
                    lane: state.lane,
                    class,
                    now: moment.now,
                    batches: batches.min(deliveries),
                    deliveries,
                    seen: state.gauge.stored(class),
                });
            }
        }
        if let Some(due_at) = next_due {
            let wait = (due_at - moment.now).clamp(1, 60_000) as u64;
            let at = moment.at + Duration::from_millis(wait);
            self.wake_at = Some(self.wake_at.map_or(at, |wake| wake.min(at)));
        }
        orders
    }

    fn claimed(&mut self, order: &Order, works: Vec<ClaimedWork>, moment: Moment) {
        let class = order.class;
        let at = usize::from(class.code());
        let rows = works.len() as u32;
        let mut deliveries = 0;
        for claimed in works {
            let positions = to_send(&claimed);
            deliveries += positions
                .as_ref()
                .map_or(u32::from(claimed.devices.count()), |list| list.len() as u32);
            let incoming = Incoming {
                note: self.note(claimed.notification),
                work: claimed.work,
                devices: claimed.devices,
                positions,
                reserved: 0,
                reserved_bytes: 0,
            };
            self.adopt(incoming, moment);
        }
        let state = &mut self.lanes.all[order.index];
        self.hub
            .gauges
            .free(&state.gauge, class, order.deliveries, 0);
        if rows < order.batches && deliveries < order.deliveries {
            state.due[at] = None;
            state.gauge.clear_stored(class, order.seen);
        }
    }

    // --- looking after lanes ---

    /// What is done now and then: old progress, suspects, doubts, room, figures, memory.
    pub(crate) fn tidy(&mut self, moment: Moment) {
        if moment.at < self.tidy_at {
            return;
        }
        self.tidy_at = moment.at + TIDY_INTERVAL / 4;
        self.flush_old(moment);
        self.convict(moment);
        let config = &self.hub.parts.config;
        let (late_ms, cancel_ms) = (config.late_answer_ms, config.cancel_memory_ms);
        self.doubts.forget_old(moment.at, late_ms);
        let keep = ms(cancel_ms);
        self.tombstones
            .retain(|_, stone| stone.since + keep > moment.at || stone.jobs > 0);
        if self.notes.len() > self.jobs.len() * 2 + 1_024 {
            self.notes.retain(|_, note| note.strong_count() > 0);
        }
        for index in 0..self.lanes.all.len() {
            self.set_room(index, moment);
            self.publish(index, moment);
        }
        let unsettled = self.unsettled();
        self.hub.meters.unsettled(unsettled);
        if self.jobs.len() == 0 {
            self.shrink();
        }
    }

    /// Whether no route of a lane sends.
    fn is_blocked(&self, index: usize) -> bool {
        let flows = &self.lanes.all[index].flows;
        let is_open = |route: usize| self.routes.all[route].breaker.open_since().is_some();
        !flows.is_empty() && flows.iter().all(|(route, _)| is_open(*route))
    }

    fn set_room(&mut self, index: usize, moment: Moment) {
        let config = &self.hub.parts.config;
        let is_blocked = self.is_blocked(index);
        let (min, max) = (config.lane_min_deliveries, config.lane_max_deliveries);
        let blocked_room = config.lane_blocked_deliveries;
        let horizon = f64::from(config.lane_horizon_ms) / 1e3;
        let interval_ms = config.probe_interval_ms;
        let windows: usize = self.lanes.all[index]
            .flows
            .iter()
            .filter_map(|(route, _)| self.routes.all[*route].open.as_ref())
            .map(|open| open.pool.window())
            .sum();
        let state = &mut self.lanes.all[index];
        let answers = f64::from(std::mem::take(&mut state.answers));
        // Quarter-second samples, averaged over about a second.
        state.rate += (answers * 4.0 - state.rate) / 4.0;
        let wanted = (state.rate * horizon) as u32;
        let wanted = wanted.max((windows * 2).min(max as usize) as u32);
        state.gauge.set_room(if is_blocked {
            blocked_room
        } else {
            wanted.clamp(min, max)
        });
        // Where other routes of the lane still send, their work in the store comes first.
        let due_at = if is_blocked {
            moment.now
        } else {
            moment.now + i64::from(interval_ms)
        };
        for flow in 0..self.lanes.all[index].flows.len() {
            let route = self.lanes.all[index].flows[flow].0;
            let open_since = self.routes.all[route].breaker.open_since();
            if open_since.is_some_and(|since| since + ms(interval_ms) <= moment.at) {
                self.expire_waiting(index, flow, moment);
                self.trim(index, flow, blocked_room, due_at);
            }
        }
    }

    /// Gives back to the store what waits for a route that cannot send, but for a few deliveries to
    /// probe with.
    fn trim(&mut self, index: usize, flow: usize, keep: u32, due_at: UnixMs) {
        let jobs = &self.jobs;
        let flow = &mut self.lanes.all[index].flows[flow].1;
        let mut over = flow.waiting().saturating_sub(keep);
        if over == 0 {
            return;
        }
        // A job in several runs would have to be gathered first: only those in one.
        let leaving = flow.remove(|run| {
            let Some(job) = jobs.get(run.job) else {
                over = over.saturating_sub(run.chunk.len() as u32);
                return true;
            };
            let is_whole = job.busy == 0 && run.chunk.len() as u32 == job.open;
            let leaves = is_whole && over >= job.open;
            if leaves {
                over -= job.open;
            }
            leaves
        });
        for (_, run) in leaving {
            self.give_back(run.job, due_at);
        }
    }

    /// Ends what waits for a route and expired meanwhile: its turn may not come for long.
    fn expire_waiting(&mut self, index: usize, flow: usize, moment: Moment) {
        let jobs = &self.jobs;
        let flow = &mut self.lanes.all[index].flows[flow].1;
        let expired = flow.remove(|run| {
            jobs.get(run.job)
                .is_none_or(|job| job.note.is_expired(moment.now))
        });
        for (_, run) in expired {
            for position in run.chunk.iter() {
                let is_queued = |job: &Job| job.slot(position).step == Step::Queued;
                if self.jobs.get(run.job).is_some_and(is_queued) {
                    self.end(run.job, position, FinalState::Expired, "", moment);
                }
            }
        }
    }

    fn publish(&mut self, index: usize, moment: Moment) {
        let oldest = self.oldest_waiting(index);
        let state = &self.lanes.all[index];
        let breaker = state
            .flows
            .iter()
            .map(|(route, _)| self.routes.all[*route].breaker.state())
            .max()
            .unwrap_or_default();
        let directory = self.hub.directory.load();
        let Some(app) = directory.app_by_no(state.lane.app) else {
            return;
        };
        let figures = LaneFigures {
            queued: state.waiting(),
            in_flight: state.in_flight,
            oldest_secs: oldest.map_or(0.0, |at| (moment.now - at).max(0) as f64 / 1e3),
            breaker: breaker as u8,
        };
        self.hub.meters.lane(&app.id, state.lane, &figures);
    }

    /// When the oldest that waits in a lane was accepted, in memory or in the store.
    pub(crate) fn oldest_waiting(&self, index: usize) -> Option<UnixMs> {
        let state = &self.lanes.all[index];
        let in_memory = state
            .flows
            .iter()
            .flat_map(|(_, flow)| flow.queues.iter().filter_map(|queue| queue.front()))
            .filter_map(|run| self.jobs.get(run.job))
            .map(|job| job.note.accepted_at)
            .min();
        let in_store = state.oldest_stored;
        [in_memory, in_store].into_iter().flatten().min()
    }

    /// Gives memory back after a peak.
    fn shrink(&mut self) {
        let (deliveries, _) = self.hub.gauges.held();
        if deliveries > 0 || self.loads > 0 {
            return;
        }
        self.jobs.shrink();
        self.ledger.shrink();
        self.notes.clear();
        self.notes.shrink_to_fit();
        self.dirty.shrink_to_fit();
        for state in &mut self.lanes.all {
            for (_, flow) in &mut state.flows {
                for queue in &mut flow.queues {
                    queue.shrink_to(16);
                }
            }
        }
    }
}

/// The positions of claimed work that have no final state; `None`: all of the batch.
fn to_send(claimed: &ClaimedWork) -> Option<Vec<u16>> {
    let verdicts = &claimed.verdicts;
    match &claimed.work.positions {
        None if verdicts.still_open() == claimed.devices.count() => None,
        None => Some(verdicts.open_positions().collect()),
        Some(positions) => Some(
            positions
                .as_slice()
                .iter()
                .copied()
                .filter(|position| verdicts.get(*position).is_none())
                .filter(|position| *position < claimed.devices.count())
                .collect(),
        ),
    }
}

/// Asks the store where work is due.
pub(crate) async fn poll(shared: Arc<Shared>) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let store = &shared.hub.parts.store;
    let waiting = store.waiting_lanes().await;
    let wants_backlog = shared.core.lock().wants_backlog(shared.hub.moment());
    if wants_backlog && waiting.is_ok() {
        // Only for figures: a refusal shows in what else is asked.
        let backlog = store.backlog(1).await.unwrap_or_default();
        shared.core.lock().note_backlog(&backlog);
    }
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.is_polling = false;
    match waiting {
        Ok(waiting) => {
            let has_due = waiting.iter().any(|(_, _, due_at)| *due_at <= moment.now);
            core.note_waiting(waiting, moment);
            drop(core);
            if has_due {
                shared.hub.bells.dispatch.notify_one();
            }
        }
        Err(error) => core.store_refused("looking for due work", &error, moment),
    }
}

/// Claims work.
pub(crate) async fn claim(shared: Arc<Shared>, order: Order) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let store = &shared.hub.parts.store;
    let works = store
        .claim(
            order.lane,
            order.class,
            order.now,
            order.batches,
            order.deliveries,
        )
        .await;
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.claims -= 1;
    let at = usize::from(order.class.code());
    core.lanes.all[order.index].is_claiming[at] = false;
    match works {
        Ok(works) => {
            core.claimed(&order, works, moment);
            core.store_answered();
        }
        Err(error) => {
            let gauge = &core.lanes.all[order.index].gauge;
            shared
                .hub
                .gauges
                .free(gauge, order.class, order.deliveries, 0);
            core.store_refused("claiming work", &error, moment);
        }
    }
    drop(core);
    shared.hub.bells.dispatch.notify_one();
}
