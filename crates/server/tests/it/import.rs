//! What another push system has, brought over: its INI file, its users table, OneSignal's export.

use crate::support::{Home, PATIENCE, Ran, Server, run_in};
use carillon_store_sql::Host;
use carillon_store_sql::testing::Scratch;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The old server's file: one app at Apple, one at Google, and what is not an app.
const INI: &str = "\
; push server
[DEFAULT]
environment = production

[Shop]
push_type = APNs
bundle_id = com.example.shop
auth_key_path = key.p8
key_id: TESTKEY001
Team_ID: TESTTEAM01

[Shop Android]
push_type = FCM
bundel_id = com.example.shop
api_key = AAAA-very-secret

[Database]
host = db.example.com
port = 3306
user = push
password = 100%-secret
database = push

[Server]
protocol = HTTPS
batch_size = 1000
";
/// The columns of the old table: the push token is the seventh.
const HEADER: &str = "id,name,mail,locale,plan,age,token\n";

/// A home whose server also speaks to Google's side.
fn home() -> Home {
    let mut home = Home::new();
    let google = home.simulator.google_url();
    let google = google.trim_start_matches("https://").to_owned();
    let ca_file = home.path().join("ca.pem").display().to_string();
    home.set("FCM__TOKEN_ENDPOINT", google.clone());
    home.set("FCM__ENDPOINT", google);
    home.set("FCM__CA_FILE", ca_file);
    home
}

fn write(home: &Home, name: &str, text: &str) {
    std::fs::write(home.path().join(name), text).unwrap();
}

