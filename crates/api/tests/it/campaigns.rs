//! Campaigns: started, looked at, paused, let go on, cancelled, followed.

use crate::faulty::Fault;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/campaigns";

/// With so many devices.
async fn world(devices: usize) -> World {
    let world = World::furnished(Setup::default()).await;
    for n in 0..devices {
        let device = json!({"push_tokens": [{"kind": "alert", "token": format!("{n:064x}")}]});
        let path = format!("/v1/apps/shop/devices/d{n}");
        world.put(&path, device).await.is(201);
    }
    world
}

fn body(with: Value) -> Value {
    let mut body =
        json!({"name": "spring", "audience": {"all": true}, "content": {"body": "Hello"}});
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_is_started_seen_paused_and_ended() {
    let world = world(40).await;
    let made = world
        .post(PATH, body(json!({"pace": {"per_second": 1}})))
        .await
        .is(202);
    let (location, made) = (made.header("location"), made.json());
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("{PATH}/{id}"));
    assert!(id.starts_with("cmp_") && made["notification"].as_str().unwrap().starts_with("ntf_"));
    assert_eq!(id[4..], made["notification"].as_str().unwrap()[4..]);
    let seen = world
        .wait(location, |seen| {
            // The slice of the start; then the clock stands.
            seen["progress"]["deliveries"]["accepted"] == 1
        })
        .await;
    assert_eq!(
        (
            &seen["name"],
            &seen["status"],
            &seen["plan"]["audience_mode"]
        ),
        (&json!("spring"), &json!("sending"), &json!("live"))
    );
    assert_eq!(
        world.get(&format!("{PATH}/spring")).await.is(200).json()["id"],
        *id
    );

    let paused = world
        .post(&format!("{PATH}/spring/pause"), json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(paused, json!({"status": "paused", "in_flight": 0}));
    let before = world.get(location).await.is(200).json();
    assert_eq!(before["status"], "paused");
    let ntf = format!(
        "/v1/apps/shop/notifications/{}",
        made["notification"].as_str().unwrap()
    );
    assert_eq!(world.get(&ntf).await.is(200).json()["status"], "paused");
    world.clock.advance(60_000);
    let after = world.get(location).await.is(200).json();
    assert_eq!(
        after["progress"]["deliveries"],
        before["progress"]["deliveries"]
    );
    let going = world
        .post(&format!("{PATH}/{id}/resume"), json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(going["status"], "going");
    let count = |seen: &Value| seen["progress"]["deliveries"]["accepted"].as_u64().unwrap();
    let was = count(&before);
    world.wait(location, |seen| count(seen) > was).await;

    let cancelled = world
        .post(&format!("{PATH}/{id}/cancel"), json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(cancelled["status"], "cancelled");
    let over = world.get(location).await.is(200).json();
    assert_eq!(over["status"], "cancelled");
    assert!(count(&over) < 41);
    // A cancel may be repeated.
    let again = world.post(&format!("{PATH}/{id}/cancel"), json!({})).await;
    assert_eq!(again.is(200).json()["status"], "cancelled");
    world
        .post(&format!("{PATH}/{id}/pause"), json!({}))
        .await
        .problem(409, "campaign.over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_completed_cannot_be_cancelled() {
    let world = world(1).await;
    let made = world.post(PATH, body(json!({}))).await.is(202).json();
    let path = format!("{PATH}/spring");
    world
        .wait(&path, |seen| seen["status"] == "completed")
        .await;
    let over = world
        .post(&format!("{path}/cancel"), json!({}))
        .await
        .problem(409, "campaign.over");
    assert!(over["detail"].as_str().unwrap().contains("completed"));
    // It ended after it was looked at, and before the store was to cancel it.
    world.faults.set(Some(Fault::Unfinished));
    for _ in 0..2 {
        let late = world.post(&format!("{path}/cancel"), json!({})).await;
        late.problem(409, "campaign.over");
    }
    world.faults.set(None);
    // Its notification is cancelled too late like any other.
    let notification = made["notification"].as_str().unwrap();
    let cancel = format!("/v1/apps/shop/notifications/{notification}/cancel");
    world.post(&cancel, json!({})).await.is(200);
    assert_eq!(world.get(&path).await.is(200).json()["status"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_listed_by_time_and_named_once() {
    let world = world(0).await;
    for name in ["a", "b", "c"] {
        world.post(PATH, body(json!({"name": name}))).await.is(202);
    }
    let names = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().iter();
        data.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = world.get(&format!("{PATH}?limit=2")).await.is(200).json();
    assert_eq!(names(&first), ["c", "b"]);
    let next = first["next"].as_str().unwrap();
    let rest = world
        .get(&format!("{PATH}?cursor={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        (names(&rest), &rest["next"]),
        (vec!["a".to_owned()], &Value::Null)
    );
    let taken = world
        .post(PATH, body(json!({"name": "b"})))
        .await
        .problem(409, "campaign.name_taken");
    let id = first["data"][1]["id"].as_str().unwrap();
    assert!(taken["detail"].as_str().unwrap().contains(id), "{taken}");
    // The same key is the same campaign, whatever its name.
    let ask = || {
        Ask::new(Method::POST, PATH)
            .json(&body(json!({"name": "d"})))
            .header("idempotency-key", "k")
    };
    let once = world.send(ask()).await.is(202).json();
    let twice = world.send(ask()).await.is(202).json();
    assert_eq!(
        (&once["id"], &twice["repeated"]),
        (&twice["id"], &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_followed_to_its_end() {
    let world = world(25).await;
    let made = world
        .post(
            PATH,
            body(json!({"audience_mode": "frozen", "slice_size": 10})),
        )
        .await;
    let id = made.is(202).json()["id"].as_str().unwrap().to_owned();
    let ask = Ask::new(Method::GET, &format!("{PATH}/{id}/progress"));
    let response =
        tower::ServiceExt::oneshot(world.router.clone(), ask.request(&world.admin)).await;
    let body = response.unwrap().into_body();
    let whole = http_body_util::BodyExt::collect(body);
    let whole = tokio::time::timeout(std::time::Duration::from_secs(20), whole).await;
    let text = String::from_utf8(whole.unwrap().unwrap().to_bytes().to_vec()).unwrap();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let data = last.strip_prefix("event: end\ndata: ").unwrap();
    let seen: Value = serde_json::from_str(data).unwrap();
    assert_eq!(seen["status"], "completed");
    // The device that furnishes the world is one more.
    assert_eq!(seen["progress"]["audience"], 26);
    assert_eq!(seen["progress"]["left"], 0);
    assert_eq!(seen["progress"]["deliveries"]["accepted"], 26);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_and_a_halt_are_told() {
    let world = world(30).await;
    world.gateway.set(crate::gateway::Mood::Reject("BadTopic"));
    let canary = json!({"size": 10, "hold": "5m", "halt_if": {"failed": 0.1}});
    world
        .post(PATH, body(json!({"canary": canary})))
        .await
        .is(202);
    let path = format!("{PATH}/spring");
    let held = world
        .wait(&path, |seen| {
            seen["progress"]["deliveries"]["rejected"] == 10
        })
        .await;
    assert_eq!(held["status"], "holding");
    assert_eq!(
        (&held["progress"]["audience"], &held["progress"]["left"]),
        (&json!(31), &json!(21))
    );
    assert_eq!(held["progress"]["canary"]["failed"], 1.0);
    assert_eq!(held["progress"]["failures"][0]["reason"], "BadTopic");
    assert_eq!(held["progress"]["time_left"], "5m");
    world.clock.advance(301_000);
    let halted = world.wait(&path, |seen| seen["status"] == "halted").await;
    let why = &halted["progress"]["canary"]["halted"];
    assert_eq!(why["reason"], "failed");
    assert!(
        why["message"]
            .as_str()
            .unwrap()
            .contains("10 of the canary's 10")
    );
    assert_eq!(halted["progress"]["time_left"], Value::Null);
    world.gateway.set(crate::gateway::Mood::Accept);
    world
        .post(&format!("{path}/resume"), json!({}))
        .await
        .is(200);
    let done = world
        .wait(&path, |seen| seen["status"] == "completed")
        .await;
    assert_eq!(done["progress"]["deliveries"]["accepted"], 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_tried_first() {
    let world = world(30).await;
    let path = format!("{PATH}?dry_run=true");
    let tried = world
        .post(&path, body(json!({"pace": {"over": "30m"}})))
        .await
        .is(200)
        .json();
    assert_eq!(tried["plan"]["audience_mode"], "frozen");
    assert_eq!(
        (&tried["sampled"], &tried["renderable"]),
        (&json!(31), &json!(31))
    );
    assert_eq!(tried["samples"][0]["content"]["body"], "Hello");
    let filtered =
        body(json!({"audience": {"segment": "vips"}, "send_at": "2026-09-01T12:00:00Z"}));
    let tried = world.post(&path, filtered).await.is(200).json();
    assert_eq!(tried["begins_at"], "2026-09-01T12:00:00.000Z");
    assert_eq!(tried["audience"]["devices"], 31);
    assert_eq!(
        world.get(PATH).await.is(200).json()["data"],
        json!([]),
        "nothing is stored"
    );
    world
        .post(&path, body(json!({"slice_size": 0})))
        .await
        .problem(422, "request.invalid");
    world.post(PATH, body(json!({}))).await.is(202);
    world
        .post(&path, body(json!({})))
        .await
        .problem(409, "campaign.name_taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_wrong_is_said_at_once() {
    let world = world(0).await;
    let wrong = json!({
        "name": "a b", "slice_size": 0, "pace": {"per_second": 0}, "audience_mode": "live",
        "local_time": {"at": "2026-02-31T09:00", "default_time_zone": "Asia/Soul"}
    });
    let problem = world
        .post(PATH, body(wrong))
        .await
        .problem(422, "request.invalid");
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        [
            "/name",
            "/slice_size",
            "/audience_mode",
            "/pace/per_second",
            "/local_time/at",
            "/local_time/default_time_zone"
        ]
    );
    assert!(
        problem.to_string().contains("Asia/Seoul"),
        "the nearest is named"
    );
    let unknown = body(json!({"audience": {"segment": "vipz"}}));
    let problem = world
        .post(PATH, unknown)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/audience/segment");
    assert!(problem.to_string().contains("vips"), "{problem}");
    let device = json!({"attributes": {"plan": "pro"}, "push_tokens": []});
    world.put("/v1/apps/shop/devices/pro", device).await.is(201);
    let mistyped = body(json!({"audience": {"tags": "attributes.paln == 'pro'"}}));
    let problem = world
        .post(PATH, mistyped)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/audience/tags");
    assert!(problem.to_string().contains("`plan`"), "{problem}");
    let colour = body(json!({"audience": {"tags": "colour == 'red'"}}));
    let problem = world
        .post(PATH, colour)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/audience/tags");
}
