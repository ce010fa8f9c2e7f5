//! What rpush and gorush leave behind, brought over: apps and credentials, what waits, what is dead.

use crate::support::{Home, KEY_ID, Ran, TEAM_ID};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

/// rpush's tables as its migrations up to 7.1 make them on SQLite, without those columns that nothing here is about.
const SCHEMA: &str = "
CREATE TABLE rpush_apps (id integer PRIMARY KEY AUTOINCREMENT NOT NULL, name varchar NOT NULL, environment varchar,
    certificate text, password varchar, connections integer DEFAULT 1 NOT NULL, created_at datetime NOT NULL,
    updated_at datetime NOT NULL, type varchar NOT NULL, auth_key varchar, client_id varchar, client_secret varchar,
    access_token varchar, access_token_expiration datetime, apn_key text, apn_key_id varchar, team_id varchar,
    bundle_id varchar, feedback_enabled boolean DEFAULT 1, firebase_project_id varchar, json_key text);
CREATE TABLE rpush_notifications (id integer PRIMARY KEY AUTOINCREMENT NOT NULL, badge integer, device_token varchar,
    sound varchar, alert text, data text, expiry integer DEFAULT 86400, delivered boolean DEFAULT 0 NOT NULL,
    delivered_at datetime, failed boolean DEFAULT 0 NOT NULL, failed_at datetime, error_code integer,
    error_description text, deliver_after datetime, created_at datetime NOT NULL, updated_at datetime NOT NULL,
    type varchar NOT NULL, app_id integer NOT NULL, processing boolean DEFAULT 0 NOT NULL, priority integer);
CREATE TABLE rpush_feedback (id integer PRIMARY KEY AUTOINCREMENT NOT NULL, device_token varchar, failed_at datetime NOT NULL,
    created_at datetime NOT NULL, updated_at datetime NOT NULL, app_id integer);
";

const AT: &str = "2026-01-02 03:04:05.678901";