/// The one JSON document of a command, whatever its exit code.
fn report(ran: &Ran) -> Value {
    serde_json::from_str(ran.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn devices(server: &Server<'_>, app: &str) -> Vec<Value> {
    let all = server.json(&["device", "list", "--app", app, "--limit", "100000"]);
    all["data"].as_array().unwrap().clone()
}

#[test]
fn the_old_servers_file_becomes_apps_with_credentials() {
    let home = home();
    write(&home, "push.ini", INI);
    let account = home.simulator.service_account_json("shop-android").unwrap();
    write(&home, "google.json", &account);
    let server = home.serve();

    let planned = server.carillon(&["import", "ini", "push.ini", "--dry-run"]);
    assert_eq!(planned.code, 65, "{planned:?}");
    assert!(planned.stdout.contains("to be made"), "{planned:?}");
    let apps = server.json(&["app", "list"]);
    assert_eq!(apps["data"], json!([]), "a dry run makes nothing");

    let refused = server.carillon(&["import", "ini", "push.ini"]);
    assert_eq!(refused.code, 65, "{refused:?}");
    for part in [
        "a legacy FCM server key",
        "HTTP v1 with a service account replaced it",
        "--service-account 'Shop Android=FILE.json'",
        "did you mean `bundle_id`",
        "slice size of campaigns",
        "the credential's environment production",
        "carillon import users --from 'mysql://push@db.example.com:3306/push' --database-password-file FILE --database-tls verify-full --app shop ",
    ] {
        assert!(refused.stdout.contains(part), "{part}: {}", refused.stdout);
    }
    let apps = server.json(&["app", "list"]);
    assert_eq!(apps["data"].as_array().unwrap().len(), 1, "{apps}");

    // A credential that only the server can judge is told of, and ends nothing else.
    let other = account.replace("shop-android", "x");
    write(&home, "other.json", &other);
    let other = "Shop Android=other.json";
    let judged = server.carillon(&["import", "ini", "push.ini", "--service-account", other]);
    assert_eq!(judged.code, 65, "{judged:?}");
    assert!(
        judged
            .stdout
            .contains("[Shop Android]: /service_account: project id"),
        "{judged:?}"
    );
    server.json(&["app", "delete", "shop-android"]);

    let whole = [
        "import",
        "ini",
        "push.ini",
        "--service-account",
        "Shop Android=google.json",
        "--app",
        "Shop Android=android",
    ];
    let made = server.json(&whole);
    let state = |made: &Value, at: usize| {
        let app = &made["apps"][at];
        ["app", "state", "credential", "credential_state"]
            .map(|name| app[name].as_str().unwrap().to_owned())
    };
    assert_eq!(state(&made, 0), ["shop", "unchanged", "apple", "unchanged"]);
    assert_eq!(state(&made, 1), ["android", "made", "google", "made"]);
    let before = server.json(&["credential", "list", "shop"]);
    let shown = &before["data"][0];
    assert_eq!(
        (&shown["environments"], &shown["topics"], &shown["key_id"]),
        (
            &json!(["production"]),
            &json!(["com.example.shop"]),
            &json!("TESTKEY001")
        )
    );
    server.json(&["app", "put", "shop", "--name", "Renamed", "--weight", "7"]);
    let again = server.json(&whole);
    for at in 0..2 {
        let [_, app, _, credential] = state(&again, at);
        assert_eq!(
            (app.as_str(), credential.as_str()),
            ("unchanged", "unchanged")
        );
    }
    assert_eq!(before, server.json(&["credential", "list", "shop"]));
    let app = server.json(&["app", "show", "shop"]);
    assert_eq!(
        (&app["name"], &app["settings"]["weight"]),
        (&json!("Renamed"), &json!(7))
    );
    for (app, name) in [("shop", "apple"), ("android", "google")] {
        let probe = server.carillon(&["credential", "probe", app, name]);
        assert_eq!(probe.code, 0, "{probe:?}");
    }
    for ran in [&planned, &refused] {
        assert!(!format!("{ran:?}").contains("secret-"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("AAAA"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("100%"), "{ran:?}");
    }
    assert!(!format!("{made}{again}").contains("AAAA"));
}

#[test]
fn a_file_that_python_would_refuse_is_refused_whole() {
    let home = Home::new();
    write(&home, "push.ini", &format!("{INI}[Shop]\nkey secret-1\n"));
    let ran = run_in(home.path(), &["import", "ini", "push.ini"], &[]);
    assert_eq!(ran.code, 65, "{ran:?}");
    for part in [
        "line 27: the section [Shop] is there twice, first in line 5",
        "line 28: ",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    assert!(!ran.stderr.contains("secret"), "{ran:?}");
    let missing = run_in(home.path(), &["import", "ini", "none.ini"], &[]);
    assert_eq!(missing.code, 66, "{missing:?}");
}

/// 300 users: every tenth has no push token, two push tokens are doubled, three are broken, one is Expo's.
fn users(phones: &[String]) -> String {
    let mut csv = HEADER.to_owned();
    for (n, phone) in phones.iter().enumerate() {
        let token = match n {
            n if n % 10 == 0 => ["", "NULL", "\\N"][n / 10 % 3],
            21 | 22 => &phones[1],
            31 => "nonsense",
            32 => "00a",
            33 => "ExponentPushToken[xYz]",
            _ => phone,
        };
        csv.push_str(&format!(
            "{n},\"User, {n}\",u{n}@example.com,ko_KR,gold,{n},{token}\n"
        ));
    }
    csv
}

const IMPORT: [&str; 10] = [
    "import",
    "users",
    "--from",
    "users.csv",
    "--app",
    "shop",
    "--push-token-column",
    "7",
    "--map",
    "user_id=1,locale=4,attributes.plan=plan",
];

#[test]
fn a_users_table_becomes_devices_once() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let phones = home.phones(300);
    write(&home, "users.csv", &users(&phones));
    let ran = server.carillon(&[&IMPORT[..], &["--page-rows", "40"]].concat());
    assert_eq!(ran.code, 65, "{ran:?}");
    for part in [
        "300 rows: 265 registered, 0 updated, 3 refused",
        "2 more have the push token of an earlier row",
        "30 have no push token in column 7 (token)",
        "row 33: column 7 (token): expected hexadecimal digits",
        "row 34: column 7 (token): expected an even number",
        "row 35: column 7 (token): ExponentPushToken[…] is Expo's own alias",
        "getDevicePushTokenAsync",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let once = devices(&server, "shop");
    assert_eq!(once.len(), 265);
    let of = |all: &[Value], user: &str| {
        let mut all = all.iter();
        all.find(|it| it["user_id"] == user).cloned().unwrap()
    };
    let device = of(&once, "22");
    assert_eq!(
        device["locale"], "ko-KR",
        "the last row with a push token says whose it is"
    );
    assert_eq!(device["attributes"], json!({"plan": "gold"}));

    // Row 34 is mended, and user 5 has moved.
    let mended = users(&phones)
        .replace(",31,nonsense", &format!(",31,{}", phones[31]))
        .replace("u5@example.com,ko_KR", "u5@example.com,fr");
    write(&home, "users.csv", &mended);
    let again = report(&server.carillon(&[&IMPORT[..], &["--json"]].concat()));
    let counts = [
        "rows",
        "registered",
        "updated",
        "doubled",
        "empty",
        "refused",
    ];
    assert_eq!(
        counts.map(|name| again[name].as_u64().unwrap()),
        [300, 1, 265, 2, 30, 2]
    );
    assert_eq!(again["problems"][0]["row"], 34);
    let twice = devices(&server, "shop");
    assert_eq!(twice.len(), 266);
    assert_eq!(of(&twice, "5")["locale"], "fr");
    assert_eq!(of(&twice, "5")["id"], of(&once, "5")["id"]);
}

#[test]
fn what_cannot_be_imported_says_why() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    write(
        &home,
        "users.csv",
        &format!("{HEADER}1,a,b,ko,g,1,\n2,a,b,ko,g,1,NULL\n"),
    );
    let all_empty = server.carillon(&IMPORT);
    assert_eq!(all_empty.code, 65, "{all_empty:?}");
    let said = "column 7 (token) is empty in all 2 rows: nothing was imported";
    assert!(all_empty.stderr.contains(said), "{all_empty:?}");
    let with = |from: &str, more: &[&str]| {
        let args = ["import", "users", "--app", "shop", "--from", from];
        server.carillon(&[&args[..], more].concat())
    };
    let tokn = ["--push-token-column", "tokn"];
    for (from, more, code, part) in [
        ("users.csv", &tokn[..], 64, "did you mean `token`"),
        (
            "users.csv",
            &tokn,
            64,
            "1 id, 2 name, 3 mail, 4 locale, 5 plan, 6 age, 7 token",
        ),
        ("none.csv", &["--push-token-column", "1"], 66, "none.csv"),
        (
            "sqlite:none.db",
            &["--push-token-column", "1"],
            66,
            "none.db",
        ),
        (
            "sqlite:users.csv",
            &["--push-token-column", "1"],
            65,
            "SQLite database",
        ),
        (
            "oracle://u@h/d",
            &["--push-token-column", "1"],
            64,
            "found oracle://",
        ),
        (
            "mysql://u:secret@h/d",
            &["--push-token-column", "1"],
            64,
            "--database-password-file",
        ),
        // Nobody listens there.
        (
            "postgres://u@127.0.0.1:1/d",
            &["--push-token-column", "1"],
            69,
            "no connection",
        ),
        (
            "users.csv",
            &["--push-token-column", "1", "--query", "q"],
            64,
            "--query",
        ),
    ] {
        let ran = with(from, more);
        assert_eq!(ran.code, code, "{from} {more:?}: {ran:?}");
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    server.json(&["app", "put", "bare"]);
    let bare = [
        "--from",
        "users.csv",
        "--app",
        "bare",
        "--push-token-column",
        "7",
    ];
    let ran = server.carillon(&[&["import", "users"], &bare[..]].concat());
    assert_eq!(ran.code, 64, "{ran:?}");
    assert!(ran.stderr.contains("--gateway is missing"), "{ran:?}");
}

#[test]
fn rows_of_a_sqlite_database_are_read_and_never_written() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(3));
    server.json(&["backup", "copy.db"]);
    let query = |sql: &str| {
        let args = [
            "import",
            "users",
            "--app",
            "shop",
            "--from",
            "sqlite:copy.db",
            "--query",
            sql,
        ];
        server.carillon(
            &[
                &args[..],
                &["--push-token-column", "2", "--map", "user_id=who"],
            ]
            .concat(),
        )
    };
    // Any SQLite file will do, and here is one.
    let before = std::fs::read(home.path().join("copy.db")).unwrap();
    let values = "values ('ann', x'00aabb'), ('bob', null), ('cid', x'00ccdd')";
    let ran = query(&format!("with t(who, token) as ({values}) select * from t"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("3 rows: 2 registered"), "{ran:?}");
    let ran = query("vacuum");
    assert_eq!(ran.code, 64, "{ran:?}");
    assert!(ran.stderr.contains("more than read"), "{ran:?}");
    assert_eq!(std::fs::read(home.path().join("copy.db")).unwrap(), before);
}

#[test]
fn an_interrupted_import_goes_on_where_it_was() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let phones = home.phones(300);
    write(&home, "users.csv", &users(&phones));
    let key_file = home.path().join("admin.key");
    let paged = [&IMPORT[..], &["--page-rows", "50", "--gateway", "apns"]].concat();
    let url = breaking(server.url.trim_start_matches("http://").to_owned(), 2);
    let env = [
        ("CARILLON_URL", url.as_str()),
        ("CARILLON_API_KEY_FILE", key_file.to_str().unwrap()),
    ];
    let broken = run_in(home.path(), &paged, &env);
    assert_eq!(broken.code, 69, "{broken:?}");
    for part in ["100 rows are done", "--resume"] {
        assert!(broken.stderr.contains(part), "{part}: {broken:?}");
    }
    let rest = server.carillon(&[&paged[..], &["--resume"]].concat());
    assert!(rest.stderr.contains("going on after row 100"), "{rest:?}");
    let said = "300 rows: 265 registered, 0 updated, 3 refused";
    assert!(rest.stdout.contains(said), "{rest:?}");
    assert_eq!(devices(&server, "shop").len(), 265);
    let over = server.carillon(&[&paged[..], &["--resume"]].concat());
    assert!(over.stderr.contains("nothing was interrupted"), "{over:?}");
}

/// Lets so many requests through, each on a connection of its own, and drops those that follow.
fn breaking(target: String, requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            forward(stream.unwrap(), &target);
        }
    });
    url
}

