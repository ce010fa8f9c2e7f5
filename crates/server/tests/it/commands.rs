//! The commands against a running server.

use crate::receiver::{Receiver, Reply};
use crate::support::Home;
use serde_json::json;

#[test]
fn import_reports_bad_rows_by_their_line() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    std::fs::write(
        home.path().join("rows.csv"),
        "id,user_id,push_token\na,u,00aa\nb,u,nonsense\nc,,00bb\nd e,u,00cc\n",
    )
    .unwrap();
    let ran = server.carillon(&["device", "import", "rows.csv", "--app", "shop"]);
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(ran.stdout.contains("2 refused"), "{ran:?}");
    assert!(
        ran.stdout.contains("line 3:") && ran.stdout.contains("line 5:"),
        "{ran:?}"
    );
    let wrong = "{\"id\":\"g\",\"locale\":\"?\",\"time_zone\":\"Asia/Soul\"}\n";
    std::fs::write(home.path().join("wrong.ndjson"), wrong).unwrap();
    let ran = server.carillon(&["device", "import", "wrong.ndjson", "--app", "shop"]);
    assert!(
        ran.stdout.contains("/time_zone: expected") && ran.stdout.contains("/locale: expected"),
        "each field, not how many: {ran:?}"
    );
    std::fs::write(
        home.path().join("rows.ndjson"),
        "{\"id\":\"e\"}\n{\"idd\":\"f\"}\n",
    )
    .unwrap();
    let ran = server.carillon(&["device", "import", "rows.ndjson", "--app", "shop", "--json"]);
    assert_eq!(ran.code, 65, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    assert_eq!(
        (&report["registered"], &report["problems"][0]["line"]),
        (&json!(1), &json!(2))
    );
    let listed = server.json(&["device", "list", "--app", "shop"]);
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
}

#[test]
fn a_users_preferences_and_badge_are_set_and_shown() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let preferences = ["user", "preferences", "ann", "--app", "shop"];
    let change = ["--off", "ads", "--quiet-hours", "22:00-08:00"];
    let put = server.json(&[&preferences[..], &change[..]].concat());
    assert_eq!(put["effective"], json!({"ads": false}), "{put}");
    let shown = server.carillon(&preferences);
    for part in ["22:00 to 08:00", "ads", "off"] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let wrong = server.carillon(&[&preferences[..], &["--quiet-hours", "22:00-22:00"]].concat());
    assert_eq!(wrong.code, 65, "{wrong:?}");
    let gone = server.json(&[&preferences[..], &["--forget"]].concat());
    assert_eq!(gone["quiet_hours"], json!(null));
    let badge = ["user", "badge", "ann", "--app", "shop"];
    let set = server.json(&[&badge[..], &["--set", "3"]].concat());
    assert_eq!(set, server.json(&badge));
    assert_eq!(set["badge"], 3);
}

