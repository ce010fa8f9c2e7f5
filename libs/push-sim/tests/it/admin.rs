//! The admin API over HTTP, and every command of the README.

use std::process::Command;

use push_sim::{Config, Simulator};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{APP, NOW, Peer, Push, Signer, config, soon};
use crate::tools;

/// One request; status and JSON.
async fn call(sim: &Simulator, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, text) = raw(sim, method, path, &body).await;
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

async fn raw(sim: &Simulator, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(sim.addresses().admin).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(tcp.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!head.contains("chunked"), "this client reads no chunks");
    (status, body.to_owned())
}

fn start() -> Simulator {
    Simulator::start(config(push_sim::Settings::default())).unwrap()
}

#[tokio::test]
async fn a_whole_session_over_http() {
    let sim = start();
    let (status, info) = call(&sim, "GET", "/v1", Value::Null).await;
    assert_eq!(status, 200);
    let device = info["addresses"]["sandbox"]["device"].as_str().unwrap();
    assert_eq!(device.parse(), Ok(sim.addresses().sandbox.device));
    assert_eq!(raw(&sim, "GET", "/v1/ca.pem", "").await.1, sim.ca_pem());

    let key = json!({"team_id": "DEF123GHIJ", "key_id": "ABC123DEFG",
        "public_key_pem": Signer::v1().public_key_pem()});
    let (status, added) = call(&sim, "POST", "/v1/keys", key).await;
    assert_eq!((status, added.get("signing_key_pem")), (200, None));
    let (_, keys) = call(&sim, "GET", "/v1/keys", Value::Null).await;
    assert_eq!(keys[0]["key_id"], "ABC123DEFG");

    let phones =
        json!({"app": APP, "environment": "sandbox", "count": 3, "kinds": ["alert", "voip"]});
    let (status, made) = call(&sim, "POST", "/v1/phones", phones).await;
    assert_eq!((status, made["phones"].as_array().unwrap().len()), (200, 3));
    let token = made["phones"][1]["push_tokens"]["alert"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(token.len(), 64);
    let (status, changed) = call(
        &sim,
        "PATCH",
        "/v1/phones",
        json!({"ids": [1, 3], "online": false}),
    )
    .await;
    assert_eq!((status, changed), (200, json!({"changed": 2})));
    let (_, page) = call(&sim, "GET", "/v1/phones?limit=2", Value::Null).await;
    assert_eq!(
        (
            page["phones"][0]["online"].clone(),
            page["next_after_id"].clone()
        ),
        (json!(false), json!(2))
    );
    let (_, page) = call(&sim, "GET", "/v1/phones?after_id=2&limit=2", Value::Null).await;
    assert_eq!(
        (
            page["phones"][0]["id"].clone(),
            page["next_after_id"].clone()
        ),
        (json!(3), Value::Null)
    );

    let fault = json!({"kind": "answer", "status": 503, "reason": "ServiceUnavailable", "count": 1,
        "only": {"app": APP}});
    assert_eq!(
        call(&sim, "POST", "/v1/faults", fault).await,
        (200, json!({"id": 1}))
    );
    let mut peer = Peer::connect(&sim).await;
    let push = Push::v2().at_token(&token);
    assert_eq!(peer.push(&push).await.status, 503);
    assert_eq!(peer.push(&push).await.status, 200);
    let (_, faults) = call(&sim, "GET", "/v1/faults", Value::Null).await;
    assert_eq!(
        (faults[0]["hits"].clone(), faults[0]["active"].clone()),
        (json!(1), json!(false))
    );
    let (status, removed) = call(&sim, "DELETE", "/v1/faults/1", Value::Null).await;
    assert_eq!((status, removed["kind"].clone()), (200, json!("answer")));

    let path = format!("/v1/received?push_token={token}&limit=1");
    let (_, page) = call(&sim, "GET", &path, Value::Null).await;
    assert_eq!(
        (page["total"].clone(), page["next_after_seq"].clone()),
        (json!(2), json!(1))
    );
    assert_eq!(page["received"][0]["fault"], 1);
    let (_, phone) = call(
        &sim,
        "GET",
        &format!("/v1/push-tokens/{token}"),
        Value::Null,
    )
    .await;
    assert_eq!(phone["id"], 2);
    assert_eq!(phone["apps"][0]["shown"][0]["payload"]["incident"], 4711);
    let (_, counters) = call(&sim, "GET", "/v1/counters", Value::Null).await;
    assert_eq!(counters["answered"], json!({"200": 1, "503": 1}));
    assert_eq!(counters["effects"], json!({"shown": 1}));
    assert_eq!(counters["faults"], json!({"answer": 1}));

    let (_, connections) = call(&sim, "GET", "/v1/connections", Value::Null).await;
    assert_eq!(
        (
            connections[0]["id"].clone(),
            connections[0]["environment"].clone()
        ),
        (json!(1), json!("sandbox"))
    );
    let action = json!({"kind": "goaway", "debug": {"text": "bye"}, "only": {"connection": 1}});
    let (status, report) = call(&sim, "POST", "/v1/actions", action).await;
    assert_eq!(
        (status, report),
        (200, json!({"connections": 1, "requests_in_flight": 0}))
    );
    assert!(soon(peer.driver).await.is_ok());

    let (_, clock) = call(&sim, "PUT", "/v1/clock", json!({"advance_ms": 5000})).await;
    assert_eq!(clock, json!({"now_ms": NOW * 1000 + 5000, "speed": 0.0}));
    let (_, settings) = call(&sim, "PUT", "/v1/settings", json!({"mode": "lax"})).await;
    assert_eq!(
        (settings["mode"].clone(), settings["max_streams"].clone()),
        (json!("lax"), json!(1000))
    );
    let (_, app) = call(
        &sim,
        "PUT",
        "/v1/apps/net.example.new",
        json!({"broadcast": false}),
    )
    .await;
    assert_eq!(app, json!({"team_id": null, "broadcast": false}));
    let (status, _) = call(
        &sim,
        "DELETE",
        "/v1/keys/DEF123GHIJ/ABC123DEFG",
        Value::Null,
    )
    .await;
    assert_eq!(status, 200);
    call(&sim, "DELETE", "/v1/received", Value::Null).await;
    assert_eq!(sim.received_count(), 0);
    call(&sim, "DELETE", "/v1/counters", Value::Null).await;
    assert_eq!(sim.counters().requests, 0);
    call(&sim, "POST", "/v1/reset", Value::Null).await;
    assert_eq!(sim.phone_count(), 0);
}

#[tokio::test]
async fn browsers_over_http() {
    let sim = start();
    let (_, info) = call(&sim, "GET", "/v1", Value::Null).await;
    let origin = info["web_push_origin"].as_str().unwrap().to_owned();
    assert_eq!(origin, format!("https://{}", sim.addresses().web_push));
    assert_eq!(
        info["addresses"]["web_push"],
        sim.addresses().web_push.to_string()
    );

    let order = json!({"service": "apple", "count": 2, "online": false});
    let (status, made) = call(&sim, "POST", "/v1/browsers", order).await;
    assert_eq!(status, 200);
    let subscription = &made["browsers"][1]["subscription"];
    let endpoint = subscription["endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with(&origin), "{endpoint}");
    assert_eq!(subscription["expirationTime"], Value::Null);
    assert_eq!(subscription["keys"]["p256dh"].as_str().unwrap().len(), 87);
    assert_eq!(subscription["keys"]["auth"].as_str().unwrap().len(), 22);
    let (_, browser) = call(&sim, "GET", "/v1/browsers/2", Value::Null).await;
    assert_eq!(&browser["subscription"], subscription);
    assert_eq!(browser["declarative"], json!(true));
    let path = format!("/v1/browsers?endpoint={endpoint}");
    let (_, found) = call(&sim, "GET", &path, Value::Null).await;
    assert_eq!(found["browsers"][0]["id"], 2);
    let (_, page) = call(&sim, "GET", "/v1/browsers?limit=1", Value::Null).await;
    assert_eq!(page["next_after_id"], 1);
    let (_, page) = call(&sim, "GET", "/v1/browsers?after_id=1", Value::Null).await;
    assert_eq!(page["browsers"][0]["id"], 2);
    assert_eq!(page["next_after_id"], Value::Null);

    let ended = json!({"ids": [1, 2], "subscribed": false});
    let (status, changed) = call(&sim, "PATCH", "/v1/browsers", ended).await;
    assert_eq!((status, changed), (200, json!({"changed": 2})));
    let renewed = json!({"subscribed": true, "online": true});
    let (_, browser) = call(&sim, "PATCH", "/v1/browsers/2", renewed).await;
    assert_eq!(
        (&browser["subscribed"], &browser["online"]),
        (&json!(true), &json!(true))
    );
    assert_ne!(&browser["subscription"], subscription);
    let (status, _) = call(&sim, "GET", &path, Value::Null).await;
    assert_eq!(status, 404, "the endpoint is not its current one");

    // A group of settings changes field by field too.
    let change = json!({"web_push": {"pushes_per_minute": 60}});
    call(&sim, "PUT", "/v1/settings", change).await;
    let change = json!({"web_push": {"retry_after_secs": 5}});
    let (_, settings) = call(&sim, "PUT", "/v1/settings", change).await;
    assert_eq!(settings["web_push"]["pushes_per_minute"], 60);
    assert_eq!(settings["web_push"]["max_body_bytes"], 4096);
    call(&sim, "POST", "/v1/reset", Value::Null).await;
    assert_eq!(sim.browser_count(), 0);
}

#[tokio::test]
async fn a_fresh_key_comes_with_its_private_half() {
    let sim = start();
    let key = json!({"team_id": "TEAM000001", "key_id": "KEY0000001"});
    let (status, added) = call(&sim, "POST", "/v1/keys", key).await;
    assert_eq!(status, 200);
    let pem = added["signing_key_pem"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "a .p8 file");
    assert_eq!(sim.keys()[0].key_id, "KEY0000001");
}

#[tokio::test]
async fn mistakes_are_named() {
    let sim = start();
    let cases = [
        ("POST", "/v1/phones", json!({"count": 1}), 400, "app:"),
        (
            "POST",
            "/v1/phones",
            json!({"app": APP, "kinds": ["pager"]}),
            400,
            "pager",
        ),
        (
            "POST",
            "/v1/phones",
            json!({"app": APP, "colour": 1}),
            400,
            "colour",
        ),
        (
            "POST",
            "/v1/phones",
            json!({"app": APP, "push_tokens": {"alert": "zz"}}),
            400,
            "zz",
        ),
        (
            "POST",
            "/v1/phones",
            json!({"app": APP, "count": 2, "on_phone": 1}),
            400,
            "count",
        ),
        (
            "POST",
            "/v1/phones",
            json!({"app": APP, "on_phone": 9}),
            400,
            "on_phone",
        ),
        (
            "POST",
            "/v1/faults",
            json!({"kind": "earthquake"}),
            400,
            "earthquake",
        ),
        (
            "POST",
            "/v1/faults",
            json!({"kind": "delay", "ms": 1, "sm": 2}),
            400,
            "sm",
        ),
        (
            "POST",
            "/v1/faults",
            json!({"kind": "refuse_stream", "probability": 2}),
            400,
            "probability",
        ),
        ("POST", "/v1/keys", json!({"team_id": "T"}), 400, "key_id"),
        (
            "POST",
            "/v1/keys",
            json!({"team_id": "T", "key_id": "K", "public_key_pem": "x"}),
            400,
            "public_key_pem",
        ),
        ("PUT", "/v1/settings", json!({"mood": "lax"}), 400, "mood"),
        (
            "PUT",
            "/v1/settings",
            json!({"web_push": {"colour": 1}}),
            400,
            "colour",
        ),
        (
            "POST",
            "/v1/browsers",
            json!({"service": "opera"}),
            400,
            "opera",
        ),
        ("POST", "/v1/browsers", json!({"count": 0}), 400, "count"),
        ("GET", "/v1/browsers/7", Value::Null, 404, "7"),
        ("PATCH", "/v1/browsers/7", json!({}), 404, "7"),
        (
            "PATCH",
            "/v1/browsers/7",
            json!({"colour": 1}),
            400,
            "colour",
        ),
        ("PUT", "/v1/clock", json!({"speed": -1}), 400, "speed"),
        ("GET", "/v1/received?limit=x", Value::Null, 400, "limit"),
        ("GET", "/v1/phones/7", Value::Null, 404, "7"),
        ("GET", "/v1/phones/7/lock-screen", Value::Null, 404, "7"),
        ("GET", "/v1/phones/7/lock-screen.txt", Value::Null, 404, "7"),
        (
            "GET",
            "/v1/phones/7/lock-screen/history",
            Value::Null,
            404,
            "7",
        ),
        (
            "POST",
            "/v1/phones/7/activities",
            json!({"attributes_type": "T"}),
            404,
            "7",
        ),
        ("GET", "/v1/push-tokens/ab", Value::Null, 404, "push token"),
        ("PATCH", "/v1/phones/7", json!({}), 404, "7"),
        ("DELETE", "/v1/faults/7", Value::Null, 404, "7"),
        ("DELETE", "/v1/keys/A/B", Value::Null, 404, "B"),
        ("GET", "/v2", Value::Null, 404, "README"),
        (
            "POST",
            "/v1/actions",
            json!({"kind": "dance"}),
            400,
            "dance",
        ),
    ];
    for (method, path, body, expected, word) in cases {
        let (status, answer) = call(&sim, method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        let sentence = answer["error"].as_str().unwrap_or_default();
        assert!(sentence.contains(word), "{method} {path}: {sentence}");
    }
}

/// Lines of the README's `sh` blocks, with continuation lines joined.
fn readme_commands() -> Vec<String> {
    let text = include_str!("../../README.md");
    let mut commands = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.replace("\\\n", " ").lines() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                commands.push(line.to_owned());
            }
        }
    }
    commands
}

#[test]
fn the_commands_of_the_readme_work() {
    let Some(()) = tools::program("curl", "install curl") else {
        return;
    };
    let sim = Simulator::start(Config::default()).unwrap();
    let dir = tools::scratch("readme");
    let commands = readme_commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let output = Command::new("sh")
            .args(["-ec", &command])
            .current_dir(&dir)
            .env("ADMIN", format!("http://{}", sim.addresses().admin))
            .env("DEVICE", sim.addresses().sandbox.device.to_string())
            .env("GOOGLE", sim.google_url())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{text}\n{errors}");
        assert!(!text.contains("\"error\""), "{command}\n{text}");
    }
    assert!(
        sim.settings().accept_any_key,
        "the README has switched it on"
    );
    assert_eq!(sim.phone_count(), 0, "its last command resets");
    assert_eq!(
        std::fs::read_to_string(dir.join("ca.pem")).unwrap(),
        sim.ca_pem()
    );
    std::fs::remove_dir_all(dir).unwrap();
}
