//! Stores that fail on demand, in the methods that the API calls. The engine calls some of them in the background, too: a
//! planted panic can end it, so that a world where one was planted is of no use afterwards.

use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::app::{App, AppSettings};
use carillon_model::badges::BatchBadges;
use carillon_model::batch::BatchDevices;
use carillon_model::credential::{Credential, CredentialFacts};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::device::DeviceRegistration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::WebhookNo;
use carillon_model::id::{
    AppNo, BatchNo, CredentialNo, DefinitionNo, DeliveryId, DeviceNo, ListNo, NotificationNo,
};
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_model::list::ListDefinition;
use carillon_model::live_activity::ActivityState;
use carillon_model::monitor::WatchState;
use carillon_model::preferences::Preferences;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::receipts::DeliveryReceipts;
use carillon_model::segment::{Sampling, SegmentSample};
use carillon_model::webhook::DisabledReason;
use carillon_ports::activity_source::{ActivitySourceStore, SeenRow, SourceNote};
use carillon_ports::callout::{CalloutBegin, CalloutEnd, CalloutRun, CalloutStore, OpenCallout};
use carillon_ports::campaign::{CampaignStore, CampaignView, Chunk};
use carillon_ports::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest};
use carillon_ports::list::{DeviceNames, ListPut, ListStore};
use carillon_ports::live_activity::{
    ActivityRecord, ActivityStep, LiveActivityStore, Startable, StoredActivity,
};
use carillon_ports::own_device::{OwnDeletion, OwnRegistered, OwnRegistration};
use carillon_ports::preferences::{
    DevicePreferences, PreferencesPut, Reservation, StoredPreferences,
};
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer, ReceiptStore};
use carillon_ports::registry::{
    Actor, ApiKey, AuditEntry, Device, DeviceFilter, DeviceStats, Directory, NewSecret, Registered,
    Registry, Resealer, Sealed,
};
use carillon_ports::schedule::{ScheduleRun, ScheduleStore, ScheduleTurn};
use carillon_ports::segment::{SegmentFilter, SegmentPage, SegmentSlice};
use carillon_ports::store::{
    Acceptance, Attempt, CancelMark, ClaimedWork, Count, DeliveryFilter, DeliveryView, DueFanouts,
    Event, FanoutPage, HotStore, NewEvent, NewNotification, NotificationView, Person, Recipient,
    Result, Retention, Settlement, StoreError, WorkId,
};
use carillon_ports::timer::{
    DueAsk, DueTimer, DueTimers, SendChange, TimerFailure, TimerStore, WaitingSend,
};
use carillon_ports::watch::{
    DueChecks, HourTally, IncidentFilter, PagePhone, ReadWatch, StoredEntry, StoredIncident,
    WatchStep, WatchStore,
};
use carillon_ports::webhook::{
    CallSettlement, EndpointRow, Enqueue, QueuedEvent, WebhookAttempt, WebhookDefinition,
    WebhookStore,
};
use std::sync::Arc;
use tokio::sync::watch;

/// What the stores are to do instead of their work.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Fail.
    Error(StoreError),
    /// Not answer until this is over.
    Hang,
    /// Panic.
    Panic,
    /// Say of every change of a definition that somebody else was first.
    Contended,
    /// Keep every definition that is to be deleted.
    Kept,
    /// Say of every campaign that some of its deliveries are open: it is as somebody saw it before it ended.
    Unfinished,
}

/// The switch.
#[derive(Clone)]
pub(crate) struct Faults(watch::Sender<Option<Fault>>);

impl Default for Faults {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Faults {
    pub(crate) fn set(&self, fault: Option<Fault>) {
        self.0.send_replace(fault);
    }

    fn now(&self) -> Option<Fault> {
        self.0.borrow().clone()
    }

