//! The hot store of the fake.

use super::MemoryStore;
use crate::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest};
use crate::instance::NoticeKind;
use crate::preferences::{DevicePreferences, Reservation};
use crate::segment::{SegmentFilter, SegmentPage};
use crate::store::{
    Acceptance, Attempt, CancelMark, ClaimedWork, Count, DeliveryFilter, DeliveryView, DueFanouts,
    Event, Fanout, FanoutPage, HotStore, NewNotification, NotificationView, Person, Recipient,
    Result, Retention, Settlement, StoreError, Work, WorkId,
};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};
use std::collections::BTreeMap;

#[async_trait]
impl HotStore for MemoryStore {
    fn next_notification(&self) -> NotificationNo {
        NotificationNo(self.read().number())
    }

    fn next_seq(&self) -> i64 {
        self.read().number()
    }

    fn epoch(&self) -> i64 {
        self.process.epoch()
    }

    fn installation_seed(&self) -> u128 {
        0x5eed
    }

    async fn accept(&self, items: Vec<NewNotification>) -> Result<Vec<Acceptance>> {
        if let Some(failing) = &*self.shared.failing_activity.lock() {
            let mut steps = items.iter().filter_map(|item| item.activity.as_ref());
            if steps.any(|step| step.id == *failing) {
                return Err(StoreError::Busy);
            }
        }
        let mut state = self.write()?;
        Ok(items.into_iter().map(|item| state.accept(item)).collect())
    }

    async fn accepted_before(
        &self,
        keys: Vec<(String, [u8; 32])>,
        now: UnixMs,
    ) -> Result<Vec<Option<(NotificationNo, UnixMs)>>> {
        let state = self.read();
        let before = |(scoped_key, body_hash): &(String, [u8; 32])| {
            let key = state.idempotency.get(scoped_key)?;
            let is_same = key.keep_until > now && key.body_hash == *body_hash;
            is_same.then_some((key.no, key.accepted_at))
        };
        Ok(keys.iter().map(before).collect())
    }

    async fn gather(&self, adds: Vec<DigestAdd>, now: UnixMs) -> Result<Vec<DigestAdded>> {
        let mut state = self.write()?;
        Ok(adds.into_iter().map(|add| state.gather(add, now)).collect())
    }

    async fn due_digests(
        &self,
        now: UnixMs,
        limit: u32,
    ) -> Result<(Vec<DueDigest>, Option<UnixMs>)> {
        Ok(self.read().due_digests(now, limit))
    }

    async fn drop_digest(&self, claim: DigestClaim) -> Result<bool> {
        Ok(self.write()?.consume(claim))
    }

    async fn resolve_devices(
        &self,
        app: AppNo,
        ids: Vec<String>,
        reach: Reach,
    ) -> Result<Vec<Option<Recipient>>> {
        let state = self.read();
        Ok(ids
            .iter()
            .map(|id| Some(state.recipient(state.device_no(app, id)?, reach)))
            .collect())
    }

    async fn resolve_users(
        &self,
        app: AppNo,
        users: Vec<String>,
        reach: Reach,
        limit: usize,
    ) -> Result<Vec<Vec<Recipient>>> {
        self.readable(&users)?;
        let state = self.read();
        let of = |user: &String| {
            let devices = state.devices_of(app, user).take(limit);
            devices.map(|no| state.recipient(no, reach)).collect()
        };
        Ok(users.iter().map(of).collect())
    }

    async fn resolve_push_tokens(
        &self,
        app: AppNo,
        tokens: Vec<PushTokenBytes>,
        kind: TokenKind,
        declared: TokenEnvironment,
        now: UnixMs,
    ) -> Result<Vec<Recipient>> {
        let mut state = self.write()?;
        Ok(tokens
            .into_iter()
            .map(|bytes| state.resolve_push_token(app, bytes, kind, declared, now))
            .collect())
    }

