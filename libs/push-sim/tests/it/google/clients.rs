//! `firebase-admin`, a client by other authors: it must succeed against the simulator and read its
//! errors as its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use push_sim::{
    AnswerFate, Config, Effect, Fault, FaultFilter, FaultKind, FcmSettings, Host, NewFcmPhones,
    Platform, ReceivedFilter, Settings, Simulator,
};
use serde_json::{Value, json};

use super::stage::PROJECT;
use crate::tools;

/// A simulator at real time, its key file and the certificate to trust.
struct Desk {
    sim: Simulator,
    dir: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Desk {
        let sim = Simulator::start(Config {
            settings: Settings {
                fcm: FcmSettings {
                    // Its transport would really wait for as long.
                    retry_after_secs: None,
                    ..FcmSettings::default()
                },
                ..Settings::default()
            },
            ..Config::default()
        })
        .unwrap();
        let dir = tools::scratch(name);
        std::fs::write(dir.join("ca.pem"), sim.ca_pem()).unwrap();
        let key_file = sim.service_account_json(PROJECT).unwrap();
        std::fs::write(dir.join("account.json"), key_file).unwrap();
        Desk { sim, dir }
    }

    fn phone(&self, new: NewFcmPhones) -> (u32, String) {
        let project = match new.project.as_str() {
            "" => PROJECT.to_owned(),
            other => other.to_owned(),
        };
        let made = self.sim.make_fcm_phones(&NewFcmPhones { project, ..new });
        let phone = made.unwrap().remove(0);
        (phone.id, phone.registration_token)
    }

    /// For sends to one registration, an answer of the script's.
    fn script(&self, registration: &str, status: u16, reason: &str, count: Option<u64>) {
        let kind = FaultKind::Answer {
            status,
            reason: Some(reason.into()),
            timestamp_ms: None,
            retry_after_secs: None,
            body: None,
        };
        let fault = Fault {
            only: FaultFilter {
                push_token: Some(registration.into()),
                ..FaultFilter::default()
            },
            count,
            ..kind.into()
        };
        self.sim.add_fault(fault).unwrap();
    }

    fn run(&self, python: &Path, steps: &Value) -> Vec<Value> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/firebase_admin_client.py");
        let asked = json!({
            "url": self.sim.google_url(),
            "key_file": self.dir.join("account.json"),
            "steps": steps,
        });
        let output = Command::new(python)
            .arg(script)
            .arg(asked.to_string())
            .env("REQUESTS_CA_BUNDLE", self.dir.join("ca.pem"))
            .env("SSL_CERT_FILE", self.dir.join("ca.pem"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let said = String::from_utf8_lossy(&output.stdout);
            panic!("{error}: {said}\n{errors}")
        })
    }

    fn end(self) {
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

fn named<'a>(results: &'a [Value], name: &str) -> Vec<&'a Value> {
    results.iter().filter(|one| one["name"] == name).collect()
}

#[test]
fn firebase_admin_sends_and_is_believed() {
    let Some(python) = tools::path("PUSH_TEST_PYTHON", "firebase-admin") else {
        return;
    };
    let desk = Desk::new("firebase-admin");
    let (android, token) = desk.phone(NewFcmPhones::default());
    let (iphone, ios_token) = desk.phone(NewFcmPhones {
        platform: Platform::Ios,
        ..NewFcmPhones::default()
    });
    let message = json!({"token": token, "data": {"order": "17"},
        "notification": {"title": "Hi", "body": "Order 17"},
        "android": {"priority": "high", "ttl": 3.5, "collapse_key": "orders", "notification":
            {"channel_id": "c1", "color": "#00ff7f", "tag": "t", "priority": "high",
             "visibility": "public", "vibrate_timings_millis": [0, 250]}}});
    let many: Vec<_> = (0..120)
        .map(|n| json!({"token": token, "data": {"n": n.to_string()}}))
        .collect();
    let steps = json!([
        {"name": "one", "call": "send", "message": message},
        {"name": "iphone", "call": "send", "message":
            {"token": ios_token, "apns_alert": {"title": "T", "body": "B"}}},
        {"name": "dry", "call": "send", "message": message, "dry_run": true},
        {"name": "each", "call": "send_each", "messages": [message, message]},
        {"name": "http2", "call": "send_each_async", "messages": many},
        {"name": "subscribe", "call": "subscribe", "tokens": [token, "nobody"], "topic": "news"},
        {"name": "again", "call": "subscribe_async", "tokens": [token], "topic": "news"},
        {"name": "batch", "call": "batch_add", "tokens": [ios_token, "nobody"], "topic": "news"},
        {"name": "topic", "call": "send", "message": {"topic": "news", "data": {"n": "topic"}}},
        {"name": "condition", "call": "send", "message":
            {"condition": "'news' in topics && !('old' in topics)", "data": {"n": "condition"}}},
        {"name": "unsubscribe", "call": "unsubscribe", "tokens": [token], "topic": "news"},
        {"name": "left", "call": "unsubscribe", "tokens": [token], "topic": "news"},
    ]);
    let results = desk.run(&python, &steps);
    for (name, times) in [
        ("one", 1),
        ("iphone", 1),
        ("dry", 1),
        ("each", 2),
        ("http2", 120),
        ("again", 1),
        ("topic", 1),
        ("condition", 1),
        ("unsubscribe", 1),
        ("left", 1),
    ] {
        let all = named(&results, name);
        assert_eq!(all.len(), times, "{name}: {results:?}");
        assert!(all.iter().all(|one| one["ok"] == true), "{name}: {all:?}");
    }
    let id = named(&results, "one")[0]["id"].as_str().unwrap();
    assert!(id.starts_with("projects/pager-1/messages/"), "{id}");
    assert!(
        named(&results, "dry")[0]["id"]
            .as_str()
            .unwrap()
            .ends_with("fake_message_id")
    );
    let expected = json!([{"index": 1, "reason": "NOT_FOUND"}]);
    assert_eq!(named(&results, "subscribe")[0]["errors"], expected);
    let expected = json!([{"index": 1, "reason": "INVALID_ARGUMENT"}]);
    assert_eq!(named(&results, "batch")[0]["errors"], expected);

    let view = desk.sim.fcm_phone(android).unwrap();
    assert_eq!(
        view.effects[&Effect::Replaced],
        2,
        "the tag of one and each"
    );
    assert_eq!(view.effects[&Effect::Woken], 122, "http2, topic, condition");
    let shown = view.shown.iter().find(|one| one.title.is_some());
    assert!(shown.is_none_or(|one| one.tag.as_deref() == Some("t")));
    let view = desk.sim.fcm_phone(iphone).unwrap();
    assert_eq!(view.shown[0].title.as_deref(), Some("T"));
    assert_eq!(view.effects[&Effect::Woken], 2, "topic, condition");
    assert_eq!(desk.sim.counters().access_tokens, 1, "one bearer for all");
    assert_eq!(desk.sim.counters().streams_over_limit, 0);
    let sends = desk.sim.received(&ReceivedFilter {
        host: Some(Host::Fcm),
        ..ReceivedFilter::default()
    });
    let by = |http2: bool| {
        sends
            .received
            .iter()
            .filter(|one| (one.stream > 0) == http2)
            .count()
    };
    assert!(by(true) >= 120 && by(false) >= 5, "both protocols");
    assert!(
        sends
            .received
            .iter()
            .all(|one| one.answer == AnswerFate::Answered)
    );
    desk.end();
}

