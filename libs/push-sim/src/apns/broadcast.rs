//! Broadcasts on channels, and the management of channels.
//!
//! Sources: "Sending broadcast push notification requests to APNs", "Sending channel management
//! requests to APNs", "Handling error responses from Apple Push Notification service".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use uuid::Uuid;

use super::auth::{self, ConnectionAuth};
use super::push_type::{MAX_PAYLOAD_LARGE, bundle_of};
use super::reason::Reason;
use super::request::{PushRequest, parse_uuid};
use super::rules::{self, Facts};
use super::{Answer, Rejection};
use crate::apps::{Apps, Channel};
use crate::config::Settings;

/// Longest channel id this simulator reads.
const MAX_CHANNEL_ID_BYTES: usize = 128;

/// A broadcast that passed the rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broadcast {
    pub(crate) bundle: String,
    pub(crate) channel: String,
    pub(crate) expiration: i64,
}

/// What a management request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Management {
    Create { bundle: String, stores_newest: bool },
    Read { bundle: String, channel: String },
    Delete { bundle: String, channel: String },
    List { bundle: String },
}

/// A judged request, with the request id to answer and whether the sender was believed.
#[derive(Debug)]
pub(crate) struct Judged<T> {
    pub(crate) result: Result<T, Rejection>,
    pub(crate) request_id: Option<Uuid>,
    pub(crate) authenticated: bool,
}

fn demand(holds: bool, reason: Reason) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(reason.into()) }
}

fn is_method(request: &PushRequest<'_>, name: &str, facts: &Facts<'_>) -> bool {
    request.is_method(name, auth::is_lax(facts.settings))
}

fn request_id(request: &PushRequest<'_>, settings: &Settings) -> Result<Option<Uuid>, Rejection> {
    match request.header("apns-request-id") {
        None => Ok(None),
        Some(text) => match parse_uuid(text, auth::is_lax(settings)) {
            Some(id) => Ok(Some(id)),
            None => Err(Reason::BadMessageId.into()),
        },
    }
}

fn channel_id<'a>(request: &PushRequest<'a>) -> Result<&'a str, Rejection> {
    let id = request
        .header("apns-channel-id")
        .filter(|id| !id.is_empty());
    let id = id.ok_or(Reason::MissingChannelId)?;
    let readable = id.len() <= MAX_CHANNEL_ID_BYTES && STANDARD.decode(id).is_ok();
    demand(readable, Reason::BadChannelId)?;
    Ok(id)
}

/// Sender, then whether he may speak for the app. A bundle ID with a suffix is no bundle ID.
fn authorise(
    sender: Result<super::auth::Sender, Reason>,
    bundle: &str,
    facts: &Facts<'_>,
    connection: &ConnectionAuth,
) -> Result<(), Rejection> {
    demand(bundle_of(bundle) == bundle, Reason::TopicDisallowed)?;
    let sender = sender?;
    let app = facts.apps.get(bundle);
    demand(
        app.is_some() || facts.settings.accept_any_key,
        Reason::TopicMismatch,
    )?;
    let certified = connection
        .certificate
        .as_ref()
        .is_none_or(|certificate| certificate.covers_bundle(bundle));
    let covered = sender.covers(bundle, app.and_then(|app| app.team_id.as_deref()));
    demand(certified && covered, Reason::TopicMismatch)?;
    demand(
        app.is_none_or(|app| app.broadcast),
        Reason::FeatureNotEnabled,
    )
}

/// Judges `POST /4/broadcasts/apps/<bundle>`.
pub(crate) fn judge_broadcast(
    request: &PushRequest<'_>,
    facts: &Facts<'_>,
    connection: &mut ConnectionAuth,
) -> Judged<Broadcast> {
    let sender = rules::judge_sender(request, facts, connection);
    let authenticated = sender.is_ok();
    let id = request_id(request, facts.settings);
    let request_id = id.as_ref().ok().copied().flatten();
    let judge = || -> Result<Broadcast, Rejection> {
        demand(!request.has_duplicate_headers(), Reason::DuplicateHeaders)?;
        id?;
        let bundle = request.broadcast_bundle().ok_or(Reason::BadPath)?;
        demand(is_method(request, "POST", facts), Reason::MethodNotAllowed)?;
        let push_type = request
            .header("apns-push-type")
            .ok_or(Reason::MissingPushType)?;
        demand(
            push_type.eq_ignore_ascii_case("liveactivity"),
            Reason::InvalidPushType,
        )?;
        rules::parse_priority(request.header("apns-priority"), None)?;
        let expiration = rules::parse_expiration(request.header("apns-expiration"))?
            .ok_or(Reason::BadExpirationDate)?;
        let channel = channel_id(request)?;
        authorise(sender, bundle, facts, connection)?;
        let known = facts
            .apps
            .get(bundle)
            .and_then(|app| app.channels(request.environment).get(channel))
            .ok_or(Reason::ChannelNotRegistered)?;
        demand(
            known.stores_newest || expiration == 0,
            Reason::BadExpirationDate,
        )?;
        demand(!request.body.is_empty(), Reason::PayloadEmpty)?;
        let small = request.body.len() <= MAX_PAYLOAD_LARGE;
        demand(small, Reason::PayloadTooLarge)?;
        Ok(Broadcast {
            bundle: bundle.to_owned(),
            channel: channel.to_owned(),
            expiration,
        })
    };
    Judged {
        result: judge(),
        request_id,
        authenticated,
    }
}