#[test]
fn devices_go_into_a_file_and_come_back() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    for n in 1..4 {
        let ran = server.carillon(&[
            "device",
            "put",
            &format!("d{n}"),
            "--app",
            "shop",
            "--user",
            "ann",
            "--platform",
            "ios",
            "--tag",
            "a|b",
            "--topic",
            "news",
            "--attribute",
            "trips=3",
            "--capability",
            "voip_call_ui",
            "--push-token",
            &format!("00a{n}"),
            "--push-token",
            &format!("fcm=token:{n}"),
        ]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let view = || {
        let listed = server.json(&["device", "list", "--app", "shop", "--topic", "news"]);
        let mut devices = listed["data"].as_array().unwrap().clone();
        for device in &mut devices {
            device["created_at"] = json!(null);
            device["last_seen_at"] = json!(null);
            for push_token in device["push_tokens"].as_array_mut().unwrap() {
                push_token["registered_at"] = json!(null);
                push_token["generation"] = json!(null);
            }
        }
        devices
    };
    let before = view();
    assert_eq!(before.len(), 3);
    assert_eq!(before[0]["attributes"], json!({"trips": 3}));
    assert_eq!(before[0]["capabilities"], json!(["voip_call_ui"]));
    for (file, told) in [("all.ndjson", ("devices", 3)), ("all.csv", ("rows", 6))] {
        let export = ["device", "export", file, "--app", "shop", "--push-tokens"];
        assert_eq!(server.json(&export)[told.0], told.1);
        assert_ne!(server.carillon(&export).code, 0, "nothing is written over");
        for n in 1..4 {
            server.json(&["device", "delete", &format!("d{n}"), "--app", "shop"]);
        }
        let imported = server.json(&["device", "import", file, "--app", "shop"]);
        assert_eq!(imported["refused"], 0);
        assert_eq!(view(), before, "{file}");
    }
    let stats = server.json(&["device", "stats", "--app", "shop"]);
    assert_eq!(stats["total"], 3);
    server.json(&[
        "device",
        "delete",
        "d1",
        "--push-token",
        "fcm",
        "--app",
        "shop",
    ]);
    let left = server.json(&["device", "show", "d1", "--app", "shop"]);
    assert_eq!(left["push_tokens"].as_array().unwrap().len(), 1);
}

/// What runs on phones and in pages: a publishable key, a signed user id, a device of its own.
#[test]
fn an_app_registers_itself_with_what_the_commands_made() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    std::fs::write(
        home.path().join("secret"),
        "0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    let set = server.json(&[
        "identity-key",
        "put",
        "main",
        "--app",
        "shop",
        "--secret-file",
        "secret",
    ]);
    assert_eq!(set["algorithm"], "HS256");
    let made = server.json(&[
        "keys", "create", "app", "--app", "shop", "--scope", "register",
    ]);
    let key = made["secret"].as_str().unwrap();
    assert!(key.starts_with("crl_pub_"));
    let id = "5b1c0e9e-3d0b-4f4e-9a57-2f1d6b7a1c11";
    let put = [
        "device",
        "put",
        id,
        "--app",
        "shop",
        "--platform",
        "ios",
        "--api-key",
        key,
    ];
    assert_eq!(server.carillon(&put).code, 0);
    let again = server.carillon(&put);
    assert_eq!(again.code, 77, "another device, for all we know: {again:?}");
    let user = server.carillon(&[&put[..], &["--user", "ann"]].concat());
    assert_eq!(user.code, 65, "{user:?}");
    let listed = server.carillon(&["device", "list", "--app", "shop", "--api-key", key]);
    assert_eq!(listed.code, 77, "{listed:?}");
    server.json(&["identity-key", "delete", "main", "--app", "shop"]);
    let none = server.json(&["identity-key", "list", "--app", "shop"]);
    assert_eq!(none["data"], json!([]));
}

#[test]
fn explain_tells_the_gateways_words_the_rule_and_the_mend() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    let gone = push_sim::PhonePatch {
        installed: Some(false),
        ..push_sim::PhonePatch::default()
    };
    home.simulator.patch_phone(1, &gone).unwrap();
    let sent = server.json(&[
        "send", "shop", "--device", "phone-1", "--body", "hello", "--wait",
    ]);
    assert_eq!(sent["deliveries"]["rejected"], 1, "{sent}");
    let id = sent["id"].as_str().unwrap();
    let shown = server.json(&["notification", "show", id, "--app", "shop", "--deliveries"]);
    let delivery = shown["delivery_list"][0]["id"].as_str().unwrap();
    let story = server.carillon(&["explain", delivery]);
    assert_eq!(story.code, 0, "{story:?}");
    for part in ["410", "Unregistered", "The rule", "What to do", "phone-1"] {
        assert!(story.stdout.contains(part), "{part}: {}", story.stdout);
    }
    let device = server.json(&["device", "show", "phone-1", "--app", "shop"]);
    assert!(
        device["push_tokens"][0]["retired_at"].is_string(),
        "{device}"
    );
    let unknown = server.carillon(&["explain", "dlv_1_1"]);
    assert_eq!(unknown.code, 66, "{unknown:?}");
    let nonsense = server.carillon(&["explain", "nonsense"]);
    assert_eq!(nonsense.code, 64, "{nonsense:?}");
    assert!(nonsense.stderr.contains("dlv_"), "{nonsense:?}");
}