#[test]
fn firebase_admin_reads_errors_as_its_own() {
    let Some(python) = tools::path("PUSH_TEST_PYTHON", "firebase-admin") else {
        return;
    };
    let desk = Desk::new("firebase-admin-errors");
    let gone = NewFcmPhones {
        installed: false,
        ..NewFcmPhones::default()
    };
    let foreign = NewFcmPhones {
        project: "pager-2".into(),
        ..NewFcmPhones::default()
    };
    let fine = || desk.phone(NewFcmPhones::default()).1;
    let (limited, busy, broken, apple, flaky) = (fine(), fine(), fine(), fine(), fine());
    desk.script(&limited, 429, "QUOTA_EXCEEDED", None);
    desk.script(&busy, 429, "RATE_LIMIT_EXCEEDED", None);
    desk.script(&broken, 502, "HTML", None);
    desk.script(&apple, 401, "THIRD_PARTY_AUTH_ERROR", None);
    desk.script(&flaky, 503, "UNAVAILABLE", Some(1));
    let to = |name: &str, token: &str| json!({"name": name, "call": "send", "message": {"token": token, "data": {"a": "b"}}});
    let steps = json!([
        to("unregistered", &desk.phone(gone).1),
        to("mismatch", &desk.phone(foreign).1),
        to("invalid", "nobody"),
        to("quota", &limited),
        to("rate", &busy),
        to("html", &broken),
        to("apple", &apple),
        to("flaky", &flaky),
        {"name": "reserved", "call": "send", "message": {"token": flaky, "data": {"from": "x"}}},
        {"name": "large", "call": "send", "message":
            {"topic": "news", "data": {"a": "x".repeat(2048)}}},
        {"name": "http2", "call": "send_each_async", "messages":
            [{"token": "nobody", "data": {"a": "b"}}]},
    ]);
    let results = desk.run(&python, &steps);
    for (name, error, status) in [
        ("unregistered", "UnregisteredError", 404),
        ("mismatch", "SenderIdMismatchError", 403),
        ("invalid", "InvalidArgumentError", 400),
        ("quota", "QuotaExceededError", 429),
        ("rate", "ResourceExhaustedError", 429),
        ("apple", "ThirdPartyAuthError", 401),
        ("reserved", "InvalidArgumentError", 400),
        ("large", "InvalidArgumentError", 400),
        ("http2", "InvalidArgumentError", 400),
    ] {
        let all = named(&results, name);
        assert_eq!(all.len(), 1, "{name}: {results:?}");
        assert_eq!(all[0]["error"], error, "{name}: {all:?}");
        assert_eq!(all[0]["status"], status, "{name}: {all:?}");
    }
    assert_eq!(named(&results, "html")[0]["status"], 502);
    assert_eq!(
        named(&results, "flaky")[0]["ok"],
        true,
        "its own retry: {results:?}"
    );
    desk.end();
}

#[test]
fn a_revoked_key_is_told_by_google_auth() {
    let Some(python) = tools::path("PUSH_TEST_PYTHON", "firebase-admin") else {
        return;
    };
    let desk = Desk::new("firebase-admin-revoked");
    let (_, token) = desk.phone(NewFcmPhones::default());
    let removed = desk
        .sim
        .remove_service_account("push@pager-1.iam.gserviceaccount.com", None);
    assert!(removed);
    let steps = json!([{"name": "one", "call": "send", "message": {"token": token}}]);
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/firebase_admin_client.py");
    let asked = json!({
        "url": desk.sim.google_url(),
        "key_file": desk.dir.join("account.json"),
        "steps": steps,
    });
    let output = Command::new(python)
        .arg(script)
        .arg(asked.to_string())
        .env("REQUESTS_CA_BUNDLE", desk.dir.join("ca.pem"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("invalid_grant") && said.contains("account not found"),
        "{said}"
    );
    desk.end();
}
