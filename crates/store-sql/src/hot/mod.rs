//! The hot store on SQL: one file for each thing that is done.

mod accept;
mod activity_errands;
mod activity_phones;
mod activity_sources;
mod activity_steps;
mod badges;
mod batches;
mod callouts;
mod campaigns;
mod cancel;
mod claim;
mod fanout;
mod gathering;
mod history;
mod incidents;
mod ledger;
mod lists;
mod live_activities;
mod preferences;
mod prune;
mod receipts;
mod records;
mod rescue;
mod resolve;
mod rings;
mod rows;
mod schedules;
mod settle;
mod timers;
mod views;
mod watches;

pub(crate) use fanout::devices as fanout_devices;
pub(crate) use gathering::erase_user as erase_gathered;
pub(crate) use history::notifications_of_device;
pub(crate) use lists::{unname as unname_list, unname_app as unname_lists};
pub(crate) use live_activities::erase as erase_activities;
pub(crate) use prune::empty_payload;
pub(crate) use records::add_event;
pub(crate) use resolve::{PERSON, person};
pub(crate) use rings::capabilities;
pub(crate) use rows::{device_id, devices, parse_device_id, registered_at, registered_at_column};
pub(crate) use schedules::{plan as plan_schedule, unplan as unplan_schedule};
pub(crate) use timers::PAUSED as SCHEDULER_PAUSED;
pub(crate) use watches::forget as forget_watch;

use crate::queue::Class as Turn;
use crate::segment;
use crate::store::SqlStore;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::receipts::DeliveryReceipts;
use carillon_ports::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest};
use carillon_ports::preferences::{DevicePreferences, Reservation};
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer, ReceiptStore};
use carillon_ports::segment::{SegmentFilter, SegmentPage};
use carillon_ports::store::{
    Acceptance, Attempt, CancelMark, ClaimedWork, Count, DeliveryFilter, DeliveryView, DueFanouts,
    Event, FanoutPage, HotStore, NewNotification, NotificationView, Person, Recipient, Result,
    Retention, Settlement, WorkId,
};

#[async_trait]
impl HotStore for SqlStore {
    fn next_notification(&self) -> NotificationNo {
        NotificationNo(self.next_notification_no())
    }

    fn next_seq(&self) -> i64 {
        self.next_seq_no()
    }

    fn epoch(&self) -> i64 {
        self.epoch_no()
    }

    fn installation_seed(&self) -> u128 {
        self.seed()
    }

    async fn accept(&self, items: Vec<NewNotification>) -> Result<Vec<Acceptance>> {
        self.intake(accept::weight(&items), move |tx| accept::accept(tx, &items))
            .await
    }

    async fn accepted_before(
        &self,
        keys: Vec<(String, [u8; 32])>,
        now: UnixMs,
    ) -> Result<Vec<Option<(NotificationNo, UnixMs)>>> {
        self.read_hot(move |conn| accept::accepted_before(conn, &keys, now))
            .await
    }

    async fn gather(&self, adds: Vec<DigestAdd>, now: UnixMs) -> Result<Vec<DigestAdded>> {
        self.write(Turn::Intake, adds.len(), move |tx| {
            gathering::add(tx, &adds, now)
        })
        .await
    }

    async fn due_digests(
        &self,
        now: UnixMs,
        limit: u32,
    ) -> Result<(Vec<DueDigest>, Option<UnixMs>)> {
        self.read_hot(move |conn| gathering::due(conn, now, limit))
            .await
    }

    async fn drop_digest(&self, claim: DigestClaim) -> Result<bool> {
        self.write(Turn::Fanout, 1, move |tx| gathering::consume(tx, claim))
            .await
    }

    async fn resolve_devices(
        &self,
        app: AppNo,
        ids: Vec<String>,
        reach: Reach,
    ) -> Result<Vec<Option<Recipient>>> {
        self.read_hot(move |conn| resolve::devices(conn, app, &ids, reach))
            .await
    }

    async fn resolve_users(
        &self,
        app: AppNo,
        users: Vec<String>,
        reach: Reach,
        limit: usize,
    ) -> Result<Vec<Vec<Recipient>>> {
        self.read_hot(move |conn| {
            let each = users.iter();
            each.map(|user| resolve::user(conn, app, user, reach, limit))
                .collect()
        })
        .await
    }

