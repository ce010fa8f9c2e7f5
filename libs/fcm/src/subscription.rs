//! Who gets what is sent to a topic: subscribing and unsubscribing devices, up to a thousand with one call.
//!
//! For work in bulk now and then: each call has a connection of its own. Subscribing twice is the same as once, so a call
//! without an answer may simply be repeated; this does not do so by itself. Source: Firebase, *Manage topic subscriptions*;
//! Instance ID API, *relationship maps*.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use h2_pool::Answer;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::access_token::{AccessToken, AccessTokenError, AccessTokens, Clock, Moment};
use crate::endpoint::Endpoint;
use crate::errand::{self, Errand};
use crate::error::Error;
use crate::invalid::Invalid;
use crate::push_token::PushToken;
use crate::reason::TokenFate;
use crate::topic::FcmTopic;

/// Tells the API that we come with an access token, not with a legacy server key.
const ACCESS_TOKEN_AUTH: HeaderName = HeaderName::from_static("access_token_auth");

/// Subscribes devices to topics.
///
/// ```no_run
/// # use fcm::{AccessTokens, FcmTopic, PushToken, Subscriptions};
/// # async fn example(tokens: AccessTokens, devices: Vec<PushToken>) -> Result<(), Box<dyn std::error::Error>> {
/// let subscriptions = Subscriptions::new(tokens);
/// let results = subscriptions.subscribe(&FcmTopic::new("weather-seoul")?, &devices).await?;
/// for (device, result) in devices.iter().zip(results) {
///     if let Err(refusal) = result {
///         println!("{}: {refusal}", device.fingerprint());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Subscriptions {
    tokens: AccessTokens,
    endpoint: Endpoint,
    timeout: Duration,
    clock: Clock,
}

/// Why one device of a call was refused. The list is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubscriptionRefusal {
    /// `NOT_FOUND`: the app instance is gone.
    NotFound,
    /// `INVALID_ARGUMENT`: the push token is none.
    InvalidArgument,
    /// `TOO_MANY_TOPICS`: an app instance may have 2,000.
    TooManyTopics,
    /// `RESOURCE_EXHAUSTED`: too many changes at once; a project may make 3,000 a second.
    ResourceExhausted,
    /// `PERMISSION_DENIED`: the push token belongs to another project.
    PermissionDenied,
    /// `DEADLINE_EXCEEDED`: Google was too slow.
    DeadlineExceeded,
    /// `INTERNAL`: a fault at Google's.
    Internal,
    /// A word this version does not know.
    Unknown(Box<str>),
}

/// Why a call has no results. None of its devices may be taken to be changed, or not to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// Too many devices for one call, or none.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no access token.
    #[error(transparent)]
    AccessToken(#[from] AccessTokenError),
    /// There is no answer.
    #[error(transparent)]
    NoAnswer(#[from] Error),
    /// Google refused the call as a whole.
    #[error("Google refused the call: {status} {error}; {}", mend_of(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Google's word for it; empty if it gave none.
        error: Box<str>,
    },
    /// The answer has not one result for each device.
    #[error("Google's answer has {found} results for {expected} devices; repeat the call")]
    Unreadable {
        /// Devices in the call.
        expected: usize,
        /// Results in the answer.
        found: usize,
    },
}

impl Subscriptions {
    /// The most devices in one call.
    pub const MAX_DEVICES: usize = 1_000;

    /// How long one call may take, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// With these access tokens, at Google's own host.
    pub fn new(tokens: AccessTokens) -> Self {
        Self {
            tokens,
            endpoint: Endpoint::new("iid.googleapis.com", Endpoint::PORT),
            timeout: Self::TIMEOUT,
            clock: Arc::new(Moment::now),
        }
    }

    /// Another host or way there: a simulator, a proxy.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// How long one call may take, connecting included, fetching an access token not.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Other clocks than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Subscribes these devices; the results are in their order. It takes effect a little later.
    ///
    /// # Errors
    /// If there are no results.
    pub async fn subscribe(
        &self,
        topic: &FcmTopic,
        devices: &[PushToken],
    ) -> Result<Vec<Result<(), SubscriptionRefusal>>, SubscriptionError> {
        const PATH: PathAndQuery = PathAndQuery::from_static("/iid/v1:batchAdd");
        self.call(PATH, topic, devices).await
    }

    /// Ends their subscriptions; the results are in their order.
    ///
    /// # Errors
    /// If there are no results.
    pub async fn unsubscribe(
        &self,
        topic: &FcmTopic,
        devices: &[PushToken],
    ) -> Result<Vec<Result<(), SubscriptionRefusal>>, SubscriptionError> {
        const PATH: PathAndQuery = PathAndQuery::from_static("/iid/v1:batchRemove");
        self.call(PATH, topic, devices).await
    }

    async fn call(
        &self,
        path: PathAndQuery,
        topic: &FcmTopic,
        devices: &[PushToken],
    ) -> Result<Vec<Result<(), SubscriptionRefusal>>, SubscriptionError> {
        if devices.is_empty() || devices.len() > Self::MAX_DEVICES {
            return Err(SubscriptionError::Invalid(Invalid::new(
                "devices",
                devices.len().to_string(),
                "a call takes 1 to 1000 devices",
                "part them into several calls",
            )));
        }
        let now = (self.clock)();
        let access_token = self.tokens.get(now).await?;
        let mut answer = self.try_once(&path, topic, devices, &access_token).await?;
        let generation = access_token.generation();
        if answer.status == StatusCode::UNAUTHORIZED && self.tokens.refused(generation, now) {
            let access_token = self.tokens.get((self.clock)()).await?;
            answer = self.try_once(&path, topic, devices, &access_token).await?;
        }
        read_answer(&answer, devices.len())
    }

