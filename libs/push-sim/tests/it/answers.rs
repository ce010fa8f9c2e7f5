//! People and their apps: how far a push may interrupt, what a VoIP push does to an app that cannot take a call,
//! and what phones do by themselves about it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use push_sim::{
    Effect, Environment, Interruption, MadePhone, NewPhones, PhoneAnswer, PhonePatch, PhoneView,
    PushTokenKind, Settings, Simulator,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{APP, Peer, Push, simulator, soon};

/// A phone with both push tokens, whose app was built with `capabilities`.
fn phone(sim: &Simulator, capabilities: &[&str], answers: Vec<PhoneAnswer>) -> MadePhone {
    let new = NewPhones {
        app: APP.into(),
        environment: Environment::Sandbox,
        kinds: vec![PushTokenKind::Alert, PushTokenKind::Voip],
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        answers,
        ..NewPhones::default()
    };
    sim.make_phones(&new).unwrap().remove(0)
}

fn ring(phone: &MadePhone) -> Push {
    Push::v2()
        .at_token(&phone.push_tokens[&PushTokenKind::Voip])
        .without("apns-collapse-id")
        .with("apns-topic", "net.example.pager.voip")
        .with("apns-push-type", "voip")
        .with("apns-expiration", "0")
        .body(r#"{"incident":{"link":"/i/ring"}}"#)
}

fn alert(phone: &MadePhone, aps: Value) -> Push {
    Push::v2()
        .at_token(&phone.push_tokens[&PushTokenKind::Alert])
        .without("apns-collapse-id")
        .body(json!({"aps": aps, "incident": {"link": "/i/alert"}}).to_string())
}

fn answer(value: Value) -> PhoneAnswer {
    serde_json::from_value(value).unwrap()
}

/// Takes requests, and answers each with `status`: their first lines and bodies.
async fn listener(status: u16) -> (String, Arc<Mutex<Vec<(String, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut chunk = [0; 2048];
            // A request is here in whole once its body is as long as it says.
            while let Ok(read @ 1..) = stream.read(&mut chunk).await {
                text.push_str(&String::from_utf8_lossy(&chunk[..read]));
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    let first = head.lines().next().unwrap_or_default().to_owned();
                    hears.lock().unwrap().push((first, body.to_owned()));
                    break;
                }
            }
            let said = format!("HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\nword");
            let _ = stream.write_all(said.as_bytes()).await;
        }
    });
    (url, heard)
}

