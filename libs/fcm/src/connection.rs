//! The engine's face: one project's way to FCM, on one thread.
//!
//! A [`Connection`] takes pushes in batches and gives outcomes in bulk. It may keep several HTTP/2 connections beneath;
//! which of them served a push is told by number. It is not `Send`: it lives in a [`tokio::task::LocalSet`] on the
//! thread that does the I/O, next to others like it, and hands nothing across threads. [`Client`](crate::Client) is the
//! same for those who want one call for one push from anywhere.
//!
//! It keeps FCM's connection rules, and only those: see `rules.rs`. It does not decide whether a push that is in doubt is
//! sent again, or when a rejected one is tried again: that needs to know what the push was for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use h2_pool::{Connect, Observer, Pool};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::Instant;

use crate::access_token::{AccessTokens, Clock, Moment};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::message::Message;
use crate::project_id::ProjectId;
use crate::quota::Quota;
use crate::request::Request;
use crate::response::Response;
use crate::rules::{Carried, Rules};
use crate::target::Target;
use crate::waiting_room::{WaitingRoom, attend};

/// The most streams that FCM takes on one connection; more are answered with `GOAWAY`.
pub const MAX_STREAMS: usize = 100;

/// A project's quota, shared by all its connections.
pub type SharedQuota = Arc<Mutex<Quota>>;

/// Settings of a [`Connection`].
#[derive(Clone)]
pub struct ConnectionConfig {
    /// Bounds and deadlines of the HTTP/2 connections. Never more than [`MAX_STREAMS`] are used on one. FCM asks for at
    /// least 10 s before a request is given up; the default is 20 s.
    pub pool: h2_pool::Config,
    /// How long an access token may take before what waits for it is handed back, not sent. Default 30 s.
    pub access_token_timeout: Duration,
    /// Nothing is taken beyond it. Default: no quota of our own.
    pub quota: Option<SharedQuota>,
    /// The clocks. Default: the system's.
    pub clock: Clock,
}

/// A push, ready to be sent.
#[derive(Clone, Debug)]
pub struct Push {
    /// Yours; comes back with the outcome.
    pub tag: u64,
    /// Whom it is for.
    pub target: Target,
    /// What is sent.
    pub message: Message,
    /// Only asks whether FCM would take it.
    pub validate_only: bool,
    /// The last moment at which it may be written; after it, it comes back as
    /// [`Expired`](crate::ErrorKind::Expired), not sent.
    pub write_by: Option<Instant>,
}

/// How a push ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The push's tag.
    pub tag: u64,
    /// What FCM answered, or why there is no answer.
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
    /// Pushes waiting for an access token.
    pub waiting_for_access_token: usize,
    /// Streams free right now.
    pub free_streams: usize,
    /// Failed connects in a row.
    pub connect_failures: u32,
    /// How much longer nothing will be sent, after the project's quota was used up.
    pub paused_for: Option<Duration>,
}

/// One project's way to FCM. See the [module](self).
///
/// ```no_run
/// # use std::{collections::VecDeque, rc::Rc};
/// # use fcm::*;
/// # async fn example(tokens: AccessTokens, target: Target, message: Message) -> Result<(), Box<dyn std::error::Error>> {
/// let connection = Connection::open(
///     &Endpoint::fcm(),
///     &ProjectId::new("pager-4f2a1")?,
///     tokens,
///     ConnectionConfig::default(),
///     Rc::new(pool::NoObserver),
/// )?;
/// let mut batch = VecDeque::from([Push { tag: 1, target, message, validate_only: false, write_by: None }]);
/// connection.submit(&mut batch);
/// let mut outcomes = Vec::new();
/// connection.outcomes(&mut outcomes).await;
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    pool: Rc<Pool<Rules>>,
    room: Rc<WaitingRoom>,
    capacity: usize,
    attendant: AbortHandle,
}

