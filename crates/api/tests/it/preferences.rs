//! Preferences and badge counters: set, read back, and what follows for what is sent.

use crate::world::{START, Setup, World};
use serde_json::{Value, json};

const ANN: &str = "/v1/apps/shop/users/ann/preferences";

async fn deliveries(world: &World, body: Value) -> Vec<Value> {
    let sent = world.post("/v1/apps/shop/notifications", body).await;
    let id = sent.is(202).json()["id"].as_str().unwrap().to_owned();
    let list = format!("/v1/apps/shop/notifications/{id}/deliveries");
    let seen = world
        .wait(&list, |seen| {
            let all = seen["data"].as_array().unwrap();
            let is_told = |one: &Value| one["state"] != "open" || !one["next_attempt_at"].is_null();
            !all.is_empty() && all.iter().all(is_told)
        })
        .await;
    let mut stories = Vec::new();
    for delivery in seen["data"].as_array().unwrap() {
        let id = delivery["id"].as_str().unwrap();
        let path = format!("/v1/apps/shop/deliveries/{id}");
        stories.push(world.get(&path).await.is(200).json());
    }
    stories
}

fn to_ann(change: Value) -> Value {
    let mut body = json!({"target": {"users": ["ann"]}, "content": {"body": "x"}});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn preferences_are_replaced_whole_and_forgotten() {
    let world = World::furnished(Setup::default()).await;
    let empty = world.get(ANN).await.is(200).json();
    assert_eq!(
        empty,
        json!({"user_id": "ann", "categories": {}, "effective": {}, "quiet_hours": null,
               "muted_until": null, "updated_at": null})
    );
    let settings =
        json!({"settings": {"categories": {"ads": {"default": "off"}, "news": {"default": "on"}}}});
    world.put("/v1/apps/shop", settings).await.is(200);
    let quiet = json!({"from": "22:00", "to": "08:00", "days": ["fri", "sat"], "time_zone": "Asia/Seoul", "mode": "suppress"});
    let put = world
        .put(
            ANN,
            json!({"categories": {"news": false, "tips": false}, "quiet_hours": quiet,
                   "muted_until": "2026-08-01T13:00:00Z"}),
        )
        .await;
    let put = put.is(201).json();
    assert_eq!(put, world.get(ANN).await.is(200).json());
    assert_eq!(put["quiet_hours"], quiet);
    assert_eq!(
        put["effective"],
        json!({"ads": false, "news": false, "tips": false})
    );
    assert_eq!(put["muted_until"], "2026-08-01T13:00:00.000Z");
    let again = world.put(ANN, json!({"categories": {"ads": true}})).await;
    let again = again.is(200).json();
    assert_eq!(again["effective"], json!({"ads": true, "news": true}));
    assert_eq!(again["quiet_hours"], Value::Null);
    for _ in 0..2 {
        world.delete(ANN).await.is(204);
    }
    assert_eq!(
        world.get(ANN).await.is(200).json()["updated_at"],
        Value::Null
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let world = World::furnished(Setup::default()).await;
    let bad = json!({"categories": {"": true}, "quiet_hours": {"from": "22:00", "to": "24:30"},
                     "muted_until": "later"});
    let problem = world.put(ANN, bad).await.problem(422, "request.invalid");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| &error["pointer"]).collect();
    assert_eq!(
        pointers,
        ["/quiet_hours/to", "/muted_until", "/categories/"]
    );
    let day = json!({"quiet_hours": {"from": "22:00", "to": "08:00", "days": ["someday"]}});
    let problem = world.put(ANN, day).await.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/quiet_hours/days/0");
    let long = format!("/v1/apps/shop/users/{}/preferences", "x".repeat(129));
    let problem = world.put(&long, json!({})).await;
    problem.problem(400, "request.parameter");
    let settings =
        json!({"settings": {"time_zone": "Asia/Soul", "frequency_cap": [{"max": 1, "per": "1y"}]}});
    let problem = world.put("/v1/apps/shop", settings).await;
    let problem = problem.problem(422, "request.invalid");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| &error["pointer"]).collect();
    assert_eq!(
        pointers,
        ["/settings/time_zone", "/settings/frequency_cap/0/per"]
    );
}

