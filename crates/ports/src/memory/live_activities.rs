//! Live Activities of the fake.

use super::MemoryStore;
use super::state::State;
use super::timers::{Of, Timer};
use crate::live_activity::{
    ActivityClaim, ActivityRecord, ActivityStep, ErrandChange, LiveActivityStore, MINUTE_MS,
    Startable, StoredActivity, URGENT_MINUTES,
};
use crate::store::{RefusedDelivery, Result};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::live_activity::{ActivityState, RefusedPush};
use carillon_model::push_type::TokenKind;
use carillon_model::timer::MissedRun;
use std::collections::BTreeMap;

/// What the fake keeps of them.
#[derive(Debug, Default)]
pub(super) struct LiveActivities {
    /// With recipient and type.
    all: BTreeMap<i64, (StoredActivity, String, String)>,
    records: BTreeMap<i64, (i64, ActivityRecord)>,
    startable: BTreeMap<(DeviceNo, String), (AppNo, DeviceNo)>,
    errands: BTreeMap<i64, UnixMs>,
    /// By phone and minute.
    urgent: BTreeMap<(DeviceNo, i64), u32>,
}

impl LiveActivities {
    /// A device that is deleted cannot be told to start anything.
    pub(super) fn forget_device(&mut self, no: DeviceNo) {
        self.startable.retain(|(device, _), _| *device != no);
    }
}

impl LiveActivities {
    fn named(&self, app: AppNo, id: &str) -> Option<&StoredActivity> {
        let mut all = self.all.values();
        all.find(|(one, ..)| one.app == app && one.id == id)
            .map(|(one, ..)| one)
    }
}

impl State {
    pub(super) fn due_activity(&self, no: i64) -> Option<StoredActivity> {
        self.live_activities
            .all
            .get(&no)
            .map(|(one, ..)| one.clone())
    }

    /// Writes a step. `false`: it is not as it was read.
    pub(super) fn step_activity(
        &mut self,
        step: &ActivityStep,
        sent: Option<NotificationNo>,
    ) -> bool {
        let fence = self.number();
        let (no, created_at, former) = match step.claim {
            ActivityClaim::New => {
                if self.live_activities.named(step.app, &step.id).is_some() {
                    return false;
                }
                (self.number(), step.now, None)
            }
            ActivityClaim::Known { no, fence } => match self.live_activities.all.get(&no) {
                Some((one, ..)) if one.fence == fence => (no, one.created_at, Some(one)),
                _ => return false,
            },
        };
        let former = former.map(|one| (one.state, one.plan.clone()));
        let (state, plan) = match (&step.plan, former) {
            (Some(plan), _) => (step.state, plan.clone()),
            (None, Some(former)) => former,
            (None, None) => return false,
        };
        let stored = StoredActivity {
            no,
            app: step.app,
            id: step.id.clone(),
            fence,
            state,
            plan,
            run: step.run.clone(),
            refused: Vec::new(),
            created_at,
            updated_at: step.now,
        };
        let of = (stored, step.recipient.clone(), step.attributes_type.clone());
        self.live_activities.all.insert(no, of);
        self.timers
            .retain(|_, timer| timer.of != Of::LiveActivity(no));
        if let Some(due_at) = step.next_at {
            let (number, fence) = (self.number(), self.number());
            let timer = Timer {
                app: step.app,
                of: Of::LiveActivity(no),
                due_at: Some(due_at),
                own_due_at: None,
                fence,
                missed: MissedRun::Fire,
                attempts: 0,
                last_error: None,
                body: Bytes::new(),
            };
            self.timers.insert(number, timer);
        }
        match step.errand {
            ErrandChange::Keep => {}
            ErrandChange::At(due_at) => {
                self.live_activities.errands.insert(no, due_at);
            }
            ErrandChange::Done => {
                self.live_activities.errands.remove(&no);
            }
        }
        for what in &step.records {
            let number = self.number();
            let record = ActivityRecord {
                no: number,
                at: step.now,
                what: what.clone(),
                notification: sent,
            };
            self.live_activities.records.insert(number, (no, record));
        }
        for event in &step.events {
            self.append(event.clone(), step.now);
        }
        let minute = step.now.div_euclid(MINUTE_MS);
        for phone in &step.urgent {
            let urgent = &mut self.live_activities.urgent;
            *urgent.entry((*phone, minute)).or_default() += 1;
        }
        true
    }

