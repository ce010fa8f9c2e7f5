//! The engine's face to many origins, on one thread: a [`Connection`] for each, never more than a number, and none kept that
//! nobody uses.
//!
//! It does not queue: what an origin has no room for now is its caller's to hold or to give up.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use h2_pool::Observer;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::Instant;

use crate::connection::{Connection, ConnectionConfig, Finished, Outbox, Push, Status};
use crate::error::Error;
use crate::origin::Origin;
use crate::route::Route;
use crate::service::PushService;
use crate::vapid::Vapid;

/// How long an idle connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Settings of [`Origins`].
#[derive(Clone, Debug)]
pub struct OriginsConfig {
    /// Bounds and deadlines of each origin's connections.
    pub connection: ConnectionConfig,
    /// Most origins with a connection at a time, known services and others counted apart. Default 64, at least 1.
    pub max_origins: usize,
    /// How long the connection to an origin is kept without a push. Default 10 min.
    pub idle_timeout: Duration,
}

/// Connections to as many origins as there are subscriptions for. Like a [`Connection`] it lives on one thread.
///
/// Known services and others are counted apart: hosts of strangers that keep connections busy on purpose must not keep
/// pushes from everybody else.
///
/// ```no_run
/// # use std::{collections::VecDeque, rc::Rc};
/// # use webpush::*;
/// # async fn example(vapid: Vapid, sealed: SealedPush) -> Result<(), Box<dyn std::error::Error>> {
/// let mut origins = Origins::new(Route::default(), vapid, OriginsConfig::default(), |_| Rc::new(pool::NoObserver));
/// let connection = origins.with_room(sealed.endpoint().origin())?;
/// connection.submit(&mut VecDeque::from([Push { tag: 1, sealed, write_by: None }]));
/// let mut outcomes = Vec::new();
/// origins.outcomes(&mut outcomes).await;
/// # Ok(())
/// # }
/// ```
pub struct Origins {
    open: HashMap<Origin, Entry>,
    outbox: Rc<Outbox>,
    vapid: Vapid,
    route: Route,
    config: OriginsConfig,
    observers: Observers,
}

/// Makes the observer of an origin's connections.
type Observers = Box<dyn Fn(&Origin) -> Rc<dyn Observer>>;

struct Entry {
    connection: Connection,
    last_used: Instant,
}

impl Entry {
    fn is_idle(&self) -> bool {
        let status = self.connection.status();
        status.in_flight == 0 && status.queued == 0
    }

    /// Lets it end by itself.
    fn dismiss(self) {
        spawn_local(async move { self.connection.close(Instant::now() + GOODBYE).await });
    }
}

impl Origins {
    /// Without a connection yet. `observers` is asked for an observer whenever an origin's connection is opened.
    pub fn new(
        route: Route,
        vapid: Vapid,
        config: OriginsConfig,
        observers: impl Fn(&Origin) -> Rc<dyn Observer> + 'static,
    ) -> Self {
        Self {
            open: HashMap::new(),
            outbox: Rc::new(Outbox::default()),
            vapid,
            route,
            config,
            observers: Box::new(observers),
        }
    }

    /// Outcomes of all of them.
    pub(crate) fn outbox(&self) -> Rc<Outbox> {
        self.outbox.clone()
    }

