//! People with many devices: what is said of each, lists, counts, files in and out.

use crate::world::{Answer, Ask, Setup, TOKEN, World};
use axum::http::Method;
use carillon_ports::registry::Scope;
use serde_json::{Value, json};

const DEVICES: &str = "/v1/apps/shop/devices";
const DAY: i64 = 86_400_000;

fn subscription(n: u32) -> Value {
    json!({"endpoint": format!("https://push.example/{n}"), "keys": {"auth": "a, \"b\"", "p256dh": "c"}})
}

fn full(n: u32) -> Value {
    json!({
        "user_id": "ann", "locale": "ko-KR", "time_zone": "Asia/Seoul", "app_version": "4.2, \"beta\"",
        "platform": "android", "tags": ["a|b", " c", "d"], "topics": ["news", "sport"],
        "attributes": {"plan": "gold", "trips": 3, "pro": true, "langs": ["ko", "en"]},
        "capabilities": ["voip_call_ui", "later_one"],
        "push_tokens": [
            {"kind": "fcm", "token": format!("fcm:{n}")},
            {"kind": "webpush", "subscription": subscription(n)},
            {"token": format!("00{n:02}"), "environment": "sandbox"},
        ],
    })
}

async fn ids(world: &World, query: &str) -> Vec<String> {
    let page = world.get(&format!("{DEVICES}{query}")).await.is(200).json();
    let data = page["data"].as_array().unwrap();
    let id = |device: &Value| device["id"].as_str().unwrap().to_owned();
    data.iter().map(id).collect()
}

async fn set(world: &World, settings: Value) {
    let body = json!({ "settings": settings });
    world.put("/v1/apps/shop", body).await.is(200);
}

#[tokio::test]
async fn all_that_is_said_of_a_device_is_shown_but_its_addresses() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(&format!("{DEVICES}/d1"), full(1)).await.is(201);
    let device = made.json();
    let expected = full(1);
    for name in [
        "user_id",
        "locale",
        "time_zone",
        "app_version",
        "platform",
        "tags",
        "topics",
        "attributes",
        "capabilities",
    ] {
        assert_eq!(device[name], expected[name], "{name}");
    }
    let brief: Vec<_> = device["push_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["kind"].as_str().unwrap(),
                it["gateway"].as_str().unwrap(),
                it["environment"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            ("alert", "apns", "sandbox"),
            ("fcm", "fcm", "production"),
            ("webpush", "webpush", "production"),
        ]
    );
    for address in ["fcm:1", "push.example", "p256dh"] {
        assert!(!made.text().contains(address), "{address}");
    }
    assert_eq!(device["stale"], false);
}

