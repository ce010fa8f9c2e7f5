//! One whole Carillon in memory: stores, engine, fake gateway, router. Requests go in by `oneshot`;
//! no socket is opened. Every answer is held against the OpenAPI document: status, code and shape.

use crate::faulty::{Faults, FaultyReceipts, FaultyRegistry, FaultyStore, FaultyWebhooks};
use crate::gateway::FakeGateway;
use crate::schema::Document;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use carillon_api::{ApiState, Limits, MasterKeys, api_key};
use carillon_engine::receipt::ReceiptKey;
use carillon_engine::watch::WatchConfig;
use carillon_engine::{Engine, EngineConfig, Parts, Receipts, Webhooks};
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::{ApiKeyNo, AppNo};
use carillon_model::monitor::{CheckPlan, CheckResult, MonitorPlan};
use carillon_model::webhook::WebhookSecrets;
use carillon_ports::clock::Clock;
use carillon_ports::memory::{FakeChecker, FakeReceivers, FakeSources, MemoryStore};
use carillon_ports::registry::{Actor, ApiKey, Scope, Sealed};
use carillon_ports::secret::{Place, SecretBox};
use carillon_ports::upkeep::Upkeep;
use carillon_ports::watch::Checker;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt as _;

/// The content type of event streams.
const EVENTS: &str = "text/event-stream";
pub(crate) const START: UnixMs = 1_785_585_600_000;
pub(crate) const PEM: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
pub(crate) const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// A clock that the test moves.
pub(crate) struct TestClock {
    now: AtomicI64,
    draws: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        self.now.load(Ordering::SeqCst)
    }

    fn random(&self) -> u64 {
        self.draws
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst)
    }
}

/// Binds a secret to its place, and hides nothing.
struct OpenBox;

impl OpenBox {
    fn label(place: Place<'_>) -> Vec<u8> {
        format!("{}.{}.{}:", place.table, place.column, place.row).into_bytes()
    }
}

impl SecretBox for OpenBox {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Sealed {
        Sealed([Self::label(place).as_slice(), plain].concat())
    }

    fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, String> {
        let plain = sealed.0.strip_prefix(Self::label(place).as_slice());
        plain.map(<[u8]>::to_vec).ok_or_else(|| "moved".to_owned())
    }
}

/// Master keys that write down what is asked of them.
#[derive(Default)]
pub(crate) struct TestKeys {
    /// What was asked, in order.
    pub(crate) asked: Mutex<Vec<String>>,
    /// What they answer instead of doing it.
    pub(crate) trouble: Mutex<Option<&'static str>>,
    /// Whether they come from outside.
    pub(crate) foreign: AtomicBool,
}

impl MasterKeys for TestKeys {
    fn rotate(&self) -> Result<bool, String> {
        self.asked.lock().unwrap().push("rotate".into());
        Ok(!self.foreign.load(Ordering::SeqCst))
    }

    fn reseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Sealed, String> {
        let Place { table, column, .. } = place;
        let asked = format!("reseal {table}.{column}");
        self.asked.lock().unwrap().push(asked);
        match *self.trouble.lock().unwrap() {
            Some(why) => Err(why.into()),
            None => Ok(sealed.clone()),
        }
    }

    fn id(&self) -> String {
        "0badcafe".into()
    }
}

/// A checker that finds what a test says, hangs where a test wants that, and writes down the headers that it would send.
#[derive(Clone, Default)]
pub(crate) struct TestChecker {
    pub(crate) fake: FakeChecker,
    faults: Faults,
    headers: Arc<Mutex<Value>>,
}

