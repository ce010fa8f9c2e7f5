//! What is done now and then, four times a second: progress that waits too long, suspects, doubts, the
//! room of each lane, figures, and memory given back. Keeps lanes that cannot send from holding much.

use crate::core::Core;
use crate::job::{Job, Step};
use crate::metrics::LaneFigures;
use crate::moment::{Moment, ms};
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use std::time::Duration;

/// How often.
const TIDY_INTERVAL: Duration = Duration::from_millis(250);

impl Core {
    /// What is done now and then: old progress, suspects, doubts, room, figures, memory.
    pub(crate) fn tidy(&mut self, moment: Moment) {
        if moment.at < self.tidy_at {
            return;
        }
        self.tidy_at = moment.at + TIDY_INTERVAL;
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
        let room = if is_blocked {
            blocked_room
        } else {
            wanted.clamp(min, max)
        };
        // Filled, and not to be emptied within a second: a limit, a slow gateway, or one that is silent.
        let is_slow =
            state.waiting() + state.in_flight >= room / 2 && answers * 4.0 < f64::from(room);
        state.gauge.set_room(room, !is_blocked && !is_slow);
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
            is_limited: state.limited(moment.at).is_some(),
        };
        self.hub.meters.lane(&app.id, state.lane, &figures);
    }

    /// Since when the oldest that waits in a lane is being sent, in memory or in the store.
    pub(crate) fn oldest_waiting(&self, index: usize) -> Option<UnixMs> {
        let state = &self.lanes.all[index];
        let in_memory = state
            .flows
            .iter()
            .flat_map(|(_, flow)| flow.queues.iter().filter_map(|queue| queue.front()))
            .filter_map(|run| self.jobs.get(run.job))
            // When a slice of a campaign was made is not known here.
            .filter(|job| !job.note.is_campaign)
            .map(|job| job.note.begins_at)
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
