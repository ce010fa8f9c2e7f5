//! Schedules: stored, previewed, paused, run, and what came of them.

use crate::catalogue::schedule;
use crate::faulty::Fault;
use crate::world::{Ask, START, Setup, World};
use axum::http::Method;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Actor;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/schedules/new";
const PREVIEW: &str = "/v1/apps/shop/schedules/preview";

fn with(fields: Value) -> Value {
    let mut schedule = schedule();
    for (key, value) in fields.as_object().unwrap() {
        schedule[key] = value.clone();
    }
    schedule
}

#[tokio::test]
async fn a_schedule_is_stored_changed_paused_and_deleted() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(PATH, schedule()).await.is(201).json();
    assert_eq!(
        (&made["version"], &made["state"]),
        (&json!(1), &json!("active"))
    );
    let next = made["next"].as_array().unwrap();
    assert_eq!(next.len(), 10);
    assert!(
        next[0]["local"]
            .as_str()
            .unwrap()
            .ends_with("T09:00:00+09:00")
    );
    assert!(next[0]["at"].as_str().unwrap().ends_with("T00:00:00.000Z"));
    let same = world.put(PATH, schedule()).await.is(200).json();
    assert_eq!(same, made, "the same again changes nothing");

    let post = async |what: &str| {
        world
            .post(&format!("{PATH}/{what}"), json!({}))
            .await
            .is(200)
            .json()
    };
    let paused = post("pause").await;
    assert_eq!(
        (&paused["version"], &paused["state"]),
        (&json!(2), &json!("paused"))
    );
    assert_eq!(paused["next"], json!([]));
    assert_eq!(post("pause").await, paused, "once is enough");
    assert_eq!(paused["definition"]["paused"], true);
    let resumed = post("resume").await;
    assert_eq!(
        (&resumed["version"], &resumed["next"]),
        (&json!(3), &made["next"])
    );
    assert_eq!(world.get(PATH).await.is(200).json(), resumed);

    let list = world
        .get("/v1/apps/shop/schedules?limit=2")
        .await
        .is(200)
        .json();
    let names: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["broken", "new"]);
    assert_eq!(list["data"][1]["next"].as_array().unwrap().len(), 1);
    let rest = format!(
        "/v1/apps/shop/schedules?cursor={}",
        list["next"].as_str().unwrap()
    );
    let rest = world.get(&rest).await.is(200).json();
    assert_eq!(rest["data"][0]["name"], "news");
    world.delete(PATH).await.is(204);
    let gone = world.get("/v1/apps/shop/schedules/neww").await;
    let gone = gone.problem(404, "schedule.unknown");
    assert!(
        gone["detail"].as_str().unwrap().contains("`news`"),
        "{gone}"
    );
}

