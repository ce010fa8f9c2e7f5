//! What leaves for FCM, and what a phone behind it shows.

use crate::fcm_bench::{FcmBench, NOW, PROJECT};
use carillon_model::outcome::{Outcome, TokenFate, Verdict};
use carillon_ports::gateway::Gateway;
use push_sim::{FcmPhonePatch, Platform};
use serde_json::Value;

fn body(bench: &FcmBench) -> Value {
    let received = bench.received();
    let body = received.last().unwrap().payload.clone().unwrap();
    serde_json::from_str(&body).unwrap()
}

#[test]
fn an_alert_is_shown_on_every_platform() {
    let bench = FcmBench::new();
    let message = bench.message(
        r#"{"title":"t","subtitle":"s","body":"b","badge":2,"sound":"default","link":"https://x/1",
            "data":{"order":17,"paid":true,"s":"v"},"thread":"th","urgency":"time_sensitive"}"#,
        r#"{"collapse_id":"order 17"}"#,
    );
    for platform in [Platform::Android, Platform::Ios, Platform::Web] {
        let phone = bench.phone(|new| new.platform = platform);
        let outcome = bench.outcome(&phone, &message);
        assert_eq!(
            outcome.verdict,
            Verdict::Accepted,
            "{platform:?}: {outcome:?}"
        );
        let shown = &bench.seen(&phone).shown[0];
        assert_eq!(
            (shown.title.as_deref(), shown.body.as_deref()),
            (Some("t"), Some("b")),
            "{platform:?}"
        );
        assert_eq!(shown.data["order"], "17");
        assert_eq!(shown.data["link"], "https://x/1");
    }
}

#[test]
fn data_alone_wakes_the_app() {
    let bench = FcmBench::new();
    for (content, options) in [
        (r#"{"data":{"n":7}}"#, r#"{"push_type":"background"}"#),
        (r#"{"data":{"n":7}}"#, "{}"),
    ] {
        for platform in [Platform::Android, Platform::Ios] {
            let phone = bench.phone(|new| new.platform = platform);
            let outcome = bench.outcome(&phone, &bench.message(content, options));
            assert_eq!(outcome.verdict, Verdict::Accepted, "{outcome:?}");
            let seen = bench.seen(&phone);
            assert_eq!(seen.shown[0].data["n"], "7", "{platform:?}");
            assert!(seen.shown[0].notification.is_null());
        }
    }
}

#[test]
fn what_is_left_of_its_time_goes_out_with_each_push() {
    let bench = FcmBench::new();
    let phone = bench.phone(|new| new.online = false);
    let message = bench.message_until(r#"{"body":"b"}"#, "{}", Some(NOW + 90_500));
    assert_eq!(bench.outcome(&phone, &message).verdict, Verdict::Accepted);
    let sent = body(&bench);
    assert_eq!(sent["message"]["android"]["ttl"], "90s");
    assert_eq!(
        sent["message"]["apns"]["headers"]["apns-expiration"],
        "1700000090"
    );
    assert_eq!(sent["message"]["token"], phone);
    assert_eq!(bench.seen(&phone).stored[0].until_ms, NOW + 90_000);
}

#[test]
fn a_resend_replaces_what_it_doubles_on_the_screen() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(r#"{"body":"b"}"#, "{}"));
    let push = bench.push(&phone, &message);
    let pool = bench.pool();
    pool.submit(vec![push.clone()]);
    bench.outcomes.one(push.tag);
    pool.submit(vec![push.clone()]);
    bench.outcomes.of(std::iter::once(push.tag), 2);
    let seen = bench.seen(&phone);
    assert_eq!(seen.shown.len(), 1, "{:?}", seen.shown);
    assert_eq!(seen.shown[0].times, 2);
    assert_eq!(
        seen.shown[0].tag,
        Some(push.gateway_id.simple().to_string())
    );
}

#[test]
fn a_thousand_pushes_each_have_one_outcome_and_one_access_token_serves_all() {
    let bench = FcmBench::new();
    let phones: Vec<String> = (0..10).map(|_| bench.phone(|_| {})).collect();
    let message = bench.message(r#"{"body":"b"}"#, "{}");
    let pushes: Vec<_> = (0..1_000)
        .map(|number| bench.push(&phones[number % 10], &message))
        .collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    let pool = bench.pool();
    pool.submit(pushes);
    let outcomes = bench.outcomes.of(tags.iter().copied(), 1);
    assert!(
        outcomes
            .iter()
            .all(|outcomes| outcomes.len() == 1 && outcomes[0].verdict == Verdict::Accepted)
    );
    assert_eq!(bench.received().len(), 1_000);
    assert_eq!(bench.received_at(push_sim::Host::Oauth).len(), 1);
    assert!(pool.window() >= 128 && pool.status().connections > 0);
}

#[test]
fn a_probe_asks_and_delivers_nothing() {
    let bench = FcmBench::new();
    let (phone, message) = (bench.phone(|_| {}), bench.message(r#"{"body":"b"}"#, "{}"));
    let probe = |registration: &str| -> Outcome {
        let push = bench.push(registration, &message);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(bench.gateway.probe(bench.spec(), push))
    };
    assert_eq!(probe(&phone).verdict, Verdict::Accepted);
    assert!(bench.seen(&phone).shown.is_empty());
    assert_eq!(body(&bench)["validate_only"], true);
    // That Google knows the address to be none proves that project and account are right.
    let outcome = probe("none:of-this-project");
    assert_eq!(
        outcome.verdict,
        Verdict::Rejected(TokenFate::Retire { since: None })
    );
}

#[test]
fn a_push_token_is_read_as_the_app_got_it() {
    let bench = FcmBench::new();
    let phone = bench.phone(|_| {});
    let read = bench.gateway.read_push_token(&phone).unwrap();
    assert_eq!(&read.0[..], phone.as_bytes());
    // Its phone goes, and the same text is a dead push token.
    let id = bench.seen(&phone).id;
    let removed = FcmPhonePatch {
        installed: Some(false),
        ..FcmPhonePatch::default()
    };
    bench.sim.world().patch_fcm_phone(id, &removed).unwrap();
    let outcome = bench.outcome(&phone, &bench.message(r#"{"body":"b"}"#, "{}"));
    assert_eq!(
        outcome.verdict,
        Verdict::Rejected(TokenFate::Retire { since: None })
    );
    assert_eq!(outcome.answer.unwrap().reason, "UNREGISTERED");
    assert_eq!(bench.spec().facts.project_id.as_deref(), Some(PROJECT));
}