fn rpush(home: &Home, name: &str, google: &str) {
    let conn = Connection::open(home.path().join(name)).unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    let app = |name: &str, service: &str, columns: &[(&str, &str)]| {
        let kind = format!("Rpush::Client::ActiveRecord::{service}::App");
        let names: String = columns
            .iter()
            .map(|(name, _)| format!(", {name}"))
            .collect();
        let marks: String = (4..4 + columns.len()).map(|n| format!(", ?{n}")).collect();
        let sql = format!(
            "INSERT INTO rpush_apps (name, type, created_at, updated_at{names}) VALUES (?1, ?2, ?3, ?3{marks})"
        );
        let values = [name, &kind, AT]
            .into_iter()
            .chain(columns.iter().map(|(_, value)| *value));
        conn.execute(&sql, rusqlite::params_from_iter(values))
            .unwrap();
    };
    let key = std::fs::read_to_string(home.path().join("key.p8")).unwrap();
    app(
        "shop",
        "Apnsp8",
        &[
            ("environment", "production"),
            ("apn_key", &key),
            ("apn_key_id", KEY_ID),
            ("team_id", TEAM_ID),
            ("bundle_id", "com.example.shop"),
        ],
    );
    app(
        "shop",
        "Fcm",
        &[("json_key", google), ("firebase_project_id", "shop-1")],
    );
    app("Old Android", "Gcm", &[("auth_key", "AAAA-very-secret")]);
    app("kindle", "Adm", &[]);
    let mut notification = conn
        .prepare(
            "INSERT INTO rpush_notifications (device_token, delivered, failed, failed_at, error_code, error_description,
                deliver_after, created_at, updated_at, type, app_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?4, ?4, 'Rpush::Client::ActiveRecord::Apnsp8::Notification', ?8)",
        )
        .unwrap();
    let mut add = |token: &str,
                   delivered: bool,
                   code: Option<i64>,
                   reason: &str,
                   after: Option<&str>,
                   app: i64| {
        let values = params![
            token,
            delivered,
            code.is_some(),
            AT,
            code,
            reason,
            after,
            app
        ];
        notification.execute(values).unwrap();
    };
    add("11aa", true, None, "", None, 1);
    add("22bb", false, None, "", None, 1);
    add("33cc", false, None, "", Some("2999-01-01 09:00:00"), 1);
    add("44dd", false, Some(410), "Unregistered", None, 1);
    add("55ee", false, Some(400), "BadDeviceToken", None, 1);
    add(
        "Xyz",
        false,
        Some(404),
        "Client was not registered for your app. (NOT_FOUND: x)",
        None,
        2,
    );
    add("66ff", false, None, "", None, 99);
    conn.execute_batch(
        "INSERT INTO rpush_feedback (device_token, failed_at, created_at, updated_at, app_id)
            VALUES ('77aa', '2026-02-01 00:00:00', '2026-02-01 00:00:00', '2026-02-01 00:00:00', 1),
                   (NULL, '2026-02-01 00:00:00', '2026-02-01 00:00:00', '2026-02-01 00:00:00', 1);",
    )
    .unwrap();
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(ran.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn fates(report: &Value) -> Vec<(&str, &str)> {
    let rows = report["rpush_apps"].as_array().unwrap().iter();
    rows.map(|row| {
        (
            row["service"].as_str().unwrap(),
            row["fate"].as_str().unwrap(),
        )
    })
    .collect()
}

#[test]
fn an_rpush_database_becomes_apps_and_tells_what_is_left_there() {
    let mut home = Home::new();
    let google = home.simulator.google_url();
    let google = google.trim_start_matches("https://").to_owned();
    let ca_file = home.path().join("ca.pem").display().to_string();
    home.set("FCM__TOKEN_ENDPOINT", google.clone());
    home.set("FCM__ENDPOINT", google);
    home.set("FCM__CA_FILE", ca_file);
    let account = home.simulator.service_account_json("shop-1").unwrap();
    rpush(&home, "rpush.db", &account);
    let server = home.serve();

    let from = ["import", "rpush", "--from", "sqlite:rpush.db"];
    let planned = server.carillon(&[&from[..], &["--dry-run", "--json"]].concat());
    assert_eq!(planned.code, 65, "{planned:?}");
    let plan = report(&planned);
    let expected = [
        ("Apnsp8", "taken"),
        ("Fcm", "taken"),
        ("Gcm", "error"),
        ("Adm", "left out"),
    ];
    assert_eq!(fates(&plan), expected);
    assert_eq!(plan["apps"][1]["state"], "to be made");
    assert_eq!(
        server.json(&["app", "list"])["data"],
        json!([]),
        "a dry run makes nothing"
    );

    let made = server.carillon(&[&from[..], &["--dead", "dead.csv", "--json"]].concat());
    assert_eq!(made.code, 65, "one app and two rows are wrong: {made:?}");
    let told = report(&made);
    let states: Vec<_> = (0..2).map(|at| &told["apps"][at]["credential"]).collect();
    assert_eq!(states, ["apple", "google"]);
    let waiting = json!([{"rpush_app": "shop", "due": 1, "later": 1,
                          "first": "2999-01-01 09:00:00", "last": "2999-01-01 09:00:00"}]);
    assert_eq!(told["waiting"], waiting);
    assert_eq!(told["dead"]["push_tokens"], 3);
    assert_eq!(told["bad_rows"].as_array().unwrap().len(), 2, "{told}");
    assert!(!made.stdout.contains("very-secret") && !made.stdout.contains("PRIVATE KEY"));
    for name in ["apple", "google"] {
        let probed = server.carillon(&["credential", "probe", "shop", name]);
        assert_eq!(probed.code, 0, "{probed:?}");
    }

    // What is dead is left out of the users.
    std::fs::write(
        home.path().join("users.csv"),
        "id,token\n1,22bb\n2,44 DD\n3,77AA\n",
    )
    .unwrap();
    let users = [
        "import",
        "users",
        "--from",
        "users.csv",
        "--app",
        "shop",
        "--gateway",
        "apns",
    ];
    let rest = [
        "--push-token-column",
        "token",
        "--map",
        "user_id=id",
        "--leave-out",
        "dead.csv",
        "--json",
    ];
    let brought = report(&server.carillon(&[&users[..], &rest].concat()));
    let left_out = "the file of --leave-out has their push tokens";
    assert_eq!(
        (&brought["rows"], &brought["left_out"][left_out]),
        (&json!(3), &json!(2)),
        "{brought}"
    );

    let again = server.carillon(&from);
    assert_eq!(again.code, 65, "{again:?}");
    for part in [
        "unchanged",
        "legacy server key",
        "1 wait in rpush to be delivered now",
        "does not push to Adm",
    ] {
        assert!(again.stdout.contains(part), "{part}: {again:?}");
    }
    let other = server.carillon(&["import", "rpush", "--from", "oracle://rpush@db/rpush"]);
    assert_eq!(other.code, 64, "{other:?}");
    std::fs::write(home.path().join("empty.db"), "").unwrap();
    let empty = server.carillon(&["import", "rpush", "--from", "sqlite:empty.db"]);
    assert_eq!(empty.code, 65, "{empty:?}");
    assert!(empty.stderr.contains("rpush_apps"), "{empty:?}");
}

#[test]
fn a_gorush_log_tells_what_failed_and_what_is_dead() {
    let home = Home::new();
    let lines = [
        r#"{"level":"info","msg":"| succeeded-push | ios [aabb] Sale","time":"2026-11-28T09:00:00+09:00"}"#,
        r#"{"level":"error","msg":"{\"type\":\"failed-push\",\"platform\":\"android\",\"token\":\"Xy:z\",\"message\":\"Sale\",\"error\":\"Requested entity was not found.\"}","time":"2026-11-28T09:00:01+09:00"}"#,
        "ERRO[2026/11/28 - 09:00:02] | failed-push | ios [**********cc**********] | Sale | Error Message: Unregistered",
        r#"{"ip":"10.0.0.1","latency":12,"level":"info","method":"POST","msg":"Request","path":"/api/push","status":200,"time":"2026-11-28T09:00:00+09:00"}"#,
    ];
    std::fs::write(home.path().join("gorush.log"), lines.join("\n")).unwrap();
    let run = |args: &[&str]| crate::support::run_in(home.path(), args, &[]);
    let told = run(&[
        "import",
        "gorush-log",
        "gorush.log",
        "--dead",
        "dead.csv",
        "--json",
    ])
    .json();
    assert_eq!(
        told["dead"],
        json!({"push_tokens": 1, "not_named": 1, "file": "dead.csv"})
    );
    assert_eq!(
        told["platforms"][1],
        json!({"platform": "ios", "succeeded": 1, "failed": 1})
    );
    let dead = std::fs::read_to_string(home.path().join("dead.csv")).unwrap();
    assert!(
        dead.contains("Xy:z,fcm,2026-11-28T09:00:01+09:00"),
        "{dead}"
    );
    let people = run(&["import", "gorush-log", "gorush.log"]);
    assert!(people.stdout.contains("log.hide_token"), "{people:?}");
    std::fs::write(home.path().join("bad.log"), "| failed-push | ios aabb\n").unwrap();
    let bad = run(&["import", "gorush-log", "gorush.log", "bad.log"]);
    assert_eq!(bad.code, 65, "{bad:?}");
    assert!(bad.stdout.contains("bad.log line 1: "), "{bad:?}");
    let none = run(&["import", "gorush-log", "dead.csv"]);
    assert_eq!(none.code, 65, "{none:?}");
}
