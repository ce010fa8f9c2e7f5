//! One push to one subscription: what goes into headers and body.
//!
//! It knows nothing of VAPID tokens or connections: those belong to whatever carries it.

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};

use crate::content::{self, MAX_PLAINTEXT_BYTES, MessageKey, Salt, SealError};
use crate::invalid::Invalid;
use crate::padding::Padding;
use crate::push_endpoint::PushEndpoint;
use crate::push_topic::PushTopic;
use crate::service::PushService;
use crate::subscription::Subscription;
use crate::ttl::Ttl;
use crate::urgency::Urgency;
use crate::vapid::VapidPublicKey;

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");
const WNS_CACHE_POLICY: HeaderName = HeaderName::from_static("x-wns-cache-policy");

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A push as it was asked for, in clear. Clones share subscription and message.
///
/// Built by [`Request::builder`], which refuses what the service would refuse.
///
/// ```
/// use webpush::{MessageKey, PushTopic, Request, Salt, Ttl, Urgency};
/// # fn example(subscription: webpush::Subscription) -> Result<(), Box<dyn std::error::Error>> {
/// let request = Request::builder(subscription, Ttl::secs(3600))
///     .message("db-3 is down")
///     .urgency(Urgency::High)
///     .topic(PushTopic::hashed("db-3"))
///     .build()?;
/// let sealed = request.seal(&MessageKey::generate()?, Salt::random()?)?;
/// assert_eq!(sealed.headers()["ttl"], "3600");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    subscription: Subscription,
    options: Options,
    message: Option<Bytes>,
    padding: Padding,
    limit: usize,
}

/// What a push says in its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    ttl: Ttl,
    urgency: Option<Urgency>,
    topic: Option<PushTopic>,
    made_with: Option<VapidPublicKey>,
}

/// Makes a [`Request`]; made by [`Request::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build() is called"]
pub struct RequestBuilder {
    subscription: Subscription,
    options: Options,
    message: Option<Bytes>,
    padding: Padding,
    limit: Option<usize>,
}

/// A push encrypted for its subscription, ready to be sent as often as need be. Clones share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPush {
    endpoint: PushEndpoint,
    options: Options,
    body: Option<Bytes>,
}

impl Request {
    /// Begins a request. Without a message it is a push without a body: the service worker is woken, and told nothing.
    pub fn builder(subscription: Subscription, ttl: Ttl) -> RequestBuilder {
        RequestBuilder {
            subscription,
            options: Options {
                ttl,
                urgency: None,
                topic: None,
                made_with: None,
            },
            message: None,
            padding: Padding::default(),
            limit: None,
        }
    }

    /// Whom it is for.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// The message in clear.
    pub fn message(&self) -> Option<&Bytes> {
        self.message.as_ref()
    }

    /// Whether the message is short enough to arrive wherever its service hands it on to: see
    /// [`ServiceRules::safe_plaintext_bytes`](crate::ServiceRules::safe_plaintext_bytes).
    pub fn arrives_everywhere(&self) -> bool {
        let service = PushService::of(self.subscription.endpoint().origin());
        self.message.as_ref().map_or(0, Bytes::len) <= service.rules().safe_plaintext_bytes
    }

    /// Encrypts it. Key pair and salt must be fresh; each call needs its own.
    ///
    /// # Errors
    /// If the cryptography fails, or the limit was set beyond what fits.
    pub fn seal(&self, message_key: &MessageKey, salt: Salt) -> Result<SealedPush, SealError> {
        let subscription = &self.subscription;
        let body = match &self.message {
            None => None,
            Some(message) => Some(content::seal(
                message,
                self.zeros(message.len()),
                subscription.user_agent_public_key(),
                subscription.auth(),
                message_key,
                salt,
            )?),
        };
        Ok(SealedPush {
            endpoint: subscription.endpoint().clone(),
            options: self.options.clone(),
            body,
        })
    }

    /// Encrypts it with a fresh key pair and salt.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), and if the system has no randomness to give.
    pub fn seal_fresh(&self) -> Result<SealedPush, SealError> {
        self.seal(&MessageKey::generate()?, Salt::random()?)
    }

    /// Padding never makes a message that arrives everywhere into one that does not.
    fn zeros(&self, length: usize) -> usize {
        let service = PushService::of(self.subscription.endpoint().origin());
        let safe = service.rules().safe_plaintext_bytes;
        let limit = if length <= safe {
            self.limit.min(safe)
        } else {
            self.limit
        };
        self.padding.zeros(length, limit)
    }
}

impl RequestBuilder {
    /// What the service worker gets: text, JSON, a [declarative](crate::declarative) message, any bytes.
    pub fn message(mut self, message: impl Into<Bytes>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Without it the service takes it for [`Urgency::Normal`].
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.options.urgency = Some(urgency);
        self
    }

