//! What push services' answers mean, in the words that hold for every gateway. One exhaustive match for each of the
//! library's enums: a new row in its tables stops the build here.
//!
//! # Whose trouble it is
//! A pool speaks to many origins, and which ones is for whoever hands out subscriptions to say. So the trouble of one origin
//! (it cannot be reached, it asks for calm, it has a bad day) is the trouble of the pushes to it and of nobody else:
//! [`Verdict::Retry`], which counts as an attempt, and not [`Verdict::Blocked`], behind which the whole lane would wait.
//! Only two things stop the lane: a VAPID key or token that a service *known by name* calls bad in itself, which no other
//! push would fare better with, and a network in which several known services are out of reach at once. A stranger's server
//! can stop nothing, whatever it answers.

use crate::outcome::{blocked, ms, refused_here, served, trouble, unsent, unusable};
use carillon_model::outcome::{Answer, Outcome, TokenFate, TroubleScope, Verdict};
use std::time::Duration;
use webpush::{Caveat, Class, Error, ErrorKind, PushService, Rejected, Response, SubscriptionFate};

/// What to look at when push services cannot be reached.
pub(super) const REACH: &str =
    "check that this machine reaches push services on port 443, and the proxy if there is one";

/// The outcome of a push that came back from a connection. `is_named`: it went to a known service, or to one that an
/// operator has listed.
pub(super) fn of(
    result: Result<Response, Error>,
    connection: Option<u64>,
    elapsed: Option<Duration>,
    is_named: bool,
) -> Outcome {
    let (verdict, answer) = match result {
        Ok(Response::Accepted(accepted)) => match accepted.caveat {
            None => (Verdict::Accepted, None),
            Some(caveat) => taken_and_dropped(accepted.status, caveat),
        },
        Ok(Response::Rejected(rejected)) => (refused(&rejected, is_named), Some(answer(&rejected))),
        Err(error) => unanswered(&error, is_named),
    };
    served(verdict, answer, connection, elapsed)
}

/// The outcome of a push that its origin has no room for now.
pub(super) fn no_room(error: &Error) -> Outcome {
    of(Err(error.clone()), None, None, false)
}

/// The outcome of a push that waited too long for a stream of its origin.
pub(super) fn stuck() -> Outcome {
    later(
        "queue_timeout",
        "the push service had no stream free for long",
        None,
    )
}

/// The outcome of a push to an origin of strangers, of which there are too many at once.
pub(super) fn crowded(wait: Duration) -> Outcome {
    let why = "too many pushes to push services that are not known wait already";
    later("crowded", why, Some(wait))
}

/// The outcome of a push to an origin that could not be reached again and again.
pub(super) fn out_of_reach(wait: Duration) -> Outcome {
    later("connect", "the push service cannot be reached", Some(wait))
}

/// No known service can be reached: the fault is on our side of the network, and every push waits.
pub(super) fn cut_off(detail: &str) -> Outcome {
    let mend = format!("{detail}: {REACH}");
    blocked(TroubleScope::Gateway, "connect_failed", mend, None)
}

/// What is kept of the subscription cannot be used.
pub(super) fn bad_address(why: String) -> Outcome {
    refused_here("bad_push_token", why)
}

fn later(reason: &str, why: &str, wait: Option<Duration>) -> Outcome {
    let answer = Answer {
        status: 0,
        reason: reason.to_owned(),
        raw: why.to_owned(),
        timestamp: None,
    };
    Outcome {
        answer: Some(Box::new(answer)),
        ..unsent(retry(wait))
    }
}

fn retry(wait: Option<Duration>) -> Verdict {
    Verdict::Retry {
        retry_after_ms: wait.map(ms),
    }
}

