//! A fan-out and its pages.

use super::{NewBatch, NotificationHead};
use crate::campaign::{CampaignHead, CampaignStep};
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
    /// The campaign that it is, where it is one.
    pub campaign: Option<CampaignHead>,
}

/// Fan-outs of which a page is due.
#[derive(Clone, Debug, Default)]
pub struct DueFanouts {
    /// They, oldest first.
    pub due: Vec<Fanout>,
    /// When one is due that is not yet, the soonest.
    pub next: Option<UnixMs>,
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
    /// What it is to the campaign, where it is one's.
    pub campaign: Option<CampaignStep>,
    /// The time of it.
    pub now: UnixMs,
}