/// Judges a request to the channel-management host.
pub(crate) fn judge_management(
    request: &PushRequest<'_>,
    facts: &Facts<'_>,
    connection: &mut ConnectionAuth,
) -> Judged<Management> {
    let sender = rules::judge_sender(request, facts, connection);
    let authenticated = sender.is_ok();
    let id = request_id(request, facts.settings);
    let request_id = id.as_ref().ok().copied().flatten();
    let judge = || -> Result<Management, Rejection> {
        demand(!request.has_duplicate_headers(), Reason::DuplicateHeaders)?;
        id?;
        let (bundle, resource) = request.management_target().ok_or(Reason::BadPath)?;
        let known = if resource == "channels" {
            &["POST", "GET", "DELETE"][..]
        } else {
            &["GET"]
        };
        let method = known
            .iter()
            .copied()
            .find(|name| is_method(request, name, facts));
        let method = method.ok_or(Reason::MethodNotAllowed)?;
        authorise(sender, bundle, facts, connection)?;
        let bundle = bundle.to_owned();
        if resource == "all-channels" {
            return Ok(Management::List { bundle });
        }
        if method == "POST" {
            let stores_newest = parse_create(request.body)?;
            let used = facts
                .apps
                .get(&bundle)
                .map_or(0, |app| app.channels(request.environment).len());
            let room = used < facts.settings.channel_limit;
            demand(room, Reason::CannotCreateChannelConfig)?;
            return Ok(Management::Create {
                bundle,
                stores_newest,
            });
        }
        let channel = channel_id(request)?.to_owned();
        let known = facts
            .apps
            .get(&bundle)
            .is_some_and(|app| app.channels(request.environment).contains_key(&channel));
        demand(known, Reason::ChannelNotRegistered)?;
        Ok(match method {
            "GET" => Management::Read { bundle, channel },
            _ => Management::Delete { bundle, channel },
        })
    };
    Judged {
        result: judge(),
        request_id,
        authenticated,
    }
}

/// `{"message-storage-policy":0|1,"push-type":"LiveActivity"}` and nothing else.
fn parse_create(body: &[u8]) -> Result<bool, Rejection> {
    demand(!body.is_empty(), Reason::PayloadEmpty)?;
    let body: Value =
        serde_json::from_slice(body).map_err(|_| Rejection::from(Reason::BadRequestPayload))?;
    let body = body.as_object().ok_or(Reason::BadRequestPayload)?;
    let known = ["message-storage-policy", "push-type"];
    demand(
        body.keys().all(|key| known.contains(&key.as_str())),
        Reason::BadRequestParams,
    )?;
    let push_type = body.get("push-type").ok_or(Reason::MissingPushType)?;
    demand(push_type == "LiveActivity", Reason::InvalidPushType)?;
    match body.get("message-storage-policy").and_then(Value::as_u64) {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(Reason::BadRequestParams.into()),
    }
}

/// Carries out a management request.
pub(crate) fn manage(
    asked: Management,
    apps: &mut Apps,
    environment: crate::Environment,
) -> Answer {
    match asked {
        Management::Create {
            bundle,
            stores_newest,
        } => {
            let id = STANDARD.encode(Uuid::new_v4().as_bytes());
            let channel = Channel {
                stores_newest,
                ..Channel::default()
            };
            apps.entry(&bundle)
                .channels_mut(environment)
                .insert(id.clone(), channel);
            Answer {
                channel_id: Some(id),
                ..Answer::status(201)
            }
        }
        Management::Read { bundle, channel } => {
            let policy = apps
                .get(&bundle)
                .and_then(|app| app.channels(environment).get(&channel))
                .map_or(0, |channel| u8::from(channel.stores_newest));
            let body =
                format!(r#"{{"message-storage-policy":{policy},"push-type":"LiveActivity"}}"#);
            Answer {
                body: Some(body),
                ..Answer::status(200)
            }
        }
        Management::Delete { bundle, channel } => {
            apps.entry(&bundle)
                .channels_mut(environment)
                .remove(&channel);
            Answer::status(204)
        }
        Management::List { bundle } => {
            let ids: Vec<&String> = apps
                .get(&bundle)
                .map(|app| app.channels(environment).keys().collect())
                .unwrap_or_default();
            let body = serde_json::json!({ "channels": ids }).to_string();
            Answer {
                body: Some(body),
                ..Answer::status(200)
            }
        }
    }
}
