//! Which pool a push goes through: the choice of the credential, the open pools, their breakers.
//!
//! A *route* is (App, credential, environment, probing or not) and outlives versions of its
//! credential: when that changes, the route's pool is drained and the next push opens a new one. A
//! route without a credential has no pool; its work waits until somebody sets one. Opening a pool does
//! no IO.

use crate::breaker::{Breaker, ProbeRules};
use crate::directory::Directory;
use crate::hub::Hub;
use crate::job::tried_bit;
use crate::limiter::Limiter;
use crate::moment::Moment;
use crate::vault::{Vault, vault_name};
use carillon_model::credential::{Credential, CredentialFacts, CredentialKind, CredentialSecret};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, CredentialNo};
use carillon_model::notification::SendOptions;
use carillon_model::outcome::{Trouble, TroubleScope};
use carillon_model::push_type::PushType;
use carillon_ports::gateway::{OutcomeSink, Pool, PoolId, PoolSpec, ProviderTokenVault};
use carillon_ports::secret::Place;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Names a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) app: AppNo,
    /// `None`: no credential serves this.
    pub(crate) credential: Option<CredentialNo>,
    pub(crate) environment: Environment,
    pub(crate) is_probing: bool,
}

/// The credential of an App that serves this environment and these options. Signing keys before
/// certificates, older before newer.
///
/// Which push types take which kind: Apple, "Sending notification requests to APNs" (`apns-push-type`).
pub(crate) fn choose<'a>(
    credentials: &'a [Credential],
    environment: Environment,
    options: &SendOptions,
) -> Option<&'a Credential> {
    let serves = |credential: &&Credential| {
        let facts = &credential.facts;
        (facts.environments.is_empty() || facts.environments.contains(&environment))
            && takes(facts.kind, options)
            && has_topic(facts, options.apns_topic.as_deref())
    };
    let mut serving = credentials.iter().filter(serves);
    let is_key = |credential: &&Credential| credential.facts.kind == CredentialKind::SigningKey;
    serving.clone().find(is_key).or_else(|| serving.next())
}

fn takes(kind: CredentialKind, options: &SendOptions) -> bool {
    match kind {
        CredentialKind::SigningKey => options.push_type != PushType::Mdm,
        // Apple's page on broadcasts allows certificates.
        CredentialKind::Certificate if options.channel.is_some() => true,
        CredentialKind::Certificate => !matches!(
            options.push_type,
            PushType::Location
                | PushType::FileProvider
                | PushType::LiveActivity
                | PushType::Controls
                | PushType::Widgets
        ),
    }
}

/// Whether a credential covers a topic: its bundle id, or one with a suffix.
fn has_topic(facts: &CredentialFacts, topic: Option<&str>) -> bool {
    let Some(topic) = topic else {
        return true;
    };
    let is_below = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    facts.topics.is_empty()
        || facts
            .topics
            .iter()
            .any(|own| is_below(topic, own) || is_below(own, topic))
}

/// The route for a push token of this environment.
///
/// Of an unknown environment: the first in which it was not refused yet and for which there is a
/// credential. `None`: it was refused by all of them.
pub(crate) fn route_for(
    credentials: &[Credential],
    app: AppNo,
    environment: TokenEnvironment,
    tried: u8,
    options: &SendOptions,
) -> Option<Route> {
    let route = |environment, is_probing, credential: Option<&Credential>| Route {
        app,
        credential: credential.map(|credential| credential.no),
        environment,
        is_probing,
    };
    if let Some(environment) = environment.known() {
        let credential = choose(credentials, environment, options);
        return Some(route(environment, false, credential));
    }
    let untried = Environment::ALL
        .into_iter()
        .filter(|environment| tried & tried_bit(*environment) == 0);
    let mut served = untried.filter_map(|environment| {
        let credential = choose(credentials, environment, options)?;
        Some(route(environment, true, Some(credential)))
    });
    served
        .next()
        .or_else(|| (tried == 0).then(|| route(Environment::Production, true, None)))
}

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

