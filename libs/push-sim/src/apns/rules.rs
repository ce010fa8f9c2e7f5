//! Apple's checks of a device push, as one flat ordered list.
//!
//! Apple publishes the reasons but not their order; this one is the order of pushy's mock gateway
//! with the checks it lacks put where they fit. A well-formed but unknown push token is refused
//! only after the provider token was believed, so that `BadDeviceToken` for a made-up token proves
//! a sender's credentials.

use std::collections::HashSet;

use uuid::Uuid;

use super::Rejection;
use super::auth::{self, AuthContext, ConnectionAuth, KeyRing, Sender};
use super::push_type::{PushType, bundle_of};
use super::reason::Reason;
use super::request::{PushRequest, decode_hex, parse_uuid};
use crate::apps::Apps;
use crate::config::Settings;
use crate::phone::{PhoneBook, TokenState, TokenTarget};

/// Longest `apns-collapse-id` in bytes.
const MAX_COLLAPSE_ID_BYTES: usize = 64;

/// What the rules look at.
pub(crate) struct Facts<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) keys: &'a KeyRing,
    pub(crate) apps: &'a Apps,
    pub(crate) phones: &'a PhoneBook,
    pub(crate) now_ms: i64,
    pub(crate) expired_tokens: &'a HashSet<String>,
}

/// One request on its way through the rules, and what they have found out so far.
pub(crate) struct Case<'a> {
    pub(crate) request: &'a PushRequest<'a>,
    pub(crate) facts: &'a Facts<'a>,
    /// Judged before the first rule (a connection remembers every provider token it sees), applied
    /// at its place in the list.
    pub(crate) sender: Result<Sender, Reason>,
    certificate_topics: Option<Vec<String>>,
    pub(crate) apns_id: Option<Uuid>,
    pub(crate) topic: String,
    pub(crate) push_type: PushType,
    pub(crate) priority: u8,
    pub(crate) expiration: Option<i64>,
    pub(crate) push_token: Vec<u8>,
    pub(crate) target: Option<TokenTarget>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        request: &'a PushRequest<'a>,
        facts: &'a Facts<'a>,
        connection: &mut ConnectionAuth,
    ) -> Case<'a> {
        let sender = judge_sender(request, facts, connection);
        let certificate = connection.certificate.as_ref();
        let default_topic = certificate
            .and_then(|cert| cert.default_topic())
            .unwrap_or_default();
        Case {
            request,
            facts,
            sender,
            topic: request
                .header("apns-topic")
                .unwrap_or(default_topic)
                .to_owned(),
            certificate_topics: certificate.map(|cert| cert.topics.clone()),
            apns_id: None,
            push_type: PushType::Alert,
            priority: 10,
            expiration: None,
            push_token: Vec::new(),
            target: None,
        }
    }

    fn is_lax(&self) -> bool {
        auth::is_lax(self.facts.settings)
    }
}

/// Who sent this: the TLS certificate if there is one (the header is then ignored), else the
/// provider token.
pub(crate) fn judge_sender(
    request: &PushRequest<'_>,
    facts: &Facts<'_>,
    connection: &mut ConnectionAuth,
) -> Result<Sender, Reason> {
    let now_secs = facts.now_ms.div_euclid(1000);
    if let Some(certificate) = &connection.certificate {
        if !certificate.is_valid(now_secs) {
            return Err(Reason::BadCertificate);
        }
        if !certificate.is_for(request.environment) {
            return Err(Reason::BadCertificateEnvironment);
        }
        return Ok(Sender {
            team_id: None,
            topics: None,
        });
    }
    connection.authenticate(
        request.header("authorization"),
        AuthContext {
            keys: facts.keys,
            settings: facts.settings,
            environment: request.environment,
            now_secs,
            expired: facts.expired_tokens,
        },
    )
}