/// One request with its answer.
fn forward(mut client: TcpStream, target: &str) {
    let mut server = TcpStream::connect(target).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.split_once("content-length: ")?.1;
        let length: usize = length.lines().next()?.trim().parse().ok()?;
        Some(body.len() >= length)
    };
    while whole(&request) != Some(true) {
        let read = client.read(&mut chunk).unwrap();
        assert!(read > 0, "the client went away");
        request.extend_from_slice(&chunk[..read]);
    }
    // So that the answer ends with the connection.
    let text = String::from_utf8(request).unwrap();
    let text = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    server.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    client.write_all(&answer).unwrap();
}

#[test]
fn onesignals_export_becomes_devices() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let phones = home.phones(2);
    let export = format!(
        "id,identifier,session_count,language,timezone,device_type,tags,external_user_id,invalid_identifier\n\
         p-1,{},7,en,-28800,0,\"{{\"\"plan\"\":\"\"gold\"\"}}\",ann,f\n\
         p-2,{},7,en,-28800,0,,bob,t\n\
         p-3,https://example.com/x,1,en,0,5,,cid,f\n",
        phones[0], phones[1]
    );
    write(&home, "export.csv", &export);
    let ran = server.carillon(&["import", "onesignal", "export.csv", "--app", "shop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "3 rows: 1 registered",
        "1 left out: a browser",
        "its push token is dead",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    let all = devices(&server, "shop");
    assert_eq!(all[0]["attributes"]["plan"], "gold");
    write(&home, "export.csv", "id,token\n1,2\n");
    let wrong = server.carillon(&["import", "onesignal", "export.csv", "--app", "shop"]);
    assert_eq!(wrong.code, 65, "{wrong:?}");
}

#[test]
fn an_import_from_mariadb_goes_on_after_the_database_went_away() {
    if let Some(scratch) = Scratch::mariadb() {
        goes_on(
            &scratch,
            "INSERT INTO users SELECT seq, CONCAT('user-', seq), LPAD(HEX(seq), 64, '0') FROM seq_1_to_3000",
        );
    }
}

#[test]
fn an_import_from_postgres_goes_on_after_the_database_went_away() {
    if let Some(scratch) = Scratch::postgres() {
        goes_on(
            &scratch,
            "INSERT INTO users SELECT n, 'user-' || n, lpad(to_hex(n), 64, '0') FROM generate_series(1, 3000) n",
        );
    }
}

/// Rows of the table.
const ROWS: u64 = 3_000;

fn goes_on(scratch: &Scratch, insert: &str) {
    scratch.script("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, token TEXT)");
    scratch.script(insert);
    scratch.script("UPDATE users SET token = NULL WHERE id > 2990");
    let config = scratch.config();
    let Some(Host::Tcp { port, .. }) = config.url.hosts.first().cloned() else {
        panic!("{}", config.url);
    };
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let way = Way::to(port);
    let mut url = config.url.clone();
    url.hosts = vec![Host::Tcp {
        host: "127.0.0.1".into(),
        port: way.port,
    }];
    let url = url.to_string();
    // Wide rows, so that the database cannot have sent all of them when it goes away.
    let query = "SELECT id, name, token, concat(repeat('x', 20000), id) FROM users ORDER BY id";
    let mut import = vec![
        "import",
        "users",
        "--from",
        &url,
        "--query",
        query,
        "--app",
        "shop",
        "--push-token-column",
        "3",
        "--map",
        "user_id=name",
        "--page-rows",
        "500",
    ];
    if let Some(schema) = &config.schema {
        import.extend(["--database-schema", schema]);
    }
    way.cut_after(20_000_000);
    let broken = server.carillon(&import);
    assert_eq!(broken.code, 75, "{broken:?}");
    assert!(broken.stderr.contains("--resume"), "{broken:?}");
    let before = devices(&server, "shop").len() as u64;
    assert!((1..ROWS - 10).contains(&before), "{before}");
    way.open();
    // What came before is other than it was: it is not gone on with.
    scratch.script("UPDATE users SET name = 'another' WHERE id = 1");
    import.push("--resume");
    let other = server.carillon(&import);
    assert_eq!(other.code, 65, "{other:?}");
    assert!(other.stderr.contains("leave out --resume"), "{other:?}");
    scratch.script("UPDATE users SET name = 'user-1' WHERE id = 1");
    let whole = server.json(&import);
    let counts = ["rows", "registered", "updated", "empty", "refused"].map(|name| &whole[name]);
    assert_eq!(counts, [ROWS, ROWS - 10, 0, 10, 0], "{whole}");
    assert_eq!(devices(&server, "shop").len() as u64, ROWS - 10);
}

/// A way to a database that can be cut.
struct Way {
    port: u16,
    /// Bytes that may still come from there.
    left: Arc<AtomicI64>,
}

impl Way {
    fn to(database: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let way = Self {
            port: listener.local_addr().unwrap().port(),
            left: Arc::new(AtomicI64::new(i64::MAX)),
        };
        let left = way.left.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", database)) else {
                    return;
                };
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (server.try_clone().unwrap(), server);
                std::thread::spawn(move || pump(from_client, to_server, |_| true));
                let left = left.clone();
                std::thread::spawn(move || {
                    pump(from_server, to_client, |bytes| {
                        left.fetch_sub(bytes, Ordering::Relaxed) > bytes
                    });
                });
            }
        });
        way
    }

    /// After so many bytes, nothing more comes.
    fn cut_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    fn open(&self) {
        self.left.store(i64::MAX, Ordering::Relaxed);
    }
}

/// Copies until one of the two ends, or `passes` says no.
fn pump(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(i64) -> bool) {
    let mut buffer = vec![0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut buffer)
        && passes(count as i64)
        && to.write_all(&buffer[..count]).is_ok()
    {}
    // One of them may be gone already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
