//! The hot store: accepting, claiming, settling, cancelling, fanning out, pruning.
//!
//! Words. *Notification*: what was asked. *Batch*: up to 1,000 of its deliveries, written once.
//! *Work*: what is still to do for (some positions of) a batch; a retry, a rescue and an environment
//! repair are each a work row. *Verdicts*: how each position ended. *Attempts*: each try that was not
//! a plain first-time success.
//!
//! A work row is either *due* (`due_at` set, nobody has it) or *held* (by this process' epoch).
//! Held rows of an older epoch belong to a process that is gone: the rescuer frees them.

mod accept;
mod event;
mod fanout;
mod recipient;
mod settlement;
mod view;
mod work;

pub use accept::{Acceptance, Idempotency, NewBatch, NewNotification};
pub use event::{Event, NewEvent};
pub use fanout::{DueFanouts, Fanout, FanoutPage};
pub use recipient::{Person, Recipient, TokenChoice};
pub use settlement::{
    BatchSettlement, CancelMark, CountDelta, EnvironmentRepair, Failure, NewAttempt,
    RefusedDelivery, Retirement, Settlement,
};
pub use view::{Attempt, Count, DeliveryFilter, DeliveryView, NotificationView, Retention};
pub use work::{ClaimedWork, NotificationHead, Work, WorkId};

use crate::activity_source::ActivitySourceStore;
use crate::callout::CalloutStore;
use crate::campaign::CampaignStore;
use crate::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest};
use crate::list::ListStore;
use crate::live_activity::LiveActivityStore;
use crate::preferences::{DevicePreferences, Reservation};
use crate::schedule::ScheduleStore;
use crate::segment::{SegmentFilter, SegmentPage};
use crate::timer::TimerStore;
use crate::watch::WatchStore;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};

/// Why the store did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk: refuse and prune, keep running.
    #[error("the disk is full: free some space or lower the retention; nothing was changed")]
    DiskFull,
    /// Another process holds the file, for longer than the busy time-out.
    #[error("the database is locked by another program; nothing was changed")]
    Busy,
    /// A row cannot be read. Names table, column and key.
    #[error("unreadable row: {0}")]
    Corrupt(String),
    /// The write queue is full: say 429 and when to come back.
    #[error("the store's queue is full")]
    Overloaded,
    /// Anything else. On a commit it means that nothing may go on: the process stops.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The server that has the database does not answer, for longer than a call may wait for it.
    #[error("the database cannot be reached ({0}); nothing was changed")]
    Away(String),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

