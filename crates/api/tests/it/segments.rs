//! Segments: stored, refused at the token, estimated, counted, and sent to.

use crate::catalogue::segment;
use crate::world::{Setup, World};
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/segments/new";

#[tokio::test]
async fn a_segment_is_stored_changed_and_deleted() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(PATH, segment()).await.is(201).json();
    assert_eq!(
        (&made["version"], &made["warnings"]),
        (&json!(1), &json!([]))
    );
    let same = world.put(PATH, segment()).await.is(200).json();
    assert_eq!(same, made, "the same again changes nothing");
    let other = json!({"filter": "platform == 'web'", "description": "browsers"});
    let second = world.put(PATH, other).await.is(200).json();
    assert_eq!(second["version"], 2);
    let read = world.get(PATH).await.is(200).json();
    assert_eq!(read["definition"], second["definition"]);
    assert_eq!(read["warnings"], Value::Null);
    let list = world.get("/v1/apps/shop/segments").await.is(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    world.delete(PATH).await.is(204);
    let gone = world.get("/v1/apps/shop/segments/vip").await;
    let gone = gone.problem(404, "segment.unknown");
    assert!(gone["detail"].as_str().unwrap().contains("vips"), "{gone}");
}

#[tokio::test]
async fn a_mistake_has_its_line_and_column() {
    let world = World::furnished(Setup::default()).await;
    let spring = json!({"name": "spring", "audience": {"all": true}, "content": {"body": "Hi"}});
    world.post("/v1/apps/shop/campaigns", spring).await.is(202);
    for (filter, code, line, column, part) in [
        (
            "tags contains 'a'\nand platfrm == 'ios'",
            "expression.unknown_name",
            2,
            5,
            "platform",
        ),
        ("tags == 3", "expression.types", 1, 9, "tags contains"),
        ("last_seen > 30", "expression.types", 1, 13, "ago('30d')"),
        ("tags contains", "expression.syntax", 1, 14, "found the end"),
        (
            "opened('springg')",
            "segment.unknown_campaign",
            1,
            8,
            "`spring`",
        ),
    ] {
        let answer = world.put(PATH, json!({ "filter": filter })).await;
        let problem = answer.problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!("/filter"), &json!(code))
        );
        assert_eq!(
            (&error["line"], &error["column"]),
            (&json!(line), &json!(column)),
            "{error}"
        );
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
        let path = "/v1/apps/shop/segments/estimate";
        world
            .post(path, json!({ "filter": filter }))
            .await
            .problem(422, "request.invalid");
    }
    let answer = world
        .put(PATH, json!({"filter": "a == 1", "flter": ""}))
        .await;
    answer.problem(422, "request.invalid");
}

#[tokio::test]
async fn an_attribute_is_judged_by_what_devices_have() {
    let world = World::furnished(Setup::default()).await;
    let device = json!({"tags": ["vip"], "attributes": {"plan": "pro"}});
    world.put("/v1/apps/shop/devices/pro", device).await;
    let mistyped = json!({"filter": "attributes.paln == 'pro'"});
    let problem = world
        .put(PATH, mistyped)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "segment.unknown_attribute");
    assert_eq!(problem["errors"][0]["column"], 12);
    let meant = json!({"filter": "attributes.paln == 'pro'", "new_attributes": ["paln"]});
    world.put(PATH, meant).await.is(201);
    let new = json!({"filter": "attributes.height > 3"});
    let stored = world.put(PATH, new).await.is(200).json();
    assert_eq!(stored["warnings"][0]["code"], "segment.unknown_attribute");
    let estimate = world.get(&format!("{PATH}/estimate")).await.is(200).json();
    assert_eq!(estimate["warnings"][0]["column"], 12);
}

#[tokio::test]
async fn estimates_and_counts() {
    let world = World::furnished(Setup::default()).await;
    for n in 0..5 {
        let device = json!({"tags": if n < 2 { vec!["vip"] } else { vec![] }});
        world
            .put(&format!("/v1/apps/shop/devices/n{n}"), device)
            .await
            .is(201);
    }
    let all = world
        .get("/v1/apps/shop/devices/stats")
        .await
        .is(200)
        .json()["total"]
        .clone();
    let estimate = world
        .get("/v1/apps/shop/segments/vips/estimate")
        .await
        .is(200)
        .json();
    assert_eq!(
        estimate,
        json!({"estimate": 2, "low": 2, "high": 2, "confidence": 0.95, "sampled": all, "devices": all, "warnings": []})
    );
    let tried = world
        .post("/v1/apps/shop/segments/estimate", segment())
        .await
        .is(200)
        .json();
    assert_eq!(tried, estimate);
    let count = world
        .post("/v1/apps/shop/segments/vips/count", json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(
        count,
        json!({"segment": "vips", "version": 1, "count": 2, "looked_at": all, "complete": true, "next": null})
    );
    let path = "/v1/apps/shop/segments/vips/count?cursor=cnt-1.2.3.4.5.6";
    world
        .post(path, json!({}))
        .await
        .problem(400, "request.cursor");
}

#[tokio::test]
async fn a_segment_that_a_trigger_sends_to_stays() {
    let world = World::furnished(Setup::default()).await;
    let trigger =
        json!({"event": "sale.begun", "content": {"body": "b"}, "audience": {"segment": "vips"}});
    world
        .put("/v1/apps/shop/triggers/sale", trigger)
        .await
        .is(201);
    let vips = "/v1/apps/shop/segments/vips";
    let used = world.delete(vips).await.problem(409, "segment.in_use");
    assert!(used["detail"].as_str().unwrap().contains("sale"), "{used}");
    let answer = world
        .post("/v1/apps/shop/events", json!({"name": "sale.begun"}))
        .await;
    let answer = answer.is(202).json();
    assert_eq!(answer["triggers"][0]["result"], "sent", "{answer}");
    world.delete("/v1/apps/shop/triggers/sale").await.is(204);
    world.delete(vips).await.is(204);
    let send = json!({"target": {"segment": "vips"}, "content": {"body": "b"}});
    let refused = world.post("/v1/apps/shop/notifications", send).await;
    let problem = refused.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/target/segment");
    assert_eq!(problem["errors"][0]["code"], "target.unknown_segment");
}
