//! An engine with everything around it, and what tests do with it all the time.

use crate::fake_gateway::{FakeGateway, signing_key};
use bytes::Bytes;
use carillon_engine::receipt::ReceiptKey;
use carillon_engine::{
    Accepted, Engine, EngineConfig, IdempotencyKey, Parts, Refusal, SendItem, Webhooks,
};
use carillon_engine::{Instances, Receipts};
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::credential::{CredentialFacts, CredentialSecret};
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, CredentialNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_model::role::Roles;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::Gateways;
use carillon_ports::instance::{InstanceStore, Presence};
use carillon_ports::memory::{FakeChecker, FakeReceivers, FakeSources, MemoryStore};
use carillon_ports::registry::{Actor, Registry, Sealed};
use carillon_ports::secret::{Place, SecretBox};
use carillon_ports::store::{Attempt, Event, HotStore, NotificationView};
use carillon_ports::upkeep::Upkeep;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

pub(crate) const T0: UnixMs = 1_800_000_000_000;

/// Business time that moves with tokio's, and may be moved ahead of it.
pub(crate) struct TestClock {
    start: Instant,
    ahead: AtomicI64,
    random: AtomicU64,
}

impl TestClock {
    pub(crate) fn jump(&self, ms: i64) {
        self.ahead.fetch_add(ms, Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        let passed = Instant::now().saturating_duration_since(self.start);
        T0 + passed.as_millis() as i64 + self.ahead.load(Relaxed)
    }

    fn random(&self) -> u64 {
        // Any sequence will do, as long as it is always the same.
        let step = 0x9e37_79b9_7f4a_7c15;
        self.random.fetch_add(step, Relaxed).wrapping_mul(step)
    }
}

/// Seals by writing the place in front.
struct PlainSecrets;

impl SecretBox for PlainSecrets {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Sealed {
        let mut sealed = format!("{place:?}").into_bytes();
        sealed.extend(plain);
        Sealed(sealed)
    }

    fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, String> {
        let prefix = format!("{place:?}").into_bytes();
        sealed
            .0
            .strip_prefix(prefix.as_slice())
            .map(<[u8]>::to_vec)
            .ok_or_else(|| "sealed for another place".to_owned())
    }
}

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) hot: Arc<dyn HotStore>,
    pub(crate) gateway: FakeGateway,
    pub(crate) receivers: FakeReceivers,
    pub(crate) sources: FakeSources,
    pub(crate) checker: FakeChecker,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) engine: Engine,
    /// An App with a signing key for both environments.
    pub(crate) app: AppNo,
    config: EngineConfig,
    instances: Instances,
    /// Engines that can be woken, by their addresses. `None`: nobody wakes anybody.
    wakes: Option<Arc<Mutex<HashMap<String, Engine>>>>,
}

pub(crate) fn nobody() -> Actor {
    Actor {
        api_key: None,
        request_id: None,
    }
}