/// Pausing says nothing about what is sent: what somebody else stored meanwhile stays.
#[tokio::test]
async fn pausing_does_not_undo_what_was_stored_meanwhile() {
    let world = World::furnished(Setup::default()).await;
    world.put(PATH, schedule()).await.is(201);
    let registry = world.engine.registry();
    let behind = async |cron: &str| {
        let (app, kind, name) = (world.app("shop"), DefinitionKind::Schedule, "new");
        let no = registry.definition_no(app, kind, name.into());
        let no = no.await.unwrap();
        let body = with(json!({"cron": cron})).to_string();
        let by = Actor {
            api_key: None,
            request_id: None,
        };
        let put = registry.put_definition(no, app, kind, name.into(), body, None, START, by);
        put.await.unwrap();
    };
    behind("30 8 * * *").await;
    let path = format!("{PATH}/pause");
    let paused = world.post(&path, json!({})).await.is(200).json();
    assert_eq!(
        (&paused["version"], &paused["state"]),
        (&json!(3), &json!("paused"))
    );
    assert_eq!(paused["definition"]["cron"], "30 8 * * *");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_schedule_has_its_place() {
    let world = World::furnished(Setup::default()).await;
    for (fields, code, pointer) in [
        (json!({"cron": "0 25 * * *"}), "schedule.cron", "/cron"),
        (json!({"cron": "0 0 31 2 *"}), "schedule.never", "/cron"),
        (
            json!({"time_zone": "Asia/Soul"}),
            "schedule.time_zone",
            "/time_zone",
        ),
        (
            json!({"except_dates": ["x"]}),
            "schedule.except_dates",
            "/except_dates/0",
        ),
        (
            json!({"ends_at": "2020-01-01T00:00:00Z"}),
            "schedule.never",
            "/ends_at",
        ),
        (
            json!({"missed": {"fire_if_late_by_under": "soon"}}),
            "field.value",
            "/missed",
        ),
        (json!({"crom": "x"}), "field.unknown", "/crom"),
        (
            json!({"notification": {"target": {"all": true}, "template": {"name": "usd"}}}),
            "template.unknown",
            "/notification/template/name",
        ),
        (
            json!({"notification": {"target": {"all": true}, "template": {"name": "used"}}}),
            "template.variable_missing",
            "/notification/template/variables/name",
        ),
        (
            json!({"notification": {"target": {"devices": []}, "content": {"body": "x"}}}),
            "target.entries",
            "/notification/target/devices",
        ),
        (
            json!({"notification": {"target": {"all": true}, "content": {"body": "x".repeat(5_000)}}}),
            "apns.too_large",
            "/notification/content",
        ),
        (
            json!({"notification": {"target": {"all": true}, "content": {"bdy": "x"}}}),
            "field.unknown",
            "/notification/content/bdy",
        ),
        (
            json!({"notification": {"target": {"all": true}, "content": {"body": "x"}, "expires_at": "2030-01-01T00:00:00Z"}}),
            "schedule.notification",
            "/notification/expires_at",
        ),
    ] {
        for problem in [
            world.put(PATH, with(fields.clone())).await,
            world.post(PREVIEW, with(fields.clone())).await,
        ] {
            let problem = problem.problem(422, "request.invalid");
            let error = &problem["errors"][0];
            assert_eq!(
                (&error["code"], &error["pointer"]),
                (&json!(code), &json!(pointer)),
                "{fields}: {problem}"
            );
        }
    }
    let all = world.put(
        PATH,
        json!({"cron": "0 9 * * XXX", "time_zone": "x", "notification": {"target": {"all": true}}}),
    );
    let all = all.await.problem(422, "request.invalid");
    let pointers: Vec<_> = all["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["pointer"])
        .collect();
    assert_eq!(pointers, ["/cron", "/time_zone", "/notification/content"]);
    assert_eq!(all["errors"][0]["column"], 9);
    world.get(PATH).await.problem(404, "schedule.unknown");
}

#[tokio::test]
async fn a_preview_says_what_the_clocks_do_and_stores_nothing() {
    let world = World::furnished(Setup::default()).await;
    let berlin = with(json!({
        "cron": "30 2 31 3 *", "time_zone": "Europe/Berlin", "paused": true, "starts_at": "2030-01-01T00:00:00Z"
    }));
    let said = world.post(PREVIEW, berlin).await.is(200).json();
    let next = said["next"].as_array().unwrap();
    assert_eq!(next.len(), 10);
    // 2030-03-31 is a last Sunday of March.
    assert_eq!(next[0]["local"], "2030-03-31T03:00:00+02:00");
    assert!(
        next[0]["note"]
            .as_str()
            .unwrap()
            .contains("jumps over 02:30")
    );
    assert_eq!(
        (&next[1]["local"], &next[1]["note"]),
        (&json!("2031-03-31T02:30:00+02:00"), &Value::Null)
    );
    assert_eq!(said["warnings"].as_array().unwrap().len(), 1);
    world.get(PATH).await.problem(404, "schedule.unknown");
}

#[tokio::test]
async fn a_run_is_sent_once_and_read_back() {
    let world = World::furnished(Setup::default()).await;
    let runs = |of: &str| format!("/v1/apps/shop/schedules/{of}/runs");
    let run = |of: &str, key: &str| {
        let path = format!("/v1/apps/shop/schedules/{of}/run");
        Ask::new(Method::POST, &path).header("idempotency-key", key)
    };
    assert_eq!(
        world.get(&runs("resting")).await.is(200).json(),
        json!({"data": [], "next": null})
    );
    let sent = world.send(run("resting", "a")).await.is(202).json();
    let again = world.send(run("resting", "a")).await.is(202).json();
    assert_eq!(
        (&again["id"], &again["repeated"]),
        (&sent["id"], &json!(true))
    );
    world
        .wait(&runs("resting"), |seen| {
            seen["data"][0]["deliveries"]["open"] == 0
        })
        .await;
    let seen = world.get(&runs("resting")).await.is(200).json();
    assert_eq!(seen["data"].as_array().unwrap().len(), 1, "{seen}");
    let one = &seen["data"][0];
    assert_eq!(
        (
            &one["cause"],
            &one["result"],
            &one["times"],
            &one["notification"]
        ),
        (&json!("asked"), &json!("sent"), &json!(1), &sent["id"])
    );
    assert_eq!(
        one["deliveries"],
        json!({"total": 1, "open": 0, "states": {"accepted": 1}})
    );

    world
        .send(run("broken", "b"))
        .await
        .problem(422, "request.invalid");
    let failed = world.get(&runs("broken")).await.is(200).json();
    let one = &failed["data"][0];
    assert_eq!(
        (&one["result"], &one["code"]),
        (&json!("failed"), &json!("template.unknown"))
    );
    assert_eq!(
        (&one["notification"], &one["deliveries"]),
        (&Value::Null, &Value::Null)
    );

    world.send(run("resting", "c")).await.is(202);
    let first = world
        .get(&format!("{}?limit=1", runs("resting")))
        .await
        .is(200)
        .json();
    let next = first["next"].as_str().unwrap();
    let second = world
        .get(&format!("{}?limit=1&cursor={next}", runs("resting")))
        .await
        .is(200)
        .json();
    assert_eq!(second["data"][0]["notification"], sent["id"]);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn a_template_that_a_schedule_says_stays() {
    let world = World::furnished(Setup::default()).await;
    world
        .delete("/v1/apps/shop/triggers/comments")
        .await
        .is(204);
    let used = world.delete("/v1/apps/shop/templates/used").await;
    let problem = used.problem(409, "template.in_use");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("the schedule news"), "{detail}");
}

#[tokio::test]
async fn a_schedule_of_campaigns_is_judged_and_its_runs_name_them() {
    let world = World::furnished(Setup::default()).await;
    let of = |with: Value| {
        let mut campaign = json!({
            "name": "weekly", "audience": {"all": true}, "content": {"body": "Hi"}, "pace": {"per_second": 100}
        });
        for (key, value) in with.as_object().unwrap() {
            campaign[key] = value.clone();
        }
        json!({"cron": "0 9 * * MON", "time_zone": "Asia/Seoul", "campaign": campaign})
    };
    for (fields, pointer) in [
        (json!({"name": "x".repeat(40)}), "/campaign/name"),
        (
            json!({"pace": {"per_second": 0}}),
            "/campaign/pace/per_second",
        ),
        (
            json!({"audience": {"segment": "none"}}),
            "/campaign/audience/segment",
        ),
        (
            json!({"audience": {"devices": ["phone"]}}),
            "/campaign/audience",
        ),
        (
            json!({"send_at": "2030-01-01T00:00:00Z"}),
            "/campaign/send_at",
        ),
        (
            json!({"local_time": {"at": "2030-01-01T09:00", "default_time_zone": "UTC"}}),
            "/campaign/local_time/at",
        ),
        (
            json!({"content": null, "template": {"name": "nope"}}),
            "/campaign/template/name",
        ),
    ] {
        for refused in [
            world.put(PATH, of(fields.clone())).await,
            world.post(PREVIEW, of(fields.clone())).await,
        ] {
            let problem = refused.problem(422, "request.invalid");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
    }
    let mut both = of(json!({}));
    both["notification"] = schedule()["notification"].clone();
    let problem = world.put(PATH, both).await.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "schedule.notification");
    let previewed = world.post(PREVIEW, of(json!({}))).await.is(200).json();
    let made = world.put(PATH, of(json!({}))).await.is(201).json();
    assert_eq!(made["next"], previewed["next"]);
    assert_eq!(
        made["definition"]["campaign"]["pace"],
        json!({"per_second": 100})
    );
    let same = world.put(PATH, of(json!({}))).await.is(200).json();
    assert_eq!(same["version"], 1);
    let ran = world.post(&format!("{PATH}/run"), json!({})).await;
    let notification = ran.is(202).json()["id"].clone();
    let runs = world.get(&format!("{PATH}/runs")).await.is(200).json();
    let run = &runs["data"][0];
    assert_eq!(run["notification"], notification);
    let id = run["campaign"].as_str().unwrap();
    let campaign = world.get(&format!("/v1/apps/shop/campaigns/{id}")).await;
    let campaign = campaign.is(200).json();
    assert!(campaign["name"].as_str().unwrap().starts_with("weekly@"));
    assert_eq!(campaign["notification"], notification);
}

#[tokio::test]
async fn a_pause_that_others_keep_coming_before_says_so() {
    let world = World::furnished(Setup::default()).await;
    world.put(PATH, schedule()).await.is(201);
    world.faults.set(Some(Fault::Contended));
    let busy = world.post(&format!("{PATH}/pause"), json!({})).await;
    let busy = busy.problem(503, "server.busy");
    let detail = busy["detail"].as_str().unwrap();
    assert!(detail.contains("schedule \"new\""), "{detail}");
    world.faults.set(None);
    let seen = world.get(PATH).await.is(200).json();
    assert_eq!(seen["state"], "active", "nothing was changed");
    world
        .post(&format!("{PATH}/pause"), json!({}))
        .await
        .is(200);
}
