//! Broadcast channels over the wire: making, reading, listing and deleting them on the management host, and publishing to
//! them on the push host.
//!
//! For the few calls that channels need. It has a thread of its own and keeps a pool for each of the two hosts; the
//! rules about provider tokens are those of [`Connection`](crate::Connection). What the requests and answers mean is told in
//! [`broadcast`](crate::broadcast).

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2_pool::{Answer, End, NoObserver, Pool};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use crate::broadcast::{BroadcastRequest, Channel, ChannelId, ChannelRequest, StoragePolicy};
use crate::connection::ConnectionConfig;
use crate::endpoint::{Credential, Endpoint};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::own_thread;
use crate::response::{Rejected, Response};
use crate::rules::{Rules, Wire};
use crate::topic::BundleId;
use crate::wire::{invalid, post};

const APNS_CHANNEL_ID: HeaderName = HeaderName::from_static("apns-channel-id");
const APNS_REQUEST_ID: HeaderName = HeaderName::from_static("apns-request-id");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");

/// A list of 10,000 channels, Apple's limit for an app, fits well into this.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// Calls that may wait for the client's thread; the next ones wait in their callers.
const MAX_WAITING: usize = 256;

/// What channel management answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelResponse<T> {
    /// It was done.
    Done(T),
    /// It was refused.
    Rejected(Rejected),
}

/// Manages broadcast channels and publishes to them. Clones share one thread and its connections.
///
/// ```no_run
/// use apns::{BroadcastClient, BundleId, ChannelResponse, Environment, ProviderTokens, StoragePolicy};
/// # async fn example(tokens: ProviderTokens) -> Result<(), Box<dyn std::error::Error>> {
/// let client = BroadcastClient::builder(tokens, Environment::Sandbox).build()?;
/// let app = BundleId::new("net.example.pager")?;
/// match client.create(&app, StoragePolicy::NoStorage).await? {
///     ChannelResponse::Done(channel) => println!("announce {} to the phones", channel.id),
///     ChannelResponse::Rejected(rejected) => println!("refused: {}", rejected.reason),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BroadcastClient {
    commands: mpsc::Sender<Command>,
}

/// Settings of a [`BroadcastClient`].
#[derive(Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct BroadcastClientBuilder {
    credential: Credential,
    management: Endpoint,
    publish: Endpoint,
    config: ConnectionConfig,
}

#[derive(Clone, Copy, Debug)]
enum Host {
    Management,
    Publish,
}

#[derive(Debug)]
enum Command {
    Call(Host, Call),
    Close(Duration, oneshot::Sender<()>),
}

/// One call, as it goes on the wire.
#[derive(Debug)]
struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    /// Gone once it was told how the call ended.
    caller: Option<oneshot::Sender<Result<Answer, Error>>>,
}

struct CallWire {
    scheme: Scheme,
    authority: Authority,
}

impl BroadcastClient {
    /// Begins a client for the broadcast and management hosts of this environment.
    pub fn builder(
        credential: impl Into<Credential>,
        environment: Environment,
    ) -> BroadcastClientBuilder {
        BroadcastClientBuilder {
            credential: credential.into(),
            management: Endpoint::new(environment.management_host(), environment.management_port()),
            publish: Endpoint::new(environment.broadcast_host(), Environment::PORT),
            config: ConnectionConfig::default(),
        }
    }

    /// Makes a channel. After an error that [`maybe_sent`](Error::maybe_sent), [`list`](Self::list) tells whether it
    /// was made.
    ///
    /// # Errors
    /// If there is no answer, or one without a channel id.
    pub async fn create(
        &self,
        bundle_id: &BundleId,
        storage_policy: StoragePolicy,
    ) -> Result<ChannelResponse<Channel>, Error> {
        let answer = self
            .manage(bundle_id, &ChannelRequest::Create(storage_policy))
            .await?;
        done(answer, |answer| {
            let id = answer.headers.get(&APNS_CHANNEL_ID)?.to_str().ok()?;
            Some(Channel {
                id: ChannelId::new(id).ok()?,
                storage_policy,
            })
        })
    }

