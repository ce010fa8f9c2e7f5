//! One row for each way in which a delivery can stand.

use super::*;
use carillon_model::delivery::FINAL_STATES;
use carillon_model::environment::Environment;
use carillon_model::id::{BatchNo, DeliveryId, DeviceNo};

fn delivery(state: Option<FinalState>, next_attempt_at: Option<UnixMs>) -> DeliveryView {
    DeliveryView {
        id: DeliveryId {
            batch: BatchNo(1),
            position: 0,
        },
        device: Some("phone".into()),
        device_no: DeviceNo(1),
        state,
        next_attempt_at,
        lane: None,
    }
}

fn attempt(result: &str, status: u16, reason: &str) -> Attempt {
    Attempt {
        position: Some(0),
        positions: None,
        attempt: 1,
        at: 1_000,
        environment: Some(Environment::Production),
        connection: 1,
        result: result.into(),
        status,
        reason: reason.into(),
        raw: String::new(),
        elapsed_us: 1,
        next_attempt_at: None,
    }
}

fn tell(
    delivery: &DeliveryView,
    attempts: &[Attempt],
    trouble: Option<(&str, &str)>,
) -> Explanation {
    explain(&Facts {
        delivery,
        attempts,
        accepted_at: 0,
        waited: None,
        expires_at: Some(60_000),
        cancelled: false,
        on_unknown: OnUnknown::Resend,
        switched_off: SwitchedOff::Unknown,
        trouble,
        limited: None,
        of_activity: None,
    })
}

#[test]
fn every_final_state_has_a_summary_a_rule_and_an_end() {
    for state in FINAL_STATES {
        let told = tell(&delivery(Some(state), None), &[], None);
        assert!(
            told.summary.ends_with('.') && told.rule.ends_with('.'),
            "{state:?}: {told:?}"
        );
        assert_eq!(
            told.story[0],
            "1970-01-01T00:00:00.000Z: accepted by Carillon."
        );
        assert_eq!(told.story.len(), 2, "{told:?}");
    }
}

#[test]
fn what_the_words_say() {
    use FinalState::{Accepted, Expired, Failed, Rejected, Suppressed, Unknown};
    let rows: &[(Option<FinalState>, Vec<Attempt>, &str, &str)] = &[
        (Some(Accepted), vec![], "The gateway took it.", ""),
        (
            Some(Accepted),
            vec![attempt("rescued_in_doubt", 0, "")],
            "at least one attempt before had no answer",
            "",
        ),
        (
            Some(Rejected),
            vec![attempt("rejected", 410, "Unregistered")],
            "for good: Unregistered",
            "it was retired",
        ),
        (
            Some(Rejected),
            vec![attempt("rejected", 400, "BadDeviceToken")],
            "BadDeviceToken",
            "environment `auto`",
        ),
        (
            Some(Rejected),
            vec![attempt("rejected", 400, "NeverSeenBefore")],
            "NeverSeenBefore",
            "",
        ),
        (
            Some(Failed),
            vec![attempt("retry", 503, "ServiceUnavailable")],
            "after one attempt: ServiceUnavailable",
            "tried again",
        ),
        (
            Some(Unknown),
            vec![attempt("in_doubt", 0, "timeout")],
            "never answered",
            "Ask the device",
        ),
        (
            Some(Expired),
            vec![],
            "1970-01-01T00:01:00.000Z",
            "more time",
        ),
        (
            Some(Suppressed(Suppression::NoPushToken)),
            vec![],
            "no push token of the kind",
            "Register a push token",
        ),
        (
            None,
            vec![attempt("retry", 429, "TooManyRequests")],
            "tried again at 1970-01-01T00:00:05.000Z",
            "Send it less",
        ),
        (None, vec![], "waits for its turn", ""),
    ];
    for (state, attempts, summary, mend) in rows {
        let told = tell(&delivery(*state, Some(5_000)), attempts, None);
        assert!(told.summary.contains(summary), "{told:?}");
        match *mend {
            "" => assert_eq!(told.mend, None, "{told:?}"),
            mend => assert!(
                told.mend.as_deref().unwrap_or_default().contains(mend),
                "{told:?}"
            ),
        }
    }
}

#[test]
fn open_deliveries_name_what_they_wait_for() {
    let open = delivery(None, Some(0));
    let told = tell(
        &open,
        &[],
        Some(("InvalidProviderToken", "Set the key again.")),
    );
    assert!(
        told.summary.contains("InvalidProviderToken")
            && told.mend.as_deref() == Some("Set the key again.")
    );
    assert!(
        tell(&delivery(None, None), &[], None)
            .summary
            .contains("being sent")
    );
}

#[test]
fn what_waits_for_a_rate_says_which_unless_it_waits_for_its_next_attempt() {
    let tell = |next_attempt_at, attempts: &[Attempt]| {
        let facts = Facts {
            delivery: &delivery(None, next_attempt_at),
            limited: Some(("rates.total", 50)),
            of_activity: None,
            attempts,
            accepted_at: 0,
            waited: None,
            expires_at: None,
            cancelled: false,
            on_unknown: OnUnknown::Resend,
            switched_off: SwitchedOff::Unknown,
            trouble: None,
        };
        explain(&facts).summary
    };
    let failed = [attempt("retry", 500, "InternalServerError")];
    for waiting in [tell(None, &[]), tell(Some(2_000), &[]), tell(None, &failed)] {
        assert!(
            waiting.ends_with("`rates.total` with 50 in a second."),
            "{waiting}"
        );
    }
    assert!(tell(Some(2_000), &failed).starts_with("It is tried again at"));
}

#[test]
fn attempts_become_sentences() {
    let rows = [
        (
            attempt("rejected", 410, "Unregistered"),
            "attempt 1 in production: the gateway refused it (410 Unregistered).",
        ),
        (
            attempt("blocked", 403, "InvalidProviderToken"),
            "nothing could be sent (403 InvalidProviderToken); the attempt is not counted.",
        ),
        (
            attempt("not_sent", 0, ""),
            "certainly not processed; the attempt is not counted.",
        ),
        (
            attempt("in_doubt", 0, "timeout"),
            "not answered (timeout); it is sent again under the same gateway id.",
        ),
        (
            attempt("late_answer", 200, ""),
            "the answer came late (200).",
        ),
        (
            attempt("rescued_in_doubt", 0, ""),
            "it is not counted, so the next is attempt 1 again.",
        ),
        (attempt("something_new", 0, ""), "something_new."),
    ];
    for (attempt, words) in rows {
        let told = sentence(&attempt, OnUnknown::Resend);
        assert!(
            told.starts_with("1970-01-01T00:00:01.000Z: ") && told.ends_with(words),
            "{told}"
        );
    }
    let mut with_raw = attempt("retry", 500, "InternalServerError");
    with_raw.raw = "{\"reason\":\"InternalServerError\"}".into();
    with_raw.next_attempt_at = Some(2_000);
    assert!(sentence(&with_raw, OnUnknown::Drop).ends_with(
        "next attempt at 1970-01-01T00:00:02.000Z. The gateway's words: {\"reason\":\"InternalServerError\"}"
    ));
}
