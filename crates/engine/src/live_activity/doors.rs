//! What callers and apps want of Live Activities. Each is read, changed, worked out and written; where somebody else was
//! first, read again.

use super::declaring::{declared, declared_again, going, is_recipient, is_welcome, replan};
use super::{Moved, OpenActivity, ToMove, follow, words};
use crate::hub::Hub;
use crate::request::Refusal;
use crate::service::Shared;
use crate::{list, segment};
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::{
    ActivityChange, ActivityRequest, ActivityState, End, EndRequest, Notice, PushKind, Recipient,
    Run, StartBy, check_state, merge,
};
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::{PushTokenBytes, live_address};
use carillon_model::push_type::TokenKind;
use carillon_model::role::Role;
use carillon_model::target::Target;
use carillon_ports::registry::Device;
use carillon_ports::store::StoreError;
use serde_json::Value;
use std::sync::Arc;

/// A step that others keep coming before is tried so often.
const TRIES: u32 = 8;
/// Most activities that one new push-to-start token starts.
const MOST_STARTED: u32 = 8;

/// What came of a wish.
#[derive(Clone, Debug)]
pub struct ActivityAnswer {
    /// Whether the activity is new.
    pub is_new: bool,
    /// What may not be meant.
    pub warnings: Vec<FieldProblem>,
}

/// Why a wish was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityRefusal {
    /// It is wrong: which fields, and how.
    Invalid(Vec<FieldProblem>),
    /// There is no such activity.
    Unknown,
    /// It is over.
    Over(ActivityState),
    /// The device is not its recipient's.
    NotRecipient,
    /// Others keep changing it at the same time.
    Contended,
    /// The store's queue is full.
    Overloaded {
        /// When to come back.
        retry_after_ms: u32,
    },
}

/// An update token that an app tells.
#[derive(Clone, Debug)]
pub struct ToldToken {
    /// The token, in hexadecimal.
    pub push_token: String,
    /// Where it is valid.
    pub environment: TokenEnvironment,
    /// See [`ToldAddress::fcm_token`].
    pub fcm_token: Option<String>,
    /// The type of the activity that it is of.
    pub attributes_type: String,
    /// What it shows, as the app encodes it.
    pub content_state: Option<Value>,
    /// What never changes of it, as the app encodes it.
    pub attributes: Option<Value>,
    /// Whether the person lets the app update often; `None`: it does not say.
    pub frequent_pushes: Option<bool>,
}

/// A token of Live Activities, and how it is reached.
#[derive(Clone, Copy, Debug)]
pub struct ToldAddress<'t> {
    /// The token, in hexadecimal.
    pub push_token: &'t str,
    /// Where it is valid.
    pub environment: TokenEnvironment,
    /// The registration token of the app at Firebase, where it is reached through FCM: then Google knows the environment.
    pub fcm_token: Option<&'t str>,
}

type Answer = Result<ActivityAnswer, ActivityRefusal>;

/// What is to become of an activity.
pub(super) enum Edit {
    /// It stays as it is.
    Same(ActivityAnswer),
    /// It is to be stepped. `true`: phones that can start it are looked for.
    Step(Box<OpenActivity>, bool),
}

pub(super) fn invalid(
    pointer: &str,
    code: &'static str,
    message: impl Into<String>,
) -> ActivityRefusal {
    ActivityRefusal::Invalid(vec![FieldProblem::new(pointer, code, message)])
}

pub(super) fn same() -> Edit {
    Edit::Same(ActivityAnswer {
        is_new: false,
        warnings: Vec::new(),
    })
}

