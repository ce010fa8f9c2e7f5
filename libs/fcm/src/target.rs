//! Whom one request is for. FCM takes exactly one target in each; there is no list.

use crate::condition::Condition;
use crate::push_token::{InstallationId, PushToken};
use crate::topic::FcmTopic;

/// One device, or whoever has subscribed.
///
/// ```
/// use fcm::{PushToken, Target};
/// let target: Target = PushToken::new("dK3xYz:APA91bFakeAddress")?.into();
/// assert_eq!(target.field(), "token");
/// assert_eq!(target.max_bytes(), 4096);
/// # Ok::<(), fcm::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One app instance, by its registration token.
    PushToken(PushToken),
    /// One app instance, by its Firebase installation id.
    InstallationId(InstallationId),
    /// Every app instance that has subscribed to the topic.
    Topic(FcmTopic),
    /// Every app instance whose subscriptions fit.
    Condition(Condition),
}

impl Target {
    /// The most that may be sent to one device, in bytes as [`Message::counted_bytes`](crate::Message::counted_bytes)
    /// counts them.
    pub const DEVICE_MAX_BYTES: usize = 4096;

    /// The most that may be sent to a topic or condition, likewise.
    pub const TOPIC_MAX_BYTES: usize = 2048;

    /// Its key in the request's `message`: `token`, `fid`, `topic` or `condition`.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::PushToken(_) => "token",
            Self::InstallationId(_) => "fid",
            Self::Topic(_) => "topic",
            Self::Condition(_) => "condition",
        }
    }

    /// The text under that key.
    pub fn value(&self) -> &str {
        match self {
            Self::PushToken(push_token) => push_token.as_str(),
            Self::InstallationId(id) => id.as_str(),
            Self::Topic(topic) => topic.as_str(),
            Self::Condition(condition) => condition.as_str(),
        }
    }

    /// Whether it is one device: then an answer may tell that its address is dead.
    pub const fn is_device(&self) -> bool {
        matches!(self, Self::PushToken(_) | Self::InstallationId(_))
    }

    /// The most that may be sent to it.
    pub const fn max_bytes(&self) -> usize {
        if self.is_device() {
            Self::DEVICE_MAX_BYTES
        } else {
            Self::TOPIC_MAX_BYTES
        }
    }
}

// === impl Target ===

impl From<PushToken> for Target {
    fn from(push_token: PushToken) -> Self {
        Self::PushToken(push_token)
    }
}

impl From<InstallationId> for Target {
    fn from(id: InstallationId) -> Self {
        Self::InstallationId(id)
    }
}

impl From<FcmTopic> for Target {
    fn from(topic: FcmTopic) -> Self {
        Self::Topic(topic)
    }
}

impl From<Condition> for Target {
    fn from(condition: Condition) -> Self {
        Self::Condition(condition)
    }
}
