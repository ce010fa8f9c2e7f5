//! Gathers the engine's status, and puts changed credentials into effect.

use crate::core::Core;
use crate::key_ring::KeyRing;
use crate::moment::Moment;
use crate::pools::{OpenPool, RouteState};
use crate::routing::route_for;
use crate::service::Shared;
use crate::status::{EngineStatus, LaneStatus, PoolReport};
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::role::Role;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

impl Shared {
    pub(crate) fn status(&self) -> EngineStatus {
        let core = self.core.lock();
        let at = self.hub.moment().at;
        let elsewhere = self.hub.elsewhere.lock().clone();
        let mut credential_problems = self.hub.credential_problems.lock().clone();
        credential_problems.extend(elsewhere.credentials);
        EngineStatus {
            lanes: (0..core.lanes.all.len())
                .map(|index| core.lane_status(index, at))
                .collect(),
            elsewhere: elsewhere.lanes,
            credential_problems,
            pools: core.pool_reports(),
            unsettled: core.unsettled() as u64,
            store_problem: core.store_problem.clone(),
            fanouts: self.hub.fanouts.load(Relaxed),
            scheduler_paused: self.hub.is_scheduler_paused.load(Relaxed),
            instances: self.hub.instances(),
            rescued: self.hub.is_rescued.load(Relaxed)
                || !self.hub.peers.borrow().leads(Role::Worker),
            stopping: self.hub.is_stopping(),
        }
    }
}

impl Core {
    fn lane_status(&self, index: usize, at: Instant) -> LaneStatus {
        let state = &self.lanes.all[index];
        let worst = state
            .flows
            .iter()
            .map(|(route, _)| &self.routes.all[*route].breaker)
            .max_by_key(|breaker| breaker.state());
        LaneStatus {
            lane: state.lane,
            queued: state.waiting().into(),
            in_flight: state.in_flight.into(),
            backlog: state.gauge.has_stored(),
            oldest_accepted_at: self.oldest_waiting(index),
            breaker: worst.map(|breaker| breaker.state()).unwrap_or_default(),
            problem: worst.and_then(|breaker| breaker.problem()),
            limited: state.limited(at),
        }
    }

    fn pool_reports(&self) -> Vec<PoolReport> {
        let report = |(state, open): (Option<&RouteState>, &OpenPool)| PoolReport {
            id: open.id,
            app: self.routes.ring.app(open.id.credential),
            credential: self.routes.ring.name(open.id.credential).to_owned(),
            window: open.pool.window(),
            in_flight: open.used,
            breaker: state.map(|state| state.breaker.state()).unwrap_or_default(),
            problem: state.and_then(|state| state.breaker.problem()),
            status: open.pool.status(),
        };
        self.routes.pools().map(report).collect()
    }

    /// New credentials: pools of changed ones are drained, and what waits finds its route anew.
    pub(crate) fn replace_credentials(&mut self, ring: Arc<KeyRing>, moment: Moment) {
        let drain_ms = self.hub.parts.config.drain_ms;
        for rearmed in self.routes.replace_ring(ring, drain_ms) {
            if let Some(trouble) = rearmed.trouble {
                self.recovered(rearmed.route, &trouble);
            }
        }
        for lane in 0..self.lanes.all.len() {
            self.set_lane_rules(lane, moment.at);
            self.route_anew(lane, moment);
        }
    }

    fn route_anew(&mut self, lane: usize, moment: Moment) {
        let directory = self.hub.directory.load();
        let flows = std::mem::take(&mut self.lanes.all[lane].flows);
        let of_lane = self.lanes.all[lane].lane;
        let (environment, app) = (of_lane.environment, of_lane.app);
        let credentials = directory.credentials(app);
        let is_gone = directory.app_by_no(app).is_none();
        let probing = self.hub.parts.config.probing_per_second;
        for (route, mut flow) in flows {
            let of = self.routes.all[route].route;
            // What was tried in the other environment already stays with this one.
            let known = if of.is_probing {
                environment
            } else {
                of.environment.into()
            };
            let mut runs = flow.remove(|_| true);
            runs.reverse();
            for (class, run) in runs {
                let Some(job) = self.jobs.get(run.job) else {
                    continue;
                };
                let Some(first) = run.chunk.iter().next() else {
                    continue;
                };
                if is_gone {
                    let state = FinalState::Suppressed(Suppression::AppGone);
                    for position in run.chunk.iter() {
                        self.end(run.job, position, state, "app_gone", moment);
                    }
                    continue;
                }
                let tried = job.slot(first).tried;
                let options = &job.note.options;
                let wanted = route_for(credentials, of_lane, known, tried, options)
                    .or_else(|| route_for(credentials, of_lane, known, 0, options));
                let at = wanted.map_or(route, |wanted| {
                    self.routes.index(wanted, probing, moment.at)
                });
                self.lanes.all[lane].flow(at).push(class, run);
            }
        }
    }
}
