//! What came of one attempt to tell an endpoint something.
//!
//! Failing is an answer too: whoever sends never has an error to pass on, and a person reads what went wrong and where.

use std::fmt;

use serde::Serialize;

use crate::UnixMs;

/// What came of one attempt, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookAnswer {
    /// What came of it.
    #[serde(flatten)]
    pub result: WebhookResult,
    /// From the beginning to the answer or the failure, in milliseconds.
    pub elapsed_ms: u64,
}

/// The two ways in which an attempt ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum WebhookResult {
    /// The receiver answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// When it wants to be asked again (`Retry-After`).
        #[serde(skip)]
        retry_after: Option<RetryAfter>,
        /// The beginning of its body as text, for people; never interpreted.
        body: String,
        /// Whether there was more of the body.
        body_is_cut: bool,
    },
    /// There is no answer.
    Failed {
        /// How far it got.
        phase: FailedPhase,
        /// What went wrong: a sentence for people, without a full stop. It names the host and never the path.
        message: String,
    },
}

/// How far an attempt got that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedPhase {
    /// The guard does not let the URL through, or it cannot be used at all. Nothing was connected to.
    Refused,
    /// The host's name was not found.
    Resolve,
    /// No connection came about.
    Connect,
    /// TLS did not come about: mostly a certificate that does not hold.
    Tls,
    /// Connected, and the exchange broke off or was not HTTP. The receiver may have got it.
    Exchange,
    /// The time was up. The receiver may have got it.
    Timeout,
}

impl FailedPhase {
    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Exchange => "exchange",
            Self::Timeout => "timeout",
        }
    }
}

/// When a receiver wants to be asked again (RFC 9110 section 10.2.3), as it said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so many seconds.
    Secs(u64),
    /// At this instant.
    At(UnixMs),
}

impl RetryAfter {
    /// How long that is from now on, in milliseconds; an instant that has passed is no wait at all.
    #[must_use]
    pub fn wait_ms(self, now: UnixMs) -> i64 {
        match self {
            Self::Secs(secs) => i64::try_from(secs)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000),
            Self::At(at) => at.saturating_sub(now).max(0),
        }
    }
}

impl WebhookAnswer {
    /// The receiver answered with this status and nothing else.
    #[must_use]
    pub fn answered(status: u16) -> Self {
        Self {
            result: WebhookResult::Answered {
                status,
                retry_after: None,
                body: String::new(),
                body_is_cut: false,
            },
            elapsed_ms: 0,
        }
    }

    /// There is no answer.
    #[must_use]
    pub fn failed(phase: FailedPhase, message: impl Into<String>) -> Self {
        Self {
            result: WebhookResult::Failed {
                phase,
                message: message.into(),
            },
            elapsed_ms: 0,
        }
    }

    /// The status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.result {
            WebhookResult::Answered { status, .. } => Some(status),
            WebhookResult::Failed { .. } => None,
        }
    }

    /// Whether the receiver has taken it: 2xx and nothing else. A redirect is a failure, and never followed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status()
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver wants no more of anything: 410.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.status() == Some(410)
    }

    /// Whether the receiver is overwhelmed, so that nothing else should be sent to it either for a while: 429, 502, 503, 504.
    #[must_use]
    pub fn is_overload(&self) -> bool {
        matches!(self.status(), Some(429 | 502 | 503 | 504))
    }

    /// A stable word for metrics and the log of attempts: `success`, the class of another status (`3xx`, …), or the phase in
    /// which it failed.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.result {
            WebhookResult::Failed { phase, .. } => phase.as_str(),
            WebhookResult::Answered { status, .. } => match status / 100 {
                2 => "success",
                3 => "3xx",
                4 => "4xx",
                5 => "5xx",
                _ => "other",
            },
        }
    }

    /// What came of it, for people; without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for WebhookAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match &self.result {
            WebhookResult::Failed { message, .. } => return f.write_str(message),
            WebhookResult::Answered { status, .. } => *status,
        };
        write!(f, "the receiver answered {status}")?;
        match status {
            200..=299 => f.write_str(": taken"),
            300..=399 => f.write_str(
                ": redirects are not followed; set the endpoint to the address where it really is",
            ),
            401 | 403 => f.write_str(
                ": if it checks the signature, is that the secret of this endpoint, and the body exactly as it came?",
            ),
            404 | 405 => f.write_str(": is that the path that takes webhooks by POST?"),
            410 => f.write_str(": it is gone, and is not called any more"),
            413 => f.write_str(": it must take bodies of 20 kB"),
            429 => f.write_str(": it wants fewer calls"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_means_one_thing() {
        for status in 100..600 {
            let answer = WebhookAnswer::answered(status);
            assert_eq!(
                answer.is_success(),
                (200..=299).contains(&status),
                "{status}"
            );
            assert_eq!(answer.is_gone(), status == 410, "{status}");
            assert_eq!(
                answer.is_overload(),
                [429, 502, 503, 504].contains(&status),
                "{status}"
            );
            assert!(answer.sentence().contains(&status.to_string()));
            assert_eq!(answer.word() == "success", answer.is_success());
        }
        let failed =
            WebhookAnswer::failed(FailedPhase::Tls, "the certificate of a.example has expired");
        assert!(!failed.is_success() && !failed.is_gone() && !failed.is_overload());
        assert_eq!((failed.word(), failed.status()), ("tls", None));
        assert_eq!(
            failed.sentence(),
            "the certificate of a.example has expired"
        );
    }

    #[test]
    fn waits_never_go_back_in_time() {
        for (asked, wait) in [
            (RetryAfter::Secs(0), 0),
            (RetryAfter::Secs(120), 120_000),
            (RetryAfter::Secs(u64::MAX), i64::MAX),
            (RetryAfter::At(1_500), 500),
            (RetryAfter::At(999), 0),
            (RetryAfter::At(i64::MIN), 0),
        ] {
            assert_eq!(asked.wait_ms(1_000), wait, "{asked:?}");
        }
    }

    #[test]
    fn answers_are_shown_as_json() {
        let mut answer = WebhookAnswer::failed(FailedPhase::Timeout, "no answer within 15 s");
        answer.elapsed_ms = 15_000;
        let expected = serde_json::json!({
            "result": "failed", "phase": "timeout", "message": "no answer within 15 s", "elapsed_ms": 15_000
        });
        assert_eq!(serde_json::to_value(&answer).unwrap(), expected);
        let expected = serde_json::json!({
            "result": "answered", "status": 204, "body": "", "body_is_cut": false, "elapsed_ms": 0
        });
        assert_eq!(
            serde_json::to_value(WebhookAnswer::answered(204)).unwrap(),
            expected
        );
    }
}
