//! A pool's life on its I/O thread: takes what the engine handed over, checks at the last moment whether
//! it may still be sent, keeps the connection's streams full, and reports outcomes in bulk.
//!
//! Pushes wait here rather than in the connection, so that a cancelled or expired one is found before it is
//! written and not after; the connection's own queue holds no more than [`AHEAD`].

use super::dress::{Dresser, asked};
use super::gauge::{Gauge, Watch};
use super::outcome::{self, Asked};
use super::sender::Inbox;
use super::{Shared, words};
use apns::{Connection, ConnectionConfig, ErrorKind, Finished};
use carillon_model::UnixMs;
use carillon_model::outcome::{Outcome, TroubleScope, Verdict};
use carillon_ports::gateway::{Message, OutcomeSink, PoolId, PoolSpec, Push, PushOutcome};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Pushes given to the connection beyond its free streams: enough that it notices when it should grow, few enough that a
/// cancel finds nearly all.
const AHEAD: usize = 64;

/// Window of a pool without a connection yet.
const FIRST_WINDOW: usize = 128;

/// Window of a probing pool: `BadDeviceToken` counts hardest against a connection, so few at a time.
const PROBING_WINDOW: usize = 32;

/// How often waiting pushes are looked at for cancels and deadlines.
const SWEEP: Duration = Duration::from_millis(25);

pub(super) fn first_window(id: PoolId) -> usize {
    if id.probing {
        PROBING_WINDOW
    } else {
        FIRST_WINDOW
    }
}

/// A pool's connection, or why it has none.
pub(super) struct Opened {
    id: PoolId,
    spec: PoolSpec,
    gauge: Arc<Gauge>,
    way: Result<(Connection, apns::Credential), String>,
}

impl Opened {
    /// Opens the way to the device host. Nothing is connected before the first push.
    pub(super) fn new(shared: &Shared, spec: PoolSpec, gauge: Arc<Gauge>) -> Self {
        let environment = words::environment(spec.id.environment);
        let watch = Rc::new(Watch {
            id: spec.id,
            gauge: gauge.clone(),
        });
        let way = shared.tokens.credential(&spec).and_then(|credential| {
            let config = connection_config(shared, spec.id.probing);
            let endpoint = shared.config.devices(environment);
            let connection = Connection::open(&endpoint, &credential, config, watch)
                .map_err(|error| error.to_string())?;
            Ok((connection, credential))
        });
        Self {
            id: spec.id,
            spec,
            gauge,
            way,
        }
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
        clock: Arc::new(move || super::credential::system_time(clock.now())),
        ..ConnectionConfig::default()
    }
}

/// A push that waits here.
struct Waiting {
    push: Push,
    since: Instant,
}

/// A push that the connection has.
struct Sent {
    message: Arc<Message>,
    at: Instant,
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    opened: Opened,
    inbox: Arc<Inbox>,
    sink: OutcomeSink,
    waiting: VecDeque<Waiting>,
    sent: HashMap<u64, Sent>,
    dresser: Dresser,
    outcomes: Vec<PushOutcome>,
    broadcasts: Option<super::channel::Broadcasts>,
    /// Pushes waiting in the connection's own queue.
    queued: usize,
}

