//! What the fake remembers, and the rules that several methods share.

use super::activity_sources::ActivitySources;
use super::campaigns::Campaign;
use super::instances::Instances;
use super::lists::StoredList;
use super::live_activities::LiveActivities;
use super::timers::Timer;
use super::watching::Watching;
use super::webhooks::Webhooks;
use crate::gathering::DueDigest;
use crate::news::News;
use crate::preferences::StoredPreferences;
use crate::registry::{ApiKey, AuditEntry, Sealed};
use crate::schedule::NewRun;
use crate::store::{
    CountDelta, Event, Failure, NewAttempt, NewEvent, NotificationHead, NotificationView, Work,
    WorkId,
};
use carillon_model::UnixMs;
use carillon_model::app::App;
use carillon_model::badges::BatchBadges;
use carillon_model::batch::BatchDevices;
use carillon_model::credential::Credential;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::delivery::FinalState;
use carillon_model::device::DeviceRegistration;
use carillon_model::frequency::Counted;
use carillon_model::id::{
    AppNo, BatchNo, DefinitionNo, DeliveryId, DeviceNo, ListNo, NotificationNo,
};
use carillon_model::push_token::PushToken;
use carillon_model::push_type::TokenKind;
use carillon_model::receipts::BatchReceipts;
use carillon_model::target::Audience;
use carillon_model::throttle::ThrottleState;
use carillon_model::verdicts::Verdicts;
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds in an hour.
const HOUR: i64 = 3_600_000;

#[derive(Debug, Default)]
pub(super) struct State {
    /// Of the process that writes.
    pub(super) epoch: i64,
    pub(super) instances: Instances,
    pub(super) next: i64,
    pub(super) notifications: BTreeMap<NotificationNo, Notification>,
    pub(super) batches: BTreeMap<BatchNo, Batch>,
    pub(super) works: BTreeMap<WorkId, Held>,
    pub(super) attempts: Vec<(BatchNo, NewAttempt)>,
    pub(super) counts: BTreeMap<(AppNo, i64, FinalState, String), i64>,
    pub(super) events: Vec<(AppNo, Event)>,
    /// What the method that runs has to tell.
    pub(super) news: News,
    pub(super) webhooks: Webhooks,
    pub(super) receipts: BTreeMap<BatchNo, BatchReceipts>,
    pub(super) idempotency: BTreeMap<String, IdempotencyKey>,
    pub(super) apps: BTreeMap<AppNo, App>,
    pub(super) deleted_apps: BTreeSet<AppNo>,
    pub(super) credentials: BTreeMap<(AppNo, String), (Credential, Sealed)>,
    pub(super) definitions: BTreeMap<(AppNo, DefinitionKind, String), (Definition, Option<Sealed>)>,
    pub(super) digests: BTreeMap<i64, (DueDigest, String)>,
    pub(super) throttles: BTreeMap<(DefinitionNo, String), (AppNo, ThrottleState)>,
    /// Replaced ones: since when, and the body.
    pub(super) definition_versions: BTreeMap<(DefinitionNo, u32), (UnixMs, String)>,
    pub(super) provider_tokens: BTreeMap<String, Sealed>,
    pub(super) api_keys: Vec<ApiKey>,
    pub(super) audit: Vec<AuditEntry>,
    pub(super) devices: BTreeMap<DeviceNo, DeviceRow>,
    pub(super) push_tokens: BTreeMap<(DeviceNo, TokenKind), PushToken>,
    pub(super) preferences: BTreeMap<(AppNo, String), StoredPreferences>,
    pub(super) preferring: BTreeSet<AppNo>,
    /// What users got of late, by notification.
    pub(super) sends: BTreeMap<(AppNo, String, NotificationNo), Send>,
    pub(super) badges: BTreeMap<Owner, u32>,
    /// Counters that a notification changed already.
    pub(super) counted: BTreeMap<(NotificationNo, Owner), u32>,
    pub(super) batch_badges: BTreeMap<BatchNo, BatchBadges>,
    pub(super) timers: BTreeMap<i64, Timer>,
    pub(super) live_activities: LiveActivities,
    pub(super) watching: Watching,
    pub(super) activity_sources: ActivitySources,
    pub(super) schedule_runs: BTreeMap<i64, (DefinitionNo, NewRun)>,
    pub(super) lists: BTreeMap<ListNo, StoredList>,
    /// By number.
    pub(super) callout_runs: BTreeMap<i64, super::callouts::Run>,
    pub(super) is_scheduler_paused: bool,
    pub(super) campaigns: BTreeMap<NotificationNo, Campaign>,
}

