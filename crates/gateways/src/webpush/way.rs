//! What the pushes of one credential go out with: its VAPID keys, and a connection to each origin.

use super::Shared;
use super::credential::Keyring;
use super::lines::Line;
use super::watch::OriginWatch;
use crate::gauge::Gauge;
use crate::wall::system_time;
use carillon_ports::gateway::PoolSpec;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use webpush::{Connection, ConnectionConfig, Guard, Origin, Origins, OriginsConfig};

/// Pushes given to a connection beyond its free streams: enough that it notices when it should grow, few enough that a cancel
/// finds nearly all.
const AHEAD: usize = 64;

/// So many known services out of reach at once, and nobody within, mean that the fault is on our side.
const CUT_OFF: usize = 2;

/// A pause that pushes wait out here. Longer ones are theirs to know.
const SOON: Duration = Duration::from_secs(2);

/// Pushes on their way to one connection, and the tags of those that it did not take.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) pushes: VecDeque<webpush::Push>,
    pub(super) left: Vec<u64>,
}

pub(super) struct Way {
    pub(super) keyring: Keyring,
    pub(super) origins: Origins,
    named: Guard,
    attempts: u32,
}

impl Way {
    /// Connects nothing yet. The error is a sentence: the credential cannot be used.
    pub(super) fn open(
        shared: &Shared,
        spec: &PoolSpec,
        gauge: &Arc<Gauge>,
    ) -> Result<Self, String> {
        let keyring = shared.keyrings.of(&spec.secret)?;
        let (id, gauge) = (spec.id, gauge.clone());
        let observers =
            move |origin: &Origin| Rc::new(OriginWatch::new(id, gauge.clone(), origin)) as _;
        let (config, clock) = (&shared.config, shared.clock.clone());
        let origins = OriginsConfig {
            connection: ConnectionConfig {
                pool: config.pool.clone(),
                throttle_pause: config.throttle_pause,
                max_pause: config.max_pause,
                clock: Arc::new(move || system_time(clock.now())),
            },
            max_origins: config.max_origins,
            idle_timeout: config.origin_idle_timeout,
        };
        let vapid = keyring.vapid.clone();
        Ok(Self {
            origins: Origins::new(shared.route.clone(), vapid, origins, observers),
            keyring,
            named: shared.named.clone(),
            attempts: config.pool.connect_attempts,
        })
    }

    /// Whether several known services are out of reach, and nobody is within.
    pub(super) fn is_cut_off(&self) -> bool {
        let unreached = self.origins.iter().filter(|(origin, connection)| {
            is_out_of_reach(connection, self.attempts) && self.named.check(origin).is_ok()
        });
        self.origins.status().connections == 0 && unreached.count() >= CUT_OFF
    }
}

/// Whether connecting has failed so often that what waited was given back.
pub(super) fn is_out_of_reach(connection: &Connection, attempts: u32) -> bool {
    let status = connection.status();
    status.connections == 0 && status.connect_failures >= attempts.max(1)
}

/// How many more pushes of a line may be encrypted for this connection now.
pub(super) fn room(connection: &Connection, line: &Line, is_reached: bool) -> usize {
    let status = connection.status();
    let taken = status.queued + line.sealing;
    if is_reached {
        (status.free_streams + AHEAD)
            .min(connection.free_capacity())
            .saturating_sub(taken)
    } else {
        usize::from(taken == 0)
    }
}

/// Writes a batch to its origin, and asks whether the next one has room.
pub(super) fn submit(
    way: &mut Result<Way, String>,
    to: Option<(Origin, Result<(), webpush::Error>)>,
    batch: &mut Batch,
    next: Option<&Origin>,
) -> Result<(), webpush::Error> {
    let Ok(way) = way else { return Ok(()) };
    if let Some(connection) = to.and_then(|(origin, _)| way.origins.get(&origin)) {
        connection.submit(&mut batch.pushes);
    }
    // The connection said that it had room, and nothing else runs on this thread meanwhile.
    batch
        .left
        .extend(batch.pushes.drain(..).map(|push| push.tag));
    match next {
        Some(origin) => way.origins.with_room(origin).map(drop),
        None => Ok(()),
    }
}

/// Whether an origin wants to be left alone for so short a time that its pushes may as well wait here: an answer would cost
/// each of them an attempt.
pub(super) fn is_soon(error: &webpush::Error) -> bool {
    error.retry_after().is_some_and(|wait| wait <= SOON)
}
