//! The way to APNs as a pool's driver uses it: the device host, and broadcasts aside.

use super::channel::Broadcasts;
use super::dress::{Dresser, asked};
use super::outcome::{self as answers, Asked};
use super::{Shared, words};
use crate::gauge::{Gauge, Watch};
use crate::wire::{Dressed, Judged, Status, Wire};
use crate::{outcome, wall};
use apns::{Connection, ConnectionConfig, ErrorKind, Finished};
use carillon_model::UnixMs;
use carillon_model::outcome::{Outcome, TroubleScope};
use carillon_ports::gateway::{Message, PoolSpec, Push, PushOutcome};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// See [`Wire`].
pub(super) struct ApnsWire {
    shared: Arc<Shared>,
    spec: PoolSpec,
    connection: Connection,
    credential: apns::Credential,
    dresser: Dresser,
    broadcasts: Option<Broadcasts>,
}

impl ApnsWire {
    /// Opens the way to the device host. Nothing is connected before the first push. The error is a sentence.
    pub(super) fn open(
        shared: &Arc<Shared>,
        spec: PoolSpec,
        gauge: Arc<Gauge>,
    ) -> Result<Self, String> {
        let environment = words::environment(spec.id.environment);
        let watch = Rc::new(Watch {
            id: spec.id,
            gauge,
            gateway: "apns",
        });
        let credential = shared.tokens.credential(&spec)?;
        let config = connection_config(shared, spec.id.probing);
        let endpoint = shared.config.devices(environment);
        let connection = Connection::open(&endpoint, &credential, config, watch)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            shared: shared.clone(),
            spec,
            connection,
            credential,
            dresser: Dresser::default(),
            broadcasts: None,
        })
    }

    /// Sends a broadcast; the error: it was refused here.
    fn broadcast(&mut self, push: &Push, wall: UnixMs) -> Result<(), Outcome> {
        let broadcasts = match &mut self.broadcasts {
            Some(broadcasts) => broadcasts,
            None => {
                let opened = Broadcasts::open(&self.shared, self.spec.id, &self.credential)
                    .map_err(outcome::unusable)?;
                self.broadcasts.insert(opened)
            }
        };
        broadcasts.publish(&self.spec, push, wall)
    }
}

pub(super) fn connection_config(shared: &Shared, is_probing: bool) -> ConnectionConfig {
    let clock = shared.clock.clone();
    let mut pool = shared.config.pool.clone();
    if is_probing {
        pool.max_connections = 1;
    }
    ConnectionConfig {
        pool,
        provider_token_pause: shared.config.provider_token_pause,
        clock: Arc::new(move || wall::system_time(clock.now())),
        ..ConnectionConfig::default()
    }
}

impl Wire for ApnsWire {
    type Push = apns::Push;
    type Finished = Finished;

    const NAME: &'static str = "APNs";

    fn status(&self) -> Status {
        let status = self.connection.status();
        Status {
            connections: status.connections,
            in_flight: status.in_flight,
            aside: self.broadcasts.as_ref().map_or(0, Broadcasts::len),
            queued: status.queued,
            free_streams: status.free_streams,
            paused_for: status.paused_for,
        }
    }

    fn free_capacity(&self) -> usize {
        self.connection.free_capacity()
    }

    fn dress(
        &mut self,
        push: &Push,
        now: Instant,
        wall: UnixMs,
    ) -> Result<Dressed<apns::Push>, Outcome> {
        if push.message.options.channel.is_some() {
            return self.broadcast(push, wall).map(|()| Dressed::Aside);
        }
        self.dresser
            .dress(&self.spec, push, now, wall)
            .map(Dressed::Ready)
    }

    fn tag(push: &apns::Push) -> u64 {
        push.tag
    }

    fn submit(&mut self, batch: &mut VecDeque<apns::Push>) {
        self.connection.submit(batch);
    }

    async fn answers(&self, finished: &mut Vec<Finished>) {
        self.connection.outcomes(finished).await;
    }

    async fn ended(&mut self, finished: &mut Vec<Finished>, aside: &mut Vec<PushOutcome>) {
        let broadcast = async {
            match &mut self.broadcasts {
                Some(broadcasts) => broadcasts.outcome().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.connection.outcomes(finished) => {}
            outcome = broadcast => aside.push(outcome),
        }
    }

    fn tag_of(finished: &Finished) -> u64 {
        finished.tag
    }

    fn judge(&self, finished: Finished, sent: Option<(&Message, Duration)>) -> Judged {
        let Finished {
            result, connection, ..
        } = finished;
        let (asked, elapsed) = match sent {
            None => (Asked::default(), None),
            Some((message, since)) => (
                asked(&self.spec, &message.options),
                connection.map(|_| since),
            ),
        };
        let is_unreachable = result
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Connect);
        Judged {
            outcome: answers::of(result, connection, elapsed, asked),
            is_unreachable,
        }
    }

    fn withdraw(&mut self, mut pick: impl FnMut(u64) -> bool) -> Vec<u64> {
        let taken = self.connection.withdraw(|push| pick(push.tag));
        taken.into_iter().map(|push| push.tag).collect()
    }

    fn paused(&self, pause: Duration) -> Outcome {
        let rule = apns::Reason::TooManyProviderTokenUpdates.rule(429);
        outcome::blocked(
            TroubleScope::Gateway,
            "TooManyProviderTokenUpdates",
            rule.mend.to_owned(),
            Some(pause),
        )
    }

    async fn close(&self, deadline: Instant) {
        self.connection.close(deadline).await;
    }

    async fn finish_aside(&mut self, deadline: Instant) -> Vec<PushOutcome> {
        match &mut self.broadcasts {
            Some(broadcasts) => broadcasts.finish(deadline).await,
            None => Vec::new(),
        }
    }

    fn abandon_aside(&mut self) -> Vec<PushOutcome> {
        self.broadcasts
            .as_mut()
            .map(Broadcasts::abandon)
            .unwrap_or_default()
    }
}
