//! A pool's life on its I/O thread: sorts what the engine handed over by origin, has as many pushes encrypted as each
//! origin's connection can carry, writes them, and reports outcomes in bulk.
//!
//! A push waits in the line of its origin ([`Lines`]), then at an encryption thread ([`Sealers`](super::sealer::Sealers)), then in its origin's connection. It
//! goes on only when the next place has room, so that a cancelled or expired one is found before it costs anything, and again
//! before it is written. All places count towards the pool's window.
//!
//! The driver of the other gateways (`crate::driver`) has one connection and dresses pushes on the spot; this one has many,
//! each with its own pauses and failures, and work that leaves the thread.

use super::lines::{Line, Lines, Waiting};
use super::sealer::{Job, Sealed, Tray};
use super::way::{self, Batch, Way, is_soon, submit};
use super::{Shared, WebPushConfig, address::Address, outcome};
use crate::driver::{first_window, is_cancelled, too_late};
use crate::outcome::{unsent, unusable};
use crate::pool::Ends;
use crate::tags::ByTag;
use carillon_model::UnixMs;
use carillon_model::outcome::{Outcome, Verdict};
use carillon_ports::gateway::{Message, PoolSpec, Push, PushOutcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use webpush::{ErrorKind, Finished, Origin, Response, Ttl};

/// How often waiting pushes are looked at for cancels and deadlines.
const SWEEP: Duration = Duration::from_millis(25);

/// How often connections that nobody uses are looked for.
const DISMISSAL: Duration = Duration::from_secs(5);

/// How soon a push may try again whose origin could not be reached.
const OUT_OF_REACH: Duration = Duration::from_secs(5);

/// A push that is being encrypted.
struct Sealing {
    waiting: Waiting,
    origin: Origin,
}

/// A push that a connection has.
struct Sent {
    message: Arc<Message>,
    origin: Origin,
    at: Instant,
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    spec: PoolSpec,
    ends: Ends,
    /// Or why the credential makes none.
    way: Result<Way, String>,
    lines: Lines,
    tray: Arc<Tray>,
    sealing: ByTag<Sealing>,
    sent: ByTag<Sent>,
    outcomes: Vec<PushOutcome>,
    /// Pushes waiting in the connections' own queues.
    queued: usize,
    next_dismissal: Instant,
}

/// Why a turn of the loop began.
enum Woken {
    Handed,
    Answered,
    Sealed,
    Swept,
}

impl Driver {
    /// Connects nothing yet.
    pub(super) fn new(shared: Arc<Shared>, spec: PoolSpec, ends: Ends) -> Self {
        let way = Way::open(&shared, &spec, &ends.gauge);
        let (guard, named) = (shared.route.guard(), &shared.named);
        Self {
            lines: Lines::new(guard.clone(), named.clone()),
            shared,
            spec,
            ends,
            way,
            tray: Arc::default(),
            sealing: ByTag::default(),
            sent: ByTag::default(),
            outcomes: Vec::new(),
            queued: 0,
            next_dismissal: Instant::now() + DISMISSAL,
        }
    }

    /// Until the pool is closed.
    pub(super) async fn run(mut self) {
        let mut handed = Vec::new();
        let mut finished = Vec::new();
        let mut done = Vec::new();
        loop {
            let closing = self.ends.inbox.take(&mut handed);
            let now = Instant::now();
            let (outcomes, window) = (&mut self.outcomes, self.ends.gauge.window());
            self.lines
                .take(handed.drain(..), window, now, |tag, outcome| {
                    outcomes.push(PushOutcome { tag, outcome });
                });
            if let Some(within) = closing {
                return self.close(now + within).await;
            }
            self.fill();
            self.publish();
            self.deliver();
            match self.wait(&mut finished).await {
                Woken::Handed => {}
                Woken::Answered => self.settle(&mut finished),
                Woken::Sealed => {
                    self.tray.take(&mut done);
                    self.write(&mut done);
                }
                Woken::Swept => self.sweep(),
            }
        }
    }

    async fn wait(&mut self, finished: &mut Vec<Finished>) -> Woken {
        let has_waiting = self.queued > 0 || self.lines.waiting() > 0;
        let has_origins = self.way.as_ref().is_ok_and(|way| !way.origins.is_empty());
        let answers = async {
            match &self.way {
                Ok(way) => way.origins.outcomes(finished).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = answers => Woken::Answered,
            () = self.tray.bell.notified() => Woken::Sealed,
            () = self.ends.inbox.bell.notified() => Woken::Handed,
            () = tokio::time::sleep(SWEEP), if has_waiting => Woken::Swept,
            () = tokio::time::sleep_until(self.next_dismissal), if has_origins => Woken::Swept,
        }
    }

    /// Has as many of the waiting pushes encrypted as their origins' connections can carry.
    fn fill(&mut self) {
        let wall = self.shared.clock.now();
        let outcomes = &mut self.outcomes;
        let way = match &mut self.way {
            Ok(way) => way,
            Err(why) => {
                let outcome = unusable(why.clone());
                return answer(self.lines.drain(), &outcome, outcomes);
            }
        };
        let mut jobs = Vec::new();
        for (origin, line) in self.lines.with_waiting() {
            let connection = match way.origins.with_room(origin) {
                Ok(connection) => connection,
                Err(error) => {
                    if !is_soon(&error) {
                        answer(pushes(line), &outcome::no_room(&error), outcomes);
                    }
                    continue;
                }
            };
            let is_reached =
                !way::is_out_of_reach(connection, self.shared.config.pool.connect_attempts);
            let mut room = way::room(connection, line, is_reached);
            while room > 0 {
                let Some(waiting) = line.waiting.pop_front() else {
                    break;
                };
                let push = waiting.push.clone();
                if let Some(verdict) = too_late(&push.message, wall) {
                    let (tag, outcome) = (push.tag, unsent(verdict));
                    outcomes.push(PushOutcome { tag, outcome });
                    continue;
                }
                let hint = Address::parse(&push.push_token.0).map(|address| address.hint());
                let origin = origin.clone();
                self.sealing.insert(push.tag, Sealing { waiting, origin });
                line.sealing += 1;
                room -= 1;
                jobs.push(Job {
                    made_with: way.keyring.made_with(hint.unwrap_or_default()),
                    push,
                });
            }
            if !is_reached {
                // One finds out whether that has changed; the others would only wait behind it.
                answer(pushes(line), &outcome::out_of_reach(OUT_OF_REACH), outcomes);
            }
        }
        self.shared.sealers.hand_over(jobs, &self.tray);
    }

    /// Gives encrypted pushes to their connections. Those of one batch go to one origin.
    fn write(&mut self, done: &mut Vec<Sealed>) {
        let (now, wall) = (Instant::now(), self.shared.clock.now());
        let mut batch = Batch::default();
        let mut to: Option<(Origin, Result<(), webpush::Error>)> = None;
        for Sealed { tag, result } in done.drain(..) {
            // Without an entry it was given back already.
            let Some(Sealing { waiting, origin }) = self.sealing.remove(&tag) else {
                continue;
            };
            let Some(line) = self.lines.get_mut(&origin) else {
                continue;
            };
            line.sealing = line.sealing.saturating_sub(1);
            let message = &waiting.push.message;
            let sealed = result.and_then(|sealed| match too_late(message, wall) {
                Some(verdict) => Err(unsent(verdict)),
                None => Ok(sealed),
            });
            let sealed = match sealed {
                Ok(sealed) => sealed.with_ttl(ttl(&self.shared.config, message, wall)),
                Err(outcome) => {
                    self.outcomes.push(PushOutcome { tag, outcome });
                    continue;
                }
            };
            if to.as_ref().is_none_or(|(other, _)| *other != origin) {
                let room = submit(&mut self.way, to.take(), &mut batch, Some(&origin));
                to = Some((origin.clone(), room));
            }
            // It had room when this was taken, but may have asked for calm since.
            if let Some((_, Err(error))) = &to {
                if is_soon(error) {
                    line.waiting.push_front(waiting);
                } else {
                    let outcome = outcome::no_room(error);
                    self.outcomes.push(PushOutcome { tag, outcome });
                }
                continue;
            }
            let write_by = message.expires_at.map(|end| now + span(end, wall));
            batch.pushes.push_back(webpush::Push {
                tag,
                sealed,
                write_by,
            });
            line.sent += 1;
            let (message, at) = (waiting.push.message, now);
            self.sent.insert(
                tag,
                Sent {
                    message,
                    origin,
                    at,
                },
            );
        }
        // Without another origin there is no room to ask for.
        let _ = submit(&mut self.way, to, &mut batch, None);
        for tag in batch.left {
            self.forget(tag);
            self.outcomes.push(PushOutcome {
                tag,
                outcome: unsent(Verdict::NotSent),
            });
        }
    }

    /// A push that its connection does not have any more.
    fn forget(&mut self, tag: u64) -> Option<Sent> {
        let sent = self.sent.remove(&tag)?;
        if let Some(line) = self.lines.get_mut(&sent.origin) {
            line.sent = line.sent.saturating_sub(1);
        }
        Some(sent)
    }

    fn settle(&mut self, finished: &mut Vec<Finished>) {
        let now = Instant::now();
        self.outcomes.reserve(finished.len());
        for Finished {
            tag,
            result,
            connection,
            ..
        } in finished.drain(..)
        {
            let unreached = match &result {
                Err(error) if error.kind() == ErrorKind::Connect => Some(error.to_string()),
                _ => None,
            };
            // An answer that comes late was timed out before, and its push forgotten.
            let sent = self.forget(tag);
            let origin = sent.as_ref().map(|sent| &sent.origin);
            // Only a refusal or a failure asks whose it is.
            let is_accepted = matches!(result, Ok(Response::Accepted(_)));
            let is_named = !is_accepted && origin.is_some_and(|origin| self.lines.is_named(origin));
            let elapsed = sent
                .as_ref()
                .filter(|_| connection.is_some())
                .map(|sent| now - sent.at);
            let outcome = match (unreached, origin) {
                (Some(detail), Some(origin)) => {
                    let outcome = if is_named && self.way.as_ref().is_ok_and(Way::is_cut_off) {
                        outcome::cut_off(&detail)
                    } else {
                        outcome::of(result, connection, elapsed, is_named)
                    };
                    // The connection has given up for now; what waits behind would only try its patience again.
                    if let Some(line) = self.lines.get_mut(origin) {
                        answer(pushes(line), &outcome, &mut self.outcomes);
                    }
                    outcome
                }
                _ => outcome::of(result, connection, elapsed, is_named),
            };
            self.outcomes.push(PushOutcome { tag, outcome });
        }
    }

    /// Finds among the waiting those that were cancelled, or have waited too long, and connections that nobody uses.
    fn sweep(&mut self) {
        let (now, wall) = (Instant::now(), self.shared.clock.now());
        let longest = self.shared.config.queue_timeout;
        let outcomes = &mut self.outcomes;
        for (_, line) in self.lines.with_waiting() {
            line.waiting.retain(|Waiting { push, since }| {
                let is_stuck = || now - *since >= longest;
                let outcome = match too_late(&push.message, wall) {
                    Some(verdict) => unsent(verdict),
                    None if is_stuck() => outcome::stuck(),
                    None => return true,
                };
                outcomes.push(PushOutcome {
                    tag: push.tag,
                    outcome,
                });
                false
            });
        }
        let Ok(way) = &mut self.way else { return };
        if self.next_dismissal <= now {
            self.next_dismissal = now + DISMISSAL;
            way.origins.dismiss_idle(now);
            self.lines.tidy();
        }
        if way.origins.status().queued == 0 {
            return;
        }
        let sent = &self.sent;
        let cancelled = way.origins.withdraw(|push| {
            sent.get(&push.tag)
                .is_some_and(|sent| is_cancelled(&sent.message))
        });
        for push in cancelled {
            self.forget(push.tag);
            self.outcomes.push(PushOutcome {
                tag: push.tag,
                outcome: unsent(Verdict::Withdrawn),
            });
        }
    }

    fn publish(&mut self) {
        let Ok(way) = &self.way else { return };
        let status = way.origins.status();
        let carried = 2 * (status.in_flight + status.free_streams);
        self.queued = status.queued;
        let waiting = self.lines.waiting() + self.sealing.len() + status.queued;
        self.ends.gauge.publish(
            carried.max(first_window(self.spec.id)),
            status.connections,
            status.in_flight,
            waiting,
        );
    }

    fn deliver(&mut self) {
        if !self.outcomes.is_empty() {
            (self.ends.sink)(self.spec.id, std::mem::take(&mut self.outcomes));
        }
    }

    /// Gives back what was not written, waits for the rest, and ends.
    async fn close(mut self, deadline: Instant) {
        let outcomes = &mut self.outcomes;
        let mut give_back = |tag: u64, message: &Message| {
            let verdict = if is_cancelled(message) {
                Verdict::Withdrawn
            } else {
                Verdict::NotSent
            };
            outcomes.push(PushOutcome {
                tag,
                outcome: unsent(verdict),
            });
        };
        for push in self.lines.drain() {
            give_back(push.tag, &push.message);
        }
        for (tag, sealing) in self.sealing.drain() {
            give_back(tag, &sealing.waiting.push.message);
        }
        if let Ok(way) = &mut self.way {
            for push in way.origins.withdraw(|_| true) {
                if let Some(sent) = self.sent.remove(&push.tag) {
                    give_back(push.tag, &sent.message);
                }
            }
        }
        self.deliver();
        let Ok(way) = &mut self.way else { return };
        let mut closing = way.origins.close(deadline);
        let mut finished = Vec::new();
        loop {
            let Ok(way) = &self.way else { return };
            let is_over = tokio::select! {
                biased;
                () = way.origins.outcomes(&mut finished) => false,
                closed = closing.join_next() => closed.is_none(),
            };
            self.settle(&mut finished);
            self.deliver();
            if is_over {
                break;
            }
        }
        self.ends.gauge.publish(0, 0, 0, 0);
    }
}

impl Drop for Driver {
    /// Whatever ends a pool, a panic included, leaves no push without an outcome.
    fn drop(&mut self) {
        self.ends.inbox.close(Duration::ZERO);
        let mut handed = Vec::new();
        self.ends.inbox.take(&mut handed);
        let waiting = self.lines.drain().chain(handed).map(|push| push.tag);
        let sealing = self.sealing.drain().map(|(tag, _)| tag);
        let outcome = unsent(Verdict::NotSent);
        self.outcomes
            .extend(waiting.chain(sealing).map(|tag| PushOutcome {
                tag,
                outcome: outcome.clone(),
            }));
        self.outcomes
            .extend(self.sent.drain().map(|(tag, _)| PushOutcome {
                tag,
                outcome: unsent(Verdict::InDoubt),
            }));
        self.deliver();
    }
}

/// How long a push service may keep it.
fn ttl(config: &WebPushConfig, message: &Message, wall: UnixMs) -> Ttl {
    if !message.options.store_offline {
        return Ttl::NOW_OR_NEVER;
    }
    let left = message
        .expires_at
        .map_or(config.default_ttl, |end| span(end, wall));
    Ttl::from(left.min(config.max_ttl))
}

/// From now until `end`; nothing if it is over.
fn span(end: UnixMs, wall: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(end.saturating_sub(wall)).unwrap_or(0))
}

/// Takes out all that wait in a line.
fn pushes(line: &mut Line) -> impl Iterator<Item = Push> {
    line.waiting.drain(..).map(|waiting| waiting.push)
}

fn answer(pushes: impl Iterator<Item = Push>, outcome: &Outcome, outcomes: &mut Vec<PushOutcome>) {
    outcomes.extend(pushes.map(|push| PushOutcome {
        tag: push.tag,
        outcome: outcome.clone(),
    }));
}
