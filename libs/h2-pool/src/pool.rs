//! The connections to one origin and the queue in front of them.
//!
//! Connections *pull*: each takes from the queue what it has streams for, whenever it has any. So there is no assignment
//! to undo when one dies, and a batch fills one connection before it touches the next, which is what makes batches on
//! the wire large. What comes back unprocessed goes to the front again, in its old order.
//!
//! One more task, the *keeper*, does what is nobody's turn: starting connections, expiring what waits, letting idle
//! connections go.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff::Backoff;
use crate::config::Config;
use crate::connect::Connect;
use crate::connection;
use crate::error::{Error, ErrorKind};
use crate::observer::{Event, Observer};
use crate::protocol::{ConnectionId, End, Protocol};
use crate::random::Random;

/// The timer's grain: what is due and cannot be done yet is looked at again after this.
const MOMENT: Duration = Duration::from_millis(1);

/// Connections to one origin, for one [`Protocol`].
///
/// Dropping it ends its connections at once and reports nothing more; [`close`](Self::close) is the polite way.
pub struct Pool<P: Protocol>(Rc<Shared<P>>);

/// What a pool is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Connections that are ready, draining ones included.
    pub connections: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Requests waiting for a stream.
    pub queued: usize,
    /// Streams free on ready connections right now.
    pub free_streams: usize,
    /// Failed connects in a row.
    pub connect_failures: u32,
    /// How much longer nothing will be written, if the protocol asked for a pause.
    pub paused_for: Option<Duration>,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Connecting, or waiting for the first `SETTINGS`.
    Starting,
    /// Takes requests.
    Ready,
    /// Takes requests until its replacement is ready.
    Aging,
    /// Only waits for what it owes.
    Draining,
}

/// What the pool knows of one connection; shared with the task that drives it.
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) phase: Cell<Phase>,
    pub(crate) in_flight: Cell<usize>,
    pub(crate) permits: Cell<usize>,
    /// Neither trusted by its protocol yet nor by its peer's `SETTINGS`.
    pub(crate) is_on_probation: Cell<bool>,
    pub(crate) idle_since: Cell<Instant>,
    pub(crate) is_aborted: Cell<bool>,
    pub(crate) waker: RefCell<Option<Waker>>,
}

/// A request, and its life in the queue.
pub(crate) struct Queued<R> {
    pub(crate) request: R,
    sequence: u64,
    give_up_at: Instant,
    requeues: u8,
}

struct State<R> {
    queue: VecDeque<Queued<R>>,
    links: Vec<Rc<Link>>,
    next_sequence: u64,
    next_connection: ConnectionId,
    backoff: Backoff,
    /// Not before this, because connecting failed.
    connect_after: Option<Instant>,
    /// Not before this, because the last one has only just begun.
    begin_after: Instant,
    full_since: Option<Instant>,
    paused_until: Option<Instant>,
    expire_at: Instant,
    is_closing: bool,
    tasks: Vec<(ConnectionId, AbortHandle)>,
    keeper: Option<AbortHandle>,
}

pub(crate) struct Shared<P: Protocol> {
    pub(crate) protocol: Rc<P>,
    pub(crate) config: Config,
    pub(crate) observer: Rc<dyn Observer>,
    connect: Box<dyn Connect>,
    random: Random,
    bell: Notify,
    changed: Notify,
    state: RefCell<State<P::Request>>,
}