/// What a credential's pools are opened with.
struct Keyed {
    version: u32,
    app: AppNo,
    name: String,
    facts: Arc<CredentialFacts>,
    /// The secret, or why it cannot be opened.
    secret: Result<Arc<CredentialSecret>, String>,
    vault: Option<Arc<Vault>>,
}

/// All credentials, opened; shared by pools and doctor.
#[derive(Default)]
pub(crate) struct KeyRing {
    keyed: HashMap<CredentialNo, Keyed>,
    vaults: HashMap<String, Arc<Vault>>,
}

impl KeyRing {
    /// Opens what is new or changed, forgets what is gone.
    pub(crate) async fn read(hub: &Arc<Hub>, directory: &Directory, former: &Self) -> Self {
        let mut ring = Self::default();
        for (credential, sealed) in directory.all_credentials() {
            let vault = match vault_name(&credential.facts) {
                None => None,
                Some(name) => {
                    if !ring.vaults.contains_key(&name) {
                        let vault = match former.vaults.get(&name) {
                            Some(vault) => vault.clone(),
                            None => Arc::new(Vault::open(hub, name.clone()).await),
                        };
                        ring.vaults.insert(name.clone(), vault);
                    }
                    ring.vaults.get(&name).cloned()
                }
            };
            let row = credential.no.to_string();
            let secret = match former.keyed.get(&credential.no) {
                Some(keyed) if keyed.version == credential.version && keyed.secret.is_ok() => {
                    keyed.secret.clone()
                }
                _ => hub
                    .parts
                    .secrets
                    .open(Place::credential(&row), sealed)
                    .and_then(|plain| {
                        CredentialSecret::decode(&plain).map_err(|error| error.to_string())
                    })
                    .map(Arc::new),
            };
            if let Err(problem) = &secret {
                tracing::error!(credential = credential.name, app = %credential.app, problem, "credential {} of App {} cannot be opened", credential.name, credential.app);
            }
            let keyed = Keyed {
                version: credential.version,
                app: credential.app,
                name: credential.name.clone(),
                facts: Arc::new(credential.facts.clone()),
                secret,
                vault,
            };
            ring.keyed.insert(credential.no, keyed);
        }
        ring
    }

    pub(crate) fn app(&self, no: CredentialNo) -> AppNo {
        self.keyed.get(&no).map_or(AppNo(0), |keyed| keyed.app)
    }

    pub(crate) fn name(&self, no: CredentialNo) -> &str {
        self.keyed.get(&no).map_or("", |keyed| &keyed.name)
    }

    /// What a pool is opened with, or the sentence why it cannot be.
    pub(crate) fn spec(
        &self,
        no: CredentialNo,
        environment: Environment,
        probing: bool,
    ) -> Result<PoolSpec, String> {
        let keyed = self
            .keyed
            .get(&no)
            .ok_or("the credential was deleted: set one again")?;
        Ok(PoolSpec {
            id: PoolId {
                credential: no,
                version: keyed.version,
                environment,
                probing,
            },
            secret: keyed.secret.clone()?,
            facts: keyed.facts.clone(),
            provider_tokens: keyed
                .vault
                .clone()
                .map(|vault| vault as Arc<dyn ProviderTokenVault>),
        })
    }

    pub(crate) fn find(&self, app: AppNo, name: &str) -> Option<CredentialNo> {
        self.keyed
            .iter()
            .find(|(_, keyed)| keyed.app == app && keyed.name == name)
            .map(|(no, _)| *no)
    }

