//! `messages:send`: from the bearer to the phone, in the order of the checks.
//!
//! Sources: "Send a message using FCM HTTP v1 API", "FCM error codes". The order is ours: bearer,
//! project, quota, shape, rules, target. Google counts what it refuses against the quota too.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Google;
use super::bearer::Bearer;
use super::call::Reading;
use super::error::GoogleError;
use super::message::{Message, REQUEST, SendRequest};
use super::phones::{Fanout, Found, Platform};
use super::project::{ApnsCredentials, IosDeath};
use super::reply::Reply;
use super::rules::{self, Target};
use super::schema;
use super::settings::FcmSettings;
use crate::apns::request::decode_hex;
use crate::phone::Effect;
use crate::world::{PassedOn, World};

/// Most bytes of what Apple is handed.
const MAX_APNS_BYTES: usize = 4096;

/// What was decided about a request, and what it did.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) reply: Reply,
    /// At the one phone it was for.
    pub(super) effect: Option<Effect>,
    /// At all phones.
    pub(super) happened: Vec<Effect>,
    /// An access token was given.
    pub(super) gave_token: bool,
    /// For Apple to judge and to take to its phone, before it is answered.
    pub(super) passed_on: Option<PassedOn>,
}

impl Judged {
    pub(super) fn nothing(reply: Reply) -> Judged {
        Judged {
            reply,
            effect: None,
            happened: Vec::new(),
            gave_token: false,
            passed_on: None,
        }
    }

    /// With what became of the part that Apple did.
    pub(super) fn passed(mut self, world: &World, settings: &FcmSettings) -> Judged {
        let Some(passed_on) = self.passed_on.take() else {
            return self;
        };
        match world.pass_on(passed_on) {
            Ok(effect) => {
                self.effect = effect;
                self.happened.extend(effect);
                self
            }
            Err((status, reason)) => {
                let text = "The push was refused by APNs.";
                let error = GoogleError::coded(400, "INVALID_ARGUMENT", text);
                Judged::nothing(refusal(&error.with_apns(status, reason), settings))
            }
        }
    }
}

/// The moment and the books' number of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) settings: &'a FcmSettings,
    pub(super) now_ms: i64,
    pub(super) seq: u64,
    /// The phones get it; otherwise it is only judged.
    pub(super) deliver: bool,
}

/// Answers `POST /v1/projects/<project>/messages:send`.
pub(super) fn send(
    google: &mut Google,
    reading: &Reading<'_>,
    project: &str,
    facts: Facts<'_>,
) -> Judged {
    let mut happened = Vec::new();
    let mut passed_on = None;
    match judge(
        google,
        reading,
        project,
        facts,
        &mut happened,
        &mut passed_on,
    ) {
        Ok((name, effect)) => Judged {
            reply: Reply::json(200, &json!({ "name": name })),
            effect,
            happened,
            gave_token: false,
            passed_on,
        },
        Err(error) => Judged::nothing(refusal(&error, facts.settings)),
    }
}

/// An error as it is answered, with a `Retry-After` where one belongs.
pub(super) fn refusal(error: &GoogleError, settings: &FcmSettings) -> Reply {
    let reply = error.reply();
    match error.status {
        429 | 503 => reply.retry_after(settings.retry_after_secs),
        _ => reply,
    }
}

/// Whether the bearer may use a project.
pub(super) fn authorise(
    google: &mut Google,
    reading: &Reading<'_>,
    project: &str,
    facts: Facts<'_>,
) -> Result<(), GoogleError> {
    let bearer = google.grants.check(
        reading.header("authorization"),
        facts.settings,
        facts.now_ms,
    )?;
    if bearer == Bearer::Anybody {
        google.projects.entry(project);
    }
    let known = google
        .projects
        .get_mut(project)
        .ok_or_else(GoogleError::nothing_here)?;
    if !known.settings.api_enabled {
        let text = format!(
            "Firebase Cloud Messaging API has not been used in project {project} before or it is \
             disabled."
        );
        let consumer = ("consumer", format!("projects/{project}"));
        let service = ("service", "fcm.googleapis.com".to_owned());
        return Err(GoogleError::plain(403, text).because("SERVICE_DISABLED", &[consumer, service]));
    }
    let Bearer::Account(client_email) = bearer else {
        return Ok(());
    };
    let account = google.accounts.get(&client_email);
    if account.is_some_and(|account| account.may_send && account.project == project) {
        return Ok(());
    }
    let permission = "cloudmessaging.messages.create";
    let text = format!(
        "Permission '{permission}' denied on resource \
         '//cloudresourcemanager.googleapis.com/projects/{project}' (or it may not exist)."
    );
    let metadata = [
        ("permission", permission.to_owned()),
        ("resource", format!("projects/{project}")),
    ];
    Err(GoogleError::plain(403, text).because("IAM_PERMISSION_DENIED", &metadata))
}

