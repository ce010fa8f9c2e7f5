//! A simulated Google with one project, a gateway that trusts it, and pools whose outcomes can be waited for.

use crate::support::{Outcomes, Shared};
use carillon_gateways::Host;
use carillon_gateways::fcm::{FcmConfig, FcmGateway};
use carillon_model::UnixMs;
use carillon_model::credential::CredentialSecret;
use carillon_model::environment::Environment;
use carillon_model::id::CredentialNo;
use carillon_model::outcome::Outcome;
use carillon_model::push_token::PushTokenBytes;
use carillon_ports::gateway::{
    ClaimedFacts, Gateway, Message, OutcomeSink, Pool, PoolId, PoolSpec, Push,
};
use carillon_ports::upkeep::Upkeep;
use push_sim::{
    Config, FcmPhoneView, NewFcmPhones, NewServiceAccount, Received, ReceivedFilter, Settings,
    Simulator,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) const PROJECT: &str = "pager-4f2a1";
pub(crate) const NOW: UnixMs = 1_700_000_000_000;

/// Everything a test needs.
pub(crate) struct FcmBench {
    pub(crate) sim: Simulator,
    pub(crate) gateway: FcmGateway,
    pub(crate) key_file: String,
    pub(crate) outcomes: Arc<Outcomes>,
    next_tag: AtomicUsize,
}

impl FcmBench {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), |_| {})
    }

    pub(crate) fn with(settings: Settings, change: impl FnOnce(&mut FcmConfig)) -> Self {
        let clock = push_sim::Clock::at_ms(NOW);
        clock.set_speed(0.0);
        let sim = Simulator::start(Config {
            settings,
            clock: clock.clone(),
            ..Config::default()
        })
        .unwrap();
        let account = NewServiceAccount {
            project: PROJECT.into(),
            ..NewServiceAccount::default()
        };
        let key_file = sim.add_service_account(account).unwrap().key_file.unwrap();
        let address = sim.addresses().google;
        let host = Host {
            host: address.ip().to_string(),
            port: address.port(),
        };
        let mut config = FcmConfig {
            endpoint: host.clone(),
            token_endpoint: Some(host),
            extra_ca_pem: Some(sim.ca_pem().as_bytes().to_vec()),
            quota_ramp: std::time::Duration::ZERO,
            ..FcmConfig::default()
        };
        change(&mut config);
        let gateway = FcmGateway::new(config, Arc::new(Shared(clock)), Upkeep::NONE).unwrap();
        Self {
            sim,
            gateway,
            key_file,
            outcomes: Arc::default(),
            next_tag: AtomicUsize::new(1),
        }
    }

    pub(crate) fn spec(&self) -> PoolSpec {
        self.spec_of(&self.key_file)
    }

    pub(crate) fn spec_of(&self, key_file: &str) -> PoolSpec {
        let secret = CredentialSecret::ServiceAccount {
            json: key_file.to_owned(),
        };
        let facts = self
            .gateway
            .inspect(&secret, &ClaimedFacts::default(), NOW)
            .unwrap();
        PoolSpec {
            id: PoolId {
                credential: CredentialNo(1),
                version: 1,
                environment: Environment::Production,
                probing: false,
            },
            secret: Arc::new(secret),
            facts: Arc::new(facts),
            provider_tokens: None,
        }
    }

    pub(crate) fn pool(&self) -> Arc<dyn Pool> {
        self.gateway.open_pool(self.spec(), self.sink())
    }

    pub(crate) fn sink(&self) -> OutcomeSink {
        self.outcomes.sink()
    }

    /// The registration token of a new phone.
    pub(crate) fn phone(&self, change: impl FnOnce(&mut NewFcmPhones)) -> String {
        let mut new = NewFcmPhones {
            project: PROJECT.into(),
            ..NewFcmPhones::default()
        };
        change(&mut new);
        let made = self.sim.world().make_fcm_phones(&new).unwrap();
        made.into_iter().next().unwrap().registration_token
    }

    pub(crate) fn seen(&self, registration: &str) -> FcmPhoneView {
        self.sim.world().fcm_phone_of(registration).unwrap()
    }

    pub(crate) fn push(&self, registration: &str, message: &Arc<Message>) -> Push {
        let tag = self.next_tag.fetch_add(1, Ordering::Relaxed) as u64;
        Push {
            tag,
            push_token: PushTokenBytes(bytes::Bytes::copy_from_slice(registration.as_bytes())),
            gateway_id: uuid::Uuid::from_u128(u128::from(tag)),
            message: message.clone(),
        }
    }

    /// Sends one push and waits for what came of it.
    pub(crate) fn outcome(&self, registration: &str, message: &Arc<Message>) -> Outcome {
        let push = self.push(registration, message);
        let tag = push.tag;
        let pool = self.pool();
        pool.submit(vec![push]);
        self.outcomes.one(tag)
    }

    /// A notification as the engine sends it: prepared, with options as the caller writes them.
    pub(crate) fn message(&self, content: &str, options: &str) -> Arc<Message> {
        self.message_until(content, options, None)
    }

    pub(crate) fn message_until(
        &self,
        content: &str,
        options: &str,
        expires_at: Option<UnixMs>,
    ) -> Arc<Message> {
        let (target, content, options) = (
            serde_json::from_str(r#"{"devices":["d"]}"#).unwrap(),
            serde_json::from_str(content).unwrap(),
            serde_json::from_str(options).unwrap(),
        );
        let prepared = self
            .gateway
            .prepare(&target, &content, &options, NOW)
            .unwrap();
        Arc::new(Message {
            options: prepared.options,
            payload: prepared.payload,
            expires_at,
            cancelled: Arc::new(AtomicBool::new(false)),
        })
    }

    /// What Google received for messages, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received_at(push_sim::Host::Fcm)
    }

    /// What one of Google's hosts received, in order.
    pub(crate) fn received_at(&self, host: push_sim::Host) -> Vec<Received> {
        let all = ReceivedFilter {
            limit: 10_000,
            ..ReceivedFilter::default()
        };
        let page = self.sim.world().received(&all);
        page.received
            .into_iter()
            .filter(|received| received.host == host)
            .collect()
    }
}
