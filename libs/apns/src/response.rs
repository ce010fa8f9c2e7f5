//! What APNs answered. A refusal is an answer, not an error: `Err` in this crate means that no answer is known.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, RETRY_AFTER};
use uuid::Uuid;

use crate::reason::{Class, Reason, RetryRule, Rule, TokenFate, retire_by_timestamp};

// As constants, because a name given as text is parsed again for each answer.
const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const APNS_REQUEST_ID: HeaderName = HeaderName::from_static("apns-request-id");
const APNS_UNIQUE_ID: HeaderName = HeaderName::from_static("apns-unique-id");

/// The answer to a push or a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// APNs has taken it. That means *accepted*, never *delivered*.
    Accepted(Accepted),
    /// APNs has refused it. Final for this request; [`Rejected::rule`] says whether another may be tried.
    Rejected(Rejected),
}

/// What came with a `200`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// `apns-id` (or `apns-request-id` for broadcasts) as echoed or made by APNs, whatever its case. Match answers by
    /// stream, not by this.
    pub apns_id: Option<Uuid>,
    /// `apns-unique-id`: sandbox only, the name of this notification in Apple's Push Notifications Console.
    pub unique_id: Option<Box<str>>,
}

/// What came with any other status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The HTTP status.
    pub status: u16,
    /// The body's `reason`; [`Reason::Unknown`] with an empty text if there was none.
    pub reason: Reason,
    /// The body's `timestamp` in **milliseconds**: since when the push token is dead. Only with `410`.
    pub timestamp_ms: Option<u64>,
    /// `apns-id` or `apns-request-id`, if it came and is a UUID.
    pub apns_id: Option<Uuid>,
    /// `retry-after` in seconds, which Apple does not document; obeyed if it ever comes.
    pub retry_after_secs: Option<u64>,
    /// The body as received, for the log; at most [`Rejected::MAX_RAW_BYTES`].
    pub raw: Bytes,
}

/// The JSON that APNs puts in error bodies, and sometimes in the debug data of a GOAWAY frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// Its `reason`; empty if there is none to be read.
    pub reason: Reason,
    /// Its `timestamp`, in milliseconds.
    pub timestamp_ms: Option<u64>,
}

impl Response {
    /// Reads an answer. Never fails: a refusal without a body, or with one that is not JSON, is a refusal still.
    ///
    /// ```
    /// use apns::{Reason, Response};
    /// let body = br#"{"reason":"Unregistered","timestamp":1700000000000}"#;
    /// let response = Response::read(http::StatusCode::GONE, &http::HeaderMap::new(), body.as_slice().into());
    /// let Response::Rejected(rejected) = response else { panic!("410 is a refusal") };
    /// assert_eq!(rejected.reason, Reason::Unregistered);
    /// assert!(rejected.retires_token(1_699_999_999_999));
    /// ```
    pub fn read(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let apns_id = header(headers, &APNS_ID)
            .or_else(|| header(headers, &APNS_REQUEST_ID))
            .and_then(|text| Uuid::try_parse(text).ok());
        if status.is_success() {
            let unique_id = header(headers, &APNS_UNIQUE_ID).map(Into::into);
            return Self::Accepted(Accepted { apns_id, unique_id });
        }
        let ErrorBody {
            reason,
            timestamp_ms,
        } = ErrorBody::read(&body);
        let retry_after_secs = header(headers, &RETRY_AFTER).and_then(|text| text.parse().ok());
        let raw = body.slice(..body.len().min(Rejected::MAX_RAW_BYTES));
        Self::Rejected(Rejected {
            status: status.as_u16(),
            reason,
            timestamp_ms,
            apns_id,
            retry_after_secs,
            raw,
        })
    }

    /// Whether APNs has taken it.
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

