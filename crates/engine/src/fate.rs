//! What an answer means for the push token: retired by its rule, kept, or its environment found out.

use crate::core::{Core, Doubt};
use crate::job::JobKey;
use crate::moment::Moment;
use carillon_model::environment::Environment;
use carillon_model::event::{EnvironmentFlood, EventKind, RepairedEnvironment};
use carillon_model::id::DeliveryId;
use carillon_model::outcome::TokenFate;
use carillon_ports::gateway::PoolId;
use carillon_ports::news::event;
use carillon_ports::store::{EnvironmentRepair, Retirement};

/// What to do about a flood.
const FLOOD_MEND: &str = "check whether these push tokens are of the other environment, and register them with the right one, or as auto";

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
            app: of.app,
            delivery: DeliveryId {
                batch: of.batch,
                position: of.position,
            },
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
            }
            // Refused everywhere it may be: nothing proves that it is dead.
            TokenFate::WrongEnvironment if of.is_auto => {}
            TokenFate::WrongEnvironment => {
                let rules = self.flood_rules();
                let guard = self.floods.entry((of.app, pool.environment)).or_default();
                if guard.refuse(retirement(None), moment.at, rules) {
                    tracing::warn!(app = %of.app, environment = pool.environment.as_str(), "many push tokens of App {} are refused as BadDeviceToken in {}: are they of the other environment? No push token is retired for it", of.app, pool.environment.as_str());
                    let data = EnvironmentFlood {
                        environment: pool.environment,
                        refused: rules.count,
                        within_ms: rules.window_ms.into(),
                        mend: FLOOD_MEND.to_owned(),
                    };
                    let subject = pool.environment.as_str();
                    let kind = EventKind::EnvironmentFlood;
                    self.ledger.event(event(of.app, kind, subject, &data));
                    self.hub.bells.settle.notify_one();
                }
            }
        }
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
            kind: job.slot(position).kind,
            generation: job.slot(position).generation,
            environment,
        });
        let entry = RepairedEnvironment {
            delivery: id.to_string(),
            environment,
        };
        self.ledger.repaired(job.note.app, entry);
    }
}
