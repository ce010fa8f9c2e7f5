//! A simulated Apple with one app, a gateway that trusts it, and a pool whose outcomes can be waited for.

use carillon_gateways::apns::{ApnsConfig, ApnsGateway, Host};
use carillon_model::UnixMs;
use carillon_model::credential::CredentialSecret;
use carillon_model::environment::Environment;
use carillon_model::id::CredentialNo;
use carillon_model::lane::Class;
use carillon_model::notification::{Priority, SendOptions};
use carillon_model::outcome::{Outcome, Verdict};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{OnUnknown, PushType};
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{
    ClaimedFacts, Gateway, Message, OutcomeSink, Pool, PoolId, PoolSpec, ProviderTokenVault, Push,
};
use carillon_ports::upkeep::Upkeep;
use push_sim::{Config, NewKey, NewPhones, PushTokenKind, Settings, Simulator};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub(crate) const APP: &str = "net.example.pager";
pub(crate) const NOW: UnixMs = 1_700_000_000_000;
const TEAM: &str = "DEF123GHIJ";
const KEY: &str = "ABC123DEFG";

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Apple's clock is ours.
pub(crate) struct Shared(pub(crate) push_sim::Clock);

impl Clock for Shared {
    fn now(&self) -> UnixMs {
        self.0.now_ms()
    }

    fn random(&self) -> u64 {
        7
    }
}

/// Outcomes as they come, waited for by signal.
#[derive(Default)]
pub(crate) struct Outcomes {
    by_tag: Mutex<HashMap<u64, Vec<Outcome>>>,
    changed: Condvar,
}

impl Outcomes {
    pub(crate) fn sink(self: &Arc<Self>) -> OutcomeSink {
        let outcomes = self.clone();
        Arc::new(move |_, more| {
            let mut by_tag = outcomes.by_tag.lock().unwrap();
            for one in more {
                by_tag.entry(one.tag).or_default().push(one.outcome);
            }
            outcomes.changed.notify_all();
        })
    }

    /// Waits until `tags` have `each` outcomes, and gives them.
    pub(crate) fn of(
        &self,
        tags: impl Iterator<Item = u64> + Clone,
        each: usize,
    ) -> Vec<Vec<Outcome>> {
        let is_short = |by_tag: &mut HashMap<u64, Vec<Outcome>>| {
            tags.clone()
                .any(|tag| by_tag.get(&tag).map_or(0, Vec::len) < each)
        };
        let by_tag = self.by_tag.lock().unwrap();
        let (by_tag, waited) = self
            .changed
            .wait_timeout_while(by_tag, DEADLINE, is_short)
            .unwrap();
        assert!(
            !waited.timed_out(),
            "outcomes are missing after {DEADLINE:?}"
        );
        tags.map(|tag| by_tag[&tag].clone()).collect()
    }

    /// The only outcome of a push.
    pub(crate) fn one(&self, tag: u64) -> Outcome {
        let mut outcomes = self.of(std::iter::once(tag), 1).remove(0);
        assert_eq!(outcomes.len(), 1, "exactly one outcome");
        outcomes.remove(0)
    }

    pub(crate) fn count(&self) -> usize {
        self.by_tag.lock().unwrap().values().map(Vec::len).sum()
    }
}

#[derive(Default)]
pub(crate) struct Vault {
    pub(crate) stored: Mutex<Vec<String>>,
}

impl ProviderTokenVault for Vault {
    fn load(&self) -> Option<(String, UnixMs)> {
        None
    }

    fn store(&self, jwt: &str, _: UnixMs) {
        self.stored.lock().unwrap().push(jwt.to_owned());
    }
}

