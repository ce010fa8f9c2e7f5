//! One message to one target: what goes into the body.
//!
//! It knows nothing of projects, credentials or hosts: those belong to the connection that carries it.

use bytes::Bytes;

use crate::message::{Message, MessageError};
use crate::target::Target;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A message and its target, ready to be sent as often as need be. Clones share both.
///
/// ```
/// use fcm::message::{Content, Notification};
/// use fcm::{PushToken, Request};
/// let message = Content::new().notification(Notification::new("db-3 down", "no heartbeat")).to_message()?;
/// let request = Request::new(PushToken::new("dK3xYz:APA91bFakeAddress")?, message)?;
/// assert!(request.body().starts_with(br#"{"message":{"token":"dK3"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    target: Target,
    message: Message,
    validate_only: bool,
}

impl Request {
    /// Puts the two together.
    ///
    /// # Errors
    /// If the message is too large for the target: topics and conditions take half of what devices do.
    pub fn new(target: impl Into<Target>, message: Message) -> Result<Self, MessageError> {
        let target = target.into();
        if let Some(problem) = message.problem_for(&target) {
            return Err(MessageError::new(vec![problem]));
        }
        Ok(Self {
            target,
            message,
            validate_only: false,
        })
    }

    /// Only asks FCM whether it would take the message; nothing is delivered.
    #[must_use]
    pub fn validate_only(mut self) -> Self {
        self.validate_only = true;
        self
    }

    /// Whether nothing is to be delivered.
    pub const fn is_validate_only(&self) -> bool {
        self.validate_only
    }

    /// Whom it is for.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// What is sent.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// The body, written anew.
    pub fn body(&self) -> Bytes {
        self.message.body(&self.target, self.validate_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, FcmTopic, PushToken};

    #[test]
    fn a_topic_takes_half_of_what_a_device_does() {
        let message = Content::new()
            .data("k", "x".repeat(3_000))
            .to_message()
            .unwrap();
        let device = PushToken::new("t").unwrap();
        let request = Request::new(device, message.clone()).unwrap();
        assert!(!request.is_validate_only() && request.validate_only().is_validate_only());
        let error = Request::new(FcmTopic::new("t").unwrap(), message).unwrap_err();
        assert_eq!(error.problems()[0].rule, "too_large");
    }

    #[test]
    fn debug_hides_the_push_token_and_the_message() {
        let message = Content::new()
            .data("k", "secret text")
            .to_message()
            .unwrap();
        let request = Request::new(PushToken::new("t:APA91bx").unwrap(), message).unwrap();
        let text = format!("{request:?}");
        assert!(
            !text.contains("APA91b") && !text.contains("secret"),
            "{text}"
        );
    }
}
