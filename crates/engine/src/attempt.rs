//! What is recorded of an attempt.

use crate::moment::Moment;
use carillon_model::outcome::{Outcome, Verdict};
use carillon_ports::gateway::PoolId;
use carillon_ports::store::NewAttempt;

/// Most bytes of the gateway's words that are kept.
const RAW_BYTES: usize = 1_024;

/// What the gateway gave as its reason; empty where it gave none.
pub(crate) fn reason(outcome: &Outcome) -> &str {
    outcome.answer.as_ref().map_or("", |answer| &answer.reason)
}

/// An attempt on one device, as it is recorded.
pub(crate) fn row(
    position: u16,
    attempt: u16,
    pool: PoolId,
    outcome: &Outcome,
    result: &str,
    moment: Moment,
) -> NewAttempt {
    let answer = outcome.answer.as_deref();
    let mut raw = answer.map_or_else(String::new, |answer| answer.raw.clone());
    if raw.len() > RAW_BYTES {
        let end = (0..=RAW_BYTES).rev().find(|at| raw.is_char_boundary(*at));
        raw.truncate(end.unwrap_or(0));
    }
    // A plain acceptance comes without words: it is a 200.
    let unsaid = if outcome.verdict == Verdict::Accepted {
        200
    } else {
        0
    };
    NewAttempt {
        position: Some(position),
        positions: None,
        attempt,
        at: moment.now,
        environment: Some(pool.environment),
        connection: outcome.connection,
        result: result.to_owned(),
        status: answer.map_or(unsaid, |answer| answer.status),
        reason: reason(outcome).to_owned(),
        raw,
        elapsed_us: outcome.elapsed_us,
        next_attempt_at: None,
    }
}
