//! Outcomes on their way to whoever waits for them.

use std::cell::RefCell;
use std::task::{Context, Poll, Waker};

use crate::connection::Finished;

#[derive(Default)]
pub(crate) struct Outbox {
    finished: RefCell<Vec<Finished>>,
    waiting: RefCell<Option<Waker>>,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.finished.borrow().len()
    }

    pub(crate) fn push(&self, finished: Finished) {
        self.finished.borrow_mut().push(finished);
    }

    /// Wakes whoever waits, if there is something.
    pub(crate) fn deliver(&self) {
        if self.finished.borrow().is_empty() {
            return;
        }
        let waiting = self.waiting.borrow_mut().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    pub(crate) fn drain(&self, into: &mut Vec<Finished>) {
        into.append(&mut self.finished.borrow_mut());
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>, into: &mut Vec<Finished>) -> Poll<()> {
        let mut finished = self.finished.borrow_mut();
        if finished.is_empty() {
            *self.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        into.append(&mut finished);
        Poll::Ready(())
    }
}
