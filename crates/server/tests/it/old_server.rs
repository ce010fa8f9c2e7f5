//! What a home-made push server did: its INI file and its users table become two Apps, and everybody gets what is sent to all
//! a minute later, by the table's own oddities: no push token, a dead one, the same one twice.

use crate::support::{BUNDLE_ID, Home, Server};
use carillon_model::id::DeliveryId;
use push_sim::{
    FcmPhonePatch, Gateway, NewFcmPhones, NewPhones, PhonePatch, PushTokenKind, ReceivedFilter,
};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const INI: &str = "\
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

[Database]
host = db.example.com
database = push

[Server]
protocol = HTTPS
batch_size = 1000
";

/// Rows of the table by platform: with a push token of their own, with one of an earlier row, without any.
const IOS: (u32, u32, u32) = (5_000, 100, 500);
const ANDROID: (u32, u32, u32) = (4_000, 100, 300);
/// Phones of each platform from which the app was removed.
const DEAD: u32 = 40;
/// Seconds after the send at which it ends.
const LASTS: i64 = 60;

/// 10,000 rows, the push token in the seventh column. Returns what `--from` is given.
fn users_table(home: &Home, ios: &[String], android: &[String]) -> String {
    let mut conn = Connection::open(home.path().join("users.db")).unwrap();
    conn.execute_batch(
        "CREATE TABLE users (id INTEGER, name TEXT, mail TEXT, locale TEXT, platform TEXT, age INTEGER, token TEXT)",
    )
    .unwrap();
    let tx = conn.transaction().unwrap();
    let mut insert = tx
        .prepare("INSERT INTO users VALUES (?1, 'name', 'mail', 'ko_KR', ?2, 30, ?3)")
        .unwrap();
    let mut id = 0;
    for (platform, tokens, (own, doubled, none)) in
        [("ios", ios, IOS), ("android", android, ANDROID)]
    {
        let of_rows = tokens
            .iter()
            .take(own as usize)
            .chain(tokens.iter().take(doubled as usize));
        let rows = of_rows.map(Some).chain((0..none).map(|_| None));
        for token in rows {
            id += 1;
            insert.execute(params![id, platform, token]).unwrap();
        }
    }
    assert_eq!(id, 10_000);
    drop(insert);
    tx.commit().unwrap();
    "sqlite:users.db".to_owned()
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

/// The users of one platform into their App.
fn bring_users(server: &Server<'_>, from: &str, app: &str, platform: &str) -> Value {
    let query = format!("SELECT * FROM users WHERE platform = '{platform}'");
    server.json(&[
        "import",
        "users",
        "--from",
        from,
        "--query",
        &query,
        "--app",
        app,
        "--push-token-column",
        "7",
        "--map",
        "user_id=1,locale=4,platform=platform",
    ])
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
fn the_old_servers_users_get_what_is_sent_to_all_a_minute_later() {
    let mut home = Home::new();
    let google = home.simulator.google_url();
    let google = google.trim_start_matches("https://").to_owned();
    let ca_file = home.path().join("ca.pem").display().to_string();
    home.set("FCM__TOKEN_ENDPOINT", google.clone());
    home.set("FCM__ENDPOINT", google);
    home.set("FCM__CA_FILE", ca_file);
    home.set("SERVER__MODE", "development");
    std::fs::write(home.path().join("push.ini"), INI).unwrap();
    let account = home.simulator.service_account_json("shop-android").unwrap();
    std::fs::write(home.path().join("google.json"), account).unwrap();
    let phones = iphones(&home);
    let ios: Vec<_> = phones.iter().map(|(_, token)| token.clone()).collect();
    let android = androids(&home);
    let from = users_table(&home, &ios, &android);
    let server = home.serve();

    let ini = [
        "import",
        "ini",
        "push.ini",
        "--service-account",
        "Shop Android=google.json",
    ];
    let made = server.json(&ini);
    let apps: Vec<_> = (0..2)
        .map(|at| made["apps"][at]["app"].as_str().unwrap())
        .collect();
    assert_eq!(apps, ["shop", "shop-android"]);
    for (app, platform, (own, doubled, none)) in
        [("shop", "ios", IOS), ("shop-android", "android", ANDROID)]
    {
        let brought = bring_users(&server, &from, app, platform);
        let counts =
            ["rows", "registered", "doubled", "empty", "refused"].map(|name| &brought[name]);
        let expected = [own + doubled + none, own, doubled, none, 0];
        assert_eq!(counts, expected, "{brought}");
    }

    // Apple tells since when an app is gone: what was registered after that is not the one that went.
    let removed = PhonePatch {
        installed: Some(false),
        ..PhonePatch::default()
    };
    for (phone, _) in phones.iter().take(DEAD as usize) {
        home.simulator.patch_phone(*phone, &removed).unwrap();
    }

    let send = |app: &str| {
        let sent = server.json(&[
            "send",
            app,
            "--all",
            "--title",
            "Sale",
            "--body",
            "Only today",
            "--badge",
            "3",
            "--in",
            "1m",
            "--expires-in",
            "1m",
        ]);
        let text = |name: &str| sent[name].as_str().unwrap().to_owned();
        (text("id"), text("send_at"))
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
    for (app, (id, _), (own, ..)) in [
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
    let send_at: jiff::Timestamp = to_ios.1.parse().unwrap();
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
    let report = server.carillon(&["notification", "show", &to_ios.0, "--app", "shop"]);
    for part in ["4960", "40"] {
        assert!(report.stdout.contains(part), "{report:?}");
    }
    let stats: Value = serde_json::from_str(&server.get("/v1/apps/shop/stats")).unwrap();
    assert_eq!(stats["totals"]["rejected"], DEAD, "{stats}");
    assert_eq!(server.stop(), 0);
}
