//! What a home-made push server did: its INI file and its users table become two Apps, and everybody gets what is sent to all
//! a minute later, by the table's own oddities: no push token, a dead one, the same one twice.

use crate::support::{BUNDLE_ID, Home, Server};
use carillon_model::id::DeliveryId;
use carillon_store_sql::Host;
use carillon_store_sql::testing::Scratch;
use push_sim::{
    FcmPhonePatch, Gateway, NewFcmPhones, NewPhones, PhonePatch, PushTokenKind, ReceivedFilter,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The apps of its file.
const APPS: &str = "\
[Shop]
push_type = APNs
environment = production
bundle_id = com.example.shop
auth_key_path = key.p8
key_id = TESTKEY001
team_id = TESTTEAM01

[Shop Android]
push_type = FCM
api_key = AAAA-legacy
";
/// What the table is made by: the push token is in the seventh column.
const TABLE: &str = "CREATE TABLE users (id INTEGER, name TEXT, mail TEXT, locale TEXT, platform TEXT, age INTEGER, token TEXT)";

/// Rows of the table by platform: with a push token of their own, with one of an earlier row, without any.
const IOS: (u32, u32, u32) = (5_000, 100, 500);
const ANDROID: (u32, u32, u32) = (4_000, 100, 300);
/// Phones of each platform from which the app was removed.
const DEAD: u32 = 40;
/// Seconds after the send at which it ends.
const LASTS: i64 = 60;

/// Where the old server kept its users.
enum Kept<'a> {
    Sqlite,
    Mariadb(&'a Scratch),
}

impl Kept<'_> {
    /// Makes the table. Returns the sections of the INI file that say where it is.
    fn make(&self, home: &Home, rows: &str) -> String {
        let insert = format!("INSERT INTO users VALUES {rows}");
        let server = "[Server]\nprotocol = HTTPS\nbatch_size = 1000\n";
        match self {
            Self::Sqlite => {
                let conn = Connection::open(home.path().join("users.db")).unwrap();
                conn.execute_batch(&format!("{TABLE}; {insert}")).unwrap();
                format!("[Database]\nhost = db.example.com\ndatabase = push\n{server}")
            }
            Self::Mariadb(scratch) => {
                scratch.script(&format!("{TABLE}; {insert}"));
                let url = scratch.config().url;
                let Some(Host::Tcp { host, port }) = url.hosts.first() else {
                    panic!("{url}");
                };
                let certificates = std::env::var("STORE_TEST_CERTIFICATES").unwrap();
                format!(
                    "[Database]\nhost = {host}\nport = {port}\nuser = {}\ndatabase = {}\n[SSL]\nca_file = {certificates}/ca.pem\n{server}",
                    url.user, url.database
                )
            }
        }
    }

    /// The Apps, and the users of each platform in its own. Returns what became of the rows of each.
    fn bring(&self, server: &Server<'_>) -> Vec<Value> {
        let ini = [
            "import",
            "ini",
            "push.ini",
            "--service-account",
            "Shop Android=google.json",
        ];
        let query = |platform: &str| format!("SELECT * FROM users WHERE platform = '{platform}'");
        let map = "user_id=1,locale=4,platform=platform";
        match self {
            Self::Sqlite => {
                let made = server.json(&ini);
                let apps: Vec<_> = (0..2)
                    .map(|at| made["apps"][at]["app"].as_str().unwrap())
                    .collect();
                assert_eq!(apps, ["shop", "shop-android"]);
                let bring = |app: &str, platform: &str| {
                    server.json(&[
                        "import",
                        "users",
                        "--from",
                        "sqlite:users.db",
                        "--query",
                        &query(platform),
                        "--app",
                        app,
                        "--push-token-column",
                        "7",
                        "--map",
                        map,
                    ])
                };
                vec![bring("shop", "ios"), bring("shop-android", "android")]
            }
            Self::Mariadb(_) => {
                let (ios, android) = (query("ios"), query("android"));
                let (ios, android) = (format!("Shop={ios}"), format!("Shop Android={android}"));
                let users = ["--users", &ios, "--users", &android, "--map", map, "--json"];
                let ran = server.carillon(&[&ini[..], &users].concat());
                assert_eq!(ran.code, 0, "{ran:?}");
                let told = serde_json::Deserializer::from_str(&ran.stdout).into_iter::<Value>();
                let mut told: Vec<Value> = told.map(Result::unwrap).collect();
                let made = told.remove(0);
                assert_eq!(made["apps"][1]["state"], "made", "{made}");
                // What it would have asked to be typed instead, without the password.
                let command = made["commands"][0].as_str().unwrap();
                assert!(
                    command.contains("--database-tls verify-full --database-ca-file"),
                    "{command}"
                );
                told
            }
        }
    }
}

