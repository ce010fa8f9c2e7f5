//! Receipts: what apps say of the pushes that arrived on their devices, kept by batch and position.

use crate::store::Result;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{DeliveryId, NotificationNo};
use carillon_model::receipts::{DeliveryReceipts, ReceiptKind};

/// A receipt that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewReceipt {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// What it says.
    pub kind: ReceiptKind,
    /// When that was, as the app says. Kept between the notification's acceptance and now.
    pub at: UnixMs,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptAnswer {
    /// It is on disk.
    Recorded,
    /// There was one of this kind already, which stays.
    Repeated,
    /// There is no such delivery any more.
    Gone,
}

/// Keeps receipts.
#[async_trait]
pub trait ReceiptStore: Send + Sync + 'static {
    /// Writes receipts down, in one transaction, and tells of those that are new by events grouped by
    /// notification and kind. Answers in the same order.
    async fn record_receipts(
        &self,
        receipts: Vec<NewReceipt>,
        now: UnixMs,
    ) -> Result<Vec<ReceiptAnswer>>;
    /// Those of one delivery.
    async fn receipts(&self, delivery: DeliveryId) -> Result<DeliveryReceipts>;
    /// How many deliveries of a notification arrived, and how many were opened, as apps say.
    async fn receipt_counts(&self, no: NotificationNo) -> Result<(u64, u64)>;
}