    /// A push surely reached nobody: the activity's next step is due.
    pub(super) fn refuse_activity(&mut self, refused: &RefusedDelivery, now: UnixMs) {
        let sent = Some(refused.delivery.batch.notification());
        let mut records = self.live_activities.records.values();
        let Some((no, pushed_at)) = records
            .find(|(_, record)| record.notification == sent)
            .map(|(no, record)| (*no, record.at))
        else {
            return;
        };
        let fence = self.number();
        let Some((one, ..)) = self.live_activities.all.get_mut(&no) else {
            return;
        };
        if one.state.is_over() {
            return;
        }
        one.fence = fence;
        one.refused.push(RefusedPush {
            push_token_of: refused.device.0,
            pushed_at,
            is_start: refused.is_start,
            reason: refused.reason.clone(),
        });
        let mut timers = self.timers.values_mut();
        if let Some(timer) = timers.find(|timer| timer.of == Of::LiveActivity(no)) {
            timer.due_at = timer.due_at.map(|due_at| due_at.min(now));
        }
    }

    /// A push-to-start token is dead.
    pub(super) fn forget_start_token(&mut self, push_token_of: DeviceNo) {
        let startable = &mut self.live_activities.startable;
        startable.retain(|_, (_, of)| *of != push_token_of);
    }

    /// Those that ended before an instant, and those of deleted Apps.
    pub(super) fn prune_activities(&mut self, before: UnixMs, now: UnixMs) -> u64 {
        let first = now.div_euclid(MINUTE_MS) - URGENT_MINUTES + 1;
        let urgent = &mut self.live_activities.urgent;
        urgent.retain(|(_, minute), _| *minute >= first);
        let kept = self.live_activities.all.len();
        let deleted = &self.deleted_apps;
        let LiveActivities {
            all,
            records,
            startable,
            errands,
            ..
        } = &mut self.live_activities;
        all.retain(|no, (one, ..)| {
            let is_old =
                one.state.is_over() && one.updated_at < before && !errands.contains_key(no);
            !is_old && !deleted.contains(&one.app)
        });
        errands.retain(|no, _| all.contains_key(no));
        records.retain(|_, (of, _)| all.contains_key(of));
        startable.retain(|_, (app, _)| !deleted.contains(app));
        self.activity_sources.prune(deleted);
        (kept - all.len()) as u64
    }

    pub(super) fn erase_activities(&mut self, app: AppNo, recipient: &str) {
        self.live_activities
            .all
            .retain(|_, (one, of, _)| one.app != app || of != recipient);
        let LiveActivities { all, records, .. } = &mut self.live_activities;
        records.retain(|_, (of, _)| all.contains_key(of));
        let gone = |of: Of| matches!(of, Of::LiveActivity(no) if !all.contains_key(&no));
        self.timers.retain(|_, timer| !gone(timer.of));
    }
}

fn runs(activity: &StoredActivity) -> bool {
    matches!(
        activity.state,
        ActivityState::Starting | ActivityState::Active
    )
}

#[async_trait]
impl LiveActivityStore for MemoryStore {
    async fn live_activity(&self, app: AppNo, id: String) -> Result<Option<StoredActivity>> {
        Ok(self.read().live_activities.named(app, &id).cloned())
    }