    async fn read_push_tokens(
        &self,
        kind: TokenKind,
        devices: Vec<DeviceNo>,
    ) -> Result<(Vec<PushToken>, Vec<DeviceNo>)> {
        let state = self.read();
        let (mut found, mut without) = (Vec::new(), Vec::new());
        for device in devices {
            match state.push_tokens.get(&(device, kind)) {
                Some(push_token) => found.push(push_token.clone()),
                None if state.devices.contains_key(&device) => without.push(device),
                None => {}
            }
        }
        Ok((found, without))
    }

    async fn waiting_lanes(&self) -> Result<Vec<(Lane, Class, UnixMs)>> {
        let mut lanes: BTreeMap<(Lane, Class), UnixMs> = BTreeMap::new();
        let state = self.read();
        let going = state
            .works
            .values()
            .filter(|held| !state.is_paused(held.work.id.batch.notification()));
        for held in going {
            if let Some(due) = held.work.due_at {
                let earliest = lanes
                    .entry((held.work.lane, held.work.class))
                    .or_insert(due);
                *earliest = due.min(*earliest);
            }
        }
        Ok(lanes
            .into_iter()
            .map(|((lane, class), due)| (lane, class, due))
            .collect())
    }

    async fn backlog(&self, limit: u32) -> Result<Vec<(Lane, u32, UnixMs)>> {
        let state = self.read();
        let mut lanes: BTreeMap<Lane, (u32, UnixMs)> = BTreeMap::new();
        for held in state
            .works
            .values()
            .filter(|held| held.work.due_at.is_some())
            .filter(|held| !state.is_paused(held.work.id.batch.notification()))
        {
            let head = state.notifications.get(&held.work.id.batch.notification());
            let since = head.map_or(0, |notification| notification.head.begins_at());
            let lane = lanes.entry(held.work.lane).or_insert((0, since));
            *lane = ((lane.0 + 1).min(limit), lane.1.min(since));
        }
        Ok(lanes
            .into_iter()
            .map(|(lane, (count, oldest))| (lane, count, oldest))
            .collect())
    }

    async fn claim(
        &self,
        lane: Lane,
        class: Class,
        now: UnixMs,
        batches: u32,
        deliveries: u32,
    ) -> Result<Vec<ClaimedWork>> {
        Ok(self.write()?.claim(lane, class, now, batches, deliveries))
    }

    async fn release(&self, works: Vec<(WorkId, UnixMs)>) -> Result<()> {
        let mut state = self.write()?;
        for (id, due_at) in works {
            if let Some(held) = state.works.get_mut(&id) {
                (held.work.due_at, held.work.watermark) = (Some(due_at), 0);
            }
        }
        Ok(())
    }

    async fn watermark(&self, marks: Vec<(WorkId, u16)>) -> Result<()> {
        let mut state = self.write()?;
        for (id, watermark) in marks {
            if let Some(held) = state.works.get_mut(&id) {
                held.work.watermark = held.work.watermark.max(watermark);
            }
        }
        Ok(())
    }

    async fn settle(&self, settlement: Settlement) -> Result<Vec<NotificationNo>> {
        Ok(self.write()?.settle(settlement))
    }

    async fn cancel(
        &self,
        app: AppNo,
        no: NotificationNo,
        now: UnixMs,
    ) -> Result<Option<CancelMark>> {
        if let Some(error) = &*self.shared.cancel_failure.lock() {
            return Err(error.clone());
        }
        let mut state = self.write()?;
        let Some(notification) = state
            .notifications
            .get_mut(&no)
            .filter(|n| n.head.app == app)
        else {
            return Ok(None);
        };
        // What had ended before stays as it ended.
        notification.head.cancelled |= notification.completed_at.is_none();
        notification.fanout = None;
        state.withdraw_timer(no, now);
        state.drop_chunks(no);
        let mut not_sent = 0;
        for work in state.works_of(no) {
            if work.due_at.is_some() {
                not_sent += state.withdraw(&work, now);
            }
        }
        state.complete(no, now);
        state.tell(now);
        let held = !state.works_of(no).is_empty();
        if state.held_elsewhere(state.epoch, no) > 0 {
            state.instances.tell(no, NoticeKind::Cancelled);
        }
        Ok(Some(CancelMark { not_sent, held }))
    }