/// 10,000 rows, the push token in the seventh column.
fn rows_of_users(ios: &[String], android: &[String]) -> String {
    let mut all = Vec::new();
    for (platform, tokens, (own, doubled, none)) in
        [("ios", ios, IOS), ("android", android, ANDROID)]
    {
        let of_rows = tokens
            .iter()
            .take(own as usize)
            .chain(tokens.iter().take(doubled as usize));
        let rows = of_rows.map(Some).chain((0..none).map(|_| None));
        for token in rows {
            let token = token.map_or("NULL".to_owned(), |token| format!("'{token}'"));
            let id = all.len() + 1;
            all.push(format!(
                "({id}, 'name', 'mail', 'ko_KR', '{platform}', 30, {token})"
            ));
        }
    }
    assert_eq!(all.len(), 10_000);
    all.join(", ")
}

/// Their numbers at the simulator, and their push tokens.
fn iphones(home: &Home) -> Vec<(u32, String)> {
    let new = NewPhones {
        count: IOS.0,
        app: BUNDLE_ID.into(),
        ..NewPhones::default()
    };
    let made = home.simulator.make_phones(&new).unwrap().into_iter();
    let token = |mut phone: push_sim::MadePhone| {
        let token = phone.push_tokens.remove(&PushTokenKind::Alert);
        (phone.id, token.unwrap())
    };
    made.map(token).collect()
}

fn androids(home: &Home) -> Vec<String> {
    let new = NewFcmPhones {
        count: ANDROID.0,
        project: "shop-android".into(),
        ..NewFcmPhones::default()
    };
    let made = home.simulator.make_fcm_phones(&new).unwrap();
    let removed = FcmPhonePatch {
        installed: Some(false),
        ..FcmPhonePatch::default()
    };
    for phone in made.iter().take(DEAD as usize) {
        home.simulator.patch_fcm_phone(phone.id, &removed).unwrap();
    }
    made.into_iter()
        .map(|phone| phone.registration_token)
        .collect()
}

