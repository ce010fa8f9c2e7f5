//! What a push service answered. A refusal is an answer, not an error: `Err` in this crate means that no answer is known.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, LOCATION};

use crate::retry_after::retry_after;
use crate::rules::{Class, RetryRule, Rule, SubscriptionFate, rule};
use crate::service::PushService;

const TTL: HeaderName = HeaderName::from_static("ttl");
const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const WNS_MESSAGE_ID: HeaderName = HeaderName::from_static("x-wns-msg-id");
const WNS_STATUS: HeaderName = HeaderName::from_static("x-wns-notificationstatus");
const WNS_ERROR: HeaderName = HeaderName::from_static("x-wns-error-description");

/// The answer to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The service has taken it. That means *accepted*, never *delivered*.
    Accepted(Accepted),
    /// The service has refused it. Final for this request; [`Rejected::rule`] says whether another may be tried.
    Rejected(Rejected),
}

/// What came with a `2xx`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The HTTP status: 201, or 200 or 202 as some services have it.
    pub status: u16,
    /// `Location`: the message's own URL, where a `DELETE` cancels it if the service supports that. A secret.
    pub location: Option<Box<str>>,
    /// The life that the service gave it, if it says that it is another one than asked for.
    pub ttl_secs: Option<u32>,
    /// The service's name for it (`apns-id`, `X-WNS-Msg-ID`), for its support.
    pub id: Option<Box<str>>,
    /// What WNS says beside an acceptance that is none.
    pub caveat: Option<Caveat>,
}

/// WNS may answer 2xx and say in a header that the push goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Caveat {
    /// It was dropped.
    Dropped,
    /// It was dropped because there were too many.
    Throttled,
}

/// What came with any other status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Whose answer it is.
    pub service: PushService,
    /// The HTTP status.
    pub status: u16,
    /// The service's own word or sentence for it; empty if there was none. At most [`Rejected::MAX_REASON_CHARS`].
    pub reason: Box<str>,
    /// Mozilla's number for it.
    pub errno: Option<u16>,
    /// `Retry-After`, as a wait from the moment of the answer.
    pub retry_after: Option<Duration>,
    /// Where a redirect points. It is never followed.
    pub location: Option<Box<str>>,
    /// The service's name for the request (`apns-id`, `X-WNS-Msg-ID`), for its support.
    pub id: Option<Box<str>>,
}

impl Response {
    /// Reads an answer. Never fails: a refusal without a body, or with one that is not JSON, is a refusal still. `now` turns
    /// a date in `Retry-After` into a wait.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use webpush::{PushService, Response, SubscriptionFate};
    /// let body = br#"{"code":410,"errno":106,"error":"","message":"Request did not validate"}"#;
    /// let (status, headers) = (http::StatusCode::GONE, http::HeaderMap::new());
    /// let answer = Response::read(PushService::Mozilla, status, &headers, body, SystemTime::UNIX_EPOCH);
    /// let Response::Rejected(rejected) = answer else { panic!("410 is a refusal") };
    /// assert_eq!((rejected.errno, rejected.fate()), (Some(106), SubscriptionFate::Prune));
    /// ```
    pub fn read(
        service: PushService,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Self {
        let text = |name: &HeaderName| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.map(shortened)
        };
        let location = headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(Into::into);
        let id = text(&APNS_ID).or_else(|| text(&WNS_MESSAGE_ID));
        if status.is_success() {
            let caveat = match text(&WNS_STATUS).as_deref() {
                Some("dropped") => Some(Caveat::Dropped),
                Some("channelThrottled" | "channelthrottled") => Some(Caveat::Throttled),
                _ => None,
            };
            return Self::Accepted(Accepted {
                status: status.as_u16(),
                location,
                ttl_secs: text(&TTL).and_then(|text| text.parse().ok()),
                id,
                caveat,
            });
        }
        let (reason, errno) = explanation(body);
        Self::Rejected(Rejected {
            service,
            status: status.as_u16(),
            reason: if reason.is_empty() {
                text(&WNS_ERROR).unwrap_or_default()
            } else {
                reason
            },
            errno,
            retry_after: retry_after(headers, now),
            location,
            id,
        })
    }

    /// Whether the service has taken it.
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

impl Rejected {
    /// The most of a reason that is kept.
    pub const MAX_REASON_CHARS: usize = 200;

    /// All that is known about this refusal.
    pub fn rule(&self) -> &'static Rule {
        rule(self.service, self.status, &self.reason, self.errno)
    }

    /// What it blames.
    pub fn class(&self) -> Class {
        self.rule().class
    }

    /// Whether and how to send again.
    pub fn retry(&self) -> RetryRule {
        self.rule().retry
    }

    /// What becomes of the subscription.
    pub fn fate(&self) -> SubscriptionFate {
        self.rule().fate
    }
}

/// Apple's `reason`, Mozilla's `message` and `errno`, or else the text itself as it stands.
fn explanation(body: &[u8]) -> (Box<str>, Option<u16>) {
    let Ok(serde_json::Value::Object(json)) = serde_json::from_slice(body) else {
        return (shortened(&String::from_utf8_lossy(body)), None);
    };
    let text = ["reason", "message", "error"]
        .into_iter()
        .filter_map(|name| json.get(name)?.as_str())
        .find(|text| !text.is_empty());
    let errno = json.get("errno").and_then(serde_json::Value::as_u64);
    (
        text.map(shortened).unwrap_or_default(),
        errno.and_then(|number| number.try_into().ok()),
    )
}