/// Everything a test needs.
pub(crate) struct Bench {
    pub(crate) sim: Simulator,
    pub(crate) gateway: ApnsGateway,
    pub(crate) vault: Arc<Vault>,
    pub(crate) pem: String,
    pub(crate) outcomes: Arc<Outcomes>,
    next_tag: AtomicUsize,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), |_| {})
    }

    pub(crate) fn with(settings: Settings, change: impl FnOnce(&mut ApnsConfig)) -> Self {
        let clock = push_sim::Clock::at_ms(NOW);
        clock.set_speed(0.0);
        let config = Config {
            settings,
            clock: clock.clone(),
            ..Config::default()
        };
        let sim = Simulator::start(config).unwrap();
        sim.world().set_app(APP, push_sim::AppSettings::default());
        let key = NewKey {
            team_id: TEAM.into(),
            key_id: KEY.into(),
            ..NewKey::default()
        };
        let pem = sim
            .world()
            .register_key(key)
            .unwrap()
            .signing_key_pem
            .unwrap();
        let host = |environment, host| {
            let address = sim.address(environment, host);
            Host {
                host: address.ip().to_string(),
                port: address.port(),
            }
        };
        use push_sim::{Environment, Host as Door};
        let mut config = ApnsConfig {
            production: host(Environment::Production, Door::Device),
            sandbox: host(Environment::Sandbox, Door::Device),
            production_channels: host(Environment::Production, Door::Management),
            sandbox_channels: host(Environment::Sandbox, Door::Management),
            production_broadcasts: Some(host(Environment::Production, Door::Broadcast)),
            sandbox_broadcasts: Some(host(Environment::Sandbox, Door::Broadcast)),
            extra_ca_pem: Some(sim.ca_pem().as_bytes().to_vec()),
            ..ApnsConfig::default()
        };
        change(&mut config);
        let gateway = ApnsGateway::new(config, Arc::new(Shared(clock)), Upkeep::NONE).unwrap();
        Self {
            sim,
            gateway,
            vault: Arc::default(),
            pem,
            outcomes: Arc::default(),
            next_tag: AtomicUsize::new(1),
        }
    }

    pub(crate) fn spec(&self) -> PoolSpec {
        let secret = CredentialSecret::SigningKey {
            pem: self.pem.clone(),
        };
        self.spec_of(secret)
    }

    pub(crate) fn spec_of(&self, secret: CredentialSecret) -> PoolSpec {
        let is_key = matches!(secret, CredentialSecret::SigningKey { .. });
        let claimed = ClaimedFacts {
            topics: if is_key { vec![APP.into()] } else { vec![] },
            team_id: Some(TEAM.into()),
            key_id: Some(KEY.into()),
            ..ClaimedFacts::default()
        };
        let facts = self.gateway.inspect(&secret, &claimed, NOW).unwrap();
        PoolSpec {
            id: PoolId {
                credential: CredentialNo(1),
                version: 1,
                environment: Environment::Production,
                probing: false,
            },
            secret: Arc::new(secret),
            facts: Arc::new(facts),
            provider_tokens: Some(self.vault.clone()),
        }
    }

    pub(crate) fn pool(&self) -> Arc<dyn Pool> {
        self.gateway.open_pool(self.spec(), self.outcomes.sink())
    }

    /// The push token of a new phone.
    pub(crate) fn phone(&self) -> String {
        self.phones(&NewPhones::default()).remove(0)
    }

    pub(crate) fn phones(&self, new: &NewPhones) -> Vec<String> {
        let new = NewPhones {
            app: APP.into(),
            ..new.clone()
        };
        let kind = new.kinds.first().copied().unwrap_or(PushTokenKind::Alert);
        let phones = self.sim.world().make_phones(&new).unwrap();
        phones
            .into_iter()
            .map(|mut phone| phone.push_tokens.remove(&kind).unwrap())
            .collect()
    }

    pub(crate) fn push(&self, push_token: &str, message: &Arc<Message>) -> Push {
        let tag = self.next_tag.fetch_add(1, Ordering::Relaxed) as u64;
        Push {
            tag,
            push_token: match push_token {
                "" => PushTokenBytes(bytes::Bytes::new()),
                hex => PushTokenBytes::from_hex(hex).unwrap(),
            },
            gateway_id: uuid::Uuid::from_u128(u128::from(tag)),
            message: message.clone(),
        }
    }

    /// Sends one push and waits for what came of it.
    pub(crate) fn outcome(&self, push_token: &str, message: &Arc<Message>) -> Outcome {
        let pool = self.pool();
        let push = self.push(push_token, message);
        let tag = push.tag;
        pool.submit(vec![push]);
        self.outcomes.one(tag)
    }
}

fn options() -> SendOptions {
    SendOptions {
        push_type: PushType::Alert,
        token_kind: PushType::Alert.token_kind(),
        priority: Priority::High,
        store_offline: true,
        on_unknown: OnUnknown::Resend,
        class: Class::Normal,
        collapse_id: None,
        apns_topic: None,
        channel: None,
        category: None,
        is_critical: false,
    }
}

pub(crate) fn message(change: impl FnOnce(&mut Message)) -> Arc<Message> {
    let mut message = Message {
        options: options(),
        payload: bytes::Bytes::from_static(br#"{"aps":{"alert":"db-3 down"}}"#),
        expires_at: None,
        cancelled: Arc::new(AtomicBool::new(false)),
    };
    change(&mut message);
    Arc::new(message)
}

pub(crate) fn alert() -> Arc<Message> {
    message(|_| {})
}

pub(crate) fn is_blocked(outcome: &Outcome, reason: &str) -> bool {
    matches!(&outcome.verdict, Verdict::Blocked(trouble) if trouble.reason == reason)
}
