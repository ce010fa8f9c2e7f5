//! One push to one device: what goes into the headers, the path and the body.
//!
//! It knows nothing of credentials or hosts: those belong to the connection that carries it.

use bytes::Bytes;
use uuid::Uuid;

use crate::collapse_id::CollapseId;
use crate::expiration::Expiration;
use crate::invalid::{Invalid, quoted};
use crate::payload::{Payload, PayloadError, Problem};
use crate::priority::Priority;
use crate::push_token::PushToken;
use crate::push_type::PushType;
use crate::topic::ApnsTopic;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A push, ready to be sent as often as need be. Clones share topic, push token and body.
///
/// Built by [`Request::builder`], which refuses what APNs would refuse, so that a mistake costs an error here and not an
/// entry in Apple's error budget.
///
/// ```
/// use apns::payload::Payload;
/// use apns::{ApnsTopic, BundleId, Priority, PushToken, PushType, Request};
///
/// let pager = BundleId::new("net.example.pager")?;
/// let request = Request::builder(
///     "0badc0de00112233".parse::<PushToken>()?,
///     ApnsTopic::for_bundle(&pager, PushType::Alert)?,
///     Payload::raw(PushType::Alert, r#"{"aps":{"alert":"db-3 down"}}"#)?,
/// )
/// .priority(Priority::Immediate)
/// .build()?;
/// assert_eq!(request.path(), "/3/device/0badc0de00112233");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    push_token: PushToken,
    push_type: PushType,
    topic: ApnsTopic,
    priority: Priority,
    expiration: Option<Expiration>,
    collapse_id: Option<CollapseId>,
    apns_id: Uuid,
    body: Bytes,
}

/// Makes a [`Request`]; made by [`Request::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build() is called"]
pub struct RequestBuilder {
    push_token: PushToken,
    topic: ApnsTopic,
    payload: Payload,
    priority: Option<Priority>,
    expiration: Option<Option<Expiration>>,
    collapse_id: Option<CollapseId>,
    apns_id: Option<Uuid>,
}

