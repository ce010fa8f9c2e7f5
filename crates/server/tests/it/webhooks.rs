//! Webhooks, events and receipts with the real binary and a real receiver.

use crate::receiver::{Call, Receiver, Reply};
use crate::support::{Home, Server, until};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// Whether the program itself believes a call.
fn verified(server: &Server<'_>, home: &Home, secret: &str, call: &Call) -> bool {
    let (secret_file, body) = (home.path().join("secret"), home.path().join("body"));
    std::fs::write(&secret_file, secret).unwrap();
    std::fs::write(&body, &call.body).unwrap();
    let ran = server.carillon(&[
        "webhook",
        "verify",
        "--secret-file",
        secret_file.to_str().unwrap(),
        "--id",
        &call.id,
        "--timestamp",
        &call.timestamp,
        "--signature",
        &call.signature,
        body.to_str().unwrap(),
    ]);
    ran.code == 0
}

#[test]
fn what_happens_is_told_over_a_crash_and_a_receiver_that_fails() {
    let receiver = Receiver::start(&[Reply::Silence, Reply::Status(500)]);
    let mut home = Home::new();
    home.set("WEBHOOKS__ALLOW_PRIVATE", "127.0.0.1");
    let server = home.serve();
    server.set_up(&home.phones(1));
    let url = receiver.url();
    let put = ["webhook", "put", "backend", &url, "--app", "shop"];
    let made = server.json(&put);
    let secret = made["secret"].as_str().unwrap().to_owned();

    // The plug is pulled while the receiver has the first call and has said nothing.
    server.send_each(1, "once").json();
    let first = receiver.until(1).remove(0);
    assert!(verified(&server, &home, &secret, &first));
    server.settle();
    server.kill();

    // It is told again, fails, and is told once more: under one id, with one body.
    let server = home.serve();
    let calls = receiver.until(3);
    let told = first.json();
    assert_eq!(told["type"], "notification.completed");
    assert_eq!(told["app"], "shop");
    for call in &calls {
        assert_eq!((&call.id, &call.body), (&first.id, &first.body));
        assert!(verified(&server, &home, &secret, call));
    }
    assert!(!verified(
        &server,
        &home,
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        &first
    ));
    until("the queue's end", || {
        server.json(&["webhook", "show", "backend", "--app", "shop"])["queued"] == 0
    });
    let shown = server.json(&["webhook", "show", "backend", "--app", "shop"]);
    assert_eq!(
        (&shown["state"], &shown["failures"]),
        (&json!("enabled"), &json!(0))
    );
    assert_eq!(receiver.calls().len(), 3, "and no more");

    // A test, a replay, and what is remembered of it all.
    let tested = server.json(&["webhook", "test", "backend", "--app", "shop"]);
    assert_eq!(
        (&tested["ok"], &tested["status"]),
        (&json!(true), &json!(204))
    );
    assert_eq!(receiver.until(4)[3].json()["type"], "webhook.test");
    let no = told["no"].to_string();
    let replay = [
        "webhook", "replay", "backend", "--event", &no, "--app", "shop",
    ];
    assert_eq!(server.json(&replay)["queued"], 1);
    assert_eq!(receiver.until(5)[4].id, first.id);
    let attempts = server.json(&["webhook", "attempts", "backend", "--app", "shop"]);
    let words: Vec<_> = attempts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["result"].clone())
        .collect();
    assert!(
        words.contains(&json!("5xx")) && words.contains(&json!("success")),
        "{words:?}"
    );

    // An endpoint that is gone is a finding of doctor's.
    receiver
        .desk
        .lock()
        .unwrap()
        .replies
        .push_back(Reply::Status(410));
    server.send_each(1, "twice").json();
    receiver.until(6);
    until("the endpoint's end", || {
        server.json(&["webhook", "show", "backend", "--app", "shop"])["state"] == "disabled"
    });
    let doctor = server.carillon(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(
        doctor
            .stdout
            .contains("BAD shop/backend webhook: is disabled: gone"),
        "{doctor:?}"
    );
    assert!(
        !server.log().contains(&secret) && !server.log().contains("/hook"),
        "{}",
        server.log()
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn urls_into_our_own_network_are_refused_unless_they_are_ours() {
    let home = Home::new();
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    for url in [
        "http://127.0.0.1:9/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/x",
    ] {
        let refused = server.carillon(&["webhook", "put", "backend", url, "--app", "shop"]);
        assert_eq!(refused.code, 65, "{url}: {refused:?}");
    }
    let made = server.json(&[
        "webhook",
        "put",
        "ours",
        "https://hooks.example.com/x",
        "--app",
        "shop",
    ]);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
}

#[test]
fn an_event_stream_follows_and_ends_with_the_server() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    let key = std::fs::read_to_string(home.path().join("admin.key")).unwrap();
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(crate::support::PATIENCE))
        .unwrap();
    write!(
        stream,
        "GET /v1/apps/shop/events/stream?kinds=notification.* HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\r\n",
        key.trim()
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("retry: ")));
    server.send_each(1, "once").json();
    assert!(lines.any(|line| line == "event: notification.completed"));
    let data = lines.find(|line| line.starts_with("data: ")).unwrap();
    let event: Value = serde_json::from_str(&data["data: ".len()..]).unwrap();
    assert_eq!(event["kind"], "notification.completed");
    assert_eq!(server.stop(), 0, "a stream does not hold it up");
    assert!(lines.count() < 10, "then it is over");
}

#[test]
fn receipts_of_before_a_restart_are_good_after_it() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    let body = json!({
        "target": {"devices": ["phone-1"]}, "content": {"body": "hello"}, "options": {"receipt": true},
    });
    std::fs::write(home.path().join("one.ndjson"), format!("{body}\n")).unwrap();
    server.json(&["send", "shop", "--ndjson", "one.ndjson"]);
    server.settle();
    let page = home
        .simulator
        .received(&push_sim::ReceivedFilter::default());
    let payload: Value =
        serde_json::from_str(page.received[0].payload.as_deref().unwrap()).unwrap();
    let receipt = payload["carillon_receipt"].as_str().unwrap().to_owned();
    server.kill();

    let server = home.serve();
    let post = |receipt: &str, event: &str| {
        let body = json!({"receipt": receipt, "event": event}).to_string();
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /v1/receipts HTTP/1.0\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(post(&receipt, "delivered").contains("\"recorded\":1"));
    assert!(post(&receipt, "opened").contains("\"recorded\":1"));
    assert!(post(&receipt, "opened").contains("\"repeated\":1"));
    assert!(post("forged", "opened").contains("receipt.unknown"));
    let list = server.json(&["notification", "list", "--app", "shop"]);
    let id = list["data"][0]["id"].as_str().unwrap();
    let shown = server.json(&["notification", "show", id, "--app", "shop"]);
    assert_eq!(shown["receipts"], json!({"delivered": 1, "opened": 1}));
}