/// What every store method returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The hot store. See the module's words.
#[async_trait]
pub trait HotStore:
    TimerStore
    + ScheduleStore
    + CalloutStore
    + ListStore
    + CampaignStore
    + LiveActivityStore
    + ActivitySourceStore
    + WatchStore
{
    /// The next notification number; taken from memory, never reused over restarts.
    fn next_notification(&self) -> NotificationNo;
    /// The next `seq` for a work row; taken from memory, never reused over restarts.
    fn next_seq(&self) -> i64;
    /// This process' epoch: rises with every start.
    fn epoch(&self) -> i64;
    /// Random number of this installation, made once: seed of gateway ids.
    fn installation_seed(&self) -> u128;

    /// Accepts notifications: one transaction for all that is queued. Answers in the same order.
    async fn accept(&self, items: Vec<NewNotification>) -> Result<Vec<Acceptance>>;
    /// What was accepted before under these idempotency keys with just these bodies, in order, as far
    /// as the keys are kept at `now`: number and instant. For a repetition that would be refused by
    /// now (it expired, its device is gone): it is answered like the first one all the same.
    async fn accepted_before(
        &self,
        keys: Vec<(String, [u8; 32])>,
        now: UnixMs,
    ) -> Result<Vec<Option<(NotificationNo, UnixMs)>>>;

    /// Gathers events into digests: one transaction for all that is queued. Answers in the same order.
    async fn gather(&self, adds: Vec<DigestAdd>, now: UnixMs) -> Result<Vec<DigestAdded>>;
    /// Digests due at `now`, the oldest first, and when the next one after them is due.
    async fn due_digests(
        &self,
        now: UnixMs,
        limit: u32,
    ) -> Result<(Vec<DueDigest>, Option<UnixMs>)>;
    /// Deletes a digest that nothing will tell. `false`: an event joined since it was read, or it is gone.
    async fn drop_digest(&self, claim: DigestClaim) -> Result<bool>;

    /// Resolves devices by their ids, in order; `None`: there is none. See [`Recipient::gateway`] for
    /// what `reach` decides.
    async fn resolve_devices(
        &self,
        app: AppNo,
        ids: Vec<String>,
        reach: Reach,
    ) -> Result<Vec<Option<Recipient>>>;
    /// All devices of each of these users, in order: ascending, at most `limit` of one.
    async fn resolve_users(
        &self,
        app: AppNo,
        users: Vec<String>,
        reach: Reach,
        limit: usize,
    ) -> Result<Vec<Vec<Recipient>>>;
    /// Anonymous (or known) devices of raw push tokens, in order; made when missing.
    async fn resolve_push_tokens(
        &self,
        app: AppNo,
        tokens: Vec<PushTokenBytes>,
        kind: TokenKind,
        declared: TokenEnvironment,
        now: UnixMs,
    ) -> Result<Vec<Recipient>>;

    /// Push tokens of these devices (ascending) of one kind, retired ones included. Missing ones are
    /// left out. The second list: those of the devices that exist but have no such token.
    async fn read_push_tokens(
        &self,
        kind: TokenKind,
        devices: Vec<DeviceNo>,
    ) -> Result<(Vec<PushToken>, Vec<DeviceNo>)>;

    /// What is known of these devices (ascending). Those that are gone are left out.
    async fn people(&self, devices: Vec<DeviceNo>) -> Result<Vec<Person>>;
    /// The badge numbers of these batches, as they were computed when the batches were made. Batches
    /// of notifications that change no counter are left out.
    async fn badges(&self, batches: Vec<BatchNo>) -> Result<Vec<(BatchNo, BatchBadges)>>;
    /// What the users of these devices (ascending) want. Devices that are gone are left out. Asked
    /// only for Apps that [`crate::registry::Directory::preferring`] names or whose settings say so.
    async fn device_preferences(&self, devices: Vec<DeviceNo>) -> Result<Vec<DevicePreferences>>;
    /// Counts one more notification for each of these users, in order and in one transaction, as far as
    /// all caps that cover it let it through. `true`: it may be sent, and is counted, by this call or by
    /// one before. Nobody ever has more counted than a cap lets through in its window.
    async fn reserve(&self, wanted: Vec<Reservation>, now: UnixMs) -> Result<Vec<bool>>;

    /// Lanes that have due work, with the earliest due instant (also a future one), per class.
    async fn waiting_lanes(&self) -> Result<Vec<(Lane, Class, UnixMs)>>;
    /// How many work rows wait in a lane, counted up to `limit`, and since when the oldest is being sent.
    async fn backlog(&self, limit: u32) -> Result<Vec<(Lane, u32, UnixMs)>>;
    /// Claims due work of a lane and class, oldest first: at most `batches` rows and about
    /// `deliveries` deliveries. Held by this epoch when it returns. Rows of cancelled notifications are
    /// settled as cancelled instead and not returned.
    async fn claim(
        &self,
        lane: Lane,
        class: Class,
        now: UnixMs,
        batches: u32,
        deliveries: u32,
    ) -> Result<Vec<ClaimedWork>>;
    /// Gives held work back unsent: due at the given instant.
    async fn release(&self, works: Vec<(WorkId, UnixMs)>) -> Result<()>;
    /// Commits "positions below this may be written" for works whose doubt is to be dropped.
    async fn watermark(&self, marks: Vec<(WorkId, u16)>) -> Result<()>;
    /// Settles: one transaction. Returns the notifications that this completed. What it, a claim, a
    /// cancel, a rescue or a fan-out's end completes or fails is told by an event of the same transaction.
    async fn settle(&self, settlement: Settlement) -> Result<Vec<NotificationNo>>;

    /// Marks a notification cancelled, stops its fan-out, and settles all its waiting work as
    /// cancelled; one that waits for its time is complete by this, without deliveries. One that was complete before gets no
    /// mark: it stays as it ended. `None`: no such notification in the App.
    async fn cancel(
        &self,
        app: AppNo,
        no: NotificationNo,
        now: UnixMs,
    ) -> Result<Option<CancelMark>>;

    /// Frees held work of older epochs after `after`, at most `limit` rows, oldest first: for each,
    /// positions that may have been written are settled or recorded as in doubt by the notification's
    /// `on_unknown`, and the rest (for `resend`: all) becomes due at `now`. Returns the last row
    /// looked at, `None` when there is nothing left.
    async fn rescue(
        &self,
        after: Option<WorkId>,
        limit: u32,
        now: UnixMs,
    ) -> Result<Option<WorkId>>;

    /// Unfinished fan-outs of which a page is due and that do not rest, oldest first.
    async fn fanouts(&self, now: UnixMs, limit: u32) -> Result<DueFanouts>;
    /// The next devices of an App that have a push token within reach which is not retired, ascending
    /// after `after`, each once; of a topic: only its subscribers.
    async fn fanout_devices(
        &self,
        app: AppNo,
        topic: Option<String>,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
    ) -> Result<Vec<Recipient>>;
    /// The next devices of an App, as [`Self::fanout_devices`] finds them, for which the filter holds:
    /// at most `limit`, among the next `scan` after `after`. So a page comes quickly however few there
    /// are; it says how far it looked.
    async fn segment_devices(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
        scan: u32,
    ) -> Result<SegmentPage>;
    /// Stores a page. `false`: the notification was cancelled, or is a campaign that rests or is not as it
    /// was read any more; nothing was stored.
    async fn store_fanout_page(&self, page: FanoutPage) -> Result<bool>;

    /// One notification.
    async fn notification(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<NotificationView>>;
    /// Newest first, before `before`.
    async fn notifications(
        &self,
        app: AppNo,
        before: Option<NotificationNo>,
        limit: u32,
    ) -> Result<Vec<NotificationView>>;
    /// Deliveries of a notification that the filter takes, ascending after `after`.
    async fn deliveries(
        &self,
        app: AppNo,
        no: NotificationNo,
        after: Option<DeliveryId>,
        filter: DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<DeliveryView>>;
    /// One delivery and its remembered tries, oldest first.
    async fn delivery(
        &self,
        app: AppNo,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryView, Vec<Attempt>)>>;
    /// Newest deliveries to a device, newest first, before `before`; bounded by retention.
    async fn device_deliveries(
        &self,
        app: AppNo,
        device: DeviceNo,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>>;

    /// Counters of an App from `from`, by hour.
    async fn counts(&self, app: AppNo, from: UnixMs) -> Result<Vec<Count>>;
    /// Events of an App after `after`, ascending.
    async fn events(&self, app: AppNo, after: i64, limit: u32) -> Result<Vec<Event>>;

    /// Deletes one slice of what retention allows. Returns how many rows went; 0: nothing left.
    async fn prune(&self, retention: Retention) -> Result<u64>;
    /// Fills one slice of the device → batch index for small batches. Returns how many rows were
    /// added; 0: nothing left.
    async fn index_devices(&self, limit: u32) -> Result<u64>;

    /// Whether the store can write right now.
    async fn ping(&self) -> Result<()>;
    /// Bytes on disk, and bytes free on that disk.
    async fn disk(&self) -> Result<(u64, u64)>;
    /// Writes a consistent copy while running.
    async fn backup(&self, to: std::path::PathBuf) -> Result<()>;
}
