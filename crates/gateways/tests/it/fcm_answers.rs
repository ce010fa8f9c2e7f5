//! What becomes of a push by what Google answers, or does not.

use crate::fcm_bench::{FcmBench, NOW, PROJECT};
use carillon_gateways::Host;
use carillon_model::outcome::{Outcome, TokenFate, TroubleScope, Verdict};
use push_sim::{
    Action, Fault, FaultFilter, FaultKind, Gateway, NewServiceAccount, ProjectSettings, Settings,
};
use std::sync::atomic::Ordering;
use std::time::Duration;

const ALERT: &str = r#"{"body":"b"}"#;

fn script(bench: &FcmBench, kind: FaultKind, count: Option<u64>) {
    let fault = Fault {
        count,
        only: FaultFilter {
            gateway: Some(Gateway::Fcm),
            push_type: Some("token".into()),
            ..FaultFilter::default()
        },
        ..kind.into()
    };
    bench.sim.world().add_fault(fault).unwrap();
}

fn answer(bench: &FcmBench, status: u16, reason: &str) {
    let kind = FaultKind::Answer {
        status,
        reason: Some(reason.into()),
        timestamp_ms: None,
        retry_after_secs: None,
        body: None,
    };
    script(bench, kind, Some(1));
}

/// Scope, reason and wait of a blocked push.
fn blocked(outcome: &Outcome) -> (TroubleScope, &str, Option<u32>) {
    match &outcome.verdict {
        Verdict::Blocked(trouble) => (trouble.scope, &trouble.reason, trouble.retry_after_ms),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_shape_of_googles_errors() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    let keep = Verdict::Rejected(TokenFate::Keep);
    let dead = Verdict::Rejected(TokenFate::Retire { since: None });
    let foreign = Verdict::Rejected(TokenFate::WrongEnvironment);
    for (status, reason, verdict) in [
        (404, "UNREGISTERED", &dead),
        (400, "INVALID_REGISTRATION", &dead),
        (400, "INVALID_TOKEN_FIELD", &dead),
        (400, "APNS_UNREGISTERED", &dead),
        (400, "APNS_BAD_DEVICE_TOKEN", &foreign),
        (403, "SENDER_ID_MISMATCH", &foreign),
        (400, "INVALID_ARGUMENT", &keep),
        (400, "INVALID_DATA_FIELD", &keep),
        (400, "APNS_PAYLOAD_TOO_LARGE", &keep),
        (400, "MESSAGE_TOO_BIG", &keep),
    ] {
        answer(&bench, status, reason);
        assert_eq!(
            &bench.outcome(&phone, &message).verdict,
            verdict,
            "{reason}"
        );
    }
    for (status, reason) in [
        (401, "THIRD_PARTY_AUTH_ERROR"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
    ] {
        answer(&bench, status, reason);
        let outcome = bench.outcome(&phone, &message);
        assert_eq!(blocked(&outcome).0, TroubleScope::Credential, "{reason}");
    }
    for (status, reason) in [(500, "INTERNAL"), (502, "HTML"), (429, "QUOTA_EXCEEDED")] {
        answer(&bench, status, reason);
        let outcome = bench.outcome(&phone, &message);
        let Verdict::Retry {
            retry_after_ms: Some(wait),
        } = outcome.verdict
        else {
            panic!("{reason}: {outcome:?}")
        };
        let least = if status == 429 { 60_000 } else { 10_000 };
        assert!(wait >= least, "{reason}: {wait}");
    }
    answer(&bench, 503, "UNAVAILABLE");
    let outcome = bench.outcome(&phone, &message);
    assert_eq!(blocked(&outcome).0, TroubleScope::Gateway);
    assert_eq!(bench.outcome(&phone, &message).verdict, Verdict::Accepted);
}

#[test]
fn an_expired_access_token_is_renewed_and_nobody_notices() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    let pool = bench.pool();
    for is_expired in [false, true] {
        if is_expired {
            bench
                .sim
                .world()
                .act(&Action::ExpireAccessTokens, &FaultFilter::default());
        }
        let push = bench.push(&phone, &message);
        let tag = push.tag;
        pool.submit(vec![push]);
        assert_eq!(bench.outcomes.one(tag).verdict, Verdict::Accepted);
    }
}

#[test]
fn a_project_out_of_quota_makes_everything_wait_for_as_long_as_google_asks() {
    let mut settings = Settings::default();
    settings.fcm.sends_per_minute = 5;
    let bench = FcmBench::with(settings, |_| {});
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    let pool = bench.pool();
    let send = |count: usize| -> Vec<Outcome> {
        let pushes: Vec<_> = (0..count).map(|_| bench.push(&phone, &message)).collect();
        let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
        pool.submit(pushes);
        let outcomes = bench.outcomes.of(tags.iter().copied(), 1);
        outcomes.into_iter().flatten().collect()
    };
    let outcomes = send(8);
    let accepted = outcomes
        .iter()
        .filter(|outcome| outcome.verdict == Verdict::Accepted)
        .count();
    assert_eq!(accepted, 5);
    for outcome in outcomes {
        if outcome.verdict != Verdict::Accepted {
            let (scope, _, wait) = blocked(&outcome);
            assert_eq!(scope, TroubleScope::Gateway);
            assert!(wait >= Some(60_000), "{wait:?}");
        }
    }
    // Nothing goes out meanwhile.
    let received = bench.received().len();
    let (scope, reason, wait) = {
        let outcomes = send(3);
        let (scope, reason, wait) = blocked(&outcomes[0]);
        (scope, reason.to_owned(), wait)
    };
    assert_eq!(
        (scope, reason.as_str()),
        (TroubleScope::Gateway, "QUOTA_EXCEEDED")
    );
    assert!(wait > Some(50_000), "{wait:?}");
    assert_eq!(bench.received().len(), received);
}

#[test]
fn our_own_quota_is_kept_before_googles() {
    // The first second's allowance, and nothing more soon.
    let bench = FcmBench::with(Settings::default(), |config| {
        config.quota_per_minute = 61;
        config.queue_timeout = Duration::from_millis(100);
    });
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    let pushes: Vec<_> = (0..5).map(|_| bench.push(&phone, &message)).collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    let pool = bench.pool();
    pool.submit(pushes);
    let outcomes = bench.outcomes.of(tags.iter().copied(), 1);
    let stuck = outcomes
        .iter()
        .filter(|outcome| matches!(&outcome[0].verdict, Verdict::Blocked(trouble) if trouble.reason == "queue_timeout"))
        .count();
    assert_eq!((stuck, bench.received().len()), (4, 1));
}

#[test]
fn an_account_that_is_gone_or_may_not_send_blocks_the_credential() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    let world = bench.sim.world();
    let disabled = ProjectSettings {
        api_enabled: false,
        ..ProjectSettings::default()
    };
    world.set_project(PROJECT, disabled);
    let outcome = bench.outcome(&phone, &message);
    let (scope, reason, _) = blocked(&outcome);
    assert_eq!(
        (scope, reason),
        (TroubleScope::Credential, "PERMISSION_DENIED")
    );

    let stranger = NewServiceAccount {
        project: "someone-else-1".into(),
        ..NewServiceAccount::default()
    };
    let file = world.add_service_account(stranger).unwrap();
    assert!(world.remove_service_account(&file.client_email, None));
    let pool = carillon_ports::gateway::Gateway::open_pool(
        &bench.gateway,
        bench.spec_of(&file.key_file.unwrap()),
        bench.sink(),
    );
    let push = bench.push(&phone, &message);
    let tag = push.tag;
    pool.submit(vec![push]);
    let outcome = bench.outcomes.one(tag);
    let (scope, reason, _) = blocked(&outcome);
    assert_eq!(
        (scope, reason),
        (TroubleScope::Credential, "access_token_account")
    );
}