/// All deliveries of a notification.
fn deliveries(server: &Server<'_>, app: &str, id: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/apps/{app}/notifications/{id}/deliveries?limit=1000{cursor}");
        let page: Value = serde_json::from_str(&server.get(&path)).unwrap();
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Everything that a gateway was asked to send, by push token.
fn received(home: &Home, gateway: Gateway) -> BTreeMap<String, Vec<push_sim::Received>> {
    let (mut all, mut after_seq) = (BTreeMap::<_, Vec<_>>::new(), 0);
    loop {
        let page = home.simulator.received(&ReceivedFilter {
            after_seq,
            limit: 10_000,
            gateway: Some(gateway),
            ..ReceivedFilter::default()
        });
        let Some(last) = page.received.last() else {
            return all;
        };
        after_seq = last.seq;
        for record in page.received {
            all.entry(record.push_token.clone())
                .or_default()
                .push(record);
        }
    }
}

#[test]
fn the_users_of_an_old_server_get_what_is_sent_to_all_a_minute_later() {
    story(&Kept::Sqlite);
}

#[test]
fn the_users_of_an_old_server_on_mariadb_get_what_is_sent_to_all_a_minute_later() {
    // That there is no server for tests is told by `cargo xtask test`.
    if let Some(scratch) = Scratch::mariadb() {
        story(&Kept::Mariadb(&scratch));
    }
}

fn story(kept: &Kept<'_>) {
    let mut home = Home::new();
    let google = home.simulator.google_url();
    let google = google.trim_start_matches("https://").to_owned();
    let ca_file = home.path().join("ca.pem").display().to_string();
    home.set("FCM__TOKEN_ENDPOINT", google.clone());
    home.set("FCM__ENDPOINT", google);
    home.set("FCM__CA_FILE", ca_file);
    home.set("SERVER__MODE", "development");
    let account = home.simulator.service_account_json("shop-android").unwrap();
    std::fs::write(home.path().join("google.json"), account).unwrap();
    let phones = iphones(&home);
    let ios: Vec<_> = phones.iter().map(|(_, token)| token.clone()).collect();
    // Long gone: Apple tells since when, and that is before the import.
    let removed = PhonePatch {
        installed: Some(false),
        ..PhonePatch::default()
    };
    for (phone, _) in phones.iter().take(DEAD as usize) {
        home.simulator.patch_phone(*phone, &removed).unwrap();
    }
    let android = androids(&home);
    let database = kept.make(&home, &rows_of_users(&ios, &android));
    std::fs::write(home.path().join("push.ini"), format!("{APPS}{database}")).unwrap();
    let server = home.serve();

    let brought = kept.bring(&server);
    for (brought, (own, doubled, none)) in brought.iter().zip([IOS, ANDROID]) {
        let counts =
            ["rows", "registered", "doubled", "empty", "refused"].map(|name| &brought[name]);
        let expected = [own + doubled + none, own, doubled, none, 0];
        assert_eq!(counts, expected, "{brought}");
    }
    assert_eq!(brought.len(), 2);

    // A campaign to all of each App, in slices of what was the old server's batch_size.
    let send_at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(1);
    let campaign = json!({
        "name": "sale", "audience": {"all": true}, "slice_size": 1000, "send_at": send_at.to_string(),
        "expires_in": format!("{LASTS}s"),
        "content": {"title": "Sale", "body": "Only today", "badge": 3},
    });
    std::fs::write(home.path().join("sale.json"), campaign.to_string()).unwrap();
    let send = |app: &str| {
        let sent = server.json(&["campaign", "create", "sale.json", "--app", app]);
        sent["notification"].as_str().unwrap().to_owned()
    };
    let (to_ios, to_android) = (send("shop"), send("shop-android"));
    assert_eq!(home.simulator.received_count(), 0, "not before its time");
    server.kill();

    // Its time comes a few seconds after this start, or has come.
    home.set("CLOCK__OFFSET", "57s");
    let server = home.serve();
    let ended = |app: &str, id: &str| {
        server.json(&["notification", "show", id, "--app", app, "--wait"])["deliveries"].clone()
    };
    for (app, id, (own, ..)) in [
        ("shop", &to_ios, IOS),
        ("shop-android", &to_android, ANDROID),
    ] {
        let told = ended(app, id);
        let counts = ["total", "accepted", "rejected", "open"].map(|name| &told[name]);
        assert_eq!(counts, [own, own - DEAD, DEAD, 0], "{app}: {told}");
        // Batches of at most 1,000, and no more of them than that needs.
        let mut batches: BTreeMap<_, u32> = BTreeMap::new();
        for delivery in deliveries(&server, app, id) {
            let id = DeliveryId::parse(delivery["id"].as_str().unwrap()).unwrap();
            *batches.entry(id.batch).or_default() += 1;
        }
        let sizes: Vec<_> = batches.into_values().collect();
        assert!(sizes.iter().all(|size| *size <= 1_000), "{sizes:?}");
        assert_eq!(sizes.len() as u32, own.div_ceil(1_000), "{sizes:?}");
    }

    // At Apple: each once, with the badge, and its end as an instant.
    let at_apple = received(&home, Gateway::Apns);
    let everybody: BTreeSet<_> = ios.iter().cloned().collect();
    assert_eq!(at_apple.keys().cloned().collect::<BTreeSet<_>>(), everybody);
    for (token, records) in &at_apple {
        let [record] = &records[..] else {
            panic!("{token} was sent to {} times", records.len());
        };
        assert_eq!(record.expiration, Some(send_at.as_second() + LASTS));
    }
    let payload = |record: &push_sim::Received| -> Option<Value> {
        serde_json::from_str(record.payload.as_ref()?).ok()
    };
    let of_apple: Vec<_> = at_apple
        .values()
        .filter_map(|records| payload(&records[0]))
        .collect();
    assert!(!of_apple.is_empty());
    for payload in of_apple {
        assert_eq!(payload["aps"]["badge"], 3);
        assert_eq!(
            payload["aps"]["alert"],
            json!({"title": "Sale", "body": "Only today"})
        );
    }
    // At Google, whose end is a time to live: never longer than is left.
    let at_google = received(&home, Gateway::Fcm);
    let tokens = at_google.keys().filter(|token| !token.is_empty());
    assert_eq!(tokens.count() as u32, ANDROID.0);
    let messages = at_google.values().flatten().filter_map(payload);
    let ttls: Vec<i64> = messages
        .filter_map(|body| {
            let ttl = body["message"]["android"]["ttl"].as_str()?.to_owned();
            ttl.trim_end_matches('s').parse().ok()
        })
        .collect();
    assert!(
        !ttls.is_empty() && ttls.iter().all(|ttl| (1..=LASTS).contains(ttl)),
        "{:?}",
        ttls.first()
    );

    // What was dead is known to be, and is not sent to again.
    for (app, gateway, (own, ..)) in [("shop", "apns", IOS), ("shop-android", "fcm", ANDROID)] {
        let stats = server.json(&["device", "stats", "--app", app]);
        let living = json!([{"gateway": gateway, "devices": own - DEAD}]);
        assert_eq!(stats["by_gateway"], living, "{stats}");
        let again = server.json(&["send", app, "--all", "--body", "once more", "--wait"]);
        let counts = ["total", "accepted"].map(|name| &again["deliveries"][name]);
        assert_eq!(counts, [own - DEAD; 2], "{again}");
    }
    // The report at the end, for people.
    let report = server.carillon(&["campaign", "show", "sale", "--app", "shop"]);
    for part in ["completed", "4960", "40", "Unregistered"] {
        assert!(report.stdout.contains(part), "{report:?}");
    }
    let stats: Value = serde_json::from_str(&server.get("/v1/apps/shop/stats")).unwrap();
    assert_eq!(stats["totals"]["rejected"], DEAD, "{stats}");
    assert_eq!(server.stop(), 0);
}