    async fn rescue(
        &self,
        after: Option<WorkId>,
        limit: u32,
        now: UnixMs,
    ) -> Result<Option<WorkId>> {
        let mut state = self.write()?;
        let stale: Vec<Work> = state
            .works
            .values()
            .filter(|held| held.work.due_at.is_none() && state.is_gone(held.holder))
            .filter(|held| after.is_none_or(|after| held.work.id > after))
            .take(limit.max(1) as usize)
            .map(|held| held.work.clone())
            .collect();
        let last = stale.last().map(|work| work.id);
        let full = stale.len() == limit.max(1) as usize;
        for work in stale {
            state.rescue(&work, now);
        }
        state.tell(now);
        Ok(last.filter(|_| full))
    }

    async fn fanouts(&self, now: UnixMs, limit: u32) -> Result<DueFanouts> {
        let state = self.read();
        let mut found = DueFanouts::default();
        for (no, notification) in &state.notifications {
            let Some((audience, after, next_place)) = notification.fanout.clone() else {
                continue;
            };
            let campaign = state.campaigns.get(no);
            let due_at = campaign.map_or(0, |campaign| campaign.due_at);
            if notification.head.paused {
                continue;
            }
            if due_at > now {
                found.next = Some(found.next.map_or(due_at, |next| next.min(due_at)));
            } else if found.due.len() < limit as usize {
                found.due.push(Fanout {
                    notification: notification.head.clone(),
                    audience,
                    after,
                    next_place,
                    campaign: campaign.map(|campaign| campaign.head.clone()),
                });
            }
        }
        Ok(found)
    }

    async fn fanout_devices(
        &self,
        app: AppNo,
        topic: Option<String>,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
    ) -> Result<Vec<Recipient>> {
        let state = self.read();
        let wanted = state.devices.iter().filter(|(_, row)| {
            let topics = &row.registration.topics;
            row.app == app && topic.as_ref().is_none_or(|topic| topics.contains(topic))
        });
        Ok(wanted
            .map(|(no, _)| *no)
            .filter(|no| *no > after && state.is_within_reach(*no, reach))
            .take(limit as usize)
            .map(|no| state.recipient(no, reach))
            .collect())
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
        let state = self.read();
        Ok(state.segment_page(app, &filter, reach, after, limit, scan))
    }

    async fn people(&self, devices: Vec<DeviceNo>) -> Result<Vec<Person>> {
        let state = self.read();
        Ok(devices.iter().filter_map(|no| state.person(*no)).collect())
    }

    async fn badges(&self, batches: Vec<BatchNo>) -> Result<Vec<(BatchNo, BatchBadges)>> {
        let state = self.read();
        let found = batches
            .into_iter()
            .filter_map(|no| Some((no, state.batch_badges.get(&no)?.clone())));
        Ok(found.collect())
    }

    async fn device_preferences(&self, devices: Vec<DeviceNo>) -> Result<Vec<DevicePreferences>> {
        let state = self.read();
        let found = devices
            .iter()
            .filter_map(|no| state.device_preferences(*no));
        Ok(found.collect())
    }

    async fn reserve(&self, wanted: Vec<Reservation>, now: UnixMs) -> Result<Vec<bool>> {
        let mut state = self.write()?;
        Ok(wanted
            .into_iter()
            .map(|wanted| state.reserve(wanted, now))
            .collect())
    }