    async fn resolve_push_tokens(
        &self,
        app: AppNo,
        tokens: Vec<PushTokenBytes>,
        kind: TokenKind,
        declared: TokenEnvironment,
        now: UnixMs,
    ) -> Result<Vec<Recipient>> {
        let tokens = std::sync::Arc::new(tokens);
        let asked = tokens.clone();
        let known = self
            .read_hot(move |conn| resolve::known_push_tokens(conn, app, &asked, kind, declared))
            .await?;
        if let Some(known) = known.into_iter().collect() {
            return Ok(known);
        }
        self.write(Turn::Fanout, tokens.len(), move |tx| {
            resolve::make_push_tokens(tx, app, &tokens, kind, declared, now)
        })
        .await
    }

    async fn read_push_tokens(
        &self,
        kind: TokenKind,
        devices: Vec<DeviceNo>,
    ) -> Result<(Vec<PushToken>, Vec<DeviceNo>)> {
        self.read_hot(move |conn| resolve::read_push_tokens(conn, kind, &devices))
            .await
    }

    async fn waiting_lanes(&self) -> Result<Vec<(Lane, Class, UnixMs)>> {
        self.read_hot(claim::waiting_lanes).await
    }

    async fn backlog(&self, limit: u32) -> Result<Vec<(Lane, u32, UnixMs)>> {
        self.read(move |conn| claim::backlog(conn, limit)).await
    }

    async fn claim(
        &self,
        lane: Lane,
        class: Class,
        now: UnixMs,
        batches: u32,
        deliveries: u32,
    ) -> Result<Vec<ClaimedWork>> {
        self.write(Turn::Settle, batches as usize, move |tx| {
            claim::claim(tx, lane, class, now, batches, deliveries)
        })
        .await
    }

    async fn release(&self, works: Vec<(WorkId, UnixMs)>) -> Result<()> {
        self.write(Turn::Settle, works.len(), move |tx| {
            claim::release(tx, &works)
        })
        .await
    }

