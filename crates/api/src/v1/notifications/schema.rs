//! What a request to send looks like, for the OpenAPI document only: the model reads it, and knows
//! nothing of OpenAPI. A test holds the field names of both together.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A notification to send.
#[derive(ToSchema)]
#[schema(as = NotificationRequest)]
#[expect(
    dead_code,
    reason = "documents carillon_model::notification::NotificationRequest"
)]
pub(crate) struct RequestSchema {
    /// Whom it is for: exactly one of the keys.
    target: TargetSchema,
    /// Users whose devices are left out, at most 100: for the targets `users`, `topic`, `tags`,
    /// `segment`, `list` and `all`.
    except_users: Option<Vec<String>>,
    /// What it says. Exactly one of `content` and `template`, or neither beside `content_from`.
    content: Option<ContentSchema>,
    /// A template that says it, in each reader's language.
    template: Option<TemplateUseSchema>,
    /// The call-out that is asked what it says, or what fills the template, when its time has come: at `send_at`, when a
    /// schedule is due, or at once.
    content_from: Option<ContentFromSchema>,
    /// What becomes of each recipient's badge counter, once, however often it is sent.
    badge: Option<BadgeChangeSchema>,
    /// How it is sent.
    options: Option<OptionsSchema>,
    /// When it is sent: an instant, or a local time and its zone, at most `scheduler.send_ahead_max` ahead. At
    /// once when it is left out.
    send_at: Option<SendAtSchema>,
    /// What becomes of it when `send_at` has passed: `refuse` (default) or `send_now`.
    if_past: Option<String>,
    /// After this instant it is not written any more. At most one of the two.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The same as a duration from the send.
    #[schema(example = "15m")]
    expires_in: Option<String>,
}

/// A time: an instant in RFC 3339, or what the clocks of a place show.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = SendAt)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents carillon_model::send_at::SendAt")]
pub(crate) enum SendAtSchema {
    /// An instant.
    #[schema(example = "2026-12-01T09:00:00+09:00")]
    Instant(String),
    /// By the clocks of a place.
    Local(LocalTimeSchema),
}

/// A date and time as the clocks of a place show it. One that they skip means the first instant after the gap,
/// one that they show twice the first of the two.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = LocalTime)]
pub(crate) struct LocalTimeSchema {
    /// Date and time without offset.
    #[schema(example = "2026-12-01T09:00")]
    local: String,
    /// IANA zone.
    #[schema(example = "Asia/Seoul")]
    time_zone: String,
}

/// What is to be different about a notification that waits for its time. What is left out stays.
#[derive(ToSchema)]
#[schema(as = NotificationChange)]
#[expect(
    dead_code,
    reason = "documents carillon_model::notification::NotificationChange"
)]
pub(crate) struct ChangeSchema {
    /// Whom it is for.
    target: Option<TargetSchema>,
    /// Users whose devices are left out.
    except_users: Option<Vec<String>>,
    /// What it says; with `template` and `content_from` it replaces all that was said of that before.
    content: Option<ContentSchema>,
    /// A template that says it.
    template: Option<TemplateUseSchema>,
    /// The call-out that is asked what it says, or what fills the template.
    content_from: Option<ContentFromSchema>,
    /// What becomes of each recipient's badge counter.
    badge: Option<BadgeChangeSchema>,
    /// How it is sent.
    options: Option<OptionsSchema>,
    /// When it is sent.
    send_at: Option<SendAtSchema>,
    /// What becomes of it when that has passed: `refuse` (default) or `send_now`.
    if_past: Option<String>,
    /// When it ends; replaces `expires_in`.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The same as a duration from the send; replaces `expires_at`.
    #[schema(example = "15m")]
    expires_in: Option<String>,
}

/// Whom to ask what a notification says.
#[derive(ToSchema)]
#[schema(as = ContentFrom)]
#[expect(dead_code, reason = "documents carillon_model::callout::ContentFrom")]
pub(crate) struct ContentFromSchema {
    /// The name of a call-out of the App.
    #[schema(example = "daily-news")]
    callout: String,
    /// What it is told besides: at most 16 KiB.
    data: Option<BTreeMap<String, Value>>,
}

/// A template and what fills it.
#[derive(ToSchema)]
#[schema(as = TemplateUse)]
#[expect(
    dead_code,
    reason = "documents carillon_model::notification::TemplateUse"
)]
pub(crate) struct TemplateUseSchema {
    /// The template's name.
    #[schema(example = "comment-created")]
    name: String,
    /// Values of its variables.
    variables: Option<BTreeMap<String, Value>>,
}

/// A change of a recipient's badge counter: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = BadgeChange, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::body::BadgeChange")]
pub(crate) enum BadgeChangeSchema {
    /// So many more.
    Increment(u32),
    /// This number from now on; 0 clears it.
    Set(u32),
}

