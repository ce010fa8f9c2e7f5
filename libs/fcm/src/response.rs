//! What FCM answered. A refusal is an answer, not an error: `Err` in this crate means that no answer is known.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};

use crate::error_body::ErrorBody;
use crate::reason::{Class, Reason, RetryRule, Rule, TokenFate, retire_unless_seen_since};
use crate::retry::{MAX_WAIT, read_retry_after};

/// The answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// FCM has taken it. That means *accepted*, never *delivered*.
    Accepted(Accepted),
    /// FCM has refused it. Final for this request; [`Rejected::rule`] says whether another may be tried.
    Rejected(Rejected),
}

/// What came with a `200`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The message's name, `projects/…/messages/…`. `None` if the body could not be read: the message is accepted all the
    /// same and must not be sent again, but that is worth a line in the log.
    pub name: Option<Box<str>>,
}

/// What came with any other status.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The HTTP status.
    pub status: u16,
    /// What it all means together.
    pub reason: Reason,
    /// What the body said.
    pub error: Box<ErrorBody>,
    /// `Retry-After` (or the body's `RetryInfo`), from the moment the answer was read.
    pub retry_after: Option<Duration>,
    /// The body as received, at most [`Rejected::MAX_RAW_BYTES`]. It may repeat parts of the request.
    pub raw: Bytes,
}

impl Response {
    /// Reads an answer. Never fails: a refusal without a body, or with one that is not JSON, is a refusal still. `now` is
    /// for a `Retry-After` that is a date.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use fcm::{Reason, Response};
    /// # use http::{HeaderMap, StatusCode};
    /// let body = br#"{"error":{"status":"NOT_FOUND","details":[
    ///     {"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}"#;
    /// let answer = Response::read(StatusCode::NOT_FOUND, &HeaderMap::new(), body.as_slice().into(), SystemTime::now());
    /// let Response::Rejected(rejected) = answer else { panic!("404 is a refusal") };
    /// assert_eq!(rejected.reason, Reason::Unregistered);
    /// assert!(rejected.token_fate().is_dead());
    /// ```
    pub fn read(status: StatusCode, headers: &HeaderMap, body: Bytes, now: SystemTime) -> Self {
        if status.is_success() {
            #[derive(serde::Deserialize)]
            struct Wire {
                name: Box<str>,
            }
            let name = serde_json::from_slice::<Wire>(&body).ok();
            return Self::Accepted(Accepted {
                name: name.map(|wire| wire.name),
            });
        }
        let error = ErrorBody::read(&body);
        let retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| read_retry_after(text, now))
            .max(error.retry_delay);
        Self::Rejected(Rejected {
            status: status.as_u16(),
            reason: Reason::of(status.as_u16(), &error),
            error: Box::new(error),
            retry_after,
            raw: body.slice(..body.len().min(Rejected::MAX_RAW_BYTES)),
        })
    }

    /// Whether FCM has taken it.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// The refusal, if it is one.
    pub const fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Accepted(_) => None,
            Self::Rejected(rejected) => Some(rejected),
        }
    }
}

// === impl Rejected ===

impl Rejected {
    /// The most of a body that is kept in [`raw`](Self::raw).
    pub const MAX_RAW_BYTES: usize = 4096;

