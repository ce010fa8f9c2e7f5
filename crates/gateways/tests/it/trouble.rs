//! Pools that cannot send at all, and the probe that finds out why.

use crate::support::{Bench, alert, is_blocked};
use carillon_gateways::apns::Host;
use carillon_model::credential::CredentialSecret;
use carillon_model::outcome::{TokenFate, TroubleScope, Verdict};
use carillon_ports::gateway::Gateway;
use push_sim::{FaultKind, Settings};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// A port on which nobody listens.
fn dead_end() -> Host {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    Host {
        host: "127.0.0.1".into(),
        port,
    }
}

fn unreachable() -> Bench {
    Bench::with(Settings::default(), |config| {
        config.production = dead_end();
        config.pool.backoff_min = Duration::from_millis(1);
        config.pool.backoff_max = Duration::from_millis(2);
        config.probe_timeout = Duration::from_secs(5);
    })
}

#[test]
fn without_a_connection_every_push_comes_back_blocked() {
    let bench = unreachable();
    let pool = bench.pool();
    let message = alert();
    let pushes: Vec<_> = (0..100).map(|_| bench.push("00aa", &message)).collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    pool.submit(pushes);
    for outcomes in bench.outcomes.of(tags.iter().copied(), 1) {
        assert!(
            is_blocked(&outcomes[0], "connect_failed"),
            "{:?}",
            outcomes[0]
        );
        let Verdict::Blocked(trouble) = &outcomes[0].verdict else {
            unreachable!()
        };
        assert_eq!(trouble.scope, TroubleScope::Gateway);
        assert!(trouble.mend.contains("port 443"), "{}", trouble.mend);
    }
    assert!(pool.status().connect_error.is_some());
    assert_eq!(bench.outcomes.count(), 100);
}

#[test]
fn a_secret_that_cannot_be_used_blocks_the_credential() {
    let bench = Bench::new();
    let mut spec = bench.spec();
    spec.secret = Arc::new(CredentialSecret::SigningKey {
        pem: "damaged".into(),
    });
    let pool = bench.gateway.open_pool(spec, bench.outcomes.sink());
    let push = bench.push("00aa", &alert());
    let tag = push.tag;
    pool.submit(vec![push]);
    let outcome = bench.outcomes.one(tag);
    let Verdict::Blocked(trouble) = &outcome.verdict else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (trouble.scope, trouble.reason.as_str()),
        (TroubleScope::Credential, "unusable")
    );
    assert!(trouble.mend.contains("PEM"), "{}", trouble.mend);
}

#[test]
fn a_revoked_key_blocks_the_credential() {
    let bench = Bench::new();
    assert!(bench.sim.world().revoke_key("DEF123GHIJ", "ABC123DEFG"));
    let outcome = bench.outcome(&bench.phone(), &alert());
    let Verdict::Blocked(trouble) = &outcome.verdict else {
        panic!("{outcome:?}")
    };
    assert_eq!(trouble.scope, TroubleScope::Credential);
    assert_eq!(outcome.answer.unwrap().status, 403);
}

#[test]
fn a_push_that_waits_too_long_for_a_stream_is_told_so() {
    let bench = Bench::with(Settings::default(), |config| {
        config.queue_timeout = Duration::from_millis(100);
        config.pool.queue_timeout = Duration::from_millis(100);
        config.pool.sweep_interval = Duration::from_millis(20);
    });
    let world = bench.sim.world();
    world
        .add_fault(FaultKind::InitialStreams { max: 1 })
        .unwrap();
    world
        .add_fault(FaultKind::NeverAnswer { processed: true })
        .unwrap();
    let (pool, phone, message) = (bench.pool(), bench.phone(), alert());
    let pushes: Vec<_> = (0..100).map(|_| bench.push(&phone, &message)).collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    pool.submit(pushes);
    let outcomes = bench.outcomes.of(tags[1..].iter().copied(), 1);
    assert!(
        outcomes
            .iter()
            .all(|outcome| is_blocked(&outcome[0], "queue_timeout")),
        "{outcomes:?}"
    );
}

#[test]
fn while_provider_tokens_change_too_often_nothing_is_sent() {
    let bench = Bench::new();
    let kind = FaultKind::Answer {
        status: 429,
        reason: Some("TooManyProviderTokenUpdates".into()),
        timestamp_ms: None,
        retry_after_secs: None,
        body: None,
    };
    bench.sim.world().add_fault(kind).unwrap();
    let (pool, phone, message) = (bench.pool(), bench.phone(), alert());
    for round in 0..2 {
        let push = bench.push(&phone, &message);
        let tag = push.tag;
        pool.submit(vec![push]);
        let outcome = bench.outcomes.one(tag);
        assert!(
            is_blocked(&outcome, "TooManyProviderTokenUpdates"),
            "{round}: {outcome:?}"
        );
        let Verdict::Blocked(trouble) = outcome.verdict else {
            unreachable!()
        };
        assert_eq!(
            trouble.scope,
            TroubleScope::Gateway,
            "time mends it, nobody signs"
        );
        assert!(trouble.retry_after_ms.is_some());
    }
    assert_eq!(
        bench.sim.world().received_count(),
        1,
        "the second was not even written"
    );
    assert_eq!(bench.vault.stored.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_probe_proves_key_and_topic_or_names_the_trouble() {
    let bench = Bench::new();
    let push = bench.push(&"5f".repeat(32), &alert());
    let outcome = bench.gateway.probe(bench.spec(), push).await;
    assert_eq!(
        outcome.verdict,
        Verdict::Rejected(TokenFate::WrongEnvironment)
    );
    assert_eq!(outcome.answer.unwrap().reason, "BadDeviceToken");

    let bench = unreachable();
    let outcome = bench
        .gateway
        .probe(bench.spec(), bench.push("00aa", &alert()))
        .await;
    assert!(is_blocked(&outcome, "connect_failed"), "{outcome:?}");
}