    /// Without it no push replaces another.
    pub fn topic(mut self, topic: PushTopic) -> Self {
        self.options.topic = Some(topic);
        self
    }

    /// Without it: [`Padding::default`].
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// The VAPID key that the subscription was made with. Without it: the current one.
    pub fn made_with(mut self, public_key: VapidPublicKey) -> Self {
        self.options.made_with = Some(public_key);
        self
    }

    /// Another limit than the service's, such as its
    /// [`safe_plaintext_bytes`](crate::ServiceRules::safe_plaintext_bytes). Never above 3993.
    pub fn max_message_bytes(mut self, limit: usize) -> Self {
        self.limit = Some(limit.min(MAX_PLAINTEXT_BYTES));
        self
    }

    /// Checks the whole and makes the request.
    ///
    /// # Errors
    /// If the message is longer than the service takes.
    pub fn build(self) -> Result<Request, Invalid> {
        let service = PushService::of(self.subscription.endpoint().origin());
        let limit = self.limit.unwrap_or(service.rules().max_plaintext_bytes);
        let length = self.message.as_ref().map_or(0, Bytes::len);
        if length > limit {
            return Err(Invalid::new(
                "message",
                format!("{length} bytes where {limit} are the most ({service})"),
                "encrypted it must fit into what the service takes (RFC 8030 section 7.2)",
                "shorten it, or send an id and let the browser fetch the rest",
            ));
        }
        Ok(Request {
            subscription: self.subscription,
            options: self.options,
            message: self.message,
            padding: self.padding,
            limit,
        })
    }
}

impl SealedPush {
    /// Where it goes.
    pub fn endpoint(&self) -> &PushEndpoint {
        &self.endpoint
    }

    /// The VAPID key that the subscription was made with, if it was named.
    pub fn made_with(&self) -> Option<&VapidPublicKey> {
        self.options.made_with.as_ref()
    }

    /// How long it is kept, as asked for.
    pub fn ttl(&self) -> Ttl {
        self.options.ttl
    }

