//! Apps: made, changed, listed, deleted, and what keeps them from sending.

use crate::world::{Setup, World};
use serde_json::json;

#[tokio::test]
async fn an_app_is_made_changed_and_deleted() {
    let world = World::new().await;
    let made = world.put("/v1/apps/shop", json!({})).await.is(201).json();
    assert_eq!(
        made,
        json!({
            "id": "shop", "name": "shop", "problems": [],
            "settings": {"weight": 1, "rates": {"total": null, "apns": null, "fcm": null, "webpush": null}, "max_attempts": 12, "max_age": "1d",
                         "stale_after_days": 60, "delete_stale_after_days": null, "max_devices_per_user": 20,
                         "time_zone": null, "categories": {}, "frequency_cap": [], "receipts": false, "live_activities": {"adopt": false},
                         "status_page": {"public": false, "title": "", "tags": []}},
            "created_at": "2026-08-01T12:00:00.000Z", "updated_at": "2026-08-01T12:00:00.000Z",
        })
    );
    world.clock.advance(1_500);
    let settings = json!({"weight": 3, "rates": {"total": {"per_second": 50, "burst": 5}, "apns": null, "fcm": {"per_second": 9, "burst": null}, "webpush": null}, "max_attempts": 2, "max_age": "90m",
                          "time_zone": "Asia/Seoul", "categories": {"ads": {"default": "off"}},
                          "frequency_cap": [{"max": 3, "per": "1d", "categories": ["ads"]}], "receipts": true});
    let changed = world
        .put(
            "/v1/apps/shop",
            json!({"name": "Shop", "settings": settings}),
        )
        .await
        .is(200)
        .json();
    let mut settings = settings;
    settings["stale_after_days"] = json!(60);
    settings["delete_stale_after_days"] = json!(null);
    settings["max_devices_per_user"] = json!(20);
    settings["live_activities"] = json!({"adopt": false});
    settings["status_page"] = json!({"public": false, "title": "", "tags": []});
    assert_eq!(changed["settings"], settings);
    assert_eq!(changed["created_at"], made["created_at"]);
    assert_eq!(changed["updated_at"], "2026-08-01T12:00:01.500Z");
    assert_eq!(world.get("/v1/apps/shop").await.is(200).json(), changed);
    // What is read can be written back whole, and what is left out gets its default again.
    let back = json!({"name": changed["name"], "settings": changed["settings"]});
    let back = world.put("/v1/apps/shop", back).await.is(200).json();
    assert_eq!(back["settings"], settings);
    let one = json!({"settings": {"weight": 2}});
    let one = world.put("/v1/apps/shop", one).await.is(200).json();
    assert_eq!(
        (&one["settings"]["receipts"], &one["settings"]["categories"]),
        (&json!(false), &json!({}))
    );

    assert!(world.delete("/v1/apps/shop").await.is(204).bytes.is_empty());
    world.get("/v1/apps/shop").await.problem(404, "app.unknown");
    world
        .delete("/v1/apps/shop")
        .await
        .problem(404, "app.unknown");
}

#[tokio::test]
async fn what_is_wrong_is_named_all_at_once() {
    let world = World::new().await;
    let body = json!({"name": "x".repeat(201), "settings": {"weight": 0, "max_age": "soon"}});
    let problem = world
        .put("/v1/apps/shop", body)
        .await
        .problem(422, "request.invalid");
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    assert_eq!(pointers, ["/name", "/settings/weight", "/settings/max_age"]);
    assert_eq!(problem["detail"], "3 fields are wrong");
    for bad in ["a%20b", "%C3%BC", &"x".repeat(65)] {
        world
            .put(&format!("/v1/apps/{bad}"), json!({}))
            .await
            .problem(400, "request.parameter");
    }
    world.get("/v1/apps/shop").await.problem(404, "app.unknown");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new().await;
    for id in ["d", "b", "a", "c", "e"] {
        world
            .put(&format!("/v1/apps/{id}"), json!({}))
            .await
            .is(201);
    }
    let mut path = "/v1/apps?limit=2".to_owned();
    let mut pages: Vec<Vec<String>> = Vec::new();
    loop {
        let page = world.get(&path).await.is(200).json();
        let ids = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|app| app["id"].as_str().unwrap().to_owned());
        pages.push(ids.collect());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/apps?limit=2&cursor={next}");
    }
    assert_eq!(pages, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
}

#[tokio::test]
async fn a_change_is_finished_although_the_client_goes_away() {
    let world = World::furnished(Setup::default()).await;
    let request = crate::world::Ask::new(axum::http::Method::PUT, "/v1/apps/late")
        .json(&json!({}))
        .request(&world.admin);
    let call = tower::ServiceExt::oneshot(world.router.clone(), request);
    // One poll begins the change; then the client is gone.
    assert!(futures_util::FutureExt::now_or_never(call).is_none());
    world
        .wait("/v1/apps", |seen| {
            seen["data"]
                .as_array()
                .unwrap()
                .iter()
                .any(|app| app["id"] == "late")
        })
        .await;
}