impl<P: Protocol> Pool<P> {
    /// A pool without connections; the first request brings the first one.
    ///
    /// # Panics
    /// Outside a [`tokio::task::LocalSet`].
    pub fn new(
        connect: impl Connect,
        protocol: Rc<P>,
        config: Config,
        observer: Rc<dyn Observer>,
    ) -> Self {
        let now = Instant::now();
        let state = State {
            queue: VecDeque::new(),
            links: Vec::new(),
            next_sequence: 0,
            next_connection: 1,
            backoff: Backoff::new(config.backoff_min, config.backoff_max),
            connect_after: None,
            begin_after: now,
            full_since: None,
            paused_until: None,
            expire_at: now,
            is_closing: false,
            tasks: Vec::new(),
            keeper: None,
        };
        let shared = Rc::new(Shared {
            protocol,
            random: Random::new(config.seed),
            config,
            observer,
            connect: Box::new(connect),
            bell: Notify::new(),
            changed: Notify::new(),
            state: RefCell::new(state),
        });
        let keeper = spawn_local(keep(shared.clone())).abort_handle();
        shared.state.borrow_mut().keeper = Some(keeper);
        Self(shared)
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.0.protocol
    }

    /// How many requests [`submit`](Self::submit) would take now.
    pub fn free_capacity(&self) -> usize {
        let state = self.0.state.borrow();
        if state.is_closing || state.is_paused(Instant::now()) {
            return 0;
        }
        self.0
            .config
            .queue_capacity
            .max(1)
            .saturating_sub(state.queue.len())
    }

    /// Takes requests from the front of `requests`, as many as fit, and says how many.
    pub fn submit<R: Into<P::Request>>(&self, requests: &mut VecDeque<R>) -> usize {
        let count = requests.len().min(self.free_capacity());
        if count > 0 {
            self.0.enqueue(requests.drain(..count).map(Into::into));
        }
        count
    }

    /// Takes back the requests waiting for a stream of which `pick` says so. None of them was processed.
    pub fn withdraw(&self, mut pick: impl FnMut(&P::Request) -> bool) -> Vec<P::Request> {
        let mut state = self.0.state.borrow_mut();
        let mut taken = Vec::new();
        for queued in std::mem::take(&mut state.queue) {
            if pick(&queued.request) {
                taken.push(queued.request)
            } else {
                state.queue.push_back(queued)
            }
        }
        taken
    }

    /// Writes nothing for so long. A later end of another pause wins.
    pub fn pause(&self, span: Duration) {
        self.0.pause(span);
    }

    /// Opens no further stream on the connections there are; new ones take over. For changed credentials.
    pub fn replace_connections(&self) {
        self.0.retire(|_| true);
    }

    /// What the pool is doing.
    pub fn status(&self) -> Status {
        let state = self.0.state.borrow();
        let ready = || {
            state
                .links
                .iter()
                .filter(|link| link.phase.get() != Phase::Starting)
        };
        let now = Instant::now();
        Status {
            connections: ready().count(),
            in_flight: state.links.iter().map(|link| link.in_flight.get()).sum(),
            queued: state.queue.len(),
            free_streams: state.links.iter().map(|link| link.free()).sum(),
            connect_failures: state.backoff.failures(),
            paused_for: state
                .paused_until
                .filter(|&until| until > now)
                .map(|until| until - now),
        }
    }

    /// Takes no more requests, waits until all have ended, and closes the connections.
    ///
    /// What still waits at `deadline` is reported as [`Closed`](ErrorKind::Closed), what is still in flight as
    /// [`ConnectionLost`](ErrorKind::ConnectionLost).
    pub async fn close(&self, deadline: Instant) {
        let shared = &self.0;
        shared.state.borrow_mut().is_closing = true;
        let is_quiet = |state: &State<P::Request>| {
            state.queue.is_empty() && state.links.iter().all(|link| link.in_flight.get() == 0)
        };
        let answered = timeout_at(deadline, shared.until(is_quiet)).await;
        if answered.is_err() {
            let unsent = std::mem::take(&mut shared.state.borrow_mut().queue);
            for queued in unsent {
                shared.fail(
                    queued,
                    Error::new(ErrorKind::Closed, "closed before it could be sent"),
                );
            }
            for link in shared.links() {
                link.is_aborted.set(true);
                link.wake();
            }
        }
        let starting: Vec<_> = shared
            .links()
            .into_iter()
            .filter(|link| link.phase.get() == Phase::Starting)
            .collect();
        for link in starting {
            shared.abort(link.id);
        }
        shared.retire(|_| true);
        let goodbye = Instant::now() + shared.config.close_timeout;
        if timeout_at(goodbye, shared.until(|state| state.links.is_empty()))
            .await
            .is_err()
        {
            for link in shared.links() {
                link.is_aborted.set(true);
                link.wake();
            }
            // An aborted connection ends at its next turn; this only lets those turns happen.
            let last = Instant::now() + shared.config.close_timeout;
            let _ = timeout_at(last, shared.until(|state| state.links.is_empty())).await;
        }
        shared.protocol.turn_ended();
    }
}