    /// The connection to this origin, with room for a push; opened if there is none yet. The idle one that was used longest
    /// ago makes room where there must not be more.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) if it has no room now, with [`Error::retry_after`] if the origin asked to be left
    /// alone; [`Forbidden`](crate::ErrorKind::Forbidden) if the guard does not let it through.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn with_room(&mut self, origin: &Origin) -> Result<&Connection, Error> {
        if !self.open.contains_key(origin) {
            self.make_room(origin)?;
            let connection = Connection::open_into(
                self.outbox.clone(),
                origin,
                &self.route,
                &self.vapid,
                self.config.connection.clone(),
                (self.observers)(origin),
            )?;
            let last_used = Instant::now();
            self.open.insert(
                origin.clone(),
                Entry {
                    connection,
                    last_used,
                },
            );
        }
        let Some(entry) = self.open.get_mut(origin) else {
            return Err(Error::busy("the connection is gone", None));
        };
        entry.last_used = Instant::now();
        if entry.connection.free_capacity() == 0 {
            let paused_for = entry.connection.status().paused_for;
            let detail = match paused_for {
                Some(span) => format!("{origin} asked to be left alone for another {span:?}"),
                None => format!("the queue for {origin} is full"),
            };
            return Err(Error::busy(detail, paused_for));
        }
        Ok(&entry.connection)
    }

    /// The connection to this origin, if one is open.
    pub fn get(&self, origin: &Origin) -> Option<&Connection> {
        self.open.get(origin).map(|entry| &entry.connection)
    }

    /// The origins that have a connection, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, &Connection)> {
        let open = self.open.iter();
        open.map(|(origin, entry)| (origin, &entry.connection))
    }

    /// How many origins have a connection.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Waits until there is at least one outcome, of whatever origin, and appends all there are. Nothing is lost if the
    /// future is dropped.
    pub async fn outcomes(&self, into: &mut Vec<Finished>) {
        self.outbox.take(into).await;
    }

    /// Takes back the pushes still waiting for a stream of which `pick` says so. None of them was sent.
    pub fn withdraw(&self, mut pick: impl FnMut(&Push) -> bool) -> Vec<Push> {
        let open = self.open.values();
        open.flat_map(|entry| entry.connection.withdraw(&mut pick))
            .collect()
    }

    /// What they are doing together; `paused_for` only if every one is paused, and `connect_failures` the most of any.
    pub fn status(&self) -> Status {
        let mut sum = Status::default();
        let mut paused = Vec::with_capacity(self.open.len());
        for entry in self.open.values() {
            let status = entry.connection.status();
            sum.connections += status.connections;
            sum.in_flight += status.in_flight;
            sum.queued += status.queued;
            sum.free_streams += status.free_streams;
            sum.connect_failures = sum.connect_failures.max(status.connect_failures);
            paused.push(status.paused_for);
        }
        sum.paused_for = paused.into_iter().min().flatten();
        sum
    }

    /// Ends the idle connection that was used longest ago, if there are as many as there may be.
    fn make_room(&mut self, wanted: &Origin) -> Result<(), Error> {
        let is_known = |origin: &Origin| PushService::of(origin) != PushService::Other;
        let rivals = || {
            let open = self.open.iter();
            open.filter(|(origin, _)| is_known(origin) == is_known(wanted))
        };
        if rivals().count() < self.config.max_origins.max(1) {
            return Ok(());
        }
        let idle = rivals().filter(|(_, entry)| entry.is_idle());
        let oldest = idle.min_by_key(|(_, entry)| entry.last_used);
        let Some(origin) = oldest.map(|(origin, _)| origin.clone()) else {
            let detail = format!(
                "{} origins are busy, which is the most",
                self.config.max_origins
            );
            return Err(Error::busy(detail, None));
        };
        if let Some(entry) = self.open.remove(&origin) {
            entry.dismiss();
        }
        Ok(())
    }

    /// Ends the connections that nobody has used for long.
    pub fn dismiss_idle(&mut self, now: Instant) {
        let idle_timeout = self.config.idle_timeout;
        let is_over = |entry: &Entry| entry.last_used + idle_timeout <= now && entry.is_idle();
        let over: Vec<Origin> = self
            .open
            .iter()
            .filter(|(_, entry)| is_over(entry))
            .map(|(origin, _)| origin.clone())
            .collect();
        for origin in over {
            if let Some(entry) = self.open.remove(&origin) {
                entry.dismiss();
            }
        }
    }

    /// Ends all connections once they have their answers, or at the deadline. Outcomes can be taken meanwhile.
    pub fn close(&mut self, deadline: Instant) -> JoinSet<()> {
        let mut closing = JoinSet::new();
        for (_, entry) in self.open.drain() {
            closing.spawn_local(async move { entry.connection.close(deadline).await });
        }
        closing
    }
}

// === impl OriginsConfig ===

impl Default for OriginsConfig {
    fn default() -> Self {
        Self {
            connection: ConnectionConfig::default(),
            max_origins: 64,
            idle_timeout: Duration::from_secs(600),
        }
    }
}
