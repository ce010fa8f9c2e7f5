//! The engine's face: the way to one origin, on one thread.
//!
//! A [`Connection`] takes pushes in batches and gives outcomes in bulk. It may keep several HTTP/2 connections beneath;
//! which of them served a push is told by number. It is not `Send`: it lives in a [`tokio::task::LocalSet`] on the
//! thread that does the I/O, next to others like it. [`Client`](crate::Client) is the same for those who want one call for
//! one push from anywhere, to any origin.
//!
//! Pushes come encrypted: that is work for another thread. It does not decide whether a push that is in doubt is sent
//! again, or when a rejected one is tried again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use h2_pool::{Connect, Observer, Pool};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::guard::GuardedResolver;
use crate::origin::Origin;
use crate::request::SealedPush;
use crate::response::Response;
use crate::route::Route;
use crate::vapid::Vapid;
use crate::wire::Wire;

/// Tells the wall-clock time, by which VAPID tokens end and dates in `Retry-After` count.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Settings of a [`Connection`].
#[derive(Clone)]
pub struct ConnectionConfig {
    /// Bounds and deadlines of the HTTP/2 connections.
    pub pool: h2_pool::Config,
    /// How long nothing is sent to an origin that answered 429 without `Retry-After`. Default 1 s.
    pub throttle_pause: Duration,
    /// The longest that nothing is sent to an origin, whatever its `Retry-After` says. The push that was answered so is
    /// reported with the whole of it. Default 60 s.
    pub max_pause: Duration,
    /// The wall clock. Default: the system's.
    pub clock: Clock,
}

/// An encrypted push, ready to be sent.
#[derive(Clone, Debug)]
pub struct Push {
    /// Yours; comes back with the outcome.
    pub tag: u64,
    /// What to send, and where.
    pub sealed: SealedPush,
    /// The last moment at which it may be written; after it, it comes back as
    /// [`Expired`](crate::ErrorKind::Expired), not sent.
    pub write_by: Option<Instant>,
}

/// How a push ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The push's tag.
    pub tag: u64,
    /// What the service answered, or why there is no answer.
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
    /// How much longer nothing will be sent, because the origin asked for it.
    pub paused_for: Option<Duration>,
}

/// Outcomes on their way to whoever waits for them.
#[derive(Default)]
pub(crate) struct Outbox {
    finished: RefCell<Vec<Finished>>,
    waiting: RefCell<Option<Waker>>,
}

/// The way to one origin. See the [module](self).
///
/// ```no_run
/// # use std::{collections::VecDeque, rc::Rc};
/// # use webpush::*;
/// # async fn example(vapid: Vapid, sealed: SealedPush) -> Result<(), Box<dyn std::error::Error>> {
/// let origin = sealed.endpoint().origin().clone();
/// let config = ConnectionConfig::default();
/// let connection = Connection::open(&origin, &Route::default(), &vapid, config, Rc::new(pool::NoObserver))?;
/// connection.submit(&mut VecDeque::from([Push { tag: 1, sealed, write_by: None }]));
/// let mut outcomes = Vec::new();
/// connection.outcomes(&mut outcomes).await;
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    pool: Pool<Wire>,
    outbox: Rc<Outbox>,
    capacity: usize,
}

