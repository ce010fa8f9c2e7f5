//! A notification: what the caller asked for, and how it is to be sent.

use crate::body::BadgeChange;
use crate::callout::ContentFrom;
use crate::codec::{Reader, Unreadable, put_bytes, put_uint};
use crate::content::{Content, Urgency};
use crate::lane::{Class, Gateway};
use crate::push_type::{OnUnknown, PushType, Reach, TokenKind};
use crate::send_at::{IfPast, SendAt};
use crate::target::Target;
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/apps/{app}/notifications`. Stored, as JSON, while it waits for its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationRequest {
    /// Whom it is for.
    pub target: Target,
    /// Users whose devices are left out, at most 100: for the targets `users`, `topic`, `tags` and `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_users: Vec<String>,
    /// What it says: exactly one of `content` and `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// A template that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateUse>,
    /// Whom to ask what it says when its time has come: for schedules, instead of `content` or of a template's
    /// variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_from: Option<ContentFrom>,
    /// What becomes of each recipient's badge counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<BadgeChange>,
    /// How it is sent.
    #[serde(default)]
    pub options: RequestOptions,
    /// When it is sent; at once when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<SendAt>,
    /// What becomes of it when `send_at` has passed already; default `refuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_past: Option<IfPast>,
    /// After this instant it is not written any more (RFC 3339). At most one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The same as a duration from the send, e.g. `"15m"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

/// The body of `PATCH /v1/apps/{app}/notifications/{id}`: what is to be different about a notification that
/// waits for its time. Each field that is there replaces the former one as a whole.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationChange {
    /// Whom it is for.
    pub target: Option<Target>,
    /// Users whose devices are left out.
    pub except_users: Option<Vec<String>>,
    /// What it says; with `template` and `content_from` it replaces all that was said of that before.
    pub content: Option<Content>,
    /// A template that says it.
    pub template: Option<TemplateUse>,
    /// A call-out that is asked what it says, or for the template's variables.
    pub content_from: Option<ContentFrom>,
    /// What becomes of badge counters.
    pub badge: Option<BadgeChange>,
    /// How it is sent.
    pub options: Option<RequestOptions>,
    /// When it is sent.
    pub send_at: Option<SendAt>,
    /// What becomes of it when that has passed already; default `refuse`.
    pub if_past: Option<IfPast>,
    /// When it ends; replaces `expires_in`.
    pub expires_at: Option<String>,
    /// The same as a duration from the send; replaces `expires_at`.
    pub expires_in: Option<String>,
}

impl NotificationChange {
    /// Makes the change. What contradicts itself (content and a template) stays so, to be refused.
    pub fn apply(self, to: &mut NotificationRequest) {
        if let Some(target) = self.target {
            to.target = target;
        }
        if let Some(except_users) = self.except_users {
            to.except_users = except_users;
        }
        if self.content.is_some() || self.template.is_some() || self.content_from.is_some() {
            (to.content, to.template) = (self.content, self.template);
            to.content_from = self.content_from;
        }
        if self.badge.is_some() {
            to.badge = self.badge;
        }
        if let Some(options) = self.options {
            to.options = options;
        }
        if self.send_at.is_some() {
            to.send_at = self.send_at;
        }
        to.if_past = self.if_past;
        if self.expires_at.is_some() || self.expires_in.is_some() {
            (to.expires_at, to.expires_in) = (self.expires_at, self.expires_in);
        }
    }
}

/// A template and what fills it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateUse {
    /// The template's name.
    pub name: String,
    /// Values of its variables: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Box<serde_json::value::RawValue>>,
}

/// Options as the caller writes them; what is left out has the default of its push type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestOptions {
    /// Kind of push; default `alert`.
    pub push_type: PushType,
    /// Priority at the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Replaces an earlier notification with the same id on the device: 1 to 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapse_id: Option<String>,
    /// Bundle id (or full APNs topic), when the credential has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apns_topic: Option<String>,
    /// Whether the gateway may keep it for a device that is offline, until it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_offline: Option<bool>,
    /// What to do when nobody knows whether the gateway took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<OnUnknown>,
    /// Priority class inside Carillon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Only through this gateway. Default: every gateway that can carry it and that the App has a
    /// credential for. Raw `push_tokens` are read as its addresses; Apple's when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// The category of messages it belongs to, which a user can switch off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Whether each push carries a receipt token, by which its app says that it arrived and was opened.
    /// Default: as the App has it set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<bool>,
    /// For raw `push_tokens`: their environment. Default `auto`: Carillon finds out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<crate::environment::TokenEnvironment>,
}