    /// The same push with a shorter life: for a retry that comes later.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.options.ttl = ttl;
        self
    }

    /// The encrypted body; `None` for a push without one.
    pub fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// All headers but `authorization`, by the rules of the service behind the endpoint.
    pub fn headers(&self) -> HeaderMap {
        let service = PushService::of(self.endpoint.origin());
        let ttl = self.options.ttl.at(service);
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(TTL, ttl.as_secs().into());
        headers.insert(
            CONTENT_LENGTH,
            self.body.as_ref().map_or(0, Bytes::len).into(),
        );
        if self.body.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
            let bytes = HeaderValue::from_static("application/octet-stream");
            headers.insert(CONTENT_TYPE, bytes);
        }
        if let Some(urgency) = self.options.urgency {
            headers.insert(URGENCY, urgency.header_value());
        }
        if let Some(topic) = self
            .options
            .topic
            .as_ref()
            .and_then(PushTopic::header_value)
        {
            headers.insert(TOPIC, topic);
        }
        if service.rules().wants_cache_policy {
            let policy = if ttl == Ttl::NOW_OR_NEVER {
                "no-cache"
            } else {
                "cache"
            };
            headers.insert(WNS_CACHE_POLICY, HeaderValue::from_static(policy));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::{ReceiverKey, open};
    use crate::subscription::AuthSecret;

    const MOZILLA: &str = "https://updates.push.services.mozilla.com/wpush/v2/x";
    const WNS: &str = "https://db5p.notify.windows.com/w/?token=x";
    const FCM: &str = "https://fcm.googleapis.com/fcm/send/x";

    fn browser(endpoint: &str) -> (Subscription, ReceiverKey, AuthSecret) {
        let receiver = ReceiverKey::generate().unwrap();
        let auth = AuthSecret::new(&[7; 16]).unwrap();
        let endpoint = PushEndpoint::parse(endpoint).unwrap();
        let subscription = Subscription::new(endpoint, *receiver.public_key(), auth.clone());
        (subscription, receiver, auth)
    }

    fn builder(endpoint: &str, ttl: Ttl) -> RequestBuilder {
        Request::builder(browser(endpoint).0, ttl)
    }

    fn written(sealed: &SealedPush) -> Vec<(String, String)> {
        let headers = sealed.headers();
        let mut all: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        all.sort();
        all
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn every_header_of_a_full_push() {
        let sealed = builder(FCM, Ttl::secs(90))
            .message("hi")
            .urgency(Urgency::High)
            .topic(PushTopic::new("t").unwrap())
            .padding(Padding::None)
            .build()
            .unwrap()
            .seal_fresh()
            .unwrap();
        let expected = [
            ("content-encoding", "aes128gcm"),
            ("content-length", "105"),
            ("content-type", "application/octet-stream"),
            ("topic", "t"),
            ("ttl", "90"),
            ("urgency", "high"),
        ];
        assert_eq!(written(&sealed), pairs(&expected));
        assert_eq!(sealed.body().unwrap().len(), 105);
    }

    #[test]
    fn a_push_without_a_body_says_so() {
        let sealed = builder(FCM, Ttl::NOW_OR_NEVER)
            .build()
            .unwrap()
            .seal_fresh()
            .unwrap();
        assert_eq!(
            written(&sealed),
            pairs(&[("content-length", "0"), ("ttl", "0")])
        );
        assert_eq!(sealed.body(), None);
        let sealed = builder(FCM, Ttl::NOW_OR_NEVER)
            .message("")
            .build()
            .unwrap()
            .seal_fresh()
            .unwrap();
        assert_eq!(
            sealed.body().unwrap().len(),
            content::OVERHEAD_BYTES,
            "empty is not none"
        );
    }

    #[test]
    fn wns_gets_the_cache_policy_that_fits_the_ttl() {
        for (secs, policy) in [(0, "no-cache"), (1, "cache")] {
            let sealed = builder(WNS, Ttl::secs(secs))
                .build()
                .unwrap()
                .seal_fresh()
                .unwrap();
            assert_eq!(sealed.headers()["x-wns-cache-policy"], policy);
            let again = sealed.with_ttl(Ttl::NOW_OR_NEVER);
            assert_eq!(again.headers()["x-wns-cache-policy"], "no-cache");
        }
        let month = builder(FCM, Ttl::secs(u32::MAX))
            .build()
            .unwrap()
            .seal_fresh()
            .unwrap();
        assert_eq!(month.headers()["ttl"], (28 * 24 * 3600).to_string());
        assert!(!month.headers().contains_key("x-wns-cache-policy"));
    }

    #[test]
    fn a_message_may_have_exactly_the_limit() {
        for endpoint in [FCM, MOZILLA, WNS, "https://push.example.net/x"] {
            let full = builder(endpoint, Ttl::secs(1))
                .message(vec![b'x'; 3993])
                .build()
                .unwrap();
            assert_eq!(full.seal_fresh().unwrap().body().unwrap().len(), 4096);
            assert_eq!(full.arrives_everywhere(), endpoint != MOZILLA);
            let error = builder(endpoint, Ttl::secs(1))
                .message(vec![b'x'; 3994])
                .build()
                .unwrap_err();
            assert_eq!(error.field(), "message");
            assert!(error.to_string().contains("3993"), "{error}");
        }
        let limited = |length: usize| {
            builder(FCM, Ttl::secs(1))
                .message(vec![0; length])
                .max_message_bytes(2640)
        };
        assert!(limited(2640).build().is_ok());
        assert!(limited(2641).build().is_err());
        let beyond = builder(FCM, Ttl::secs(1))
            .message(vec![0; 3994])
            .max_message_bytes(usize::MAX);
        assert!(beyond.build().is_err());
    }

    #[test]
    fn padding_keeps_within_what_arrives_everywhere() {
        let length = |message: usize, padding| {
            let request = builder(MOZILLA, Ttl::secs(1))
                .message(vec![0; message])
                .padding(padding);
            let sealed = request.build().unwrap().seal_fresh().unwrap();
            sealed.body().unwrap().len() - content::OVERHEAD_BYTES
        };
        assert_eq!(length(1, Padding::default()), 128);
        assert_eq!(length(2600, Padding::To(3993)), 2640);
        assert_eq!(length(2641, Padding::To(3993)), 3993);
    }

    #[test]
    fn secrets_are_not_shown() {
        let request = builder("https://push.example.net/SECRET", Ttl::secs(1))
            .build()
            .unwrap();
        let text = format!("{request:?}{:?}", request.seal_fresh().unwrap());
        assert!(!text.contains("SECRET"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_browser_reads_what_was_said(message in proptest::collection::vec(any::<u8>(), 0..3993), step in 0_usize..5000) {
            let (subscription, receiver, auth) = browser(FCM);
            let request = Request::builder(subscription, Ttl::secs(1))
                .message(message.clone())
                .padding(Padding::ToMultipleOf(step))
                .build()
                .unwrap();
            let sealed = request.seal_fresh().unwrap();
            let body = sealed.body().unwrap();
            prop_assert!(body.len() <= content::MAX_BODY_BYTES);
            prop_assert_eq!(open(body, &receiver, &auth).unwrap(), message);
        }
    }
}
