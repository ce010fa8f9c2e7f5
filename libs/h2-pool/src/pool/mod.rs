//! The connections to one origin and the queue in front of them.
//!
//! Connections *pull*: each takes from the queue what it has streams for, whenever it has any. So there is no assignment
//! to undo when one dies, and a batch fills one connection before it touches the next, which is what makes batches on
//! the wire large. What comes back unprocessed goes to the front again, in its old order.
//!
//! One more task, the [keeper](keeper), does what is nobody's turn.

mod keeper;
mod link;
mod queue;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout_at};

use self::keeper::keep;
pub(crate) use self::link::{Link, Phase};
use self::queue::Queue;
pub(crate) use self::queue::Queued;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::connect::Connect;
use crate::connection;
use crate::error::{Error, ErrorKind};
use crate::observer::{Event, Observer};
use crate::protocol::{ConnectionId, End, Protocol};
use crate::random::Random;

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

struct State<R> {
    queue: Queue<R>,
    links: Vec<Rc<Link>>,
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
            queue: Queue::new(),
            links: Vec::new(),
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
        let taken = self
            .0
            .state
            .borrow_mut()
            .queue
            .take(|queued| pick(&queued.request));
        taken.into_iter().map(|queued| queued.request).collect()
    }

    /// Writes nothing for so long. A later end of another pause wins.
    pub fn pause(&self, span: Duration) {
        self.0.pause(span);
    }

    /// Opens no further stream on the connections there are; new ones take over. For changed credentials.
    pub fn replace_connections(&self) {
        self.0.retire_all();
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
            let unsent = shared.state.borrow_mut().queue.take_all();
            for queued in unsent {
                shared.fail(
                    queued,
                    Error::new(ErrorKind::Closed, "closed before it could be sent"),
                );
            }
            shared.links().iter().for_each(|link| link.abort());
        }
        for link in shared
            .links()
            .iter()
            .filter(|link| link.phase.get() == Phase::Starting)
        {
            shared.abort(link.id);
        }
        shared.retire_all();
        let goodbye = Instant::now() + shared.config.close_timeout;
        if timeout_at(goodbye, shared.until(|state| state.links.is_empty()))
            .await
            .is_err()
        {
            shared.links().iter().for_each(|link| link.abort());
            // An aborted connection ends at its next turn; this only lets those turns happen.
            let last = Instant::now() + shared.config.close_timeout;
            let _ = timeout_at(last, shared.until(|state| state.links.is_empty())).await;
        }
        shared.protocol.turn_ended();
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
                state.queue.push(request, give_up_at);
            }
        }
        self.stir();
    }

    /// Gives back what was not processed: to the front, in the old order.
    pub(crate) fn requeue(&self, returned: Vec<Queued<P::Request>>) {
        let most = self.config.max_requeues;
        let spent = self.state.borrow_mut().queue.put_back(returned, most);
        for queued in spent {
            let detail = format!("not processed after {most} tries");
            self.fail(queued, Error::new(ErrorKind::Refused, detail));
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
                state.queue.pop()?
            };
            match self.overdue(&queued, now) {
                None => return Some(queued),
                Some(error) => self.fail(queued, error),
            }
        }
    }

    /// Why a request may no longer be sent, if so.
    fn overdue(&self, queued: &Queued<P::Request>, now: Instant) -> Option<Error> {
        if self
            .protocol
            .write_by(&queued.request)
            .is_some_and(|last| last <= now)
        {
            return Some(Error::new(ErrorKind::Expired, ""));
        }
        let waited = self.config.queue_timeout;
        let error = || Error::new(ErrorKind::QueueTimeout, format!("waited {waited:?}"));
        queued.is_overdue(now).then(error)
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

    fn retire_all(&self) {
        self.links()
            .iter()
            .filter(|link| link.is_taking())
            .for_each(|link| link.retire());
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
                state.queue.take_all()
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

    /// One try to make a byte stream.
    pub(crate) async fn open(&self) -> Result<Box<dyn crate::connect::Stream>, Error> {
        self.connect.connect(self.random.next()).await
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
        state.queue.take_all();
    }
}