/// Whom a notification is for: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = Target, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::target::Target")]
pub(crate) enum TargetSchema {
    /// Devices by id, 1 to 1,000.
    Devices(Vec<String>),
    /// All devices of these users, 1 to 1,000.
    Users(Vec<String>),
    /// Raw push tokens, 1 to 1,000: Apple's in hex, those of another `options.gateway` as it gave them.
    /// Each becomes an anonymous device.
    PushTokens(Vec<String>),
    /// All devices of the App; the value is `true`.
    All(bool),
    /// All devices subscribed to this topic.
    Topic(String),
    /// All devices for which this expression holds, such as `tags contains 'vip'`; or an object with the
    /// lists `all`, `any` and `none` of tags.
    Tags(Value),
    /// All devices of this segment, as it is when the notification is accepted.
    Segment(String),
    /// All devices of this uploaded list, as it is when the notification is accepted.
    List(String),
    /// Of a campaign only: the devices that a source of the server's configuration names when it begins.
    Source(String),
    /// A broadcast channel (Live Activities, iOS 18).
    Channel(String),
}

/// What a notification says: a portable part, and raw overrides that win field by field.
#[derive(ToSchema)]
#[schema(as = Content)]
#[expect(dead_code, reason = "documents carillon_model::content::Content")]
pub(crate) struct ContentSchema {
    /// Title.
    title: Option<String>,
    /// Text.
    body: Option<String>,
    /// Second line of the title.
    subtitle: Option<String>,
    /// Number on the app's icon; 0 clears it.
    badge: Option<u32>,
    /// Sound: `default` or a file of the app.
    sound: Option<String>,
    /// Address of a picture (https); the app's extension fetches it.
    image: Option<String>,
    /// What a tap opens.
    link: Option<String>,
    /// The app's own data: its keys stand beside `aps`.
    data: Option<BTreeMap<String, Value>>,
    /// Groups notifications on the device.
    thread: Option<String>,
    /// Set of actions that the app has registered.
    category: Option<String>,
    /// `passive`, `active`, `time_sensitive` or `critical`.
    urgency: Option<String>,
    /// Raw APNs payload. Alone it is sent byte for byte; beside portable fields its keys win.
    apns: Option<BTreeMap<String, Value>>,
    /// Raw parts of FCM's message; their keys win.
    fcm: Option<BTreeMap<String, Value>>,
    /// Raw message for browsers; its keys win.
    webpush: Option<BTreeMap<String, Value>>,
}

/// How a notification is sent; what is left out has the default of its push type.
#[derive(ToSchema)]
#[schema(as = RequestOptions)]
#[expect(
    dead_code,
    reason = "documents carillon_model::notification::RequestOptions"
)]
pub(crate) struct OptionsSchema {
    /// `alert` (default), `background`, `voip`, `liveactivity`, `location`, `complication`,
    /// `fileprovider`, `mdm`, `pushtotalk`, `controls` or `widgets`.
    push_type: Option<String>,
    /// `high`, `normal` or `low`.
    priority: Option<String>,
    /// Replaces an earlier notification with the same id on the device: 1 to 64 bytes.
    collapse_id: Option<String>,
    /// Bundle id (or full APNs topic), when the credential has several.
    apns_topic: Option<String>,
    /// Whether the gateway may keep it for a device that is offline, until it expires.
    store_offline: Option<bool>,
    /// `resend` or `drop`, when nobody knows whether the gateway took it.
    on_unknown: Option<String>,
    /// `urgent`, `normal` or `bulk`: priority inside Carillon.
    class: Option<String>,
    /// Only through this gateway: `apns`, `fcm` or `webpush`. Raw push tokens are its addresses;
    /// Apple's when it is left out.
    gateway: Option<String>,
    /// The category of messages it belongs to, which a user can switch off.
    category: Option<String>,
    /// Whether each push carries a receipt token, by which its app says that it arrived and was opened.
    /// Default: as the App has it set.
    receipt: Option<bool>,
    /// For raw push tokens: `production`, `sandbox` or `auto` (default: Carillon finds out).
    environment: Option<String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use carillon_model::content::Content;
    use carillon_model::notification::{NotificationChange, NotificationRequest, RequestOptions};
    use carillon_model::send_at::LocalTime;
    use carillon_model::target::Target;
    use serde::de::DeserializeOwned;
    use std::collections::BTreeSet;
    use utoipa::PartialSchema;

    /// Field names that a type of the model takes: serde lists them when it meets another.
    pub(crate) fn taken<T: DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
        let message = serde_json::from_str::<T>(r#"{"no such field": 1}"#)
            .unwrap_err()
            .to_string();
        let list = message.split_once("expected").unwrap().1;
        list.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    /// Property names of a schema; for one-of, of all its variants.
    pub(crate) fn documented<T: PartialSchema>() -> BTreeSet<String> {
        fn properties(schema: &Value, names: &mut BTreeSet<String>) {
            names.extend(
                schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone()),
            );
            for variant in schema["oneOf"].as_array().into_iter().flatten() {
                properties(variant, names);
            }
        }
        let mut names = BTreeSet::new();
        properties(&serde_json::to_value(T::schema()).unwrap(), &mut names);
        names
    }

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(
            documented::<RequestSchema>(),
            taken::<NotificationRequest>()
        );
        assert_eq!(documented::<ChangeSchema>(), taken::<NotificationChange>());
        assert_eq!(documented::<LocalTimeSchema>(), taken::<LocalTime>());
        assert_eq!(documented::<ContentSchema>(), taken::<Content>());
        assert_eq!(documented::<OptionsSchema>(), taken::<RequestOptions>());
        assert_eq!(documented::<TargetSchema>(), taken::<Target>());
    }
}