    /// Comes back once something is to answer.
    pub(crate) async fn hang(&self) {
        let mut faults = self.0.subscribe();
        let answers = faults.wait_for(|fault| !matches!(fault, Some(Fault::Hang)));
        if answers.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn strike(&self) -> Result<()> {
        self.hang().await;
        match self.now() {
            None | Some(Fault::Contended | Fault::Kept | Fault::Unfinished | Fault::Hang) => Ok(()),
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Panic) => panic!("planted panic"),
        }
    }
}

pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn HotStore>,
    pub(crate) faults: Faults,
}

macro_rules! hot_store {
    (
        struck { $(async fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* }
        passed { $(async fn $passed:ident($($parg:ident: $pty:ty),*) -> $pout:ty;)* }
    ) => {
        #[async_trait]
        impl HotStore for FaultyStore {
            fn next_notification(&self) -> NotificationNo { self.inner.next_notification() }
            fn next_seq(&self) -> i64 { self.inner.next_seq() }
            fn epoch(&self) -> i64 { self.inner.epoch() }
            fn installation_seed(&self) -> u128 { self.inner.installation_seed() }
            /// A store in memory has no backup; here it is a file of four bytes.
            async fn backup(&self, to: std::path::PathBuf) -> Result<()> {
                self.faults.strike().await?;
                if to.exists() {
                    return Err(StoreError::Failed(format!("{}: there is a file already", to.display())));
                }
                std::fs::write(&to, "copy").map_err(|error| StoreError::Failed(error.to_string()))
            }
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                self.faults.strike().await?;
                self.inner.$name($($arg),*).await
            })*
            $(async fn $passed(&self, $($parg: $pty),*) -> Result<$pout> {
                self.inner.$passed($($parg),*).await
            })*
        }
    };
}

hot_store! {
    struck {
        async fn accept(items: Vec<NewNotification>) -> Vec<Acceptance>;
        async fn cancel(app: AppNo, no: NotificationNo, now: UnixMs) -> Option<CancelMark>;
        async fn resolve_devices(app: AppNo, ids: Vec<String>, reach: Reach) -> Vec<Option<Recipient>>;
        async fn resolve_users(app: AppNo, users: Vec<String>, reach: Reach, limit: usize) -> Vec<Vec<Recipient>>;
        async fn notification(app: AppNo, no: NotificationNo) -> Option<NotificationView>;
        async fn notifications(app: AppNo, before: Option<NotificationNo>, limit: u32) -> Vec<NotificationView>;
        async fn deliveries(app: AppNo, no: NotificationNo, after: Option<DeliveryId>, filter: DeliveryFilter, limit: u32) -> Vec<DeliveryView>;
        async fn delivery(app: AppNo, id: DeliveryId) -> Option<(DeliveryView, Vec<Attempt>)>;
        async fn device_deliveries(app: AppNo, device: DeviceNo, before: Option<DeliveryId>, limit: u32) -> Vec<DeliveryView>;
        async fn counts(app: AppNo, from: UnixMs) -> Vec<Count>;
        async fn events(app: AppNo, after: i64, limit: u32) -> Vec<Event>;
        async fn ping() -> ();
    }
    passed {
        async fn accepted_before(keys: Vec<(String, [u8; 32])>, now: UnixMs) -> Vec<Option<(NotificationNo, UnixMs)>>;
        async fn resolve_push_tokens(app: AppNo, tokens: Vec<PushTokenBytes>, kind: TokenKind, declared: TokenEnvironment, now: UnixMs) -> Vec<Recipient>;
        async fn read_push_tokens(kind: TokenKind, devices: Vec<DeviceNo>) -> (Vec<PushToken>, Vec<DeviceNo>);
        async fn gather(adds: Vec<DigestAdd>, now: UnixMs) -> Vec<DigestAdded>;
        async fn due_digests(now: UnixMs, limit: u32) -> (Vec<DueDigest>, Option<UnixMs>);
        async fn drop_digest(claim: DigestClaim) -> bool;
        async fn people(devices: Vec<DeviceNo>) -> Vec<Person>;
        async fn badges(batches: Vec<BatchNo>) -> Vec<(BatchNo, BatchBadges)>;
        async fn device_preferences(devices: Vec<DeviceNo>) -> Vec<DevicePreferences>;
        async fn reserve(wanted: Vec<Reservation>, now: UnixMs) -> Vec<bool>;
        async fn waiting_lanes() -> Vec<(Lane, Class, UnixMs)>;
        async fn backlog(limit: u32) -> Vec<(Lane, u32, UnixMs)>;
        async fn claim(lane: Lane, class: Class, now: UnixMs, batches: u32, deliveries: u32) -> Vec<ClaimedWork>;
        async fn release(works: Vec<(WorkId, UnixMs)>) -> ();
        async fn watermark(marks: Vec<(WorkId, u16)>) -> ();
        async fn settle(settlement: Settlement) -> Vec<NotificationNo>;
        async fn rescue(after: Option<WorkId>, limit: u32, now: UnixMs) -> Option<WorkId>;
        async fn fanouts(now: UnixMs, limit: u32) -> DueFanouts;
        async fn segment_devices(app: AppNo, filter: SegmentFilter, reach: Reach, after: DeviceNo, limit: u32, scan: u32) -> SegmentPage;
        async fn fanout_devices(app: AppNo, topic: Option<String>, reach: Reach, after: DeviceNo, limit: u32) -> Vec<Recipient>;
        async fn store_fanout_page(page: FanoutPage) -> bool;
        async fn prune(retention: Retention) -> u64;
        async fn index_devices(limit: u32) -> u64;
        async fn disk() -> (u64, u64);
    }
}