/// Priority at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// At once (APNs 10).
    High,
    /// When it suits the device's battery (APNs 5).
    Normal,
    /// Never wakes the device (APNs 1).
    Low,
}

impl Priority {
    /// The number that stands for it in stored records.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::High => 10,
            Self::Normal => 5,
            Self::Low => 1,
        }
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::High, Self::Normal, Self::Low]
            .into_iter()
            .find(|p| p.code() == code)
    }
}

/// How a notification is sent, complete: every default filled in. Stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// Kind of push.
    pub push_type: PushType,
    /// Kind of push token it goes to.
    pub token_kind: TokenKind,
    /// Priority at the gateway.
    pub priority: Priority,
    /// Whether the gateway may keep it for a device that is offline.
    pub store_offline: bool,
    /// What to do in doubt.
    pub on_unknown: OnUnknown,
    /// Class inside Carillon.
    pub class: Class,
    /// The caller's collapse id. Without one, a push that may be resent carries an id derived from
    /// the delivery, so that the resend replaces it.
    pub collapse_id: Option<String>,
    /// Bundle id or full topic, when not the credential's default.
    pub apns_topic: Option<String>,
    /// Broadcast channel, when the target is one.
    pub channel: Option<String>,
    /// The category that a user can switch off.
    pub category: Option<String>,
    /// Critical content: preferences of its recipients do not keep it back.
    pub is_critical: bool,
}

/// What a push has when its options say nothing; each gateway's adapter knows.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Kind of push token at Apple.
    pub token_kind: TokenKind,
    /// Priority at the gateway.
    pub priority: Priority,
    /// Whether a gateway may keep it.
    pub store_offline: bool,
    /// What to do in doubt.
    pub on_unknown: OnUnknown,
}

/// A list longer than this is a crowd, and waits behind pushes to a few.
const CROWD: usize = 100;

/// The newest stored form. Version 1 has neither category nor `is_critical`, and is still written where
/// they are not set.
const VERSION: u8 = 2;

impl SendOptions {
    /// Fills in what the caller left out.
    #[must_use]
    pub fn complete(
        options: &RequestOptions,
        target: &Target,
        urgency: Option<Urgency>,
        defaults: Defaults,
    ) -> Self {
        let is_critical = urgency == Some(Urgency::Critical);
        let channel = match target {
            Target::Channel(id) => Some(id.clone()),
            _ => None,
        };
        Self {
            push_type: options.push_type,
            token_kind: defaults.token_kind,
            priority: options.priority.unwrap_or(defaults.priority),
            store_offline: options.store_offline.unwrap_or(defaults.store_offline),
            on_unknown: options.on_unknown.unwrap_or(defaults.on_unknown),
            class: options
                .class
                .unwrap_or_else(|| class(target, options.push_type, is_critical)),
            collapse_id: options.collapse_id.clone(),
            apns_topic: options.apns_topic.clone(),
            channel,
            category: options.category.clone(),
            is_critical,
        }
    }

    /// The kind of push token that is used at a gateway.
    #[must_use]
    pub fn token_kind_at(&self, gateway: Gateway) -> TokenKind {
        match gateway {
            Gateway::Apns => self.token_kind,
            // A Live Activity's kind is one of Apple's: an iPhone behind FCM has the same, through it.
            Gateway::Fcm => self.token_kind.through_fcm().unwrap_or(TokenKind::Fcm),
            Gateway::WebPush => TokenKind::WebPush,
        }
    }