    /// The id APNs gave or echoed.
    pub const fn apns_id(&self) -> Option<Uuid> {
        match self {
            Self::Accepted(accepted) => accepted.apns_id,
            Self::Rejected(rejected) => rejected.apns_id,
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

// === impl Rejected ===

impl Rejected {
    /// The most of a body that is kept in [`raw`](Self::raw). Apple's are below 100 bytes.
    pub const MAX_RAW_BYTES: usize = 1024;

    /// All that is known about this refusal, by its reason or else by its status.
    pub fn rule(&self) -> &'static Rule {
        self.reason.rule(self.status)
    }

    /// What it blames.
    pub fn class(&self) -> Class {
        self.rule().class
    }

    /// Whether and how to send again.
    pub fn retry(&self) -> RetryRule {
        self.rule().retry
    }

    /// What becomes of the push token.
    pub fn token_fate(&self) -> TokenFate {
        self.rule().token_fate
    }

    /// Whether a push token last registered at this time (milliseconds, your clock) is to be retired for this answer.
    /// See [`retire_by_timestamp`] for the rule and for the compare-and-swap it does not replace.
    pub fn retires_token(&self, registered_at_ms: u64) -> bool {
        self.token_fate() == TokenFate::RetireByTimestamp
            && retire_by_timestamp(registered_at_ms, self.timestamp_ms)
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rule = self.rule();
        write!(
            f,
            "{} {}: {} {}",
            self.status, self.reason, rule.meaning, rule.mend
        )
    }
}

// === impl ErrorBody ===

impl ErrorBody {
    /// Reads what can be read: anything but a JSON object with a `reason` gives an empty reason, and a timestamp that
    /// is not a whole number of milliseconds is left out.
    pub fn read(body: &[u8]) -> Self {
        // Reason and timestamp are read apart from each other, so that neither's oddness costs the other.
        #[derive(serde::Deserialize)]
        struct Wire<'a> {
            #[serde(borrow, default)]
            reason: Option<&'a serde_json::value::RawValue>,
            #[serde(borrow, default)]
            timestamp: Option<&'a serde_json::value::RawValue>,
        }
        let none = || Self {
            reason: Reason::Unknown(Box::default()),
            timestamp_ms: None,
        };
        // serde would read an array of two as well.
        if !body.trim_ascii_start().starts_with(b"{") {
            return none();
        }
        let Ok(wire) = serde_json::from_slice::<Wire<'_>>(body) else {
            return none();
        };
        let reason = wire
            .reason
            .and_then(|raw| serde_json::from_str::<std::borrow::Cow<'_, str>>(raw.get()).ok())
            .map_or_else(
                || Reason::Unknown(Box::default()),
                |text| Reason::from(&*text),
            );
        let timestamp_ms = wire
            .timestamp
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        Self {
            reason,
            timestamp_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        Response::read(
            StatusCode::from_u16(status).unwrap(),
            &map,
            Bytes::copy_from_slice(body.as_bytes()),
        )
    }

    #[test]
    fn v2_an_accepted_push_with_the_sandboxs_extra_id_in_any_case() {
        let expected: Uuid = "5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a10".parse().unwrap();
        for echoed in [
            "5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a10",
            "5F6D9C1E-0B1A-4C55-9F6A-2F9F3F1D7A10",
        ] {
            let unique = ("apns-unique-id", "11111111-2222-3333-4444-555555555555");
            let response = read(200, &[("apns-id", echoed), unique], "");
            assert_eq!(
                response,
                Response::Accepted(Accepted {
                    apns_id: Some(expected),
                    unique_id: Some(unique.1.into())
                })
            );
            assert!(response.is_accepted());
        }
        assert_eq!(read(200, &[], ""), Response::Accepted(Accepted::default()));
        assert_eq!(read(200, &[("apns-id", "nonsense")], "").apns_id(), None);
        assert_eq!(
            read(
                200,
                &[("apns-request-id", "5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a10")],
                ""
            )
            .apns_id(),
            Some(expected)
        );
    }

    #[test]
    fn bodies_that_are_broken_are_refusals_still() {
        let table: [(&str, &str, Option<u64>); 12] = [
            (
                r#"{"reason":"Unregistered","timestamp":1700000000000}"#,
                "Unregistered",
                Some(1_700_000_000_000),
            ),
            (
                r#"{"timestamp":1700000000000}"#,
                "",
                Some(1_700_000_000_000),
            ),
            (
                r#"{"reason":"Unregistered","timestamp":"soon"}"#,
                "Unregistered",
                None,
            ),
            (
                r#"{"reason":"Unregistered","timestamp":null}"#,
                "Unregistered",
                None,
            ),
            (
                r#"{"reason":"Unregistered","timestamp":-1}"#,
                "Unregistered",
                None,
            ),
            (r#"{"reason":7,"timestamp":5}"#, "", Some(5)),
            (
                r#"{"reason":"New\u0052eason","more":[{}]}"#,
                "NewReason",
                None,
            ),
            (r#"{"reason":null}"#, "", None),
            ("", "", None),
            ("<html>Bad Gateway</html>", "", None),
            (r#"["Unregistered"]"#, "", None),
            (r#"{"reason":"Unregis"#, "", None),
        ];
        for (body, reason, timestamp_ms) in table {
            let Response::Rejected(rejected) = read(410, &[], body) else {
                panic!("{body}")
            };
            assert_eq!(rejected.reason.as_str(), reason, "{body}");
            assert_eq!(rejected.timestamp_ms, timestamp_ms, "{body}");
            assert_eq!(rejected.status, 410);
            assert_eq!(rejected.raw, body);
            assert_eq!(
                rejected.token_fate(),
                TokenFate::RetireByTimestamp,
                "{body}"
            );
        }
    }

    #[test]
    fn v4_the_whole_rule_through_an_answer() {
        let body = r#"{"reason":"Unregistered","timestamp":1700000000000}"#;
        let rejected = read(410, &[], body).rejected().cloned().unwrap();
        assert!(rejected.retires_token(1_699_999_999_999));
        assert!(rejected.retires_token(1_700_000_000_000));
        assert!(!rejected.retires_token(1_700_000_000_001));
        let rejected = read(410, &[], r#"{"reason":"ExpiredToken"}"#)
            .rejected()
            .cloned()
            .unwrap();
        assert!(rejected.retires_token(1_700_000_000_001));
        let rejected = read(400, &[], r#"{"reason":"BadDeviceToken"}"#)
            .rejected()
            .cloned()
            .unwrap();
        assert!(
            !rejected.retires_token(0),
            "BadDeviceToken is not retired by time"
        );
    }

    #[test]
    fn a_refusal_tells_a_person_everything() {
        let response = read(
            413,
            &[("retry-after", "7")],
            r#"{"reason":"PayloadTooLarge"}"#,
        );
        let rejected = response.rejected().unwrap();
        assert_eq!(rejected.retry_after_secs, Some(7));
        assert_eq!(rejected.class(), Class::Payload);
        assert_eq!(rejected.retry(), RetryRule::Never);
        let text = rejected.to_string();
        assert!(
            text.starts_with("413 PayloadTooLarge: ") && text.contains("4096"),
            "{text}"
        );
    }

    #[test]
    fn a_huge_body_is_cut() {
        let Response::Rejected(rejected) = read(503, &[], &"x".repeat(5000)) else {
            panic!()
        };
        assert_eq!(rejected.raw.len(), Rejected::MAX_RAW_BYTES);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..80), status in 300u16..600) {
            let response = Response::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.into());
            prop_assert!(!response.is_accepted());
        }

        #[test]
        fn any_reason_survives(reason in "\\PC{0,30}") {
            let body = serde_json::json!({"reason": reason}).to_string();
            prop_assert_eq!(ErrorBody::read(body.as_bytes()).reason, Reason::from(&*reason));
        }
    }
}
