//! A sender of web pushes by other authors, in another language: it must succeed against the
//! simulator, with each service, and read its errors as its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use push_sim::{
    BrowserPatch, Config, Effect, Fault, FaultFilter, FaultKind, NewBrowsers, ReceivedFilter,
    Simulator, Urgency, WebPushService,
};
use serde_json::{Value, json};

use crate::clients::script;
use crate::tools;

/// Runs the client with one document, and reads its answer.
fn run(modules: &Path, ca_file: &Path, asked: &Value) -> Value {
    let output = Command::new("node")
        .arg(script("web_push_client.mjs"))
        .arg(modules)
        .arg(asked.to_string())
        .env("NODE_EXTRA_CA_CERTS", ca_file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{errors}"))
}

struct Stage {
    sim: Simulator,
    modules: PathBuf,
    dir: PathBuf,
    ca_file: PathBuf,
    vapid: Value,
}

impl Stage {
    /// At real time, since the client signs by its own clock.
    fn new(name: &str) -> Option<Stage> {
        let modules = tools::path("PUSH_TEST_NODE_MODULES", "web-push")?;
        let sim = Simulator::start(Config::default()).unwrap();
        let dir = tools::scratch(name);
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, sim.ca_pem()).unwrap();
        let mut vapid = run(&modules, &ca_file, &json!({}));
        vapid["subject"] = json!("mailto:push@example.com");
        Some(Stage {
            sim,
            modules,
            dir,
            ca_file,
            vapid,
        })
    }

    fn browser(&self, service: WebPushService) -> (u32, Value) {
        let new = NewBrowsers {
            service,
            application_server_key: self.vapid["publicKey"].as_str().map(str::to_owned),
            ..NewBrowsers::default()
        };
        let made = self.sim.make_browsers(&new).unwrap().remove(0);
        (made.id, serde_json::to_value(made.subscription).unwrap())
    }

    fn send(&self, sends: &[Value]) -> Vec<Value> {
        let asked = json!({"vapid": self.vapid, "sends": sends});
        let results = run(&self.modules, &self.ca_file, &asked);
        results.as_array().unwrap().clone()
    }

    fn titles(&self, browser: u32) -> Vec<String> {
        let view = self.sim.browser(browser).unwrap();
        view.shown.into_iter().map(|shown| shown.title).collect()
    }

    fn end(self) {
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

#[test]
fn web_push_sends_to_every_service() {
    let Some(stage) = Stage::new("web-push-services") else {
        return;
    };
    for service in WebPushService::ALL {
        let (id, subscription) = stage.browser(service);
        let order = json!({"web_push": 8030, "notification": {
            "title": "주문 17", "navigate": "https://shop.example/17"}});
        let results = stage.send(&[
            json!({"name": "text", "subscription": subscription, "payload": "안녕"}),
            json!({"name": "json", "subscription": subscription,
                "payload": json!({"title": "Hello", "body": "World"}).to_string()}),
            json!({"name": "order", "subscription": subscription, "payload": order.to_string()}),
            json!({"name": "bare", "subscription": subscription}),
        ]);
        for result in &results {
            assert_eq!(result["ok"], true, "{service}: {result}");
            assert_eq!(result["status"], 201);
            assert!(result["location"].is_string());
        }
        assert_eq!(stage.titles(id), ["안녕", "Hello", "주문 17"], "{service}");
        let view = stage.sim.browser(id).unwrap();
        assert_eq!(view.shown[1].body.as_deref(), Some("World"));
        assert_eq!(view.shown[2].declarative, service == WebPushService::Apple);
        assert_eq!(view.silent_pushes, 1, "the bare one shows nothing");
    }
    stage.end();
}

#[test]
fn web_push_asks_for_topic_urgency_and_ttl() {
    let Some(stage) = Stage::new("web-push-options") else {
        return;
    };
    let (id, subscription) = stage.browser(WebPushService::Mozilla);
    let offline = BrowserPatch {
        online: Some(false),
        ..BrowserPatch::default()
    };
    stage.sim.patch_browser(id, &offline).unwrap();
    let send = |name: &str, options: Value| json!({"name": name, "subscription": subscription, "payload": name, "options": options});
    let results = stage.send(&[
        send("first", json!({"topic": "score", "TTL": 3600})),
        send(
            "second",
            json!({"topic": "score", "TTL": 3600, "urgency": "high"}),
        ),
        send("short", json!({"TTL": 60, "urgency": "very-low"})),
        send("now", json!({"TTL": 0})),
        send("usual", json!({})),
    ]);
    assert!(
        results.iter().all(|result| result["ok"] == true),
        "{results:?}"
    );
    assert_eq!(results[2]["ttl"], "60");
    assert_eq!(results[4]["ttl"], "2419200", "the client's four weeks");
    let view = stage.sim.browser(id).unwrap();
    let waiting: Vec<_> = view
        .waiting
        .iter()
        .map(|one| (one.topic.as_deref(), one.urgency))
        .collect();
    let expected = [
        (Some("score"), Urgency::High),
        (None, Urgency::VeryLow),
        (None, Urgency::Normal),
    ];
    assert_eq!(waiting, expected);
    stage.sim.advance(Duration::from_secs(61));
    let online = BrowserPatch {
        online: Some(true),
        ..BrowserPatch::default()
    };
    let view = stage.sim.patch_browser(id, &online).unwrap();
    assert_eq!(stage.titles(id), ["second", "usual"]);
    assert_eq!(view.effects[&Effect::Missed], 2);
    let record = &stage.sim.received(&ReceivedFilter::default()).received[1];
    assert_eq!(
        (record.push_type.as_str(), record.collapse_id.as_deref()),
        ("high", Some("score"))
    );
    stage.end();
}

#[test]
fn web_push_reads_every_refusal() {
    let Some(stage) = Stage::new("web-push-refusals") else {
        return;
    };
    let (gone, gone_subscription) = stage.browser(WebPushService::Mozilla);
    let ended = BrowserPatch {
        subscribed: Some(false),
        ..BrowserPatch::default()
    };
    stage.sim.patch_browser(gone, &ended).unwrap();
    let (_, limited) = stage.browser(WebPushService::Fcm);
    let fault = FaultKind::Answer {
        status: 429,
        reason: None,
        timestamp_ms: None,
        retry_after_secs: Some(30),
        body: None,
    };
    let only = FaultFilter {
        app: Some("fcm".into()),
        ..FaultFilter::default()
    };
    stage
        .sim
        .add_fault(Fault {
            only,
            ..fault.into()
        })
        .unwrap();
    let foreign = stage
        .sim
        .make_browsers(&NewBrowsers {
            service: WebPushService::Apple,
            application_server_key: run(&stage.modules, &stage.ca_file, &json!({}))["publicKey"]
                .as_str()
                .map(str::to_owned),
            ..NewBrowsers::default()
        })
        .unwrap()
        .remove(0);
    let (_, wns) = stage.browser(WebPushService::Wns);
    let (_, large) = stage.browser(WebPushService::Apple);
    let results = stage.send(&[
        json!({"name": "gone", "subscription": gone_subscription, "payload": "x"}),
        json!({"name": "limited", "subscription": limited, "payload": "x"}),
        json!({"name": "foreign", "subscription": foreign.subscription, "payload": "x"}),
        json!({"name": "ttl 0", "subscription": wns, "payload": "x", "options": {"TTL": 0}}),
        json!({"name": "large", "subscription": large, "payload": "x".repeat(4000)}),
    ]);
    let [gone, limited, foreign, ttl, large] = &results[..] else {
        panic!("{results:?}")
    };
    for result in &results {
        assert_eq!(result["error"], "WebPushError", "{result}");
    }
    assert_eq!(gone["status"], 410, "{gone}");
    let body: Value = serde_json::from_str(gone["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["errno"], 106);
    assert_eq!(
        (&limited["status"], &limited["retry_after"]),
        (&json!(429), &json!("30"))
    );
    assert_eq!(
        (&foreign["status"], &foreign["body"]),
        (&json!(400), &json!(r#"{"reason":"VapidPkHashMismatch"}"#))
    );
    assert_eq!((&ttl["status"], &ttl["body"]), (&json!(400), &json!("")));
    assert_eq!(
        (&large["status"], &large["body"]),
        (&json!(413), &json!(r#"{"reason":"PayloadTooLarge"}"#))
    );
    stage.end();
}
