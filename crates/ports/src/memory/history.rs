//! Deliveries and their tries, as the fake shows them.

use super::state::State;
use crate::store::{Attempt, DeliveryView};
use carillon_model::id::{AppNo, DeliveryId, DeviceNo, NotificationNo};

impl State {
    pub(super) fn deliveries(&self, app: AppNo, no: NotificationNo) -> Vec<DeliveryView> {
        if self
            .notifications
            .get(&no)
            .is_none_or(|n| n.head.app != app)
        {
            return Vec::new();
        }
        let works = self.works_of(no);
        let mut views = Vec::new();
        for (batch_no, batch) in self.batches_of(no) {
            for (position, device) in (0u16..).zip(batch.devices.as_slice()) {
                let state = batch.verdicts.get(position);
                let of_batch = || works.iter().filter(|work| work.id.batch == batch_no);
                let named = of_batch().find(|work| {
                    let some = work.positions.as_ref();
                    some.is_some_and(|some| some.as_slice().contains(&position))
                });
                let work = named.or_else(|| of_batch().find(|work| work.positions.is_none()));
                let work = work.filter(|_| state.is_none());
                views.push(DeliveryView {
                    id: DeliveryId {
                        batch: batch_no,
                        position,
                    },
                    device: self.devices.get(device).map(|row| row.id(*device)),
                    device_no: *device,
                    state,
                    next_attempt_at: work.and_then(|work| work.due_at),
                    lane: work.map(|work| work.lane),
                });
            }
        }
        views
    }

    /// Newest first.
    pub(super) fn deliveries_to(&self, app: AppNo, device: DeviceNo) -> Vec<DeliveryView> {
        let newest = self.notifications.keys().rev();
        let all = newest.flat_map(|no| self.deliveries(app, *no).into_iter().rev());
        all.filter(|view| view.device_no == device).collect()
    }

    pub(super) fn attempts_of(&self, id: DeliveryId) -> Vec<Attempt> {
        let of_batch = self.attempts.iter().filter(|(batch, _)| *batch == id.batch);
        of_batch
            .map(|(_, attempt)| attempt)
            .filter(|attempt| match (attempt.position, &attempt.positions) {
                (Some(position), _) => position == id.position,
                (None, Some(some)) => some.as_slice().contains(&id.position),
                (None, None) => true,
            })
            .cloned()
            .collect()
    }
}
