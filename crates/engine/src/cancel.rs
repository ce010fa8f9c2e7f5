//! Cancel: the mark in the store, then everybody who holds work of the notification. Other processes hear
//! of it by their looks at the store ([`crate::peers`]).
//!
//! Held work is this process' memory: what waits ends at once, what is being read ends when the read
//! is back, and the pools take back what they did not write. Only when nothing of it is in memory any
//! more is the cancel confirmed: nothing more of it will be written.

use crate::core::{Core, Tombstone};
use crate::job::Step;
use crate::moment::{Moment, ms};
use crate::request::CancelAnswer;
use crate::service::Shared;
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_ports::fault::{self, Bug};
use carillon_ports::store::{NotificationView, StoreError};
use std::sync::Weak;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether other processes have let go of something.
const LET_GO_LOOK: Duration = Duration::from_millis(50);

impl Shared {
    pub(crate) async fn cancel(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<CancelAnswer>, StoreError> {
        let store = &self.hub.parts.store;
        let deadline = Instant::now() + ms(self.hub.parts.config.cancel_wait_ms);
        let now = self.hub.parts.clock.now();
        let Some(mark) = store.cancel(app, no, now).await? else {
            return Ok(None);
        };
        self.hub.wake_others();
        let mut confirmed = true;
        if !fault::planted(Bug::IgnoreCancel) {
            self.core.lock().cancel(no, self.hub.moment());
            self.hub.bells.dispatch.notify_one();
            confirmed = self.until(deadline, |core| !core.holds(no)).await;
            // For the figures of the answer; the confirmation does not depend on it.
            self.until(deadline, |core| !core.is_settling(no)).await;
            confirmed &= self.left_elsewhere(no, deadline).await? == 0;
        }
        let view = store.notification(app, no).await?;
        // It may have completed the notification.
        self.hub.tell();
        let (not_sent, sent) = view.as_ref().map_or((mark.not_sent, 0), figures);
        Ok(Some(CancelAnswer {
            not_sent,
            sent,
            confirmed,
        }))
    }
}

impl Shared {
    /// Waits until no other process holds work of a notification, which they hear of with their next look, at most until
    /// `deadline`. Returns how many deliveries they hold then.
    pub(crate) async fn left_elsewhere(
        &self,
        no: NotificationNo,
        deadline: Instant,
    ) -> Result<u64, StoreError> {
        let store = &self.hub.parts.instances.store;
        if !store.is_shared() {
            return Ok(0);
        }
        loop {
            let left = store.held_elsewhere(no).await?;
            if left == 0 || Instant::now() >= deadline {
                return Ok(left);
            }
            tokio::time::sleep(LET_GO_LOOK).await;
        }
    }
}

/// How many deliveries will never be sent, and how many were, or are being.
fn figures(view: &NotificationView) -> (u64, u64) {
    let unsent = |state: &FinalState| {
        matches!(
            state,
            FinalState::Cancelled | FinalState::Expired | FinalState::Suppressed(_)
        )
    };
    let not_sent = view
        .states
        .iter()
        .filter(|(state, _)| unsent(state))
        .map(|(_, count)| count)
        .sum();
    (not_sent, view.deliveries.saturating_sub(not_sent))
}

impl Core {
    /// Ends what waits in memory, and has the pools take back what they did not write.
    pub(crate) fn cancel(&mut self, no: NotificationNo, moment: Moment) {
        self.paused.remove(&no);
        let jobs = self.jobs.keys(|job| job.note.no == no);
        let stone = Tombstone {
            since: moment.at,
            jobs: jobs.len(),
        };
        self.tombstones.insert(no, stone);
        if let Some(note) = self.notes.get(&no).and_then(Weak::upgrade) {
            note.cancel();
        }
        for key in jobs {
            let Some(job) = self.jobs.get(key) else {
                continue;
            };
            job.note.cancel();
            let positions = job.open_positions();
            for position in positions {
                let is_queued = |job: &crate::job::Job| job.slot(position).step == Step::Queued;
                if self.jobs.get(key).is_some_and(is_queued) {
                    self.end(key, position, FinalState::Cancelled, "", moment);
                }
            }
        }
    }

    fn holds(&self, no: NotificationNo) -> bool {
        let is_coming = |incoming: &crate::job::Incoming| incoming.note.no == no;
        self.hub.inbox.hot.lock().iter().any(is_coming)
            || self.tombstones.get(&no).is_some_and(|stone| stone.jobs > 0)
    }

    fn is_settling(&self, no: NotificationNo) -> bool {
        self.ledger.mentions(no) || self.settling_notes.contains_key(&no)
    }
}
