//! The hot store of the fake.

use super::MemoryStore;
use super::state::{Batch, Held, Key, Notification, State};
use crate::store::{
    Acceptance, Attempt, CancelMark, ClaimedWork, Count, DeliveryView, Event, Fanout, FanoutPage,
    HotStore, NewAttempt, NewBatch, NewNotification, NotificationHead, NotificationView, Recipient,
    Result, Retention, Settlement, Work, WorkId,
};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::positions::Positions;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{OnUnknown, TokenKind};
use carillon_model::verdicts::Verdicts;
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
        self.read().epoch
    }

    fn installation_seed(&self) -> u128 {
        0x5eed
    }

    async fn accept(&self, items: Vec<NewNotification>) -> Result<Vec<Acceptance>> {
        let mut state = self.write()?;
        Ok(items.into_iter().map(|item| state.accept(item)).collect())
    }

    async fn resolve_devices(
        &self,
        app: AppNo,
        ids: Vec<String>,
        kind: TokenKind,
    ) -> Result<Vec<Option<Recipient>>> {
        let state = self.read();
        Ok(ids
            .iter()
            .map(|id| Some(state.recipient(state.device_no(app, id)?, kind)))
            .collect())
    }

    async fn resolve_user(
        &self,
        app: AppNo,
        user: String,
        kind: TokenKind,
        limit: usize,
    ) -> Result<Vec<Recipient>> {
        let state = self.read();
        Ok(state
            .devices_of(app, &user)
            .take(limit)
            .map(|no| state.recipient(no, kind))
            .collect())
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
        for held in self.read().works.values() {
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
        {
            let head = state.notifications.get(&held.work.id.batch.notification());
            let accepted_at = head.map_or(0, |notification| notification.head.accepted_at);
            let lane = lanes.entry(held.work.lane).or_insert((0, accepted_at));
            *lane = ((lane.0 + 1).min(limit), lane.1.min(accepted_at));
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
        let mut state = self.write()?;
        let Some(notification) = state
            .notifications
            .get_mut(&no)
            .filter(|n| n.head.app == app)
        else {
            return Ok(None);
        };
        notification.head.cancelled = true;
        notification.fanout = None;
        let mut not_sent = 0;
        for work in state.works_of(no) {
            if work.due_at.is_some() {
                not_sent += state.withdraw(&work, now);
            }
        }
        state.complete(no, now);
        let held = !state.works_of(no).is_empty();
        Ok(Some(CancelMark { not_sent, held }))
    }

    async fn rescue(
        &self,
        after: Option<WorkId>,
        limit: u32,
        now: UnixMs,
    ) -> Result<Option<WorkId>> {
        let mut state = self.write()?;
        let epoch = state.epoch;
        let stale: Vec<Work> = state
            .works
            .values()
            .filter(|held| held.work.due_at.is_none() && held.holder < epoch)
            .filter(|held| after.is_none_or(|after| held.work.id > after))
            .take(limit.max(1) as usize)
            .map(|held| held.work.clone())
            .collect();
        let last = stale.last().map(|work| work.id);
        let full = stale.len() == limit.max(1) as usize;
        for work in stale {
            state.rescue(&work, now);
        }
        Ok(last.filter(|_| full))
    }

    async fn fanouts(&self, limit: u32) -> Result<Vec<Fanout>> {
        let state = self.read();
        let running = state.notifications.values().filter_map(|notification| {
            let (target, after, next_place) = notification.fanout.clone()?;
            Some(Fanout {
                notification: notification.head.clone(),
                target,
                after,
                next_place,
            })
        });
        Ok(running.take(limit as usize).collect())
    }

    async fn fanout_devices(
        &self,
        app: AppNo,
        kind: TokenKind,
        after: DeviceNo,
        limit: u32,
    ) -> Result<Vec<Recipient>> {
        let state = self.read();
        let living = state.push_tokens.values().filter(|push_token| {
            push_token.kind == kind
                && push_token.device > after
                && push_token.retired_at.is_none()
                && state.app_of(push_token.device) == Some(app)
        });
        Ok(living
            .take(limit as usize)
            .map(|push_token| Recipient {
                device: push_token.device,
                environment: push_token.environment,
            })
            .collect())
    }

    async fn store_fanout_page(&self, page: FanoutPage) -> Result<bool> {
        let mut state = self.write()?;
        let Some(notification) = state.notifications.get_mut(&page.notification) else {
            return Ok(false);
        };
        let accepted_at = notification.head.accepted_at;
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
        for batch in page.batches {
            state.insert_batch(batch, accepted_at);
        }
        state.complete(page.notification, accepted_at);
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
        state: Option<FinalState>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>> {
        let all = self.read().deliveries(app, no);
        Ok(all
            .into_iter()
            .filter(|view| after.is_none_or(|after| view.id > after))
            .filter(|view| state.is_none() || view.state == state)
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
            .filter(|((of, hour, ..), _)| *of == app && *hour + 3_600_000 > from)
            .map(|((_, hour, state, reason), count)| Count {
                hour: *hour,
                state: *state,
                reason: reason.clone(),
                count: *count,
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
        Ok((0, u64::MAX))
    }

    async fn backup(&self, _to: std::path::PathBuf) -> Result<()> {
        Err(crate::store::StoreError::Failed(
            "a store in memory has no backup".into(),
        ))
    }
}

impl State {
    fn accept(&mut self, item: NewNotification) -> Acceptance {
        if let Some(given) = item.idempotency {
            let earlier = self.idempotency.get(&given.scoped_key);
            if let Some(key) = earlier.filter(|key| key.keep_until > item.accepted_at) {
                if key.body_hash != given.body_hash {
                    return Acceptance::KeyReused;
                }
                return Acceptance::Repeated {
                    no: key.no,
                    accepted_at: key.accepted_at,
                };
            }
            let key = Key {
                body_hash: given.body_hash,
                keep_until: given.keep_until,
                no: item.no,
                accepted_at: item.accepted_at,
            };
            self.idempotency.insert(given.scoped_key, key);
        }
        let places = item.batches.len() as u32;
        let notification = Notification {
            head: NotificationHead {
                no: item.no,
                app: item.app,
                accepted_at: item.accepted_at,
                expires_at: item.expires_at,
                options: item.options,
                payload: item.payload,
                cancelled: false,
            },
            completed_at: None,
            fanout: item.fanout.map(|target| (target, DeviceNo(0), places)),
        };
        let earlier = self.notifications.insert(item.no, notification);
        assert!(
            earlier.is_none(),
            "notification {} is accepted once",
            item.no
        );
        for batch in item.batches {
            self.insert_batch(batch, item.accepted_at);
        }
        self.complete(item.no, item.accepted_at);
        Acceptance::New
    }

    fn insert_batch(&mut self, batch: NewBatch, due_at: UnixMs) {
        let id = WorkId {
            batch: batch.no,
            seq: 0,
        };
        let work = Work {
            id,
            lane: batch.lane,
            class: batch.class,
            attempt: 0,
            positions: None,
            due_at: (!batch.hot).then_some(due_at),
            watermark: 0,
            in_doubt: false,
        };
        let holder = self.epoch;
        self.works.insert(id, Held { work, holder });
        let verdicts = Verdicts::open(batch.devices.count());
        let devices = batch.devices;
        let earlier = self.batches.insert(batch.no, Batch { devices, verdicts });
        assert!(earlier.is_none(), "batch {} is stored once", batch.no);
    }

    fn claim(
        &mut self,
        lane: Lane,
        class: Class,
        now: UnixMs,
        batches: u32,
        deliveries: u32,
    ) -> Vec<ClaimedWork> {
        let mut due: Vec<(UnixMs, WorkId)> = self
            .works
            .values()
            .filter(|held| held.work.lane == lane && held.work.class == class)
            .filter_map(|held| Some((held.work.due_at.filter(|due| *due <= now)?, held.work.id)))
            .collect();
        due.sort_unstable();
        due.truncate(batches as usize);
        let (mut claimed, mut taken) = (Vec::new(), 0usize);
        for (_, id) in due {
            if taken >= deliveries as usize && !claimed.is_empty() {
                break;
            }
            let work = self.works[&id].work.clone();
            let head = self.notifications[&id.batch.notification()].head.clone();
            if head.cancelled {
                self.withdraw(&work, now);
                continue;
            }
            let epoch = self.epoch;
            let held = self.works.get_mut(&id).expect("it is due");
            (held.work.due_at, held.holder) = (None, epoch);
            let batch = &self.batches[&id.batch];
            taken += work
                .positions
                .as_ref()
                .map_or(batch.devices.as_slice().len(), |some| some.as_slice().len());
            claimed.push(ClaimedWork {
                work: held.work.clone(),
                devices: batch.devices.clone(),
                verdicts: batch.verdicts.clone(),
                notification: head,
            });
        }
        claimed
    }

    fn settle(&mut self, settlement: Settlement) -> Vec<NotificationNo> {
        let mut completed = Vec::new();
        for batch in settlement.batches {
            self.learn(batch.batch, &batch.verdicts);
            for attempt in batch.attempts {
                self.attempts.push((batch.batch, attempt));
            }
            for id in batch.done {
                self.works.remove(&id);
            }
            for work in batch.follow_ups {
                let holder = self.epoch;
                self.works.insert(work.id, Held { work, holder });
            }
            let no = batch.batch.notification();
            if self.complete(no, settlement.now) {
                completed.push(no);
            }
        }
        for gone in &settlement.retirements {
            if let Some(push_token) = self.push_tokens.get_mut(&(gone.device, gone.kind))
                && push_token.dies_by(gone.generation, gone.since)
            {
                push_token.retired_at = Some(settlement.now);
            }
        }
        for repair in &settlement.repairs {
            if let Some(push_token) = self.push_tokens.get_mut(&(repair.device, repair.kind))
                && push_token.generation == repair.generation
                && push_token.environment == TokenEnvironment::Auto
            {
                push_token.environment = repair.environment.into();
            }
        }
        for delta in &settlement.counts {
            self.count(delta, settlement.now);
        }
        for event in settlement.events {
            let no = self.number();
            let stored = Event {
                no,
                at: settlement.now,
                kind: event.kind.into(),
                subject: event.subject,
                data: event.data,
            };
            self.events.push((event.app, stored));
        }
        completed
    }

    fn rescue(&mut self, work: &Work, now: UnixMs) {
        let mut open = self.open_positions(work);
        let head = self.notifications.get(&work.id.batch.notification());
        let Some(on_unknown) = head
            .map(|n| n.head.options.on_unknown)
            .filter(|_| !open.is_empty())
        else {
            self.works.remove(&work.id);
            return;
        };
        let rest = match on_unknown {
            OnUnknown::Resend => true,
            OnUnknown::Drop => {
                let rest = open.split_off(open.partition_point(|p| *p < work.watermark));
                self.settle_open(work, &open, FinalState::Unknown, "process_ended", now);
                !rest.is_empty()
            }
        };
        let resend = on_unknown == OnUnknown::Resend;
        if !open.is_empty() {
            let attempt = NewAttempt {
                position: None,
                positions: Some(Positions::new(open)),
                attempt: work.attempt + 1,
                at: now,
                environment: work.lane.environment.known(),
                connection: 0,
                result: "rescued_in_doubt".into(),
                status: 0,
                reason: "process_ended".into(),
                raw: String::new(),
                elapsed_us: 0,
                next_attempt_at: resend.then_some(now),
            };
            self.attempts.push((work.id.batch, attempt));
        }
        if !rest {
            self.works.remove(&work.id);
        } else if let Some(held) = self.works.get_mut(&work.id) {
            held.work.due_at = Some(now);
            held.work.watermark = 0;
            held.work.in_doubt |= resend;
        }
    }

    fn prune(&mut self, retention: Retention) -> u64 {
        let slice = retention.slice.max(1) as usize;
        let old = |n: &Notification, before: UnixMs| n.completed_at.is_some_and(|at| at < before);
        let gone: Vec<_> = self
            .notifications
            .iter()
            .filter(|(_, n)| {
                old(n, retention.records_before)
                    || (self.deleted_apps.contains(&n.head.app) && n.completed_at.is_some())
            })
            .map(|(no, _)| *no)
            .take(slice)
            .collect();
        let mut rows: u64 = gone.into_iter().map(|no| self.forget(no)).sum();
        let emptied = self
            .notifications
            .values_mut()
            .filter(|n| old(n, retention.content_before) && !n.head.payload.is_empty())
            .take(slice)
            .map(|n| n.head.payload = bytes::Bytes::new())
            .count();
        let devices: Vec<_> = self
            .devices
            .iter()
            .filter(|(_, device)| self.deleted_apps.contains(&device.app))
            .map(|(no, _)| *no)
            .take(slice)
            .collect();
        rows += (emptied + devices.len()) as u64;
        for device in devices {
            self.delete_device(device);
        }
        let before = self.idempotency.len() + self.events.len() + self.counts.len();
        self.idempotency
            .retain(|_, key| key.keep_until > retention.now);
        self.events
            .retain(|(_, event)| event.at >= retention.records_before);
        self.counts
            .retain(|(_, hour, ..), _| *hour + 3_600_000 > retention.records_before);
        let after = self.idempotency.len() + self.events.len() + self.counts.len();
        rows + (before - after) as u64
    }
}
