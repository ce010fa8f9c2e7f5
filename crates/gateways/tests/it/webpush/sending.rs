//! What browsers show of what is sent, and how long and how urgently it is kept for them.

use super::rig::{Browser, Rig};
use crate::support::NOW;
use carillon_gateways::webpush::rotate_vapid;
use carillon_model::credential::CredentialSecret;
use carillon_model::outcome::{Outcome, TokenFate, Verdict};
use carillon_ports::gateway::Gateway;
use push_sim::{
    BrowserPatch, Effect, NewBrowsers, ReceivedFilter, Settings, Urgency, WebPushService,
};
use serde_json::json;

#[test]
fn every_services_browser_shows_it() {
    let rig = Rig::new();
    let message = rig.message(
        r#"{"title":"새 댓글","body":"안녕하세요","link":"https://blog.example/1","badge":2,"data":{"comment":7}}"#,
        "{}",
    );
    for service in WebPushService::ALL {
        let browser = rig.browsers(0, service, 1).remove(0);
        let outcome = rig.outcome(&browser, &message);
        assert_eq!(outcome.verdict, Verdict::Accepted, "{service}: {outcome:?}");
        assert_eq!(outcome.connection, 1);
        assert!(outcome.elapsed_us > 0);
        let view = rig.view(&browser);
        let [notice] = &view.shown[..] else {
            panic!("{view:?}")
        };
        assert_eq!(notice.title, "새 댓글");
        assert_eq!(notice.body.as_deref(), Some("안녕하세요"));
        assert_eq!(notice.declarative, service == WebPushService::Apple);
        assert_eq!(notice.options["data"]["comment"], 7);
        if service == WebPushService::Apple {
            assert_eq!(notice.navigate.as_deref(), Some("https://blog.example/1"));
            assert_eq!(view.app_badge, 2);
        }
    }
}

#[test]
fn many_at_once_are_encrypted_in_parallel_and_arrive_once_each() {
    let rig = Rig::with(2, Settings::default(), |config| {
        config.encryption_threads = 4
    });
    let message = rig.alert();
    let mut browsers = rig.browsers(0, WebPushService::Mozilla, 200);
    let here = browsers.len();
    browsers.extend(rig.browsers(1, WebPushService::Fcm, 200));
    let pushes = browsers.iter().map(|browser| rig.push(browser, &message));
    let outcomes = rig.outcomes_of(&rig.pool(), pushes.collect());
    for outcome in outcomes {
        assert_eq!(outcome.verdict, Verdict::Accepted, "{outcome:?}");
    }
    assert_eq!(rig.outcomes.count(), 400);
    for (at, browser) in browsers.iter().enumerate() {
        let sim = &rig.sims[usize::from(at >= here)];
        let view = sim.browser(browser.id).unwrap();
        assert_eq!(view.effects, [(Effect::Shown, 1)].into());
    }
}