    /// All that is known about this refusal.
    pub const fn rule(&self) -> &'static Rule {
        self.reason.rule()
    }

    /// What it blames.
    pub const fn class(&self) -> Class {
        self.rule().class
    }

    /// Whether and how to send again.
    pub const fn retry(&self) -> RetryRule {
        self.rule().retry
    }

    /// What becomes of the push token.
    pub const fn token_fate(&self) -> TokenFate {
        self.rule().token_fate
    }

    /// The shortest wait before sending again: what the answer asks for, but no less than the reason's own least wait
    /// (60 s for a quota, 10 s for trouble at Google's) and no more than [`MAX_WAIT`]. `None` if sending again by itself
    /// makes no sense.
    pub fn wait(&self) -> Option<Duration> {
        let retry = self.retry();
        let asked = self.retry_after.unwrap_or_default();
        retry
            .is_automatic()
            .then(|| asked.max(retry.min_wait()).min(MAX_WAIT))
    }

    /// Whether a push token is to be retired for this answer, if the app was last seen with it at one time and the message
    /// was sent at another (milliseconds, your clock). See [`retire_unless_seen_since`].
    pub const fn retires_token(&self, last_seen_at_ms: u64, sent_at_ms: u64) -> bool {
        self.token_fate().is_dead() && retire_unless_seen_since(last_seen_at_ms, sent_at_ms)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.error.status.is_empty() {
            write!(f, " {}", self.error.status)?;
        }
        if let Some(code) = &self.error.error_code {
            write!(f, " {code}")?;
        }
        if let Some(apns) = &self.error.apns {
            write!(f, " (APNs: {} {})", apns.status, apns.reason)?;
        }
        let rule = self.rule();
        write!(f, ": {}", rule.meaning)?;
        let fields = self.error.field_violations.iter();
        for (at, violation) in fields.enumerate() {
            let before = if at == 0 { " Field: " } else { ", " };
            write!(f, "{before}{}", violation.field)?;
        }
        if !self.error.field_violations.is_empty() {
            f.write_str(".")?;
        }
        write!(f, " {}", rule.mend)
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("error", &self.error)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> SystemTime {
        // 2026-10-21 07:27:30 UTC
        UNIX_EPOCH + Duration::from_secs(NOW)
    }
    const NOW: u64 = 1_792_567_650;

    fn read(status: u16, retry_after: &str, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        if !retry_after.is_empty() {
            headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        }
        Response::read(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            Bytes::copy_from_slice(body.as_bytes()),
            now(),
        )
    }

    fn refused(status: u16, retry_after: &str, body: &str) -> Rejected {
        read(status, retry_after, body).rejected().cloned().unwrap()
    }

    fn error(status: &str, message: &str, details: &[Value]) -> String {
        json!({"error": {"code": 0, "message": message, "status": status, "details": details}})
            .to_string()
    }

    fn fcm(code: &str) -> Value {
        json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    }

    fn apns(status: u16, reason: &str) -> Value {
        json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
            "statusCode": status, "reason": reason})
    }

    fn bad_request(field: &str) -> Value {
        json!({"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": "d"}]})
    }

    /// Number; status, `Retry-After` and body; reason, fate and shortest wait in seconds.
    type Vector<'a> = (u8, u16, &'a str, String, Reason, TokenFate, Option<u64>);

    /// The protocol sheet's vectors, in its order and with its numbers. What is not a refusal is in the next test.
    #[test]
    fn vectors_2_to_17() {
        use crate::reason::TokenFate::{Keep, Retire, RetireForApp};
        let not_found = "Requested entity was not found.";
        let quota = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"subject": "device", "description": "d"}]});
        let project_quota = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com", "metadata": {
                "quota_limit": "SendsPerMinutePerProject",
                "quota_metric": "fcm.googleapis.com/send_requests",
                "quota_unit": "1/min/{project}", "consumer": "projects/123"}});
        let invalid = || fcm("INVALID_ARGUMENT");
        let table: &[Vector<'_>] = &[
            (
                2,
                404,
                "",
                error("NOT_FOUND", not_found, &[fcm("UNREGISTERED")]),
                Reason::Unregistered,
                Retire,
                None,
            ),
            (
                3,
                404,
                "",
                error("NOT_FOUND", not_found, &[]),
                Reason::NotFound,
                Keep,
                None,
            ),
            (
                4,
                400,
                "",
                error(
                    "INVALID_ARGUMENT",
                    "The registration token is not a valid FCM registration token",
                    &[invalid()],
                ),
                Reason::InvalidPushToken,
                Retire,
                None,
            ),
            (
                5,
                400,
                "",
                error(
                    "INVALID_ARGUMENT",
                    "m",
                    &[invalid(), bad_request("message.token")],
                ),
                Reason::InvalidPushToken,
                Retire,
                None,
            ),
            (
                6,
                400,
                "",
                error(
                    "INVALID_ARGUMENT",
                    "m",
                    &[bad_request("message.data[0].value")],
                ),
                Reason::InvalidMessage,
                Keep,
                None,
            ),
            (
                7,
                400,
                "",
                error(
                    "INVALID_ARGUMENT",
                    "m",
                    &[invalid(), apns(410, "Unregistered")],
                ),
                Reason::ApnsUnregistered,
                Retire,
                None,
            ),
            (
                8,
                400,
                "",
                error(
                    "INVALID_ARGUMENT",
                    "Android message is too big",
                    &[invalid()],
                ),
                Reason::InvalidMessage,
                Keep,
                None,
            ),
            (
                9,
                403,
                "",
                error(
                    "PERMISSION_DENIED",
                    "SenderId mismatch",
                    &[fcm("SENDER_ID_MISMATCH")],
                ),
                Reason::SenderIdMismatch,
                RetireForApp,
                None,
            ),
            (
                10,
                403,
                "",
                error("PERMISSION_DENIED", "m", &[]),
                Reason::PermissionDenied,
                Keep,
                None,
            ),
            (
                11,
                401,
                "",
                error(
                    "UNAUTHENTICATED",
                    "Auth error from APNS or Web Push Service",
                    &[
                        fcm("THIRD_PARTY_AUTH_ERROR"),
                        apns(403, "InvalidProviderToken"),
                    ],
                ),
                Reason::ThirdPartyAuth,
                Keep,
                None,
            ),
            (
                12,
                401,
                "",
                error("UNAUTHENTICATED", "m", &[]),
                Reason::Unauthenticated,
                Keep,
                Some(0),
            ),
            (
                13,
                429,
                "7",
                error("RESOURCE_EXHAUSTED", "m", &[fcm("QUOTA_EXCEEDED"), quota]),
                Reason::QuotaExceeded,
                Keep,
                Some(60),
            ),
            (
                14,
                429,
                "",
                error("RESOURCE_EXHAUSTED", "m", &[project_quota]),
                Reason::ProjectQuotaExceeded,
                Keep,
                Some(60),
            ),
            (
                15,
                503,
                "Wed, 21 Oct 2026 07:28:00 GMT",
                String::new(),
                Reason::Unavailable,
                Keep,
                Some(30),
            ),
            (
                16,
                503,
                "",
                String::new(),
                Reason::Unavailable,
                Keep,
                Some(10),
            ),
            (
                16,
                502,
                "",
                "<html>502</html>".to_owned(),
                Reason::GatewayTimeout,
                Keep,
                Some(10),
            ),
            (
                17,
                500,
                "",
                error("INTERNAL", "m", &[fcm("INTERNAL")]),
                Reason::Internal,
                Keep,
                Some(10),
            ),
        ];
        for (number, status, retry_after, body, reason, fate, wait) in table {
            let rejected = refused(*status, retry_after, body);
            assert_eq!(rejected.reason, *reason, "vector {number}");
            assert_eq!(rejected.token_fate(), *fate, "vector {number}");
            assert_eq!(
                rejected.wait(),
                wait.map(Duration::from_secs),
                "vector {number}"
            );
            assert_eq!(rejected.raw, body.as_bytes(), "vector {number}");
        }
    }

    #[test]
    fn vectors_1_18_and_19() {
        let accepted = read(200, "", r#"{"name":"projects/demo/messages/0:1%ab"}"#);
        let name = Some("projects/demo/messages/0:1%ab".into());
        assert_eq!(accepted, Response::Accepted(Accepted { name }));

        for broken in ["{\"name", "", "[]", "<html>"] {
            assert_eq!(
                read(200, "", broken),
                Response::Accepted(Accepted::default())
            );
        }

        let rejected = refused(404, "", &error("NOT_FOUND", "m", &[fcm("UNREGISTERED")]));
        assert!(rejected.retires_token(1_000, 1_001));
        assert!(
            !rejected.retires_token(1_001, 1_000),
            "seen since it was sent"
        );
        let rejected = refused(404, "", &error("NOT_FOUND", "m", &[]));
        assert!(!rejected.retires_token(0, 1));
    }

    #[test]
    fn waits_are_cut_and_a_delay_in_the_body_counts() {
        assert_eq!(refused(503, "86400", "").wait(), Some(MAX_WAIT));
        assert_eq!(refused(429, "90", "").wait(), Some(Duration::from_secs(90)));
        assert_eq!(
            refused(429, "soon", "").wait(),
            Some(Duration::from_secs(60))
        );
        let delay =
            json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "75s"});
        let body = error("RESOURCE_EXHAUSTED", "m", &[fcm("QUOTA_EXCEEDED"), delay]);
        assert_eq!(
            refused(429, "7", &body).wait(),
            Some(Duration::from_secs(75))
        );
        assert_eq!(refused(400, "7", "").wait(), None);
    }

    #[test]
    fn a_refusal_tells_a_person_everything_and_repeats_nothing_of_the_message() {
        let body = error(
            "INVALID_ARGUMENT",
            "secret text",
            &[bad_request("message.data[0].value")],
        );
        let rejected = refused(400, "", &body);
        let text = rejected.to_string();
        assert!(
            text.starts_with("400 INVALID_ARGUMENT: The message breaks a rule"),
            "{text}"
        );
        assert!(text.contains("Field: message.data[0].value."), "{text}");
        assert!(!text.contains("secret text"), "{text}");
        assert!(!format!("{rejected:?}").contains("secret text"));
        let body = error(
            "UNAUTHENTICATED",
            "m",
            &[
                fcm("THIRD_PARTY_AUTH_ERROR"),
                apns(403, "InvalidProviderToken"),
            ],
        );
        let text = refused(401, "", &body).to_string();
        assert!(
            text.starts_with(
                "401 UNAUTHENTICATED THIRD_PARTY_AUTH_ERROR (APNs: 403 InvalidProviderToken): "
            ),
            "{text}"
        );
    }

    #[test]
    fn a_huge_body_is_cut() {
        assert_eq!(
            refused(503, "", &"x".repeat(5_000)).raw.len(),
            Rejected::MAX_RAW_BYTES
        );
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..80), status in 300_u16..600) {
            let response = Response::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.into(), now());
            prop_assert!(!response.is_accepted());
        }
    }
}