#[tokio::test]
async fn a_delivery_says_by_which_rule_it_was_kept_back() {
    let world = World::furnished(Setup::default()).await;
    // The first preferences of the App hold as soon as they are answered.
    world
        .put(ANN, json!({"categories": {"news": false}}))
        .await
        .is(201);
    let news = to_ann(json!({"options": {"category": "news"}}));
    let told = &deliveries(&world, news).await[0];
    assert_eq!(
        (&told["state"], &told["suppressed_by"]),
        (&json!("suppressed"), &json!("opted_out"))
    );
    let summary = |told: &Value| told["explanation"]["summary"].as_str().unwrap().to_owned();
    assert!(summary(told).contains("the user has switched"), "{told}");

    // Nobody switched anything: it is the App that asks its users first.
    let settings = json!({"settings": {"categories": {"ads": {"default": "off"}}}});
    world.put("/v1/apps/shop", settings).await.is(200);
    let ads = to_ann(json!({"options": {"category": "ads"}}));
    let told = &deliveries(&world, ads).await[0];
    assert_eq!(told["suppressed_by"], "opted_out");
    assert!(summary(told).contains("the App's default"), "{told}");
    let path = format!("/v1/apps/shop/deliveries/{}", told["id"].as_str().unwrap());
    world
        .put(ANN, json!({"categories": {"ads": true}}))
        .await
        .is(200);
    let later = world.get(&path).await.is(200).json();
    assert!(summary(&later).contains("does not tell which"), "{later}");

    let hour = 3_600_000;
    assert_eq!(START % hour, 0);
    world
        .put(ANN, json!({"muted_until": "2026-08-01T13:00:00Z"}))
        .await
        .is(200);
    let told = &deliveries(&world, to_ann(json!({}))).await[0];
    assert_eq!(
        (&told["state"], &told["next_attempt_at"]),
        (&json!("open"), &json!("2026-08-01T13:00:00.000Z"))
    );
    let held = &told["attempts"][0];
    assert_eq!(
        (&held["result"], &held["reason"], &held["next_attempt_at"]),
        (
            &json!("held"),
            &json!("quiet_hours"),
            &json!("2026-08-01T13:00:00.000Z")
        )
    );
    let summary = told["explanation"]["summary"].as_str().unwrap();
    assert!(summary.contains("held until 2026-08-01T13:00"), "{summary}");
    let told = &deliveries(&world, to_ann(json!({"expires_in": "10m"}))).await[0];
    assert_eq!(told["state"], "expired");
    let summary = told["explanation"]["summary"].as_str().unwrap();
    assert!(summary.contains("quiet hours"), "{summary}");

    world.delete(ANN).await.is(204);
    let settings = json!({"settings": {"frequency_cap": [{"max": 1, "per": "1d"}]}});
    let settings = world.put("/v1/apps/shop", settings).await.is(200).json();
    assert_eq!(
        settings["settings"]["frequency_cap"],
        json!([{"max": 1, "per": "1d", "categories": []}])
    );
    let told = &deliveries(&world, to_ann(json!({}))).await[0];
    assert_eq!(told["state"], "accepted");
    let told = &deliveries(&world, to_ann(json!({}))).await[0];
    assert_eq!(told["suppressed_by"], "frequency_cap");
}

#[tokio::test]
async fn a_badge_counts_up_and_is_cleared() {
    let world = World::furnished(Setup::default()).await;
    let badge = async || {
        world
            .get("/v1/apps/shop/users/ann/badge")
            .await
            .is(200)
            .json()
    };
    assert_eq!(badge().await, json!({"user_id": "ann", "badge": 0}));
    let counting = to_ann(json!({"badge": {"increment": 2}}));
    for expected in [2, 4] {
        let told = &deliveries(&world, counting.clone()).await[0];
        assert_eq!(told["state"], "accepted");
        assert_eq!(badge().await["badge"], expected);
    }
    let put = world.put("/v1/apps/shop/users/ann/badge", json!({"badge": 0}));
    assert_eq!(put.await.is(200).json(), badge().await);
    assert_eq!(badge().await["badge"], 0);
    let large = world
        .put(
            "/v1/apps/shop/users/ann/badge",
            json!({"badge": 2_147_483_648u32}),
        )
        .await;
    let problem = large.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "badge.value");
    let twice = to_ann(json!({"badge": {"increment": 1}, "content": {"body": "x", "badge": 3}}));
    let twice = world.post("/v1/apps/shop/notifications", twice).await;
    let problem = twice.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/badge");
}