#[test]
fn headers_say_what_the_options_ask_for() {
    let rig = Rig::new();
    let browser = rig.browser();
    let title = r#"{"title":"t"}"#;
    let sent = |message| {
        assert_eq!(rig.outcome(&browser, &message).verdict, Verdict::Accepted);
        let page = rig.sim().received(&ReceivedFilter::default());
        let last = page.received.last().unwrap().clone();
        (last.expiration, last.push_type, last.collapse_id)
    };
    let (ttl, urgency, own_topic) = sent(rig.message(title, "{}"));
    assert_eq!((ttl, &*urgency), (Some(3 * 24 * 3600), "high"));
    let in_90_s = rig.message_with(title, r#"{"priority":"normal"}"#, |message| {
        message.expires_at = Some(NOW + 90_900);
    });
    let (ttl, urgency, other_topic) = sent(in_90_s);
    assert_eq!((ttl, &*urgency), (Some(90), "normal"));
    assert_ne!(own_topic, other_topic, "each delivery has its own");
    let in_a_year = rig.message_with(title, r#"{"priority":"low"}"#, |message| {
        message.expires_at = Some(NOW + 365 * 24 * 3_600_000);
    });
    let (ttl, urgency, _) = sent(in_a_year);
    assert_eq!((ttl, &*urgency), (Some(28 * 24 * 3600), "low"));
    let (ttl, _, topic) =
        sent(rig.message(title, r#"{"store_offline":false,"on_unknown":"drop"}"#));
    assert_eq!((ttl, topic), (Some(0), None));
    let (.., topic) = sent(rig.message(title, r#"{"collapse_id":"order 17"}"#));
    assert_eq!(topic.unwrap().len(), 32);
    assert_eq!(
        rig.view(&browser).shown.last().unwrap().tag.as_deref(),
        Some("order 17")
    );
}

#[test]
fn a_resend_replaces_what_it_doubles() {
    let rig = Rig::new();
    let (browser, message, pool) = (rig.browser(), rig.alert(), rig.pool());
    let go = |online| {
        let patch = BrowserPatch {
            online: Some(online),
            ..BrowserPatch::default()
        };
        rig.sim().patch_browser(browser.id, &patch).unwrap()
    };
    go(false);
    let mut again = rig.push(&browser, &message);
    for tag in 1_001..=1_002 {
        again.tag = tag;
        assert_eq!(
            rig.outcomes_of(&pool, vec![again.clone()])[0].verdict,
            Verdict::Accepted
        );
    }
    let view = rig.view(&browser);
    assert_eq!(
        view.waiting.len(),
        1,
        "a first that waits is replaced by its topic"
    );
    assert_eq!(view.waiting[0].urgency, Urgency::High);
    go(true);
    again.tag = 1_003;
    rig.outcomes_of(&pool, vec![again]);
    let view = rig.view(&browser);
    assert_eq!(view.shown.len(), 1, "a first on the screen by its tag");
    assert_eq!(view.shown[0].effect, Effect::Replaced);
    // Another delivery is another message.
    rig.outcomes_of(&pool, vec![rig.push(&browser, &message)]);
    assert_eq!(rig.view(&browser).shown.len(), 2);
}

#[test]
fn a_background_push_wakes_the_service_worker() {
    let rig = Rig::new();
    let browser = rig.browser();
    let message = rig.message(r#"{"data":{"sync":1}}"#, r#"{"push_type":"background"}"#);
    assert_eq!(rig.outcome(&browser, &message).verdict, Verdict::Accepted);
    let view = rig.view(&browser);
    assert_eq!(view.effects, [(Effect::Woken, 1)].into());
    let page = rig.sim().received(&ReceivedFilter::default());
    assert_eq!(
        page.received[0].payload.as_deref(),
        Some(r#"{"data":{"sync":1}}"#)
    );
}

#[test]
fn subscriptions_made_before_a_rotation_live_on() {
    let mut rig = Rig::new();
    let former = rig.public_key();
    let subscribe = |rig: &Rig, key: &str| {
        let new = NewBrowsers {
            application_server_key: Some(key.to_owned()),
            ..NewBrowsers::default()
        };
        rig.sim().make_browsers(&new).unwrap().remove(0)
    };
    let as_browser = |rig: &Rig, made: &push_sim::MadeBrowser, key: Option<&str>| {
        let mut json = serde_json::to_value(&made.subscription).unwrap();
        if let Some(key) = key {
            json["application_server_key"] = json!(key);
        }
        Browser {
            id: made.id,
            push_token: rig.read(&json),
        }
    };
    let old = subscribe(&rig, &former);
    rig.secret = rotate_vapid(&rig.secret, |bytes| bytes.fill(10)).unwrap();
    let current = rig.public_key();
    assert_ne!(current, former);
    let new = subscribe(&rig, &current);
    let message = rig.alert();
    let pool = rig.pool();
    let verdict = |made, key| -> Outcome {
        let browser = as_browser(&rig, made, key);
        rig.outcomes_of(&pool, vec![rig.push(&browser, &message)])
            .remove(0)
    };
    assert_eq!(verdict(&old, Some(&former)).verdict, Verdict::Accepted);
    assert_eq!(verdict(&new, Some(&current)).verdict, Verdict::Accepted);
    assert_eq!(verdict(&new, None).verdict, Verdict::Accepted);
    // Nobody said with which key: the current one is tried, and nobody else is held up.
    let mismatch = verdict(&old, None);
    assert_eq!(mismatch.verdict, Verdict::Rejected(TokenFate::Keep));
    assert_eq!(mismatch.answer.unwrap().status, 403);
    // Keys of which we know nothing are taken for the current one.
    let stranger = rotate_vapid(&rig.secret, |bytes| bytes.fill(11)).unwrap();
    let stranger = rig
        .gateway
        .inspect(&stranger, &Default::default(), NOW)
        .unwrap()
        .public_keys
        .remove(0);
    assert_eq!(verdict(&new, Some(&stranger)).verdict, Verdict::Accepted);
}

#[test]
fn the_adapter_makes_the_keys_of_a_credential() {
    let mut rig = Rig::new();
    let pem = rig.gateway.make_secret(&|bytes| bytes.fill(77)).unwrap();
    rig.secret = CredentialSecret::VapidKeys {
        pems: vec![pem],
        contact: "mailto:push@example.com".into(),
    };
    let outcome = rig.outcome(&rig.browser(), &rig.alert());
    assert_eq!(outcome.verdict, Verdict::Accepted);
    assert_eq!(rig.gateway.make_secret(&|bytes| bytes.fill(0)), None);
}

#[test]
fn a_probe_is_for_now_or_never() {
    let rig = Rig::new();
    let browser = rig.browser();
    let push = rig.push(&browser, &rig.alert());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let outcome = runtime.block_on(rig.gateway.probe(rig.spec(), push));
    assert_eq!(outcome.verdict, Verdict::Accepted);
    let page = rig.sim().received(&ReceivedFilter::default());
    assert_eq!(page.received[0].expiration, Some(0));
    let call = carillon_ports::gateway::ChannelCall::List;
    let refused = runtime.block_on(rig.gateway.channels(rig.spec(), "", call));
    assert_eq!(refused.unwrap_err().reason, "no_channels");
}