    /// Describes a channel.
    ///
    /// # Errors
    /// If there is no answer, or not the documented one.
    pub async fn read(
        &self,
        bundle_id: &BundleId,
        id: &ChannelId,
    ) -> Result<ChannelResponse<Channel>, Error> {
        let answer = self
            .manage(bundle_id, &ChannelRequest::Read(id.clone()))
            .await?;
        done(answer, |answer| Channel::read(id.clone(), &answer.body))
    }

    /// Lists all channels of the app in this environment.
    ///
    /// # Errors
    /// If there is no answer, or not the documented one.
    pub async fn list(
        &self,
        bundle_id: &BundleId,
    ) -> Result<ChannelResponse<Vec<ChannelId>>, Error> {
        let answer = self.manage(bundle_id, &ChannelRequest::List).await?;
        done(answer, |answer| Channel::read_list(&answer.body))
    }

    /// Deletes a channel. What it has stored may still go out.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn delete(
        &self,
        bundle_id: &BundleId,
        id: &ChannelId,
    ) -> Result<ChannelResponse<()>, Error> {
        let answer = self
            .manage(bundle_id, &ChannelRequest::Delete(id.clone()))
            .await?;
        done(answer, |_| Some(()))
    }

    /// Publishes to a channel. Accepted means: taken for fan-out.
    ///
    /// # Errors
    /// If there is no answer. See [`Error::maybe_sent`].
    pub async fn publish(&self, request: &BroadcastRequest) -> Result<Response, Error> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(APNS_CHANNEL_ID, request.channel_id().header_value());
        headers.insert(APNS_PUSH_TYPE, request.push_type().header_value());
        headers.insert(APNS_PRIORITY, request.priority().header_value());
        headers.insert(APNS_EXPIRATION, request.expiration().header_value());
        headers.insert(APNS_REQUEST_ID, id_value(request.request_id()));
        let (method, path, body) = (Method::POST, request.path(), request.body().clone());
        let answer = self
            .call(Host::Publish, method, path, headers, body)
            .await?;
        Ok(Response::read(answer.status, &answer.headers, answer.body))
    }

    /// Takes nothing more, for all clones; waits for the answers still owed, as long as `within`, and closes.
    pub async fn close(&self, within: Duration) {
        let (done, closed) = oneshot::channel();
        if self
            .commands
            .send(Command::Close(within, done))
            .await
            .is_ok()
        {
            // An error means that another clone's close came first and the thread is gone.
            let _ = closed.await;
        }
    }

    async fn manage(
        &self,
        bundle_id: &BundleId,
        request: &ChannelRequest,
    ) -> Result<Answer, Error> {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(APNS_REQUEST_ID, id_value(Uuid::new_v4()));
        if let Some(id) = request.channel_id() {
            headers.insert(APNS_CHANNEL_ID, id.header_value());
        }
        let (method, path, body) = (request.method(), request.path(bundle_id), request.body());
        self.call(Host::Management, method, path, headers, body)
            .await
    }

    async fn call(
        &self,
        host: Host,
        method: Method,
        path: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Error> {
        let (caller, answered) = oneshot::channel();
        let call = Call {
            method,
            path,
            headers,
            body,
            caller: Some(caller),
        };
        if self.commands.send(Command::Call(host, call)).await.is_err() {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        answered
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed, "")))
    }
}

impl BroadcastClientBuilder {
    /// Another management host: a simulator, or through a proxy.
    pub fn management(mut self, endpoint: Endpoint) -> Self {
        self.management = endpoint;
        self
    }

    /// Another host to publish on. Apple's pages disagree about it: the default is the device host, their samples use
    /// [`Environment::broadcast_only_host`].
    pub fn publish_on(mut self, endpoint: Endpoint) -> Self {
        self.publish = endpoint;
        self
    }

    /// Bounds and deadlines, for each of the two hosts.
    pub fn config(mut self, config: ConnectionConfig) -> Self {
        self.config = config;
        self
    }

