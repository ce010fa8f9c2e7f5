//! Simulated push services, a gateway that trusts them, and a pool whose outcomes can be waited for.

use crate::support::{DEADLINE, NOW, Outcomes};
use carillon_gateways::Host;
use carillon_gateways::webpush::{WebPushConfig, WebPushGateway, generate_vapid};
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::credential::CredentialSecret;
use carillon_model::environment::Environment;
use carillon_model::id::CredentialNo;
use carillon_model::notification::RequestOptions;
use carillon_model::outcome::Outcome;
use carillon_model::push_token::PushTokenBytes;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{
    ClaimedFacts, Gateway, Message, Pool, PoolId, PoolSpec, Prepared, Push,
};
use carillon_ports::upkeep::Upkeep;
use push_sim::{BrowserView, Config, NewBrowsers, Settings, Simulator, WebPushService};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The services' clocks are ours.
struct Shared(push_sim::Clock);

impl Clock for Shared {
    fn now(&self) -> UnixMs {
        self.0.now_ms()
    }

    fn random(&self) -> u64 {
        7
    }
}

/// A browser with its subscription as our push token.
#[derive(Clone, Debug)]
pub(super) struct Browser {
    pub(super) id: u32,
    pub(super) push_token: PushTokenBytes,
}

pub(super) struct Rig {
    /// Each on a port of its own, and so an origin of its own.
    pub(super) sims: Vec<Simulator>,
    pub(super) gateway: WebPushGateway,
    pub(super) secret: CredentialSecret,
    pub(super) outcomes: Arc<Outcomes>,
    next_tag: AtomicUsize,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(1, Settings::default(), |_| {})
    }

    pub(super) fn with(
        origins: usize,
        settings: Settings,
        change: impl FnOnce(&mut WebPushConfig),
    ) -> Self {
        let clock = push_sim::Clock::at_ms(NOW);
        clock.set_speed(0.0);
        let start = |seed| {
            let config = Config {
                settings: settings.clone(),
                clock: clock.clone(),
                seed,
                ..Config::default()
            };
            Simulator::start(config).unwrap()
        };
        let sims: Vec<Simulator> = (1..=origins as u64).map(start).collect();
        let mut config = WebPushConfig {
            trusted_origins: sims.iter().map(host).collect(),
            extra_ca_pem: Some(sims.iter().flat_map(|sim| sim.ca_pem().bytes()).collect()),
            ..WebPushConfig::default()
        };
        change(&mut config);
        let gateway = WebPushGateway::new(config, Arc::new(Shared(clock)), Upkeep::NONE).unwrap();
        Self {
            sims,
            gateway,
            secret: generate_vapid("mailto:push@example.com", |bytes| bytes.fill(9)).unwrap(),
            outcomes: Arc::default(),
            next_tag: AtomicUsize::new(1),
        }
    }

    pub(super) fn sim(&self) -> &Simulator {
        &self.sims[0]
    }

    /// The application server key in force.
    pub(super) fn public_key(&self) -> String {
        self.facts(&self.secret).public_keys.remove(0)
    }

    fn facts(&self, secret: &CredentialSecret) -> carillon_model::credential::CredentialFacts {
        let claimed = ClaimedFacts::default();
        self.gateway.inspect(secret, &claimed, NOW).unwrap()
    }

    pub(super) fn spec(&self) -> PoolSpec {
        PoolSpec {
            id: PoolId {
                credential: CredentialNo(1),
                version: 1,
                environment: Environment::Production,
                probing: false,
            },
            secret: Arc::new(self.secret.clone()),
            facts: Arc::new(self.facts(&self.secret)),
            provider_tokens: None,
        }
    }

    pub(super) fn pool(&self) -> Arc<dyn Pool> {
        self.gateway.open_pool(self.spec(), self.outcomes.sink())
    }

    /// A browser of the first service that subscribed with the current key.
    pub(super) fn browser(&self) -> Browser {
        self.browsers(0, WebPushService::default(), 1).remove(0)
    }

    pub(super) fn browsers(&self, at: usize, service: WebPushService, count: u32) -> Vec<Browser> {
        let new = NewBrowsers {
            count,
            service,
            application_server_key: Some(self.public_key()),
            ..NewBrowsers::default()
        };
        self.sims[at]
            .make_browsers(&new)
            .unwrap()
            .into_iter()
            .map(|made| Browser {
                id: made.id,
                push_token: self.read(&serde_json::to_value(made.subscription).unwrap()),
            })
            .collect()
    }

    /// A subscription as our push token.
    pub(super) fn read(&self, subscription: &serde_json::Value) -> PushTokenBytes {
        let text = subscription.to_string();
        self.gateway.read_push_token(&text).unwrap()
    }

    pub(super) fn view(&self, browser: &Browser) -> BrowserView {
        self.sim().browser(browser.id).unwrap()
    }

    pub(super) fn push(&self, browser: &Browser, message: &Arc<Message>) -> Push {
        let tag = self.next_tag.fetch_add(1, Ordering::Relaxed) as u64;
        Push {
            tag,
            push_token: browser.push_token.clone(),
            gateway_id: uuid::Uuid::from_u128(u128::from(tag)),
            message: message.clone(),
        }
    }

    /// Sends pushes and waits for the only outcome of each.
    pub(super) fn outcomes_of(&self, pool: &Arc<dyn Pool>, pushes: Vec<Push>) -> Vec<Outcome> {
        let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
        pool.submit(pushes);
        let outcomes = self.outcomes.of(tags.into_iter(), 1);
        let only = |mut of: Vec<Outcome>| {
            assert_eq!(of.len(), 1, "exactly one outcome");
            of.remove(0)
        };
        outcomes.into_iter().map(only).collect()
    }

    /// Sends one push and waits for what came of it.
    pub(super) fn outcome(&self, browser: &Browser, message: &Arc<Message>) -> Outcome {
        let push = self.push(browser, message);
        self.outcomes_of(&self.pool(), vec![push]).remove(0)
    }

    /// Waits until the first service has seen so many requests.
    pub(super) fn wait_for_arrivals(&self, count: usize) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let arrived = async {
            while self.sim().received_count() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = runtime.block_on(async { tokio::time::timeout(DEADLINE, arrived).await });
        assert!(waited.is_ok(), "{count} requests");
    }

    /// A notification as intake makes it.
    pub(super) fn prepared(&self, content: &str, options: &str) -> Prepared {
        let target = serde_json::from_str(r#"{"devices":["d"]}"#).unwrap();
        let content: Content = serde_json::from_str(content).unwrap();
        let options: RequestOptions = serde_json::from_str(options).unwrap();
        let prepared = self.gateway.prepare(&target, &content, &options, NOW);
        prepared.unwrap()
    }

    pub(super) fn message(&self, content: &str, options: &str) -> Arc<Message> {
        self.message_with(content, options, |_| {})
    }

    pub(super) fn message_with(
        &self,
        content: &str,
        options: &str,
        change: impl FnOnce(&mut Message),
    ) -> Arc<Message> {
        let Prepared { options, payload } = self.prepared(content, options);
        let mut message = Message {
            options,
            payload,
            expires_at: None,
            cancelled: Arc::default(),
        };
        change(&mut message);
        Arc::new(message)
    }

    pub(super) fn alert(&self) -> Arc<Message> {
        self.message(
            r#"{"title":"db-3 down","link":"https://ops.example/db-3"}"#,
            "{}",
        )
    }
}

/// Where a simulated push service is.
pub(super) fn host(sim: &Simulator) -> Host {
    let origin = sim.web_push_origin();
    let (host, port) = origin
        .strip_prefix("https://")
        .and_then(|authority| authority.split_once(':'))
        .unwrap();
    Host {
        host: host.to_owned(),
        port: port.parse().unwrap(),
    }
}
