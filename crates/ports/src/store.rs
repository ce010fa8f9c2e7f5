//! The hot store: accepting, claiming, settling, cancelling, fanning out, pruning.
//!
//! Words. *Notification*: what was asked. *Batch*: up to 1,000 of its deliveries, written once.
//! *Work*: what is still to do for (some positions of) a batch; a retry, a rescue and an environment
//! repair are each a work row. *Verdicts*: how each position ended. *Attempts*: each try that was not
//! a plain first-time success.
//!
//! A work row is either *due* (`due_at` set, nobody has it) or *held* (by this process' epoch).
//! Held rows of an older epoch belong to a process that is gone: the rescuer frees them.

use crate::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest, ThrottleClaim};
use crate::preferences::{DevicePreferences, Reservation};
use crate::schedule::{ScheduleStore, ScheduleTurn};
use crate::segment::{SegmentFilter, SegmentPage};
use crate::timer::{SendPlan, TimerStore, When};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::batch::BatchDevices;
use carillon_model::body::BadgeChange;
use carillon_model::delivery::FinalState;
use carillon_model::environment::Environment;
use carillon_model::event::{DeviceEvicted, EventKind};
use carillon_model::facts::DeviceFacts;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_model::notification::SendOptions;
use carillon_model::positions::Positions;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::target::Audience;
use carillon_model::verdicts::Verdicts;

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
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

/// What every store method returns.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A notification to accept, with the batches that are known at once.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// Its number, from [`HotStore::next_notification`].
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
}

/// Names a work row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkId {
    /// Its batch.
    pub batch: BatchNo,
    /// Tells works of one batch apart; the first is 0, others come from [`HotStore::next_seq`].
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
}

impl NotificationHead {
    /// Since when it is being sent: what its age, its latency and the time of its retries count from.
    #[must_use]
    pub fn begins_at(&self) -> UnixMs {
        self.begun_at.unwrap_or(self.accepted_at)
    }
}

/// Everything that one settle transaction writes.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// For each batch that something happened to.
    pub batches: Vec<BatchSettlement>,
    /// Push tokens that a gateway declared dead.
    pub retirements: Vec<Retirement>,
    /// Environments that were found out.
    pub repairs: Vec<EnvironmentRepair>,
    /// Counters to add to.
    pub counts: Vec<CountDelta>,
    /// Events to append besides those that the store makes of what it learns by the rest
    /// ([`crate::news`]): notifications that are complete, deliveries that failed, devices that retired.
    pub events: Vec<NewEvent>,
    /// The time of it.
    pub now: UnixMs,
}

/// What happened to one batch.
#[derive(Clone, Debug)]
pub struct BatchSettlement {
    /// Which.
    pub batch: BatchNo,
    /// How positions ended; merged into the verdicts by [`FinalState::merge`].
    pub verdicts: Vec<(u16, FinalState)>,
    /// Why, for those that ended without reaching anybody: what `delivery.failed` tells of them.
    pub failures: Vec<Failure>,
    /// Tries to remember.
    pub attempts: Vec<NewAttempt>,
    /// Work rows that are done.
    pub done: Vec<WorkId>,
    /// Work rows to add (retries, repairs), due or held (`due_at: None`).
    pub follow_ups: Vec<Work>,
}

/// Why a delivery ended without reaching anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its position in the batch.
    pub position: u16,
    /// At which gateway.
    pub gateway: Gateway,
    /// The gateway's reason or our word; empty for none.
    pub reason: String,
}

/// A try to remember: every one that was not a plain first-time success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttempt {
    /// Position in the batch; `None`: all positions of the work (a rescue).
    pub position: Option<u16>,
    /// Which positions, when it concerns several.
    pub positions: Option<Positions>,
    /// Which attempt, from 1.
    pub attempt: u16,
    /// When.
    pub at: UnixMs,
    /// Environment in which it was tried.
    pub environment: Option<Environment>,
    /// Connection number, 0 when none.
    pub connection: u32,
    /// Stable word for what came of it: `accepted, rejected, retry, blocked, not_sent, in_doubt,
    /// rescued_in_doubt, expired, late_answer, held, unrenderable`.
    pub result: String,
    /// HTTP status, 0 when there was no answer.
    pub status: u16,
    /// Gateway's reason or our word.
    pub reason: String,
    /// Raw words of the gateway, at most 1 kB.
    pub raw: String,
    /// From write to answer, microseconds.
    pub elapsed_us: u32,
    /// When it will be tried again, if it will.
    pub next_attempt_at: Option<UnixMs>,
}

