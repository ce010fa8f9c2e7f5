//! Outcomes that no answer gave, alike at every gateway.

use carillon_model::outcome::{Answer, Outcome, TokenFate, Trouble, TroubleScope, Verdict};
use std::time::Duration;

/// The outcome of a push with its verdict and answer, and the connection that served it.
pub(crate) fn served(
    verdict: Verdict,
    answer: Option<Answer>,
    connection: Option<u64>,
    elapsed: Option<Duration>,
) -> Outcome {
    Outcome {
        verdict,
        answer: answer.map(Box::new),
        connection: connection.map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX)),
        elapsed_us: elapsed.map_or(0, |elapsed| {
            u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX)
        }),
    }
}

/// The outcome of a push that never reached a connection.
pub(crate) fn unsent(verdict: Verdict) -> Outcome {
    served(verdict, None, None, None)
}

/// The outcome of a push that the adapter itself refuses.
pub(crate) fn refused_here(reason: &str, why: String) -> Outcome {
    let answer = Answer {
        status: 0,
        reason: reason.to_owned(),
        raw: why,
        timestamp: None,
    };
    served(Verdict::Rejected(TokenFate::Keep), Some(answer), None, None)
}

/// The outcome of a probe that got no answer in its time; `host` in words, `reach` says what to look at.
pub(crate) fn unreachable(
    host: &str,
    within: Duration,
    connect_error: Option<String>,
    reach: &str,
) -> Outcome {
    let why = connect_error.unwrap_or_else(|| "no answer".to_owned());
    let mend = format!("{why} (waited {} s for {host}): {reach}", within.as_secs());
    blocked(TroubleScope::Gateway, "connect_failed", mend, None)
}

/// Everything waits: the pool has no connection to send with.
pub(crate) fn blocked(
    scope: TroubleScope,
    reason: &str,
    mend: String,
    retry_after: Option<Duration>,
) -> Outcome {
    unsent(Verdict::Blocked(trouble(scope, reason, mend, retry_after)))
}

/// The credential cannot be used as it is.
pub(crate) fn unusable(why: String) -> Outcome {
    blocked(TroubleScope::Credential, "unusable", why, None)
}

pub(crate) fn trouble(
    scope: TroubleScope,
    reason: &str,
    mend: String,
    retry_after: Option<Duration>,
) -> Trouble {
    Trouble {
        scope,
        reason: reason.to_owned(),
        mend,
        retry_after_ms: retry_after.map(ms),
    }
}

/// No stream became free for a long time at `gateway`.
pub(crate) fn stuck(gateway: &str) -> Trouble {
    trouble(
        TroubleScope::Gateway,
        "queue_timeout",
        format!("{gateway} had no stream free for long: wait, or look at its status page"),
        None,
    )
}

/// Milliseconds, as outcomes count them.
pub(crate) fn ms(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_without_an_answer_says_what_to_look_at() {
        let outcome = unreachable(
            "the sandbox host",
            Duration::from_secs(15),
            Some("refused".into()),
            "check the proxy",
        );
        let Verdict::Blocked(trouble) = outcome.verdict else {
            panic!()
        };
        for part in ["refused", "15 s", "sandbox", "proxy"] {
            assert!(trouble.mend.contains(part), "{part}");
        }
    }
}
