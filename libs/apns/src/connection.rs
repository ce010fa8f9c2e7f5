//! The engine's face: one credential's way to one host, on one thread.
//!
//! A [`Connection`] takes pushes in batches and gives outcomes in bulk. It may keep several HTTP/2 connections beneath;
//! which of them served a push is told by number. It is not `Send`: it lives in a [`tokio::task::LocalSet`] on the
//! thread that does the I/O, next to others like it, and hands nothing across threads. [`Client`](crate::Client) is the
//! same for those who want one call for one push from anywhere.
//!
//! It keeps Apple's connection rules, and only those: see `rules.rs`. It does not decide whether a
//! push that is in doubt is sent again, or when a rejected one is tried again: that needs to know what the push was for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use h2_pool::{Connect, Observer, Pool};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use uuid::Uuid;

use crate::collapse_id::CollapseId;
use crate::endpoint::{Credential, Endpoint};
use crate::error::Error;
use crate::expiration::Expiration;
use crate::priority::Priority;
use crate::push_token::PushToken;
use crate::push_type::PushType;
use crate::request::Request;
use crate::response::Response;
use crate::rules::Rules;
use crate::topic::ApnsTopic;
use crate::wire::DeviceWire;

pub(crate) const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
pub(crate) const APNS_EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
pub(crate) const APNS_COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const APNS_TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const APNS_PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const APNS_PRIORITY: HeaderName = HeaderName::from_static("apns-priority");

/// Tells the wall-clock time, by which provider tokens age.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Settings of a [`Connection`].
#[derive(Clone)]
pub struct ConnectionConfig {
    /// Bounds and deadlines of the HTTP/2 connections. `initial_streams` is set by the credential.
    pub pool: h2_pool::Config,
    /// How long nothing is sent after `TooManyProviderTokenUpdates`, when there is no accepted provider token to fall
    /// back to. Default 20 min, Apple's interval.
    pub provider_token_pause: Duration,
    /// A connection that answers so many `InternalServerError` in a row is replaced. Default 10; Apple's servers were
    /// seen wedged so after a provider token had expired.
    pub max_internal_errors: u32,
    /// The wall clock. Default: the system's.
    pub clock: Clock,
}

/// The headers that pushes of one kind share. Build one for each (topic, push type, priority) and keep it: a push then
/// costs a copy. Clones share.
#[derive(Clone, Debug)]
pub struct Template(Arc<[HeaderMap; 4]>);

/// A push, ready to be sent.
#[derive(Clone, Debug)]
pub struct Push {
    /// Yours; comes back with the outcome.
    pub tag: u64,
    /// The shared headers.
    pub template: Template,
    /// The device's address.
    pub push_token: PushToken,
    /// Written as `apns-id`, in lower case. Keep it when sending again.
    pub apns_id: Uuid,
    /// Written as `apns-expiration`; without one APNs keeps the push for up to 30 days.
    pub expiration: Option<Expiration>,
    /// Written as `apns-collapse-id`.
    pub collapse_id: Option<CollapseId>,
    /// The body.
    pub payload: Bytes,
    /// The last moment at which it may be written; after it, it comes back as
    /// [`Expired`](crate::ErrorKind::Expired), not sent.
    pub write_by: Option<Instant>,
}

/// How a push ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The push's tag.
    pub tag: u64,
    /// What APNs answered, or why there is no answer.
    pub result: Result<Response, Error>,
    /// The number of the HTTP/2 connection that carried it, if one did.
    pub connection: Option<u64>,
    /// This tag was already reported as [`Timeout`](crate::ErrorKind::Timeout), and the truth came after all.
    pub late: bool,
}

/// What a [`Connection`] is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// HTTP/2 connections that are ready, draining ones included.
    pub connections: usize,
    /// Pushes in flight.
    pub in_flight: usize,
    /// Pushes waiting for a stream.
    pub queued: usize,
    /// Streams free right now.
    pub free_streams: usize,
    /// Failed connects in a row.
    pub connect_failures: u32,
    /// How much longer nothing will be sent, after `TooManyProviderTokenUpdates`.
    pub paused_for: Option<Duration>,
}

