//! What goes wrong, and whom it concerns: a subscription, an origin, the credential, nobody.

use super::rig::{Browser, Rig, host};
use crate::support::NOW;
use carillon_gateways::Host;
use carillon_gateways::webpush::Services;
use carillon_model::credential::CredentialSecret;
use carillon_model::outcome::{TokenFate, TroubleScope, Verdict};
use carillon_ports::gateway::Gateway;
use push_sim::{BrowserPatch, Fault, FaultKind, Settings, WebPushService};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const LATER: Verdict = Verdict::Retry {
    retry_after_ms: None,
};

fn answer(status: u16, retry_after_secs: Option<u64>) -> FaultKind {
    FaultKind::Answer {
        status,
        reason: None,
        timestamp_ms: None,
        retry_after_secs,
        body: None,
    }
}

/// A port on which nobody listens.
fn dead_end() -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Host {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
    }
}

/// The same browser, behind another origin.
fn moved(rig: &Rig, browser: &Browser, to: &Host) -> Browser {
    let (from, to) = (host(rig.sim()), format!("https://{}:{}", to.host, to.port));
    let mut subscription = serde_json::to_value(rig.view(browser).subscription).unwrap();
    let endpoint = subscription["endpoint"].as_str().unwrap();
    let from = format!("https://{}:{}", from.host, from.port);
    subscription["endpoint"] = endpoint.replace(&from, &to).into();
    Browser {
        id: browser.id,
        push_token: rig.read(&subscription),
    }
}

#[test]
fn a_subscription_that_is_over_is_retired() {
    let rig = Rig::new();
    let browsers = rig.browsers(0, WebPushService::Mozilla, 2);
    let message = rig.alert();
    for (browser, forget, status) in [(&browsers[0], false, 410), (&browsers[1], true, 404)] {
        let patch = BrowserPatch {
            subscribed: Some(false),
            forget,
            ..BrowserPatch::default()
        };
        rig.sim().patch_browser(browser.id, &patch).unwrap();
        let outcome = rig.outcome(browser, &message);
        let gone = Verdict::Rejected(TokenFate::Retire { since: None });
        assert_eq!(outcome.verdict, gone, "{status}");
        assert_eq!(outcome.answer.unwrap().status, status);
    }
}

#[test]
fn an_origin_that_asks_for_calm_holds_up_nobody_else() {
    let rig = Rig::with(2, Settings::default(), |_| {});
    rig.sim()
        .add_fault(Fault {
            count: Some(1),
            ..Fault::from(answer(429, Some(30)))
        })
        .unwrap();
    let (pool, message, calm) = (rig.pool(), rig.alert(), rig.browser());
    let other = rig.browsers(1, WebPushService::Fcm, 1).remove(0);
    let outcome = rig
        .outcomes_of(&pool, vec![rig.push(&calm, &message)])
        .remove(0);
    assert_eq!(
        outcome.verdict,
        Verdict::Retry {
            retry_after_ms: Some(30_000)
        }
    );
    assert_eq!(outcome.answer.unwrap().status, 429);
    let outcomes = rig.outcomes_of(
        &pool,
        vec![rig.push(&calm, &message), rig.push(&other, &message)],
    );
    let Verdict::Retry {
        retry_after_ms: Some(wait),
    } = outcomes[0].verdict
    else {
        panic!("{:?}", outcomes[0])
    };
    assert!((1..=30_000).contains(&wait), "{wait}");
    assert_eq!(outcomes[0].answer.as_ref().unwrap().reason, "busy");
    assert_eq!(outcomes[1].verdict, Verdict::Accepted);
    assert_eq!(rig.sim().received_count(), 1, "it was left alone");
}

#[test]
fn a_short_pause_is_waited_out_and_costs_no_attempt() {
    let rig = Rig::with(1, Settings::default(), |config| {
        config.throttle_pause = Duration::from_millis(100);
    });
    rig.sim()
        .add_fault(Fault {
            count: Some(1),
            ..Fault::from(answer(429, None))
        })
        .unwrap();
    let (pool, message, browser) = (rig.pool(), rig.alert(), rig.browser());
    let first = rig.outcomes_of(&pool, vec![rig.push(&browser, &message)]);
    assert_eq!(first[0].verdict, LATER);
    let pushes = (0..100).map(|_| rig.push(&browser, &message)).collect();
    for outcome in rig.outcomes_of(&pool, pushes) {
        assert_eq!(outcome.verdict, Verdict::Accepted);
    }
}

#[test]
fn a_service_in_trouble_is_tried_again_later() {
    let rig = Rig::new();
    let browser = rig.browser();
    for status in [500, 502, 503] {
        rig.sim().add_fault(answer(status, None)).unwrap();
        assert_eq!(
            rig.outcome(&browser, &rig.alert()).verdict,
            LATER,
            "{status}"
        );
        rig.sim().clear_faults();
    }
}

