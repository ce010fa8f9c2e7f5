//! Intake: the one door. Validates, resolves, makes batches, and has everything accepted in one
//! transaction. Then the batches for which there was room go straight to their lanes.
//!
//! The commit and the hand-over run in a task of their own: a caller who goes away between the two
//! must not leave work behind that nobody has.

use crate::claim::note_spilled;
use crate::draft::{Draft, Plan, draft};
use crate::hub::Hub;
use crate::job::{Incoming, Note, weight};
use crate::later;
use crate::request::{Accepted, IdempotencyKey, Refusal, SendItem};
use crate::resolve::{Answer, Question, resolve};
use crate::routing::choose;
use crate::segment::find_campaigns;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::batch::{BatchDevices, MAX_BATCH};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::lane::{Gateway, Lane};
use carillon_model::role::Role;
use carillon_model::target::{Audience, Target};
use carillon_ports::fault::{self, Bug};
use carillon_ports::schedule::ScheduleTurn;
use carillon_ports::store::{
    Acceptance, Idempotency, NewBatch, NewNotification, NotificationHead, Recipient, StoreError,
    Work, WorkId,
};
use carillon_ports::timer::When;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

mod cold;

pub(crate) use cold::{Cold, make_cold};

/// What a call to `send` answers.
pub(crate) type Answers = Vec<Result<Accepted, Refusal>>;

/// A notification ready to be stored, and its hot batches.
pub(crate) struct Ready {
    pub(crate) at: usize,
    pub(crate) new: NewNotification,
    hot: Vec<Incoming>,
    deliveries: Option<u64>,
    /// When it is sent, if that was asked for.
    send_at: Option<UnixMs>,
    late: bool,
}

impl Ready {
    /// Takes the timer out of a schedule's turn: the turn that is left of it moves that, and nothing else.
    pub(crate) fn take_timer(&mut self) -> Option<ScheduleTurn> {
        let turn = self.new.turn.as_mut()?;
        let timer = turn.timer.take()?;
        Some(ScheduleTurn {
            callout: None,
            app: turn.app,
            schedule: turn.schedule,
            timer: Some(timer),
            runs: Vec::new(),
        })
    }
}