/// WNS takes a push and says in a header that it goes nowhere.
fn taken_and_dropped(status: u16, caveat: Caveat) -> (Verdict, Option<Answer>) {
    let (verdict, reason) = match caveat {
        Caveat::Throttled => (retry(None), "channelThrottled"),
        // Also a caveat of tomorrow: what is not known to be accepted is not called so.
        _ => (Verdict::Rejected(TokenFate::Keep), "dropped"),
    };
    let answer = Answer {
        status,
        reason: reason.to_owned(),
        raw: String::new(),
        timestamp: None,
    };
    (verdict, Some(answer))
}

fn refused(rejected: &Rejected, is_named: bool) -> Verdict {
    let rule = rejected.rule();
    let keep = Verdict::Rejected(TokenFate::Keep);
    match rule.class {
        Class::Request | Class::Payload | Class::KeyMismatch => keep,
        Class::Subscription => match rule.fate {
            // No service says when it ended.
            SubscriptionFate::Prune => Verdict::Rejected(TokenFate::Retire { since: None }),
            SubscriptionFate::Keep => keep,
        },
        Class::Credential if is_named => Verdict::Blocked(trouble(
            TroubleScope::Credential,
            &word(rejected),
            format!("{} ({}): {}", rule.meaning, rejected.service, rule.mend),
            rejected.retry_after,
        )),
        Class::Credential => keep,
        Class::Connection | Class::Throttle | Class::Service if rule.retry.is_automatic() => {
            retry(rejected.retry_after)
        }
        Class::Connection | Class::Throttle | Class::Service => keep,
    }
}