#[test]
fn what_was_written_without_an_answer_is_in_doubt() {
    let rig = Rig::new();
    let browser = rig.browser();
    for (fault, reason) in [
        (
            FaultKind::CloseAfterBody {
                processed: true,
                reset: false,
            },
            "connection_lost",
        ),
        (
            FaultKind::ResetStream {
                code: 2,
                processed: true,
            },
            "reset",
        ),
    ] {
        rig.sim().add_fault(fault).unwrap();
        let outcome = rig.outcome(&browser, &rig.alert());
        assert_eq!(outcome.verdict, Verdict::InDoubt, "{reason}");
        assert_eq!(outcome.answer.unwrap().reason, reason);
        rig.sim().clear_faults();
    }
}

#[test]
fn an_origin_out_of_reach_holds_up_nobody_else() {
    let dead = dead_end();
    let rig = Rig::with(1, Settings::default(), |config| {
        config.trusted_origins.push(dead.clone());
        config.pool.backoff_min = Duration::from_millis(1);
        config.pool.backoff_max = Duration::from_millis(2);
    });
    let browsers = rig.browsers(0, WebPushService::Mozilla, 100);
    let lost: Vec<_> = browsers.iter().map(|one| moved(&rig, one, &dead)).collect();
    let (pool, message) = (rig.pool(), rig.alert());
    let pushes = browsers.iter().zip(&lost);
    let pushes =
        pushes.flat_map(|(one, other)| [rig.push(one, &message), rig.push(other, &message)]);
    let outcomes = rig.outcomes_of(&pool, pushes.collect());
    for pair in outcomes.chunks(2) {
        assert_eq!(pair[0].verdict, Verdict::Accepted);
        assert_eq!(pair[1].verdict, LATER);
        assert_eq!(pair[1].answer.as_ref().unwrap().reason, "connect");
    }
    assert_eq!(rig.outcomes.count(), 200);
    // While it is out of reach one finds out whether that has changed; the others do not wait behind it.
    let again = lost.iter().map(|browser| rig.push(browser, &message));
    let outcomes = rig.outcomes_of(&pool, again.collect());
    let at_once = outcomes.iter().filter(|outcome| {
        outcome.verdict
            == Verdict::Retry {
                retry_after_ms: Some(5_000),
            }
    });
    assert_eq!(at_once.count(), 99);
}

#[test]
fn when_no_known_service_can_be_reached_everything_waits() {
    let dead = [dead_end(), dead_end()];
    let rig = Rig::with(1, Settings::default(), |config| {
        config.trusted_origins.extend(dead.clone());
        config.pool.backoff_min = Duration::from_millis(1);
        config.pool.backoff_max = Duration::from_millis(2);
    });
    let (pool, message, browser) = (rig.pool(), rig.alert(), rig.browser());
    let mut last = Vec::new();
    for host in &dead {
        let push = rig.push(&moved(&rig, &browser, host), &message);
        last = rig.outcomes_of(&pool, vec![push]);
    }
    let Verdict::Blocked(trouble) = &last[0].verdict else {
        panic!("{last:?}")
    };
    assert_eq!(trouble.scope, TroubleScope::Gateway);
    assert_eq!(trouble.reason, "connect_failed");
    assert!(trouble.mend.contains("port 443"), "{}", trouble.mend);
    assert!(pool.status().connect_error.is_some());
}

#[test]
fn a_token_that_is_called_bad_blocks_the_credential() {
    let rig = Rig::new();
    rig.sim().add_fault(answer(401, None)).unwrap();
    let outcome = rig.outcome(&rig.browser(), &rig.alert());
    let Verdict::Blocked(trouble) = &outcome.verdict else {
        panic!("{outcome:?}")
    };
    assert_eq!(trouble.scope, TroubleScope::Credential);
    assert!(trouble.mend.contains("clock"), "{}", trouble.mend);
}

#[test]
fn a_secret_that_cannot_be_used_blocks_the_credential() {
    let rig = Rig::new();
    let mut spec = rig.spec();
    spec.secret = Arc::new(CredentialSecret::VapidKeys {
        pems: vec!["damaged".into()],
        contact: "mailto:push@example.com".into(),
    });
    let pool = rig.gateway.open_pool(spec, rig.outcomes.sink());
    let push = rig.push(&rig.browser(), &rig.alert());
    let outcome = rig.outcomes_of(&pool, vec![push]).remove(0);
    let Verdict::Blocked(trouble) = &outcome.verdict else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (trouble.scope, &*trouble.reason),
        (TroubleScope::Credential, "unusable")
    );
}

