//! What an answer means for the push token: retired by its rule, kept, or its environment found out.

use crate::core::{Core, Doubt};
use crate::job::JobKey;
use crate::moment::Moment;
use carillon_model::environment::Environment;
use carillon_model::id::DeliveryId;
use carillon_model::outcome::TokenFate;
use carillon_ports::gateway::PoolId;
use carillon_ports::store::{EnvironmentRepair, NewEvent, Retirement};

impl Core {
    /// What a refusal means for the push token.
    pub(crate) fn token_fate(
        &mut self,
        of: &Doubt,
        pool: PoolId,
        fate: TokenFate,
        reason: &str,
        moment: Moment,
    ) {
        let retirement = |since| Retirement {
            device: of.device,
            kind: of.kind,
            generation: of.generation,
            since,
            reason: reason.to_owned(),
        };
        match fate {
            TokenFate::Keep | TokenFate::WrongTopic => {}
            TokenFate::Retire { since } => {
                self.ledger.retire(retirement(since));
                self.retired(of, reason);
            }
            // Refused everywhere it may be: nothing proves that it is dead.
            TokenFate::WrongEnvironment if of.is_auto => {}
            TokenFate::WrongEnvironment => {
                let rules = self.flood_rules();
                let guard = self.floods.entry((of.app, pool.environment)).or_default();
                if guard.refuse(retirement(None), moment.at, rules) {
                    tracing::warn!(app = %of.app, environment = pool.environment.as_str(), "many push tokens of App {} are refused as BadDeviceToken in {}: are they of the other environment? No push token is retired for it", of.app, pool.environment.as_str());
                    self.ledger.event(NewEvent {
                        app: of.app,
                        kind: "environment.flood",
                        subject: pool.environment.as_str().to_owned(),
                        data: serde_json::json!({
                            "environment": pool.environment.as_str(),
                            "refused": rules.count,
                            "within_ms": rules.window_ms,
                            "mend": "check whether these push tokens are of the other environment, and register them with the right one, or as auto",
                        })
                        .to_string(),
                    });
                    self.hub.bells.settle.notify_one();
                }
            }
        }
    }

    pub(crate) fn retired(&mut self, of: &Doubt, reason: &str) {
        let id = DeliveryId {
            batch: of.batch,
            position: of.position,
        };
        let entry = serde_json::json!({
            "delivery": id.to_string(),
            "kind": of.kind.as_str(),
            "reason": reason,
        });
        self.ledger.grouped(of.app, "push_token.retired", entry);
    }

    /// Push tokens of which no flood made an excuse.
    pub(crate) fn convict(&mut self, moment: Moment) {
        let rules = self.flood_rules();
        let mut convicted = Vec::new();
        self.floods.retain(|_, guard| {
            convicted.extend(guard.convict(moment.at, rules));
            !guard.is_idle()
        });
        if !convicted.is_empty() {
            for retirement in convicted {
                self.ledger.retire(retirement);
            }
            self.hub.bells.settle.notify_one();
        }
    }

    /// The environment of a push token was found out.
    pub(crate) fn repaired(&mut self, key: JobKey, position: u16, environment: Environment) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let id = DeliveryId {
            batch: job.work.id.batch,
            position,
        };
        self.ledger.repair(EnvironmentRepair {
            device: job.devices.as_slice()[usize::from(position)],
            kind: job.token_kind(),
            generation: job.slot(position).generation,
            environment,
        });
        let entry = serde_json::json!({
            "delivery": id.to_string(),
            "environment": environment.as_str(),
        });
        self.ledger
            .grouped(job.note.app, "environment.repaired", entry);
    }
}
