//! Broadcast channels (iOS 18): one publish reaches every Live Activity that subscribed. The requests and answers of channel
//! management and of publishing; sending them is the broadcast client's work.
//!
//! Source: Apple, *Sending channel management requests to APNs*; *Sending broadcast push notification requests to APNs*.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::expiration::Expiration;
use crate::invalid::{Invalid, quoted};
use crate::payload::{Payload, PayloadError, check_broadcast};
use crate::priority::Priority;
use crate::push_type::PushType;
use crate::request::{RequestError, check_size};
use crate::topic::BundleId;

/// A channel's id as APNs issued it: base64 text whose length is not fixed. Belongs to one app in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct ChannelId(Box<str>);

/// What APNs keeps for devices that are away. Fixed when the channel is made. On the wire it is the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum StoragePolicy {
    /// Nothing: a larger publishing budget, and every expiration must be 0.
    NoStorage = 0,
    /// The newest message, for at most 8 hours.
    MostRecent = 1,
}

/// A channel as channel management describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// What it stores.
    pub storage_policy: StoragePolicy,
}

/// One call to the management host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelRequest {
    /// Makes a channel: `POST …/channels`, answered with `201` and the id in a header.
    Create(StoragePolicy),
    /// Describes a channel: `GET …/channels`.
    Read(ChannelId),
    /// Deletes a channel: `DELETE …/channels`, answered with `204`. What it has stored may still go out.
    Delete(ChannelId),
    /// Lists all channels of the app in this environment: `GET …/all-channels`.
    List,
}

/// A publish to a channel, ready to be sent. Made by [`BroadcastRequest::builder`].
///
/// ```
/// use apns::{BroadcastRequest, BundleId, ChannelId, Expiration, Priority, StoragePolicy};
/// let request = BroadcastRequest::builder(
///     BundleId::new("net.example.pager")?,
///     ChannelId::new("c2ltLWNoYW5uZWwtMDAx")?,
///     r#"{"aps":{"timestamp":1700000160,"event":"update","content-state":{"state":"degraded"}}}"#,
/// )
/// .priority(Priority::PowerAware)
/// .expiration(Expiration::once())
/// .storage_policy(StoragePolicy::NoStorage)
/// .build()?;
/// assert_eq!(request.path(), "/4/broadcasts/apps/net.example.pager");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroadcastRequest {
    bundle_id: BundleId,
    channel_id: ChannelId,
    priority: Priority,
    expiration: Expiration,
    request_id: Uuid,
    body: Bytes,
}

/// Makes a [`BroadcastRequest`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build() is called"]
pub struct BroadcastRequestBuilder {
    bundle_id: BundleId,
    channel_id: ChannelId,
    body: Bytes,
    priority: Priority,
    expiration: Expiration,
    storage_policy: Option<StoragePolicy>,
    request_id: Option<Uuid>,
}

// === impl ChannelId ===

impl ChannelId {
    /// The longest id taken, in bytes. Apple names no number; this keeps the header within limits.
    pub const MAX_BYTES: usize = 512;