type Rule = fn(&mut Case<'_>) -> Result<(), Rejection>;

/// The list. The first rule that objects gives the answer.
pub(crate) const DEVICE_RULES: [(&str, Rule); 18] = [
    ("no header comes twice", no_duplicate_headers),
    ("apns-id is a UUID", apns_id),
    ("method is POST", method),
    ("the path is known", path),
    ("a topic is given", topic_present),
    ("collapse id is short enough", collapse_id),
    ("priority is 10, 5 or 1", priority),
    ("expiration is a number", expiration),
    ("push type is known", push_type),
    ("the path names a push token", push_token),
    ("the push token is still alive", push_token_alive),
    ("the push token belongs to the topic", push_token_topic),
    ("the sender is who he says", sender),
    ("the sender may push to the topic", sender_topic),
    ("the push type fits topic and priority", push_type_fits),
    ("the push token is known here", push_token_known),
    ("there is a payload", payload_present),
    ("the payload is small enough", payload_size),
];

/// Runs the list.
pub(crate) fn judge(case: &mut Case<'_>) -> Result<(), Rejection> {
    DEVICE_RULES.iter().try_for_each(|(_, rule)| rule(case))
}

fn refuse(reason: Reason) -> Result<(), Rejection> {
    Err(reason.into())
}

fn demand(holds: bool, reason: Reason) -> Result<(), Rejection> {
    if holds { Ok(()) } else { refuse(reason) }
}

fn no_duplicate_headers(case: &mut Case<'_>) -> Result<(), Rejection> {
    demand(
        !case.request.has_duplicate_headers(),
        Reason::DuplicateHeaders,
    )
}

fn apns_id(case: &mut Case<'_>) -> Result<(), Rejection> {
    if let Some(text) = case.request.header("apns-id") {
        case.apns_id = parse_uuid(text, case.is_lax());
        return demand(case.apns_id.is_some(), Reason::BadMessageId);
    }
    Ok(())
}

fn method(case: &mut Case<'_>) -> Result<(), Rejection> {
    demand(
        case.request.method == http::Method::POST,
        Reason::MethodNotAllowed,
    )
}

fn path(case: &mut Case<'_>) -> Result<(), Rejection> {
    // `h2` shows no scheme for a request with `host` in place of `:authority`.
    let scheme_fits = case.is_lax() || case.request.scheme.is_none_or(|scheme| scheme == "https");
    demand(
        scheme_fits && case.request.push_token_text().is_some(),
        Reason::BadPath,
    )
}

fn topic_present(case: &mut Case<'_>) -> Result<(), Rejection> {
    demand(!case.topic.is_empty(), Reason::MissingTopic)?;
    let well_formed = case
        .topic
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'));
    demand(well_formed, Reason::BadTopic)
}

fn collapse_id(case: &mut Case<'_>) -> Result<(), Rejection> {
    let bytes = case
        .request
        .headers
        .get("apns-collapse-id")
        .map_or(0, |value| value.len());
    demand(bytes <= MAX_COLLAPSE_ID_BYTES, Reason::BadCollapseId)
}

fn priority(case: &mut Case<'_>) -> Result<(), Rejection> {
    case.priority = parse_priority(case.request.header("apns-priority"), Some(10))?;
    Ok(())
}

/// Reads a priority; `absent` is what a missing header means, `None` that it must not be missing.
pub(crate) fn parse_priority(text: Option<&str>, absent: Option<u8>) -> Result<u8, Rejection> {
    match text {
        Some("10") => Ok(10),
        Some("5") => Ok(5),
        Some("1") => Ok(1),
        None => absent.ok_or_else(|| Reason::BadPriority.into()),
        Some(_) => Err(Reason::BadPriority.into()),
    }
}

fn expiration(case: &mut Case<'_>) -> Result<(), Rejection> {
    case.expiration = parse_expiration(case.request.header("apns-expiration"))?;
    Ok(())
}

/// Reads Unix seconds.
pub(crate) fn parse_expiration(text: Option<&str>) -> Result<Option<i64>, Rejection> {
    match text {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(seconds) if seconds >= 0 && !text.starts_with('+') => Ok(Some(seconds)),
            _ => Err(Reason::BadExpirationDate.into()),
        },
    }
}