pub(crate) struct FaultyRegistry {
    pub(crate) inner: Arc<dyn Registry>,
    pub(crate) faults: Faults,
}

macro_rules! registry {
    ($(async fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl Registry for FaultyRegistry {
            async fn change_definition(&self, read: Definition, body: String, secret: NewSecret, now: UnixMs, by: Actor) -> Result<Option<Definition>> {
                self.faults.strike().await?;
                if matches!(self.faults.now(), Some(Fault::Contended)) {
                    return Ok(None);
                }
                self.inner.change_definition(read, body, secret, now, by).await
            }
            async fn delete_definition(&self, app: AppNo, kind: DefinitionKind, name: String, now: UnixMs, by: Actor) -> Result<bool> {
                self.faults.strike().await?;
                if matches!(self.faults.now(), Some(Fault::Kept)) {
                    return Err(StoreError::Busy);
                }
                self.inner.delete_definition(app, kind, name, now, by).await
            }
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                self.faults.strike().await?;
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

registry! {
    async fn directory() -> Directory;
    async fn put_app(id: String, name: String, settings: AppSettings, now: UnixMs, by: Actor) -> (App, bool);
    async fn delete_app(app: AppNo, now: UnixMs, by: Actor) -> bool;
    async fn credential_no(app: AppNo, name: String) -> CredentialNo;
    async fn put_credential(no: CredentialNo, app: AppNo, name: String, gateway: Gateway, facts: CredentialFacts, secret: Sealed, now: UnixMs, by: Actor) -> Credential;
    async fn delete_credential(app: AppNo, name: String, now: UnixMs, by: Actor) -> bool;
    async fn definition_no(app: AppNo, kind: DefinitionKind, name: String) -> DefinitionNo;
    async fn put_definition(no: DefinitionNo, app: AppNo, kind: DefinitionKind, name: String, body: String, secret: Option<Sealed>, now: UnixMs, by: Actor) -> Definition;
    async fn definition_version(no: DefinitionNo, version: u32) -> Option<String>;
    async fn provider_token(name: String) -> Option<Sealed>;
    async fn put_provider_token(name: String, sealed: Sealed, now: UnixMs) -> ();
    async fn first_provider_token(name: String, sealed: Sealed, now: UnixMs) -> Sealed;
    async fn reseal(with: Resealer, now: UnixMs, by: Actor) -> u64;
    async fn put_api_key(key: ApiKey, by: Actor) -> ApiKey;
    async fn revoke_api_key(id: String, now: UnixMs, by: Actor) -> bool;
    async fn api_keys() -> Vec<ApiKey>;
    async fn register_devices(app: AppNo, devices: Vec<DeviceRegistration>, now: UnixMs) -> Vec<Registered>;
    async fn register_own_device(app: AppNo, own: OwnRegistration, now: UnixMs) -> Option<OwnRegistered>;
    async fn device_secret(device: DeviceNo) -> Option<[u8; 32]>;
    async fn device(app: AppNo, id: String) -> Option<Device>;
    async fn devices(app: AppNo, filter: DeviceFilter) -> Vec<Device>;
    async fn device_count(app: AppNo) -> u64;
    async fn device_stats(app: AppNo, stale_before: UnixMs) -> DeviceStats;
    async fn sample_segment(app: AppNo, filter: SegmentFilter, sampling: Sampling) -> SegmentSample;
    async fn count_segment(app: AppNo, filter: SegmentFilter, after: DeviceNo, scan: u32) -> SegmentSlice;
    async fn attribute_names(app: AppNo, sampling: Sampling, limit: u32) -> Vec<String>;
    async fn put_preferences(app: AppNo, user_id: String, preferences: Preferences, now: UnixMs) -> PreferencesPut;
    async fn preferences(app: AppNo, user_id: String) -> Option<StoredPreferences>;
    async fn delete_preferences(app: AppNo, user_id: String) -> bool;
    async fn badge(app: AppNo, user_id: String) -> u32;
    async fn set_badge(app: AppNo, user_id: String, badge: u32, now: UnixMs) -> ();
    async fn delete_device(app: AppNo, id: String, now: UnixMs, by: Actor) -> bool;
    async fn delete_own_device(app: AppNo, id: String, only: Option<TokenKind>, shown: [u8; 32]) -> OwnDeletion;
    async fn delete_push_token(app: AppNo, id: String, kind: TokenKind, now: UnixMs, by: Actor) -> Option<bool>;
    async fn erase_user(app: AppNo, user_id: String, now: UnixMs, by: Actor) -> (u64, u64);
    async fn note(action: &'static str, subject: String, now: UnixMs, by: Actor) -> ();
    async fn audit(before: Option<i64>, limit: u32) -> Vec<AuditEntry>;
}

pub(crate) struct FaultyWebhooks {
    pub(crate) inner: Arc<dyn WebhookStore>,
    pub(crate) faults: Faults,
}

pub(crate) struct FaultyReceipts {
    pub(crate) inner: Arc<dyn ReceiptStore>,
    pub(crate) faults: Faults,
}

macro_rules! port {
    (
        $trait:ident for $faulty:ident
        struck { $(async fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* }
        passed { $(async fn $passed:ident($($parg:ident: $pty:ty),*) -> $pout:ty;)* }
        $(own { $($own:tt)* })?
    ) => {
        #[async_trait]
        impl $trait for $faulty {
            $($($own)*)?
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out> {
                self.faults.strike().await?;
                self.inner.$name($($arg),*).await
            })*
            $(async fn $passed(&self, $($parg: $pty),*) -> Result<$pout> {
                self.inner.$passed($($parg),*).await
            })*
        }
    };
}

port! {
    WebhookStore for FaultyWebhooks
    struck {
        async fn endpoints() -> Vec<EndpointRow>;
        async fn endpoint(no: WebhookNo) -> Option<EndpointRow>;
        async fn requeue(no: WebhookNo, events: Vec<i64>, most: u64, now: UnixMs) -> Option<u64>;
        async fn settle_calls(calls: Vec<CallSettlement>, now: UnixMs) -> Vec<EndpointRow>;
        async fn enable(no: WebhookNo) -> Option<EndpointRow>;
        async fn disable(endpoint: Arc<WebhookDefinition>, reason: DisabledReason, now: UnixMs) -> Option<EndpointRow>;
        async fn webhook_attempts(no: WebhookNo, limit: u32) -> Vec<WebhookAttempt>;
        async fn newest_event(app: AppNo) -> i64;
        async fn events_since(app: AppNo, at: UnixMs) -> i64;
    }
    passed {
        async fn enqueue(step: Enqueue) -> Option<EndpointRow>;
        async fn due(no: WebhookNo, now: UnixMs, limit: u32) -> (Vec<QueuedEvent>, Option<UnixMs>);
        async fn drop_queue(no: WebhookNo, limit: u32) -> u64;
    }
}

port! {
    TimerStore for FaultyStore
    struck {
        async fn waiting_send(app: AppNo, no: NotificationNo) -> Option<WaitingSend>;
        async fn change_send(change: SendChange) -> bool;
        async fn scheduled(app: AppNo, set_aside: bool, after: Option<(UnixMs, NotificationNo)>, limit: u32) -> Vec<NotificationView>;
        async fn resume_scheduler() -> bool;
    }
    passed {
        async fn due_timers(ask: DueAsk) -> DueTimers;
        async fn fail_timers(failures: Vec<TimerFailure>, now: UnixMs) -> ();
        async fn is_scheduler_paused() -> bool;
    }
}

port! {
    ScheduleStore for FaultyStore
    struck {
        async fn record_turn(turn: ScheduleTurn, event: Option<NewEvent>, now: UnixMs) -> bool;
        async fn schedule_runs(schedule: DefinitionNo, before: Option<i64>, limit: u32) -> Vec<ScheduleRun>;
    }
    passed {}
}

port! {
    LiveActivityStore for FaultyStore
    struck {
        async fn live_activity(app: AppNo, id: String) -> Option<StoredActivity>;
        async fn live_activities(app: AppNo, state: Option<ActivityState>, after: Option<String>, limit: u32) -> Vec<StoredActivity>;
        async fn live_activities_of(app: AppNo, recipients: Vec<String>, attributes_type: String, limit: u32) -> Vec<StoredActivity>;
        async fn live_activity_records(no: i64, limit: u32) -> Vec<ActivityRecord>;
        async fn live_activity_sent(app: AppNo, no: NotificationNo) -> Option<(String, ActivityRecord)>;
        async fn live_activity_errands(limit: u32) -> Vec<(UnixMs, StoredActivity)>;
        async fn running_live_activities(app: AppNo, recipients: Vec<String>, limit_each: u32) -> Vec<(String, StoredActivity)>;
        async fn step_live_activities(steps: Vec<ActivityStep>) -> Vec<bool>;
        async fn urgent_pushes(phones: Vec<DeviceNo>, now: UnixMs) -> Vec<(DeviceNo, u32)>;
        async fn startable(devices: Vec<DeviceNo>, attributes_type: String) -> Vec<Startable>;
        async fn set_startable(app: AppNo, device: DeviceNo, attributes_type: String, push_token_of: Option<DeviceNo>, now: UnixMs) -> ();
    }
    passed {}
}

port! {
    WatchStore for FaultyStore
    struck {
        async fn watches(monitors: Vec<DefinitionNo>) -> Vec<Option<ReadWatch>>;
        async fn incidents(app: AppNo, filter: IncidentFilter) -> Vec<StoredIncident>;
        async fn incident(monitor: DefinitionNo, no: u32) -> Option<StoredIncident>;
        async fn incident_entries(monitor: DefinitionNo, no: u32, limit: u32) -> Vec<StoredEntry>;
        async fn tallies(monitors: Vec<DefinitionNo>, from: i64, until: i64) -> Vec<HourTally>;
        async fn step_watches(steps: Vec<WatchStep>) -> Vec<bool>;
        async fn page_phones(app: AppNo, users: Vec<String>, most_each: u32) -> Vec<PagePhone>;
    }
    passed {
        async fn watch_counts() -> Vec<(AppNo, WatchState, u64)>;
        async fn due_checks(until: UnixMs, after: Option<(UnixMs, DefinitionNo)>, limit: u32) -> DueChecks;
        async fn heard_of(devices: Vec<DeviceNo>) -> ();
        async fn incident_of(no: NotificationNo) -> Option<(DefinitionNo, u32)>;
        async fn add_tallies(tallies: Vec<HourTally>) -> ();
    }
}

port! {
    ActivitySourceStore for FaultyStore
    struck {
        async fn source_reports(app: AppNo) -> Vec<(String, String)>;
    }
    passed {
        async fn seen_rows(app: AppNo, source: String) -> Vec<SeenRow>;
        async fn note_source(note: SourceNote) -> ();
    }
}

port! {
    ListStore for FaultyStore
    struck {
        async fn devices_named(app: AppNo, names: DeviceNames, most: u32) -> Vec<Vec<DeviceNo>>;
        async fn begin_list(app: AppNo, now: UnixMs) -> ListNo;
        async fn extend_list(list: ListNo, chunks: Vec<BatchDevices>, now: UnixMs) -> bool;
        async fn name_list(app: AppNo, name: String, definition: ListDefinition, most: u32, now: UnixMs, by: Actor) -> ListPut;
    }
    passed {
        async fn list_devices(app: AppNo, list: ListNo, reach: Reach, after: DeviceNo, limit: u32, scan: u32) -> SegmentPage;
    }
}

port! {
    CampaignStore for FaultyStore
    struck {
        async fn campaign_named(app: AppNo, name: String) -> Option<NotificationNo>;
        async fn campaign_names(app: AppNo, limit: u32) -> Vec<String>;
        async fn campaigns(app: AppNo, before: Option<NotificationNo>, limit: u32) -> Vec<CampaignView>;
        async fn pause(app: AppNo, no: NotificationNo) -> Option<bool>;
        async fn resume(app: AppNo, no: NotificationNo, fence: i64, state: String, now: UnixMs) -> bool;
    }
    passed {
        async fn campaign_chunks(no: NotificationNo, wave_at: UnixMs, limit: u32) -> Vec<Chunk>;
        async fn last_device(app: AppNo) -> DeviceNo;
        async fn recipients(devices: Vec<DeviceNo>, reach: Reach) -> Vec<Recipient>;
        async fn time_zones(devices: Vec<DeviceNo>) -> Vec<Option<String>>;
        async fn bring_back(limit: u32) -> u64;
    }
    own {
        async fn campaign(&self, app: AppNo, no: NotificationNo) -> Result<Option<CampaignView>> {
            self.faults.strike().await?;
            let mut found = self.inner.campaign(app, no).await?;
            if let (Some(seen), Some(Fault::Unfinished)) = (&mut found, self.faults.now()) {
                seen.notification.completed_at = None;
            }
            Ok(found)
        }
    }
}

port! {
    CalloutStore for FaultyStore
    struck {
        async fn begin_callout(begin: CalloutBegin) -> Option<OpenCallout>;
        async fn open_callouts(limit: u32) -> Vec<DueTimer>;
        async fn end_callout(end: CalloutEnd) -> ();
        async fn callout_runs(callout: DefinitionNo, before: Option<i64>, limit: u32) -> Vec<CalloutRun>;
    }
    passed {}
}

port! {
    ReceiptStore for FaultyReceipts
    struck {
        async fn record_receipts(receipts: Vec<NewReceipt>, now: UnixMs) -> Vec<ReceiptAnswer>;
        async fn receipts(delivery: DeliveryId) -> DeliveryReceipts;
        async fn receipt_counts(no: NotificationNo) -> (u64, u64);
    }
    passed {}
}