/// Why a turn of the loop began.
enum Woken {
    Handed,
    Answered,
    Broadcast(PushOutcome),
    Swept,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        opened: Opened,
        inbox: Arc<Inbox>,
        sink: OutcomeSink,
    ) -> Self {
        Self {
            shared,
            opened,
            inbox,
            sink,
            waiting: VecDeque::new(),
            sent: HashMap::new(),
            dresser: Dresser::default(),
            outcomes: Vec::new(),
            broadcasts: None,
            queued: 0,
        }
    }

    /// Until the pool is closed.
    pub(super) async fn run(mut self) {
        let mut handed = Vec::new();
        let mut finished = Vec::new();
        loop {
            let closing = self.inbox.take(&mut handed);
            let now = Instant::now();
            self.waiting
                .extend(handed.drain(..).map(|push| Waiting { push, since: now }));
            if let Some(within) = closing {
                return self.close(now + within).await;
            }
            self.fill(now);
            self.publish();
            self.deliver();
            match self.wait(&mut finished).await {
                Woken::Handed => {}
                Woken::Answered => self.settle(&mut finished),
                Woken::Broadcast(outcome) => self.outcomes.push(outcome),
                Woken::Swept => self.sweep(),
            }
        }
    }

    async fn wait(&mut self, finished: &mut Vec<Finished>) -> Woken {
        let has_waiting = !self.waiting.is_empty() || self.queued > 0;
        let answers = async {
            match &self.opened.way {
                Ok((connection, _)) => connection.outcomes(finished).await,
                Err(_) => std::future::pending().await,
            }
        };
        let broadcast = async {
            match &mut self.broadcasts {
                Some(broadcasts) => broadcasts.outcome().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = answers => Woken::Answered,
            outcome = broadcast => Woken::Broadcast(outcome),
            () = self.inbox.bell.notified() => Woken::Handed,
            () = tokio::time::sleep(SWEEP), if has_waiting => Woken::Swept,
        }
    }

    /// Gives the connection as many of the waiting pushes as it can carry.
    fn fill(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        let Ok((connection, _)) = &self.opened.way else {
            return self.answer_all_unusable();
        };
        let status = connection.status();
        if let Some(pause) = status.paused_for {
            return self.answer_all_paused(pause);
        }
        let room = (status.free_streams + AHEAD)
            .saturating_sub(status.queued)
            .min(connection.free_capacity());
        let mut batch = VecDeque::with_capacity(room.min(self.waiting.len()));
        let wall = self.shared.clock.now();
        while batch.len() < room {
            let Some(Waiting { push, .. }) = self.waiting.pop_front() else {
                break;
            };
            if let Some(verdict) = too_late(&push.message, wall) {
                self.outcomes.push(PushOutcome {
                    tag: push.tag,
                    outcome: outcome::unsent(verdict),
                });
                continue;
            }
            if push.message.options.channel.is_some() {
                self.broadcast(push, wall);
                continue;
            }
            match self.dresser.dress(&self.opened.spec, &push, now, wall) {
                Ok(dressed) => {
                    self.sent.insert(
                        push.tag,
                        Sent {
                            message: push.message,
                            at: now,
                        },
                    );
                    batch.push_back(dressed);
                }
                Err(outcome) => self.outcomes.push(PushOutcome {
                    tag: push.tag,
                    outcome,
                }),
            }
        }
        if let Ok((connection, _)) = &self.opened.way {
            connection.submit(&mut batch);
        }
        // The connection said that it had room, and nothing else runs on this thread meanwhile.
        for left in batch {
            self.sent.remove(&left.tag);
            self.outcomes.push(PushOutcome {
                tag: left.tag,
                outcome: outcome::unsent(Verdict::NotSent),
            });
        }
    }

    fn broadcast(&mut self, push: Push, wall: UnixMs) {
        let Ok((_, credential)) = &self.opened.way else {
            return;
        };
        let Opened { id, spec, .. } = &self.opened;
        let broadcasts = match &mut self.broadcasts {
            Some(broadcasts) => broadcasts,
            None => match super::channel::Broadcasts::open(&self.shared, *id, credential) {
                Ok(broadcasts) => self.broadcasts.insert(broadcasts),
                Err(why) => {
                    let outcome = outcome::blocked(TroubleScope::Credential, "unusable", why, None);
                    return self.outcomes.push(PushOutcome {
                        tag: push.tag,
                        outcome,
                    });
                }
            },
        };
        if let Some(outcome) = broadcasts.publish(spec, &push, wall) {
            self.outcomes.push(outcome);
        }
    }

    fn settle(&mut self, finished: &mut Vec<Finished>) {
        let now = Instant::now();
        self.outcomes.reserve(finished.len());
        let mut unreachable = None;
        for Finished {
            tag,
            result,
            connection,
            ..
        } in finished.drain(..)
        {
            // An answer that comes late was timed out before, and its push forgotten.
            let (asked, elapsed) = match self.sent.remove(&tag) {
                None => (Asked::default(), None),
                Some(sent) => (
                    asked(&self.opened.spec, &sent.message.options),
                    connection.map(|_| now - sent.at),
                ),
            };
            let is_connect = result
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::Connect);
            let outcome = outcome::of(result, connection, elapsed, asked);
            if is_connect && unreachable.is_none() {
                unreachable = Some(outcome.clone());
            }
            self.outcomes.push(PushOutcome { tag, outcome });
        }
        // The connection has given up for now; what waits behind would only try its patience again, 64 at a time.
        if let Some(outcome) = unreachable {
            self.answer_all(&outcome);
        }
    }

    /// Finds among the waiting those that were cancelled, or have waited too long.
    fn sweep(&mut self) {
        let (now, wall) = (Instant::now(), self.shared.clock.now());
        let longest = self.shared.config.queue_timeout;
        let outcomes = &mut self.outcomes;
        self.waiting.retain(|Waiting { push, since }| {
            let verdict = too_late(&push.message, wall)
                .or_else(|| (now - *since >= longest).then(|| Verdict::Blocked(outcome::stuck())));
            let Some(verdict) = verdict else { return true };
            outcomes.push(PushOutcome {
                tag: push.tag,
                outcome: outcome::unsent(verdict),
            });
            false
        });
        let Ok((connection, _)) = &self.opened.way else {
            return;
        };
        if connection.status().queued == 0 {
            return;
        }
        let sent = &mut self.sent;
        let is_cancelled = |push: &apns::Push| {
            sent.get(&push.tag)
                .is_some_and(|sent| is_cancelled(&sent.message))
        };
        for push in connection.withdraw(is_cancelled) {
            self.sent.remove(&push.tag);
            self.outcomes.push(PushOutcome {
                tag: push.tag,
                outcome: outcome::unsent(Verdict::Withdrawn),
            });
        }
    }

    fn answer_all(&mut self, outcome: &Outcome) {
        for Waiting { push, .. } in self.waiting.drain(..) {
            self.outcomes.push(PushOutcome {
                tag: push.tag,
                outcome: outcome.clone(),
            });
        }
    }

    fn answer_all_unusable(&mut self) {
        let Err(why) = &self.opened.way else { return };
        let why = why.clone();
        self.answer_all(&outcome::blocked(
            TroubleScope::Credential,
            "unusable",
            why,
            None,
        ));
    }

    fn answer_all_paused(&mut self, pause: Duration) {
        let rule = apns::Reason::TooManyProviderTokenUpdates.rule(429);
        self.answer_all(&outcome::blocked(
            TroubleScope::Gateway,
            "TooManyProviderTokenUpdates",
            rule.mend.to_owned(),
            Some(pause),
        ));
    }

    fn publish(&mut self) {
        let Ok((connection, _)) = &self.opened.way else {
            return;
        };
        let status = connection.status();
        let carried = 2 * (status.in_flight + status.free_streams);
        let first = first_window(self.opened.id);
        let window = if self.opened.id.probing {
            first
        } else {
            carried.max(first)
        };
        self.queued = status.queued;
        let broadcasts = self
            .broadcasts
            .as_ref()
            .map_or(0, super::channel::Broadcasts::len);
        let waiting = self.waiting.len() + status.queued;
        self.opened.gauge.publish(
            window,
            status.connections,
            status.in_flight + broadcasts,
            waiting,
        );
    }

    fn deliver(&mut self) {
        if !self.outcomes.is_empty() {
            (self.sink)(self.opened.id, std::mem::take(&mut self.outcomes));
        }
    }

    /// Gives back what was not written, waits for the rest, and ends.
    async fn close(mut self, deadline: Instant) {
        let give_back = |message: &Message| {
            let verdict = if is_cancelled(message) {
                Verdict::Withdrawn
            } else {
                Verdict::NotSent
            };
            outcome::unsent(verdict)
        };
        for Waiting { push, .. } in std::mem::take(&mut self.waiting) {
            let outcome = give_back(&push.message);
            self.outcomes.push(PushOutcome {
                tag: push.tag,
                outcome,
            });
        }
        if let Ok((connection, _)) = &self.opened.way {
            for push in connection.withdraw(|_| true) {
                if let Some(sent) = self.sent.remove(&push.tag) {
                    self.outcomes.push(PushOutcome {
                        tag: push.tag,
                        outcome: give_back(&sent.message),
                    });
                }
            }
        }
        self.deliver();
        let mut finished = Vec::new();
        while !self.sent.is_empty() {
            let Ok((connection, _)) = &self.opened.way else {
                break;
            };
            tokio::select! {
                biased;
                () = connection.outcomes(&mut finished) => {}
                () = connection.close(deadline) => {
                    // What was still owed is among the outcomes now, or never will be.
                    tokio::select! {
                        biased;
                        () = connection.outcomes(&mut finished) => {}
                        () = std::future::ready(()) => break,
                    }
                }
            }
            self.settle(&mut finished);
            self.deliver();
        }
        if let Some(broadcasts) = &mut self.broadcasts {
            let left = broadcasts.finish(deadline).await;
            self.outcomes.extend(left);
            self.deliver();
        }
        if let Ok((connection, _)) = &self.opened.way {
            connection.close(deadline).await;
        }
        self.opened.gauge.publish(0, 0, 0, 0);
    }
}