#[test]
fn refusals_have_words_and_codes() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let nobody = server.carillon(&["send", "shop", "--device", "nobody", "--body", "x"]);
    assert_eq!(nobody.code, 65, "{nobody:?}");
    assert!(
        nobody.stderr.contains("target.unknown_device"),
        "{nobody:?}"
    );
    let unknown = server.carillon(&["app", "show", "nowhere"]);
    assert_eq!(unknown.code, 66, "{unknown:?}");
    let stranger = server.carillon(&["app", "list", "--api-key", "crl_admin_wrong"]);
    assert_eq!(stranger.code, 77, "{stranger:?}");
    let created = server.json(&["keys", "create", "reader", "--scope", "read"]);
    let reader = created["secret"].as_str().unwrap();
    let forbidden = server.carillon(&["backup", "copy.db", "--api-key", reader]);
    assert_eq!(forbidden.code, 77, "{forbidden:?}");
    let id = created["id"].as_str().unwrap();
    server.json(&["keys", "revoke", id]);
    assert_eq!(
        server.carillon(&["app", "list", "--api-key", reader]).code,
        77
    );
}

#[test]
fn one_key_that_may_send_takes_an_incident_in_hand() {
    let home = Home::new();
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    let add = ["monitor", "add", "job", "heartbeat:1d", "--app", "shop"];
    server.json(&add);
    let shown = server.json(&["monitor", "show", "job", "--app", "shop"]);
    let url = shown["heartbeat_url"].as_str().unwrap();
    let made = server.json(&["keys", "create", "on-call", "--scope", "send"]);
    let key = made["secret"].as_str().unwrap();
    let ack = ["monitor", "ack", "job", "--app", "shop", "--by", "ann"];
    let ack = || server.carillon(&[&ack[..], &["--api-key", key]].concat());
    let none = ack();
    assert_eq!(none.code, 65, "{none:?}");
    assert!(none.stderr.contains("no incident that is open"), "{none:?}");
    let (status, _) = server.call("POST", &format!("{url}/fail"), None, &json!("full"));
    assert_eq!(status, 204);
    for _ in 0..2 {
        let taken = ack();
        assert_eq!(taken.code, 0, "also said again: {taken:?}");
        assert!(taken.stdout.contains("ann is on it"), "{taken:?}");
    }
}

#[test]
fn a_monitor_rests_and_goes_on() {
    let home = Home::new();
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    let add = ["monitor", "add", "job", "heartbeat:1d", "--app", "shop"];
    server.json(&[&add[..], &["--tag", "night"]].concat());
    let made = server.json(&["monitor", "show", "job", "--app", "shop"]);
    let url = made["heartbeat_url"].as_str().unwrap();
    let beat = |end: &str| {
        let path = format!("{url}{end}");
        server.call("POST", &path, None, &json!("full")).0
    };
    let switch = |word: &str| server.carillon(&["monitor", word, "job", "--app", "shop"]);
    let switched = |word: &str| server.json(&["monitor", word, "job", "--app", "shop"]);

    assert_eq!(beat("/fail"), 204);
    let rests = switch("pause");
    assert_eq!(rests.code, 0, "{rests:?}");
    let said = "job rests; its incident 1 is closed\n";
    assert_eq!(rests.stdout, said, "{rests:?}");
    assert_eq!(beat(""), 409);
    let again = switch("pause");
    assert_eq!((again.code, &*again.stdout), (0, "job rests\n"));
    let paused = switched("pause");
    let mut definition = made["definition"].clone();
    definition["paused"] = json!(true);
    assert_eq!(
        (&paused["definition"], &paused["version"]),
        (&definition, &json!(2))
    );
    let shown = server.carillon(&["monitor", "show", "job", "--app", "shop"]);
    assert!(shown.stdout.contains("paused "), "{shown:?}");

    let goes_on = switched("resume");
    assert_eq!(
        (&goes_on["definition"], &goes_on["version"]),
        (&made["definition"], &json!(3))
    );
    assert_eq!(beat(""), 204);
    let again = switch("resume");
    assert_eq!((again.code, &*again.stdout), (0, "job goes on\n"));

    let unknown = server.carillon(&["monitor", "pause", "jop", "--app", "shop"]);
    assert_eq!(unknown.code, 66, "{unknown:?}");
    let key = server.json(&["keys", "create", "reader", "--scope", "read"]);
    let key = key["secret"].as_str().unwrap();
    let pause = ["monitor", "pause", "job", "--app", "shop", "--api-key", key];
    assert_eq!(server.carillon(&pause).code, 77);
    assert_eq!(beat(""), 204, "it did not rest");
}

