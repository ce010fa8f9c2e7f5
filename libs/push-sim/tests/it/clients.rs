//! Two clients by other authors, in other languages: both must succeed against the simulator and
//! read its errors as their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use push_sim::{
    AnswerFate, Config, Effect, Environment, Fault, FaultFilter, FaultKind, Host, Mode, NewKey,
    NewPhones, PushTokenKind, ReceivedFilter, Settings, Simulator,
};
use serde_json::{Value, json};

use crate::support::{APP, KEY, TEAM};
use crate::tools;

struct Stage {
    sim: Simulator,
    dir: PathBuf,
    asked: Value,
}

/// A simulator at real time with phones of every fate, and the document for the script.
fn stage(name: &str, mode: Mode) -> Stage {
    let settings = Settings {
        mode,
        ..Settings::default()
    };
    let sim = Simulator::start(Config {
        settings,
        ..Config::default()
    })
    .unwrap();
    let dir = tools::scratch(name);
    let key = NewKey {
        team_id: TEAM.into(),
        key_id: KEY.into(),
        ..NewKey::default()
    };
    let key = sim.register_key(key).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca_file = file("ca.pem", sim.ca_pem());
    let key_file = file("AuthKey.p8", &key.signing_key_pem.unwrap());
    let phone = |app: &str, kind: PushTokenKind, gone_at_ms: Option<i64>| {
        let new = NewPhones {
            app: app.into(),
            environment: Environment::Sandbox,
            kinds: vec![kind],
            installed: gone_at_ms.is_none(),
            gone_at_ms,
            ..NewPhones::default()
        };
        sim.make_phones(&new)
            .unwrap()
            .remove(0)
            .push_tokens
            .remove(&kind)
            .unwrap()
    };
    let alert = phone(APP, PushTokenKind::Alert, None);
    let limited = phone(APP, PushTokenKind::Alert, None);
    let only = FaultFilter {
        push_token: Some(limited.clone()),
        ..FaultFilter::default()
    };
    let fault = FaultKind::Answer {
        status: 400,
        reason: Some("BadExpirationDate".into()),
        timestamp_ms: None,
        retry_after_secs: None,
        body: None,
    };
    sim.add_fault(Fault {
        only,
        ..fault.into()
    })
    .unwrap();
    let asked = json!({
        "host": "127.0.0.1",
        "port": sim.address(Environment::Sandbox, Host::Device).port(),
        "management_port": sim.address(Environment::Sandbox, Host::Management).port(),
        "ca_file": ca_file,
        "key_file": key_file,
        "key_id": KEY,
        "team_id": TEAM,
        "topic": APP,
        "sends": [
            {"name": "first", "push_token": alert},
            {"name": "many", "push_token": alert, "times": 50},
            {"name": "call", "push_token": phone(APP, PushTokenKind::Voip, None),
                "topic": format!("{APP}.voip"), "push_type": "voip"},
            {"name": "gone", "push_token": phone(APP, PushTokenKind::Alert, Some(1_700_000_000_000))},
            {"name": "nobody", "push_token": "ab".repeat(32)},
            {"name": "other app", "push_token": phone("net.example.other", PushTokenKind::Alert, None)},
            {"name": "large", "push_token": alert, "bytes": 4200},
            {"name": "scripted", "push_token": limited},
        ],
    });
    Stage { sim, dir, asked }
}

impl Stage {
    fn run(&self, mut command: Command) -> Vec<Value> {
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}: {}\n{errors}",
                String::from_utf8_lossy(&output.stdout)
            )
        })
    }

    /// What both clients must have made of the device pushes.
    fn check(&self, results: &[Value]) {
        let named = |name: &str| {
            results
                .iter()
                .filter(|r| r["name"] == name)
                .collect::<Vec<_>>()
        };
        for (name, times) in [("first", 1), ("many", 50), ("call", 1)] {
            let all = named(name);
            assert_eq!(all.len(), times, "{name}: {results:?}");
            assert!(
                all.iter().all(|result| result["ok"] == true),
                "{name}: {all:?}"
            );
        }
        for (name, status, reason) in [
            ("gone", 410, "Unregistered"),
            ("nobody", 400, "BadDeviceToken"),
            ("other app", 400, "DeviceTokenNotForTopic"),
            ("large", 413, "PayloadTooLarge"),
            ("scripted", 400, "BadExpirationDate"),
        ] {
            let all = named(name);
            assert_eq!(all.len(), 1, "{name}: {results:?}");
            assert_eq!(all[0]["ok"], false, "{name}: {all:?}");
            assert_eq!(
                (&all[0]["status"], &all[0]["reason"]),
                (&json!(status), &json!(reason))
            );
        }
        assert_eq!(named("gone")[0]["timestamp"], 1_700_000_000_000_i64);
        let counters = self.sim.counters();
        assert_eq!(counters.effects[&Effect::Shown], 51);
        assert_eq!(counters.effects[&Effect::Call], 1);
        assert_eq!(counters.streams_over_limit, 0, "the first push went alone");
        let records = self.sim.received(&ReceivedFilter::default());
        assert!(
            records
                .received
                .iter()
                .all(|record| record.answer == AnswerFate::Answered)
        );
    }

    fn end(self) {
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

#[test]
fn aioapns() {
    let Some(python) = tools::path("PUSH_TEST_PYTHON", "aioapns") else {
        return;
    };
    let stage = stage("aioapns", Mode::Strict);
    let mut command = Command::new(python);
    command
        .arg(script("aioapns_client.py"))
        .arg(stage.asked.to_string());
    let results = stage.run(command);
    stage.check(&results);

    // Its ids are echoed as sent.
    let filter = ReceivedFilter {
        apns_id: results[0]["apns_id"]
            .as_str()
            .and_then(|id| id.parse().ok()),
        ..ReceivedFilter::default()
    };
    assert_eq!(stage.sim.received(&filter).received.len(), 1);
    stage.end();
}

#[test]
fn node_apn() {
    let Some(modules) = tools::path("PUSH_TEST_NODE_MODULES", "@parse/node-apn") else {
        return;
    };
    // Lax, since it sends the method in lower case.
    let mut stage = stage("node-apn", Mode::Lax);
    stage.asked["channels"] = json!(true);
    let mut command = Command::new("node");
    command
        .arg(script("node_apn_client.mjs"))
        .arg(modules)
        .arg(stage.asked.to_string());
    let results = stage.run(command);
    stage.check(&results);
    for name in ["create", "broadcast", "list", "delete"] {
        let result = results.iter().find(|r| r["name"] == name).unwrap();
        assert_eq!(result["ok"], true, "{result}");
    }
    let list = results.iter().find(|r| r["name"] == "list").unwrap();
    assert_eq!(list["channels"].as_array().unwrap().len(), 1);
    let late = results.iter().find(|r| r["name"] == "late").unwrap();
    assert_eq!(late["reason"], "ChannelNotRegistered", "{late}");
    stage.end();
}