/// Outcomes on their way to whoever waits for them.
#[derive(Default)]
pub(crate) struct Outbox {
    finished: RefCell<Vec<Finished>>,
    waiting: RefCell<Option<Waker>>,
}

/// One credential's way to one host. See the [module](self).
///
/// ```no_run
/// # use std::{collections::VecDeque, rc::Rc};
/// # use apns::*;
/// # async fn example(tokens: ProviderTokens, push_token: PushToken) -> Result<(), Box<dyn std::error::Error>> {
/// let connection = Connection::open(
///     &Endpoint::environment(Environment::Production),
///     &tokens.into(),
///     ConnectionConfig::default(),
///     Rc::new(pool::NoObserver),
/// )?;
/// let topic = ApnsTopic::new("net.example.pager")?;
/// let template = Template::new(&topic, PushType::Alert, Priority::Immediate);
/// let mut batch = VecDeque::from([Push {
///     tag: 1,
///     template: template.clone(),
///     push_token,
///     apns_id: uuid::Uuid::new_v4(),
///     expiration: None,
///     collapse_id: None,
///     payload: r#"{"aps":{"alert":"db-3 is down"}}"#.into(),
///     write_by: None,
/// }]);
/// connection.submit(&mut batch);
/// let mut outcomes = Vec::new();
/// connection.outcomes(&mut outcomes).await;
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    pool: Pool<Rules<DeviceWire>>,
    outbox: Rc<Outbox>,
    capacity: usize,
}

impl Connection {
    /// Opens the way; the first HTTP/2 connection is made when there is something to send.
    ///
    /// # Errors
    /// If the endpoint is no host, or its certificates or the credential's cannot be used.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn open(
        endpoint: &Endpoint,
        credential: &Credential,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let connector = endpoint.connector(credential)?;
        Self::over(connector, endpoint, credential, config, observer)
    }

    /// As [`open`](Self::open), over byte streams that somebody else makes: a tunnel of another kind, or a test's pipes.
    /// The endpoint only names the authority.
    ///
    /// # Errors
    /// If the endpoint is no host.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn over(
        connector: impl Connect,
        endpoint: &Endpoint,
        credential: &Credential,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let (scheme, authority) = endpoint.origin()?;
        let outbox = Rc::new(Outbox::default());
        let mut pool_config = config.pool.clone();
        pool_config.initial_streams = credential.initial_streams();
        let capacity = pool_config.queue_capacity.max(1);
        let wire = DeviceWire::new(scheme, authority, outbox.clone());
        let rules = Rules::new(wire, credential, config);
        let pool = Pool::new(connector, Rc::new(rules), pool_config, observer);
        Ok(Self {
            pool,
            outbox,
            capacity,
        })
    }

    /// How many pushes [`submit`](Self::submit) would take now: 0 while the queue is full, outcomes wait to be taken
    /// away, sending is paused, or the connection is closing.
    pub fn free_capacity(&self) -> usize {
        let untaken = self.outbox.finished.borrow().len();
        self.pool
            .free_capacity()
            .min(self.capacity.saturating_sub(untaken))
    }

    /// Takes pushes from the front of `batch`, as many as fit, and says how many.
    pub fn submit(&self, batch: &mut VecDeque<Push>) -> usize {
        let untaken = self.outbox.finished.borrow().len();
        if untaken == 0 {
            return self.pool.submit(batch);
        }
        let mut fitting = batch
            .drain(..batch.len().min(self.free_capacity()))
            .collect();
        self.pool.submit(&mut fitting)
    }

    /// Waits until there is at least one outcome and appends all there are. Nothing is lost if the future is dropped.
    pub async fn outcomes(&self, into: &mut Vec<Finished>) {
        poll_fn(|cx| self.poll_outcomes(cx, into)).await;
    }

    /// [`outcomes`](Self::outcomes), for a hand-written future. Only the last caller is woken.
    pub fn poll_outcomes(&self, cx: &mut Context<'_>, into: &mut Vec<Finished>) -> Poll<()> {
        let mut finished = self.outbox.finished.borrow_mut();
        if finished.is_empty() {
            *self.outbox.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if into.is_empty() {
            std::mem::swap(into, &mut finished);
        } else {
            into.append(&mut finished);
        }
        Poll::Ready(())
    }

    /// Takes back the pushes still waiting for a stream of which `pick` says so. None of them was sent.
    pub fn withdraw(&self, mut pick: impl FnMut(&Push) -> bool) -> Vec<Push> {
        let taken = self.pool.withdraw(|carried| pick(&carried.item));
        taken.into_iter().map(|carried| carried.item).collect()
    }

    /// Opens no further stream on the HTTP/2 connections there are, and lets new ones take over. After the credential's
    /// topics changed: APNs reads a team's list of apps when a connection is first used.
    pub fn replace_connections(&self) {
        self.pool.replace_connections();
    }

    /// What the connection is doing.
    pub fn status(&self) -> Status {
        let status = self.pool.status();
        Status {
            connections: status.connections,
            in_flight: status.in_flight,
            queued: status.queued,
            free_streams: status.free_streams,
            connect_failures: status.connect_failures,
            paused_for: status.paused_for,
        }
    }

    /// Takes nothing more, waits for the answers, and closes. What is left at the deadline is reported: what still
    /// waited as [`Closed`](crate::ErrorKind::Closed), what was in flight as
    /// [`ConnectionLost`](crate::ErrorKind::ConnectionLost). Outcomes can be taken during and after it.
    pub async fn close(&self, deadline: Instant) {
        self.pool.close(deadline).await;
    }
}