impl Connection {
    /// Opens the way; the first HTTP/2 connection is made, and the first access token fetched, when there is something to
    /// send.
    ///
    /// # Errors
    /// If the endpoint is no host, or its certificates cannot be used.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn open(
        endpoint: &Endpoint,
        project_id: &ProjectId,
        tokens: AccessTokens,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let connector = endpoint.connector()?;
        Self::over(connector, endpoint, project_id, tokens, config, observer)
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
        project_id: &ProjectId,
        tokens: AccessTokens,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let origin = endpoint.origin()?;
        let mut pool_config = config.pool.clone();
        pool_config.max_streams = pool_config.max_streams.min(MAX_STREAMS);
        let capacity = pool_config.queue_capacity.max(1);
        let room = Rc::new(WaitingRoom::new(tokens, &config));
        let rules = Rules::new(origin, project_id, room.clone())?;
        let pool = Rc::new(Pool::new(connector, Rc::new(rules), pool_config, observer));
        let attendant = spawn_local(attend(pool.clone(), room.clone())).abort_handle();
        Ok(Self {
            pool,
            room,
            capacity,
            attendant,
        })
    }

    /// How many pushes [`submit`](Self::submit) would take now: 0 while the queue is full, outcomes wait to be taken
    /// away, sending is paused, the quota is used up, or the connection is closing.
    pub fn free_capacity(&self) -> usize {
        let free = self.free_places();
        match &self.room.quota {
            Some(quota) => free.min(self.room.with_quota(quota, Quota::available)),
            None => free,
        }
    }

    /// Takes pushes from the front of `batch`, as many as fit, and says how many.
    pub fn submit(&self, batch: &mut VecDeque<Push>) -> usize {
        let mut count = batch.len().min(self.free_places());
        if let Some(quota) = &self.room.quota {
            count = self
                .room
                .with_quota(quota, |quota, now| quota.take(count, now));
        }
        if count > 0 {
            let fitting = batch.drain(..count).map(Carried::from);
            self.room.enter(fitting, &self.pool);
        }
        count
    }

    /// What fits, whatever the quota says.
    fn free_places(&self) -> usize {
        let waiting = self.room.len();
        let untaken = self.room.outbox.len();
        let in_pool = self.pool.free_capacity().saturating_sub(waiting);
        in_pool.min(self.capacity.saturating_sub(untaken + waiting))
    }

    /// Waits until there is at least one outcome and appends all there are. Nothing is lost if the future is dropped.
    pub async fn outcomes(&self, into: &mut Vec<Finished>) {
        poll_fn(|cx| self.poll_outcomes(cx, into)).await;
    }

    /// [`outcomes`](Self::outcomes), for a hand-written future. Only the last caller is woken.
    pub fn poll_outcomes(&self, cx: &mut Context<'_>, into: &mut Vec<Finished>) -> Poll<()> {
        self.room.outbox.poll(cx, into)
    }

    /// Appends the outcomes there are, without waiting.
    pub fn drain(&self, into: &mut Vec<Finished>) {
        self.room.outbox.drain(into);
    }

    /// Takes back the pushes still waiting for a stream or an access token of which `pick` says so. None of them was sent.
    pub fn withdraw(&self, mut pick: impl FnMut(&Push) -> bool) -> Vec<Push> {
        let mut taken = self.room.take(|carried| pick(&carried.push));
        taken.extend(self.pool.withdraw(|carried| pick(&carried.push)));
        taken.into_iter().map(|carried| carried.push).collect()
    }

    /// What the connection is doing.
    pub fn status(&self) -> Status {
        let status = self.pool.status();
        Status {
            connections: status.connections,
            in_flight: status.in_flight,
            queued: status.queued,
            waiting_for_access_token: self.room.len(),
            free_streams: status.free_streams,
            connect_failures: status.connect_failures,
            paused_for: status.paused_for,
        }
    }

    /// Takes nothing more, waits for the answers, and closes. What is left at the deadline is reported: what still
    /// waited as [`Closed`](crate::ErrorKind::Closed), what was in flight as
    /// [`ConnectionLost`](crate::ErrorKind::ConnectionLost). Outcomes can be taken during and after it.
    pub async fn close(&self, deadline: Instant) {
        self.room.emptied(deadline).await;
        self.room.shut();
        self.pool.close(deadline).await;
        self.attendant.abort();
        self.room.outbox.deliver();
    }
}

impl Push {
    /// From a [`Request`].
    pub fn from_request(tag: u64, request: &Request) -> Self {
        Self {
            tag,
            target: request.target().clone(),
            message: request.message().clone(),
            validate_only: request.is_validate_only(),
            write_by: None,
        }
    }
}

// === impl Connection ===

impl Drop for Connection {
    fn drop(&mut self) {
        // The attendant holds the pool.
        self.attendant.abort();
    }
}

// === impl ConnectionConfig ===

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            pool: h2_pool::Config {
                max_streams: MAX_STREAMS,
                max_connections: 10,
                max_body_bytes: 16 * 1024,
                ..h2_pool::Config::default()
            },
            access_token_timeout: Duration::from_secs(30),
            quota: None,
            clock: Arc::new(Moment::now),
        }
    }
}

impl std::fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionConfig")
            .field("pool", &self.pool)
            .field("access_token_timeout", &self.access_token_timeout)
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}