/// The service's own word where it has words, else its number or the status: there must not be as many reasons as there are
/// answers.
fn word(rejected: &Rejected) -> String {
    let is_word = |text: &str| {
        (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match (rejected.service, rejected.errno) {
        (PushService::Apple, _) if is_word(&rejected.reason) => rejected.reason.to_string(),
        (PushService::Mozilla, Some(errno)) => format!("errno_{errno}"),
        _ => format!("http_{}", rejected.status),
    }
}

fn answer(rejected: &Rejected) -> Answer {
    Answer {
        status: rejected.status,
        reason: word(rejected),
        raw: rejected.reason.to_string(),
        timestamp: None,
    }
}

fn unanswered(error: &Error, is_named: bool) -> (Verdict, Option<Answer>) {
    let answer = Answer {
        status: error.status().unwrap_or(0),
        reason: error.kind().as_str().to_owned(),
        raw: error.detail().chars().take(200).collect(),
        timestamp: None,
    };
    let verdict = match error.kind() {
        ErrorKind::Expired => return (Verdict::Expired, None),
        ErrorKind::Closed => Verdict::NotSent,
        ErrorKind::Forbidden => Verdict::Rejected(TokenFate::Keep),
        // A server that refuses every stream would otherwise be asked for ever.
        ErrorKind::Busy | ErrorKind::Connect | ErrorKind::QueueTimeout | ErrorKind::Refused => {
            retry(error.retry_after())
        }
        ErrorKind::Invalid => return (unusable(error.to_string()).verdict, Some(answer)),
        // The status says that it was refused; only the explanation was lost, and with it what it meant for the subscription.
        ErrorKind::Interrupted if error.status().is_some_and(|status| status >= 400) => {
            match refused(&without_explanation(error), is_named) {
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

fn without_explanation(error: &Error) -> Rejected {
    Rejected {
        service: PushService::Other,
        status: error.status().unwrap_or(0),
        reason: "".into(),
        errno: None,
        retry_after: None,
        location: None,
        id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush::pool;

    fn rejected(service: PushService, status: u16, reason: &str, errno: Option<u16>) -> Rejected {
        Rejected {
            service,
            status,
            reason: reason.into(),
            errno,
            retry_after: None,
            location: None,
            id: None,
        }
    }

    fn judged(rejected: Rejected, is_named: bool) -> Outcome {
        let elapsed = Some(Duration::from_micros(1_500));
        of(Ok(Response::Rejected(rejected)), Some(3), elapsed, is_named)
    }

    fn short(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Blocked(trouble) => format!("{:?} {}", trouble.scope, trouble.reason),
            Verdict::Rejected(fate) => format!("{fate:?}"),
            other => format!("{other:?}"),
        }
    }

    const KEEP: &str = "Keep";
    const GONE: &str = "Retire { since: None }";
    const LATER: &str = "Retry { retry_after_ms: None }";

    #[test]
    fn every_answer_of_the_services() {
        use PushService::{Apple, Fcm, Mozilla, Other, Wns};
        let table: &[(PushService, u16, &str, Option<u16>, &str)] = &[
            // What a status means everywhere.
            (Other, 301, "", None, KEEP),
            (Other, 400, "", None, KEEP),
            (Other, 401, "", None, "Credential http_401"),
            (Other, 403, "", None, KEEP),
            (Other, 404, "", None, GONE),
            (Other, 410, "", None, GONE),
            (Other, 413, "", None, KEEP),
            (Other, 429, "", None, LATER),
            (Other, 500, "", None, LATER),
            (Other, 502, "", None, LATER),
            (Other, 503, "", None, LATER),
            (Other, 700, "", None, KEEP),
            (Apple, 400, "BadTtl", None, KEEP),
            (Apple, 400, "BadUrgency", None, KEEP),
            (Apple, 400, "BadWebPushTopic", None, KEEP),
            (Apple, 400, "BadWebPushRequest", None, KEEP),
            (Apple, 400, "VapidPkHashMismatch", None, KEEP),
            (Apple, 403, "VapidPkHashMismatch", None, KEEP),
            (Apple, 400, "IdleTimeout", None, LATER),
            (
                Apple,
                403,
                "BadAuthorizationHeader",
                None,
                "Credential BadAuthorizationHeader",
            ),
            (Apple, 403, "BadJwtToken", None, "Credential BadJwtToken"),
            (
                Apple,
                403,
                "BadVapidPublicKey",
                None,
                "Credential BadVapidPublicKey",
            ),
            (Apple, 404, "BadPath", None, KEEP),
            (Apple, 405, "MethodNotAllowed", None, KEEP),
            (Apple, 410, "", None, GONE),
            (Apple, 413, "PayloadTooLarge", None, KEEP),
            (Apple, 429, "TooManyRequests", None, LATER),
            (Apple, 500, "InternalServerError", None, LATER),
            (Apple, 503, "ServiceUnavailable", None, LATER),
            (Apple, 503, "Shutdown", None, LATER),
            (Mozilla, 400, "", Some(101), KEEP),
            (Mozilla, 404, "", Some(102), GONE),
            (Mozilla, 410, "", Some(103), GONE),
            (Mozilla, 413, "", Some(104), KEEP),
            (Mozilla, 410, "", Some(105), GONE),
            (Mozilla, 410, "", Some(106), GONE),
            (Mozilla, 400, "", Some(108), KEEP),
            (Mozilla, 401, "", Some(109), "Credential errno_109"),
            (Mozilla, 401, "VAPID public key mismatch", Some(109), KEEP),
            (Mozilla, 400, "", Some(110), KEEP),
            (Mozilla, 400, "", Some(111), KEEP),
            (Mozilla, 400, "", Some(113), KEEP),
            (Mozilla, 503, "", Some(201), LATER),
            (Mozilla, 429, "", Some(201), LATER),
            (Mozilla, 503, "", Some(202), LATER),
            (Mozilla, 502, "", Some(900), LATER),
            (Mozilla, 500, "", Some(999), LATER),
            (Fcm, 400, "UnauthorizedRegistration", None, KEEP),
            (Fcm, 403, "they do not correspond to", None, KEEP),
            (
                Fcm,
                403,
                "invalid JWT provided",
                None,
                "Credential http_403",
            ),
            (Fcm, 404, "", None, GONE),
            (Fcm, 410, "", None, GONE),
            (Wns, 401, "", None, KEEP),
            (Wns, 403, "", None, KEEP),
            (Wns, 404, "", None, GONE),
            (Wns, 406, "", None, LATER),
            (Wns, 410, "", None, GONE),
            (Wns, 413, "", None, KEEP),
        ];
        for (service, status, reason, errno, expected) in table {
            let outcome = judged(rejected(*service, *status, reason, *errno), true);
            assert_eq!(
                short(&outcome.verdict),
                *expected,
                "{service} {status} {reason}"
            );
        }
    }

    #[test]
    fn a_stranger_stops_nobody_else() {
        for status in 300..600 {
            let outcome = judged(rejected(PushService::Other, status, "", None), false);
            assert!(
                !matches!(outcome.verdict, Verdict::Blocked(_) | Verdict::NotSent),
                "{status}"
            );
        }
    }

    #[test]
    fn the_services_words_are_kept_and_reasons_stay_few() {
        let outcome = judged(
            rejected(
                PushService::Mozilla,
                410,
                "Request did not validate",
                Some(106),
            ),
            true,
        );
        assert_eq!((outcome.connection, outcome.elapsed_us), (3, 1_500));
        assert_eq!(
            *outcome.answer.unwrap(),
            Answer {
                status: 410,
                reason: "errno_106".into(),
                raw: "Request did not validate".into(),
                timestamp: None,
            }
        );
        let reason = |service, reason: &str| {
            let outcome = judged(rejected(service, 400, reason, None), true);
            outcome.answer.unwrap().reason
        };
        assert_eq!(reason(PushService::Apple, "BadTtl"), "BadTtl");
        assert_eq!(
            reason(PushService::Apple, "a sentence of 7 words"),
            "http_400"
        );
        assert_eq!(reason(PushService::Other, "Whatever1"), "http_400");
    }

    #[test]
    fn a_wait_that_the_service_asks_for_is_kept() {
        let mut throttled = rejected(PushService::Fcm, 429, "", None);
        throttled.retry_after = Some(Duration::from_secs(7));
        assert_eq!(
            judged(throttled, true).verdict,
            Verdict::Retry {
                retry_after_ms: Some(7_000)
            }
        );
    }

    #[test]
    fn accepted_is_said_only_of_what_was_not_dropped() {
        let with = |caveat| {
            let accepted = webpush::Accepted {
                status: 201,
                caveat,
                ..webpush::Accepted::default()
            };
            of(Ok(Response::Accepted(accepted)), Some(1), None, true)
        };
        assert_eq!(with(None), Outcome::accepted(1, 0));
        assert_eq!(short(&with(Some(Caveat::Dropped)).verdict), KEEP);
        assert_eq!(short(&with(Some(Caveat::Throttled)).verdict), LATER);
    }

    #[test]
    fn doubt_is_told_from_certainty() {
        let table = [
            (pool::ErrorKind::Connect, LATER),
            (pool::ErrorKind::QueueTimeout, LATER),
            (pool::ErrorKind::Refused, LATER),
            (pool::ErrorKind::Expired, "Expired"),
            (pool::ErrorKind::Closed, "NotSent"),
            (pool::ErrorKind::Invalid, "Credential unusable"),
            (pool::ErrorKind::Timeout, "InDoubt"),
            (pool::ErrorKind::ConnectionLost, "InDoubt"),
            (pool::ErrorKind::Reset, "InDoubt"),
            (pool::ErrorKind::Interrupted, "InDoubt"),
        ];
        for (kind, expected) in table {
            let error = Error::from(pool::Error::new(kind, "why"));
            let maybe_sent = error.maybe_sent();
            let outcome = of(Err(error), None, None, true);
            assert_eq!(short(&outcome.verdict), expected, "{kind:?}");
            assert_eq!(maybe_sent, expected == "InDoubt", "{kind:?}");
        }
        assert_eq!(
            stuck().verdict,
            Verdict::Retry {
                retry_after_ms: None
            }
        );
    }
}