/// A push token that a gateway declared dead; applied by `PushToken::dies_by`. When it dies by this, the
/// store tells so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The App.
    pub app: AppNo,
    /// The delivery that was answered so.
    pub delivery: DeliveryId,
    /// Whose.
    pub device: DeviceNo,
    /// Which.
    pub kind: TokenKind,
    /// The registration that the answer is about.
    pub generation: u32,
    /// Since when, as the gateway says.
    pub since: Option<UnixMs>,
    /// The gateway's reason.
    pub reason: String,
}

/// An environment that was found out; written only to the same registration while it says `auto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentRepair {
    /// Whose push token.
    pub device: DeviceNo,
    /// Which.
    pub kind: TokenKind,
    /// Of which registration.
    pub generation: u32,
    /// Where it is accepted.
    pub environment: Environment,
}

/// Something to add to a counter of `GET /v1/apps/{app}/stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountDelta {
    /// Whose.
    pub app: AppNo,
    /// At which gateway.
    pub gateway: Gateway,
    /// Which state deliveries ended in.
    pub state: FinalState,
    /// The gateway's reason, empty for none.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// An event to append to the log that streams and webhooks read.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Whose.
    pub app: AppNo,
    /// One of [`carillon_model::event::EventKind`].
    pub kind: &'static str,
    /// Public id or name of what it is about.
    pub subject: String,
    /// Details: a JSON object.
    pub data: String,
}

impl NewEvent {
    /// A device was deleted because its user has more of them than the App allows. Names no user: an
    /// event outlives his erasure.
    #[must_use]
    pub fn device_evicted(app: AppNo, id: &str, by: &str, last_seen_at: UnixMs) -> Self {
        let data = DeviceEvicted {
            replaced_by: by.to_owned(),
            last_seen_at,
        };
        crate::news::event(app, EventKind::DeviceEvicted, id, &data)
    }
}

/// An event as read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Rising number.
    pub no: i64,
    /// When.
    pub at: UnixMs,
    /// Kind.
    pub kind: String,
    /// Subject.
    pub subject: String,
    /// Details: a JSON object.
    pub data: String,
}

/// What a cancel did at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelMark {
    /// Deliveries that were taken back from waiting work in this transaction.
    pub not_sent: u64,
    /// Whether work of it is held (in memory): the engine asks the holders.
    pub held: bool,
}

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
    /// As in [`NewNotification::badge`]: once for each user, on whatever pages his devices are.
    pub badge: Option<BadgeChange>,
    /// Devices up to this number are done now.
    pub after: DeviceNo,
    /// Whether that was the last page.
    pub finished: bool,
    /// The time of it.
    pub now: UnixMs,
}

/// A device that a fan-out or a resolved target means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The device.
    pub device: DeviceNo,
    /// By which gateway it is reached: that of the first kind of the reach of which it has a living push
    /// token, else of which it has a retired one, else the reach's first (the dispatcher will say
    /// `suppressed`).
    pub gateway: Gateway,
    /// Environment of that push token; `Auto` also when it has none.
    pub environment: carillon_model::environment::TokenEnvironment,
}

impl Person {
    /// As an expression or a template sees it.
    #[must_use]
    pub fn facts(&self) -> DeviceFacts<'_> {
        DeviceFacts {
            id: Some(&self.id),
            user_id: self.user_id.as_deref(),
            locale: self.locale.as_deref(),
            time_zone: self.time_zone.as_deref(),
            platform: self.platform.as_deref(),
            app_version: self.app_version.as_deref(),
            tags: &self.tags,
            topics: &self.topics,
            attributes: self.attributes.as_deref(),
            last_seen: Some(self.last_seen_at),
            registered: Some(self.created_at),
        }
    }
}

/// A push token as far as choosing among several needs it: kind, environment, and whether it was
/// retired.
pub type TokenChoice = (
    TokenKind,
    carillon_model::environment::TokenEnvironment,
    bool,
);

impl Recipient {
    /// How a device with these push tokens is reached. See [`Self::gateway`].
    #[must_use]
    pub fn choose(
        device: DeviceNo,
        reach: Reach,
        push_tokens: impl IntoIterator<Item = TokenChoice>,
    ) -> Self {
        let rank = |(kind, _, is_retired): &TokenChoice| {
            (*is_retired, reach.iter().position(|wanted| wanted == *kind))
        };
        let best = push_tokens
            .into_iter()
            .filter(|(kind, _, _)| reach.has(*kind))
            .min_by_key(rank);
        let (kind, environment, _) = best.unwrap_or((
            reach.first(),
            carillon_model::environment::TokenEnvironment::Auto,
            false,
        ));
        Self {
            device,
            gateway: kind.gateway(),
            environment,
        }
    }
}