#[test]
fn what_the_settings_do_not_let_through_any_more_is_not_sent() {
    // Stored while every public host was let through, and that origin trusted.
    let before = Rig::new();
    let browser = before.browser();
    let after = Rig::with(1, Settings::default(), |config| {
        config.services = Services::Public;
    });
    let outcome = after.outcome(&browser, &after.alert());
    assert_eq!(outcome.verdict, Verdict::Rejected(TokenFate::Keep));
    let answer = outcome.answer.unwrap();
    assert_eq!(answer.reason, "forbidden");
    assert_eq!(before.sim().connections().len(), 0);
    let mut metadata = serde_json::to_value(before.view(&browser).subscription).unwrap();
    metadata["endpoint"] = "https://169.254.169.254/latest/meta-data".into();
    let refused = after.gateway.read_push_token(&metadata.to_string());
    assert!(refused.unwrap_err().contains("link-local"));
}

#[test]
fn a_message_too_long_is_refused_here() {
    let rig = Rig::new();
    let message = rig.message_with(r#"{"title":"t"}"#, "{}", |message| {
        message.payload = vec![b'x'; 3_994].into();
    });
    let outcome = rig.outcome(&rig.browser(), &message);
    assert_eq!(outcome.verdict, Verdict::Rejected(TokenFate::Keep));
    assert_eq!(outcome.answer.unwrap().reason, "message_too_large");
    assert_eq!(rig.sim().received_count(), 0);
}

#[test]
fn what_is_cancelled_or_expired_is_never_written() {
    let rig = Rig::new();
    let browser = rig.browser();
    let cancelled = rig.alert();
    cancelled.cancelled.store(true, Ordering::Release);
    assert_eq!(
        rig.outcome(&browser, &cancelled).verdict,
        Verdict::Withdrawn
    );
    let expired = rig.message_with(r#"{"title":"t"}"#, "{}", |message| {
        message.expires_at = Some(NOW);
    });
    assert_eq!(rig.outcome(&browser, &expired).verdict, Verdict::Expired);
    assert_eq!(rig.sim().received_count(), 0);
}

/// A service that never answers, on one stream: the first push is in flight, all others wait.
fn silent(change: impl FnOnce(&mut carillon_gateways::webpush::WebPushConfig)) -> Rig {
    let rig = Rig::with(1, Settings::default(), |config| {
        config.pool.max_connections = 1;
        change(config);
    });
    for fault in [
        FaultKind::InitialStreams { max: 1 },
        FaultKind::NeverAnswer { processed: true },
    ] {
        rig.sim().add_fault(fault).unwrap();
    }
    rig
}

#[test]
fn what_is_cancelled_while_it_waits_comes_back_and_the_rest_at_the_end() {
    let rig = silent(|_| {});
    let (pool, browser, cancelled) = (rig.pool(), rig.browser(), rig.alert());
    let flying = rig.push(&browser, &rig.alert());
    let tag = flying.tag;
    pool.submit(vec![flying]);
    rig.wait_for_arrivals(1);
    // More than the connection's own queue takes, so that every place is searched.
    let waiting: Vec<_> = (0..100).map(|_| rig.push(&browser, &cancelled)).collect();
    let kept = rig.alert();
    let kept: Vec<_> = (0..100).map(|_| rig.push(&browser, &kept)).collect();
    let kept_tags: Vec<u64> = kept.iter().map(|push| push.tag).collect();
    pool.submit(kept);
    let handed = waiting.iter().map(|push| push.tag).collect::<Vec<_>>();
    pool.submit(waiting);
    cancelled.cancelled.store(true, Ordering::Release);
    for outcome in rig.outcomes.of(handed.into_iter(), 1) {
        assert_eq!(outcome[0].verdict, Verdict::Withdrawn);
    }
    pool.close(0);
    for outcome in rig.outcomes.of(kept_tags.into_iter(), 1) {
        assert_eq!(outcome[0].verdict, Verdict::NotSent);
    }
    assert_eq!(rig.outcomes.one(tag).verdict, Verdict::InDoubt);
    assert_eq!(rig.outcomes.count(), 201);
    assert_eq!(rig.sim().received_count(), 1);
}

#[test]
fn a_push_that_waits_too_long_for_a_stream_is_tried_again_later() {
    let rig = silent(|config| {
        config.queue_timeout = Duration::from_millis(100);
        config.pool.queue_timeout = Duration::from_millis(100);
        config.pool.sweep_interval = Duration::from_millis(20);
    });
    let (pool, browser, message) = (rig.pool(), rig.browser(), rig.alert());
    pool.submit(vec![rig.push(&browser, &message)]);
    rig.wait_for_arrivals(1);
    let pushes = (0..200).map(|_| rig.push(&browser, &message)).collect();
    for outcome in rig.outcomes_of(&pool, pushes) {
        assert_eq!(outcome.verdict, LATER);
        assert_eq!(outcome.answer.unwrap().reason, "queue_timeout");
    }
}

#[test]
fn a_closed_pool_takes_nothing() {
    let rig = Rig::new();
    let pool = rig.pool();
    pool.close(0);
    let push = rig.push(&rig.browser(), &rig.alert());
    assert_eq!(
        rig.outcomes_of(&pool, vec![push])[0].verdict,
        Verdict::NotSent
    );
}