    async fn try_once(
        &self,
        path: &PathAndQuery,
        topic: &FcmTopic,
        devices: &[PushToken],
        access_token: &AccessToken,
    ) -> Result<Answer, Error> {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(AUTHORIZATION, access_token.header_value());
        headers.insert(ACCESS_TOKEN_AUTH, HeaderValue::from_static("true"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::json!({
            "to": format!("/topics/{topic}"),
            "registration_tokens": devices,
        });
        let errand = Errand {
            method: Method::POST,
            path: path.clone(),
            headers,
            body: body.to_string().into(),
        };
        errand::run(&self.endpoint, errand, self.timeout).await
    }
}

fn read_answer(
    answer: &Answer,
    expected: usize,
) -> Result<Vec<Result<(), SubscriptionRefusal>>, SubscriptionError> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != StatusCode::OK {
        let error = &body["error"];
        let error = error
            .as_str()
            .or(error["status"].as_str())
            .unwrap_or_default();
        return Err(SubscriptionError::Refused {
            status: answer.status.as_u16(),
            error: error
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect::<String>()
                .into(),
        });
    }
    let results = body["results"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if results.len() != expected {
        return Err(SubscriptionError::Unreadable {
            expected,
            found: results.len(),
        });
    }
    let read = |result: &Value| match result["error"].as_str() {
        Some(error) => Err(SubscriptionRefusal::from(error)),
        None => Ok(()),
    };
    Ok(results.iter().map(read).collect())
}

fn mend_of(status: u16) -> &'static str {
    match status {
        401 => "check the service account and its key",
        403 => "give the service account the role Firebase Cloud Messaging API Admin",
        429 | 500..=599 => "repeat the call after a while",
        _ => "check the topic and the devices",
    }
}

// === impl SubscriptionRefusal ===

impl SubscriptionRefusal {
    /// Google's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::TooManyTopics => "TOO_MANY_TOPICS",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
            Self::Unknown(text) => text,
        }
    }

    /// Whether trying again later makes sense.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::ResourceExhausted | Self::DeadlineExceeded | Self::Internal
        )
    }

    /// What becomes of the push token. Only the plain word for "gone" ends one: the others may be about the call.
    pub const fn token_fate(&self) -> TokenFate {
        match self {
            Self::NotFound => TokenFate::Retire,
            _ => TokenFate::Keep,
        }
    }
}

impl From<&str> for SubscriptionRefusal {
    fn from(text: &str) -> Self {
        match text {
            "NOT_FOUND" => Self::NotFound,
            "INVALID_ARGUMENT" => Self::InvalidArgument,
            "TOO_MANY_TOPICS" => Self::TooManyTopics,
            "RESOURCE_EXHAUSTED" => Self::ResourceExhausted,
            "PERMISSION_DENIED" => Self::PermissionDenied,
            "DEADLINE_EXCEEDED" => Self::DeadlineExceeded,
            "INTERNAL" => Self::Internal,
            other => Self::Unknown(other.into()),
        }
    }
}

impl fmt::Display for SubscriptionRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for SubscriptionRefusal {}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("endpoint", &self.endpoint)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        status: u16,
        body: &str,
        expected: usize,
    ) -> Result<Vec<Result<(), SubscriptionRefusal>>, SubscriptionError> {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        };
        read_answer(&answer, expected)
    }

    #[test]
    fn results_keep_their_order_and_their_words() {
        let words = [
            "NOT_FOUND",
            "INVALID_ARGUMENT",
            "TOO_MANY_TOPICS",
            "RESOURCE_EXHAUSTED",
            "PERMISSION_DENIED",
            "DEADLINE_EXCEEDED",
            "INTERNAL",
            "UNKNOWN",
        ];
        let results: Vec<_> = words
            .iter()
            .map(|word| serde_json::json!({"error": word}))
            .collect();
        let body = serde_json::json!({"results": results}).to_string();
        for (word, result) in words.iter().zip(read(200, &body, 8).unwrap()) {
            let refusal = result.unwrap_err();
            assert_eq!(refusal.as_str(), *word);
            assert_eq!(refusal.token_fate().is_dead(), *word == "NOT_FOUND");
        }
        let mixed = read(200, r#"{"results":[{},{"error":"NOT_FOUND"},{}]}"#, 3).unwrap();
        assert_eq!(mixed, [Ok(()), Err(SubscriptionRefusal::NotFound), Ok(())]);
        assert!(SubscriptionRefusal::ResourceExhausted.is_transient());
        assert!(!SubscriptionRefusal::TooManyTopics.is_transient());
    }

    #[test]
    fn an_answer_that_does_not_fit_the_call_is_no_result() {
        for body in [
            r#"{"results":[{}]}"#,
            r#"{"results":[{},{},{}]}"#,
            "{}",
            "<html>",
            "",
        ] {
            let error = read(200, body, 2).unwrap_err();
            assert!(
                matches!(error, SubscriptionError::Unreadable { expected: 2, .. }),
                "{body}"
            );
        }
        for (status, body, expected) in [
            (
                400,
                r#"{"error":"InvalidTopicName"}"#,
                "400 InvalidTopicName",
            ),
            (401, "<html>", "check the service account"),
            (
                403,
                r#"{"error":{"status":"PERMISSION_DENIED"}}"#,
                "403 PERMISSION_DENIED; give",
            ),
            (503, "", "after a while"),
        ] {
            let error = read(status, body, 2).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