impl Link {
    /// Streams it could open now.
    pub(crate) fn free(&self) -> usize {
        match self.phase.get() {
            Phase::Ready | Phase::Aging => self.permits.get().saturating_sub(self.in_flight.get()),
            Phase::Starting | Phase::Draining => 0,
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl<R> State<R> {
    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// The earliest moment for the next connection.
    fn next_connect(&self) -> Instant {
        self.connect_after
            .map_or(self.begin_after, |after| after.max(self.begin_after))
    }

    fn count(&self, phase: Phase) -> usize {
        self.links
            .iter()
            .filter(|link| link.phase.get() == phase)
            .count()
    }
}

impl<P: Protocol> Shared<P> {
    fn links(&self) -> Vec<Rc<Link>> {
        self.state.borrow().links.clone()
    }

    /// Waits until `condition` holds of the state.
    async fn until(&self, condition: impl Fn(&State<P::Request>) -> bool) {
        loop {
            let changed = self.changed.notified();
            if condition(&self.state.borrow()) {
                return;
            }
            changed.await;
        }
    }

    fn enqueue(&self, requests: impl Iterator<Item = P::Request>) {
        let give_up_at = Instant::now() + self.config.queue_timeout;
        {
            let mut state = self.state.borrow_mut();
            for request in requests {
                let sequence = state.next_sequence;
                state.next_sequence += 1;
                state.queue.push_back(Queued {
                    request,
                    sequence,
                    give_up_at,
                    requeues: 0,
                });
            }
        }
        self.stir();
    }

    /// Gives back what was not processed: to the front, in the old order.
    pub(crate) fn requeue(&self, mut returned: Vec<Queued<P::Request>>) {
        let most = self.config.max_requeues;
        let mut spent = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            returned.sort_unstable_by_key(|queued| std::cmp::Reverse(queued.sequence));
            for mut queued in returned {
                if queued.requeues >= most {
                    spent.push(queued);
                    continue;
                }
                queued.requeues += 1;
                let place = state
                    .queue
                    .iter()
                    .take_while(|other| other.sequence < queued.sequence)
                    .count();
                state.queue.insert(place, queued);
            }
        }
        for queued in spent {
            self.fail(
                queued,
                Error::new(
                    ErrorKind::Refused,
                    format!("not processed after {most} tries"),
                ),
            );
        }
        self.stir();
    }

    /// Wakes as many connections as the queue has work for, and the keeper if that is not enough.
    fn stir(&self) {
        let now = Instant::now();
        let state = self.state.borrow();
        if state.is_paused(now) {
            return;
        }
        let mut waiting = state.queue.len();
        for link in &state.links {
            if waiting == 0 {
                return;
            }
            let free = link.free();
            if free > 0 {
                link.wake();
                waiting = waiting.saturating_sub(free);
            }
        }
        if waiting > 0 && state.full_since.is_none() {
            self.bell.notify_one();
        }
    }

    /// The next request for a connection with a free stream.
    pub(crate) fn pull(&self, now: Instant) -> Option<Queued<P::Request>> {
        loop {
            let queued = {
                let mut state = self.state.borrow_mut();
                if state.is_paused(now) {
                    return None;
                }
                state.queue.pop_front()?
            };
            match self.overdue(&queued, now) {
                None => return Some(queued),
                Some(error) => self.fail(queued, error),
            }
        }
    }

    fn overdue(&self, queued: &Queued<P::Request>, now: Instant) -> Option<Error> {
        if self
            .protocol
            .write_by(&queued.request)
            .is_some_and(|last| last <= now)
        {
            return Some(Error::new(ErrorKind::Expired, ""));
        }
        let waited = self.config.queue_timeout;
        (queued.give_up_at <= now)
            .then(|| Error::new(ErrorKind::QueueTimeout, format!("waited {waited:?}")))
    }

    /// Reports a request that was never sent.
    pub(crate) fn fail(&self, mut queued: Queued<P::Request>, error: Error) {
        self.protocol.finish(
            &mut queued.request,
            End {
                result: Err(error),
                connection: None,
                late: false,
            },
        );
    }

    pub(crate) fn pause(&self, span: Duration) {
        let until = Instant::now() + span;
        let mut state = self.state.borrow_mut();
        if state.paused_until.is_none_or(|known| known < until) {
            state.paused_until = Some(until);
        }
        drop(state);
        self.bell.notify_one();
    }

    fn retire(&self, pick: impl Fn(&Link) -> bool) {
        for link in self.links() {
            if matches!(link.phase.get(), Phase::Ready | Phase::Aging) && pick(&link) {
                link.phase.set(Phase::Draining);
                link.wake();
            }
        }
        self.bell.notify_one();
    }

    fn abort(&self, id: ConnectionId) {
        let mut state = self.state.borrow_mut();
        if let Some(at) = state.tasks.iter().position(|(task, _)| *task == id) {
            state.tasks.swap_remove(at).1.abort();
        }
        state.links.retain(|link| link.id != id);
    }

    /// A connection has had its turn.
    pub(crate) fn turn_ended(&self, now: Instant) {
        self.note_fullness(now);
        self.protocol.turn_ended();
        if self.state.borrow().is_closing {
            self.changed.notify_waiters();
        }
    }

    fn note_fullness(&self, now: Instant) {
        let mut state = self.state.borrow_mut();
        let takes = |link: &&Rc<Link>| matches!(link.phase.get(), Phase::Ready | Phase::Aging);
        let is_full = !state.queue.is_empty()
            && state.links.iter().any(|link| takes(&link))
            && state
                .links
                .iter()
                .filter(takes)
                .all(|link| link.free() == 0 && !link.is_on_probation.get());
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

    /// A connection has become ready.
    pub(crate) fn connected(&self, link: &Link, took: Duration) {
        link.phase.set(Phase::Ready);
        self.state.borrow_mut().connect_after = None;
        self.observer.observe(&Event::Connected {
            connection: link.id,
            took,
        });
        self.bell.notify_one();
    }

    /// A connection answered: connecting is no longer in trouble.
    pub(crate) fn proved_useful(&self) {
        let mut state = self.state.borrow_mut();
        state.backoff.reset();
        state.connect_after = None;
    }

    /// The peer asked for calm: the next connect waits as after a failure.
    pub(crate) fn back_off(&self) {
        let mut state = self.state.borrow_mut();
        let wait = state.backoff.next_wait(self.random.unit());
        state.connect_after = Some(Instant::now() + wait);
    }

    /// Asks the keeper to look again.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Counts a failure to get a useful connection, and hands the queue back when there have been too many.
    pub(crate) fn connect_failed(&self, error: &Error) {
        let now = Instant::now();
        let unsent = {
            let mut state = self.state.borrow_mut();
            let retry_in = state.backoff.next_wait(self.random.unit());
            state.connect_after = Some(now + retry_in);
            let failures = state.backoff.failures();
            let is_alone = state.count(Phase::Ready) + state.count(Phase::Aging) == 0;
            let give_up = is_alone && failures >= self.config.connect_attempts;
            let unsent = if give_up {
                std::mem::take(&mut state.queue)
            } else {
                VecDeque::new()
            };
            drop(state);
            self.observer.observe(&Event::ConnectFailed {
                error,
                failures,
                retry_in,
            });
            unsent
        };
        for queued in unsent {
            self.fail(queued, Error::new(ErrorKind::Connect, error.detail()));
        }
        self.protocol.turn_ended();
        self.bell.notify_one();
        self.changed.notify_waiters();
    }

    /// A connection is no more.
    pub(crate) fn disconnected(&self, id: ConnectionId) {
        {
            let mut state = self.state.borrow_mut();
            state.links.retain(|link| link.id != id);
            state.tasks.retain(|(task, _)| *task != id);
        }
        self.protocol.disconnected(id);
        self.note_fullness(Instant::now());
        self.bell.notify_one();
        self.changed.notify_waiters();
    }

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
            let is_due = |queued: &Queued<P::Request>| self.overdue(queued, now).is_some();
            if !state.queue.iter().any(is_due) {
                return;
            }
            let mut overdue = Vec::new();
            for queued in std::mem::take(&mut state.queue) {
                if is_due(&queued) {
                    overdue.push(queued)
                } else {
                    state.queue.push_back(queued)
                }
            }
            overdue
        };
        for queued in overdue {
            let error = self
                .overdue(&queued, now)
                .unwrap_or_else(|| Error::new(ErrorKind::QueueTimeout, ""));
            self.fail(queued, error);
        }
        self.protocol.turn_ended();
        self.changed.notify_waiters();
    }

    fn replace_aging(&self) {
        let has_young = self.state.borrow().count(Phase::Ready) > 0;
        if has_young {
            for link in self
                .links()
                .into_iter()
                .filter(|link| link.phase.get() == Phase::Aging)
            {
                link.phase.set(Phase::Draining);
                link.wake();
            }
        }
    }

    fn release_idle(&self, now: Instant) {
        let mut ready: Vec<_> = self
            .links()
            .into_iter()
            .filter(|link| link.phase.get() == Phase::Ready)
            .collect();
        while ready.len() > 1 {
            let is_idle = |link: &Rc<Link>| {
                link.in_flight.get() == 0 && link.idle_since.get() + self.config.idle_timeout <= now
            };
            let Some(at) = ready.iter().rposition(is_idle) else {
                break;
            };
            let link = ready.remove(at);
            link.phase.set(Phase::Draining);
            link.wake();
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
        let link = Rc::new(Link {
            id: state.next_connection,
            phase: Cell::new(Phase::Starting),
            in_flight: Cell::new(0),
            permits: Cell::new(0),
            is_on_probation: Cell::new(true),
            idle_since: Cell::new(now),
            is_aborted: Cell::new(false),
            waker: RefCell::new(None),
        });
        state.next_connection += 1;
        state.links.push(link.clone());
        let task = spawn_local(run(self.clone(), link.clone())).abort_handle();
        state.tasks.push((link.id, task));
    }

    /// One try to make a byte stream.
    pub(crate) async fn open(&self) -> Result<Box<dyn crate::connect::Stream>, Error> {
        self.connect.connect(self.random.next()).await
    }
}

/// The keeper.
async fn keep<P: Protocol>(shared: Rc<Shared<P>>) {
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

/// The life of one connection.
async fn run<P: Protocol>(shared: Rc<Shared<P>>, link: Rc<Link>) {
    match connection::drive(&shared, &link).await {
        Ok((cause, requests)) => shared.observer.observe(&Event::Closed {
            connection: link.id,
            cause,
            requests,
        }),
        Err(error) => shared.connect_failed(&error),
    }
    shared.disconnected(link.id);
}

// === impl Pool ===

impl<P: Protocol> Drop for Pool<P> {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        for (_, task) in state.tasks.drain(..) {
            task.abort();
        }
        if let Some(keeper) = state.keeper.take() {
            keeper.abort();
        }
        state.queue.clear();
    }
}