/// Whose badge counter it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    User(AppNo, String),
    /// Of a device that nobody knows the user of.
    Device(DeviceNo),
}

/// A notification that counts for a user's frequency caps.
#[derive(Clone, Debug)]
pub(super) struct Send {
    pub(super) counted: Counted,
    pub(super) keep_until: UnixMs,
}

#[derive(Debug)]
pub(super) struct Notification {
    pub(super) head: NotificationHead,
    pub(super) completed_at: Option<UnixMs>,
    pub(super) fanout: Option<(Audience, DeviceNo, u32)>,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) devices: BatchDevices,
    pub(super) verdicts: Verdicts,
}

/// A work row and the epoch that holds it, while it is not due.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) work: Work,
    pub(super) holder: i64,
}

#[derive(Debug)]
pub(super) struct IdempotencyKey {
    pub(super) body_hash: [u8; 32],
    pub(super) keep_until: UnixMs,
    pub(super) no: NotificationNo,
    pub(super) accepted_at: UnixMs,
}

#[derive(Debug)]
pub(super) struct DeviceRow {
    pub(super) app: AppNo,
    /// As registered; its push tokens are in their own map.
    pub(super) registration: DeviceRegistration,
    pub(super) generation: u32,
    /// SHA-256 of the secret of a device that registered itself.
    pub(super) secret_hash: Option<[u8; 32]>,
    pub(super) created_at: UnixMs,
    pub(super) last_seen_at: UnixMs,
}

impl State {
    /// One number for everything that is numbered.
    pub(super) fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    pub(super) fn batches_of(
        &self,
        no: NotificationNo,
    ) -> impl DoubleEndedIterator<Item = (BatchNo, &Batch)> {
        let (first, last) = no.batches();
        self.batches
            .range(first..=last)
            .map(|(no, batch)| (*no, batch))
    }

    pub(super) fn works_of(&self, no: NotificationNo) -> Vec<Work> {
        let (first, last) = no.batches();
        self.works
            .values()
            .filter(|held| held.work.id.batch >= first && held.work.id.batch <= last)
            .map(|held| held.work.clone())
            .collect()
    }

    /// Merges what was learnt into a batch.
    pub(super) fn learn(
        &mut self,
        no: BatchNo,
        learnt: &[(u16, FinalState)],
        failures: &[Failure],
    ) {
        let Some(batch) = self.batches.get_mut(&no) else {
            return;
        };
        for (position, state) in learnt {
            if *position >= batch.devices.count() {
                continue;
            }
            let (before, after) = batch.verdicts.learn(*position, *state);
            let id = DeliveryId {
                batch: no,
                position: *position,
            };
            if let Some(why) = failures.iter().rfind(|why| why.position == *position) {
                if let Some(campaign) = self.campaigns.get_mut(&no.notification()) {
                    campaign.ended(id, why.gateway, before, after, &why.reason);
                }
                self.news.ended(id, why.gateway, before, after, &why.reason);
            }
        }
    }

    /// Appends an event.
    pub(super) fn append(&mut self, event: NewEvent, now: UnixMs) {
        let no = self.number();
        let stored = Event {
            no,
            at: now,
            kind: event.kind.into(),
            subject: event.subject,
            data: event.data,
        };
        self.events.push((event.app, stored));
    }

    /// Appends the events of what happened.
    pub(super) fn tell(&mut self, now: UnixMs) {
        let news = std::mem::take(&mut self.news);
        let owner = |no| {
            let known = self.notifications.get(&no);
            Ok::<_, std::convert::Infallible>(known.map(|n| (n.head.app, n.head.accepted_at)))
        };
        let Ok(events) = news.into_events(owner);
        for event in events {
            self.append(event, now);
        }
    }

