//! A fan-out and its pages.

use super::{NewBatch, NotificationHead};
use carillon_model::UnixMs;
use carillon_model::body::BadgeChange;
use carillon_model::id::{DeviceNo, NotificationNo};
use carillon_model::target::Audience;

/// A fan-out that is not finished.
#[derive(Clone, Debug)]
pub struct Fanout {
    /// Its notification.
    pub notification: NotificationHead,
    /// Whom it is for.
    pub audience: Audience,
    /// Devices up to this number are done.
    pub after: DeviceNo,
    /// Place of the next batch.
    pub next_place: u32,
}

/// A page of a fan-out: rows and checkpoint, in one transaction. Dropped whole when the notification
/// was cancelled meanwhile.
#[derive(Clone, Debug)]
pub struct FanoutPage {
    /// Its notification.
    pub notification: NotificationNo,
    /// New batches with their first work.
    pub batches: Vec<NewBatch>,
    /// As in [`super::NewNotification::badge`]: once for each user, on whatever pages his devices are.
    pub badge: Option<BadgeChange>,
    /// Devices up to this number are done now.
    pub after: DeviceNo,
    /// Whether that was the last page.
    pub finished: bool,
    /// The time of it.
    pub now: UnixMs,
}
