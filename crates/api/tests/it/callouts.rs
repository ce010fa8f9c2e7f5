//! Call-outs: their definitions, secrets, tests, and what schedules that ask them are held to.

use crate::world::{Ask, Setup, World};
use axum::http::Method;
use carillon_ports::memory::answered;
use carillon_ports::registry::Scope;
use serde_json::json;

const PATH: &str = "/v1/apps/shop/callouts/weather";

#[tokio::test]
async fn a_secret_is_shown_once_and_exchanged() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(PATH, crate::catalogue::callout()).await.is(201);
    let made = made.json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(
        (&made["timeout"], &made["attempts"], &made["version"]),
        (&json!("2s"), &json!(2), &json!(1))
    );
    assert_eq!(made["fallback"]["content"]["body"], "News!");
    let changed = world
        .put(PATH, json!({"url": "https://app.example.com/other"}))
        .await
        .is(200)
        .json();
    assert_eq!(changed.get("secret"), None);
    assert_eq!(
        (
            &changed["timeout"],
            &changed["fallback"],
            &changed["version"]
        ),
        (&json!("5s"), &json!("fail"), &json!(2))
    );
    world.post(&format!("{PATH}/test"), json!({})).await.is(200);
    let live = |world: &World| {
        let (_, call) = world.receivers.questions().pop().unwrap();
        let live = call.secrets.all().iter().map(|secret| secret.text.clone());
        live.collect::<Vec<_>>()
    };
    assert_eq!(live(&world), [secret.as_str()]);
    let rotated = world
        .post(&format!("{PATH}/rotate-secret"), json!({}))
        .await
        .is(200)
        .json();
    world.post(&format!("{PATH}/test"), json!({})).await.is(200);
    assert_eq!(
        live(&world),
        [rotated["secret"].as_str().unwrap(), secret.as_str()]
    );
    let shop = Some(world.app("shop"));
    let reader = world.make_key(shop, &[Scope::Read]).await;
    let seen = world
        .send(Ask::new(Method::GET, PATH).key(&reader))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&seen["url"], &seen["origin"]),
        (&json!(null), &json!("https://app.example.com"))
    );
}

#[tokio::test]
async fn a_test_shows_what_is_answered_and_sends_nothing() {
    let world = World::furnished(Setup::default()).await;
    world.put(PATH, crate::catalogue::callout()).await.is(201);
    for (status, body, ok, problem) in [
        (204, "", true, None),
        (200, r#"{"content":{"body":"Rain"}}"#, true, None),
        (
            200,
            r#"{"content":{"body":7}}"#,
            false,
            Some("/content/body"),
        ),
        (200, r#"{}"#, false, Some("answer 204")),
        (500, "oh", false, Some("500")),
    ] {
        world.receivers.answer(move |_| (1, answered(status, body)));
        let data = json!({"data": {"city": "Seoul"}});
        let seen = world.post(&format!("{PATH}/test"), data).await;
        let seen = seen.is(200).json();
        assert_eq!(
            (&seen["ok"], &seen["status"], &seen["nothing"]),
            (&json!(ok), &json!(status), &json!(status == 204))
        );
        match problem {
            None => assert_eq!(seen["problem"], json!(null)),
            Some(part) => {
                let said = seen["problem"].as_str().unwrap();
                assert!(said.contains(part), "{said}");
            }
        }
    }
    let (_, call) = world.receivers.questions().pop().unwrap();
    let asked: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        (
            &asked["type"],
            &asked["app"],
            &asked["callout"],
            &asked["data"]
        ),
        (
            &json!("callout.asked"),
            &json!("shop"),
            &json!("weather"),
            &json!({"city": "Seoul"})
        )
    );
    let sent = world.get("/v1/apps/shop/notifications").await.is(200);
    assert_eq!(sent.json()["data"], json!([]));
    let runs = world.get(&format!("{PATH}/runs")).await.is(200).json();
    assert_eq!(runs["data"], json!([]));
}

#[tokio::test]
async fn bad_definitions_are_refused_at_once() {
    let world = World::furnished(Setup::default()).await;
    for (body, pointer) in [
        (json!({"url": "https://forbidden.example"}), "/url"),
        (json!({"url": "gopher://x"}), "/url"),
        (
            json!({"url": "https://a.example", "timeout": "2m"}),
            "/timeout",
        ),
        (
            json!({"url": "https://a.example", "timeout": "soon"}),
            "/timeout",
        ),
        (
            json!({"url": "https://a.example", "attempts": 9}),
            "/attempts",
        ),
        (
            json!({"url": "https://a.example", "fallback": {"variables": 1}}),
            "/fallback/variables",
        ),
    ] {
        let problem = world.put(PATH, body).await.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn a_schedule_that_asks_is_judged_when_it_is_stored() {
    let world = World::furnished(Setup::default()).await;
    let path = "/v1/apps/shop/schedules/asking";
    let schedule = |notification: serde_json::Value| {
        let mut notification = notification;
        notification["target"] = json!({"devices": ["phone"]});
        json!({"cron": "0 9 * * *", "time_zone": "UTC", "notification": notification})
    };
    let from = json!({"callout": "news", "data": {"edition": 1}});
    for (notification, pointer) in [
        (
            json!({"content_from": {"callout": "newz"}}),
            "/notification/content_from/callout",
        ),
        (
            json!({"content_from": from, "content": {"body": "b"}}),
            "/notification/content",
        ),
        (
            json!({"content_from": {"callout": "news", "data": [1]}}),
            "/notification/content_from/data",
        ),
        (
            json!({"content_from": from, "template": {"name": "nope"}}),
            "/notification/template/name",
        ),
    ] {
        let problem = world.put(path, schedule(notification)).await;
        let problem = problem.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    // Its variable is not known yet.
    let templated = json!({"content_from": from, "template": {"name": "used"}});
    world.put(path, schedule(templated)).await.is(201);
    world
        .put(path, schedule(json!({"content_from": from})))
        .await
        .is(200);
    // By hand, at once and in a campaign it is asked too; not in a dry run.
    let by_hand = world.post(&format!("{path}/run"), json!({})).await;
    assert!(by_hand.is(202).json()["send_at"].is_string());
    let direct = json!({"target": {"devices": ["phone"]}, "content_from": from});
    let at_once = world.post("/v1/apps/shop/notifications", direct).await;
    let at_once = at_once.is(202).json();
    assert!(at_once["send_at"].is_string());
    let runs = "/v1/apps/shop/callouts/news/runs";
    let asked = world.wait(runs, |runs| runs["data"].as_array().unwrap().len() >= 2);
    let asked = asked.await;
    let asked = &asked["data"].as_array().unwrap()[..];
    let of = |id: &serde_json::Value| asked.iter().find(|run| run["notification"] == *id);
    assert_eq!(of(&at_once["id"]).unwrap()["schedule"], json!(null));
    assert!(asked.iter().any(|run| run["schedule"] == "asking"));
    let campaign = json!({"name": "asks", "audience": {"all": true}, "content_from": from});
    let campaigns = "/v1/apps/shop/campaigns";
    let dry_run = format!("{campaigns}?dry_run=true");
    let dry = world.post(&dry_run, campaign.clone()).await;
    let problem = dry.problem(422, "request.invalid");
    let error = &problem["errors"][0];
    assert_eq!(
        (&error["code"], &error["pointer"]),
        (&json!("callout.place"), &json!("/content_from"))
    );
    world.post(campaigns, campaign).await.is(202);
}
