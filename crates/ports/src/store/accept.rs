//! What is accepted: a notification with its first batches, and what became of it.

use crate::campaign::NewCampaign;
use crate::gathering::{DigestClaim, ThrottleClaim};
use crate::live_activity::ActivityStep;
use crate::schedule::ScheduleTurn;
use crate::timer::When;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::body::BadgeChange;
use carillon_model::id::{AppNo, BatchNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::notification::SendOptions;
use carillon_model::target::Audience;

/// A notification to accept, with the batches that are known at once.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// Its number, from [`super::HotStore::next_notification`].
    pub no: NotificationNo,
    /// Whose.
    pub app: AppNo,
    /// When it was accepted; part of its public id.
    pub accepted_at: UnixMs,
    /// When it is sent.
    pub when: When,
    /// After this instant nothing of it is written.
    pub expires_at: Option<UnixMs>,
    /// How it is sent.
    pub options: SendOptions,
    /// The rendered payload.
    pub payload: Bytes,
    /// Batches of targets that were resolved at once. Places count from 0.
    pub batches: Vec<NewBatch>,
    /// What becomes of the recipients' badge counters, each once: in the transaction that stores the
    /// batches, which remember the numbers.
    pub badge: Option<BadgeChange>,
    /// A target that is resolved page by page after acceptance ([`carillon_model::target::Target::is_fanned_out`]).
    pub fanout: Option<Audience>,
    /// Idempotency: same key and same body in the same scope is the same notification.
    pub idempotency: Option<Idempotency>,
    /// A throttle that it must pass.
    pub throttle: Option<ThrottleClaim>,
    /// A digest that it tells: deleted in the same transaction.
    pub consumes: Option<DigestClaim>,
    /// The turn of a schedule that it is sent by, written down in the same transaction; the last of its
    /// runs is this notification's.
    pub turn: Option<ScheduleTurn>,
    /// The campaign that it is, where it is one.
    pub campaign: Option<NewCampaign>,
    /// The step of a Live Activity that it is pushed by, written in the same transaction.
    pub activity: Option<ActivityStep>,
}

impl NewNotification {
    /// When its sending begins: with its acceptance, or when its timer fires.
    #[must_use]
    pub fn begins_at(&self) -> UnixMs {
        match &self.when {
            When::AtOnce | When::Later(_) => self.accepted_at,
            When::Fired(fired) => fired.at,
        }
    }
}

/// Idempotency of one accepted item.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Scope (App and API key) and key (for NDJSON with the line's number), in one string of at most
    /// 300 bytes.
    pub scoped_key: String,
    /// Hash of the body.
    pub body_hash: [u8; 32],
    /// Until when the key is kept.
    pub keep_until: UnixMs,
}

/// A batch to store with its first work.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its number.
    pub no: BatchNo,
    /// Its devices.
    pub devices: BatchDevices,
    /// Where its work goes.
    pub lane: Lane,
    /// With which class.
    pub class: Class,
    /// `true`: handed over from memory right after the commit, so stored as held by this epoch.
    /// `false`: stored as due at once.
    pub hot: bool,
}

/// What became of a notification that was to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is on disk.
    New,
    /// The same key and body were accepted before: this is that notification.
    Repeated {
        /// Its number.
        no: NotificationNo,
        /// When.
        accepted_at: UnixMs,
    },
    /// The same key came with another body.
    KeyReused,
    /// Its throttle does not let it through; nothing was stored.
    Throttled {
        /// When one will be let through.
        next_allowed_at: UnixMs,
    },
    /// The digest that it tells is gone, or has one more event; or the timer that sends it, its own or a
    /// schedule's, is not as it was read any more. Nothing was stored.
    Stale,
    /// There is a campaign of this name already: this one. Nothing was stored.
    NameTaken {
        /// Its notification's number.
        no: NotificationNo,
        /// When that was accepted.
        accepted_at: UnixMs,
    },
}