    /// Checks and keeps an id.
    ///
    /// # Errors
    /// If it is empty, too long, or holds anything but base64 characters.
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, Invalid> {
        let text = text.into();
        let base64 = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
        };
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(base64) {
            let found = if text.len() > Self::MAX_BYTES {
                format!("{} bytes", text.len())
            } else {
                quoted(&text)
            };
            return Err(Invalid::new(
                "apns-channel-id",
                found,
                "must be base64 text of 1 to 512 bytes",
                "send the channel id exactly as APNs issued it",
            ));
        }
        Ok(Self(text))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value for `apns-channel-id`.
    pub fn header_value(&self) -> HeaderValue {
        // base64 is always a legal header; see `new`.
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChannelId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<Box<str>> for ChannelId {
    type Error = Invalid;

    fn try_from(text: Box<str>) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<ChannelId> for Box<str> {
    fn from(id: ChannelId) -> Self {
        id.0
    }
}

// === impl StoragePolicy ===

impl TryFrom<u8> for StoragePolicy {
    type Error = Invalid;

    fn try_from(number: u8) -> Result<Self, Invalid> {
        match number {
            0 => Ok(Self::NoStorage),
            1 => Ok(Self::MostRecent),
            other => Err(Invalid::new(
                "message-storage-policy",
                other.to_string(),
                "must be 0 or 1",
                "use 0 to store nothing, 1 to keep the newest message",
            )),
        }
    }
}

impl From<StoragePolicy> for u8 {
    fn from(policy: StoragePolicy) -> u8 {
        policy as u8
    }
}

// === impl ChannelRequest ===

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ChannelWire {
    message_storage_policy: StoragePolicy,
    #[serde(default)]
    push_type: Box<str>,
}

impl ChannelRequest {
    /// `:method`.
    pub fn method(&self) -> http::Method {
        match self {
            Self::Create(_) => http::Method::POST,
            Self::Read(_) | Self::List => http::Method::GET,
            Self::Delete(_) => http::Method::DELETE,
        }
    }

    /// `:path`, which names the bare bundle id.
    pub fn path(&self, bundle_id: &BundleId) -> String {
        let last = match self {
            Self::Create(_) | Self::Read(_) | Self::Delete(_) => "channels",
            Self::List => "all-channels",
        };
        format!("/1/apps/{bundle_id}/{last}")
    }

    /// `apns-channel-id`, where there is one to name.
    pub fn channel_id(&self) -> Option<&ChannelId> {
        match self {
            Self::Read(id) | Self::Delete(id) => Some(id),
            Self::Create(_) | Self::List => None,
        }
    }

    /// The body; empty except for [`Create`](Self::Create).
    pub fn body(&self) -> Bytes {
        match self {
            Self::Create(policy) => Bytes::from_static(match policy {
                StoragePolicy::NoStorage => {
                    br#"{"message-storage-policy":0,"push-type":"LiveActivity"}"#
                }
                StoragePolicy::MostRecent => {
                    br#"{"message-storage-policy":1,"push-type":"LiveActivity"}"#
                }
            }),
            Self::Read(_) | Self::Delete(_) | Self::List => Bytes::new(),
        }
    }
}

impl Channel {
    /// Reads the body that answers [`ChannelRequest::Read`]; `None` if it is not what Apple documents.
    pub fn read(id: ChannelId, body: &[u8]) -> Option<Self> {
        let wire: ChannelWire = serde_json::from_slice(body).ok()?;
        Some(Self {
            id,
            storage_policy: wire.message_storage_policy,
        })
    }

    /// Reads the body that answers [`ChannelRequest::List`]; `None` if it is not what Apple documents.
    pub fn read_list(body: &[u8]) -> Option<Vec<ChannelId>> {
        #[derive(Deserialize)]
        struct Wire {
            channels: Vec<ChannelId>,
        }
        serde_json::from_slice::<Wire>(body)
            .ok()
            .map(|wire| wire.channels)
    }
}

// === impl BroadcastRequest ===

impl BroadcastRequest {
    /// Begins a publish. The body is that of a Live Activity `update` or `end`, as a [`Payload`] or as JSON.
    pub fn builder(
        bundle_id: BundleId,
        channel_id: ChannelId,
        body: impl Into<Bytes>,
    ) -> BroadcastRequestBuilder {
        BroadcastRequestBuilder {
            bundle_id,
            channel_id,
            body: body.into(),
            priority: Priority::Immediate,
            expiration: Expiration::once(),
            storage_policy: None,
            request_id: None,
        }
    }

    /// `:path`.
    pub fn path(&self) -> String {
        format!("/4/broadcasts/apps/{}", self.bundle_id)
    }

    /// The app.
    pub fn bundle_id(&self) -> &BundleId {
        &self.bundle_id
    }

    /// `apns-channel-id`.
    pub fn channel_id(&self) -> &ChannelId {
        &self.channel_id
    }

    /// `apns-push-type`: always `liveactivity`, in lower case here.
    pub fn push_type(&self) -> PushType {
        PushType::LiveActivity
    }

    /// `apns-priority`, required here.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// `apns-expiration`, required here.
    pub fn expiration(&self) -> Expiration {
        self.expiration
    }

    /// `apns-request-id`; the same on every try.
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl From<Payload> for Bytes {
    fn from(payload: Payload) -> Self {
        payload.into_body()
    }
}

// === impl BroadcastRequestBuilder ===

impl BroadcastRequestBuilder {
    /// Without it: 10. (Apple's two pages differ on whether 1 is allowed; it is let through.)
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Without it: [`Expiration::once`], which every channel takes.
    pub fn expiration(mut self, expiration: Expiration) -> Self {
        self.expiration = expiration;
        self
    }

    /// If the channel's policy is known, an expiration it would refuse is refused here.
    pub fn storage_policy(mut self, policy: StoragePolicy) -> Self {
        self.storage_policy = Some(policy);
        self
    }

    /// Without it a random one is made.
    pub fn request_id(mut self, request_id: Uuid) -> Self {
        self.request_id = Some(request_id);
        self
    }

    /// Checks the whole and makes the request.
    ///
    /// # Errors
    /// If the body is not fit for a broadcast (a `start`, more than 5120 bytes…), if the expiration is not 0 on a
    /// channel without storage, or if the bundle id carries the suffix of a push type.
    pub fn build(self) -> Result<BroadcastRequest, RequestError> {
        if self.storage_policy == Some(StoragePolicy::NoStorage) && !self.expiration.is_once() {
            return Err(Invalid::new(
                "apns-expiration",
                self.expiration.to_string(),
                "must be 0 on a channel that stores nothing",
                "send 0, or make a channel that keeps the newest message",
            )
            .into());
        }
        if self
            .bundle_id
            .as_str()
            .ends_with(PushType::LiveActivity.topic_suffix())
        {
            return Err(Invalid::new(
                "bundle id",
                quoted(self.bundle_id.as_str()),
                "a broadcast path takes the bare bundle id",
                "leave .push-type.liveactivity out",
            )
            .into());
        }
        check_size(
            PushType::LiveActivity,
            self.body.len(),
            PushType::BROADCAST_MAX_BODY_BYTES,
        )?;
        let problems = check_broadcast(&self.body);
        if !problems.is_empty() {
            return Err(PayloadError::new(PushType::LiveActivity, problems).into());
        }
        Ok(BroadcastRequest {
            bundle_id: self.bundle_id,
            channel_id: self.channel_id,
            priority: self.priority,
            expiration: self.expiration,
            request_id: self.request_id.unwrap_or_else(Uuid::new_v4),
            body: self.body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &str = r#"{"aps":{"timestamp":1700000160,"event":"update","content-state":{"state":"degraded","since":1700000010},"stale-date":1700000760,"relevance-score":50}}"#;

    fn pager() -> BundleId {
        BundleId::new("net.example.pager").unwrap()
    }

    fn channel() -> ChannelId {
        ChannelId::new("c2ltLWNoYW5uZWwtMDAx").unwrap()
    }

    fn publish(body: &str) -> BroadcastRequestBuilder {
        BroadcastRequest::builder(pager(), channel(), body.to_owned())
    }

    #[test]
    fn v6_the_calls_of_a_channels_life() {
        let create = ChannelRequest::Create(StoragePolicy::NoStorage);
        assert_eq!(create.method(), http::Method::POST);
        assert_eq!(create.path(&pager()), "/1/apps/net.example.pager/channels");
        assert_eq!(create.channel_id(), None);
        assert_eq!(
            create.body(),
            r#"{"message-storage-policy":0,"push-type":"LiveActivity"}"#
        );
        let kept = ChannelRequest::Create(StoragePolicy::MostRecent).body();
        assert_eq!(
            kept,
            r#"{"message-storage-policy":1,"push-type":"LiveActivity"}"#
        );

        let read = ChannelRequest::Read(channel());
        assert_eq!(
            (read.method(), read.channel_id()),
            (http::Method::GET, Some(&channel()))
        );
        assert_eq!(
            Channel::read(channel(), &kept).unwrap().storage_policy,
            StoragePolicy::MostRecent
        );
        assert_eq!(Channel::read(channel(), b"{}"), None);
        assert_eq!(
            Channel::read(channel(), br#"{"message-storage-policy":7}"#),
            None
        );

        let list = ChannelRequest::List;
        assert_eq!(
            list.path(&pager()),
            "/1/apps/net.example.pager/all-channels"
        );
        assert_eq!(
            Channel::read_list(br#"{"channels":["c2ltLWNoYW5uZWwtMDAx"]}"#),
            Some(vec![channel()])
        );
        assert_eq!(Channel::read_list(b"<html>"), None);

        let delete = ChannelRequest::Delete(channel());
        assert_eq!(
            (delete.method(), delete.body()),
            (http::Method::DELETE, Bytes::new())
        );
        assert_eq!(delete.path(&pager()), "/1/apps/net.example.pager/channels");
    }

    #[test]
    fn v6_publishing() {
        let request = publish(UPDATE)
            .priority(Priority::PowerAware)
            .expiration(Expiration::once())
            .storage_policy(StoragePolicy::NoStorage)
            .build()
            .unwrap();
        assert_eq!(request.path(), "/4/broadcasts/apps/net.example.pager");
        assert_eq!(request.channel_id().header_value(), "c2ltLWNoYW5uZWwtMDAx");
        assert_eq!(request.push_type().header_value(), "liveactivity");
        assert_eq!(request.priority().header_value(), "5");
        assert_eq!(request.expiration().header_value(), "0");
        assert_eq!(request.body(), UPDATE);
    }

    #[test]
    fn v6_a_channel_without_storage_takes_only_expiration_0() {
        let later = Expiration::at(1_700_003_600);
        let RequestError::Header(error) = publish(UPDATE)
            .storage_policy(StoragePolicy::NoStorage)
            .expiration(later)
            .build()
            .unwrap_err()
        else {
            panic!()
        };
        assert_eq!(error.field(), "apns-expiration");
        publish(UPDATE)
            .storage_policy(StoragePolicy::MostRecent)
            .expiration(later)
            .build()
            .unwrap();
        publish(UPDATE).expiration(later).build().unwrap();
    }

    #[test]
    fn v6_a_suffix_in_the_path_is_refused() {
        let bundle_id = BundleId::new("net.example.pager.push-type.liveactivity").unwrap();
        let error = BroadcastRequest::builder(bundle_id, channel(), UPDATE)
            .build()
            .unwrap_err();
        assert!(error.to_string().contains("bare bundle id"), "{error}");
    }

    #[test]
    fn v6_a_start_cannot_be_broadcast() {
        let start = UPDATE.replace("update", "start");
        let RequestError::Payload(error) = publish(&start).build().unwrap_err() else {
            panic!()
        };
        assert!(
            error
                .problems()
                .iter()
                .any(|problem| &*problem.pointer == "/aps/event"),
            "{error}"
        );
    }

    #[test]
    fn a_broadcast_may_be_larger_than_a_push_to_a_device() {
        let body = |bytes: usize| {
            let frame = r#"{"aps":{"timestamp":1,"event":"update","content-state":{"s":""}}}"#;
            frame.replace(
                r#""s":"""#,
                &format!(r#""s":"{}""#, "A".repeat(bytes - frame.len())),
            )
        };
        assert_eq!(body(5120).len(), 5120);
        publish(&body(5120)).build().unwrap();
        assert!(
            publish(&body(5121))
                .build()
                .unwrap_err()
                .to_string()
                .contains("5120")
        );
    }

    #[test]
    fn a_channel_id_is_base64_text() {
        for bad in ["", "a b", "a\n", "ä", &"A".repeat(513)] {
            assert_eq!(ChannelId::new(bad).unwrap_err().field(), "apns-channel-id");
        }
        assert!(ChannelId::new("dHN+/_-w==").is_ok());
    }
}