/// Why a request cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A header breaks a rule.
    #[error(transparent)]
    Header(#[from] Invalid),
    /// The payload breaks a rule.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

// === impl Request ===

impl Request {
    /// Begins a request.
    pub fn builder(push_token: PushToken, topic: ApnsTopic, payload: Payload) -> RequestBuilder {
        RequestBuilder {
            push_token,
            topic,
            payload,
            priority: None,
            expiration: None,
            collapse_id: None,
            apns_id: None,
        }
    }

    /// The device's address.
    pub fn push_token(&self) -> &PushToken {
        &self.push_token
    }

    /// `apns-push-type`.
    pub fn push_type(&self) -> PushType {
        self.push_type
    }

    /// `apns-topic`.
    pub fn topic(&self) -> &ApnsTopic {
        &self.topic
    }

    /// `apns-priority`.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// `apns-expiration`; `None` sends no header, which stores by APNs' own policy.
    pub fn expiration(&self) -> Option<Expiration> {
        self.expiration
    }

    /// `apns-collapse-id`.
    pub fn collapse_id(&self) -> Option<&CollapseId> {
        self.collapse_id.as_ref()
    }

    /// `apns-id`; the same on every try, so that tries can be told to be of one push.
    pub fn apns_id(&self) -> Uuid {
        self.apns_id
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// `:path`.
    pub fn path(&self) -> String {
        const PREFIX: &str = "/3/device/";
        let mut path = String::with_capacity(PREFIX.len() + 2 * self.push_token.as_bytes().len());
        path.push_str(PREFIX);
        self.push_token.push_hex(&mut path);
        path
    }

    /// The same push with another expiration: for a retry that comes later and may keep less.
    #[must_use]
    pub fn with_expiration(mut self, expiration: Option<Expiration>) -> Self {
        self.expiration = expiration;
        self
    }
}

// === impl RequestBuilder ===

impl RequestBuilder {
    /// Without it: [`PushType::default_priority`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Without it: [`PushType::customary_expiration`]. `None` asks for no header, so for APNs' own policy.
    pub fn expiration(mut self, expiration: impl Into<Option<Expiration>>) -> Self {
        self.expiration = Some(expiration.into());
        self
    }

    /// Without it notifications do not replace one another.
    pub fn collapse_id(mut self, collapse_id: CollapseId) -> Self {
        self.collapse_id = Some(collapse_id);
        self
    }

    /// Without it a random one is made.
    pub fn apns_id(mut self, apns_id: Uuid) -> Self {
        self.apns_id = Some(apns_id);
        self
    }

    /// Checks the whole and makes the request.
    ///
    /// # Errors
    /// If the priority is not allowed for the push type, the topic does not fit it, or the body is empty or too large.
    pub fn build(self) -> Result<Request, RequestError> {
        let push_type = self.payload.push_type();
        let priority = self.priority.unwrap_or(push_type.default_priority());
        if !push_type.allows(priority) {
            return Err(priority_not_allowed(push_type, priority).into());
        }
        if !self.topic.fits(push_type) {
            return Err(topic_does_not_fit(push_type, &self.topic).into());
        }
        let body = self.payload.into_body();
        check_size(push_type, body.len(), push_type.max_body_bytes())?;
        Ok(Request {
            push_token: self.push_token,
            push_type,
            topic: self.topic,
            priority,
            expiration: self.expiration.unwrap_or(push_type.customary_expiration()),
            collapse_id: self.collapse_id,
            apns_id: self.apns_id.unwrap_or_else(Uuid::new_v4),
            body,
        })
    }
}

fn priority_not_allowed(push_type: PushType, priority: Priority) -> Invalid {
    let (rule, mend) = match push_type {
        PushType::Background => (
            "a background push may only have priority 5",
            "send priority 5, or an alert if it is urgent",
        ),
        _ => (
            "this push type may only have priority 10 or 5",
            "send priority 10 or 5, or leave the priority out",
        ),
    };
    Invalid::new(
        "apns-priority",
        format!("{priority} with push type {push_type}"),
        rule,
        mend,
    )
}

fn topic_does_not_fit(push_type: PushType, topic: &ApnsTopic) -> Invalid {
    let rule = match push_type {
        PushType::Alert | PushType::Background => {
            "the topic of this push type is the bare bundle id"
        }
        PushType::Mdm => "the topic of an MDM push begins with com.apple.mgmt.",
        PushType::Location => "the topic of this push type ends in .location-query",
        PushType::Voip => "the topic of this push type ends in .voip",
        PushType::Complication => "the topic of this push type ends in .complication",
        PushType::FileProvider => "the topic of this push type ends in .pushkit.fileprovider",
        PushType::LiveActivity => "the topic of this push type ends in .push-type.liveactivity",
        PushType::PushToTalk => "the topic of this push type ends in .voip-ptt",
        PushType::Controls => "the topic of this push type ends in .push-type.controls",
        PushType::Widgets => "the topic of this push type ends in .push-type.widgets",
    };
    Invalid::new(
        "apns-topic",
        format!("{} with push type {push_type}", quoted(topic.as_str())),
        rule,
        "make the topic with ApnsTopic::for_bundle",
    )
}

/// The two rules that hold even for a payload said to be checked.
pub(crate) fn check_size(
    push_type: PushType,
    bytes: usize,
    limit: usize,
) -> Result<(), PayloadError> {
    match crate::payload::size_problem(bytes, limit) {
        Some(problem) => Err(PayloadError::new(
            push_type,
            Vec::<Problem>::from([problem]),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::BundleId;

    fn topic(push_type: PushType) -> ApnsTopic {
        match push_type {
            PushType::Mdm => ApnsTopic::new("com.apple.mgmt.External.0d9c").unwrap(),
            other => {
                ApnsTopic::for_bundle(&BundleId::new("net.example.pager").unwrap(), other).unwrap()
            }
        }
    }

    fn builder(push_type: PushType, body: impl Into<Bytes>) -> RequestBuilder {
        let push_token = "0badc0de".repeat(8).parse().unwrap();
        Request::builder(
            push_token,
            topic(push_type),
            Payload::prechecked(push_type, body),
        )
    }

    #[test]
    fn v2_every_part_of_an_accepted_alert() {
        let body = r#"{"aps":{"alert":{"title":"db-3 down","body":"no heartbeat for 90 s"},"sound":"default","thread-id":"db","interruption-level":"time-sensitive","relevance-score":0.9},"incident":4711}"#;
        let payload = Payload::raw(PushType::Alert, body).unwrap();
        let apns_id: Uuid = "5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a10".parse().unwrap();
        let request = Request::builder(
            "0badc0de".repeat(8).parse().unwrap(),
            topic(PushType::Alert),
            payload,
        )
        .priority(Priority::Immediate)
        .expiration(Expiration::at(1_700_003_600))
        .collapse_id(CollapseId::new("inc-4711").unwrap())
        .apns_id(apns_id)
        .build()
        .unwrap();
        assert_eq!(
            request.path(),
            format!("/3/device/{}", "0badc0de".repeat(8))
        );
        assert_eq!(request.topic().header_value(), "net.example.pager");
        assert_eq!(request.push_type().header_value(), "alert");
        assert_eq!(request.priority().header_value(), "10");
        assert_eq!(request.expiration().unwrap().header_value(), "1700003600");
        assert_eq!(request.collapse_id().unwrap().header_value(), "inc-4711");
        assert_eq!(request.apns_id(), apns_id);
        assert_eq!(request.body(), body);
        assert_eq!(request.clone().with_expiration(None).expiration(), None);
    }

    #[test]
    fn v3k_v3l_a_body_may_have_exactly_the_limit() {
        for (push_type, limit) in
            PushType::ALL.map(|push_type| (push_type, push_type.max_body_bytes()))
        {
            builder(push_type, vec![b'x'; limit]).build().unwrap();
            let error = builder(push_type, vec![b'x'; limit + 1])
                .build()
                .unwrap_err();
            assert!(error.to_string().contains(&limit.to_string()), "{error}");
            let error = builder(push_type, "").build().unwrap_err();
            assert!(error.to_string().contains("empty"), "{error}");
        }
    }

    #[test]
    fn v3t_background_with_priority_10_is_refused_here() {
        let build = |priority| {
            builder(PushType::Background, "{}")
                .priority(priority)
                .build()
        };
        assert!(build(Priority::PowerAware).is_ok());
        for priority in [Priority::Immediate, Priority::NeverWake] {
            let RequestError::Header(error) = build(priority).unwrap_err() else {
                panic!()
            };
            assert_eq!(error.field(), "apns-priority");
            assert!(error.to_string().contains("background"), "{error}");
        }
        assert_eq!(
            builder(PushType::Background, "{}")
                .build()
                .unwrap()
                .priority(),
            Priority::PowerAware
        );
    }

    #[test]
    fn every_priority_is_judged_by_the_push_type() {
        for push_type in PushType::ALL {
            for priority in Priority::ALL {
                let built = builder(push_type, "{}").priority(priority).build();
                assert_eq!(
                    built.is_ok(),
                    push_type.allows(priority),
                    "{push_type} {priority}"
                );
            }
        }
    }

    #[test]
    fn a_topic_of_another_push_type_is_refused() {
        let payload = Payload::prechecked(PushType::Voip, "{}");
        let RequestError::Header(error) =
            Request::builder("00".parse().unwrap(), topic(PushType::Alert), payload)
                .build()
                .unwrap_err()
        else {
            panic!()
        };
        assert_eq!(error.field(), "apns-topic");
        assert!(error.rule().contains(".voip"), "{error}");
        // The rule's text names each type's own suffix.
        for push_type in PushType::ALL {
            let wrong = if push_type == PushType::Mdm {
                PushType::Alert
            } else {
                PushType::Mdm
            };
            let rule = topic_does_not_fit(push_type, &topic(wrong)).rule();
            assert!(rule.contains(push_type.topic_suffix()), "{rule}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_push_type() {
        let call = builder(PushType::Voip, "{}").build().unwrap();
        assert_eq!(call.expiration(), Some(Expiration::once()));
        let stored = builder(PushType::Voip, "{}")
            .expiration(None)
            .build()
            .unwrap();
        assert_eq!(stored.expiration(), None);
        let alert = builder(PushType::Alert, "{}").build().unwrap();
        assert_eq!(
            (alert.priority(), alert.expiration()),
            (Priority::Immediate, None)
        );
        assert_ne!(
            alert.apns_id(),
            builder(PushType::Alert, "{}").build().unwrap().apns_id()
        );
    }

    #[test]
    fn debug_hides_the_push_token() {
        let text = format!("{:?}", builder(PushType::Alert, "{}").build().unwrap());
        assert!(!text.contains("0badc0de"), "{text}");
    }
}
