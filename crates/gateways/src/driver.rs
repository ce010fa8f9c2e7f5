//! A pool's life on its I/O thread: takes what the engine handed over, checks at the last moment whether
//! it may still be sent, keeps the connection's streams full, and reports outcomes in bulk. The same for
//! every gateway; what differs is its [`Wire`].
//!
//! Pushes wait here rather than in the connection, so that a cancelled or expired one is found before it is
//! written and not after; the connection's own queue holds no more than [`AHEAD`].

use super::outcome;
use super::pool::Ends;
use super::tags::ByTag;
use super::wire::{Dressed, Wire};
use carillon_model::UnixMs;
use carillon_model::outcome::{Outcome, Verdict};
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{Message, PoolId, Push, PushOutcome};
use std::collections::VecDeque;
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

/// Window of a pool before it has connected.
pub(crate) fn first_window(id: PoolId) -> usize {
    if id.probing {
        PROBING_WINDOW
    } else {
        FIRST_WINDOW
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

/// Drives one wire.
pub(crate) struct Driver<W: Wire> {
    id: PoolId,
    way: Result<W, String>,
    clock: Arc<dyn Clock>,
    queue_timeout: Duration,
    ends: Ends,
    waiting: VecDeque<Waiting>,
    sent: ByTag<Sent>,
    outcomes: Vec<PushOutcome>,
    /// Pushes waiting in the connection's own queue.
    queued: usize,
}

/// Why a turn of the loop began.
enum Woken {
    Handed,
    Answered,
    Swept,
}

impl<W: Wire> Driver<W> {
    /// `way` is the wire, or a sentence that says why the credential makes none. `queue_timeout` is the longest wait of a
    /// push for a stream.
    pub(crate) fn new(
        id: PoolId,
        way: Result<W, String>,
        clock: Arc<dyn Clock>,
        queue_timeout: Duration,
        ends: Ends,
    ) -> Self {
        Self {
            id,
            way,
            clock,
            queue_timeout,
            ends,
            waiting: VecDeque::new(),
            sent: ByTag::default(),
            outcomes: Vec::new(),
            queued: 0,
        }
    }

    /// Until the pool is closed.
    pub(crate) async fn run(mut self) {
        let mut handed = Vec::new();
        let mut finished = Vec::new();
        loop {
            let closing = self.ends.inbox.take(&mut handed);
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
                Woken::Swept => self.sweep(),
            }
        }
    }

    async fn wait(&mut self, finished: &mut Vec<W::Finished>) -> Woken {
        let has_waiting = !self.waiting.is_empty() || self.queued > 0;
        let (way, outcomes, inbox) = (&mut self.way, &mut self.outcomes, &self.ends.inbox);
        let answers = async {
            match way {
                Ok(wire) => wire.ended(finished, outcomes).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = answers => Woken::Answered,
            () = inbox.bell.notified() => Woken::Handed,
            () = tokio::time::sleep(SWEEP), if has_waiting => Woken::Swept,
        }
    }

    /// Gives the connection as many of the waiting pushes as it can carry.
    fn fill(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        let wire = match &mut self.way {
            Ok(wire) => wire,
            Err(why) => {
                let outcome = outcome::unusable(why.clone());
                return self.answer_all(&outcome);
            }
        };
        let status = wire.status();
        if let Some(pause) = status.paused_for {
            let outcome = wire.paused(pause);
            return self.answer_all(&outcome);
        }
        let room = (status.free_streams + AHEAD)
            .saturating_sub(status.queued)
            .min(wire.free_capacity());
        let mut batch = VecDeque::with_capacity(room.min(self.waiting.len()));
        let wall = self.clock.now();
        while batch.len() < room {
            let Some(Waiting { push, .. }) = self.waiting.pop_front() else {
                break;
            };
            let refused = match too_late(&push.message, wall) {
                Some(verdict) => outcome::unsent(verdict),
                None => match wire.dress(&push, now, wall) {
                    Ok(Dressed::Aside) => continue,
                    Ok(Dressed::Ready(dressed)) => {
                        let Push { tag, message, .. } = push;
                        self.sent.insert(tag, Sent { message, at: now });
                        batch.push_back(dressed);
                        continue;
                    }
                    Err(outcome) => outcome,
                },
            };
            self.outcomes.push(PushOutcome {
                tag: push.tag,
                outcome: refused,
            });
        }
        wire.submit(&mut batch);
        // The connection said that it had room, and nothing else runs on this thread meanwhile.
        for left in batch {
            let tag = W::tag(&left);
            self.sent.remove(&tag);
            self.outcomes.push(PushOutcome {
                tag,
                outcome: outcome::unsent(Verdict::NotSent),
            });
        }
    }

    fn settle(&mut self, finished: &mut Vec<W::Finished>) {
        let Ok(wire) = &self.way else { return };
        let now = Instant::now();
        self.outcomes.reserve(finished.len());
        let mut unreachable = None;
        for ended in finished.drain(..) {
            let tag = W::tag_of(&ended);
            // An answer that comes late was timed out before, and its push forgotten.
            let sent = self.sent.remove(&tag);
            let asked = sent.as_ref().map(|sent| (&*sent.message, now - sent.at));
            let judged = wire.judge(ended, asked);
            if judged.is_unreachable && unreachable.is_none() {
                unreachable = Some(judged.outcome.clone());
            }
            self.outcomes.push(PushOutcome {
                tag,
                outcome: judged.outcome,
            });
        }
        // The connection has given up for now; what waits behind would only try its patience again, 64 at a time.
        if let Some(outcome) = unreachable {
            self.answer_all(&outcome);
        }
    }

    /// Finds among the waiting those that were cancelled, or have waited too long.
    fn sweep(&mut self) {
        let (now, wall) = (Instant::now(), self.clock.now());
        let longest = self.queue_timeout;
        let outcomes = &mut self.outcomes;
        self.waiting.retain(|Waiting { push, since }| {
            let is_stuck = || now - *since >= longest;
            let verdict = too_late(&push.message, wall)
                .or_else(|| is_stuck().then(|| Verdict::Blocked(outcome::stuck(W::NAME))));
            let Some(verdict) = verdict else { return true };
            outcomes.push(PushOutcome {
                tag: push.tag,
                outcome: outcome::unsent(verdict),
            });
            false
        });
        let Ok(wire) = &mut self.way else { return };
        if wire.status().queued == 0 {
            return;
        }
        let sent = &mut self.sent;
        let is_cancelled = |tag: u64| {
            sent.get(&tag)
                .is_some_and(|sent| is_cancelled(&sent.message))
        };
        for tag in wire.withdraw(is_cancelled) {
            self.sent.remove(&tag);
            self.outcomes.push(PushOutcome {
                tag,
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

    fn publish(&mut self) {
        let Ok(wire) = &self.way else { return };
        let status = wire.status();
        let carried = 2 * (status.in_flight + status.free_streams);
        let first = first_window(self.id);
        let window = if self.id.probing {
            first
        } else {
            carried.max(first)
        };
        self.queued = status.queued;
        let waiting = self.waiting.len() + status.queued;
        self.ends.gauge.publish(
            window,
            status.connections,
            status.in_flight + status.aside,
            waiting,
        );
    }

    fn deliver(&mut self) {
        if !self.outcomes.is_empty() {
            (self.ends.sink)(self.id, std::mem::take(&mut self.outcomes));
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
        if let Ok(wire) = &mut self.way {
            for tag in wire.withdraw(|_| true) {
                if let Some(sent) = self.sent.remove(&tag) {
                    self.outcomes.push(PushOutcome {
                        tag,
                        outcome: give_back(&sent.message),
                    });
                }
            }
        }
        self.deliver();
        let mut finished = Vec::new();
        while !self.sent.is_empty() {
            let Ok(wire) = &self.way else { break };
            tokio::select! {
                biased;
                () = wire.answers(&mut finished) => {}
                () = wire.close(deadline) => {
                    // What was still owed is among the outcomes now, or never will be.
                    tokio::select! {
                        biased;
                        () = wire.answers(&mut finished) => {}
                        () = std::future::ready(()) => break,
                    }
                }
            }
            self.settle(&mut finished);
            self.deliver();
        }
        if let Ok(wire) = &mut self.way {
            let left = wire.finish_aside(deadline).await;
            self.outcomes.extend(left);
            wire.close(deadline).await;
        }
        self.deliver();
        self.ends.gauge.publish(0, 0, 0, 0);
    }
}

impl<W: Wire> Drop for Driver<W> {
    /// Whatever ends a pool, a panic included, leaves no push without an outcome.
    fn drop(&mut self) {
        self.ends.inbox.close(Duration::ZERO);
        let mut handed = Vec::new();
        self.ends.inbox.take(&mut handed);
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
        if let Ok(wire) = &mut self.way {
            self.outcomes.extend(wire.abandon_aside());
        }
        self.deliver();
    }
}

/// Why a push must not be written any more.
pub(crate) fn too_late(message: &Message, wall: UnixMs) -> Option<Verdict> {
    if is_cancelled(message) {
        return Some(Verdict::Withdrawn);
    }
    let is_expired = message
        .expires_at
        .is_some_and(|expires_at| expires_at <= wall);
    is_expired.then_some(Verdict::Expired)
}

/// Whether its notification was cancelled.
pub(crate) fn is_cancelled(message: &Message) -> bool {
    message.cancelled.load(Ordering::Acquire)
}
