//! The port to a gateway: it renders and lints content, checks credentials, and opens pools that
//! take pushes in batches and give outcomes in bulk.

use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::credential::{CredentialFacts, CredentialSecret};
use carillon_model::environment::Environment;
use carillon_model::id::CredentialNo;
use carillon_model::lane;
use carillon_model::notification::{RequestOptions, SendOptions};
use carillon_model::outcome::Outcome;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::target::Target;
use std::sync::Arc;

/// One gateway's adapter.
#[async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// Fills in the defaults of the push type and renders the payload; checks both against the
    /// gateway's rules. Pointers of problems are into the notification's body (`/options/priority`,
    /// `/content/apns/aps/badge`). `now` is for what a payload says about time.
    ///
    /// Called for each notification on the hot path: no trees, no second copy of the payload. A raw
    /// payload (`content.is_raw_apns()`) is checked and copied byte for byte.
    fn prepare(
        &self,
        target: &Target,
        content: &Content,
        options: &RequestOptions,
        now: UnixMs,
    ) -> Result<Prepared, Vec<FieldProblem>>;

    /// Renders content for options that are complete already: what is said to each device apart is
    /// rendered when its batch is sent. The same checks and pointers as in [`Self::prepare`], except
    /// those of options.
    fn render(
        &self,
        content: &Content,
        options: &SendOptions,
        now: UnixMs,
    ) -> Result<Bytes, Vec<FieldProblem>>;

    /// Reads a push token as an app got it from the gateway: hex from Apple, a registration token from
    /// FCM, a subscription's JSON from a browser. The error is a sentence that says what was expected,
    /// what was found and what to do.
    fn read_push_token(&self, text: &str) -> Result<PushTokenBytes, String>;

    /// A push token as text that [`Self::read_push_token`] reads back to the same bytes: for an export.
    /// `None`: it is not readable. As it stands it serves gateways whose addresses are text.
    fn write_push_token(&self, address: &PushTokenBytes) -> Option<String> {
        String::from_utf8(address.0.to_vec()).ok()
    }

    /// Reads a credential as it is set: parses it, checks it against what is said of it, and tells
    /// its facts. `claimed` are the environments and topics that the caller gave (may be empty for
    /// certificates, which name their own). Pointers are into the credential's body.
    fn inspect(
        &self,
        secret: &CredentialSecret,
        claimed: &ClaimedFacts,
        now: UnixMs,
    ) -> Result<CredentialFacts, Vec<FieldProblem>>;

    /// Makes the secret key of a new credential, as PEM, where a gateway's credentials are made by the
    /// sender himself (VAPID keys). `None`: the gateway issues them.
    fn make_secret(&self, random: &dyn Fn(&mut [u8])) -> Option<String> {
        let _ = random;
        None
    }

    /// Opens a pool of connections for one credential and environment. Opening does no IO: the pool
    /// connects when the first push comes.
    fn open_pool(&self, spec: PoolSpec, outcomes: OutcomeSink) -> Arc<dyn Pool>;

    /// Sends one push outside any pool, on a connection of its own, and tells what the gateway said.
    /// For `doctor`. Has its own deadline.
    async fn probe(&self, spec: PoolSpec, push: Push) -> Outcome;

    /// Broadcast channels (Live Activities).
    async fn channels(
        &self,
        spec: PoolSpec,
        topic: &str,
        call: ChannelCall,
    ) -> Result<ChannelAnswer, ChannelError>;
}

/// The adapters there are, by gateway.
#[derive(Clone, Default)]
pub struct Gateways([Option<Arc<dyn Gateway>>; 3]);

impl Gateways {
    /// With one more, or another one in its place.
    #[must_use]
    pub fn with(mut self, which: lane::Gateway, adapter: Arc<dyn Gateway>) -> Self {
        self.0[usize::from(which.code()) - 1] = Some(adapter);
        self
    }

    /// The adapter to a gateway; `None` where this process was started without it.
    #[must_use]
    pub fn get(&self, which: lane::Gateway) -> Option<&Arc<dyn Gateway>> {
        self.0[usize::from(which.code()) - 1].as_ref()
    }
}

/// A payload and options as the gateway accepts them.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Complete options.
    pub options: SendOptions,
    /// The payload's bytes, as they go to the wire.
    pub payload: Bytes,
}

/// What the caller says about a credential when setting it.
#[derive(Clone, Debug, Default)]
pub struct ClaimedFacts {
    /// Environments; empty: both (or what the certificate says).
    pub environments: Vec<Environment>,
    /// Bundle ids; the first is the default.
    pub topics: Vec<String>,
    /// Apple's Team ID.
    pub team_id: Option<String>,
    /// Apple's Key ID.
    pub key_id: Option<String>,
}