    /// All kinds of push token that are used at some gateways.
    #[must_use]
    pub fn reach(&self, gateways: impl IntoIterator<Item = Gateway>) -> Reach {
        let kinds = gateways.into_iter().flat_map(|gateway| {
            let kind = self.token_kind_at(gateway);
            [Some(kind), kind.stand_in()]
        });
        Reach::any(kinds.flatten())
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let is_newer = self.is_critical || self.category.is_some();
        let mut out = vec![
            if is_newer { VERSION } else { 1 },
            self.push_type.code(),
            self.token_kind.code(),
            self.priority.code(),
            u8::from(self.store_offline) | u8::from(self.on_unknown == OnUnknown::Drop) << 1,
            self.class.code(),
        ];
        let mut put = |text: &Option<String>| match text {
            None => put_uint(&mut out, 0),
            Some(text) => {
                put_uint(&mut out, 1);
                put_bytes(&mut out, text.as_bytes());
            }
        };
        for text in [&self.collapse_id, &self.apns_topic, &self.channel] {
            put(text);
        }
        if is_newer {
            put(&self.category);
            out.push(u8::from(self.is_critical));
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (mut reader, version) = Reader::up_to("send options", VERSION, bytes)?;
        let push_type = PushType::from_code(reader.byte()?);
        let token_kind = TokenKind::from_code(reader.byte()?);
        let priority = Priority::from_code(reader.byte()?);
        let flags = reader.byte()?;
        let class = Class::from_code(reader.byte()?);
        let mut text = || -> Result<Option<String>, Unreadable> {
            match reader.uint()? {
                0 => Ok(None),
                _ => Ok(Some(reader.text()?.to_owned())),
            }
        };
        let (collapse_id, apns_topic, channel) = (text()?, text()?, text()?);
        let category = if version > 1 { text()? } else { None };
        let is_critical = version > 1 && reader.byte()? != 0;
        let unknown = || Unreadable {
            record: "send options",
            reason: "unknown code",
        };
        Ok(Self {
            push_type: push_type.ok_or_else(unknown)?,
            token_kind: token_kind.ok_or_else(unknown)?,
            priority: priority.ok_or_else(unknown)?,
            store_offline: flags & 1 != 0,
            on_unknown: if flags & 2 != 0 {
                OnUnknown::Drop
            } else {
                OnUnknown::Resend
            },
            class: class.ok_or_else(unknown)?,
            collapse_id,
            apns_topic,
            channel,
            category,
            is_critical,
        })
    }
}

fn class(target: &Target, push_type: PushType, is_critical: bool) -> Class {
    if is_critical || matches!(push_type, PushType::Voip | PushType::PushToTalk) {
        return Class::Urgent;
    }
    match target {
        Target::All(_)
        | Target::Topic(_)
        | Target::Tags(_)
        | Target::Segment(_)
        | Target::List(_)
        | Target::Source(_) => Class::Bulk,
        Target::Devices(list) | Target::Users(list) | Target::PushTokens(list)
            if list.len() > CROWD =>
        {
            Class::Bulk
        }
        Target::Devices(_) | Target::Users(_) | Target::PushTokens(_) | Target::Channel(_) => {
            Class::Normal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options() -> SendOptions {
        SendOptions {
            push_type: PushType::Voip,
            token_kind: TokenKind::Voip,
            priority: Priority::High,
            store_offline: false,
            on_unknown: OnUnknown::Drop,
            class: Class::Urgent,
            collapse_id: Some("a".into()),
            apns_topic: None,
            channel: None,
            category: None,
            is_critical: false,
        }
    }

    #[test]
    fn golden() {
        assert_eq!(options().encode(), [1, 2, 1, 10, 2, 0, 1, 1, b'a', 0, 0]);
        assert_eq!(SendOptions::decode(&options().encode()), Ok(options()));
        let newer = SendOptions {
            category: Some("c".into()),
            is_critical: true,
            ..options()
        };
        assert_eq!(
            newer.encode(),
            [2, 2, 1, 10, 2, 0, 1, 1, b'a', 0, 0, 1, 1, b'c', 1]
        );
        assert_eq!(SendOptions::decode(&newer.encode()), Ok(newer));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = SendOptions::decode(&bytes);
        }
    }

    #[test]
    fn requests_read_back_and_change_as_a_whole() {
        let body = r#"{"target":{"users":["a"]},"template":{"name":"t","variables":{"n":1.50}},"options":{"push_type":"alert"},"send_at":{"local":"2026-12-01T09:00","time_zone":"Asia/Seoul"},"expires_in":"15m"}"#;
        let mut request: NotificationRequest = serde_json::from_str(body).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
        let change = r#"{"content":{"body":"x"},"send_at":"2026-12-01T00:00:00Z","if_past":"send_now","expires_at":"2026-12-02T00:00:00Z"}"#;
        let change: NotificationChange = serde_json::from_str(change).unwrap();
        change.apply(&mut request);
        assert!(request.template.is_none() && request.expires_in.is_none());
        assert_eq!(request.if_past, Some(IfPast::SendNow));
        assert_eq!(request.target, Target::Users(vec!["a".into()]));
        NotificationChange::default().apply(&mut request);
        assert!(request.content.is_some() && request.if_past.is_none());
    }

    #[test]
    fn unknown_fields_are_errors() {
        let body = r#"{"target":{"devices":["a"]},"content":{"body":"x"},"colour":1}"#;
        assert!(
            serde_json::from_str::<NotificationRequest>(body)
                .unwrap_err()
                .to_string()
                .contains("colour")
        );
    }
}