    /// Marks a notification complete if its last delivery is final now. `true`: by this.
    pub(super) fn complete(&mut self, no: NotificationNo, now: UnixMs) -> bool {
        let open = self
            .batches_of(no)
            .any(|(_, batch)| batch.verdicts.still_open() > 0);
        let Some(notification) = self.notifications.get_mut(&no) else {
            return false;
        };
        let completes =
            !open && notification.fanout.is_none() && notification.completed_at.is_none();
        if completes {
            notification.completed_at = Some(now);
            self.news.completed(no);
        }
        completes
    }

    /// Positions that a work row is about and that have no final state.
    pub(super) fn open_positions(&self, work: &Work) -> Vec<u16> {
        let Some(batch) = self.batches.get(&work.id.batch) else {
            return Vec::new();
        };
        batch
            .verdicts
            .open_positions()
            .filter(|position| {
                work.positions
                    .as_ref()
                    .is_none_or(|some| some.as_slice().contains(position))
            })
            .collect()
    }

    /// Settles the open positions of a work row of a cancelled notification. Returns how many were
    /// cancelled.
    pub(super) fn withdraw(&mut self, work: &Work, now: UnixMs) -> u64 {
        self.works.remove(&work.id);
        let open = self.open_positions(work);
        let state = if work.in_doubt {
            FinalState::Unknown
        } else {
            FinalState::Cancelled
        };
        self.settle_open(work, &open, state, "", now);
        if work.in_doubt { 0 } else { open.len() as u64 }
    }

    /// Gives positions of a work row a final state that no gateway told, and counts them.
    pub(super) fn settle_open(
        &mut self,
        work: &Work,
        positions: &[u16],
        state: FinalState,
        reason: &str,
        now: UnixMs,
    ) {
        let learnt: Vec<_> = positions
            .iter()
            .map(|position| (*position, state))
            .collect();
        let failures: Vec<_> = positions
            .iter()
            .map(|position| Failure {
                position: *position,
                gateway: work.lane.gateway,
                reason: reason.into(),
            })
            .collect();
        self.learn(work.id.batch, &learnt, &failures);
        self.complete(work.id.batch.notification(), now);
        if !positions.is_empty() {
            let delta = CountDelta {
                app: work.lane.app,
                gateway: work.lane.gateway,
                state,
                reason: reason.into(),
                count: positions.len() as i64,
                at: None,
            };
            self.count(&delta, now);
        }
    }

    pub(super) fn count(&mut self, delta: &CountDelta, now: UnixMs) {
        let hour = delta.at.unwrap_or(now).div_euclid(HOUR) * HOUR;
        let key = (delta.app, hour, delta.state, delta.reason.clone());
        *self.counts.entry(key).or_default() += delta.count;
    }

    pub(super) fn view(&self, no: NotificationNo) -> Option<NotificationView> {
        let notification = self.notifications.get(&no)?;
        let (mut deliveries, mut open) = (0, 0);
        let mut states: BTreeMap<u8, (FinalState, u64)> = BTreeMap::new();
        for (_, batch) in self.batches_of(no) {
            for (_, state) in batch.verdicts.iter() {
                deliveries += 1;
                match state {
                    None => open += 1,
                    Some(state) => states.entry(state.code()).or_insert((state, 0)).1 += 1,
                }
            }
        }
        Some(NotificationView {
            plan: self.plan(&notification.head),
            head: notification.head.clone(),
            fanout_finished: notification.fanout.is_none() && !self.is_waiting(no),
            deliveries,
            open,
            states: states.into_values().collect(),
            completed_at: notification.completed_at,
        })
    }

    /// Deletes a notification with all that hangs on it. Returns how many rows went.
    pub(super) fn forget(&mut self, no: NotificationNo) -> u64 {
        let batches: Vec<_> = self.batches_of(no).map(|(batch, _)| batch).collect();
        self.works.retain(|id, _| id.batch.notification() != no);
        self.attempts
            .retain(|(batch, _)| batch.notification() != no);
        for batch in &batches {
            self.batches.remove(batch);
            self.receipts.remove(batch);
            self.batch_badges.remove(batch);
        }
        self.notifications.remove(&no);
        self.campaigns.remove(&no);
        self.counted.retain(|(of, _), _| *of != no);
        batches.len() as u64 + 1
    }
}
