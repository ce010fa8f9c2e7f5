//! Messages: a typed builder, raw JSON, and the rules both must keep.
//!
//! A [`Message`] is what FCM calls `message`, **without its target**: one is made and checked once, and sent to as many
//! devices as need be. There are three ways to one:
//!
//! * [`Content`], the typed form;
//! * [`Message::raw`], which checks JSON that came from elsewhere;
//! * [`Message::prechecked`], for servers that have run [`check()`] before and do not want to pay for it again.
//!
//! Source: Firebase, *REST reference, projects.messages*.

mod android;
mod apns;
mod check;
mod content;
mod data;
mod json;
mod notification;
mod problem;
mod schema;
mod size;
#[cfg(test)]
mod tests;
mod webpush;

use bytes::Bytes;

pub use self::android::{
    Android, AndroidNotification, AndroidPriority, LightColour, LightSettings,
    NotificationPriority, Proxy, Visibility,
};
pub use self::apns::{Apns, ApnsOptions};
pub use self::check::check;
pub use self::content::Content;
pub use self::data::DataRule;
pub use self::notification::{Notification, Options};
pub use self::problem::{MessageError, Problem};
pub use self::webpush::{Webpush, WebpushOptions};
use crate::target::Target;

/// A message without its target, checked and written. Clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// A JSON object.
    json: Bytes,
    counted_bytes: Option<usize>,
}

// === impl Message ===

impl Message {
    /// Up to so many bytes FCM has been seen to take every message; between this and the limit only most.
    pub const SAFE_BYTES: usize = 4000;

    /// Takes JSON: what stands under `message` in a request, without a target. It is checked with [`check()`]; keys come
    /// out in one spelling and in the order they had.
    ///
    /// ```
    /// use fcm::{DataRule, Message};
    /// let json = r#"{"data":{"order":17},"android":{"collapseKey":"orders"}}"#;
    /// let error = Message::raw(json, DataRule::Refuse).unwrap_err();
    /// assert_eq!(&*error.problems()[0].pointer, "/data/order");
    ///
    /// let message = Message::raw(json, DataRule::Stringify)?;
    /// assert_eq!(message.json(), r#"{"data":{"order":"17"},"android":{"collapse_key":"orders"}}"#);
    /// # Ok::<(), fcm::MessageError>(())
    /// ```
    ///
    /// # Errors
    /// With every rule that it breaks.
    pub fn raw(json: impl AsRef<[u8]>, rule: DataRule) -> Result<Self, MessageError> {
        let mut node =
            check::read(json.as_ref()).map_err(|problem| MessageError::new(vec![problem]))?;
        rule.apply(&mut node);
        let problems = check::check_node(&node);
        if !problems.is_empty() {
            return Err(MessageError::new(problems));
        }
        Ok(Self {
            json: node.to_json().into(),
            counted_bytes: Some(size::counted(&node)),
        })
    }

    /// Takes JSON that [`Message::raw`] made before. Neither its rules nor its size are looked at again.
    ///
    /// # Errors
    /// If it does not even look like a JSON object: no request could be written with it.
    pub fn prechecked(json: impl Into<Bytes>) -> Result<Self, MessageError> {
        let json = json.into();
        if json.starts_with(b"{") && json.ends_with(b"}") && json.len() >= 2 {
            return Ok(Self {
                json,
                counted_bytes: None,
            });
        }
        Err(MessageError::new(vec![Problem::new(
            "",
            "not_an_object",
            "the message must be a JSON object without blanks around it, as Message::raw makes it",
        )]))
    }

    /// The JSON, without a target.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// How large it counts: keys and values of `data`, the texts that are shown, and the payload for iOS, for the
    /// platform for which that is the most. Google does not publish the exact account. `None` if it was prechecked.
    pub fn counted_bytes(&self) -> Option<usize> {
        self.counted_bytes
    }

    /// What is wrong with sending it to this target: only its size may be, since topics take less than devices.
    pub fn problem_for(&self, target: &Target) -> Option<Problem> {
        size::over(self.counted_bytes?, target.max_bytes())
    }

    /// The body of a request: this message with a target.
    ///
    /// ```
    /// use fcm::{DataRule, Message, PushToken};
    /// let message = Message::raw(r#"{"data":{"order":"17"}}"#, DataRule::Refuse)?;
    /// let body = message.body(&PushToken::new("tok-A")?.into(), true);
    /// assert_eq!(body, r#"{"validate_only":true,"message":{"token":"tok-A","data":{"order":"17"}}}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn body(&self, target: &Target, validate_only: bool) -> Bytes {
        let value = target.value();
        let mut body = Vec::with_capacity(self.json.len() + value.len() + 64);
        body.push(b'{');
        if validate_only {
            body.extend_from_slice(b"\"validate_only\":true,");
        }
        body.extend_from_slice(b"\"message\":{\"");
        body.extend_from_slice(target.field().as_bytes());
        body.extend_from_slice(b"\":");
        write_text(value, &mut body);
        // The object without its first brace; `{}` has nothing to put a comma before.
        let rest = &self.json[1..];
        if rest.trim_ascii() != b"}" {
            body.push(b',');
        }
        body.extend_from_slice(rest);
        body.push(b'}');
        body.into()
    }
}

/// A JSON string.
fn write_text(text: &str, out: &mut Vec<u8>) {
    // All bytes at once: this is on the way of every push.
    let is_plain = text.bytes().fold(true, |plain, byte| {
        plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')
    });
    out.push(b'"');
    if is_plain {
        out.extend_from_slice(text.as_bytes());
    } else if let Ok(quoted) = serde_json::to_string(text) {
        out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
    }
    out.push(b'"');
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("bytes", &self.json.len())
            .field("counted_bytes", &self.counted_bytes)
            .finish_non_exhaustive()
    }
}
