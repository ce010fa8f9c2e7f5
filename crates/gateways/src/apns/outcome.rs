//! What APNs' answers mean, in the words that hold for every gateway. One exhaustive match for each
//! of the library's enums: a new row in Apple's tables stops the build here.

use crate::outcome::{self, ms, trouble};
use apns::{Class, ErrorKind, Reason, Rejected, Response, RetryRule};
use carillon_model::UnixMs;
use carillon_model::outcome::{Answer, Outcome, TokenFate, TroubleScope, Verdict};
use std::time::Duration;

/// What of the push matters for judging its answer.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked {
    /// It named a topic of its own instead of one of the credential's: a refusal of the topic is its own fault, and no
    /// reason to hold back others.
    pub(super) has_own_topic: bool,
    /// It went to a channel.
    pub(super) is_broadcast: bool,
}

/// The outcome of a push that came back from a connection.
pub(super) fn of(
    result: Result<Response, apns::Error>,
    connection: Option<u64>,
    elapsed: Option<Duration>,
    asked: Asked,
) -> Outcome {
    let (verdict, answer) = match result {
        Ok(Response::Accepted(_)) => (Verdict::Accepted, None),
        Ok(Response::Rejected(rejected)) => (refused(&rejected, asked), Some(answer(&rejected))),
        Err(error) => unanswered(&error, asked),
    };
    outcome::served(verdict, answer, connection, elapsed)
}

/// What to look at when APNs cannot be reached.
pub(super) const REACH: &str =
    "check that this machine reaches APNs on port 443 (or 2197), and the proxy if there is one";

fn refused(rejected: &Rejected, asked: Asked) -> Verdict {
    let rule = rejected.rule();
    let wait = rejected.retry_after_secs.map(Duration::from_secs);
    let blocked = |scope| {
        Verdict::Blocked(trouble(
            scope,
            rejected.reason.as_str(),
            rule.mend.to_owned(),
            wait,
        ))
    };
    let keep = Verdict::Rejected(TokenFate::Keep);
    match rule.class {
        Class::Push | Class::Payload | Class::Channel => keep,
        Class::PushToken => Verdict::Rejected(fate(rejected)),
        // The bundle id of one push, or the broadcast capability, is not everybody's trouble.
        Class::Credential if asked.has_own_topic && is_about_topic(&rejected.reason) => keep,
        Class::Credential if asked.is_broadcast && rejected.reason == Reason::FeatureNotEnabled => {
            keep
        }
        Class::Credential => blocked(TroubleScope::Credential),
        Class::Connection => Verdict::NotSent,
        Class::Gateway | Class::Throttle => match (rule.retry, &rejected.reason) {
            // Seen for single pushes while others pass; the connection is replaced when it repeats itself.
            (_, Reason::InternalServerError) | (RetryRule::BackOff, _) => Verdict::Retry {
                retry_after_ms: wait.map(ms),
            },
            (RetryRule::HeldProviderToken, _) => Verdict::Blocked(trouble(
                TroubleScope::Gateway,
                rejected.reason.as_str(),
                rule.mend.to_owned(),
                Some(wait.unwrap_or(PROVIDER_TOKEN_PAUSE)),
            )),
            _ => blocked(TroubleScope::Gateway),
        },
    }
}

/// Floor under the next try after `TooManyProviderTokenUpdates` came through.
const PROVIDER_TOKEN_PAUSE: Duration = Duration::from_secs(60);

fn is_about_topic(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::TopicDisallowed | Reason::TopicMismatch | Reason::InvalidProviderToken
    )
}

fn fate(rejected: &Rejected) -> TokenFate {
    match rejected.token_fate() {
        apns::TokenFate::Keep => TokenFate::Keep,
        apns::TokenFate::RetireByTimestamp => TokenFate::Retire {
            since: since(rejected),
        },
        apns::TokenFate::SuspectEnvironment => TokenFate::WrongEnvironment,
        apns::TokenFate::Quarantine => TokenFate::WrongTopic,
    }
}

fn since(rejected: &Rejected) -> Option<UnixMs> {
    rejected
        .timestamp_ms
        .map(|ms| UnixMs::try_from(ms).unwrap_or(UnixMs::MAX))
}

fn answer(rejected: &Rejected) -> Answer {
    Answer {
        status: rejected.status,
        reason: rejected.reason.as_str().to_owned(),
        raw: String::from_utf8_lossy(&rejected.raw).into_owned(),
        timestamp: since(rejected),
    }
}

fn unanswered(error: &apns::Error, asked: Asked) -> (Verdict, Option<Answer>) {
    let answer = Answer {
        status: error.status().unwrap_or(0),
        reason: error.kind().as_str().to_owned(),
        raw: error.detail().chars().take(200).collect(),
        timestamp: None,
    };
    let verdict = match error.kind() {
        ErrorKind::Expired => return (Verdict::Expired, None),
        ErrorKind::Closed | ErrorKind::Refused => Verdict::NotSent,
        ErrorKind::Connect => Verdict::Blocked(trouble(
            TroubleScope::Gateway,
            "connect_failed",
            format!("{}: {REACH}", error.detail()),
            None,
        )),
        ErrorKind::QueueTimeout => Verdict::Blocked(outcome::stuck("APNs")),
        ErrorKind::Invalid => Verdict::Blocked(trouble(
            TroubleScope::Credential,
            "unusable",
            error.to_string(),
            None,
        )),
        // The status says that it was refused; only the explanation was lost, and with it what it meant for the push token.
        ErrorKind::Interrupted if error.status().is_some_and(|status| status >= 400) => {
            match refused(&without_explanation(error), asked) {
                Verdict::Rejected(_) => Verdict::Rejected(TokenFate::Keep),
                other => other,
            }
        }
        ErrorKind::Interrupted
        | ErrorKind::Timeout
        | ErrorKind::ConnectionLost
        | ErrorKind::Reset => Verdict::InDoubt,
        // A kind of tomorrow: the one question that decides is answered by the library.
        _ if error.maybe_sent() => Verdict::InDoubt,
        _ => Verdict::NotSent,
    };
    (verdict, Some(answer))
}