impl Shared {
    pub(crate) async fn send(
        self: &Arc<Self>,
        app: AppNo,
        items: Vec<SendItem>,
    ) -> Result<Answers, StoreError> {
        let hub = &self.hub;
        if hub.directory.load().app_by_no(app).is_none() {
            return Ok(items.iter().map(|_| Err(Refusal::AppGone)).collect());
        }
        let now = hub.parts.clock.now();
        let mut answers: Vec<Option<Result<Accepted, Refusal>>> = Vec::new();
        let mut drafts = Vec::with_capacity(items.len());
        let keys: Vec<Option<IdempotencyKey>> =
            items.iter().map(|item| item.idempotency.clone()).collect();
        let mut ready = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            let drafted = draft(hub, app, at, item, now);
            match drafted.and_then(|draft| later::checked(hub, draft)) {
                // Whom it is for is found out when it is sent.
                Ok(draft) if matches!(draft.plan, Plan::Later(_)) => {
                    ready.push(make(hub, app, draft, &[], now));
                    answers.push(None);
                }
                Ok(draft) => {
                    drafts.push(draft);
                    answers.push(None);
                }
                Err(problems) => answers.push(Some(Err(Refusal::Invalid(problems)))),
            }
        }
        let resolved = answers_for(hub, app, &mut drafts, now).await?;
        let room = hub.wait_for_room(app, &drafts, &resolved).await;
        drop(room);
        for (draft, recipients) in drafts.into_iter().zip(resolved) {
            match recipients {
                Ok(recipients) => ready.push(make(hub, app, draft, &recipients, now)),
                Err(problems) => answers[draft.at] = Some(Err(Refusal::Invalid(problems))),
            }
        }
        repeat_refused(hub, &keys, &mut answers, now).await?;
        if !ready.is_empty() {
            let places: Vec<usize> = ready.iter().map(|ready| ready.at).collect();
            match self.commit(app, ready).await {
                Ok(accepted) => {
                    for (at, answer) in places.into_iter().zip(accepted) {
                        answers[at] = Some(answer);
                    }
                }
                Err(StoreError::Overloaded) => {
                    let retry_after_ms = hub.parts.config.overload_retry_after_ms;
                    for at in places {
                        answers[at] = Some(Err(Refusal::Overloaded { retry_after_ms }));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Has everything accepted, in a task of its own. Answers in the same order.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        app: AppNo,
        ready: Vec<Ready>,
    ) -> Result<Answers, StoreError> {
        let accepting = tokio::spawn(accept(self.clone(), app, ready));
        accepting.await.unwrap_or_else(|error| {
            let sentence = format!("accepting panicked: {error}");
            self.hub.fail(sentence.clone());
            Err(StoreError::Failed(sentence))
        })
    }
}

/// Whom drafts are for, in their order. Finds the campaigns that their segments ask about.
pub(crate) async fn answers_for(
    hub: &Hub,
    app: AppNo,
    drafts: &mut [Draft],
    now: UnixMs,
) -> Result<Vec<Answer>, StoreError> {
    let mut unknown = Vec::new();
    for (at, draft) in drafts.iter_mut().enumerate() {
        let found = find_campaigns(hub, app, &draft.target, &mut draft.segment).await?;
        unknown.extend(found.err().map(|problems| (at, problems)));
    }
    let questions = drafts.iter().map(|draft| Question {
        target: &draft.target,
        reach: draft.reach,
        declared: draft.declared,
        is_due: matches!(draft.plan, Plan::Fired(_)),
    });
    let questions: Vec<Question<'_>> = questions.collect();
    let mut answers = resolve(hub, app, &questions, now).await?;
    for (at, problems) in unknown {
        answers[at] = Err(problems);
    }
    Ok(answers)
}

/// What is refused now may have been accepted when it first came: it expired since, or its device is
/// gone, and the caller asks again because he never heard. He is answered as the first time.
async fn repeat_refused(
    hub: &Hub,
    keys: &[Option<IdempotencyKey>],
    answers: &mut [Option<Result<Accepted, Refusal>>],
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut places = Vec::new();
    let mut asked = Vec::new();
    for (at, (key, answer)) in keys.iter().zip(answers.iter()).enumerate() {
        if let (Some(key), Some(Err(_))) = (key, answer) {
            places.push(at);
            asked.push((key.scoped_key.clone(), key.body_hash));
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let before = hub.parts.store.accepted_before(asked, now).await?;
    for (at, before) in places.into_iter().zip(before) {
        if let Some((no, accepted_at)) = before {
            answers[at] = Some(Ok(Accepted {
                no,
                id: no.public(accepted_at),
                accepted_at,
                deliveries: None,
                repeated: true,
                send_at: None,
                late: false,
            }));
        }
    }
    Ok(())
}

/// Batches of at most 1,000, by lane; reserves room for those that may go straight to dispatch.
pub(crate) fn make(
    hub: &Hub,
    app: AppNo,
    draft: Draft,
    recipients: &[Recipient],
    now: UnixMs,
) -> Ready {
    let (no, accepted_at, begun_at) = match &draft.plan {
        Plan::Now { .. } | Plan::Later(_) => (hub.parts.store.next_notification(), now, None),
        Plan::Fired(fired) => (fired.no, fired.accepted_at, Some(now)),
    };
    let (options, payload) = (draft.options, draft.body);
    let class = options.class;
    let (when, send_at, late) = match draft.plan {
        Plan::Now { late } => (When::AtOnce, None, late),
        Plan::Later(timer) => {
            let at = timer.due_at;
            (When::Later(timer), Some(at), false)
        }
        Plan::Fired(fired) => (When::Fired(fired.timer), fired.send_at, false),
    };
    let is_later = matches!(when, When::Later(_));
    let lists = if is_later {
        Vec::new()
    } else {
        let target = &draft.target;
        lists(hub, app, target, draft.declared, &options, recipients)
    };
    let is_fanout = draft.target.is_fanned_out() && !is_later;
    let deliveries: usize = lists.iter().map(|(_, devices)| devices.len()).sum();
    let mut note: Option<Arc<Note>> = None;
    let mut batches = Vec::new();
    let mut hot = Vec::new();
    for ((gateway, environment), devices) in lists {
        let lane = Lane {
            app,
            gateway,
            environment,
        };
        let gauge = hub.gauges.lane(lane);
        let is_ours = hub.owns(lane);
        for devices in devices.chunks(MAX_BATCH) {
            let count = devices.len() as u32;
            let bytes = weight(devices.len(), payload.len());
            let devices = BatchDevices::new(devices.to_vec());
            let batch = no.batch(batches.len() as u32);
            let room = is_ours
                .then(|| hub.gauges.reserve_hot(&gauge, class, count, bytes))
                .flatten();
            let is_hot = room.is_some();
            if is_hot {
                let note = note.get_or_insert_with(|| {
                    Arc::new(Note::new(NotificationHead {
                        no,
                        app,
                        accepted_at,
                        send_at,
                        begun_at,
                        expires_at: draft.expires_at,
                        options: options.clone(),
                        payload: payload.clone(),
                        cancelled: false,
                        is_campaign: false,
                        paused: false,
                    }))
                });
                hot.push(Incoming {
                    work: first_work(batch, lane, class),
                    devices: devices.clone(),
                    positions: None,
                    note: note.clone(),
                    room,
                });
            } else if is_ours {
                gauge.mark_spilled(class, count);
            }
            batches.push(NewBatch {
                no: batch,
                devices,
                lane,
                class,
                hot: is_hot,
            });
        }
    }
    let idempotency = draft.idempotency.map(|key| Idempotency {
        scoped_key: key.scoped_key,
        body_hash: key.body_hash,
        keep_until: now.saturating_add(hub.parts.config.idempotency_keep_ms),
    });
    Ready {
        at: draft.at,
        new: NewNotification {
            no,
            app,
            accepted_at,
            when,
            expires_at: draft.expires_at,
            options,
            payload,
            batches,
            badge: draft.badge,
            fanout: is_fanout.then_some(Audience {
                target: draft.target,
                except_users: draft.except_users,
                segment: draft.segment,
                list: draft.list,
                starts: draft.origin.starts(draft.declared),
            }),
            idempotency,
            throttle: draft.origin.throttle,
            consumes: draft.origin.consumes,
            turn: draft.origin.turn,
            campaign: draft.origin.campaign,
            activity: draft.origin.activity,
        },
        hot,
        deliveries: (!is_fanout && !is_later).then_some(deliveries as u64),
        send_at,
        late,
    }
}

fn first_work(
    batch: carillon_model::id::BatchNo,
    lane: Lane,
    class: carillon_model::lane::Class,
) -> Work {
    Work {
        id: WorkId { batch, seq: 0 },
        lane,
        class,
        attempt: 0,
        positions: None,
        due_at: None,
        watermark: 0,
        in_doubt: false,
    }
}

/// Devices by lane. A broadcast is one delivery without a device.
fn lists(
    hub: &Hub,
    app: AppNo,
    target: &Target,
    declared: TokenEnvironment,
    options: &carillon_model::notification::SendOptions,
    recipients: &[Recipient],
) -> Vec<((Gateway, TokenEnvironment), Vec<DeviceNo>)> {
    if let Target::Channel(_) = target {
        // A channel lives in one environment; unless told, in the first that a credential serves.
        let environment = declared.known().unwrap_or_else(|| {
            let directory = hub.directory.load();
            let credentials = directory.credentials(app);
            let is_served = |environment: &Environment| {
                choose(credentials, Gateway::Apns, *environment, options).is_some()
            };
            let served = Environment::ALL.into_iter().find(is_served);
            served.unwrap_or(Environment::Production)
        });
        return vec![((Gateway::Apns, environment.into()), vec![DeviceNo(0)])];
    }
    let mut lists: Vec<((Gateway, TokenEnvironment), Vec<DeviceNo>)> = Vec::new();
    for recipient in recipients {
        let to = (recipient.gateway, recipient.environment);
        match lists.iter_mut().find(|(of, _)| *of == to) {
            Some((_, devices)) => devices.push(recipient.device),
            None => lists.push((to, vec![recipient.device])),
        }
    }
    lists
}

/// Commits, then hands over.
async fn accept(shared: Arc<Shared>, app: AppNo, ready: Vec<Ready>) -> Result<Answers, StoreError> {
    let hub = &shared.hub;
    let mut new = Vec::with_capacity(ready.len());
    let mut kept = Vec::with_capacity(ready.len());
    for item in ready {
        let cold = item.new.batches.iter().filter(|batch| !batch.hot);
        let said = Said {
            no: item.new.no,
            accepted_at: item.new.accepted_at,
            deliveries: item.deliveries,
            push_type: item.new.options.push_type,
            is_fanout: item.new.fanout.is_some(),
            is_fired: matches!(item.new.when, When::Fired(_)),
            timer_at: match &item.new.when {
                When::Later(timer) => Some(timer.due_at),
                When::AtOnce | When::Fired(_) => None,
            },
            send_at: item.send_at,
            late: item.late,
            cold: cold.map(|batch| (batch.lane, batch.class)).collect(),
        };
        kept.push((said, item.hot));
        new.push(item.new);
    }
    let acceptances = match hub.parts.store.accept(new).await {
        Ok(acceptances) => acceptances,
        Err(error) => {
            if matches!(error, StoreError::DiskFull | StoreError::Failed(_)) {
                hub.store_refused("accepting notifications", &error);
            }
            return Err(error);
        }
    };
    fault::stage("intake.committed");
    let mut answers = Vec::with_capacity(kept.len());
    let mut hot_now = Vec::new();
    let mut accepted: HashMap<carillon_model::push_type::PushType, u64> = HashMap::new();
    let mut has_fanout = false;
    let mut cold = Vec::new();
    let mut timer_at: Option<UnixMs> = None;
    for ((said, hot), acceptance) in kept.into_iter().zip(acceptances) {
        // Also where nothing was stored: its lanes are marked, and only a claim takes that back.
        cold.extend(said.cold.iter().copied());
        if acceptance == Acceptance::New {
            *accepted.entry(said.push_type).or_default() += u64::from(!said.is_fired);
            timer_at = [timer_at, said.timer_at].into_iter().flatten().min();
            has_fanout |= said.is_fanout;
            hot_now.extend(hot);
        }
        answers.push(said.answer(acceptance));
    }
    hand_over(hub, hot_now);
    if !cold.is_empty() {
        note_spilled(&shared, cold);
    }
    if let Some(at) = timer_at {
        hub.timer_set(at);
    }
    if has_fanout {
        hub.bells.fanout.notify_one();
        hub.wake_leader(Role::Worker);
    }
    let directory = hub.directory.load();
    if let Some(app) = directory.app_by_no(app) {
        for (push_type, count) in accepted {
            hub.meters.accepted(&app.id, push_type, count);
        }
    }
    Ok(answers)
}

/// What is answered about a notification.
struct Said {
    no: NotificationNo,
    accepted_at: UnixMs,
    deliveries: Option<u64>,
    push_type: carillon_model::push_type::PushType,
    is_fanout: bool,
    /// It was accepted before, and its time has come.
    is_fired: bool,
    /// When its timer is due.
    timer_at: Option<UnixMs>,
    send_at: Option<UnixMs>,
    late: bool,
    /// Where it has work in the store.
    cold: Vec<(Lane, carillon_model::lane::Class)>,
}

impl Said {
    fn answer(&self, acceptance: Acceptance) -> Result<Accepted, Refusal> {
        let (no, accepted_at, deliveries, repeated) = match acceptance {
            Acceptance::KeyReused => return Err(Refusal::KeyReused),
            Acceptance::Throttled { next_allowed_at } => {
                return Err(Refusal::Throttled { next_allowed_at });
            }
            Acceptance::Stale => return Err(Refusal::Stale),
            Acceptance::NameTaken { no, accepted_at } => {
                return Err(Refusal::NameTaken { no, accepted_at });
            }
            Acceptance::New => (self.no, self.accepted_at, self.deliveries, false),
            Acceptance::Repeated { no, accepted_at } => (no, accepted_at, None, true),
        };
        Ok(Accepted {
            no,
            id: no.public(accepted_at),
            accepted_at,
            deliveries,
            repeated,
            send_at: self.send_at.filter(|_| !repeated),
            late: self.late && !repeated,
        })
    }
}

/// One in so many batches is lost or doubled when such a bug is planted.
const PLANTED_EVERY: u32 = 5;

fn hand_over(hub: &Hub, mut hot: Vec<Incoming>) {
    if hot.is_empty() {
        return;
    }
    if fault::planted(Bug::LoseWork) || fault::planted(Bug::DoubleBatch) {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let mut kept = Vec::with_capacity(hot.len());
        for incoming in hot {
            if !COUNT.fetch_add(1, Relaxed).is_multiple_of(PLANTED_EVERY) {
                kept.push(incoming);
            } else if fault::planted(Bug::DoubleBatch) {
                kept.push(Incoming {
                    work: incoming.work.clone(),
                    devices: incoming.devices.clone(),
                    positions: None,
                    note: incoming.note.clone(),
                    room: None,
                });
                kept.push(incoming);
            }
        }
        hot = kept;
    }
    hub.inbox.hot.lock().append(&mut hot);
    hub.bells.dispatch.notify_one();
}