impl Drop for Driver {
    /// Whatever ends a pool, a panic included, leaves no push without an outcome.
    fn drop(&mut self) {
        self.inbox.close(Duration::ZERO);
        let mut handed = Vec::new();
        self.inbox.take(&mut handed);
        let waiting = self
            .waiting
            .drain(..)
            .map(|waiting| waiting.push)
            .chain(handed);
        self.outcomes.extend(waiting.map(|push| PushOutcome {
            tag: push.tag,
            outcome: outcome::unsent(Verdict::NotSent),
        }));
        self.outcomes
            .extend(self.sent.drain().map(|(tag, _)| PushOutcome {
                tag,
                outcome: outcome::unsent(Verdict::InDoubt),
            }));
        if let Some(broadcasts) = &mut self.broadcasts {
            self.outcomes.extend(broadcasts.abandon());
        }
        self.deliver();
    }
}

/// Why a push must not be written any more.
fn too_late(message: &Message, wall: UnixMs) -> Option<Verdict> {
    if is_cancelled(message) {
        return Some(Verdict::Withdrawn);
    }
    let is_expired = message
        .expires_at
        .is_some_and(|expires_at| expires_at <= wall);
    is_expired.then_some(Verdict::Expired)
}

fn is_cancelled(message: &Message) -> bool {
    message.cancelled.load(Ordering::Acquire)
}