    fn version(&self, no: CredentialNo) -> Option<u32> {
        self.keyed.get(&no).map(|keyed| keyed.version)
    }
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
                    .then(|| Limiter::new(probing_per_second, at)),
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
                        "no credential of this App serves the environment {} with the topic and push type that waiting notifications ask for: set one with PUT /v1/apps/{{app}}/credentials/{{name}}",
                        route.environment.as_str()
                    ),
                ));
            };
            let spec = self
                .ring
                .spec(no, route.environment, route.is_probing)
                .map_err(|sentence| refuse("credential_unreadable", sentence))?;
            let id = spec.id;
            let pool = hub.parts.apns.open_pool(spec, sink.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::{Class, Gateway};
    use carillon_model::notification::Priority;
    use carillon_model::push_type::OnUnknown;

    fn credential(
        no: i64,
        kind: CredentialKind,
        in_: &[Environment],
        topics: &[&str],
    ) -> Credential {
        Credential {
            no: CredentialNo(no),
            app: AppNo(1),
            name: format!("c{no}"),
            gateway: Gateway::Apns,
            facts: CredentialFacts {
                kind,
                environments: in_.to_vec(),
                topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
                team_id: None,
                key_id: None,
                not_after: None,
                fingerprint: String::new(),
            },
            version: 1,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn options(push_type: PushType, topic: Option<&str>) -> SendOptions {
        SendOptions {
            push_type,
            token_kind: push_type.token_kind(),
            priority: Priority::High,
            store_offline: true,
            on_unknown: OnUnknown::Resend,
            class: Class::Normal,
            collapse_id: None,
            apns_topic: topic.map(str::to_owned),
            channel: None,
        }
    }

    #[test]
    fn the_credential_is_chosen_by_environment_type_and_topic() {
        use CredentialKind::{Certificate, SigningKey};
        use Environment::{Production, Sandbox};
        let all = [
            credential(1, Certificate, &[Production], &["com.a", "com.a.voip"]),
            credential(2, SigningKey, &[Production], &["com.a"]),
            credential(3, SigningKey, &[], &["com.b"]),
            credential(4, Certificate, &[Production], &["com.apple.mgmt.x"]),
        ];
        let chosen = |environment, push_type, topic| {
            choose(&all, environment, &options(push_type, topic)).map(|found| found.no.0)
        };
        assert_eq!(
            chosen(Production, PushType::Alert, None),
            Some(2),
            "keys first"
        );
        assert_eq!(chosen(Production, PushType::Alert, Some("com.b")), Some(3));
        assert_eq!(
            chosen(Production, PushType::Voip, Some("com.a.voip")),
            Some(2)
        );
        assert_eq!(chosen(Sandbox, PushType::Alert, Some("com.a")), None);
        assert_eq!(chosen(Sandbox, PushType::Alert, None), Some(3));
        assert_eq!(
            chosen(Production, PushType::Mdm, Some("com.apple.mgmt.x")),
            Some(4)
        );
        assert_eq!(
            chosen(Production, PushType::Alert, Some("com.ab")),
            None,
            "no prefix"
        );
        let certificate = &all[..1];
        assert!(choose(certificate, Production, &options(PushType::Widgets, None)).is_none());
    }

    #[test]
    fn an_unknown_environment_is_tried_where_there_is_a_credential() {
        use Environment::{Production, Sandbox};
        let both = [credential(1, CredentialKind::SigningKey, &[], &[])];
        let sandbox = [credential(1, CredentialKind::SigningKey, &[Sandbox], &[])];
        let options = options(PushType::Alert, None);
        let auto = |all: &[Credential], tried| {
            route_for(all, AppNo(1), TokenEnvironment::Auto, tried, &options)
                .map(|route| (route.environment, route.credential.is_some()))
        };
        assert_eq!(auto(&both, 0), Some((Production, true)));
        assert_eq!(auto(&both, tried_bit(Production)), Some((Sandbox, true)));
        assert_eq!(auto(&both, 3), None);
        assert_eq!(auto(&sandbox, 0), Some((Sandbox, true)));
        assert_eq!(auto(&sandbox, tried_bit(Sandbox)), None);
        assert_eq!(
            auto(&[], 0),
            Some((Production, false)),
            "it waits for a credential"
        );
        let declared = route_for(&both, AppNo(1), TokenEnvironment::Sandbox, 3, &options).unwrap();
        assert!(!declared.is_probing && declared.environment == Sandbox);
    }
}