impl Shared {
    pub(super) async fn step_activity(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        mut edit: impl FnMut(Option<OpenActivity>, UnixMs) -> Result<Edit, ActivityRefusal> + Send,
    ) -> Result<Answer, StoreError> {
        let hub = &self.hub;
        for _ in 0..TRIES {
            let stored = hub.parts.store.live_activity(app, id.to_owned()).await?;
            let open = stored.as_ref().map(OpenActivity::read).transpose();
            let open =
                open.map_err(|why| StoreError::Corrupt(format!("Live Activity {id:?}: {why}")))?;
            let now = hub.parts.clock.now();
            let is_new = open.is_none();
            let (mut open, looks) = match edit(open, now) {
                Ok(Edit::Step(open, looks)) => (open, looks),
                Ok(Edit::Same(answer)) => return Ok(Ok(answer)),
                Err(refusal) => return Ok(Err(refusal)),
            };
            let looks = looks || open.run.state == ActivityState::Planned;
            let warnings = std::mem::take(&mut open.warnings);
            let to_move = ToMove {
                at: 0,
                open: *open,
                looks,
            };
            let moved = self.activities_moved(app, vec![to_move], now).await?;
            let moved = match moved.into_iter().next() {
                Some((_, Ok(moved))) => moved,
                Some((_, Err(problems))) => return Ok(Err(ActivityRefusal::Invalid(problems))),
                None => return Err(StoreError::Failed("a step was lost".to_owned())),
            };
            let has_errand = moved.has_errand();
            let is_written = match moved {
                Moved::Quiet(step) => self.activities_quiet(vec![*step]).await? == [true],
                Moved::Push(ready) => {
                    let activity = ready.new.activity.as_ref();
                    let next_at = activity.and_then(|activity| activity.next_at);
                    let answers = match self.commit(app, vec![*ready]).await {
                        Ok(answers) => answers,
                        Err(StoreError::Overloaded) => {
                            let retry_after_ms = hub.parts.config.overload_retry_after_ms;
                            return Ok(Err(ActivityRefusal::Overloaded { retry_after_ms }));
                        }
                        Err(error) => return Err(error),
                    };
                    let is_written = !matches!(answers.first(), Some(Err(Refusal::Stale)));
                    if is_written {
                        follow(hub, next_at);
                    }
                    is_written
                }
            };
            if is_written {
                if has_errand {
                    hub.bells.channels.notify_one();
                    hub.wake_leader(Role::Worker);
                }
                return Ok(Ok(ActivityAnswer { is_new, warnings }));
            }
        }
        Ok(Err(ActivityRefusal::Contended))
    }

    /// See [`crate::Engine::put_live_activity`].
    pub(crate) async fn put_activity(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        request: ActivityRequest,
    ) -> Result<Answer, StoreError> {
        let places = request.template_places();
        if let Err(refusal) = words::check(&self.hub, app, &places, &request.data, None) {
            return Ok(Err(refusal));
        }
        if let Recipient::NewChannel(new) = &request.recipient
            && let Some(problem) = audience_problem(&self.hub, app, new.audience.as_ref())
        {
            return Ok(Err(ActivityRefusal::Invalid(vec![problem])));
        }
        // The phone of an update token that the caller has is the device that keeps it.
        let phone = match &request.recipient {
            Recipient::PushToken(told) => {
                let address = ToldAddress {
                    push_token: &told.push_token,
                    environment: told.environment,
                    fcm_token: told.fcm_token.as_deref(),
                };
                let place = "/recipient/push_token";
                match self.read_token(address, place, TokenKind::LiveActivity) {
                    Ok(read) => Some((self.keep(app, read).await?, address.fcm_token.is_some())),
                    Err(refusal) => return Ok(Err(refusal)),
                }
            }
            _ => None,
        };
        self.step_activity(app, id, |open, now| {
            let mut open = match open {
                Some(open) => declared_again(open, &request, now)?,
                None => declared(id, &request, now)?,
            };
            if let (Edit::Step(open, _), Some((kept, is_through_fcm))) = (&mut open, phone) {
                // Another token is the same phone's, which has a new one.
                let phone = open.run.phones.keys().next().copied().unwrap_or(kept.0);
                let known = open.run.phones.get(&phone);
                if known.and_then(|known| known.push_token_of) != Some(kept.0) {
                    told_by_app(open, |run| run.tell_update_token(phone, None, now));
                    open.run.keep_push_token(phone, kept.0, is_through_fcm);
                }
            }
            Ok(open)
        })
        .await
    }

    /// See [`crate::Engine::change_live_activity`].
    pub(crate) async fn change_activity(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        change: &ActivityChange,
    ) -> Result<Answer, StoreError> {
        self.step_activity(app, id, |open, now| {
            let mut open = going(open)?;
            if let (Some(_), None) = (&change.alert, &change.content_state) {
                return Err(invalid(
                    "/alert",
                    "live_activity.alert_alone",
                    "expected content_state beside it: an alert calls attention to a change",
                ));
            }
            let mut request = open.request.clone();
            change.apply(&mut request);
            let mut places = change.template_places();
            if request != open.request {
                places.extend(request.template_places());
            }
            let alert = change.alert.as_ref();
            words::check(&self.hub, app, &places, &request.data, alert)?;
            if request != open.request {
                replan(&mut open, request, now)?;
            }
            if let Some(written) = &change.content_state {
                let (patch, warnings) = check_state(written).map_err(ActivityRefusal::Invalid)?;
                let mut state = open.run.state_at(&open.plan, now);
                merge(&mut state, &patch);
                let kind = PushKind::Update;
                let alert = change.alert.as_ref();
                if let Some(problem) = open.plan.too_large(kind, &state, alert, "/content_state") {
                    return Err(ActivityRefusal::Invalid(vec![problem]));
                }
                open.warnings.extend(warnings);
                open.run.update(patch, change.alert.clone(), now);
            }
            open.run.heard(now);
            Ok(Edit::Step(Box::new(open), false))
        })
        .await
    }