fn judge(
    google: &mut Google,
    reading: &Reading<'_>,
    project: &str,
    facts: Facts<'_>,
    happened: &mut Vec<Effect>,
    passed_on: &mut Option<PassedOn>,
) -> Result<(String, Option<Effect>), GoogleError> {
    authorise(google, reading, project, facts)?;
    let quota = &mut google.projects.entry(project).quota;
    if !quota.take(facts.settings.sends_per_minute, facts.now_ms) {
        return Err(GoogleError::project_quota(project));
    }
    let request = read(&reading.json)?;
    let Some(message) = &request.message else {
        return Err(GoogleError::invalid(
            "message",
            "The message of the request is not set.",
        ));
    };
    let target = rules::judge(message)?;
    let single = match &target {
        Target::Token(registration) | Target::Fid(registration) => {
            Some(resolve(google, registration, project, message)?)
        }
        Target::Topic(_) | Target::Condition(_) => None,
    };
    let name = super::message_name(project, facts.now_ms, facts.seq, request.validate_only);
    let deliver = facts.deliver && !request.validate_only;
    if let Some(phone) = single
        && google.phones.platform(phone) == Platform::Ios
        && let Some(push_token) = &message.apns.live_activity_token
    {
        let app = google.phones.app(phone);
        *passed_on = Some(live_activity(message, push_token, app, facts.seq, deliver)?);
        return Ok((name, None));
    }
    if request.validate_only {
        return Ok((name, None));
    }
    if let (Some(phone), Some(limit)) = (single, facts.settings.device_sends_per_minute)
        && !google.phones.take_quota(phone, limit, facts.now_ms)
    {
        return Err(GoogleError::device_quota());
    }
    if !facts.deliver {
        return Ok((name, None));
    }
    let phones = match target {
        Target::Token(_) | Target::Fid(_) => single.into_iter().collect(),
        Target::Topic(topic) => google.followers(project, &topic),
        Target::Condition(condition) => google
            .phones
            .of_project(project, |topics| condition.holds(topics)),
    };
    let mut fanout = Fanout::new(message, facts.seq, name.clone(), facts.now_ms);
    let mut effect = None;
    for phone in phones {
        let done = google
            .phones
            .deliver(phone, &mut fanout, facts.now_ms, happened);
        effect = single.and(done);
    }
    Ok((name, effect))
}

/// What Apple gets of a message for a Live Activity.
fn live_activity(
    message: &Message,
    push_token: &str,
    bundle: &str,
    record: u64,
    deliver: bool,
) -> Result<PassedOn, GoogleError> {
    let field = "message.apns.live_activity_token";
    let push_token = decode_hex(push_token).filter(|token| !token.is_empty());
    let push_token =
        push_token.ok_or_else(|| GoogleError::invalid(field, "The token is not hexadecimal"))?;
    let expiration = message.apns.headers.get("apns-expiration");
    let payload = message.apns.payload.clone().unwrap_or_default();
    Ok(PassedOn {
        bundle: bundle.to_owned(),
        push_token,
        payload: Value::Object(payload).to_string().into_bytes().into(),
        expiration: expiration.and_then(|text| text.parse().ok()),
        record,
        deliver,
    })
}

/// Reads the body against its shape.
fn read(json: &Result<Value, String>) -> Result<SendRequest, GoogleError> {
    let value = json.as_ref().map_err(|why| {
        let text = format!("Invalid JSON payload received. {why}");
        GoogleError::malformed(vec![(String::new(), text)])
    })?;
    let nothing = json!({});
    let value = if value.is_null() { &nothing } else { value };
    let mut found = schema::Violations::new();
    let read = schema::read(value, &REQUEST, "", &mut found);
    if !found.is_empty() {
        return Err(GoogleError::malformed(found));
    }
    SendRequest::deserialize(Value::Object(read))
        .map_err(|error| GoogleError::malformed(vec![("message".into(), error.to_string())]))
}

/// The phone a registration leads to, if this project may send this to it.
fn resolve(
    google: &mut Google,
    registration: &str,
    project: &str,
    message: &Message,
) -> Result<u32, GoogleError> {
    let (phone, is_gone) = match google.phones.find(registration) {
        Found::Unknown => return Err(GoogleError::bad_registration()),
        Found::Gone { phone } => (phone, true),
        Found::Phone { phone } => (phone, false),
    };
    if google.phones.project(phone) != project {
        return Err(GoogleError::sender_id_mismatch());
    }
    let platform = google.phones.platform(phone);
    let settings = &google.projects.entry(project).settings;
    if platform == Platform::Ios {
        match settings.apns_credentials {
            ApnsCredentials::Good => {}
            ApnsCredentials::Refused => {
                return Err(GoogleError::third_party("InvalidProviderToken"));
            }
            ApnsCredentials::WrongEnvironment => {
                return Err(GoogleError::third_party("BadEnvironmentKeyInToken"));
            }
        }
    }
    if is_gone {
        let tells_apple = platform == Platform::Ios && settings.ios_death == IosDeath::ApnsError;
        return Err(match tells_apple {
            true => GoogleError::coded(400, "INVALID_ARGUMENT", "APNs device token is disabled.")
                .with_apns(410, "Unregistered"),
            false => GoogleError::unregistered(),
        });
    }
    match platform {
        Platform::Android => {
            let package = message.android.restricted_package_name.as_deref();
            let fits = package.is_none_or(|package| package == google.phones.app(phone));
            match fits {
                true => Ok(phone),
                false => Err(GoogleError::invalid(
                    "message.android.restricted_package_name",
                    "The package name of the message does not match the one of the registration",
                )),
            }
        }
        Platform::Ios => {
            let payload = message.apns.payload.as_ref();
            let bytes = payload.map_or(0, |payload| Value::from(payload.clone()).to_string().len());
            match bytes > MAX_APNS_BYTES {
                true => Err(GoogleError::coded(
                    400,
                    "INVALID_ARGUMENT",
                    "The payload for APNs is too large.",
                )
                .with_apns(413, "PayloadTooLarge")),
                false => Ok(phone),
            }
        }
        Platform::Web => Ok(phone),
    }
}
