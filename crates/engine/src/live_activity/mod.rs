//! Live Activities: what is due, what somebody wants changed and what phones tell, each one step: read, worked out by the
//! model's state machine, and written with its notification in one transaction under the fence that was read.

mod adopt;
mod androids;
pub(crate) mod channels;
pub(crate) mod crowd;
mod declaring;
mod doors;
mod due;
pub(crate) mod follower;
mod refused;
mod room;
mod round;
mod trial;
mod words;

pub use doors::{ActivityAnswer, ActivityRefusal, ToldAddress, ToldToken};
pub(crate) use refused::refused;
pub(crate) use round::{Moved, ToMove};
pub use trial::TableTrial;

use crate::hub::Hub;
use crate::later;
use crate::request::{Origin, SendItem};
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::event::{EventKind, LiveActivityNews};
use carillon_model::id::AppNo;
use carillon_model::live_activity::{
    ActivityPush, ActivityRequest, ActivityState, FcmPhones, Notice, Plan, PushKind, Recipient,
    RefusedPush, Run, Turn, WordedPush,
};
use carillon_model::notification::{NotificationRequest, RequestOptions};
use carillon_model::problem::{FieldProblem, first_sentence};
use carillon_model::push_type::PushType;
use carillon_model::target::Target;
use carillon_ports::live_activity::{ActivityClaim, ActivityStep, ErrandChange, StoredActivity};
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    adopted: bool,
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
    /// A phone told of it, and nobody has declared it.
    pub is_adopted: bool,
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
    /// Pushes that surely reached nobody, since its last step.
    pub refused: Vec<RefusedPush>,
    /// In which state it was read, by whoever changes nothing of what is declared.
    pub(crate) unchanged: Option<ActivityState>,
}

impl OpenActivity {
    /// Reads a stored one.
    ///
    /// # Errors
    /// In words: it cannot be read, which only happens to what a newer server wrote.
    pub fn read(stored: &StoredActivity) -> Result<Self, String> {
        let declared: Declared =
            serde_json::from_str(&stored.plan).map_err(|error| format!("plan: {error}"))?;
        let checked = declared.request.plan_again(declared.declared_at);
        let checked = checked.map_err(|problems| format!("plan: {}", first_sentence(&problems)))?;
        Ok(Self {
            id: stored.id.clone(),
            claim: ActivityClaim::Known {
                no: stored.no,
                fence: stored.fence,
            },
            declared_at: declared.declared_at,
            is_adopted: declared.adopted,
            request: declared.request,
            plan: checked.plan,
            warnings: checked.warnings,
            run: serde_json::from_str(&stored.run).map_err(|error| format!("run: {error}"))?,
            told: Vec::new(),
            refused: stored.refused.clone(),
            unchanged: None,
        })
    }

    /// What is stored of what was declared.
    fn declared(&self) -> Result<String, StoreError> {
        let declared = Declared {
            version: VERSION,
            declared_at: self.declared_at,
            adopted: self.is_adopted,
            request: self.request.clone(),
        };
        serde_json::to_string(&declared).map_err(|error| StoreError::Failed(error.to_string()))
    }

    fn step(&self, app: AppNo, turn: &Turn, now: UnixMs) -> Result<ActivityStep, StoreError> {
        let written = |error: serde_json::Error| StoreError::Failed(error.to_string());
        let plan = match self.unchanged == Some(self.run.state) {
            true => None,
            false => Some(self.declared()?),
        };
        let mut events: Vec<NewEvent> = Vec::new();
        for notice in &turn.notices {
            let kind = match notice {
                Notice::Started => EventKind::LiveActivityStarted,
                Notice::TokenMissing => EventKind::LiveActivityUnstartable,
                Notice::StartUnanswered(_) => EventKind::LiveActivityUnanswered,
                Notice::TokenDead => EventKind::LiveActivityTokenDead,
                Notice::EndsSoon => EventKind::LiveActivityEndsSoon,
                Notice::Ended(_) => EventKind::LiveActivityEnded,
                Notice::ChannelMade => EventKind::LiveActivityChannelMade,
                Notice::ChannelTrouble | Notice::ChannelsNearlyFull(_) => {
                    EventKind::LiveActivityChannelTrouble
                }
            };
            // One event for all phones of a step.
            if events.iter().all(|event| event.kind != kind.as_str()) {
                events.push(news::event(app, kind, &self.id, &self.news(notice)));
            }
        }
        Ok(ActivityStep {
            app,
            id: self.id.clone(),
            claim: self.claim.clone(),
            state: self.run.state,
            plan,
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
            urgent: Vec::new(),
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

/// The notification that is a push.
fn item(
    open: &OpenActivity,
    push: &ActivityPush,
    by_fcm: FcmPhones,
    words: Option<WordedPush>,
    step: ActivityStep,
    now: UnixMs,
) -> Result<SendItem, StoreError> {
    let payload = to_raw_value(&push.payload(&open.plan));
    let payload = payload.map_err(|error| StoreError::Failed(error.to_string()))?;
    let message = by_fcm
        .any()
        .then(|| to_raw_value(&push.fcm(&open.plan, &open.id, by_fcm)));
    let fcm = message.transpose();
    let fcm = fcm.map_err(|error| StoreError::Failed(error.to_string()))?;
    let channel = open.run.channel_id(&open.plan);
    let channel = channel.filter(|_| push.kind != PushKind::Start);
    let is_channel = channel.is_some();
    let audience = open.plan.audience();
    let audience = audience.filter(|_| push.kind == PushKind::Start);
    let is_crowd = audience.is_some();
    let target = match (channel, audience) {
        (Some(channel), _) => Target::Channel(channel.to_owned()),
        (None, Some(audience)) => audience.clone(),
        // Whom it is for is known by number; the ids are not asked for.
        (None, None) => Target::Devices(vec![open.id.clone()]),
    };
    let ends_at = open.plan.ends_at.filter(|at| *at > now);
    let new = open.plan.new_channel().filter(|_| is_channel);
    let place = open.plan.new_channel().filter(|_| is_channel || is_crowd);
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
                environment: place.map(|new| new.environment.into()),
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
