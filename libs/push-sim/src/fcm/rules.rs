//! What Google demands of a message beyond its shape.
//!
//! Sources: REST reference "projects.messages" and "FCM error codes"; for the sizes see the crate's
//! README. The sentences are ours where Google's are not known.

use super::condition::Condition;
use super::error::GoogleError;
use super::message::{Data, Message};
use super::schema::duration_ms;

/// Most bytes of a message to one phone.
const MAX_BYTES: usize = 4096;
/// Most bytes of a message to a topic or a condition.
const MAX_TOPIC_BYTES: usize = 2048;
/// Longest time Google keeps a message, in milliseconds: 28 days.
pub(super) const MAX_TTL_MS: i64 = 2_419_200_000;
const MAX_TOPIC_CHARS: usize = 900;
const MAX_LABEL_CHARS: usize = 50;

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Token(String),
    Fid(String),
    Topic(String),
    Condition(Condition),
}

fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"-_.~%".contains(&c))
}

/// Whether `text` can be the bare name of a topic.
pub(super) fn is_topic(text: &str) -> bool {
    is_name(text, MAX_TOPIC_CHARS)
}

fn demand(holds: bool, field: &str, description: &str) -> Result<(), GoogleError> {
    match holds {
        true => Ok(()),
        false => Err(GoogleError::invalid(field, description)),
    }
}

/// Judges a message; answers with its target.
pub(super) fn judge(message: &Message) -> Result<Target, GoogleError> {
    let target = judge_target(message)?;
    for (path, data) in [
        ("message.data", Some(&message.data)),
        ("message.android.data", message.android.data.as_ref()),
        ("message.webpush.data", message.webpush.data.as_ref()),
    ] {
        judge_data(path, data)?;
    }
    judge_android(message)?;
    judge_links(message)?;
    judge_labels(message)?;
    let limit = match target {
        Target::Token(_) | Target::Fid(_) => MAX_BYTES,
        Target::Topic(_) | Target::Condition(_) => MAX_TOPIC_BYTES,
    };
    match size(message) > limit {
        true => Err(GoogleError::too_big()),
        false => Ok(target),
    }
}

fn judge_target(message: &Message) -> Result<Target, GoogleError> {
    let given = [
        ("token", &message.token),
        ("fid", &message.fid),
        ("topic", &message.topic),
        ("condition", &message.condition),
    ];
    let mut given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let Some((name, value)) = given.next() else {
        return Err(GoogleError::invalid(
            "message",
            "Recipient of the message is not set.",
        ));
    };
    if let Some((second, _)) = given.next() {
        let text = format!(
            "Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set \
             '{second}'"
        );
        return Err(GoogleError::malformed(vec![("message".into(), text)]));
    }
    Ok(match name {
        "token" => {
            demand(
                !value.is_empty(),
                "message.token",
                "The registration token is empty",
            )?;
            Target::Token(value.clone())
        }
        "fid" => {
            demand(
                !value.is_empty(),
                "message.fid",
                "The installation id is empty",
            )?;
            Target::Fid(value.clone())
        }
        "topic" => {
            let text = "Invalid topic name: expected [a-zA-Z0-9-_.~%]+";
            demand(is_topic(value), "message.topic", text)?;
            Target::Topic(value.clone())
        }
        _ => match Condition::parse(value) {
            Ok(condition) => Target::Condition(condition),
            Err(why) => {
                let text = format!("Invalid condition expression provided: {why}");
                return Err(GoogleError::invalid("message.condition", text));
            }
        },
    })
}

fn judge_data(path: &str, data: Option<&Data>) -> Result<(), GoogleError> {
    for name in data.into_iter().flat_map(Data::keys) {
        let is_reserved = matches!(name.as_str(), "from" | "message_type")
            || name.starts_with("google")
            || name.starts_with("gcm");
        if is_reserved {
            return Err(GoogleError::invalid(
                path,
                format!("Invalid data payload key: {name}"),
            ));
        }
    }
    Ok(())
}

fn judge_android(message: &Message) -> Result<(), GoogleError> {
    let android = &message.android;
    if let Some(ttl) = &android.ttl {
        let fits = duration_ms(ttl).is_ok_and(|ms| (0..=MAX_TTL_MS).contains(&ms));
        let text = "The time to live must be from 0s to 2419200s";
        demand(fits, "message.android.ttl", text)?;
    }
    let Some(notification) = &android.notification else {
        return Ok(());
    };
    let at = |name: &str| format!("message.android.notification.{name}");
    if let Some(color) = notification.get("color").and_then(|color| color.as_str()) {
        let digits = color.strip_prefix('#').unwrap_or_default();
        let fits = digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_hexdigit());
        demand(fits, &at("color"), "Invalid color: expected #rrggbb")?;
    }
    for part in ["title", "body"] {
        let (loc_args, loc_key) = (format!("{part}_loc_args"), format!("{part}_loc_key"));
        let fits = !notification.contains_key(&loc_args) || notification.contains_key(&loc_key);
        let text = format!("{loc_args} needs {loc_key}");
        demand(fits, &at(&loc_args), &text)?;
    }
    if let Some(light) = notification.get("light_settings") {
        let all = ["color", "light_on_duration", "light_off_duration"];
        let fits = all.iter().all(|name| light.get(name).is_some());
        let text = "color, light_on_duration and light_off_duration are all required";
        demand(fits, &at("light_settings"), text)?;
        let shade = |name: &str| light["color"][name].as_f64().unwrap_or_default();
        let fits = ["red", "green", "blue", "alpha"]
            .iter()
            .all(|name| (0.0..=1.0).contains(&shade(name)));
        let text = "red, green, blue and alpha must be from 0 to 1";
        demand(fits, &at("light_settings.color"), text)?;
    }
    Ok(())
}

fn judge_links(message: &Message) -> Result<(), GoogleError> {
    if let Some(link) = &message.webpush.fcm_options.link {
        let field = "message.webpush.fcm_options.link";
        demand(
            link.starts_with("https://"),
            field,
            "The link must be an HTTPS URL",
        )?;
    }
    Ok(())
}

fn judge_labels(message: &Message) -> Result<(), GoogleError> {
    for (path, options) in [
        ("message.fcm_options", &message.fcm_options),
        ("message.android.fcm_options", &message.android.fcm_options),
        ("message.webpush.fcm_options", &message.webpush.fcm_options),
        ("message.apns.fcm_options", &message.apns.fcm_options),
    ] {
        if let Some(label) = &options.analytics_label {
            let field = format!("{path}.analytics_label");
            let text = "Invalid analytics label: expected [a-zA-Z0-9-_.~%]{1,50}";
            demand(is_name(label, MAX_LABEL_CHARS), &field, text)?;
        }
    }
    Ok(())
}

/// Keys and values of the data, and the texts of the notification.
fn size(message: &Message) -> usize {
    let data: usize = message
        .android_data()
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let common = message.notification.as_ref();
    let part = |name: &str, common: Option<&String>| {
        let own = message
            .android
            .notification
            .as_ref()
            .and_then(|own| own.get(name)?.as_str());
        own.or(common.map(String::as_str)).map_or(0, str::len)
    };
    data + part("title", common.and_then(|common| common.title.as_ref()))
        + part("body", common.and_then(|common| common.body.as_ref()))
        + part("image", common.and_then(|common| common.image.as_ref()))
}
