//! Live Activities: what is due, what somebody wants changed and what phones tell, each one step: read, worked out by the
//! model's state machine, and written with its notification in one transaction under the fence that was read.

mod doors;

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
    Turn,
};
use carillon_model::notification::{NotificationRequest, RequestOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{PushType, Reach, TokenKind};
use carillon_model::target::Target;
use carillon_ports::live_activity::{ActivityClaim, ActivityStep, Startable, StoredActivity};
use carillon_ports::news;
use carillon_ports::store::{NewEvent, StoreError};
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
            records: turn.records.clone(),
            events,
            now,
        })
    }

    fn news(&self, notice: &Notice) -> LiveActivityNews {
        let phones = self.run.phones.values().filter(|phone| !phone.is_gone);
        LiveActivityNews {
            live_activity: self.id.clone(),
            state: self.run.state.as_str().to_owned(),
            cause: match notice {
                Notice::Ended(cause) => Some(cause.as_str().to_owned()),
                _ => None,
            },
            phones: phones.clone().count(),
            waiting: phones.filter(|phone| !phone.has_token).count(),
        }
    }
}

/// Whose it is, as it is looked up: when a phone tells that it can start some, and when a user is erased.
fn recipient(plan: &Plan) -> String {
    match &plan.recipient {
        Recipient::User(user) => format!("user:{user}"),
        Recipient::Device(device) => format!("device:{device}"),
        Recipient::Channel(_) | Recipient::PushToken(_) => String::new(),
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
        let phones: Vec<i64> = startable.iter().map(|one| one.device.0).collect();
        let rules = &hub.parts.config.live_activities;
        let mut turn = open.run.turn(&open.plan, now, &phones, rules);
        let push = turn.push.take();
        let step = open.step(app, &turn, now)?;
        let Some(push) = push else {
            return Ok(Ok(Moved::Quiet(Box::new(step))));
        };
        let devices = addresses(&open.run, &push, &startable);
        let kind = match push.kind {
            PushKind::Start => TokenKind::LiveActivityStart,
            PushKind::Update | PushKind::End => TokenKind::LiveActivity,
        };
        let recipients = match devices.is_empty() {
            true => Vec::new(),
            false => {
                let store = &hub.parts.store;
                store.recipients(devices, Reach::only(kind)).await?
            }
        };
        let item = item(open, &push, step, now)?;
        let drafted = draft(hub, app, at, item, now);
        Ok(drafted.map(|draft| Moved::Push(Box::new(make(hub, app, draft, &recipients, now)))))
    }

    /// Phones of its recipient that can start it.
    async fn startable_of(&self, app: AppNo, plan: &Plan) -> Result<Vec<Startable>, StoreError> {
        let store = &self.hub.parts.store;
        let reach = Reach::only(TokenKind::LiveActivityStart);
        let found = match &plan.recipient {
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
            Recipient::Channel(_) | Recipient::PushToken(_) => Vec::new(),
        };
        let devices: Vec<DeviceNo> = found.into_iter().map(|one| one.device).collect();
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        store.startable(devices, plan.attributes_type.clone()).await
    }
}

/// The devices that keep the push tokens of a push's phones, ascending.
fn addresses(run: &Run, push: &ActivityPush, startable: &[Startable]) -> Vec<DeviceNo> {
    let of = |phone: &i64| match push.kind {
        PushKind::Start => {
            let mut all = startable.iter();
            let found = all.find(|one| one.device.0 == *phone)?;
            Some(found.push_token_of)
        }
        PushKind::Update | PushKind::End => run.phones.get(phone)?.push_token_of.map(DeviceNo),
    };
    let mut devices: Vec<DeviceNo> = push.phones.iter().filter_map(of).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// The notification that is a push.
fn item(
    open: &OpenActivity,
    push: &ActivityPush,
    step: ActivityStep,
    now: UnixMs,
) -> Result<SendItem, StoreError> {
    let payload = to_raw_value(&push.payload(&open.plan));
    let payload = payload.map_err(|error| StoreError::Failed(error.to_string()))?;
    let target = match &open.plan.recipient {
        Recipient::Channel(channel) => Target::Channel(channel.clone()),
        // Whom it is for is known by number; the ids are not asked for.
        _ => Target::Devices(vec![open.id.clone()]),
    };
    let ends_at = open.plan.ends_at.filter(|at| *at > now);
    let is_channel = open.plan.is_broadcast();
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