fn push_type(case: &mut Case<'_>) -> Result<(), Rejection> {
    match case.request.header("apns-push-type") {
        None => Ok(()),
        Some(text) => {
            case.push_type = PushType::parse(text).ok_or(Reason::InvalidPushType)?;
            Ok(())
        }
    }
}

fn push_token(case: &mut Case<'_>) -> Result<(), Rejection> {
    let text = case.request.push_token_text().unwrap_or_default();
    demand(!text.is_empty(), Reason::MissingDeviceToken)?;
    case.push_token = decode_hex(text).ok_or(Reason::BadDeviceToken)?;
    case.target = case
        .facts
        .phones
        .find(&case.push_token, case.request.environment);
    Ok(())
}

fn push_token_alive(case: &mut Case<'_>) -> Result<(), Rejection> {
    match case.target.as_ref().map(|target| target.state) {
        Some(TokenState::Unregistered { since_ms }) => Err(Rejection {
            reason: Reason::Unregistered,
            timestamp_ms: Some(since_ms),
        }),
        Some(TokenState::Expired) => refuse(Reason::ExpiredToken),
        Some(TokenState::Live) | None => Ok(()),
    }
}

fn push_token_topic(case: &mut Case<'_>) -> Result<(), Rejection> {
    let Some(target) = case.target else {
        return Ok(());
    };
    let bundle = case.facts.phones.bundle(target);
    let fits = case.topic.strip_prefix(bundle) == Some(target.kind.topic_suffix());
    demand(fits, Reason::DeviceTokenNotForTopic)
}

fn sender(case: &mut Case<'_>) -> Result<(), Rejection> {
    match &case.sender {
        Ok(_) => Ok(()),
        Err(reason) => refuse(*reason),
    }
}

fn sender_topic(case: &mut Case<'_>) -> Result<(), Rejection> {
    if let Some(topics) = &case.certificate_topics {
        let listed = topics.contains(&case.topic);
        return demand(
            listed && !case.push_type.needs_provider_token(),
            Reason::TopicDisallowed,
        );
    }
    let app = case.facts.apps.get(bundle_of(&case.topic));
    demand(
        app.is_some() || case.facts.settings.accept_any_key,
        Reason::TopicDisallowed,
    )?;
    let team = app.and_then(|app| app.team_id.as_deref());
    let covered = case
        .sender
        .as_ref()
        .is_ok_and(|sender| sender.covers(&case.topic, team));
    demand(covered, Reason::InvalidProviderToken)
}

fn push_type_fits(case: &mut Case<'_>) -> Result<(), Rejection> {
    if case.is_lax() {
        return Ok(());
    }
    let named = case.request.header("apns-push-type").is_some();
    let bundle = bundle_of(&case.topic);
    let suffix_fits = case.topic.strip_prefix(bundle) == Some(case.push_type.topic_suffix());
    demand(!named || suffix_fits, Reason::BadTopic)?;
    let priority_fits = case.push_type != PushType::Background || case.priority != 10;
    demand(priority_fits, Reason::BadPriority)
}

fn push_token_known(case: &mut Case<'_>) -> Result<(), Rejection> {
    demand(case.target.is_some(), Reason::BadDeviceToken)
}

fn payload_present(case: &mut Case<'_>) -> Result<(), Rejection> {
    demand(!case.request.body.is_empty(), Reason::PayloadEmpty)
}

fn payload_size(case: &mut Case<'_>) -> Result<(), Rejection> {
    demand(
        case.request.body.len() <= case.push_type.max_payload(),
        Reason::PayloadTooLarge,
    )
}