impl TestChecker {
    /// The headers of the last attempt.
    pub(crate) fn headers(&self) -> Value {
        self.headers.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Checker for TestChecker {
    fn check(&self, plan: &MonitorPlan) -> Result<(), String> {
        self.fake.check(plan)
    }

    async fn probe(&self, plan: &MonitorPlan, now: UnixMs, dice: u64) -> CheckResult {
        self.faults.hang().await;
        if let CheckPlan::Http(http) = &plan.check {
            *self.headers.lock().unwrap() = json!(http.request.headers);
        }
        self.fake.probe(plan, now, dice).await
    }
}

/// What may differ from test to test.
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) ready: Result<(), String>,
}

impl Default for Setup {
    fn default() -> Self {
        let limits = Limits {
            body_timeout: Duration::from_secs(20),
            store_tries: 2,
            store_pause: Duration::from_millis(1),
            ..Limits::default()
        };
        Self {
            limits,
            ready: Ok(()),
        }
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) router: Router,
    pub(crate) gateway: Arc<FakeGateway>,
    pub(crate) receivers: FakeReceivers,
    pub(crate) checker: TestChecker,
    pub(crate) faults: Faults,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) master_keys: Arc<TestKeys>,
    /// An API key for everything.
    pub(crate) admin: String,
    pub(crate) document: Document,
    pub(crate) limits: Limits,
    draws: Arc<AtomicU64>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let faults = Faults::default();
        let memory = MemoryStore::new();
        let store = FaultyStore {
            inner: Arc::new(memory.clone()),
            faults: faults.clone(),
        };
        let registry = FaultyRegistry {
            inner: Arc::new(memory.clone()),
            faults: faults.clone(),
        };
        let webhooks = FaultyWebhooks {
            inner: Arc::new(memory.clone()),
            faults: faults.clone(),
        };
        let instances = carillon_engine::Instances {
            store: Arc::new(memory.clone()),
            presence: carillon_ports::instance::Presence::alone("test"),
            wake_up: None,
        };
        let receipts = FaultyReceipts {
            inner: Arc::new(memory),
            faults: faults.clone(),
        };
        let (receivers, sources) = (FakeReceivers::default(), FakeSources::default());
        let checker = TestChecker {
            faults: faults.clone(),
            ..TestChecker::default()
        };
        let clock = Arc::new(TestClock {
            now: AtomicI64::new(START),
            draws: AtomicU64::new(1),
        });
        let gateway = FakeGateway::new();
        let engine = Engine::start(
            Parts {
                store: Arc::new(store),
                registry: Arc::new(registry),
                gateways: carillon_model::lane::Gateway::ALL.into_iter().fold(
                    carillon_ports::gateway::Gateways::default(),
                    |all, which| all.with(which, Arc::clone(&gateway) as _),
                ),
                clock: Arc::clone(&clock) as _,
                secrets: Arc::new(OpenBox),
                webhooks: Webhooks {
                    store: Arc::new(webhooks),
                    sender: Arc::new(receivers.clone()),
                },
                sources: Arc::new(sources.clone()),
                checker: Arc::new(checker.clone()),
                receipts: Receipts {
                    store: Arc::new(receipts),
                    receipt_key: ReceiptKey::new(&[7; 32]),
                },
                instances,
                config: EngineConfig {
                    cancel_wait_ms: 50,
                    receipt_pause_ms: 1,
                    monitors: WatchConfig {
                        beat_pause_ms: 1,
                        ..WatchConfig::default()
                    },
                    ..EngineConfig::default()
                },
            },
            Upkeep::NONE,
        )
        .await
        .unwrap();
        // After the start, so that the engine does not follow it beside what tests do.
        sources.put_table(crate::catalogue::lessons());
        let draws = Arc::new(AtomicU64::new(7));
        let random = {
            let draws = Arc::clone(&draws);
            move |bytes: &mut [u8]| fill(&draws, bytes)
        };
        let ready = setup.ready;
        let master_keys = Arc::new(TestKeys::default());
        let router = carillon_api::router(ApiState {
            engine: engine.clone(),
            random: Arc::new(random),
            metrics: Arc::new(|| "carillon_up 1\n".to_owned()),
            readiness: Arc::new(move || ready.clone()),
            master_keys: Arc::clone(&master_keys) as _,
            limits: setup.limits.clone(),
            version: "0.0.0-test",
        });
        let mut world = Self {
            engine,
            router,
            gateway,
            receivers,
            checker,
            faults,
            clock,
            master_keys,
            admin: String::new(),
            document: Document::of_this_crate(),
            limits: setup.limits,
            draws,
        };
        world.admin = world.make_key(None, &[Scope::Admin]).await;
        world
    }

    /// The App `shop` with a credential, a webhook endpoint, a device, its user, templates, a trigger and schedules; and an App `bare` with nothing.
    pub(crate) async fn furnished(setup: Setup) -> Self {
        let world = Self::with(setup).await;
        world.furnish().await;
        world.webhook("billing").await;
        world.callout("news").await;
        world.live_activity("lesson").await;
        world
    }

    /// A Live Activity of `shop`, declared past the API.
    pub(crate) async fn live_activity(&self, id: &str) {
        let request = serde_json::from_value(crate::catalogue::live_activity()).unwrap();
        let put = self.engine.put_live_activity(self.app("shop"), id, request);
        put.await.unwrap().unwrap();
    }

    pub(crate) async fn furnish(&self) {
        let registry = self.engine.registry();
        let by = Actor {
            api_key: None,
            request_id: None,
        };
        for id in ["shop", "bare"] {
            let settings = carillon_model::app::AppSettings::default();
            registry
                .put_app(id.into(), id.into(), settings, START, by.clone())
                .await
                .unwrap();
        }
        self.engine.refresh().await.unwrap();
        let shop = self.app("shop");
        let no = registry.credential_no(shop, "apple".into()).await.unwrap();
        let secret = carillon_model::credential::CredentialSecret::SigningKey { pem: PEM.into() };
        let facts = carillon_model::credential::CredentialFacts {
            kind: carillon_model::credential::CredentialKind::SigningKey,
            environments: carillon_model::environment::Environment::ALL.to_vec(),
            topics: vec!["com.example.shop".into()],
            team_id: Some("DEF123GHIJ".into()),
            key_id: Some("ABC123DEFG".into()),
            not_after: None,
            project_id: None,
            contact: None,
            public_keys: vec![],
            fingerprint: "00ff".into(),
        };
        let sealed = self.engine.seal_credential(no, &secret);
        let gateway = carillon_model::lane::Gateway::Apns;
        registry
            .put_credential(no, shop, "apple".into(), gateway, facts, sealed, START, by)
            .await
            .unwrap();
        let device = carillon_model::device::DeviceRegistration {
            id: Some("phone".into()),
            user_id: Some("ann".into()),
            push_tokens: vec![carillon_model::device::PushTokenRegistration::new(
                carillon_model::push_type::TokenKind::Alert,
                carillon_model::push_token::PushTokenBytes::from_hex(TOKEN).unwrap(),
                carillon_model::environment::TokenEnvironment::Production,
            )],
            ..Default::default()
        };
        registry
            .register_devices(shop, vec![device], START)
            .await
            .unwrap();
        self.define(shop).await;
        self.engine.refresh().await.unwrap();
    }

    /// A webhook endpoint of `shop`, defined past the API.
    pub(crate) async fn webhook(&self, name: &str) {
        let (registry, shop) = (self.engine.registry(), self.app("shop"));
        let (kind, name) = (DefinitionKind::Webhook, name.to_owned());
        let no = registry.definition_no(shop, kind, name.clone()).await;
        let no = no.unwrap();
        let secrets = WebhookSecrets::new("whsec_first".into(), START);
        let sealed = Some(self.engine.seal_webhook(no, &secrets));
        let body = r#"{"url":"https://hooks.example.net/SECRET"}"#.to_owned();
        let by = Actor {
            api_key: None,
            request_id: None,
        };
        registry
            .put_definition(no, shop, kind, name, body, sealed, START, by)
            .await
            .unwrap();
        self.engine.refresh().await.unwrap();
    }

    pub(crate) async fn callout(&self, name: &str) {
        let (registry, shop) = (self.engine.registry(), self.app("shop"));
        let (kind, name) = (DefinitionKind::Callout, name.to_owned());
        let no = registry.definition_no(shop, kind, name.clone()).await;
        let no = no.unwrap();
        let secrets = WebhookSecrets::new("whsec_first".into(), START);
        let sealed = Some(self.engine.seal_webhook(no, &secrets));
        let body = r#"{"url":"https://app.example.net/SECRET","timeout_ms":5000,"attempts":3}"#;
        let by = Actor {
            api_key: None,
            request_id: None,
        };
        registry
            .put_definition(no, shop, kind, name, body.into(), sealed, START, by)
            .await
            .unwrap();
        self.engine.refresh().await.unwrap();
    }

    /// Two templates, a trigger that uses the second, a segment and a list, as the API would store them; and three
    /// schedules, one of which rests and one cannot send.
    async fn define(&self, app: AppNo) {
        use carillon_model::definition::DefinitionKind::{Schedule, Segment, Template, Trigger};
        let template: carillon_model::template::TemplateDefinition =
            serde_json::from_value(crate::catalogue::template()).unwrap();
        let template = serde_json::to_string(&template).unwrap();
        let trigger: carillon_model::trigger::TriggerDefinition =
            serde_json::from_value(crate::catalogue::trigger()).unwrap();
        let trigger = serde_json::to_string(&trigger).unwrap();
        let segment = crate::catalogue::segment().to_string();
        let schedule = |with: serde_json::Value| {
            let mut schedule = crate::catalogue::schedule();
            for (key, value) in with.as_object().unwrap() {
                schedule[key] = value.clone();
            }
            let read: carillon_model::schedule::ScheduleDefinition =
                serde_json::from_value(schedule).unwrap();
            serde_json::to_string(&read).unwrap()
        };
        let broken =
            json!({"notification": {"target": {"all": true}, "template": {"name": "gone"}}});
        let by = Actor {
            api_key: None,
            request_id: None,
        };
        let registry = self.engine.registry();
        for (kind, name, body) in [
            (Template, "hello", &template),
            (Template, "used", &template),
            (Trigger, "comments", &trigger),
            (Segment, "vips", &segment),
            (Schedule, "news", &schedule(json!({}))),
            (Schedule, "resting", &schedule(json!({"paused": true}))),
            (Schedule, "broken", &schedule(broken)),
        ] {
            let no = registry
                .definition_no(app, kind, name.into())
                .await
                .unwrap();
            let (name, body, by) = (name.to_owned(), body.clone(), by.clone());
            let put = registry.put_definition(no, app, kind, name, body, None, START, by);
            put.await.unwrap();
        }
        let mut devices = carillon_model::list::DeviceSet::default();
        devices.add(carillon_model::id::DeviceNo(1));
        let upload = carillon_engine::list::ListUpload {
            app,
            name: "buyers".to_owned(),
            devices,
            counts: carillon_model::list::UploadCounts::default(),
        };
        self.engine.put_list(upload, by).await.unwrap();
    }

    pub(crate) fn app(&self, id: &str) -> AppNo {
        self.engine.directory().app(id).unwrap().no
    }

    /// An API key, stored past the API.
    pub(crate) async fn make_key(&self, app: Option<AppNo>, scopes: &[Scope]) -> String {
        let new = api_key::generate(scopes, &|bytes| fill(&self.draws, bytes));
        let key = ApiKey {
            no: ApiKeyNo(0),
            id: format!("key_{}", new.hint),
            name: "test".into(),
            app,
            scopes: scopes.to_vec(),
            hint: new.hint,
            hash: new.hash,
            created_at: START,
            revoked_at: None,
        };
        let by = Actor {
            api_key: None,
            request_id: None,
        };
        self.engine.registry().put_api_key(key, by).await.unwrap();
        self.engine.refresh().await.unwrap();
        new.secret
    }

    /// Sends a request and holds the answer against the document.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        let answer = self.send_unchecked(ask).await;
        self.document.check(&answer);
        answer
    }

    /// Sends a request that is no operation of the document.
    pub(crate) async fn send_unchecked(&self, ask: Ask) -> Answer {
        let (method, path) = (ask.method.clone(), ask.path.clone());
        let response = self
            .router
            .clone()
            .oneshot(ask.request(&self.admin))
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let is_endless = parts
            .headers
            .get("content-type")
            .is_some_and(|is| is == EVENTS);
        let bytes = if is_endless {
            // Its first words are enough: it goes on for ever.
            let mut body = body;
            let frame = body.frame().await.unwrap().unwrap();
            frame.into_data().unwrap_or_default()
        } else {
            let whole = body.collect().await.map(|body| body.to_bytes());
            whole.unwrap_or_default()
        };
        Answer {
            method,
            path,
            status: parts.status,
            headers: parts.headers,
            bytes,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Ask::new(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Ask::new(Method::DELETE, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Ask::new(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn post_to(&self, path: String, body: Value) -> Answer {
        self.post(&path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Ask::new(Method::POST, path).json(&body)).await
    }

    /// Sends a notification to the device `phone` and waits until its delivery has ended.
    pub(crate) async fn settled(&self, body: &str) -> Value {
        let target = json!({"target": {"devices": ["phone"]}, "content": {"body": body}});
        let sent = self
            .post("/v1/apps/shop/notifications", target)
            .await
            .is(202)
            .json();
        let path = format!(
            "/v1/apps/shop/notifications/{}",
            sent["id"].as_str().unwrap()
        );
        self.wait(&path, |seen| seen["deliveries"]["open"] == 0)
            .await
    }

    /// Reads until what is there is as wanted. The engine works on threads of its own and tells
    /// nobody through the API when it is done: asking is the way the API offers.
    pub(crate) async fn wait(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                last = self.get(path).await.is(200).json();
                if wanted(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(20), asking).await;
        if came.is_err() {
            let failed = tokio::time::timeout(Duration::from_millis(100), self.engine.failed());
            let failed = failed.await.unwrap_or_else(|_| "runs".to_owned());
            panic!("it does not come about within 20 s; the engine: {failed}; {last:#}");
        }
        last
    }
}

/// A fresh pair of stores.
fn fill(draws: &AtomicU64, bytes: &mut [u8]) {
    for byte in bytes {
        let draw = draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        *byte = (draw >> 56) as u8;
    }
}

/// A request in the making.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: HeaderMap,
    /// `Some(None)`: no API key at all.
    key: Option<Option<String>>,
    body: Body,
}

impl Ask {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            key: None,
            body: Body::empty(),
        }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(self, content_type: &'static str, body: impl Into<Body>) -> Self {
        let mut ask = self.header("content-type", content_type);
        ask.body = body.into();
        ask
    }

    /// Replaces the body, and nothing else.
    pub(crate) fn with_body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(Some(key.to_owned()));
        self
    }

    pub(crate) fn no_key(mut self) -> Self {
        self.key = Some(None);
        self
    }

    pub(crate) fn request(self, admin: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .body(self.body)
            .unwrap();
        *request.headers_mut() = self.headers;
        let key = self.key.unwrap_or_else(|| Some(admin.to_owned()));
        if let Some(key) = key {
            let value = format!("Bearer {key}").parse().unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        request
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{} {}: {}",
            self.method,
            self.path,
            self.text()
        );
        self
    }

    /// The same for a problem: its code, and the pointer of its only field, if one is wanted.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        problem
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
