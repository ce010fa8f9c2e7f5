//! What a pool knows of one connection; shared with the task that drives it.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use tokio::time::Instant;

use crate::protocol::ConnectionId;

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

impl Link {
    pub(crate) fn starting(id: ConnectionId, now: Instant) -> Self {
        Self {
            id,
            phase: Cell::new(Phase::Starting),
            in_flight: Cell::new(0),
            permits: Cell::new(0),
            is_on_probation: Cell::new(true),
            idle_since: Cell::new(now),
            is_aborted: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// Whether it takes requests.
    pub(crate) fn is_taking(&self) -> bool {
        matches!(self.phase.get(), Phase::Ready | Phase::Aging)
    }

    /// Lets it take no more requests.
    pub(crate) fn retire(&self) {
        self.phase.set(Phase::Draining);
        self.wake();
    }

    /// Ends it at its next turn.
    pub(crate) fn abort(&self) {
        self.is_aborted.set(true);
        self.wake();
    }

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