/// A push token told from others by its number.
pub(crate) fn address(number: u64) -> PushTokenBytes {
    let mut bytes = [7u8; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PushTokenBytes(Bytes::copy_from_slice(&bytes))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(EngineConfig::default()).await
    }

    pub(crate) async fn with(config: EngineConfig) -> Self {
        let store = MemoryStore::new();
        let hot = Arc::new(store.clone());
        Self::on(config, store, hot).await
    }

    /// A process with some roles, on a store that others may join.
    pub(crate) async fn shared(roles: &str) -> Self {
        Self::shared_with(roles, EngineConfig::default()).await
    }

    pub(crate) async fn shared_with(roles: &str, config: EngineConfig) -> Self {
        let store = MemoryStore::shared();
        let hot = Arc::new(store.clone());
        Self::on_as(config, store, hot, presence(roles)).await
    }

    /// Processes of this world wake each other from here on. Returns this one, started anew.
    pub(crate) async fn waking(self) -> Self {
        let wakes = Arc::default();
        let mut world = Self {
            wakes: Some(wakes),
            ..self
        };
        world.engine.leave().await.unwrap();
        world.store.restart();
        world.start().await;
        world
    }

    async fn start(&mut self) {
        if let Some(wakes) = self.wakes.clone() {
            let address = format!("process {}", self.store.epoch());
            self.instances.presence.wake_address.clone_from(&address);
            let all = wakes.clone();
            self.instances.wake_up = Some(Arc::new(move |addresses: &[String]| {
                let all = all.lock();
                let woken = addresses.iter().filter_map(|address| all.get(address));
                woken.for_each(Engine::look);
            }));
            self.engine = Engine::start_on(self.parts(), Handle::current())
                .await
                .unwrap();
            wakes.lock().insert(address, self.engine.clone());
        } else {
            self.engine = Engine::start_on(self.parts(), Handle::current())
                .await
                .unwrap();
        }
    }

    /// Another process on the same store, before the same gateways.
    pub(crate) async fn another(&self, roles: &str) -> Self {
        self.another_known_by(roles, |store| Arc::new(store)).await
    }

    /// The same, with something before what it knows of the others by.
    pub(crate) async fn another_known_by(
        &self,
        roles: &str,
        by: impl FnOnce(MemoryStore) -> Arc<dyn InstanceStore>,
    ) -> Self {
        let store = self.store.another();
        let hot: Arc<dyn HotStore> = Arc::new(store.clone());
        let mut other = Self {
            instances: Instances {
                store: by(store.clone()),
                presence: presence(roles),
                wake_up: None,
            },
            store,
            hot,
            gateway: self.gateway.clone(),
            receivers: self.receivers.clone(),
            sources: self.sources.clone(),
            checker: self.checker.clone(),
            clock: self.clock.clone(),
            engine: self.engine.clone(),
            app: self.app,
            config: self.config.clone(),
            wakes: self.wakes.clone(),
        };
        other.start().await;
        other
    }

    /// With the engine on its own thread, in real time.
    pub(crate) async fn threaded() -> Self {
        let store = MemoryStore::new();
        let hot: Arc<dyn HotStore> = Arc::new(store.clone());
        let mut world = Self::on(EngineConfig::default(), store, hot).await;
        let parts = world.parts();
        world.engine = Engine::start(parts, Upkeep::NONE).await.unwrap();
        world
    }

    fn parts(&self) -> Parts {
        parts(
            &self.config,
            &self.store,
            &self.hot,
            &self.gateway,
            (&self.receivers, &self.sources, &self.checker),
            &self.clock,
            &self.instances,
        )
    }

    /// With a hot store that stands before the one in memory.
    pub(crate) async fn on(
        config: EngineConfig,
        store: MemoryStore,
        hot: Arc<dyn HotStore>,
    ) -> Self {
        Self::on_as(config, store, hot, Presence::alone("test")).await
    }

    async fn on_as(
        config: EngineConfig,
        store: MemoryStore,
        hot: Arc<dyn HotStore>,
        presence: Presence,
    ) -> Self {
        let instances = Instances {
            store: Arc::new(store.clone()),
            presence,
            wake_up: None,
        };
        let clock = Arc::new(TestClock {
            start: Instant::now(),
            ahead: AtomicI64::new(0),
            random: AtomicU64::new(1),
        });
        let gateway = FakeGateway::new();
        let (receivers, sources) = (FakeReceivers::default(), FakeSources::default());
        let checker = FakeChecker::default();
        let parts = parts(
            &config,
            &store,
            &hot,
            &gateway,
            (&receivers, &sources, &checker),
            &clock,
            &instances,
        );
        let engine = Engine::start_on(parts, Handle::current()).await.unwrap();
        let mut world = Self {
            store,
            hot,
            gateway,
            receivers,
            sources,
            checker,
            clock,
            engine,
            app: AppNo(0),
            config,
            instances,
            wakes: None,
        };
        world.app = world.app("shop", AppSettings::default()).await;
        world
            .credential(world.app, "key", signing_key(&Environment::ALL))
            .await;
        world
    }

    /// Ends the engine as a crash would, and starts another on the same store.
    pub(crate) async fn crash(self) -> Self {
        self.crash_for(0).await
    }

    /// The same, but it takes so long until the other one is there.
    pub(crate) async fn crash_for(mut self, ms: u64) -> Self {
        let World { engine, .. } = self;
        drop(engine);
        self.store.restart();
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let parts = parts(
            &self.config,
            &self.store,
            &self.hot,
            &self.gateway,
            (&self.receivers, &self.sources, &self.checker),
            &self.clock,
            &self.instances,
        );
        self.engine = Engine::start_on(parts, Handle::current()).await.unwrap();
        self
    }

    pub(crate) async fn app(&self, id: &str, settings: AppSettings) -> AppNo {
        let put = self
            .store
            .put_app(id.into(), id.into(), settings, T0, nobody())
            .await;
        self.engine.refresh().await.unwrap();
        put.unwrap().0.no
    }

    pub(crate) async fn credential(
        &self,
        app: AppNo,
        name: &str,
        facts: CredentialFacts,
    ) -> CredentialNo {
        self.credential_for(app, name, Gateway::Apns, facts).await
    }

    pub(crate) async fn credential_for(
        &self,
        app: AppNo,
        name: &str,
        gateway: Gateway,
        facts: CredentialFacts,
    ) -> CredentialNo {
        let no = self.store.credential_no(app, name.into()).await.unwrap();
        let secret = CredentialSecret::SigningKey { pem: "pem".into() };
        let sealed = self.engine.seal_credential(no, &secret);
        self.store
            .put_credential(no, app, name.into(), gateway, facts, sealed, T0, nobody())
            .await
            .unwrap();
        self.engine.refresh().await.unwrap();
        no
    }

    /// Registers devices `d<n>` of users `u<n>` in the usual App, for production.
    pub(crate) async fn devices(&self, numbers: std::ops::Range<u64>) -> Vec<DeviceNo> {
        self.devices_of(
            self.app,
            numbers,
            TokenKind::Alert,
            TokenEnvironment::Production,
        )
        .await
    }

    pub(crate) async fn devices_of(
        &self,
        app: AppNo,
        numbers: std::ops::Range<u64>,
        kind: TokenKind,
        environment: TokenEnvironment,
    ) -> Vec<DeviceNo> {
        let registrations = numbers
            .map(|n| DeviceRegistration {
                id: Some(format!("d{n}")),
                user_id: Some(format!("u{n}")),
                push_tokens: vec![PushTokenRegistration::new(kind, address(n), environment)],
                ..DeviceRegistration::default()
            })
            .collect();
        let now = self.clock.now();
        let registered = self.store.register_devices(app, registrations, now).await;
        registered.unwrap().iter().map(|device| device.no).collect()
    }

    pub(crate) async fn push_token(&self, device: DeviceNo) -> PushToken {
        let read = self.hot.read_push_tokens(TokenKind::Alert, vec![device]);
        read.await.unwrap().0.remove(0)
    }

    // --- sending ---

    pub(crate) async fn try_send(&self, body: Value) -> Result<Accepted, Refusal> {
        self.try_send_to(self.app, body, None).await
    }

    pub(crate) async fn try_send_to(
        &self,
        app: AppNo,
        body: Value,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Accepted, Refusal> {
        let item = SendItem {
            request: serde_json::from_value(body).unwrap(),
            idempotency,
            origin: carillon_engine::Origin::default(),
        };
        let mut answers = self.engine.send(app, vec![item]).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    pub(crate) async fn send(&self, body: Value) -> NotificationNo {
        self.try_send(body).await.unwrap().no
    }

    /// To devices `d<n>`.
    pub(crate) async fn to(&self, numbers: std::ops::Range<u64>) -> NotificationNo {
        self.send(to(numbers)).await
    }

    // --- watching ---

    pub(crate) async fn view(&self, no: NotificationNo) -> NotificationView {
        self.view_of(self.app, no).await
    }

    pub(crate) async fn view_of(&self, app: AppNo, no: NotificationNo) -> NotificationView {
        self.hot.notification(app, no).await.unwrap().unwrap()
    }

    /// Waits until all deliveries are final; at most an hour of the engine's time.
    pub(crate) async fn completed(&self, no: NotificationNo) -> NotificationView {
        self.completed_of(self.app, no).await
    }

    pub(crate) async fn completed_of(&self, app: AppNo, no: NotificationNo) -> NotificationView {
        let is_done = async || self.view_of(app, no).await.completed_at.is_some();
        self.until(Duration::from_secs(3_600), is_done).await;
        self.view_of(app, no).await
    }

    /// Waits until something is so. Looks every millisecond of the engine's time, later less often:
    /// at every hundredth of the time that passed.
    pub(crate) async fn until(&self, within: Duration, mut is_so: impl AsyncFnMut() -> bool) {
        let start = Instant::now();
        while !is_so().await {
            assert!(
                start.elapsed() < within,
                "it did not come to be: {:#?}",
                self.engine.status()
            );
            let pause = (start.elapsed() / 100).max(Duration::from_millis(1));
            tokio::time::sleep(pause).await;
        }
    }

    /// Lets the engine go on for so long.
    pub(crate) async fn pass(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    pub(crate) async fn attempts(&self, no: NotificationNo, position: u16) -> Vec<Attempt> {
        let id = DeliveryId {
            batch: no.batch(0),
            position,
        };
        let found = self.hot.delivery(self.app, id).await.unwrap();
        found.unwrap().1
    }

    pub(crate) async fn events(&self, kind: &str) -> Vec<Event> {
        let all = self.hot.events(self.app, 0, 10_000).await.unwrap();
        all.into_iter().filter(|event| event.kind == kind).collect()
    }

    /// Every delivery that was ever counted as ended, by the counters.
    pub(crate) async fn counted(&self) -> Vec<(FinalState, u64)> {
        let mut sums = std::collections::BTreeMap::new();
        for count in self.hot.counts(self.app, 0).await.unwrap() {
            *sums.entry(count.state).or_default() += count.count;
        }
        sums.into_iter().collect()
    }
}

fn parts(
    config: &EngineConfig,
    store: &MemoryStore,
    hot: &Arc<dyn HotStore>,
    gateway: &FakeGateway,
    (receivers, sources, checker): (&FakeReceivers, &FakeSources, &FakeChecker),
    clock: &Arc<TestClock>,
    instances: &Instances,
) -> Parts {
    Parts {
        store: hot.clone(),
        registry: Arc::new(store.clone()),
        gateways: Gateway::ALL
            .into_iter()
            .fold(Gateways::default(), |all, which| {
                all.with(which, Arc::new(gateway.at(which)))
            }),
        clock: clock.clone(),
        secrets: Arc::new(PlainSecrets),
        webhooks: Webhooks {
            store: Arc::new(store.clone()),
            sender: Arc::new(receivers.clone()),
        },
        sources: Arc::new(sources.clone()),
        checker: Arc::new(checker.clone()),
        receipts: Receipts {
            store: Arc::new(store.clone()),
            receipt_key: ReceiptKey::new(&[7; 32]),
        },
        instances: instances.clone(),
        config: config.clone(),
    }
}

fn presence(roles: &str) -> Presence {
    Presence {
        roles: Roles::parse(roles).unwrap(),
        ..Presence::alone(roles)
    }
}

/// The body of a notification to devices `d<n>`.
pub(crate) fn to(numbers: std::ops::Range<u64>) -> Value {
    let ids: Vec<String> = numbers.map(|n| format!("d{n}")).collect();
    json!({ "target": { "devices": ids }, "content": { "body": "hello" } })
}

/// The same with options.
pub(crate) fn to_with(numbers: std::ops::Range<u64>, options: Value) -> Value {
    let mut body = to(numbers);
    body["options"] = options;
    body
}