#[test]
fn a_monitor_is_given_maintenance_and_keeps_the_rest() {
    let home = Home::new();
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    // It rests, so that nothing is asked.
    let http = json!({"url": "https://shop.example.com/", "headers": {"x-key": "secret"}});
    let web = json!({"check": {"http": http}, "tags": ["web"], "paused": true});
    std::fs::write(home.path().join("web.json"), web.to_string()).unwrap();
    let mut definition =
        server.json(&["monitor", "put", "web.json", "--app", "shop"])["definition"].take();
    let command = ["monitor", "maintenance", "web", "--app", "shop"];
    let told = |args: &[&str]| server.carillon(&[&command[..], args].concat());
    let windows = |args: &[&str]| server.json(&[&command[..], args].concat())["definition"].take();

    assert_eq!(told(&[]).stdout, "none\n");
    let zone = "Europe/Berlin";
    let weekly = ["--cron", "0 22 * * FRI", "--for", "9h", "--time-zone", zone];
    let added = told(&weekly);
    assert_eq!(added.code, 0, "{added:?}");
    for part in ["version 2", "0 22 * * FRI", "9h", zone] {
        assert!(added.stdout.contains(part), "{part}: {added:?}");
    }
    let (from, until) = ("2030-12-01T22:00:00Z", "2030-12-02T02:00:00Z");
    let weekly = json!({"cron": "0 22 * * FRI", "lasts": "9h", "time_zone": zone});
    let once = json!({"from": from, "until": until});
    definition["maintenance"] = json!([weekly, once]);
    assert_eq!(windows(&["--from", from, "--until", until]), definition);

    let wrong = told(&["--from", until, "--until", from]);
    assert_eq!(wrong.code, 65, "{wrong:?}");
    assert!(wrong.stderr.contains("/maintenance/2/until"), "{wrong:?}");
    let wrong = told(&["--remove", "3"]);
    assert_eq!(wrong.code, 66, "{wrong:?}");
    assert!(wrong.stderr.contains("expected 1 to 2"), "{wrong:?}");
    assert_eq!(told(&["--until", "tomorow 10:00"]).code, 64);

    definition["maintenance"] = json!([once]);
    assert_eq!(windows(&["--remove", "1"]), definition);
    assert_eq!(windows(&[]), definition);
    let now = windows(&["--for", "2h"])["maintenance"][1].take();
    assert!(now["from"].is_string() && now["until"].is_string(), "{now}");
    let cleared = told(&["--clear"]);
    assert!(cleared.stdout.ends_with("none\n"), "{cleared:?}");
    assert_eq!(windows(&[])["maintenance"], json!(null));
}