    /// See [`crate::Engine::end_live_activity`].
    pub(crate) async fn end_activity(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        end: &EndRequest,
    ) -> Result<Answer, StoreError> {
        self.step_activity(app, id, |open, now| {
            let mut open = going(open)?;
            let places = end.template_places();
            words::check(&self.hub, app, &places, &open.request.data, None)?;
            let end = end.check().map_err(ActivityRefusal::Invalid)?;
            let mut state = open.run.state_at(&open.plan, now);
            let last = end
                .content_state
                .as_ref()
                .or(open.plan.end.content_state.as_ref());
            if let Some(last) = last {
                merge(&mut state, last);
            }
            let alert = end.alert.as_ref();
            if let Some(problem) =
                open.plan
                    .too_large(PushKind::End, &state, alert, "/content_state")
            {
                return Err(ActivityRefusal::Invalid(vec![problem]));
            }
            open.run.ask_end(end, now);
            Ok(Edit::Step(Box::new(open), false))
        })
        .await
    }

    /// See [`crate::Engine::tell_update_token`].
    pub(crate) async fn update_token(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        device: &Device,
        told: &ToldToken,
    ) -> Result<Answer, StoreError> {
        // Before anything is kept of it.
        let new = match self
            .hub
            .parts
            .store
            .live_activity(app, id.to_owned())
            .await?
        {
            None => {
                let now = self.hub.parts.clock.now();
                match self.adopted(app, id, device, told, now).await? {
                    Ok(new) => Some(new),
                    Err(refusal) => return Ok(Err(refusal)),
                }
            }
            Some(stored) => {
                let read = OpenActivity::read(&stored);
                let open = read
                    .map_err(|why| StoreError::Corrupt(format!("Live Activity {id:?}: {why}")))?;
                if let Err(refusal) = is_welcome(&open.plan, device, told) {
                    return Ok(Err(refusal));
                }
                None
            }
        };
        let address = ToldAddress {
            push_token: &told.push_token,
            environment: told.environment,
            fcm_token: told.fcm_token.as_deref(),
        };
        let read = match self.read_token(address, "", TokenKind::LiveActivity) {
            Ok(read) => read,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let kept = self.keep(app, read).await?;
        let is_through_fcm = address.fcm_token.is_some();
        self.step_activity(app, id, |open, now| {
            let mut open = open
                .or_else(|| new.clone())
                .ok_or(ActivityRefusal::Unknown)?;
            is_welcome(&open.plan, device, told)?;
            let phone = device.no.0;
            let before = open.run.phones.get(&phone).cloned();
            let shows = told.content_state.as_ref();
            if !told_by_app(&mut open, |run| run.tell_update_token(phone, shows, now)) {
                return Err(ActivityRefusal::Over(open.run.state));
            }
            open.run.keep_push_token(phone, kept.0, is_through_fcm);
            if let Some(is_frequent) = told.frequent_pushes {
                open.run.tell_frequent(phone, is_frequent);
            }
            if before.is_some() && before.as_ref() == open.run.phones.get(&phone) {
                return Ok(same());
            }
            Ok(Edit::Step(Box::new(open), false))
        })
        .await
    }

    /// See [`crate::Engine::tell_gone`].
    pub(crate) async fn activity_gone(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        device: &Device,
        is_not_running: bool,
    ) -> Result<Answer, StoreError> {
        self.step_activity(app, id, |open, now| {
            let mut open = open.ok_or(ActivityRefusal::Unknown)?;
            is_recipient(&open.plan, device)?;
            let before = open.run.clone();
            if is_not_running {
                open.run.not_started(device.no.0);
            } else {
                open.run.gone(device.no.0);
                if open.is_adopted && open.run.is_nowhere() {
                    // Nobody knows more of it than the phones do.
                    open.run.ask_end(End::default(), now);
                }
            }
            if open.run.state.is_over() || before == open.run {
                return Ok(same());
            }
            Ok(Edit::Step(Box::new(open), is_not_running))
        })
        .await
    }

    /// See [`crate::Engine::tell_push_to_start`].
    pub(crate) async fn push_to_start(
        self: &Arc<Self>,
        app: AppNo,
        device: &Device,
        attributes_type: String,
        told: Option<ToldAddress<'_>>,
    ) -> Result<Result<(), ActivityRefusal>, StoreError> {
        let store = &self.hub.parts.store;
        let kept = match told {
            None => None,
            Some(address) => match self.read_token(address, "", TokenKind::LiveActivityStart) {
                Ok(read) => Some(self.keep(app, read).await?),
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        let now = self.hub.parts.clock.now();
        let of_type = attributes_type.clone();
        store
            .set_startable(app, device.no, of_type, kept, now)
            .await?;
        if kept.is_none() {
            return Ok(Ok(()));
        }
        let mut recipients = vec![format!("device:{}", device.id)];
        let user = device.registration.user_id.as_ref();
        recipients.extend(user.map(|user| format!("user:{user}")));
        let running = store.live_activities_of(app, recipients, attributes_type, MOST_STARTED);
        for stored in running.await? {
            let step = self.step_activity(app, &stored.id, |open, _| match open {
                Some(mut open) if open.plan.start == StartBy::Push && !open.run.state.is_over() => {
                    open.run.can_start(device.no.0);
                    Ok(Edit::Step(Box::new(open), true))
                }
                _ => Ok(same()),
            });
            if let Err(refusal) = step.await? {
                tracing::warn!(%app, live_activity = stored.id, "a phone that came later was not asked to start it: {refusal:?}");
            }
        }
        Ok(Ok(()))
    }

    /// `pointer`: of the object that has the token.
    fn read_token(
        &self,
        told: ToldAddress<'_>,
        pointer: &str,
        kind: TokenKind,
    ) -> Result<ReadToken, ActivityRefusal> {
        let read = |gateway: Gateway, text: &str, field: &str| {
            let read = match self.hub.parts.gateways.get(gateway) {
                Some(gateway) => gateway.read_push_token(text),
                None => Err("this server was started without its gateway".to_owned()),
            };
            let pointer = format!("{pointer}/{field}");
            read.map_err(|why| invalid(&pointer, "live_activity.push_token", why))
        };
        let (Some(fcm_token), Some(through_fcm)) = (told.fcm_token, kind.through_fcm()) else {
            return Ok(ReadToken {
                bytes: read(Gateway::Apns, told.push_token, "token")?,
                kind,
                environment: told.environment,
            });
        };
        let registration = read(Gateway::Fcm, fcm_token, "fcm_token")?;
        let activity = PushTokenBytes::from_hex(told.push_token);
        let pointer = format!("{pointer}/token");
        let activity =
            activity.map_err(|why| invalid(&pointer, "live_activity.push_token", why))?;
        let registration = String::from_utf8_lossy(&registration.0);
        let address = live_address(&registration, &activity.to_hex());
        Ok(ReadToken {
            bytes: PushTokenBytes(address.into_bytes().into()),
            kind: through_fcm,
            environment: TokenEnvironment::Production,
        })
    }

    /// The device that keeps a push token.
    async fn keep(&self, app: AppNo, read: ReadToken) -> Result<DeviceNo, StoreError> {
        let now = self.hub.parts.clock.now();
        let store = &self.hub.parts.store;
        let found = store
            .resolve_push_tokens(app, vec![read.bytes], read.kind, read.environment, now)
            .await?;
        let found = found.first().map(|found| found.device);
        found.ok_or_else(|| StoreError::Failed("a push token was not kept".to_owned()))
    }
}

/// A phone tells its update token. Of an activity whose time had not come, it tells that the app started it.
fn told_by_app(open: &mut OpenActivity, tell: impl FnOnce(&mut Run) -> bool) -> bool {
    let was_planned = open.run.state == ActivityState::Planned;
    let is_told = tell(&mut open.run);
    if was_planned && open.run.state == ActivityState::Active {
        open.told.push(Notice::Started);
    }
    is_told
}

/// What is not there of whom an audience names.
fn audience_problem(hub: &Hub, app: AppNo, audience: Option<&Target>) -> Option<FieldProblem> {
    let found = match audience? {
        Target::Segment(name) => segment::freeze(hub, app, name).err(),
        Target::List(name) => list::freeze(hub, app, name).err(),
        _ => None,
    };
    let place = "/recipient/new_channel/audience";
    found.map(|problem| FieldProblem {
        pointer: problem.pointer.replacen("/target", place, 1),
        ..problem
    })
}

/// A push token as it is kept.
struct ReadToken {
    bytes: PushTokenBytes,
    kind: TokenKind,
    environment: TokenEnvironment,
}
