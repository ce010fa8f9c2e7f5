//! The open pools, by route, with their breakers.
//!
//! A *route* is (App, credential, environment, probing or not) and outlives versions of its
//! credential: when that changes, the route's pool is drained and the next push opens a new one. A
//! route without a credential has no pool; its work waits until somebody sets one. Opening a pool does
//! no IO.

use crate::breaker::{Breaker, ProbeRules};
use crate::hub::Hub;
use crate::key_ring::KeyRing;
use crate::limiter::Limiter;
use crate::moment::Moment;
use crate::routing::Route;
use carillon_model::outcome::{Trouble, TroubleScope};
use carillon_model::rate::Rate;
use carillon_ports::gateway::{OutcomeSink, Pool, PoolId};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// An open pool.
pub(crate) struct OpenPool {
    pub(crate) id: PoolId,
    pub(crate) pool: Arc<dyn Pool>,
    /// Pushes that were picked for it, or that it has.
    pub(crate) used: usize,
}

/// State of a route.
pub(crate) struct RouteState {
    pub(crate) route: Route,
    pub(crate) open: Option<OpenPool>,
    pub(crate) breaker: Breaker,
    /// Of probing routes.
    pub(crate) limiter: Option<Limiter>,
    /// `credential.failing` was raised and `credential.recovered` not yet.
    pub(crate) is_failing: bool,
}

/// All routes that had work since the start.
pub(crate) struct Routes {
    pub(crate) all: Vec<RouteState>,
    index: HashMap<Route, usize>,
    /// Also of pools that are being drained.
    by_pool: HashMap<PoolId, usize>,
    draining: Vec<OpenPool>,
    pub(crate) ring: Arc<KeyRing>,
}

/// What became of a route's pool when its credential changed.
pub(crate) struct Rearmed {
    pub(crate) route: usize,
    /// It was failing, and what the trouble was.
    pub(crate) trouble: Option<Trouble>,
}

impl Routes {
    pub(crate) fn new(ring: Arc<KeyRing>) -> Self {
        Self {
            all: Vec::new(),
            index: HashMap::new(),
            by_pool: HashMap::new(),
            draining: Vec::new(),
            ring,
        }
    }

    pub(crate) fn index(&mut self, route: Route, probing_per_second: u32, at: Instant) -> usize {
        *self.index.entry(route).or_insert_with(|| {
            self.all.push(RouteState {
                route,
                open: None,
                breaker: Breaker::default(),
                limiter: route
                    .is_probing
                    .then(|| Limiter::new(Rate::per_second(probing_per_second), at)),
                is_failing: false,
            });
            self.all.len() - 1
        })
    }

    pub(crate) fn by_pool(&self, id: PoolId) -> Option<usize> {
        self.by_pool.get(&id).copied()
    }

    /// The route's pool, opened if need be; or the trouble why there is none.
    pub(crate) fn open(
        &mut self,
        at: usize,
        hub: &Arc<Hub>,
        sink: &OutcomeSink,
    ) -> Result<&mut OpenPool, Trouble> {
        let route = self.all[at].route;
        if self.all[at].open.is_none() {
            let refuse = |reason: &str, mend: String| Trouble {
                scope: TroubleScope::Credential,
                reason: reason.into(),
                mend,
                retry_after_ms: None,
            };
            let Some(no) = route.credential else {
                return Err(refuse(
                    "no_credential",
                    format!(
                        "no credential of this App serves the gateway {} in the environment {} with the topic and push type that waiting notifications ask for: set one with PUT /v1/apps/{{app}}/credentials/{{name}}",
                        route.gateway.as_str(),
                        route.environment.as_str()
                    ),
                ));
            };
            let spec = self
                .ring
                .spec(no, route.environment, route.is_probing)
                .map_err(|sentence| refuse("credential_unreadable", sentence))?;
            let id = spec.id;
            let gateway = hub.parts.gateways.get(route.gateway).ok_or_else(|| {
                refuse(
                    "no_gateway",
                    format!(
                        "this process was started without the gateway {}",
                        route.gateway.as_str()
                    ),
                )
            })?;
            let pool = gateway.open_pool(spec, sink.clone());
            self.by_pool.insert(id, at);
            self.all[at].open = Some(OpenPool { id, pool, used: 0 });
        }
        self.all[at].open.as_mut().ok_or_else(|| Trouble {
            scope: TroubleScope::Gateway,
            reason: "no_pool".into(),
            mend: String::new(),
            retry_after_ms: None,
        })
    }