/// What a notification that is rendered for each device may ask about one.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The device.
    pub device: DeviceNo,
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub user_id: Option<String>,
    /// BCP 47 tag.
    pub locale: Option<String>,
    /// IANA zone.
    pub time_zone: Option<String>,
    /// Version of the app.
    pub app_version: Option<String>,
    /// What it runs on.
    pub platform: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Topics that it is subscribed to.
    pub topics: Vec<String>,
    /// Its attributes: a JSON object, `None` for none.
    pub attributes: Option<String>,
    /// When it was last registered or refreshed.
    pub last_seen_at: UnixMs,
    /// When it was first registered.
    pub created_at: UnixMs,
}

/// A notification as `GET` shows it.
#[derive(Clone, Debug)]
pub struct NotificationView {
    /// Everything that sending needs. The payload is empty when it was already deleted by retention.
    pub head: NotificationHead,
    /// How far its plan is, if it is not sent with its acceptance.
    pub plan: Option<SendPlan>,
    /// Whether its audience is complete.
    pub fanout_finished: bool,
    /// Deliveries made so far.
    pub deliveries: u64,
    /// How many are open.
    pub open: u64,
    /// How many ended in which state.
    pub states: Vec<(FinalState, u64)>,
    /// When the last delivery became final, once all are.
    pub completed_at: Option<UnixMs>,
}

/// A delivery as `GET` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Which.
    pub id: DeliveryId,
    /// To which device (its public id; `None` when the device was deleted).
    pub device: Option<String>,
    /// Its number.
    pub device_no: DeviceNo,
    /// How it ended, `None` while open.
    pub state: Option<FinalState>,
    /// For an open one: when it is tried next; `None`: it is being sent.
    pub next_attempt_at: Option<UnixMs>,
}

/// Which deliveries of a notification to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryFilter {
    /// All.
    All,
    /// Those that have not ended.
    Open,
    /// Those that ended in one of these states.
    Ended(Vec<FinalState>),
}

impl DeliveryFilter {
    /// Whether a delivery in this state, `None` while open, is one of them.
    #[must_use]
    pub fn takes(&self, state: Option<FinalState>) -> bool {
        match self {
            Self::All => true,
            Self::Open => state.is_none(),
            Self::Ended(states) => state.is_some_and(|state| states.contains(&state)),
        }
    }
}

/// One remembered try of a delivery.
pub type Attempt = NewAttempt;

/// A row of `GET /v1/apps/{app}/stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Start of the hour.
    pub hour: UnixMs,
    /// State.
    pub state: FinalState,
    /// Reason, empty for none.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What may be deleted.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Payloads of notifications completed before this instant.
    pub content_before: UnixMs,
    /// Records completed before this instant; also events and counters older than it.
    pub records_before: UnixMs,
    /// Versions of templates that were replaced before this instant: a notification may wait for its time
    /// longer than records are kept.
    pub versions_before: UnixMs,
    /// Idempotency keys and other short-lived rows that ended before this instant.
    pub now: UnixMs,
    /// Most notifications to look at in one slice.
    pub slice: u32,
}

/// The hot store. See the module's words.
#[async_trait]
pub trait HotStore: TimerStore + ScheduleStore {
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
    /// All devices of a user, ascending, at most `limit`.
    async fn resolve_user(
        &self,
        app: AppNo,
        user: String,
        reach: Reach,
        limit: usize,
    ) -> Result<Vec<Recipient>>;
    /// Anonymous (or known) devices of raw push tokens, in order; made when missing.
    async fn resolve_push_tokens(
        &self,
        app: AppNo,
        tokens: Vec<PushTokenBytes>,
        kind: TokenKind,
        declared: carillon_model::environment::TokenEnvironment,
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
    /// cancelled; one that waits for its time is complete by this, without deliveries. `None`: no such notification in the App.
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

    /// Unfinished fan-outs, oldest first.
    async fn fanouts(&self, limit: u32) -> Result<Vec<Fanout>>;
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
    /// Stores a page. `false`: the notification was cancelled, nothing was stored.
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
