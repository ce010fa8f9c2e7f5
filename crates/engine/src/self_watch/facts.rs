//! Gathers what is known of the server, for the rules that judge it. Nothing here is kept: each check looks anew.

use crate::routing::tried_first;
use crate::service::Shared;
use crate::status::LaneStatus;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_model::monitor::{
    CheckResult, CredentialFact, FaultKind, LaneFact, LaneTroubles, ServerFacts, ServerPart,
    ServerPlan, TimersFact, WaitingFact,
};
use carillon_model::role::Role;
use carillon_ports::store::StoreError;
use carillon_ports::timer::DueAsk;
use std::collections::HashSet;
use std::time::Duration;

impl Shared {
    /// Checks the server, within that time. Whose monitor asks is judged before.
    pub(crate) async fn check_server(
        &self,
        plan: &ServerPlan,
        within: Duration,
        now: UnixMs,
    ) -> CheckResult {
        let unknown = |why: String| {
            let message = format!("the store could not be asked: {why}");
            CheckResult::unknown(FaultKind::Refused, message)
        };
        match tokio::time::timeout(within, self.server_facts(plan, now)).await {
            Ok(Ok(facts)) => plan.judge(&facts, now),
            Ok(Err(error)) => unknown(error.to_string()),
            Err(_) => unknown("it gave no answer in time".to_owned()),
        }
    }

    /// Whether an App's monitors may be about the server.
    pub(crate) fn is_server_app(&self, app: AppNo) -> bool {
        let directory = self.hub.directory.load();
        let named = &self.hub.parts.config.self_watch.app;
        directory.app_by_no(app).is_some_and(|app| app.id == *named)
    }

    /// Lanes by which a page of that App had better not go now.
    pub(crate) fn lane_troubles(&self, app: AppNo, now: UnixMs) -> LaneTroubles {
        let directory = self.hub.directory.load();
        let first = tried_first(directory.credentials(app), Gateway::Apns);
        LaneTroubles::of(&self.lane_facts(), first, now)
    }

    /// What that check looks at, and nothing else.
    pub(super) async fn server_facts(
        &self,
        plan: &ServerPlan,
        now: UnixMs,
    ) -> Result<ServerFacts, StoreError> {
        let mut facts = ServerFacts::default();
        match plan.what {
            ServerPart::Lanes => facts.lanes = self.lane_facts(),
            ServerPart::Credentials => facts.credentials = self.credential_facts(),
            ServerPart::OldestWork => facts.waiting = self.waiting_facts().await?,
            ServerPart::Disk => {
                facts.store_problem = self.store_problem().await?;
                let (_, free) = self.hub.parts.store.disk().await?;
                // So a store says that it does not know.
                facts.free_bytes = (free < u64::MAX).then_some(free);
            }
            ServerPart::SchedulerLag => facts.timers = self.timers_fact(plan.limit, now).await?,
        }
        Ok(facts)
    }

    /// Lanes that cannot send, here or elsewhere; those of deleted Apps are nobody's trouble.
    fn lane_facts(&self) -> Vec<LaneFact> {
        let directory = self.hub.directory.load();
        let fact = |lane: &LaneStatus| {
            let problem = lane.problem.as_ref()?;
            Some(LaneFact {
                app: directory.app_by_no(lane.lane.app)?.id.clone(),
                lane: lane.lane,
                reason: problem.reason.clone(),
                mend: problem.mend.clone(),
                is_credential: problem.is_credential,
                since: problem.since,
                tried_at: problem.tried_at,
            })
        };
        self.status().all_lanes().filter_map(fact).collect()
    }

    fn credential_facts(&self) -> Vec<CredentialFact> {
        let directory = self.hub.directory.load();
        let ring = self.core.lock().routes.ring.clone();
        let mut facts = Vec::new();
        for (credential, _) in directory.all_credentials() {
            let Some(app) = directory.app_by_no(credential.app) else {
                continue;
            };
            facts.push(CredentialFact {
                app: app.id.clone(),
                name: credential.name.clone(),
                ends_at: credential.facts.not_after,
                problem: ring.problem(credential.no),
            });
        }
        for problem in self.status().credential_problems {
            facts.push(CredentialFact {
                app: problem.app.unwrap_or_else(|| "all Apps".to_owned()),
                name: problem.credential.unwrap_or_default(),
                ends_at: None,
                problem: Some(problem.problem),
            });
        }
        facts
    }

    /// Work that is due and that nobody takes. Of a lane that cannot send, that is told already; one that waits for a
    /// rate of its App does as somebody wished, and a crowd takes as long as it takes.
    async fn waiting_facts(&self) -> Result<Vec<WaitingFact>, StoreError> {
        let waiting = self.hub.parts.store.waiting_lanes().await?;
        let status = self.status();
        let explained: HashSet<Lane> = status
            .all_lanes()
            .filter(|lane| lane.problem.is_some() || lane.limited.is_some())
            .map(|lane| lane.lane)
            .collect();
        let directory = self.hub.directory.load();
        let fact = |(lane, class, due_since): (Lane, Class, UnixMs)| {
            if class == Class::Bulk || explained.contains(&lane) {
                return None;
            }
            Some(WaitingFact {
                app: directory.app_by_no(lane.app)?.id.clone(),
                gateway: lane.gateway,
                due_since,
            })
        };
        Ok(waiting.into_iter().filter_map(fact).collect())
    }

    /// Why the store takes no writes.
    pub(super) async fn store_problem(&self) -> Result<Option<String>, StoreError> {
        match self.hub.parts.store.ping().await {
            Ok(()) => Ok(self.status().store_problem),
            // It has much to do, and tells nothing about writes.
            Err(error @ (StoreError::Busy | StoreError::Overloaded)) => Err(error),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    /// Whether a timer is later than `limit_ms`.
    pub(super) async fn timers_fact(
        &self,
        limit_ms: i64,
        now: UnixMs,
    ) -> Result<TimersFact, StoreError> {
        let store = &self.hub.parts.store;
        if store.is_scheduler_paused().await? {
            return Ok(TimersFact::Paused);
        }
        let ask = DueAsk {
            now: now.saturating_sub(limit_ms),
            after: None,
            each: 1,
            most: 1,
            most_bytes: 1,
        };
        if store.due_timers(ask).await?.timers.is_empty() {
            return Ok(TimersFact::InTime);
        }
        let peers = self.hub.peers.borrow();
        Ok(TimersFact::Late {
            has_scheduler: peers.leader(Role::Scheduler).is_some(),
        })
    }
}

/// Said of a monitor of another App that is about the server.
pub(crate) const SERVER_APP_RULE: &str = "this server is watched only by monitors of the App that the setting monitors.watch_server_app names";