    async fn store_fanout_page(&self, page: FanoutPage) -> Result<bool> {
        let mut state = self.write()?;
        if !state.may_step(&page) {
            return Ok(false);
        }
        let Some(notification) = state.notifications.get_mut(&page.notification) else {
            return Ok(false);
        };
        let begins_at = notification.head.begins_at();
        let Some((_, after, next_place)) = &mut notification.fanout else {
            return Ok(false);
        };
        *after = page.after;
        for batch in &page.batches {
            *next_place = (*next_place).max(batch.no.place() + 1);
        }
        if page.finished {
            notification.fanout = None;
        }
        let app = notification.head.app;
        let due_at = page.campaign.as_ref().map_or(begins_at, |_| page.now);
        for batch in page.batches {
            if let Some(change) = page.badge {
                state.count_badges(page.notification, app, change, &batch);
            }
            state.insert_batch(batch, due_at);
        }
        if let Some(step) = page.campaign {
            state.step(page.notification, step, page.now);
        }
        state.complete(page.notification, page.now);
        state.tell(page.now);
        Ok(true)
    }

    async fn notification(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<NotificationView>> {
        Ok(self.read().view(no).filter(|view| view.head.app == app))
    }

    async fn notifications(
        &self,
        app: AppNo,
        before: Option<NotificationNo>,
        limit: u32,
    ) -> Result<Vec<NotificationView>> {
        let state = self.read();
        let newest = state.notifications.iter().rev();
        Ok(newest
            .filter(|(no, n)| n.head.app == app && before.is_none_or(|before| **no < before))
            .take(limit as usize)
            .filter_map(|(no, _)| state.view(*no))
            .collect())
    }

    async fn deliveries(
        &self,
        app: AppNo,
        no: NotificationNo,
        after: Option<DeliveryId>,
        filter: DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        let all = self.read().deliveries(app, no);
        Ok(all
            .into_iter()
            .filter(|view| after.is_none_or(|after| view.id > after))
            .filter(|view| filter.takes(view.state))
            .take(limit as usize)
            .collect())
    }

    async fn delivery(
        &self,
        app: AppNo,
        id: DeliveryId,
    ) -> Result<Option<(DeliveryView, Vec<Attempt>)>> {
        let state = self.read();
        let mut all = state.deliveries(app, id.batch.notification()).into_iter();
        Ok(all
            .find(|view| view.id == id)
            .map(|view| (view, state.attempts_of(id))))
    }

    async fn device_deliveries(
        &self,
        app: AppNo,
        device: DeviceNo,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        let mut found = self.read().deliveries_to(app, device);
        found.retain(|view| before.is_none_or(|before| view.id < before));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn counts(&self, app: AppNo, from: UnixMs) -> Result<Vec<Count>> {
        let state = self.read();
        let mut counts: Vec<_> = state
            .counts
            .iter()
            // What ended otherwise after all counts for nothing.
            .filter(|(_, count)| **count > 0)
            .filter(|((of, hour, ..), _)| *of == app && *hour + 3_600_000 > from)
            .map(|((_, hour, state, reason), count)| Count {
                hour: *hour,
                state: *state,
                reason: reason.clone(),
                count: count.unsigned_abs(),
            })
            .collect();
        counts.sort_by_key(|count| (count.hour, count.state.code()));
        Ok(counts)
    }

    async fn events(&self, app: AppNo, after: i64, limit: u32) -> Result<Vec<Event>> {
        let state = self.read();
        let newer = state
            .events
            .iter()
            .filter(|(of, event)| *of == app && event.no > after);
        Ok(newer
            .take(limit as usize)
            .map(|(_, event)| event.clone())
            .collect())
    }

    async fn prune(&self, retention: Retention) -> Result<u64> {
        Ok(self.write()?.prune(retention))
    }

    async fn index_devices(&self, _limit: u32) -> Result<u64> {
        self.write().map(|_| 0)
    }

    async fn ping(&self) -> Result<()> {
        self.write().map(|_| ())
    }

    async fn disk(&self) -> Result<(u64, u64)> {
        Ok((0, self.shared.free_bytes.lock().unwrap_or(u64::MAX)))
    }

    async fn backup(&self, _to: std::path::PathBuf) -> Result<()> {
        Err(crate::store::StoreError::Failed(
            "a store in memory has no backup".into(),
        ))
    }
}
