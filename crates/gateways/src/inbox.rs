//! Pushes on their way to an I/O thread, and the word that there will be no more.

use carillon_ports::gateway::Push;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::Notify;

/// Between whoever submits and the thread that sends.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
    /// Rung when there is something to take.
    pub(crate) bell: Notify,
}

#[derive(Default)]
struct InboxState {
    pushes: Vec<Push>,
    /// No more are taken; what is in flight may take so long.
    close_within: Option<Duration>,
}

impl Inbox {
    /// Appends what was handed over to `pushes`. `Some`: the pool is closing.
    pub(crate) fn take(&self, pushes: &mut Vec<Push>) -> Option<Duration> {
        let mut state = self.state.lock();
        if pushes.is_empty() {
            std::mem::swap(pushes, &mut state.pushes);
        } else {
            pushes.append(&mut state.pushes);
        }
        state.close_within
    }

    /// Gives them back if the pool is closing.
    pub(crate) fn put(&self, mut pushes: Vec<Push>) -> Result<(), Vec<Push>> {
        let mut state = self.state.lock();
        if state.close_within.is_some() {
            return Err(pushes);
        }
        if state.pushes.is_empty() {
            state.pushes = pushes;
        } else {
            state.pushes.append(&mut pushes);
        }
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// Takes no more.
    pub(crate) fn close(&self, within: Duration) {
        let mut state = self.state.lock();
        let sooner = state.close_within.map_or(within, |set| set.min(within));
        state.close_within = Some(sooner);
        drop(state);
        self.bell.notify_one();
    }
}