    /// A pool answered (or picks for it were dropped): so many pushes less are its.
    pub(crate) fn give_room(&mut self, id: PoolId, count: usize) {
        let current = self.by_pool.get(&id).map(|at| &mut self.all[*at]);
        let open = current
            .and_then(|state| state.open.as_mut())
            .filter(|open| open.id == id);
        if let Some(open) = open {
            open.used = open.used.saturating_sub(count);
            return;
        }
        if let Some(at) = self.draining.iter().position(|open| open.id == id) {
            let open = &mut self.draining[at];
            open.used = open.used.saturating_sub(count);
            if open.used == 0 {
                // The route stays known for late answers until the process ends or the id is reused.
                self.draining.swap_remove(at);
            }
        }
    }

    /// New credentials: pools of older versions are drained, their breakers armed anew.
    pub(crate) fn replace_ring(&mut self, ring: Arc<KeyRing>, drain_ms: u32) -> Vec<Rearmed> {
        self.ring = ring;
        let mut rearmed = Vec::new();
        for (at, state) in self.all.iter_mut().enumerate() {
            let version = state.route.credential.and_then(|no| self.ring.version(no));
            let is_current = state.open.as_ref().map(|open| open.id.version) == version;
            if is_current && version.is_some() {
                continue;
            }
            if let Some(open) = state.open.take() {
                open.pool.close(drain_ms);
                if open.used > 0 {
                    self.draining.push(open);
                }
            }
            let trouble = state.breaker.rearm();
            rearmed.push(Rearmed { route: at, trouble });
        }
        rearmed
    }

    /// All pools: the open ones and those being drained.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (Option<&RouteState>, &OpenPool)> {
        let open = self
            .all
            .iter()
            .filter_map(|state| Some((Some(state), state.open.as_ref()?)));
        open.chain(self.draining.iter().map(|open| (None, open)))
    }

    /// Whether work may go now, how much, and if not, when to ask again.
    pub(crate) fn admits(
        &mut self,
        at: usize,
        hub: &Arc<Hub>,
        sink: &OutcomeSink,
        moment: Moment,
        rules: ProbeRules,
    ) -> Admission {
        // A closed breaker lets everything through.
        if let Err(ask_at) = self.all[at].breaker.may_probe(moment.at, rules) {
            return Admission::Later(ask_at);
        }
        match self.open(at, hub, sink) {
            Err(trouble) => Admission::Trouble(trouble),
            Ok(open) => {
                let room = open.pool.window().saturating_sub(open.used);
                if room == 0 {
                    return Admission::Later(None);
                }
                let state = &mut self.all[at];
                let is_probe = !state.breaker.is_closed();
                let permits = state
                    .limiter
                    .as_mut()
                    .map_or(usize::MAX, |limiter| limiter.permits(moment.at));
                if permits == 0 {
                    return Admission::Later(state.limiter.as_ref().map(Limiter::next_at));
                }
                if is_probe {
                    return Admission::Probe;
                }
                Admission::Now(room.min(permits))
            }
        }
    }
}

/// Whether work may go through a route.
pub(crate) enum Admission {
    /// So many.
    Now(usize),
    /// One, to probe.
    Probe,
    /// None; ask again then, or when something happens.
    Later(Option<Instant>),
    /// None: there is no pool.
    Trouble(Trouble),
}
