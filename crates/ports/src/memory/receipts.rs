//! Receipts of the fake.

use super::MemoryStore;
use super::state::State;
use crate::receipt::{NewReceipt, ReceiptAnswer, ReceiptStore};
use crate::store::Result;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::event::EventKind;
use carillon_model::id::{DeliveryId, DeviceNo, NotificationNo};
use carillon_model::receipts::{DeliveryReceipts, ReceiptKind};

impl State {
    /// Whether a device told so much of a notification.
    pub(super) fn has_told(&self, device: DeviceNo, of: NotificationNo, kind: ReceiptKind) -> bool {
        let (first, last) = of.batches();
        let mut told = self.receipts.range(first..=last);
        told.any(|(no, told)| {
            let devices = self.batches.get(no).map(|batch| batch.devices.as_slice());
            let mut places = (0..).zip(devices.unwrap_or_default());
            places.any(|(at, its)| *its == device && told.tells(at, kind))
        })
    }

    fn record(&mut self, receipt: &NewReceipt, now: UnixMs) -> ReceiptAnswer {
        let id = receipt.delivery;
        let head = self.notifications.get(&id.batch.notification());
        let (Some(head), Some(batch)) = (head, self.batches.get(&id.batch)) else {
            return ReceiptAnswer::Gone;
        };
        if id.position >= batch.devices.count() {
            return ReceiptAnswer::Gone;
        }
        let at = receipt.at.min(now).max(head.head.accepted_at);
        let of_batch = self.receipts.entry(id.batch).or_default();
        if !of_batch.add(receipt.kind, id.position, at) {
            return ReceiptAnswer::Repeated;
        }
        let kind = match receipt.kind {
            ReceiptKind::Delivered => EventKind::ReceiptDelivered,
            ReceiptKind::Opened => EventKind::ReceiptOpened,
        };
        self.news.receipt(kind, id);
        ReceiptAnswer::Recorded
    }
}

#[async_trait]
impl ReceiptStore for MemoryStore {
    async fn record_receipts(
        &self,
        receipts: Vec<NewReceipt>,
        now: UnixMs,
    ) -> Result<Vec<ReceiptAnswer>> {
        let mut state = self.write()?;
        let answers = receipts.iter().map(|receipt| state.record(receipt, now));
        let answers = answers.collect();
        state.tell(now);
        Ok(answers)
    }

    async fn receipts(&self, delivery: DeliveryId) -> Result<DeliveryReceipts> {
        let state = self.read();
        let of_batch = state.receipts.get(&delivery.batch);
        Ok(of_batch.map_or_else(DeliveryReceipts::default, |all| all.get(delivery.position)))
    }

    async fn receipt_counts(&self, no: NotificationNo) -> Result<(u64, u64)> {
        let (first, last) = no.batches();
        let state = self.read();
        let counts = state
            .receipts
            .range(first..=last)
            .map(|(_, all)| all.counts());
        Ok(counts.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1)))
    }
}