#[tokio::test]
async fn one_way_of_being_reached_is_taken_away() {
    let world = World::furnished(Setup::default()).await;
    world.put(&format!("{DEVICES}/d1"), full(1)).await.is(201);
    let path = |kind: &str| format!("{DEVICES}/d1/push-tokens/{kind}");
    world.delete(&path("webpush")).await.is(204);
    world
        .delete(&path("webpush"))
        .await
        .problem(404, "push_token.unknown");
    let problem = world
        .delete(&path("fax"))
        .await
        .problem(400, "request.parameter");
    assert!(problem["detail"].as_str().unwrap().contains("webpush"));
    let device = world.get(&format!("{DEVICES}/d1")).await.is(200).json();
    assert_eq!(device["push_tokens"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_new_push_token_finds_the_device_of_the_old_one() {
    let world = World::furnished(Setup::default()).await;
    let old = subscription(1);
    let body = json!({"push_tokens": [{"kind": "webpush", "subscription": old}]});
    let made = world.post(DEVICES, body).await.is(201).json();
    let body = json!({"push_tokens": [{"kind": "webpush", "subscription": subscription(2), "replaces": old}]});
    for _ in 0..2 {
        let moved = world.post(DEVICES, body.clone()).await.is(200).json();
        assert_eq!(moved["id"], made["id"]);
    }
    let body = json!({"push_tokens": [{"token": "00ab", "replaces": TOKEN}]});
    let moved = world.post(DEVICES, body).await.is(200).json();
    assert_eq!(moved["id"], "phone", "also one with an id of the caller's");
}

#[tokio::test]
async fn lists_and_counts_by_what_is_known() {
    let world = World::furnished(Setup::default()).await;
    set(&world, json!({"stale_after_days": 30})).await;
    let one = |platform: &str, tags: &[&str], topics: &[&str]| json!({"platform": platform, "tags": tags, "topics": topics});
    world
        .put(&format!("{DEVICES}/a"), one("ios", &["vip"], &["news"]))
        .await;
    world.clock.advance(31 * DAY);
    world
        .put(
            &format!("{DEVICES}/b"),
            one("web", &["vip", "x"], &["news"]),
        )
        .await;
    world.put(&format!("{DEVICES}/c"), full(3)).await;
    for (query, expected) in [
        ("?platform=ios", vec!["a"]),
        ("?tag=vip", vec!["a", "b"]),
        ("?tag=a%7Cb", vec!["c"]),
        ("?topic=news", vec!["a", "b", "c"]),
        ("?topic=news&tag=vip&platform=web", vec!["b"]),
        ("?user_id=ann", vec!["phone", "c"]),
        ("?stale=true", vec!["phone", "a"]),
        ("?stale=false", vec!["b", "c"]),
        ("?stale=true&user_id=ann", vec!["phone"]),
        ("?platform=vms", vec![]),
    ] {
        assert_eq!(ids(&world, query).await, expected, "{query}");
    }
    let problem = world.get(&format!("{DEVICES}?stale=perhaps")).await;
    problem.problem(400, "request.parameter");
    let phone = world.get(&format!("{DEVICES}/phone")).await.is(200).json();
    assert_eq!(phone["stale"], true);
    let stats = world.get(&format!("{DEVICES}/stats")).await.is(200).json();
    assert_eq!((&stats["total"], &stats["stale"]), (&json!(4), &json!(2)));
    let gateways = json!([
        {"gateway": "apns", "devices": 2}, {"gateway": "fcm", "devices": 1}, {"gateway": "webpush", "devices": 1}
    ]);
    assert_eq!(stats["by_gateway"], gateways);
    assert_eq!(stats["by_platform"].as_array().unwrap().len(), 4);
    set(&world, json!({"stale_after_days": 0})).await;
    assert_eq!(ids(&world, "?stale=true").await, [""; 0]);
    let stats = world.get(&format!("{DEVICES}/stats")).await.is(200).json();
    assert_eq!(stats["stale"], 0);
}

#[tokio::test]
async fn a_user_has_as_many_devices_as_the_app_allows() {
    let world = World::furnished(Setup::default()).await;
    set(&world, json!({"max_devices_per_user": 2})).await;
    for id in ["b", "c"] {
        world.clock.advance(1_000);
        world
            .put(&format!("{DEVICES}/{id}"), json!({"user_id": "ann"}))
            .await
            .is(201);
    }
    assert_eq!(ids(&world, "?user_id=ann").await, ["b", "c"]);
    let events = world.get("/v1/apps/shop/events").await.is(200).json();
    let event = &events["data"][0];
    assert_eq!(
        (&event["kind"], &event["subject"]),
        (&json!("device.evicted"), &json!("phone"))
    );
    assert_eq!(event["data"]["replaced_by"], "c");
    assert!(
        !event.to_string().contains("ann"),
        "an event outlives an erased user"
    );
}

async fn export(world: &World, query: &str) -> Answer {
    world.get(&format!("{DEVICES}/export{query}")).await.is(200)
}

/// What there is, except times and generations.
async fn all(world: &World) -> Vec<Value> {
    let page = world
        .get(&format!("{DEVICES}?limit=1000"))
        .await
        .is(200)
        .json();
    let mut devices = page["data"].as_array().unwrap().clone();
    for device in &mut devices {
        device["last_seen_at"] = json!("");
        device["created_at"] = json!("");
        for push_token in device["push_tokens"].as_array_mut().unwrap() {
            push_token["generation"] = json!(0);
            push_token["registered_at"] = json!("");
        }
    }
    devices
}

#[tokio::test]
async fn what_was_exported_is_imported_again() {
    let world = World::furnished(Setup::default()).await;
    world.put(&format!("{DEVICES}/d1"), full(1)).await.is(201);
    world
        .put(
            &format!("{DEVICES}/d2"),
            json!({"tags": ["[x]"], "attributes": {"a": "\n,"}}),
        )
        .await
        .is(201);
    world
        .post(DEVICES, json!({"push_tokens": [{"token": "00ee"}]}))
        .await
        .is(201);
    let before = all(&world).await;
    assert_eq!(before.len(), 4);
    for (query, content_type) in [
        ("?include=push_tokens", "application/x-ndjson"),
        ("?format=ndjson", "application/x-ndjson"),
        ("?format=csv&include=push_tokens", "text/csv"),
        ("?format=csv", "text/csv"),
    ] {
        let file = export(&world, query).await.text();
        let with_push_tokens = query.contains("include");
        assert_eq!(file.contains(TOKEN), with_push_tokens, "{query}");
        assert_eq!(file.contains("push.example/1"), with_push_tokens, "{query}");
        let import = || {
            let ask = Ask::new(Method::POST, &format!("{DEVICES}/import"));
            world.send(ask.body(content_type, file.clone()))
        };
        let lines = import().await.is(200).lines();
        assert!(
            lines.iter().all(|line| line["created"] == false),
            "{lines:?}"
        );
        assert_eq!(all(&world).await, before, "{query}");
        if !with_push_tokens {
            continue;
        }
        // Into an App where there is nothing.
        for device in &before {
            let path = format!("{DEVICES}/{}", device["id"].as_str().unwrap());
            world.delete(&path).await.is(204);
        }
        let lines = import().await.is(200).lines();
        assert!(lines.iter().all(|line| line["id"].is_string()), "{lines:?}");
        assert_eq!(all(&world).await, before, "{query}");
    }
}

#[tokio::test]
async fn addresses_leave_only_with_an_admin() {
    let world = World::furnished(Setup::default()).await;
    let shop = world.app("shop");
    for scope in [Scope::Devices, Scope::Read] {
        let key = world.make_key(Some(shop), &[scope]).await;
        let ask =
            |query: &str| Ask::new(Method::GET, &format!("{DEVICES}/export{query}")).key(&key);
        let file = world.send(ask("")).await.is(200);
        assert_eq!(
            file.lines(),
            [json!({"id": "phone", "user_id": "ann", "tags": [], "topics": []})]
        );
        world
            .send(ask("?include=push_tokens"))
            .await
            .problem(403, "auth.scope");
    }
    let admin = world.make_key(Some(shop), &[Scope::Admin]).await;
    let ask = Ask::new(
        Method::GET,
        &format!("{DEVICES}/export?include=push_tokens"),
    )
    .key(&admin);
    assert!(world.send(ask).await.is(200).text().contains(TOKEN));
    for query in ["?format=xml", "?include=everything", "?colour=1"] {
        let answer = world.get(&format!("{DEVICES}/export{query}")).await;
        answer.problem(400, "request.parameter");
    }
}

#[tokio::test]
async fn an_export_has_as_many_pages_as_it_takes() {
    let world = World::furnished(Setup::default()).await;
    let rows: String = (0..1_203)
        .map(|n| format!("{{\"id\":\"n{n}\"}}\n"))
        .collect();
    let ask = Ask::new(Method::POST, &format!("{DEVICES}/import"));
    world
        .send(ask.body("application/x-ndjson", rows))
        .await
        .is(200);
    let lines = export(&world, "").await.lines();
    assert_eq!(lines.len(), 1_204);
    assert_eq!(lines[1_203]["id"], "n1202");
    let bare = world.get("/v1/apps/bare/devices/export").await.is(200);
    assert_eq!(bare.text(), "");
    let bare = world
        .get("/v1/apps/bare/devices/export?format=csv")
        .await
        .is(200);
    assert_eq!(bare.text().lines().count(), 1);
}

#[tokio::test]
async fn new_columns_are_imported_and_broken_rows_reported() {
    let world = World::furnished(Setup::default()).await;
    let csv = format!(
        "id,platform,time_zone,topics,attributes,kind,push_token\n\
         a,ios,Asia/Seoul,news|sport,\"{{\"\"plan\"\":\"\"gold\"\"}}\",,{TOKEN}\n\
         b,android,,,,fcm,fcm:1\n\
         c,web,,,,webpush,\"{{\"\"endpoint\"\":\"\"https://x\"\"}}\"\n\
         d,web,,,,webpush,no json\n\
         e,,Mars/Base,,,,\n\
         f,,,,[1],,\n\
         g,,,,\"{{\"\"a\"\":{{}}}}\",,\n\
         export,,,,,,\n"
    );
    let ask = Ask::new(Method::POST, &format!("{DEVICES}/import")).body("text/csv", csv);
    let lines = world.send(ask).await.is(200).lines();
    let brief: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["problem"]["errors"][0]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            (2, None),
            (3, None),
            (4, None),
            (5, Some("device.push_token")),
            (6, Some("device.time_zone")),
            (7, Some("device.attributes")),
            (8, Some("device.attribute")),
            (9, Some("device.id")),
        ]
    );
    let a = world.get(&format!("{DEVICES}/a")).await.is(200).json();
    assert_eq!(
        (&a["topics"], &a["attributes"]),
        (&json!(["news", "sport"]), &json!({"plan": "gold"}))
    );
    let c = world.get(&format!("{DEVICES}/c")).await.is(200).json();
    assert_eq!(c["push_tokens"][0]["kind"], "webpush");
}
