//! What Apple answers, and what it means.

use crate::support::{Bench, NOW, alert, is_blocked, message};
use carillon_model::outcome::{Outcome, TokenFate, TroubleScope, Verdict};
use push_sim::{Environment, Fault, FaultKind, NewPhones, PushTokenKind};

fn rejected(outcome: &Outcome) -> TokenFate {
    let Verdict::Rejected(fate) = outcome.verdict else {
        panic!("{outcome:?}")
    };
    fate
}

#[test]
fn dead_wrong_and_foreign_push_tokens() {
    let bench = Bench::new();
    let gone = NewPhones {
        installed: false,
        gone_at_ms: Some(NOW - 5_000),
        ..NewPhones::default()
    };
    let outcome = bench.outcome(&bench.phones(&gone)[0], &alert());
    assert_eq!(
        rejected(&outcome),
        TokenFate::Retire {
            since: Some(NOW - 5_000)
        }
    );
    let answer = outcome.answer.unwrap();
    assert_eq!(
        (answer.status, answer.reason.as_str(), answer.timestamp),
        (410, "Unregistered", Some(NOW - 5_000))
    );
    assert!(answer.raw.contains("timestamp"));

    let sandbox = NewPhones {
        environment: Environment::Sandbox,
        ..NewPhones::default()
    };
    let outcome = bench.outcome(&bench.phones(&sandbox)[0], &alert());
    assert_eq!(rejected(&outcome), TokenFate::WrongEnvironment);

    let calls = NewPhones {
        kinds: vec![PushTokenKind::Voip],
        ..NewPhones::default()
    };
    let outcome = bench.outcome(&bench.phones(&calls)[0], &alert());
    assert_eq!(rejected(&outcome), TokenFate::WrongTopic);
}

#[test]
fn a_push_at_fault_is_refused_alone() {
    let bench = Bench::new();
    let phone = bench.phone();
    let large = message(|message| message.payload = vec![b' '; 5_000].into());
    let outcome = bench.outcome(&phone, &large);
    assert_eq!(
        (rejected(&outcome), outcome.answer.unwrap().status),
        (TokenFate::Keep, 413)
    );
    let no_topic = message(|message| message.options.apns_topic = Some("no topic".into()));
    let outcome = bench.outcome(&phone, &no_topic);
    assert_eq!(
        (rejected(&outcome), outcome.answer.unwrap().reason.as_str()),
        (TokenFate::Keep, "bad_topic")
    );
}

#[test]
fn what_apple_answers_when_it_is_unwell() {
    let bench = Bench::new();
    let phone = bench.phone();
    let answer = |status, reason: &str, retry_after_secs| {
        let kind = FaultKind::Answer {
            status,
            reason: Some(reason.to_owned()),
            timestamp_ms: None,
            retry_after_secs,
            body: None,
        };
        bench
            .sim
            .world()
            .add_fault(Fault {
                count: Some(1),
                ..kind.into()
            })
            .unwrap();
        bench.outcome(&phone, &alert())
    };
    assert_eq!(
        answer(500, "InternalServerError", None).verdict,
        Verdict::Retry {
            retry_after_ms: None
        }
    );
    assert_eq!(
        answer(429, "TooManyRequests", Some(3)).verdict,
        Verdict::Retry {
            retry_after_ms: Some(3_000)
        }
    );
    let outcome = answer(503, "ServiceUnavailable", None);
    assert!(is_blocked(&outcome, "ServiceUnavailable"), "{outcome:?}");
    let outcome = answer(403, "InvalidProviderToken", None);
    let Verdict::Blocked(trouble) = outcome.verdict else {
        panic!("{outcome:?}")
    };
    assert_eq!(trouble.scope, TroubleScope::Credential);
    assert!(trouble.mend.contains("team id"), "{}", trouble.mend);
    // Refusals because of the connection are sent again below us, unseen.
    assert_eq!(answer(503, "Shutdown", None).verdict, Verdict::Accepted);
    assert_eq!(answer(200, "", None).verdict, Verdict::Accepted);
}
