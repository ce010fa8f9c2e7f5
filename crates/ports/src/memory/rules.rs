//! What accepting, claiming, settling, rescuing and pruning do to the fake's state.

use super::campaigns::{Campaign, campaign_head};
use super::state::{Batch, Held, IdempotencyKey, Notification, Owner, State};
use crate::store::{
    Acceptance, ClaimedWork, NewAttempt, NewBatch, NewNotification, NotificationHead,
    RefusedDelivery, Retention, Settlement, Work, WorkId,
};
use crate::timer::When;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::event::RetiredPushToken;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::positions::Positions;
use carillon_model::push_type::OnUnknown;
use carillon_model::verdicts::Verdicts;

impl State {
    pub(super) fn accept(&mut self, item: NewNotification) -> Acceptance {
        let used = item.idempotency.as_ref().map(|key| key.scoped_key.clone());
        if let Some(given) = item.idempotency.clone() {
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
            let key = IdempotencyKey {
                body_hash: given.body_hash,
                keep_until: given.keep_until,
                no: item.no,
                accepted_at: item.accepted_at,
            };
            self.idempotency.insert(given.scoped_key, key);
        }
        if let Some(refused) = self.pass(&item) {
            if let Some(key) = used {
                self.idempotency.remove(&key);
            }
            return refused;
        }
        let begins_at = item.begins_at();
        if let Some(campaign) = item.campaign {
            let head = campaign_head(campaign, self.number());
            self.campaigns.insert(item.no, Campaign::new(head));
        }
        let places = item.batches.len() as u32;
        let (mut send_at, mut begun_at, mut is_waiting) = (None, None, false);
        let mut paused = false;
        match item.when {
            When::AtOnce => {}
            When::Later(timer) => {
                (send_at, is_waiting) = (Some(timer.due_at), true);
                self.set_timer(item.app, item.no, timer);
            }
            When::Fired(fired) => {
                let before = self.notifications.remove(&item.no);
                paused = before.as_ref().is_some_and(|n| n.head.paused);
                (send_at, begun_at) = (before.and_then(|n| n.head.send_at), Some(fired.at));
            }
        }
        let notification = Notification {
            head: NotificationHead {
                no: item.no,
                app: item.app,
                accepted_at: item.accepted_at,
                send_at,
                begun_at,
                expires_at: item.expires_at,
                options: item.options,
                payload: item.payload,
                cancelled: false,
                is_campaign: self.campaigns.contains_key(&item.no),
                paused,
            },
            completed_at: None,
            fanout: item.fanout.map(|audience| (audience, DeviceNo(0), places)),
        };
        let earlier = self.notifications.insert(item.no, notification);
        assert!(
            earlier.is_none(),
            "notification {} is accepted once",
            item.no
        );
        for batch in item.batches {
            if let Some(change) = item.badge {
                self.count_badges(item.no, item.app, change, &batch);
            }
            self.insert_batch(batch, begins_at);
        }
        if !is_waiting {
            self.complete(item.no, begins_at);
        }
        self.tell(begins_at);
        Acceptance::New
    }

    pub(super) fn insert_batch(&mut self, batch: NewBatch, due_at: UnixMs) {
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

    pub(super) fn claim(
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
            .filter(|held| !self.is_paused(held.work.id.batch.notification()))
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
        self.tell(now);
        claimed
    }

    pub(super) fn settle(&mut self, settlement: Settlement) -> Vec<NotificationNo> {
        let mut completed = Vec::new();
        for batch in settlement.batches {
            self.learn(batch.batch, &batch.verdicts, &batch.failures);
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
                let of = gone.delivery.batch.notification();
                if let Some(campaign) = self.campaigns.get_mut(&of) {
                    campaign.retired += 1;
                }
                let device = self.devices.get(&gone.device);
                let dead = RetiredPushToken {
                    delivery: gone.delivery.to_string(),
                    device: device.map(|row| row.id(gone.device)),
                    kind: gone.kind.as_str().to_owned(),
                    reason: gone.reason.clone(),
                };
                self.news.retired(gone.app, dead);
                if gone.kind.starts_activity() {
                    self.forget_start_token(gone.device);
                } else if gone.kind.updates_activity() {
                    let refused = RefusedDelivery {
                        delivery: gone.delivery,
                        device: gone.device,
                        is_start: false,
                        reason: gone.reason.clone(),
                    };
                    self.refuse_activity(&refused, settlement.now);
                }
            }
        }
        for refused in &settlement.refused {
            self.refuse_activity(refused, settlement.now);
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
            self.append(event, settlement.now);
        }
        self.tell(settlement.now);
        completed
    }

    pub(super) fn rescue(&mut self, work: &Work, now: UnixMs) {
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

    pub(super) fn prune(&mut self, retention: Retention) -> u64 {
        let slice = retention.slice.max(1) as usize;
        let mut rows = self.prune_timers() + self.prune_runs(retention.records_before);
        rows += self.prune_lists(retention.lists_before);
        rows += self.prune_activities(retention.records_before, retention.now);
        rows += self.prune_watches(retention.records_before, retention.now);
        rows += self.prune_callouts(retention.records_before);
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
        rows += gone.into_iter().map(|no| self.forget(no)).sum::<u64>();
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
            .filter(|(_, device)| {
                let app = self.apps.get(&device.app);
                let until = app.and_then(|app| app.settings.delete_before(retention.now));
                self.deleted_apps.contains(&device.app)
                    || until.is_some_and(|until| device.last_seen_at < until)
            })
            .map(|(no, _)| *no)
            .take(slice)
            .collect();
        rows += (emptied + devices.len()) as u64;
        for device in devices {
            self.delete_device(device);
        }
        let gone = |app: &AppNo| self.deleted_apps.contains(app);
        self.preferences.retain(|(app, _), _| !gone(app));
        self.badges.retain(|owner, _| match owner {
            Owner::User(app, _) => !gone(app),
            Owner::Device(_) => true,
        });
        self.sends
            .retain(|(app, ..), send| !gone(app) && send.keep_until > retention.now);
        let before = self.idempotency.len() + self.events.len() + self.counts.len();
        self.idempotency
            .retain(|_, key| key.keep_until > retention.now);
        self.events
            .retain(|(_, event)| event.at >= retention.records_before);
        rows += self.prune_webhooks();
        self.counts
            .retain(|(_, hour, ..), _| *hour + 3_600_000 > retention.records_before);
        self.definition_versions
            .retain(|_, (replaced_at, _)| *replaced_at >= retention.versions_before);
        let after = self.idempotency.len() + self.events.len() + self.counts.len();
        rows + (before - after) as u64
    }
}