/// One line of at most so many characters, without control characters: it comes from outside and goes into logs.
fn shortened(text: &str) -> Box<str> {
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(Rejected::MAX_REASON_CHARS)
        .collect();
    line.into()
}

// === impl Display, Debug ===

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {}", self.status, self.service)?;
        if let Some(errno) = self.errno {
            write!(f, " (errno {errno})")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        let rule = self.rule();
        write!(f, ". {} {}", rule.meaning, rule.mend)
    }
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted")
            .field("status", &self.status)
            .field("has_location", &self.location.is_some())
            .field("ttl_secs", &self.ttl_secs)
            .field("id", &self.id)
            .field("caveat", &self.caveat)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(
        service: PushService,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let status = StatusCode::from_u16(status).unwrap();
        Response::read(service, status, &map, body.as_bytes(), UNIX_EPOCH)
    }

    fn rejected(
        service: PushService,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> Rejected {
        read(service, status, headers, body)
            .rejected()
            .unwrap()
            .clone()
    }

    #[test]
    fn every_2xx_is_an_acceptance() {
        for status in [200, 201, 202, 204] {
            assert!(read(PushService::Other, status, &[], "").is_accepted());
        }
        let headers = [
            ("location", "https://a.example/m/SECRET"),
            ("ttl", "60"),
            ("apns-id", "5F6D"),
        ];
        let Response::Accepted(accepted) = read(PushService::Apple, 201, &headers, "") else {
            panic!()
        };
        assert_eq!(
            accepted.location.as_deref(),
            Some("https://a.example/m/SECRET")
        );
        assert_eq!(
            (accepted.ttl_secs, accepted.id.as_deref()),
            (Some(60), Some("5F6D"))
        );
        assert!(!format!("{accepted:?}").contains("SECRET"));
    }

    #[test]
    fn wns_says_in_a_header_what_an_acceptance_is_worth() {
        for (text, caveat) in [
            ("received", None),
            ("dropped", Some(Caveat::Dropped)),
            ("channelThrottled", Some(Caveat::Throttled)),
            ("channelthrottled", Some(Caveat::Throttled)),
        ] {
            let Response::Accepted(accepted) = read(
                PushService::Wns,
                201,
                &[("x-wns-notificationstatus", text)],
                "",
            ) else {
                panic!()
            };
            assert_eq!(accepted.caveat, caveat, "{text}");
        }
        let description = "Ttl value conflicts with X-WNS-Cache-Policy.";
        let refused = rejected(
            PushService::Wns,
            400,
            &[("x-wns-error-description", description)],
            "",
        );
        assert_eq!(&*refused.reason, description);
    }

    #[test]
    fn bodies_in_every_form_are_read() {
        let table: [(&str, &str, Option<u16>); 11] = [
            (r#"{"reason":"BadJwtToken"}"#, "BadJwtToken", None),
            (
                r#"{"code":401,"errno":109,"error":"Unauthorized","message":"bad aud"}"#,
                "bad aud",
                Some(109),
            ),
            (
                r#"{"errno":999,"error":"Oops","message":""}"#,
                "Oops",
                Some(999),
            ),
            (r#"{"errno":70000,"message":5}"#, "", None),
            (r#"{"errno":"109"}"#, "", None),
            ("the text of FCM", "the text of FCM", None),
            ("two\r\nlines\t", "two  lines", None),
            ("[1]", "[1]", None),
            ("", "", None),
            ("{", "{", None),
            ("null", "null", None),
        ];
        for (body, reason, errno) in table {
            let refused = rejected(PushService::Mozilla, 400, &[], body);
            assert_eq!((&*refused.reason, refused.errno), (reason, errno), "{body}");
        }
        let long = rejected(PushService::Fcm, 400, &[], &"ä".repeat(5000));
        assert_eq!(long.reason.chars().count(), Rejected::MAX_REASON_CHARS);
    }

    #[test]
    fn a_refusal_tells_a_person_everything() {
        let refused = rejected(
            PushService::Mozilla,
            429,
            &[("retry-after", "120")],
            r#"{"errno":201,"message":"slow"}"#,
        );
        assert_eq!(refused.retry_after, Some(Duration::from_secs(120)));
        assert_eq!(
            (refused.class(), refused.retry()),
            (Class::Throttle, RetryRule::BackOff)
        );
        let text = refused.to_string();
        assert!(
            text.starts_with("429 from mozilla (errno 201): slow. Too many"),
            "{text}"
        );
        let moved = rejected(
            PushService::Other,
            301,
            &[("location", "http://169.254.169.254/")],
            "",
        );
        assert_eq!(moved.location.as_deref(), Some("http://169.254.169.254/"));
        assert_eq!(moved.fate(), SubscriptionFate::Keep);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..80), status in 300_u16..600) {
            let status = StatusCode::from_u16(status).unwrap();
            let read = Response::read(PushService::Apple, status, &HeaderMap::new(), &body, UNIX_EPOCH);
            prop_assert!(!read.is_accepted());
        }
    }
}