/// The API stores without a condition, so that it can only be told.
#[test]
fn a_change_that_takes_the_place_of_somebody_elses_is_told() {
    let read = r#"{"version": 3, "created_at": "a", "definition": {"check": {"heartbeat": {"period": "1d"}}}}"#;
    let stored = r#"{"version": 5, "created_at": "a", "definition": {}}"#;
    let server = Receiver::start(&[Reply::Says(read), Reply::Says(stored)]);
    let directory = tempfile::tempdir().unwrap();
    let url = server.url();
    let pause = ["monitor", "pause", "web", "--app", "shop", "--url", &url];
    let ran = crate::support::run_in(directory.path(), &pause, &[]);
    assert_eq!(ran.code, 65, "{ran:?}");
    for part in ["somebody else", "version 3 was read, 5 is stored"] {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    let expected = json!({"check": {"heartbeat": {"period": "1d"}}, "paused": true});
    assert_eq!(server.calls()[1].json(), expected);
}

#[test]
fn a_backup_is_restored_and_a_new_master_key_opens_everything() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    let before = server.json(&["backup", "copy.db"]);
    assert!(before["bytes"].as_u64().unwrap() > 0);
    let twice = server.carillon(&["backup", "copy.db"]);
    assert_eq!(
        twice.code, 65,
        "an existing file is not overwritten: {twice:?}"
    );
    server.json(&["app", "delete", "shop"]);
    assert_eq!(server.stop(), 0);

    let database = home.database();
    let env = [("CARILLON_STORE__PATH", database.to_str().unwrap())];
    let restored = crate::support::run_in(home.path(), &["restore", "copy.db", "--json"], &env);
    assert_eq!(restored.json()["from"], "copy.db");
    let server = home.serve();
    let rotated = server.json(&["keys", "rotate-master"]);
    assert!(rotated["resealed"].as_u64().unwrap() >= 1, "{rotated}");
    assert_eq!(server.stop(), 0);
    let server = home.serve();
    let sent = server.json(&[
        "send", "shop", "--device", "phone-1", "--body", "again", "--wait",
    ]);
    assert_eq!(sent["deliveries"]["accepted"], 1, "{sent}");
}

#[test]
fn a_cancelled_notification_is_not_sent() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    home.simulator
        .add_fault(push_sim::FaultKind::RefuseConnection)
        .unwrap();
    let sent = server.json(&["send", "shop", "--device", "phone-1", "--body", "no"]);
    let id = sent["id"].as_str().unwrap();
    let cancelled = server.json(&["notification", "cancel", id, "--app", "shop"]);
    assert_eq!(
        (&cancelled["status"], &cancelled["not_sent"]),
        (&json!("cancelled"), &json!(1))
    );
    home.simulator.clear_faults();
    let later = server.json(&[
        "send", "shop", "--device", "phone-1", "--body", "yes", "--wait",
    ]);
    assert_eq!(later["deliveries"]["accepted"], 1, "{later}");
    assert_eq!(home.simulator.counters().answered.get(&200), Some(&1));
    let id = later["id"].as_str().unwrap();
    let late = server.carillon(&["notification", "cancel", id, "--app", "shop"]);
    assert!(
        late.stdout
            .contains("is completed: 0 not sent, 1 sent before"),
        "{late:?}"
    );
    let shown = server.json(&["notification", "show", id, "--app", "shop"]);
    assert_eq!(shown["status"], "completed", "{shown}");
}

#[test]
fn a_lost_admin_key_is_recovered_while_no_server_runs() {
    let home = Home::new();
    let server = home.serve();
    let database = home.database();
    let env = [("CARILLON_STORE__PATH", database.to_str().unwrap())];
    let busy = crate::support::run_in(home.path(), &["keys", "recover-admin"], &env);
    assert_eq!(busy.code, 75, "{busy:?}");
    assert_eq!(server.stop(), 0);
    let made =
        crate::support::run_in(home.path(), &["keys", "recover-admin", "--json"], &env).json();
    let server = home.serve();
    let listed = server.carillon(&["app", "list", "--api-key", made["secret"].as_str().unwrap()]);
    assert_eq!(listed.code, 0, "{listed:?}");
}

/// Only its hash would be left in the store, and nobody could use it.
#[test]
fn an_admin_key_that_cannot_be_written_is_not_made() {
    let home = Home::new();
    let file = home.path().join("taken.key");
    std::fs::write(&file, "another").unwrap();
    let serve = |home: &Home| {
        home.serve_command()
            .args(["--admin-key-file", "taken.key"])
            .output()
            .unwrap()
    };
    let output = serve(&home);
    assert_eq!(output.status.code(), Some(73), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("taken.key"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "another");
    // The next start is still the first.
    let server = home.serve();
    assert_eq!(server.carillon(&["app", "list"]).code, 0);
}