impl Connection {
    /// Opens the way; the first HTTP/2 connection is made when there is something to send.
    ///
    /// # Errors
    /// [`Forbidden`](ErrorKind::Forbidden) if the guard does not let the origin through, or if the route cannot be used.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn open(
        origin: &Origin,
        route: &Route,
        vapid: &Vapid,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let outbox = Rc::new(Outbox::default());
        Self::open_into(outbox, origin, route, vapid, config, observer)
    }

    /// As [`open`](Self::open), with outcomes that go where those of other connections go.
    pub(crate) fn open_into(
        outbox: Rc<Outbox>,
        origin: &Origin,
        route: &Route,
        vapid: &Vapid,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let (connector, resolver) = route.connector(origin)?;
        Self::build(outbox, connector, resolver, origin, vapid, config, observer)
    }

    /// As [`open`](Self::open), over byte streams that somebody else makes: a tunnel of another kind, or a test's pipes.
    /// No guard stands before those.
    ///
    /// # Errors
    /// If the origin cannot be written as an authority, which does not happen for one that was parsed.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn over(
        connector: impl Connect,
        origin: &Origin,
        vapid: &Vapid,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        Self::build(
            Rc::new(Outbox::default()),
            connector,
            None,
            origin,
            vapid,
            config,
            observer,
        )
    }

    fn build(
        outbox: Rc<Outbox>,
        connector: impl Connect,
        resolver: Option<Arc<GuardedResolver>>,
        origin: &Origin,
        vapid: &Vapid,
        config: ConnectionConfig,
        observer: Rc<dyn Observer>,
    ) -> Result<Self, Error> {
        let pool_config = config.pool.clone();
        let capacity = pool_config.queue_capacity.max(1);
        let wire = Wire::new(origin, vapid.clone(), config, resolver, outbox.clone())
            .map_err(|detail| Error::new(ErrorKind::Invalid, detail))?;
        let pool = Pool::new(connector, Rc::new(wire), pool_config, observer);
        Ok(Self {
            pool,
            outbox,
            capacity,
        })
    }

    /// How many pushes [`submit`](Self::submit) would take now: 0 while the queue is full, outcomes wait to be taken
    /// away, the origin asked to be left alone, or the connection is closing.
    pub fn free_capacity(&self) -> usize {
        let untaken = self.outbox.finished.borrow().len();
        self.pool
            .free_capacity()
            .min(self.capacity.saturating_sub(untaken))
    }

    /// Takes pushes from the front of `batch`, as many as fit, and says how many. One for another origin comes back as
    /// [`Invalid`](crate::ErrorKind::Invalid).
    pub fn submit(&self, batch: &mut VecDeque<Push>) -> usize {
        let mut fitting = batch
            .drain(..batch.len().min(self.free_capacity()))
            .collect();
        self.pool.submit(&mut fitting)
    }

    /// Waits until there is at least one outcome and appends all there are. Nothing is lost if the future is dropped.
    pub async fn outcomes(&self, into: &mut Vec<Finished>) {
        self.outbox.take(into).await;
    }

    /// [`outcomes`](Self::outcomes), for a hand-written future. Only the last caller is woken.
    pub fn poll_outcomes(&self, cx: &mut Context<'_>, into: &mut Vec<Finished>) -> Poll<()> {
        self.outbox.poll_take(cx, into)
    }

    /// Takes back the pushes still waiting for a stream of which `pick` says so. None of them was sent.
    pub fn withdraw(&self, mut pick: impl FnMut(&Push) -> bool) -> Vec<Push> {
        let taken = self.pool.withdraw(|carried| pick(&carried.push));
        taken.into_iter().map(|carried| carried.push).collect()
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

    pub(crate) async fn take(&self, into: &mut Vec<Finished>) {
        poll_fn(|cx| self.poll_take(cx, into)).await;
    }

    /// What there is, without waiting.
    pub(crate) fn drain(&self, into: &mut Vec<Finished>) {
        into.append(&mut self.finished.borrow_mut());
    }

    fn poll_take(&self, cx: &mut Context<'_>, into: &mut Vec<Finished>) -> Poll<()> {
        if self.finished.borrow().is_empty() {
            *self.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.drain(into);
        Poll::Ready(())
    }
}

// === impl ConnectionConfig ===

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            pool: h2_pool::Config::default(),
            throttle_pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(60),
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl std::fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionConfig")
            .field("pool", &self.pool)
            .field("throttle_pause", &self.throttle_pause)
            .field("max_pause", &self.max_pause)
            .finish_non_exhaustive()
    }
}