/// Waits until a phone has made so many requests.
async fn answered(sim: &Simulator, phone: &MadePhone, count: usize) -> PhoneView {
    soon(async {
        loop {
            let view = sim.phone(phone.id).unwrap();
            if view.apps[0].answered.len() >= count {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn an_app_without_a_call_screen_is_killed_and_then_woken_no_more() {
    let sim = simulator(Settings::default());
    let bare = phone(&sim, &["critical_alerts"], Vec::new());
    let whole = phone(&sim, &["voip_call_ui"], Vec::new());
    let mut peer = Peer::connect(&sim).await;
    for _ in 0..5 {
        assert_eq!(
            peer.push(&ring(&bare)).await.status,
            200,
            "the wire never tells"
        );
        assert_eq!(peer.push(&ring(&whole)).await.status, 200);
    }
    let view = sim.phone(bare.id).unwrap();
    let effects = [(Effect::Killed, 3), (Effect::Muted, 2)];
    assert_eq!(view.apps[0].effects, effects.into());
    let killed = &view.apps[0].shown[0];
    assert_eq!(killed.interruption, None);
    assert!(
        killed.because.unwrap().contains("call screen"),
        "{killed:?}"
    );
    assert_eq!(view.apps[0].capabilities, ["critical_alerts"]);
    let view = sim.phone(whole.id).unwrap();
    assert_eq!(view.apps[0].effects, [(Effect::Call, 5)].into());
    assert_eq!(view.apps[0].shown[0].interruption, Some(Interruption::Call));
    assert_eq!(sim.counters().effects[&Effect::Killed], 3);

    // An app that has the screen and does not show it fares no better; and an update may take it away.
    let silent = PhonePatch {
        reports_calls: Some(false),
        ..PhonePatch::default()
    };
    sim.patch_phone(whole.id, &silent).unwrap();
    peer.push(&ring(&whole)).await;
    let view = sim.phone(whole.id).unwrap();
    let last = view.apps[0].shown.last().unwrap();
    assert!(
        last.because.unwrap().contains("reported no call"),
        "{last:?}"
    );
    let updated = PhonePatch {
        reports_calls: Some(true),
        capabilities: Some(Vec::new()),
        ..PhonePatch::default()
    };
    sim.patch_phone(whole.id, &updated).unwrap();
    peer.push(&ring(&whole)).await;
    assert_eq!(
        sim.phone(whole.id).unwrap().apps[0].effects[&Effect::Killed],
        2
    );
}

#[tokio::test]
async fn the_log_of_a_phone_tells_how_far_each_push_interrupted() {
    let sim = simulator(Settings::default());
    let may = phone(&sim, &["critical_alerts", "time_sensitive"], Vec::new());
    let may_not = phone(&sim, &[], Vec::new());
    let mut peer = Peer::connect(&sim).await;
    let critical = json!({"critical": 1, "name": "default", "volume": 1.0});
    for phone in [&may, &may_not] {
        for aps in [
            json!({"alert": "a", "interruption-level": "passive"}),
            json!({"alert": "a"}),
            json!({"alert": "a", "interruption-level": "time-sensitive"}),
            json!({"alert": "a", "interruption-level": "critical", "sound": critical}),
        ] {
            assert_eq!(peer.push(&alert(phone, aps)).await.status, 200);
        }
    }
    let far = |phone: &MadePhone| -> Vec<_> {
        let view = sim.phone(phone.id).unwrap();
        let shown = view.apps[0].shown.iter();
        shown.map(|entry| entry.interruption.unwrap()).collect()
    };
    use Interruption::{Active, Critical, Passive, TimeSensitive};
    assert_eq!(far(&may), [Passive, Active, TimeSensitive, Critical]);
    assert_eq!(far(&may_not), [Passive, Active, Active, Active]);
}

#[tokio::test]
async fn a_phone_reports_and_its_owner_answers_once_it_is_loud_enough() {
    let sim = simulator(Settings::default());
    let (url, heard) = listener(204).await;
    let reports = answer(json!({
        "url": format!("{url}/receipts"), "body": {"receipt": "{/incident/link}", "event": "delivered"},
    }));
    let wakes_up = answer(json!({
        "to": "call", "times": 1, "url": format!("{url}{{/incident/link}}"),
        "headers": {"x-app": "pager"}, "body": {"do": "acknowledge"},
    }));
    let sleeper = phone(&sim, &["voip_call_ui"], vec![reports, wakes_up]);
    let mut peer = Peer::connect(&sim).await;
    peer.push(&alert(&sleeper, json!({"alert": "down"}))).await;
    answered(&sim, &sleeper, 1).await;
    peer.push(&ring(&sleeper)).await;
    answered(&sim, &sleeper, 3).await;
    peer.push(&ring(&sleeper)).await;
    let view = answered(&sim, &sleeper, 4).await;
    let statuses: Vec<_> = view.apps[0].answered.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Some(204); 4]);
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    let report = |link: &str| {
        let body = json!({"event": "delivered", "receipt": link});
        ("POST /receipts HTTP/1.1".to_owned(), body.to_string())
    };
    let expected = [
        (
            "POST /i/ring HTTP/1.1".to_owned(),
            r#"{"do":"acknowledge"}"#.to_owned(),
        ),
        report("/i/alert"),
        report("/i/ring"),
        report("/i/ring"),
    ];
    assert_eq!(heard, expected);
    assert_eq!(sim.counters().answers, 4);

    // Who is told to do nothing any more, does nothing.
    let still = PhonePatch {
        answers: Some(Vec::new()),
        ..PhonePatch::default()
    };
    assert!(
        sim.patch_phone(sleeper.id, &still).unwrap().apps[0]
            .answers
            .is_empty()
    );
    peer.push(&ring(&sleeper)).await;
    assert_eq!(sim.counters().answers, 4);
}

#[tokio::test]
async fn nobody_answers_what_does_not_reach_him_and_what_goes_wrong_is_told() {
    let sim = simulator(Settings::default());
    let (url, heard) = listener(409).await;
    let to = |url: &str| answer(json!({"url": url}));
    let answers = vec![
        to(&format!("{url}/a")),
        to("http://127.0.0.1:1/closed"),
        to("http://127.0.0.1:1{/incident/none}"),
    ];
    let made = phone(&sim, &[], answers);
    let mut peer = Peer::connect(&sim).await;
    // Killed, and switched off: nothing interrupted anybody.
    peer.push(&ring(&made)).await;
    let muted = |notifications| PhonePatch {
        notifications: Some(notifications),
        ..PhonePatch::default()
    };
    sim.patch_phone(made.id, &muted(false)).unwrap();
    peer.push(&alert(&made, json!({"alert": "a"}))).await;
    sim.patch_phone(made.id, &muted(true)).unwrap();
    // What waited while the phone was off is answered when it is on again.
    let online = |online| PhonePatch {
        online: Some(online),
        ..PhonePatch::default()
    };
    sim.patch_phone(made.id, &online(false)).unwrap();
    peer.push(&alert(&made, json!({"alert": "a"}))).await;
    assert_eq!(sim.counters().answers, 0);
    sim.patch_phone(made.id, &online(true)).unwrap();
    let view = answered(&sim, &made, 3).await;
    let of = |part: &str| {
        let mut answered = view.apps[0].answered.iter();
        answered.find(|one| one.url.contains(part)).unwrap()
    };
    assert_eq!(
        (of("/a").status, of("/a").error.as_deref()),
        (Some(409), Some("word"))
    );
    assert_eq!(of("closed").status, None);
    assert!(
        of("closed")
            .error
            .as_deref()
            .unwrap()
            .contains("cannot connect")
    );
    let missing = of("none").error.as_deref().unwrap();
    assert_eq!(missing, "the payload has nothing at /incident/none");
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_done_is_not_written_down() {
    let sim = simulator(Settings::default());
    let of = |answers: Vec<PhoneAnswer>| NewPhones {
        app: APP.into(),
        answers,
        ..NewPhones::default()
    };
    let to = |url: &str, method: &str| answer(json!({"url": url, "method": method}));
    for (answers, part) in [
        (vec![to("https://example.com", "POST")], "expected http://"),
        (vec![to("http://example.com", "a b")], "\"a b\" is none"),
        (
            vec![to("http://example.com", "POST"); 17],
            "at most 16, found 17",
        ),
    ] {
        let refused = sim.make_phones(&of(answers.clone())).unwrap_err();
        assert!(
            refused.starts_with("answers: ") && refused.contains(part),
            "{refused}"
        );
        let patch = PhonePatch {
            answers: Some(answers),
            ..PhonePatch::default()
        };
        assert_eq!(sim.patch_phone(1, &patch).unwrap_err(), refused);
    }
}

#[tokio::test]
async fn a_call_is_no_notification_that_another_one_replaces() {
    let sim = simulator(Settings::default());
    let made = phone(&sim, &["voip_call_ui"], Vec::new());
    let mut peer = Peer::connect(&sim).await;
    let collapse = |push: Push| push.with("apns-collapse-id", "inc-1");
    peer.push(&collapse(ring(&made))).await;
    for title in ["down", "up"] {
        peer.push(&collapse(alert(&made, json!({"alert": title}))))
            .await;
    }
    let view = sim.phone(made.id).unwrap();
    let effects: Vec<_> = view.apps[0].shown.iter().map(|one| one.effect).collect();
    assert_eq!(effects, [Effect::Call, Effect::Replaced]);
}
