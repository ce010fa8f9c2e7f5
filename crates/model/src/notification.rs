//! A notification: what the caller asked for, and how it is to be sent.

use crate::codec::{Reader, Unreadable, put_bytes, put_uint};
use crate::content::Content;
use crate::lane::Class;
use crate::push_type::{OnUnknown, PushType, TokenKind};
use crate::target::Target;
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/apps/{app}/notifications`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationRequest {
    /// Whom it is for.
    pub target: Target,
    /// What it says.
    pub content: Content,
    /// How it is sent.
    #[serde(default)]
    pub options: RequestOptions,
    /// After this instant it is not written any more (RFC 3339). At most one of the two.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// The same as a duration from acceptance, e.g. `"15m"`.
    #[serde(default)]
    pub expires_in: Option<String>,
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
}

const VERSION: u8 = 1;

impl SendOptions {
    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![
            VERSION,
            self.push_type.code(),
            self.token_kind.code(),
            self.priority.code(),
            u8::from(self.store_offline) | u8::from(self.on_unknown == OnUnknown::Drop) << 1,
            self.class.code(),
        ];
        for text in [&self.collapse_id, &self.apns_topic, &self.channel] {
            match text {
                None => put_uint(&mut out, 0),
                Some(text) => {
                    put_uint(&mut out, 1);
                    put_bytes(&mut out, text.as_bytes());
                }
            }
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("send options", VERSION, bytes)?;
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
        })
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
        }
    }

    #[test]
    fn golden() {
        assert_eq!(options().encode(), [1, 2, 1, 10, 2, 0, 1, 1, b'a', 0, 0]);
        assert_eq!(SendOptions::decode(&options().encode()), Ok(options()));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = SendOptions::decode(&bytes);
        }
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
