//! Live Activities: what is due, what somebody wants changed and what phones tell, each one step: read, worked out by the
//! model's state machine, and written with its notification in one transaction under the fence that was read.

mod androids;
pub(crate) mod channels;
mod doors;
mod words;

pub use doors::{ActivityAnswer, ActivityRefusal, ToldToken};

use crate::draft::draft;
use crate::hub::Hub;
use crate::intake::{Ready, make};
use crate::later;
use crate::request::{Origin, SendItem};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::event::{EventKind, LiveActivityNews};
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::live_activity::{
    ActivityPush, ActivityRequest, ActivityState, Notice, Plan, PushKind, Recipient, Run, StartBy,
    Turn, WordedPush,
};
use carillon_model::notification::{NotificationRequest, RequestOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{PushType, Reach, TokenKind};
use carillon_model::target::Target;
use carillon_ports::live_activity::{
    ActivityClaim, ActivityStep, ErrandChange, Startable, StoredActivity,
};
use carillon_ports::news;
use carillon_ports::store::{NewEvent, Recipient as Reached, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

/// Version of the stored plan.
const VERSION: u32 = 1;

/// What is stored of a plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    version: u32,
    declared_at: UnixMs,
    request: ActivityRequest,
}

/// An activity, read.
#[derive(Clone, Debug)]
pub struct OpenActivity {
    /// The caller's id.
    pub id: String,
    /// As it was read.
    pub claim: ActivityClaim,
    /// When it was declared.
    pub declared_at: UnixMs,
    /// What was declared.
    pub request: ActivityRequest,
    /// The same, worked out.
    pub plan: Plan,
    /// What may not be meant.
    pub warnings: Vec<FieldProblem>,
    /// What became of it so far.
    pub run: Run,
    /// What is told besides with its next step.
    pub(crate) told: Vec<Notice>,
}

impl OpenActivity {
    /// Reads a stored one.
    ///
    /// # Errors
    /// In words: it cannot be read, which only happens to what a newer server wrote.
    pub fn read(stored: &StoredActivity) -> Result<Self, String> {
        let declared: Declared =
            serde_json::from_str(&stored.plan).map_err(|error| format!("plan: {error}"))?;
        let checked = declared.request.plan(declared.declared_at);
        let checked = checked.map_err(|problems| {
            let first = problems.first().map(ToString::to_string);
            format!("plan: {}", first.unwrap_or_default())
        })?;
        Ok(Self {
            id: stored.id.clone(),
            claim: ActivityClaim::Known {
                no: stored.no,
                fence: stored.fence,
            },
            declared_at: declared.declared_at,
            request: declared.request,
            plan: checked.plan,
            warnings: checked.warnings,
            run: serde_json::from_str(&stored.run).map_err(|error| format!("run: {error}"))?,
            told: Vec::new(),
        })
    }

    fn step(&self, app: AppNo, turn: &Turn, now: UnixMs) -> Result<ActivityStep, StoreError> {
        let written = |error: serde_json::Error| StoreError::Failed(error.to_string());
        let declared = Declared {
            version: VERSION,
            declared_at: self.declared_at,
            request: self.request.clone(),
        };
        let mut events: Vec<NewEvent> = Vec::new();
        let mut unanswered = false;
        for notice in &turn.notices {
            let kind = match notice {
                Notice::Started => EventKind::LiveActivityStarted,
                Notice::TokenMissing => EventKind::LiveActivityUnstartable,
                // One event for all phones of a step.
                Notice::StartUnanswered(_) if unanswered => continue,
                Notice::StartUnanswered(_) => {
                    unanswered = true;
                    EventKind::LiveActivityUnanswered
                }
                Notice::EndsSoon => EventKind::LiveActivityEndsSoon,
                Notice::Ended(_) => EventKind::LiveActivityEnded,
                Notice::ChannelMade => EventKind::LiveActivityChannelMade,
                Notice::ChannelTrouble | Notice::ChannelsNearlyFull(_) => {
                    EventKind::LiveActivityChannelTrouble
                }
            };
            events.push(news::event(app, kind, &self.id, &self.news(notice)));
        }
        Ok(ActivityStep {
            app,
            id: self.id.clone(),
            claim: self.claim.clone(),
            state: self.run.state,
            plan: serde_json::to_string(&declared).map_err(written)?,
            run: serde_json::to_string(&self.run).map_err(written)?,
            recipient: recipient(&self.plan),
            attributes_type: self.plan.attributes_type.clone(),
            next_at: turn.next_at,
            errand: match (&self.run.channel, self.run.errand_at()) {
                (None, _) => ErrandChange::Keep,
                (Some(_), Some(at)) => ErrandChange::At(at),
                (Some(_), None) => ErrandChange::Done,
            },
            records: turn.records.clone(),
            events,
            now,
        })
    }

    fn news(&self, notice: &Notice) -> LiveActivityNews {
        let phones = self.run.phones.values().filter(|phone| !phone.is_gone);
        let channel = self.run.channel.as_ref();
        let (channel, reason) = match notice {
            Notice::ChannelMade => (channel.and_then(|channel| channel.id.clone()), None),
            Notice::ChannelTrouble => (
                channel.and_then(|channel| channel.id.clone()),
                channel.and_then(|channel| channel.error.clone()),
            ),
            Notice::ChannelsNearlyFull(number) => (
                None,
                Some(format!(
                    "the app has {number} of at most 10,000 channels in this environment: list the App's channels, and delete those of which nothing is published any more"
                )),
            ),
            _ => (None, None),
        };
        LiveActivityNews {
            live_activity: self.id.clone(),
            state: self.run.state.as_str().to_owned(),
            cause: match notice {
                Notice::Ended(cause) => Some(cause.as_str().to_owned()),
                _ => None,
            },
            phones: phones.clone().count(),
            waiting: phones.filter(|phone| !phone.has_token).count(),
            channel,
            reason,
        }
    }
}

/// Whose it is, as it is looked up: when a phone tells that it can start some, and when a user is erased.
fn recipient(plan: &Plan) -> String {
    match &plan.recipient {
        Recipient::User(user) => format!("user:{user}"),
        Recipient::Device(device) => format!("device:{device}"),
        Recipient::Channel(_) | Recipient::NewChannel(_) | Recipient::PushToken(_) => String::new(),
    }
}

/// A step that is worked out, to be written.
pub(crate) enum Moved {
    /// With a notification.
    Push(Box<Ready>),
    /// Without.
    Quiet(Box<ActivityStep>),
}

impl Shared {
    /// What an activity whose moment has come is to do; the error is a sentence.
    pub(crate) async fn activity_due(
        &self,
        at: usize,
        stored: &StoredActivity,
        now: UnixMs,
    ) -> Result<Result<Moved, String>, StoreError> {
        let mut open = match OpenActivity::read(stored) {
            Ok(open) => open,
            Err(why) => return Ok(Err(why)),
        };
        let looks = open.run.state == ActivityState::Planned;
        let moved = self.activity_moved(at, stored.app, &mut open, looks, now);
        Ok(moved.await?.map_err(|problems| {
            let first = problems.first().map(ToString::to_string);
            first.unwrap_or_default()
        }))
    }

    /// Writes a step for which nothing is sent. `false`: it is not as it was read.
    pub(crate) async fn activity_quiet(&self, step: ActivityStep) -> Result<bool, StoreError> {
        let has_news = !step.events.is_empty();
        let next_at = step.next_at;
        let is_written = self.hub.parts.store.step_live_activity(step).await?;
        if is_written {
            if let Some(at) = next_at {
                self.hub.timer_set(at);
            }
            if has_news {
                self.hub.tell();
            }
        }
        Ok(is_written)
    }

    /// Works out what is to be done at `now`, and makes the notification of it. `looks`: phones that can start it are
    /// looked for.
    pub(crate) async fn activity_moved(
        &self,
        at: usize,
        app: AppNo,
        open: &mut OpenActivity,
        looks: bool,
        now: UnixMs,
    ) -> Result<Result<Moved, Vec<FieldProblem>>, StoreError> {
        let hub = &self.hub;
        let is_open = open.plan.start == StartBy::Push
            && !open.run.state.is_over()
            && now >= open.plan.starts_at;
        let startable = if looks && is_open {
            self.startable_of(app, &open.plan).await?
        } else {
            Vec::new()
        };
        let has_begun = !open.run.state.is_over() && now >= open.plan.starts_at;
        if open.plan.android && !open.run.knows_androids && has_begun {
            let androids = self.androids_of(app, &open.plan, &startable).await?;
            if let Some(androids) = androids {
                open.run.add_androids(&androids);
            }
        }
        let phones: Vec<i64> = startable.iter().map(|one| one.device.0).collect();
        let rules = &hub.parts.config.live_activities;
        let mut turn = open.run.turn(&open.plan, now, &phones, rules);
        open.run.follow_with_channel(&open.plan, rules);
        turn.notices.append(&mut open.told);
        let push = turn.push.take();
        let step = open.step(app, &turn, now)?;
        let Some(push) = push else {
            return Ok(Ok(Moved::Quiet(Box::new(step))));
        };
        let devices = addresses(&open.run, &push, &startable);
        let (push, words) = match self.in_words(app, open, push, &startable) {
            Ok(said) => said,
            Err(problems) => return Ok(Err(problems)),
        };
        let item = item(open, &push, words, step, now)?;
        let draft = match draft(hub, app, at, item, now) {
            Ok(draft) => draft,
            Err(problems) => return Ok(Err(problems)),
        };
        let recipients = match devices.is_empty() {
            true => Vec::new(),
            false => hub.parts.store.recipients(devices, draft.reach).await?,
        };
        let ready = make(hub, app, draft, &recipients, now);
        Ok(Ok(Moved::Push(Box::new(ready))))
    }

    /// A push whose texts are as everybody reads them, and what is to be written for each reader apart.
    fn in_words(
        &self,
        app: AppNo,
        open: &OpenActivity,
        push: ActivityPush,
        startable: &[Startable],
    ) -> Result<(ActivityPush, Option<WordedPush>), Vec<FieldProblem>> {
        if push.templates().is_empty() {
            return Ok((push, None));
        }
        let is_published = open.plan.is_broadcast() && push.kind != PushKind::Start;
        if is_published {
            let push = words::for_everybody(&self.hub, app, open, &push)?;
            return Ok((push, None));
        }
        let address = |phone: &i64| address(&open.run, push.kind, startable, *phone);
        let readers = words::readers(&push.phones, address);
        let worded = words::worded(&self.hub, app, open, &push, readers)?;
        Ok((words::sample(&push)?, Some(worded)))
    }

    /// Devices of its recipient.
    async fn devices_of(
        &self,
        app: AppNo,
        plan: &Plan,
        reach: Reach,
    ) -> Result<Vec<Reached>, StoreError> {
        let store = &self.hub.parts.store;
        let found: Vec<_> = match &plan.recipient {
            Recipient::User(user) => {
                let limit = self.hub.parts.config.max_devices_per_user;
                let users = vec![user.clone()];
                let found = store.resolve_users(app, users, reach, limit).await?;
                found.into_iter().flatten().collect()
            }
            Recipient::Device(id) => {
                let found = store.resolve_devices(app, vec![id.clone()], reach).await?;
                found.into_iter().flatten().collect()
            }
            Recipient::NewChannel(new) => {
                let (users, ids) = (new.users.clone(), new.devices.clone());
                let limit = self.hub.parts.config.max_devices_per_user;
                let of_users = store.resolve_users(app, users, reach, limit).await?;
                let mut all: Vec<_> = of_users.into_iter().flatten().collect();
                let named = store.resolve_devices(app, ids, reach).await?;
                all.extend(named.into_iter().flatten());
                all
            }
            Recipient::Channel(_) | Recipient::PushToken(_) => Vec::new(),
        };
        Ok(found)
    }

    /// Phones of its recipient that can start it.
    async fn startable_of(&self, app: AppNo, plan: &Plan) -> Result<Vec<Startable>, StoreError> {
        let store = &self.hub.parts.store;
        let reach = Reach::only(TokenKind::LiveActivityStart);
        let found = self.devices_of(app, plan, reach).await?;
        let devices: Vec<DeviceNo> = found.into_iter().map(|one| one.device).collect();
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        store.startable(devices, plan.attributes_type.clone()).await
    }
}

/// The devices that keep the push tokens of a push's phones, ascending.
fn addresses(run: &Run, push: &ActivityPush, startable: &[Startable]) -> Vec<DeviceNo> {
    let of = |phone: &i64| address(run, push.kind, startable, *phone);
    let mut devices: Vec<DeviceNo> = push.phones.iter().filter_map(of).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// The device that keeps the push token of a phone.
fn address(run: &Run, kind: PushKind, startable: &[Startable], phone: i64) -> Option<DeviceNo> {
    let mut all = startable.iter();
    let found = match kind {
        PushKind::Start => all.find(|one| one.device.0 == phone),
        PushKind::Update | PushKind::End => None,
    };
    let known = run.phones.get(&phone);
    let known = known.filter(|phone| kind != PushKind::Start || phone.is_android);
    match found {
        Some(found) => Some(found.push_token_of),
        None => known?.push_token_of.map(DeviceNo),
    }
}

/// The notification that is a push.
fn item(
    open: &OpenActivity,
    push: &ActivityPush,
    words: Option<WordedPush>,
    step: ActivityStep,
    now: UnixMs,
) -> Result<SendItem, StoreError> {
    let payload = to_raw_value(&push.payload(&open.plan));
    let payload = payload.map_err(|error| StoreError::Failed(error.to_string()))?;
    let is_android = |no: &i64| {
        open.run
            .phones
            .get(no)
            .is_some_and(|phone| phone.is_android)
    };
    let fcm = match push.phones.iter().any(is_android) {
        true => Some(to_raw_value(&push.android(&open.plan, &open.id))),
        false => None,
    };
    let fcm = fcm.transpose();
    let fcm = fcm.map_err(|error| StoreError::Failed(error.to_string()))?;
    let channel = open.run.channel_id(&open.plan);
    let channel = channel.filter(|_| push.kind != PushKind::Start);
    let is_channel = channel.is_some();
    let target = match channel {
        Some(channel) => Target::Channel(channel.to_owned()),
        // Whom it is for is known by number; the ids are not asked for.
        None => Target::Devices(vec![open.id.clone()]),
    };
    let ends_at = open.plan.ends_at.filter(|at| *at > now);
    let new = open.plan.new_channel().filter(|_| is_channel);
    let topic = open.run.channel.as_ref().filter(|_| is_channel);
    let expires_at = match push.kind {
        // What would be shown after the end is shown no more.
        PushKind::Start | PushKind::Update if !is_channel => ends_at.map(later::shown),
        _ => None,
    };
    Ok(SendItem {
        request: NotificationRequest {
            target,
            except_users: Vec::new(),
            content: Some(Content {
                apns: Some(payload),
                fcm,
                ..Content::default()
            }),
            template: None,
            content_from: None,
            badge: None,
            options: RequestOptions {
                push_type: PushType::LiveActivity,
                priority: Some(push.priority),
                // The stream of its receipts is the phone's own, which tells by its token that it shows it.
                receipt: Some(false),
                environment: new.map(|new| new.environment.into()),
                apns_topic: topic.and_then(|of| of.topic.clone()),
                store_offline: new.map(|new| new.store),
                ..RequestOptions::default()
            },
            send_at: None,
            if_past: None,
            expires_at,
            expires_in: None,
        },
        idempotency: None,
        origin: Origin {
            activity: Some(step),
            words,
            ..Origin::default()
        },
    })
}

/// Rings for the next moment of a step that was written, and for what is told of it.
pub(crate) fn follow(hub: &Hub, next_at: Option<UnixMs>) {
    if let Some(at) = next_at {
        hub.timer_set(at);
    }
    hub.tell();
}
