//! What FCM's answers mean, in the words that hold for every gateway. The library's table says what an answer blames;
//! here is what that makes of the delivery, the push token and the lane.
//!
//! | blamed | outcome |
//! |---|---|
//! | the message | rejected, push token kept |
//! | the push token | rejected and retired; where many at once would mean a mistake in the project, retired unless many |
//! | the access token, the project, its key for APNs or web push | blocked until the credential is mended: nothing is used up |
//! | one device's share | tried again after the wait that was asked for |
//! | the project's quota, an FCM that is overloaded | blocked for the wait that was asked for |
//! | a fault at Google's, by which the message may have been taken | tried again; in doubt if it must not be sent twice |

use crate::outcome::{self, ms, trouble};
use carillon_model::outcome::{Answer, Outcome, TokenFate, TroubleScope, Verdict};
use carillon_model::push_type::OnUnknown;
use carillon_ports::fault::{self, Bug};
use fcm::{
    AccessTokenError, Class, Error, ErrorBody, ErrorKind, Reason, Rejected, Response, RetryRule,
};
use std::time::Duration;

/// Most bytes of an answer's body that are kept.
const MAX_RAW: usize = 1_024;

/// The outcome of a push that came back from a connection. `no_token` is why there is no access token, if there is none.
pub(super) fn of(
    result: Result<Response, Error>,
    connection: Option<u64>,
    elapsed: Option<Duration>,
    on_unknown: OnUnknown,
    no_token: Option<AccessTokenError>,
) -> Outcome {
    let (verdict, answer) = match result {
        Ok(Response::Accepted(accepted)) => {
            if accepted.name.is_none() {
                tracing::warn!(
                    connection,
                    "FCM accepted a message, but its answer cannot be read"
                );
            }
            (Verdict::Accepted, None)
        }
        Ok(Response::Rejected(rejected)) => {
            (refused(&rejected, on_unknown), Some(answer(&rejected)))
        }
        Err(error) => unanswered(&error, on_unknown, no_token),
    };
    outcome::served(verdict, answer, connection, elapsed)
}

/// What to look at when FCM cannot be reached.
pub(super) const REACH: &str = "check that this machine reaches fcm.googleapis.com and oauth2.googleapis.com on port 443, and the proxy if there is one";

fn refused(rejected: &Rejected, on_unknown: OnUnknown) -> Verdict {
    let rule = rejected.rule();
    let wait = rejected.wait();
    let blocked = |scope| {
        Verdict::Blocked(trouble(
            scope,
            word(rejected),
            rule.mend.to_owned(),
            wait.filter(|wait| !wait.is_zero()),
        ))
    };
    match rule.class {
        Class::Message => Verdict::Rejected(TokenFate::Keep),
        Class::PushToken => Verdict::Rejected(fate(rejected.token_fate())),
        Class::Credential | Class::Project | Class::ThirdPartyCredential => {
            blocked(TroubleScope::Credential)
        }
        Class::Throttle | Class::Gateway => match rule.retry {
            RetryRule::PauseProject => blocked(TroubleScope::Gateway),
            _ if rule.maybe_sent
                && on_unknown == OnUnknown::Drop
                && !fault::planted(Bug::ResendAfterFault) =>
            {
                Verdict::InDoubt
            }
            _ if rejected.reason == Reason::Unavailable => blocked(TroubleScope::Gateway),
            _ => Verdict::Retry {
                retry_after_ms: wait.map(ms),
            },
        },
    }
}

fn fate(fate: fcm::TokenFate) -> TokenFate {
    match fate {
        fcm::TokenFate::Keep => TokenFate::Keep,
        fcm::TokenFate::Retire => TokenFate::Retire { since: None },
        // Retired as well, but not when many come at once: then it is the project's settings or the credential.
        fcm::TokenFate::RetireUnlessMany | fcm::TokenFate::RetireForApp => {
            TokenFate::WrongEnvironment
        }
    }
}

/// FCM's own word, or the most exact one there is.
fn word(rejected: &Rejected) -> &str {
    match &rejected.error.error_code {
        Some(code) => code.as_str(),
        None if rejected.error.status.is_empty() => rejected.reason.as_str(),
        None => &rejected.error.status,
    }
}

fn answer(rejected: &Rejected) -> Answer {
    let raw = &rejected.raw[..rejected.raw.len().min(MAX_RAW)];
    Answer {
        status: rejected.status,
        reason: word(rejected).to_owned(),
        raw: String::from_utf8_lossy(raw).into_owned(),
        timestamp: None,
    }
}

fn unanswered(
    error: &Error,
    on_unknown: OnUnknown,
    no_token: Option<AccessTokenError>,
) -> (Verdict, Option<Answer>) {
    let answer = Answer {
        status: error.status().unwrap_or(0),
        reason: error.kind().as_str().to_owned(),
        raw: error.detail().chars().take(200).collect(),
        timestamp: None,
    };
    let blocked =
        |scope, reason: &str, mend: String| Verdict::Blocked(trouble(scope, reason, mend, None));
    let verdict = match error.kind() {
        ErrorKind::Expired => return (Verdict::Expired, None),
        ErrorKind::Closed | ErrorKind::Refused => Verdict::NotSent,
        ErrorKind::Connect => blocked(
            TroubleScope::Gateway,
            "connect_failed",
            format!("{}: {REACH}", error.detail()),
        ),
        ErrorKind::QueueTimeout => Verdict::Blocked(outcome::stuck("FCM")),
        ErrorKind::Invalid => blocked(TroubleScope::Credential, "unusable", error.to_string()),
        ErrorKind::AccessToken => no_access(no_token),
        // The status says that it was refused; only the explanation was lost, and with it what it meant for the push token.
        ErrorKind::Interrupted if error.status().is_some_and(|status| status >= 400) => {
            match refused(&without_explanation(error), on_unknown) {
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

/// There is no access token to send with.
fn no_access(why: Option<AccessTokenError>) -> Verdict {
    let Some(why) = why else {
        // It came meanwhile.
        return Verdict::NotSent;
    };
    let scope = if why.is_permanent() {
        TroubleScope::Credential
    } else {
        TroubleScope::Gateway
    };
    let reason = format!("access_token_{}", why.kind().as_str());
    Verdict::Blocked(trouble(scope, &reason, why.to_string(), None))
}

fn without_explanation(error: &Error) -> Rejected {
    let status = error.status().unwrap_or(0);
    let body = ErrorBody::default();
    Rejected {
        status,
        reason: Reason::of(status, &body),
        error: Box::new(body),
        retry_after: None,
        raw: bytes::Bytes::new(),
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