    async fn live_activities(
        &self,
        app: AppNo,
        state: Option<ActivityState>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredActivity>> {
        let all = self.read();
        let all = all.live_activities.all.values().map(|(one, ..)| one);
        let is_meant = |one: &&StoredActivity| {
            one.app == app
                && state.is_none_or(|state| one.state == state)
                && after.as_ref().is_none_or(|after| one.id > *after)
        };
        let mut found: Vec<_> = all.filter(is_meant).cloned().collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn live_activities_of(
        &self,
        app: AppNo,
        recipients: Vec<String>,
        attributes_type: String,
        limit: u32,
    ) -> Result<Vec<StoredActivity>> {
        let state = self.read();
        let all = state.live_activities.all.values();
        let found = all.filter(|(one, of, is)| {
            one.app == app && runs(one) && recipients.contains(of) && *is == attributes_type
        });
        let found = found.map(|(one, ..)| one.clone());
        Ok(found.take(limit as usize).collect())
    }

    async fn running_live_activities(
        &self,
        app: AppNo,
        recipients: Vec<String>,
        limit_each: u32,
    ) -> Result<Vec<(String, StoredActivity)>> {
        let state = self.read();
        let of = |recipient: &String| {
            let all = state.live_activities.all.values();
            let found = all.filter(|(one, of, _)| one.app == app && of == recipient && runs(one));
            let found = found.map(|(one, ..)| (recipient.clone(), one.clone()));
            found.take(limit_each as usize).collect::<Vec<_>>()
        };
        Ok(recipients.iter().flat_map(of).collect())
    }

    async fn live_activity_records(&self, no: i64, limit: u32) -> Result<Vec<ActivityRecord>> {
        let state = self.read();
        let all = state.live_activities.records.values().rev();
        let of = all
            .filter(|(of, _)| *of == no)
            .map(|(_, record)| record.clone());
        let mut newest: Vec<_> = of.take(limit as usize).collect();
        newest.reverse();
        Ok(newest)
    }

    async fn live_activity_sent(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<(String, ActivityRecord)>> {
        let state = self.read();
        let mut records = state.live_activities.records.values();
        let found = records.find(|(_, record)| record.notification == Some(no));
        Ok(found.and_then(|(of, record)| {
            let (activity, ..) = state.live_activities.all.get(of)?;
            (activity.app == app).then(|| (activity.id.clone(), record.clone()))
        }))
    }

    async fn step_live_activities(&self, steps: Vec<ActivityStep>) -> Result<Vec<bool>> {
        let mut state = self.write()?;
        let written = steps.iter().map(|step| state.step_activity(step, None));
        Ok(written.collect())
    }

    async fn urgent_pushes(
        &self,
        phones: Vec<DeviceNo>,
        now: UnixMs,
    ) -> Result<Vec<(DeviceNo, u32)>> {
        let state = self.read();
        let last = now.div_euclid(MINUTE_MS);
        let of = |phone: DeviceNo| -> u32 {
            let minutes = (phone, last - URGENT_MINUTES + 1)..=(phone, last);
            let found = state.live_activities.urgent.range(minutes);
            found.map(|(_, count)| *count).sum()
        };
        let all = phones.into_iter().map(|phone| (phone, of(phone)));
        Ok(all.filter(|(_, count)| *count > 0).collect())
    }

    async fn live_activity_errands(&self, limit: u32) -> Result<Vec<(UnixMs, StoredActivity)>> {
        let state = self.read();
        let LiveActivities { all, errands, .. } = &state.live_activities;
        let mut due: Vec<_> = errands
            .iter()
            .filter_map(|(no, due_at)| Some((*due_at, all.get(no)?.0.clone())))
            .collect();
        due.sort_by_key(|(due_at, one)| (*due_at, one.no));
        due.truncate(limit as usize);
        Ok(due)
    }

    async fn startable(
        &self,
        devices: Vec<DeviceNo>,
        attributes_type: String,
    ) -> Result<Vec<Startable>> {
        let state = self.read();
        let mut found: Vec<Startable> = devices
            .into_iter()
            .filter_map(|device| {
                let key = (device, attributes_type.clone());
                let (_, push_token_of) = state.live_activities.startable.get(&key)?;
                let through_fcm = (*push_token_of, TokenKind::FcmLiveActivityStart);
                Some(Startable {
                    device,
                    push_token_of: *push_token_of,
                    is_through_fcm: state.push_tokens.contains_key(&through_fcm),
                })
            })
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn set_startable(
        &self,
        app: AppNo,
        device: DeviceNo,
        attributes_type: String,
        push_token_of: Option<DeviceNo>,
        _now: UnixMs,
    ) -> Result<()> {
        let mut state = self.write()?;
        let is_taken_over = |(no, of_type): &(DeviceNo, String), of: DeviceNo| {
            Some(of) == push_token_of && *no != device && *of_type == attributes_type
        };
        let startable = &mut state.live_activities.startable;
        startable.retain(|key, (_, of)| !is_taken_over(key, *of));
        let key = (device, attributes_type);
        match push_token_of {
            Some(of) => state.live_activities.startable.insert(key, (app, of)),
            None => state.live_activities.startable.remove(&key),
        };
        Ok(())
    }
}
