//! What the API stands on, and its limits.

use crate::idempotency::InProgress;
use crate::key_rates::KeyRates;
use crate::problem::{Problem, codes};
use crate::public::status::PublicStatus;
use crate::public::status_pages::StatusPages;
use carillon_engine::Engine;
use carillon_model::UnixMs;
use carillon_model::lane;
use carillon_model::rate::Rate;
use carillon_ports::gateway::Gateway;
use carillon_ports::registry::{Registry, Sealed};
use carillon_ports::secret::Place;
use carillon_ports::store::HotStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Fills a slice with random bytes that nobody can guess: API keys are made of them.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;
/// Writes the metrics in Prometheus' text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;
/// Whether traffic may come; the error is a sentence that says what is waited for.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The keys that seal secrets, as far as their rotation needs them. Making, keeping and using them
/// is the server's.
pub trait MasterKeys: Send + Sync + 'static {
    /// Puts a fresh key in front, on disk before it returns; the one before it goes on opening, older
    /// ones may be forgotten. `false`: the keys came from outside, and nothing was made. May block.
    ///
    /// # Errors
    /// A sentence for the log: the key cannot be kept, and nothing has changed.
    fn rotate(&self) -> Result<bool, String>;
    /// Seals a value again with the key in front.
    ///
    /// # Errors
    /// A sentence for the operator: no key opens it.
    fn reseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Sealed, String>;
    /// Id of the key in front, for people.
    fn id(&self) -> String;
}

/// Everything that [`crate::router`] needs.
#[derive(Clone)]
pub struct ApiState {
    /// The running engine; store, registry, gateway, clock and secrets come from it.
    pub engine: Engine,
    /// Source of API keys.
    pub random: Random,
    /// For `GET /metrics`.
    pub metrics: Metrics,
    /// For `GET /readyz`, besides the store's own answer.
    pub readiness: Readiness,
    /// For `POST /v1/server/rotate-master-key`.
    pub master_keys: Arc<dyn MasterKeys>,
    /// Bounds and deadlines.
    pub limits: Limits,
    /// Version of the server, shown in `GET /v1/status`.
    pub version: &'static str,
}

/// Bounds and deadlines of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest JSON body, in bytes.
    pub body_bytes: usize,
    /// Longest line of NDJSON or row of CSV, in bytes.
    pub line_bytes: usize,
    /// Largest streamed body (NDJSON, CSV) in all, in bytes.
    pub stream_bytes: u64,
    /// Lines of one stream that are committed together: 1 to 1,000.
    pub group_lines: usize,
    /// Groups of one stream that are being committed at once.
    pub groups_in_flight: usize,
    /// Bytes of results of one stream that wait for a client that reads slowly. Beyond them its lines
    /// wait too.
    pub result_bytes: usize,
    /// Requests that are carried out at once; more get 503.
    pub requests: usize,
    /// Streams at once, among those requests; more get 503.
    pub streams: usize,
    /// Event streams at once; more get 503.
    pub event_streams: usize,
    /// Requests with one API key; more get 429. `None`: no limit.
    pub key_requests: Option<Rate>,
    /// The same of a publishable key.
    pub registrations: Option<Rate>,
    /// Longest time until a JSON body is complete; also the longest pause in a stream.
    pub body_timeout: Duration,
    /// Longest time until an answer begins.
    pub deadline: Duration,
    /// The same for a backup, which takes as long as the disk takes to copy the store.
    pub backup_deadline: Duration,
    /// The same for the upload of a list, which takes as long as the client takes to send it.
    pub list_deadline: Duration,
    /// How often a group of a stream is given to a store that is overloaded or locked, and how long
    /// the pauses between are, before its lines are answered with that problem.
    pub store_tries: u32,
    /// Pause before the second of those tries; it doubles.
    pub store_pause: Duration,
    /// Whether `GET /metrics` needs no API key.
    pub open_metrics: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            line_bytes: 64 << 10,
            stream_bytes: 1 << 30,
            group_lines: 500,
            groups_in_flight: 2,
            result_bytes: 8 << 20,
            requests: 4_096,
            streams: 64,
            event_streams: 256,
            key_requests: None,
            registrations: Some(Rate {
                per_second: 1_000,
                burst: Some(10_000),
            }),
            body_timeout: Duration::from_secs(30),
            deadline: Duration::from_secs(60),
            backup_deadline: Duration::from_secs(3_600),
            list_deadline: Duration::from_secs(3_600),
            store_tries: 6,
            store_pause: Duration::from_millis(100),
            open_metrics: false,
        }
    }
}

/// State of the handlers: one pointer to copy for each request.
pub(crate) type Api = Arc<Shared>;

/// [`ApiState`] and what the API itself keeps while it runs.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) random: Random,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) master_keys: Arc<dyn MasterKeys>,
    pub(crate) limits: Limits,
    pub(crate) version: &'static str,
    /// A permit for each request that is carried out.
    pub(crate) requests: Semaphore,
    /// A permit for each stream.
    pub(crate) streams: Arc<Semaphore>,
    /// A permit for each event stream.
    pub(crate) event_streams: Arc<Semaphore>,
    /// How many requests each API key makes.
    pub(crate) key_rates: KeyRates,
    /// Idempotency-Keys whose request is being carried out.
    pub(crate) in_progress: InProgress,
    /// The turn to rotate the master key.
    pub(crate) rotation: tokio::sync::Mutex<()>,
    /// Status pages that were made a moment ago.
    pub(crate) status_pages: StatusPages<PublicStatus>,
}

impl Shared {
    pub(crate) fn new(state: ApiState) -> Api {
        let ApiState {
            engine,
            random,
            metrics,
            readiness,
            master_keys,
            limits,
            version,
        } = state;
        Arc::new(Self {
            requests: Semaphore::new(limits.requests),
            streams: Arc::new(Semaphore::new(limits.streams)),
            event_streams: Arc::new(Semaphore::new(limits.event_streams)),
            key_rates: KeyRates::new(limits.registrations, limits.key_requests),
            in_progress: InProgress::default(),
            rotation: tokio::sync::Mutex::default(),
            status_pages: StatusPages::default(),
            engine,
            random,
            metrics,
            readiness,
            master_keys,
            limits,
            version,
        })
    }

    pub(crate) fn now(&self) -> UnixMs {
        self.engine.clock().now()
    }

    /// The adapter to a gateway.
    pub(crate) fn gateway(&self, which: lane::Gateway) -> Result<&Arc<dyn Gateway>, Problem> {
        self.engine.gateway(which).ok_or_else(|| {
            Problem::new(
                &codes::GATEWAY_REFUSED,
                format!(
                    "this server was started without the gateway {}",
                    which.as_str()
                ),
            )
        })
    }

    pub(crate) fn store(&self) -> &dyn HotStore {
        &**self.engine.store()
    }

    pub(crate) fn registry(&self) -> &dyn Registry {
        &**self.engine.registry()
    }
}
