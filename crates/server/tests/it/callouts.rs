//! Call-outs with the real binary and a real receiver: a campaign, a send at a time and a run by hand, over a kill while
//! the receiver has the question.

use crate::receiver::{Receiver, Reply};
use crate::support::{Home, Server, until};
use serde_json::{Value, json};

/// What was pushed, by text.
fn said(home: &Home) -> Vec<String> {
    let page = home.simulator.received(&push_sim::ReceivedFilter {
        limit: 10_000,
        ..push_sim::ReceivedFilter::default()
    });
    let bodies = page.received.iter().map(|push| {
        let payload: Value = serde_json::from_str(push.payload.as_deref().unwrap()).unwrap();
        payload["aps"]["alert"]["body"].as_str().unwrap().to_owned()
    });
    bodies.collect()
}

fn runs(server: &Server<'_>) -> Vec<Value> {
    let runs = server.json(&["callout", "runs", "news", "--app", "shop"]);
    runs["data"].as_array().unwrap().clone()
}

fn status(server: &Server<'_>, id: &str) -> Value {
    server.json(&["notification", "show", id, "--app", "shop"])["status"].clone()
}

#[test]
fn campaigns_sends_and_runs_ask_once_over_a_kill() {
    let receiver = Receiver::start(&[
        Reply::Silence,
        Reply::Says(r#"{"content": {"body": "Spring"}}"#),
        Reply::Says(r#"{"content": {"body": "At its time"}}"#),
        Reply::Says(r#"{"content": {"body": "By hand"}}"#),
        Reply::Status(404),
    ]);
    let mut home = Home::new();
    home.set("WEBHOOKS__ALLOW_PRIVATE", "127.0.0.1");
    home.set("SERVER__MODE", "development");
    let server = home.serve();
    server.set_up(&home.phones(3));
    let url = receiver.url();
    let put = [
        "callout",
        "put",
        "news",
        &url,
        "--app",
        "shop",
        "--attempts",
        "1",
        "--answer-within",
        "1s",
    ];
    server.json(&put);
    let spring = json!({
        "audience": {"all": true}, "content_from": {"callout": "news", "data": {"n": 1}}
    });
    std::fs::write(home.path().join("spring.json"), spring.to_string()).unwrap();
    let made = server.json(&["campaign", "create", "spring.json", "--app", "shop"]);
    let question = receiver.until(1).remove(0);
    server.kill();
    assert_eq!(said(&home), Vec::<String>::new());

    // It is asked again when the asking should long be over.
    home.set("CLOCK__OFFSET", "60s");
    let server = home.serve();
    let again = receiver.until(2).remove(1);
    assert_eq!((&again.id, &again.body), (&question.id, &question.body));
    assert_eq!(again.json()["campaign"], made["id"]);
    let watched = server.carillon(&["campaign", "watch", "spring", "--app", "shop"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    assert_eq!(said(&home), ["Spring"; 3]);
    let run = &runs(&server)[0];
    assert_eq!(
        (&run["result"], &run["notification"], &run["deliveries"]),
        (&json!("answered"), &made["notification"], &json!(3))
    );
    for field in ["due_at", "started_at", "finished_at"] {
        assert!(run[field].is_string(), "{run}");
    }

    // A send at a time.
    let path = "/v1/apps/shop/notifications";
    let asking = json!({"target": {"devices": ["phone-1"]}, "content_from": {"callout": "news"}});
    let mut later = asking.clone();
    later["send_at"] =
        json!((jiff::Timestamp::now() + jiff::SignedDuration::from_secs(62)).to_string());
    let (code, sent) = server.call("POST", path, None, &later);
    assert_eq!(code, 202, "{sent}");
    let id = sent["id"].as_str().unwrap();
    until("it is sent", || status(&server, id) == "completed");
    assert_eq!(receiver.calls()[2].json()["notification"], sent["id"]);
    assert_eq!(said(&home)[3..], ["At its time"]);

    // A run by hand.
    let daily = json!({"cron": "0 9 * * *", "time_zone": "UTC", "notification": asking});
    std::fs::write(home.path().join("daily.json"), daily.to_string()).unwrap();
    server.json(&["schedule", "put", "daily.json", "--app", "shop"]);
    let ran = server.json(&["schedule", "run", "daily", "--app", "shop"]);
    let id = ran["id"].as_str().unwrap();
    until("it is sent", || status(&server, id) == "completed");
    let asked = receiver.calls()[3].json();
    assert_eq!(
        (&asked["schedule"], &asked["notification"]),
        (&json!("daily"), &ran["id"])
    );
    assert_eq!(said(&home)[4..], ["By hand"]);

    // Without a good answer it is set aside, which tells why.
    let (code, sent) = server.call("POST", path, None, &asking);
    assert_eq!(code, 202, "{sent}");
    let id = sent["id"].as_str().unwrap();
    until("it is set aside", || status(&server, id) == "set_aside");
    let seen = server.json(&["notification", "show", id, "--app", "shop"]);
    let why = seen["trouble"]["message"].as_str().unwrap_or_default();
    assert!(why.contains("404"), "{seen}");
    let results: Vec<_> = runs(&server)
        .iter()
        .map(|run| run["result"].clone())
        .collect();
    assert_eq!(results, ["failed", "answered", "answered", "answered"]);
    assert_eq!(said(&home).len(), 5);
    assert_eq!(receiver.calls().len(), 5);
}