    async fn watermark(&self, marks: Vec<(WorkId, u16)>) -> Result<()> {
        self.write(Turn::Settle, marks.len(), move |tx| {
            claim::watermark(tx, &marks)
        })
        .await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Vec<NotificationNo>> {
        self.write(Turn::Settle, settle::weight(&settlement), move |tx| {
            settle::settle(tx, &settlement)
        })
        .await
    }

    async fn cancel(
        &self,
        app: AppNo,
        no: NotificationNo,
        now: UnixMs,
    ) -> Result<Option<CancelMark>> {
        // The mark is in the first slice: from then on claims do the same to what is left, so a crash
        // between slices loses nothing.
        let mut not_sent = 0;
        loop {
            let slice = self
                .write(Turn::Settle, cancel::SLICE, move |tx| {
                    cancel::slice(tx, app, no, now)
                })
                .await?;
            let Some(slice) = slice else { return Ok(None) };
            not_sent += slice.not_sent;
            if !slice.more {
                return Ok(Some(CancelMark {
                    not_sent,
                    held: slice.held,
                }));
            }
        }
    }

    async fn rescue(
        &self,
        after: Option<WorkId>,
        limit: u32,
        now: UnixMs,
    ) -> Result<Option<WorkId>> {
        self.write(Turn::Fanout, limit as usize, move |tx| {
            rescue::rescue(tx, after, limit, now)
        })
        .await
    }

    async fn fanouts(&self, now: UnixMs, limit: u32) -> Result<DueFanouts> {
        self.read_hot(move |conn| fanout::fanouts(conn, now, limit))
            .await
    }

    async fn fanout_devices(
        &self,
        app: AppNo,
        topic: Option<String>,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
    ) -> Result<Vec<Recipient>> {
        self.read_hot(move |conn| fanout::devices(conn, app, topic.as_deref(), reach, after, limit))
            .await
    }

    async fn segment_devices(
        &self,
        app: AppNo,
        filter: SegmentFilter,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
        scan: u32,
    ) -> Result<SegmentPage> {
        // Some milliseconds of work, which no push is to wait behind.
        self.read(move |conn| segment::page(conn, app, &filter, reach, after, limit, scan))
            .await
    }

    async fn people(&self, devices: Vec<DeviceNo>) -> Result<Vec<Person>> {
        self.read_hot(move |conn| resolve::people(conn, &devices))
            .await
    }

    async fn badges(&self, batches: Vec<BatchNo>) -> Result<Vec<(BatchNo, BatchBadges)>> {
        self.read_hot(move |conn| badges::of_batches(conn, &batches))
            .await
    }

    async fn device_preferences(&self, devices: Vec<DeviceNo>) -> Result<Vec<DevicePreferences>> {
        self.read_hot(move |conn| preferences::of_devices(conn, &devices))
            .await
    }

    async fn reserve(&self, wanted: Vec<Reservation>, now: UnixMs) -> Result<Vec<bool>> {
        self.write(Turn::Settle, wanted.len(), move |tx| {
            preferences::reserve(tx, &wanted, now)
        })
        .await
    }

    async fn store_fanout_page(&self, page: FanoutPage) -> Result<bool> {
        self.write(Turn::Fanout, fanout::weight(&page), move |tx| {
            fanout::store_page(tx, &page)
        })
        .await
    }

    async fn notification(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<NotificationView>> {
        self.read(move |conn| views::notification(conn, app, no))
            .await
    }

    async fn notifications(
        &self,
        app: AppNo,
        before: Option<NotificationNo>,
        limit: u32,
    ) -> Result<Vec<NotificationView>> {
        self.read(move |conn| views::notifications(conn, app, before, limit))
            .await
    }

    async fn deliveries(
        &self,
        app: AppNo,
        no: NotificationNo,
        after: Option<DeliveryId>,
        filter: DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        self.read(move |conn| views::deliveries(conn, app, no, after, &filter, limit))
            .await
    }

    async fn delivery(
        &self,
        app: AppNo,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryView, Vec<Attempt>)>> {
        self.read(move |conn| views::delivery(conn, app, id)).await
    }

    async fn device_deliveries(
        &self,
        app: AppNo,
        device: DeviceNo,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        self.read(move |conn| history::device_deliveries(conn, app, device, before, limit))
            .await
    }

    async fn counts(&self, app: AppNo, from: UnixMs) -> Result<Vec<Count>> {
        self.read(move |conn| records::counts(conn, app, from))
            .await
    }

    async fn events(&self, app: AppNo, after: i64, limit: u32) -> Result<Vec<Event>> {
        self.read(move |conn| records::events(conn, app, after, limit))
            .await
    }

    async fn prune(&self, retention: Retention) -> Result<u64> {
        let rows = self
            .write(Turn::Prune, 1, move |tx| prune::prune(tx, retention))
            .await?;
        if rows > 0 {
            carillon_ports::fault::stage("prune.slice_committed");
        }
        Ok(rows)
    }

    async fn index_devices(&self, limit: u32) -> Result<u64> {
        self.write(Turn::Prune, 1, move |tx| history::index_devices(tx, limit))
            .await
    }

    async fn ping(&self) -> Result<()> {
        self.write(Turn::Settle, 1, crate::writer::ping).await
    }

    async fn disk(&self) -> Result<(u64, u64)> {
        let path = self.file().map(|config| config.path.clone());
        self.read(move |conn| match &path {
            Some(path) => crate::sqlite::disk::usage(path),
            None => crate::server::usage(conn),
        })
        .await
    }

    async fn backup(&self, to: std::path::PathBuf) -> Result<()> {
        match self.file() {
            Some(config) => crate::sqlite::backup::backup(config.clone(), to).await,
            None => Err(crate::server::no_backup()),
        }
    }
}

#[async_trait]
impl ReceiptStore for SqlStore {
    async fn record_receipts(
        &self,
        receipts: Vec<NewReceipt>,
        now: UnixMs,
    ) -> Result<Vec<ReceiptAnswer>> {
        self.write(Turn::Fanout, receipts.len(), move |tx| {
            receipts::record(tx, &receipts, now)
        })
        .await
    }

    async fn receipts(&self, delivery: DeliveryId) -> Result<DeliveryReceipts> {
        self.read(move |conn| receipts::of_delivery(conn, delivery))
            .await
    }

    async fn receipt_counts(&self, no: NotificationNo) -> Result<(u64, u64)> {
        self.read(move |conn| receipts::counts(conn, no)).await
    }
}