/// What a pool is opened with.
#[derive(Clone)]
pub struct PoolSpec {
    /// Whose pool it is; comes back with its outcomes.
    pub id: PoolId,
    /// The secret, in the clear.
    pub secret: Arc<CredentialSecret>,
    /// Its facts.
    pub facts: Arc<CredentialFacts>,
    /// Provider tokens of this signing key: loaded from the sealed store, and stored again when a new
    /// one was signed. `None` for certificates.
    pub provider_tokens: Option<Arc<dyn ProviderTokenVault>>,
}

/// Names a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolId {
    /// The credential.
    pub credential: CredentialNo,
    /// Its version: pools of an older one are drained.
    pub version: u32,
    /// The environment.
    pub environment: Environment,
    /// Whether it is the separate, rate-limited connection on which push tokens of unknown
    /// environment are tried.
    pub probing: bool,
}

/// Keeps the current provider token of one signing key over restarts, sealed.
pub trait ProviderTokenVault: Send + Sync {
    /// The stored one: the JWT and when it was issued.
    fn load(&self) -> Option<(String, UnixMs)>;
    /// A new one was signed; stored soon, not necessarily before this returns.
    fn store(&self, jwt: &str, issued_at: UnixMs);
}

/// Takes outcomes in bulk: called on the pool's I/O thread; must not block.
pub type OutcomeSink = Arc<dyn Fn(PoolId, Vec<PushOutcome>) + Send + Sync>;

/// The outcome of one push.
#[derive(Clone, Debug)]
pub struct PushOutcome {
    /// The push's tag.
    pub tag: u64,
    /// What came of it. A push that was reported `InDoubt` may be reported once more, with the late
    /// answer.
    pub outcome: Outcome,
}

/// One push, ready to send.
#[derive(Clone, Debug)]
pub struct Push {
    /// Chosen by the engine; comes back with the outcome.
    pub tag: u64,
    /// The address; empty for a broadcast.
    pub push_token: PushTokenBytes,
    /// The delivery's id at the gateway, the same at every attempt.
    pub gateway_id: uuid::Uuid,
    /// Everything that is the same for all deliveries of a notification.
    pub message: Arc<Message>,
}

/// What is the same for all deliveries of a notification.
#[derive(Clone, Debug)]
pub struct Message {
    /// How it is sent.
    pub options: SendOptions,
    /// The payload.
    pub payload: Bytes,
    /// After this instant it must not be written (outcome `Expired`), and the gateway is told to keep
    /// it no longer. `None`: the gateway's own policy.
    pub expires_at: Option<UnixMs>,
    /// Set when the notification is cancelled: pushes not yet written come back as `Withdrawn`.
    pub cancelled: Arc<std::sync::atomic::AtomicBool>,
}

/// A pool of connections for one credential and environment.
///
/// Every push that was taken gets exactly one outcome, and perhaps a late answer after `InDoubt`;
/// also after [`Pool::close`].
pub trait Pool: Send + Sync {
    /// How many pushes may be in the pool at once, waiting or in flight: about twice what its
    /// connections carry now. Changes with the peer's SETTINGS. The engine keeps below it.
    fn window(&self) -> usize;

    /// Takes pushes. Never blocks and never fails: a pool that cannot connect answers each push with
    /// `Blocked`.
    fn submit(&self, pushes: Vec<Push>);

    /// Takes back what was not written yet (outcome `Withdrawn` for cancelled, `NotSent` for the
    /// rest), lets what is in flight finish until the given number of milliseconds is over, then
    /// closes the connections; what is unanswered then is `InDoubt`.
    fn close(&self, within_ms: u32);

    /// State for metrics and `doctor`.
    fn status(&self) -> PoolStatus;
}

/// State of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open connections.
    pub connections: u32,
    /// Streams in flight.
    pub in_flight: u32,
    /// Pushes waiting for a stream.
    pub waiting: u32,
    /// GOAWAY frames since it was opened.
    pub goaways: u64,
    /// Connections opened since it was opened.
    pub connects: u64,
    /// The newest connect failure, if the last try failed.
    pub connect_error: Option<String>,
}

/// A call to the gateway's channel management.
#[derive(Clone, Debug)]
pub enum ChannelCall {
    /// Makes a channel; `store` keeps the newest message for phones that are offline.
    Create {
        /// Keep the newest message.
        store: bool,
    },
    /// Reads one.
    Read(String),
    /// Deletes one.
    Delete(String),
    /// Lists all ids.
    List,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelAnswer {
    /// The id of the new channel.
    Created(String),
    /// Whether it stores.
    Read {
        /// Keeps the newest message.
        store: bool,
    },
    /// It is gone.
    Deleted,
    /// All ids.
    List(Vec<String>),
}

/// Why a channel call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}: {mend}")]
pub struct ChannelError {
    /// HTTP status of the gateway, 0 without an answer.
    pub status: u16,
    /// The gateway's reason, or our word.
    pub reason: String,
    /// What to do.
    pub mend: String,
}
