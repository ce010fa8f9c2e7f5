//! The keeper: one task that does what is nobody's turn. It starts connections, expires what waits, replaces the aged and
//! lets the idle go. It sleeps until the next of these is due, or somebody rings.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use super::link::{Link, Phase};
use super::{Shared, run};
use crate::error::{Error, ErrorKind};
use crate::protocol::Protocol;

/// The timer's grain: what is due and cannot be done yet is looked at again after this.
const MOMENT: Duration = Duration::from_millis(1);

/// The keeper.
pub(super) async fn keep<P: Protocol>(shared: Rc<Shared<P>>) {
    loop {
        let now = Instant::now();
        let mut next = shared.chores(now);
        {
            let state = shared.state.borrow();
            if state.next_connect() > now {
                next = next.min(state.next_connect());
            }
            if let Some(since) = state.full_since {
                next = next.min((since + shared.config.grow_after).max(now + MOMENT));
            }
        }
        tokio::select! {
            () = shared.bell.notified() => {}
            () = sleep_until(next) => shared.stir(),
        }
    }
}

impl<P: Protocol> Shared<P> {
    /// The keeper's work; returns when to come again.
    fn chores(self: &Rc<Self>, now: Instant) -> Instant {
        self.expire(now);
        self.replace_aging();
        self.release_idle(now);
        self.start_if_needed(now);

        let state = self.state.borrow();
        let far = now + Duration::from_secs(3600);
        let mut next = far;
        if !state.queue.is_empty() {
            next = next.min(now + self.config.sweep_interval.max(MOMENT));
        }
        if let Some(until) = state.paused_until.filter(|&until| until > now) {
            next = next.min(until);
        }
        if state.count(Phase::Ready) > 1 {
            for link in state.links.iter().filter(|link| link.in_flight.get() == 0) {
                next =
                    next.min((link.idle_since.get() + self.config.idle_timeout).max(now + MOMENT));
            }
        }
        next
    }

    fn expire(&self, now: Instant) {
        let overdue = {
            let mut state = self.state.borrow_mut();
            if state.queue.is_empty() || now < state.expire_at {
                return;
            }
            state.expire_at = now + self.config.sweep_interval;
            state
                .queue
                .take(|queued| self.overdue(queued, now).is_some())
        };
        if overdue.is_empty() {
            return;
        }
        for queued in overdue {
            let error = self.overdue(&queued, now);
            self.fail(
                queued,
                error.unwrap_or_else(|| Error::new(ErrorKind::QueueTimeout, "")),
            );
        }
        self.protocol.turn_ended();
        self.changed.notify_waiters();
    }

    fn replace_aging(&self) {
        if self.state.borrow().count(Phase::Ready) > 0 {
            let links = self.links();
            links
                .iter()
                .filter(|link| link.phase.get() == Phase::Aging)
                .for_each(|link| link.retire());
        }
    }

    fn release_idle(&self, now: Instant) {
        let mut ready = self.links();
        ready.retain(|link| link.phase.get() == Phase::Ready);
        while ready.len() > 1 {
            let is_idle = |link: &Rc<Link>| {
                link.in_flight.get() == 0 && link.idle_since.get() + self.config.idle_timeout <= now
            };
            let Some(at) = ready.iter().rposition(is_idle) else {
                break;
            };
            ready.remove(at).retire();
        }
    }

    fn start_if_needed(self: &Rc<Self>, now: Instant) {
        self.note_fullness(now);
        let mut state = self.state.borrow_mut();
        let ready = state.count(Phase::Ready);
        let aging = state.count(Phase::Aging);
        if state.count(Phase::Starting) > 0
            || state.is_paused(now)
            || (state.is_closing && state.queue.is_empty())
        {
            return;
        }
        let is_needed = if ready + aging == 0 {
            !state.queue.is_empty()
        } else if ready == 0 {
            true
        } else {
            ready + aging < self.config.max_connections.max(1)
                && state
                    .full_since
                    .is_some_and(|since| since + self.config.grow_after <= now)
        };
        if !is_needed || state.next_connect() > now {
            return;
        }
        state.full_since = None;
        state.begin_after = now + self.config.connect_interval;
        let link = Rc::new(Link::starting(state.next_connection, now));
        state.next_connection += 1;
        state.links.push(link.clone());
        let task = spawn_local(run(self.clone(), link.clone())).abort_handle();
        state.tasks.push((link.id, task));
    }

    /// Notes since when streams have been the bottleneck.
    pub(super) fn note_fullness(&self, now: Instant) {
        let mut state = self.state.borrow_mut();
        let mut taking = state
            .links
            .iter()
            .filter(|link| link.is_taking())
            .peekable();
        let is_full = !state.queue.is_empty()
            && taking.peek().is_some()
            && taking.all(|link| link.free() == 0 && !link.is_on_probation.get());
        match (is_full, state.full_since) {
            (true, None) => {
                state.full_since = Some(now);
                drop(state);
                self.bell.notify_one();
            }
            (false, Some(_)) => state.full_since = None,
            _ => {}
        }
    }
}