    /// Starts the client's thread. Nothing is connected before the first call.
    ///
    /// # Errors
    /// If an endpoint is no host, a certificate cannot be used, or no thread can be started.
    pub fn build(self) -> Result<BroadcastClient, Error> {
        let Self {
            credential,
            management,
            publish,
            config,
        } = self;
        let mut ways = Vec::new();
        for endpoint in [&management, &publish] {
            ways.push((endpoint.connector(&credential)?, endpoint.origin()?));
        }
        let (commands, receiver) = mpsc::channel(MAX_WAITING);
        own_thread::start("apns-broadcast", move || async move {
            let pools = ways.into_iter().map(|(connector, (scheme, authority))| {
                let mut config = config.clone();
                config.pool.max_body_bytes = MAX_LIST_BYTES;
                config.pool.initial_streams = credential.initial_streams();
                let pool_config = config.pool.clone();
                let rules = Rules::new(CallWire { scheme, authority }, &credential, config);
                Pool::new(connector, Rc::new(rules), pool_config, Rc::new(NoObserver))
            });
            serve(pools.collect(), receiver).await;
        })?;
        Ok(BroadcastClient { commands })
    }
}

/// The client's thread. The pools are those of [`Host::Management`] and [`Host::Publish`].
async fn serve(pools: Vec<Pool<Rules<CallWire>>>, mut commands: mpsc::Receiver<Command>) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Call(host, call) => {
                let mut calls = [call].into();
                pools[host as usize].submit(&mut calls);
                for call in &mut calls {
                    call.end(Err(Error::new(
                        ErrorKind::QueueTimeout,
                        "too many calls wait",
                    )));
                }
            }
            Command::Close(within, done) => {
                commands.close();
                close(&pools, within).await;
                // The closing caller may have gone.
                let _ = done.send(());
                while let Some(command) = commands.recv().await {
                    match command {
                        Command::Call(_, mut call) => {
                            call.end(Err(Error::new(ErrorKind::Closed, "")));
                        }
                        Command::Close(_, done) => drop(done.send(())),
                    }
                }
                return;
            }
        }
    }
    // Every clone is gone, and so is every caller.
    close(&pools, Duration::from_secs(60)).await;
}

async fn close(pools: &[Pool<Rules<CallWire>>], within: Duration) {
    let deadline = Instant::now() + within.min(Duration::from_secs(24 * 3600));
    for pool in pools {
        pool.close(deadline).await;
    }
}

fn id_value(id: Uuid) -> HeaderValue {
    // Hexadecimal and hyphens are always a legal header.
    let mut value = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
        .unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Reads a good answer with `read`, any other as a rejection.
fn done<T>(
    answer: Answer,
    read: impl FnOnce(&Answer) -> Option<T>,
) -> Result<ChannelResponse<T>, Error> {
    if answer.status.is_success() {
        return match read(&answer) {
            Some(done) => Ok(ChannelResponse::Done(done)),
            None => Err(Error::new(
                ErrorKind::Interrupted,
                format!(
                    "status {} without what Apple documents for it",
                    answer.status.as_u16()
                ),
            )),
        };
    }
    match Response::read(answer.status, &answer.headers, answer.body) {
        Response::Rejected(rejected) => Ok(ChannelResponse::Rejected(rejected)),
        Response::Accepted(_) => Err(Error::new(
            ErrorKind::Interrupted,
            "neither accepted nor rejected",
        )),
    }
}

impl<T> ChannelResponse<T> {
    /// What was done, if it was.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(done) => Some(done),
            Self::Rejected(_) => None,
        }
    }

    /// Why it was refused, if it was.
    pub fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Done(_) => None,
            Self::Rejected(rejected) => Some(rejected),
        }
    }
}

impl Call {
    fn end(&mut self, result: Result<Answer, Error>) {
        if let Some(caller) = self.caller.take() {
            // A caller that has gone needs no answer.
            let _ = caller.send(result);
        }
    }
}

// === impl Wire ===

impl Wire for CallWire {
    type Item = Call;

    fn encode(
        &self,
        call: &Call,
        authorization: Option<HeaderValue>,
    ) -> Result<(http::Request<()>, Bytes), h2_pool::Error> {
        let path = PathAndQuery::try_from(call.path.as_str()).map_err(invalid)?;
        let mut request = post(&self.scheme, &self.authority, path)?;
        *request.method_mut() = call.method.clone();
        *request.headers_mut() = call.headers.clone();
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok((request, call.body.clone()))
    }

    fn finish(&self, call: &mut Call, end: End) {
        call.end(end.result.map_err(Error::from));
    }

    fn deliver(&self) {}

    fn wants_body(&self, _status: StatusCode) -> bool {
        true
    }
}