#[test]
fn without_a_token_endpoint_the_network_is_to_blame() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let bench = FcmBench::with(Settings::default(), |config| {
        config.token_endpoint = Some(Host {
            host: "127.0.0.1".into(),
            port,
        });
    });
    let outcome = bench.outcome(&bench.phone(|_| {}), &bench.message(ALERT, "{}"));
    let (scope, reason, _) = blocked(&outcome);
    assert_eq!(
        (scope, reason),
        (TroubleScope::Gateway, "access_token_unreachable")
    );
    assert!(bench.received().is_empty());
}

#[test]
fn what_is_cancelled_or_expired_is_never_written() {
    let bench = FcmBench::new();
    let phone = bench.phone(|_| {});
    let cancelled = bench.message(ALERT, "{}");
    cancelled.cancelled.store(true, Ordering::Release);
    assert_eq!(
        bench.outcome(&phone, &cancelled).verdict,
        Verdict::Withdrawn
    );
    let expired = bench.message_until(ALERT, "{}", Some(NOW));
    assert_eq!(bench.outcome(&phone, &expired).verdict, Verdict::Expired);
    assert!(bench.received().is_empty());
}

#[test]
fn a_lost_connection_leaves_doubt_and_a_refused_stream_none() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    let lost = FaultKind::CloseAfterBody {
        processed: true,
        reset: false,
    };
    script(&bench, lost, Some(1));
    let outcome = bench.outcome(&phone, &message);
    assert_eq!(outcome.verdict, Verdict::InDoubt);
    assert_eq!(outcome.answer.unwrap().reason, "connection_lost");
    script(&bench, FaultKind::RefuseStream, Some(1));
    assert_eq!(bench.outcome(&phone, &message).verdict, Verdict::Accepted);
}

#[test]
fn closing_gives_back_what_waits_and_calls_the_rest_in_doubt() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(ALERT, "{}"));
    script(&bench, FaultKind::NeverAnswer { processed: true }, None);
    let pushes: Vec<_> = (0..120).map(|_| bench.push(&phone, &message)).collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    let pool = bench.pool();
    pool.submit(pushes);
    while bench.received().is_empty() {
        std::thread::yield_now();
    }
    pool.close(50);
    let outcomes = bench.outcomes.of(tags.iter().copied(), 1);
    let count = |verdict: &Verdict| {
        outcomes
            .iter()
            .filter(|outcome| outcome[0].verdict == *verdict)
            .count()
    };
    let (in_doubt, not_sent) = (count(&Verdict::InDoubt), count(&Verdict::NotSent));
    assert!(
        in_doubt > 0 && in_doubt <= 100,
        "never more than 100 streams"
    );
    assert_eq!(in_doubt + not_sent, 120);
}
