//! Work: what is still to do for a batch, and everything needed to send it.

use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::id::{AppNo, BatchNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::notification::SendOptions;
use carillon_model::positions::Positions;
use carillon_model::verdicts::Verdicts;

/// Names a work row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkId {
    /// Its batch.
    pub batch: BatchNo,
    /// Tells works of one batch apart; the first is 0, others come from [`super::HotStore::next_seq`].
    pub seq: i64,
}

/// A work row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub id: WorkId,
    /// Where it waits.
    pub lane: Lane,
    /// With which class.
    pub class: Class,
    /// Attempts that were counted before this one.
    pub attempt: u16,
    /// Which positions; `None`: all of the batch.
    pub positions: Option<Positions>,
    /// When it is due; `None`: held.
    pub due_at: Option<UnixMs>,
    /// Positions below this may have been written (`on_unknown: drop` only).
    pub watermark: u16,
    /// Whether some earlier attempt of it is in doubt (so never `failed`, and `explain` says so).
    pub in_doubt: bool,
}

/// A work row with everything needed to send it.
#[derive(Clone, Debug)]
pub struct ClaimedWork {
    /// The row, held by this epoch now.
    pub work: Work,
    /// The batch's devices.
    pub devices: BatchDevices,
    /// What is known of the batch so far: positions with a final state are not sent.
    pub verdicts: Verdicts,
    /// Its notification.
    pub notification: NotificationHead,
}

/// What sending needs of a notification.
#[derive(Clone, Debug)]
pub struct NotificationHead {
    /// Its number.
    pub no: NotificationNo,
    /// Whose.
    pub app: AppNo,
    /// When it was accepted.
    pub accepted_at: UnixMs,
    /// When its sending is to begin, as asked; `None`: with its acceptance.
    pub send_at: Option<UnixMs>,
    /// When its sending began, where that was not with its acceptance.
    pub begun_at: Option<UnixMs>,
    /// When it ends.
    pub expires_at: Option<UnixMs>,
    /// How it is sent.
    pub options: SendOptions,
    /// The payload.
    pub payload: Bytes,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Whether it is a campaign: its slices begin at other times than it.
    pub is_campaign: bool,
    /// Whether it rests: nothing new of it is sent.
    pub paused: bool,
}

impl NotificationHead {
    /// Since when it is being sent: what its age, its latency and the time of its retries count from.
    #[must_use]
    pub fn begins_at(&self) -> UnixMs {
        self.begun_at.unwrap_or(self.accepted_at)
    }
}
