//! The connections of a client: one for each origin, never more than a number, and none kept that nobody uses.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use h2_pool::NoObserver;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::Instant;

use crate::connection::{Connection, ConnectionConfig, Outbox};
use crate::error::Error;
use crate::origin::Origin;
use crate::route::Route;
use crate::service::PushService;
use crate::vapid::Vapid;

/// How long an idle connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

pub(crate) struct Origins {
    open: HashMap<Origin, Entry>,
    outbox: Rc<Outbox>,
    vapid: Vapid,
    route: Route,
    config: ConnectionConfig,
    max_origins: usize,
    idle_timeout: Duration,
}

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
    pub(crate) fn new(
        outbox: Rc<Outbox>,
        vapid: Vapid,
        route: Route,
        config: ConnectionConfig,
        max_origins: usize,
        idle_timeout: Duration,
    ) -> Self {
        Self {
            open: HashMap::new(),
            outbox,
            vapid,
            route,
            config,
            max_origins,
            idle_timeout,
        }
    }

    /// The connection to this origin, with room for a push.
    pub(crate) fn with_room(&mut self, origin: &Origin) -> Result<&Connection, Error> {
        if !self.open.contains_key(origin) {
            self.make_room(origin)?;
            let connection = Connection::open_into(
                self.outbox.clone(),
                origin,
                &self.route,
                &self.vapid,
                self.config.clone(),
                Rc::new(NoObserver),
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

    /// Ends the idle connection that was used longest ago, if there are as many as there may be.
    ///
    /// Known services and others are counted apart: hosts of strangers that keep connections busy on purpose must not keep
    /// pushes from everybody else.
    fn make_room(&mut self, wanted: &Origin) -> Result<(), Error> {
        let is_known = |origin: &Origin| PushService::of(origin) != PushService::Other;
        let rivals = || {
            let open = self.open.iter();
            open.filter(|(origin, _)| is_known(origin) == is_known(wanted))
        };
        if rivals().count() < self.max_origins {
            return Ok(());
        }
        let idle = rivals().filter(|(_, entry)| entry.is_idle());
        let oldest = idle.min_by_key(|(_, entry)| entry.last_used);
        let Some(origin) = oldest.map(|(origin, _)| origin.clone()) else {
            let detail = format!("{} origins are busy, which is the most", self.max_origins);
            return Err(Error::busy(detail, None));
        };
        if let Some(entry) = self.open.remove(&origin) {
            entry.dismiss();
        }
        Ok(())
    }

    /// Ends the connections that nobody has used for long.
    pub(crate) fn dismiss_idle(&mut self, now: Instant) {
        let idle_timeout = self.idle_timeout;
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

    /// Ends all connections once they have their answers, or at the deadline.
    pub(crate) fn close(&mut self, deadline: Instant) -> JoinSet<()> {
        let mut closing = JoinSet::new();
        for (_, entry) in self.open.drain() {
            closing.spawn_local(async move { entry.connection.close(deadline).await });
        }
        closing
    }
}