impl Template {
    /// For pushes of this kind. The topic must fit the push type ([`ApnsTopic::fits`]), the priority too
    /// ([`PushType::allows`]); APNs refuses what does not.
    pub fn new(topic: &ApnsTopic, push_type: PushType, priority: Priority) -> Self {
        // One map for each combination of the optional headers, with every header a push will set already in its place:
        // replacing a value in a copy is cheap, growing the copy is not.
        let map = |has_expiration: bool, has_collapse_id: bool| {
            let blank = HeaderValue::from_static("");
            let mut map = HeaderMap::with_capacity(8);
            map.insert(AUTHORIZATION, blank.clone());
            map.insert(APNS_ID, blank.clone());
            map.insert(APNS_TOPIC, topic.header_value());
            map.insert(APNS_PUSH_TYPE, push_type.header_value());
            map.insert(APNS_PRIORITY, priority.header_value());
            if has_expiration {
                map.insert(APNS_EXPIRATION, blank.clone());
            }
            if has_collapse_id {
                map.insert(APNS_COLLAPSE_ID, blank);
            }
            map
        };
        Self(Arc::new([
            map(false, false),
            map(true, false),
            map(false, true),
            map(true, true),
        ]))
    }

    pub(crate) fn headers(&self, has_expiration: bool, has_collapse_id: bool) -> HeaderMap {
        self.0[usize::from(has_expiration) + 2 * usize::from(has_collapse_id)].clone()
    }
}

impl Push {
    /// From a checked [`Request`]. The template must have been made for the request's topic, push type and priority.
    pub fn from_request(tag: u64, template: Template, request: &Request) -> Self {
        Self {
            tag,
            template,
            push_token: request.push_token().clone(),
            apns_id: request.apns_id(),
            expiration: request.expiration(),
            collapse_id: request.collapse_id().cloned(),
            payload: request.body().clone(),
            write_by: None,
        }
    }
}

impl Outbox {
    pub(crate) fn push(&self, finished: Finished) {
        self.finished.borrow_mut().push(finished);
    }

    pub(crate) fn deliver(&self) {
        if self.finished.borrow().is_empty() {
            return;
        }
        let waiting = self.waiting.borrow_mut().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

// === impl ConnectionConfig ===

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            pool: h2_pool::Config::default(),
            provider_token_pause: Duration::from_secs(20 * 60),
            max_internal_errors: 10,
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl std::fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionConfig")
            .field("pool", &self.pool)
            .field("provider_token_pause", &self.provider_token_pause)
            .field("max_internal_errors", &self.max_internal_errors)
            .finish_non_exhaustive()
    }
}