fn without_explanation(error: &apns::Error) -> Rejected {
    Rejected {
        status: error.status().unwrap_or(0),
        reason: Reason::from(""),
        timestamp_ms: None,
        apns_id: None,
        retry_after_secs: None,
        raw: bytes::Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, reason: &str) -> Rejected {
        Rejected {
            status,
            reason: Reason::from(reason),
            timestamp_ms: (status == 410).then_some(1_700_000_000_000),
            apns_id: None,
            retry_after_secs: None,
            raw: bytes::Bytes::from(format!(r#"{{"reason":"{reason}"}}"#)),
        }
    }

    fn judged(rejected: Rejected, asked: Asked) -> Outcome {
        of(
            Ok(Response::Rejected(rejected)),
            Some(3),
            Some(Duration::from_micros(1_500)),
            asked,
        )
    }

    fn verdict(status: u16, reason: &str) -> Verdict {
        judged(rejected(status, reason), Asked::default()).verdict
    }

    #[test]
    fn every_documented_reason() {
        for reason in Reason::KNOWN {
            let rule = reason.rule(0);
            let verdict = verdict(rule.status, reason.as_str());
            let expected = match reason.as_str() {
                "BadDeviceToken" => "Rejected(WrongEnvironment)",
                "DeviceTokenNotForTopic" => "Rejected(WrongTopic)",
                "ExpiredToken" | "Unregistered" => {
                    "Rejected(Retire { since: Some(1700000000000) })"
                }
                "IdleTimeout" | "Shutdown" | "UnrelatedKeyIdInToken" => "NotSent",
                "InternalServerError" | "TooManyRequests" => "Retry { retry_after_ms: None }",
                "ServiceUnavailable" | "TooManyProviderTokenUpdates" => "Gateway",
                "FeatureNotEnabled" | "TopicDisallowed" | "TopicMismatch" => "Credential",
                _ if rule.status == 403 => "Credential",
                _ => "Rejected(Keep)",
            };
            let found = match &verdict {
                Verdict::Blocked(trouble) => {
                    assert_eq!(trouble.reason, reason.as_str());
                    assert_eq!(trouble.mend, rule.mend);
                    format!("{:?}", trouble.scope)
                }
                other => format!("{other:?}"),
            };
            assert_eq!(found, expected, "{reason}");
        }
    }

    #[test]
    fn unknown_reasons_go_by_their_status() {
        assert_eq!(verdict(400, "New"), Verdict::Rejected(TokenFate::Keep));
        assert!(
            matches!(verdict(403, "New"), Verdict::Blocked(trouble) if trouble.scope == TroubleScope::Credential)
        );
        assert!(matches!(
            verdict(410, "New"),
            Verdict::Rejected(TokenFate::Retire { .. })
        ));
        assert_eq!(
            verdict(429, "New"),
            Verdict::Retry {
                retry_after_ms: None
            }
        );
        assert!(
            matches!(verdict(502, ""), Verdict::Blocked(trouble) if trouble.scope == TroubleScope::Gateway)
        );
    }

    #[test]
    fn a_push_with_a_topic_of_its_own_blocks_nobody_else() {
        let asked = Asked {
            has_own_topic: true,
            is_broadcast: false,
        };
        for (status, reason) in [
            (400, "TopicDisallowed"),
            (403, "TopicMismatch"),
            (403, "InvalidProviderToken"),
        ] {
            assert_eq!(
                judged(rejected(status, reason), asked).verdict,
                Verdict::Rejected(TokenFate::Keep)
            );
        }
        assert!(matches!(
            judged(rejected(403, "MissingProviderToken"), asked).verdict,
            Verdict::Blocked(_)
        ));
        let asked = Asked {
            has_own_topic: false,
            is_broadcast: true,
        };
        assert_eq!(
            judged(rejected(400, "FeatureNotEnabled"), asked).verdict,
            Verdict::Rejected(TokenFate::Keep)
        );
    }

    #[test]
    fn the_gateways_words_are_kept() {
        let outcome = judged(rejected(410, "Unregistered"), Asked::default());
        assert_eq!((outcome.connection, outcome.elapsed_us), (3, 1_500));
        assert_eq!(
            *outcome.answer.unwrap(),
            Answer {
                status: 410,
                reason: "Unregistered".into(),
                raw: r#"{"reason":"Unregistered"}"#.into(),
                timestamp: Some(1_700_000_000_000),
            }
        );
        let accepted = of(
            Ok(Response::Accepted(apns::Accepted::default())),
            Some(1),
            None,
            Asked::default(),
        );
        assert_eq!(accepted, Outcome::accepted(1, 0));
    }

    #[test]
    fn a_wait_the_gateway_asks_for_is_kept() {
        let mut throttled = rejected(429, "TooManyRequests");
        throttled.retry_after_secs = Some(7);
        let outcome = judged(throttled, Asked::default());
        assert_eq!(
            outcome.verdict,
            Verdict::Retry {
                retry_after_ms: Some(7_000)
            }
        );
    }
}
