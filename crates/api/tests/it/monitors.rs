//! Monitors, rotations, ladders, incidents, heartbeats, and the pages that need no API key.

use crate::faulty::Fault;
use crate::watching::{
    DAY, defined, furnished, heartbeat, ladder, link, monitor, nobody, rotation,
};
use crate::world::{Ask, START, Setup, World};
use axum::body::{Body, Bytes};
use axum::http::Method;
use carillon_model::monitor::{CheckResult, FaultKind};
use carillon_ports::registry::{NewSecret, Scope};
use carillon_ports::secret::Place;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};
use std::time::Duration;

const MONITORS: &str = "/v1/apps/shop/monitors";

async fn world() -> World {
    furnished(Setup::default()).await
}

/// A furnished world without anything that is watched.
async fn bare() -> World {
    World::furnished(Setup::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_headers_are_never_shown_and_stay() {
    let world = world().await;
    let path = format!("{MONITORS}/web");
    let put = world.put(&path, monitor()).await.is(200);
    assert!(!put.text().contains("SECRET"), "{}", put.text());
    let stored = put.json();
    let headers = |stored: &Value| stored["definition"]["check"]["http"]["headers"].clone();
    assert_eq!(headers(&stored), json!({"x-key": "***"}));

    // What was read can be stored again as it is, and changes nothing; the value is still sent.
    let same = world
        .put(&path, stored["definition"].clone())
        .await
        .is(200)
        .json();
    assert_eq!(same["version"], stored["version"]);
    world.post(&format!("{path}/test"), json!({})).await.is(200);
    assert_eq!(world.checker.headers(), json!({"x-key": "SECRET"}));
    let mut changed = stored["definition"].clone();
    changed["interval"] = json!("5m");
    let changed = world.put(&path, changed).await.is(200).json();
    assert_eq!(headers(&changed), json!({"x-key": "***"}));
    world.post(&format!("{path}/test"), json!({})).await.is(200);
    assert_eq!(world.checker.headers(), json!({"x-key": "SECRET"}));

    let mut other = monitor();
    other["check"]["http"]["headers"] = json!({"x-other": "***"});
    let refused = world
        .put(&path, other)
        .await
        .problem(422, "request.invalid");
    assert_eq!(
        refused["errors"][0]["pointer"],
        "/check/http/headers/x-other"
    );

    // Paths can be secrets too: who may only read sees none.
    let reader = world
        .make_key(Some(world.app("shop")), &[Scope::Read])
        .await;
    let read = |path: String| world.send(Ask::new(Method::GET, &path).key(&reader));
    let seen = read(path.clone()).await.is(200).json();
    assert_eq!(
        seen["definition"]["check"]["http"]["url"],
        "https://web.example.com"
    );
    let job = format!("{MONITORS}/job");
    assert_eq!(
        read(job.clone()).await.is(200).json()["heartbeat_url"],
        Value::Null
    );
    let url = world.get(&job).await.is(200).json()["heartbeat_url"].clone();
    assert!(
        url.as_str().unwrap().starts_with("/v1/heartbeats/"),
        "{url}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_headers_do_not_follow_a_url_to_another_origin() {
    let world = world().await;
    let path = format!("{MONITORS}/web");
    let stored = world.put(&path, monitor()).await.is(200).json();
    let with = |url: &str| {
        let mut definition = stored["definition"].clone();
        definition["check"]["http"]["url"] = json!(url);
        definition
    };
    let elsewhere = with("https://elsewhere.example.com/health");
    let refused = world.put(&path, elsewhere.clone()).await;
    let problem = refused.problem(422, "request.invalid");
    let error = &problem["errors"][0];
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (
            &json!("/check/http/headers/x-key"),
            &json!("monitor.header")
        )
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("the value anew"), "{message}");
    assert_eq!(world.get(&path).await.json()["version"], stored["version"]);

    let other_path = with("https://web.example.com/other");
    world.put(&path, other_path).await.is(200);
    world.post(&format!("{path}/test"), json!({})).await.is(200);
    assert_eq!(world.checker.headers(), json!({"x-key": "SECRET"}));
    let mut given = elsewhere;
    given["check"]["http"]["headers"] = json!({"x-key": "OTHER"});
    world.put(&path, given).await.is(200);
    world.post(&format!("{path}/test"), json!({})).await.is(200);
    assert_eq!(world.checker.headers(), json!({"x-key": "OTHER"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_brings_nothing_back_that_another_process_has_changed() {
    let world = world().await;
    let path = |name: &str| format!("{MONITORS}/{name}");
    // Stored past this process, which has not read of it yet.
    let elsewhere = async |name: &str, body: Value, secret: NewSecret| {
        let before = defined(&world, name);
        let registry = world.engine.registry();
        let changed =
            registry.change_definition(before.clone(), body.to_string(), secret, START, nobody());
        assert!(changed.await.unwrap().is_some());
        assert_eq!(defined(&world, name), before, "the directory is old");
    };
    let former = format!(
        "/v1/heartbeats/{}",
        world.engine.heartbeat_secret(&defined(&world, "job"))
    );
    let mut rotated = heartbeat();
    rotated["heartbeat_serial"] = json!(1);
    elsewhere("job", rotated, NewSecret::Same).await;
    let mut wanted = heartbeat();
    wanted["description"] = json!("another");
    let put = world.put(&path("job"), wanted).await.is(200).json();
    assert_eq!(
        (&put["version"], &put["definition"]["description"]),
        (&json!(3), &json!("another"))
    );
    let url = put["heartbeat_url"].as_str().unwrap();
    assert_ne!(url, former);
    let beat = |url: &str| world.send(Ask::new(Method::POST, url).no_key());
    beat(&former).await.problem(404, "heartbeat.unknown");
    beat(url).await.is(204);

    let stored = world.put(&path("web"), monitor()).await.is(200).json();
    let web = defined(&world, "web");
    let row = web.no.to_string();
    let secrets = world.engine.secrets();
    let sealed = secrets.seal(Place::definition(&row), br#"{"x-key": "NEWER"}"#);
    let body = serde_json::from_str(&web.body).unwrap();
    elsewhere("web", body, NewSecret::Is(Some(sealed))).await;
    let mut wanted = stored["definition"].clone();
    wanted["interval"] = json!("5m");
    world.put(&path("web"), wanted.clone()).await.is(200);
    let test = format!("{}/test", path("web"));
    world.post(&test, json!({})).await.is(200);
    assert_eq!(world.checker.headers(), json!({"x-key": "NEWER"}));

    world.faults.set(Some(Fault::Contended));
    wanted["interval"] = json!("6m");
    let busy = world.put(&path("web"), wanted).await;
    let problem = busy.problem(503, "server.busy");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("monitor \"web\""), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_named_with_their_place() {
    let world = world().await;
    world
        .checker
        .fake
        .forbid("https://169.254.169.254/", "this address is not public");
    let http = |url: &str, more: Value| {
        let mut check = json!({"url": url});
        for (key, value) in more.as_object().unwrap() {
            check[key] = value.clone();
        }
        json!({"check": {"http": check}})
    };
    let fine = |more: Value| {
        let mut monitor = http("https://a.example", json!({}));
        for (key, value) in more.as_object().unwrap() {
            monitor[key] = value.clone();
        }
        monitor
    };
    let expect = |expect: Value| http("https://a.example", json!({ "expect": expect }));
    for (body, pointer, code, said) in [
        (
            fine(json!({"interval": "500ms"})),
            "/interval",
            "monitor.duration",
            "1s",
        ),
        (
            expect(json!({"body": {"matches": "(a|b\\1)"}})),
            "/check/http/expect/body/matches",
            "monitor.pattern",
            "",
        ),
        (
            expect(json!({"body": {"matches": "(((a{99}){99}){99}){99}"}})),
            "/check/http/expect/body/matches",
            "monitor.pattern",
            "",
        ),
        (
            http("https://a.example", json!({"redirects": 11})),
            "/check/http/redirects",
            "monitor.redirects",
            "0 to 10",
        ),
        (
            http("ftp://a", json!({})),
            "/check/http/url",
            "monitor.url",
            "https://",
        ),
        (
            http("https://169.254.169.254/", json!({})),
            "/check/http/url",
            "monitor.url",
            "not public",
        ),
        (
            fine(json!({"ladder": "nihgt"})),
            "/ladder",
            "monitor.ladder",
            "did you mean `night`",
        ),
        (
            fine(json!({"depends_on": ["roter"]})),
            "/depends_on/0",
            "monitor.depends_on",
            "did you mean `router`",
        ),
        (
            fine(json!({"heartbeat_serial": 4})),
            "/heartbeat_serial",
            "field.unknown",
            "rotate-secret",
        ),
        (
            fine(json!({"intervall": "1m"})),
            "/intervall",
            "field.unknown",
            "interval",
        ),
    ] {
        let path = format!("{MONITORS}/new");
        let refused = world.put(&path, body.clone()).await;
        let problem = refused.problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(code)),
            "{body}: {problem}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(said),
            "{problem}"
        );
    }
    // A circle is shown.
    let circle = json!({"check": {"icmp": {"host": "192.0.2.1"}}, "depends_on": ["web"]});
    let refused = world.put(&format!("{MONITORS}/router"), circle).await;
    let problem = refused.problem(422, "request.invalid");
    assert!(
        problem.to_string().contains("router → web → router"),
        "{problem}"
    );

    let rotation = "/v1/apps/shop/rotations/new";
    let gap = json!({"time_zone": "UTC", "layers": [{"members": ["ann"], "hours": {"from": "09:00", "to": "17:00"}}]});
    let problem = world
        .put(rotation, gap.clone())
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "on_call.gap");
    assert!(
        problem.to_string().contains("found a gap from 2026-08-01T"),
        "{problem}"
    );
    let mut allowed = gap;
    allowed["allow_gaps"] = json!(true);
    world.put(rotation, allowed).await.is(201);

    for (body, pointer, code, said) in [
        (json!({"steps": []}), "/steps", "ladder.steps", "found 0"),
        (
            json!({"steps": [{"whom": {"on_call": "wbe"}}]}),
            "/steps/0/whom",
            "ladder.rotation",
            "found \"wbe\"",
        ),
        (
            json!({"steps": [{"whom": {"on_call": "web"}, "how": "ring"}]}),
            "/steps/0/how",
            "ladder.no_call_screen",
            "iOS ends an app",
        ),
    ] {
        let refused = world.put("/v1/apps/shop/ladders/new", body.clone()).await;
        let problem = refused.problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(code)),
            "{body}: {problem}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(said),
            "{problem}"
        );
    }
    let nearest = world.get(&format!("{MONITORS}/wbe")).await;
    let problem = nearest.problem(404, "monitor.unknown");
    assert!(
        problem.to_string().contains("did you mean `web`"),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ladder_rings_who_has_declared_a_call_screen() {
    let world = world().await;
    let phone = json!({"user_id": "ann", "capabilities": ["voip_call_ui"]});
    world
        .put("/v1/apps/shop/devices/phone", phone)
        .await
        .is(200);
    let ring = json!({"steps": [{"whom": {"users": ["ann"]}, "how": "ring"}]});
    let stored = world.put("/v1/apps/shop/ladders/ring", ring.clone()).await;
    assert_eq!(stored.is(201).json()["definition"], ring);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_device_is_told_where_he_is_named() {
    let world = bare().await;
    let token = json!([{"kind": "alert", "token": format!("{:064x}", 7)}]);
    for (id, device, user) in [("a", &token, "ann"), ("b", &json!([]), "bob")] {
        let path = format!("/v1/apps/shop/devices/{id}");
        let body = json!({"user_id": user, "push_tokens": device});
        world.put(&path, body).await.is(201);
    }
    let stand_in =
        json!({"user": "eve", "from": "2026-08-02T00:00:00Z", "until": "2026-08-03T00:00:00Z"});
    let layers = json!([{"members": ["ann", "bob"]}, {"members": ["bob"]}]);
    for (path, body, told) in [
        (
            "rotations/web",
            json!({"time_zone": "UTC", "layers": layers, "overrides": [stand_in]}),
            vec![("/layers/0/members/1", "bob"), ("/overrides/0/user", "eve")],
        ),
        (
            "ladders/night",
            json!({"steps": [{"whom": {"on_call": "web"}}, {"whom": {"users": ["ann", "boss"]}}]}),
            vec![("/steps/1/whom/users/1", "boss")],
        ),
        (
            "ladders/day",
            json!({"steps": [{"whom": {"users": ["ann"]}}]}),
            vec![],
        ),
    ] {
        let path = format!("/v1/apps/shop/{path}");
        // Stored the first time, and the same as before the second.
        for status in [201, 200] {
            let put = world.put(&path, body.clone()).await.is(status).json();
            let warnings = put["warnings"].as_array().unwrap();
            assert_eq!(warnings.len(), told.len(), "{put}");
            for (warning, (pointer, user)) in warnings.iter().zip(&told) {
                assert_eq!(
                    (&warning["pointer"], &warning["code"]),
                    (&json!(pointer), &json!("on_call.no_device")),
                    "{put}"
                );
                let message = warning["message"].as_str().unwrap();
                assert!(message.contains(&format!("found {user:?}")), "{message}");
            }
        }
        let seen = world.get(&path).await.is(200).json();
        assert_eq!(seen["warnings"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_heard_and_its_failure_is_an_incident() {
    let world = bare().await;
    world
        .put("/v1/apps/shop/rotations/web", rotation())
        .await
        .is(201);
    world
        .put("/v1/apps/shop/ladders/night", ladder())
        .await
        .is(201);
    let made = world
        .put(&format!("{MONITORS}/job"), heartbeat())
        .await
        .is(201)
        .json();
    assert_eq!(
        (&made["state"], &made["incident"], &made["heard"]["at"]),
        (&json!("waiting"), &Value::Null, &Value::Null)
    );
    let url = made["heartbeat_url"].as_str().unwrap().to_owned();
    let beat = |method: Method, path: String| world.send(Ask::new(method, &path).no_key());
    beat(Method::GET, format!("{url}/start")).await.is(204);
    beat(Method::POST, url.clone()).await.is(204);
    let job = || async { world.get(&format!("{MONITORS}/job")).await.is(200).json() };
    let seen = job().await;
    assert_eq!(seen["state"], "ok");
    assert_eq!(seen["since"], "2026-08-01T12:00:00.000Z");
    assert_eq!(seen["heard"]["at"], "2026-08-01T12:00:00.000Z");
    assert_eq!(seen["heard"]["due_at"], "2026-08-02T12:01:00.000Z");

    world.clock.advance(60_000);
    let fail = Ask::new(Method::POST, &format!("{url}/fail")).no_key();
    world
        .send(fail.body("text/plain", "the disk\nis full"))
        .await
        .is(204);
    let seen = job().await;
    assert_eq!(
        (&seen["state"], &seen["incidents"]),
        (&json!("firing"), &json!(1))
    );
    assert_eq!(seen["incident"]["fault"]["kind"], "reported");
    assert!(
        seen["incident"]["fault"]["message"]
            .as_str()
            .unwrap()
            .contains("the disk is full")
    );
    assert_eq!(seen["incident"]["next_page_at"], "2026-08-01T13:01:00.000Z");
    for (query, count) in [("state=firing", 1), ("state=ok", 0), ("tag=web", 0)] {
        let listed = world
            .get(&format!("{MONITORS}?{query}"))
            .await
            .is(200)
            .json();
        assert_eq!(listed["data"].as_array().unwrap().len(), count, "{query}");
    }
    let wrong = world.get(&format!("{MONITORS}?state=up")).await;
    wrong.problem(400, "request.parameter");

    let incident = "/v1/apps/shop/incidents/job/1";
    let snoozed = json!({"by": "ann", "for": "2h"});
    world
        .post(&format!("{incident}/snooze"), snoozed)
        .await
        .is(200);
    for (body, pointer) in [
        (json!({"by": "ann", "for": "30s"}), "/for"),
        (json!({"by": "ann", "for": "soon"}), "/for"),
        (json!({"by": "", "for": "30m"}), "/by"),
        (json!({"for": "30m"}), "/by"),
    ] {
        let refused = world.post(&format!("{incident}/snooze"), body).await;
        let problem = refused.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let taken = world
        .post(&format!("{incident}/acknowledge"), json!({"by": "ann"}))
        .await;
    let taken = taken.is(200).json();
    assert_eq!(taken["acknowledged"]["by"], "ann");
    // Said again, for an answer was lost.
    let acknowledge =
        |by: &str| world.post_to(format!("{incident}/acknowledge"), json!({"by": by}));
    assert_eq!(acknowledge("ann").await.is(200).json(), taken);
    let other = acknowledge("bob").await;
    other.problem(409, "incident.acknowledged");
    let log = world.get("/v1/audit").await.is(200).json();
    let last = &log["data"][0];
    assert_eq!(
        (&last["action"], &last["subject"]),
        (&json!("incident.acknowledge"), &json!("shop/job/1"))
    );
    let key = last["api_key_id"].as_str().unwrap();
    assert!(key.starts_with("key_"), "{last}");
    world.clock.advance(5_500);
    // One good beat is enough.
    beat(Method::POST, url).await.is(204);
    let story = world.get(incident).await.is(200).json();
    assert_eq!(
        (
            &story["state"],
            &story["resolved"]["how"],
            &story["resolved"]["lasted"]
        ),
        (&json!("resolved"), &json!("recovery"), &json!("5s500ms"))
    );
    let entries = story["entries"].as_array().unwrap();
    let words: Vec<_> = entries
        .iter()
        .map(|entry| entry["what"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["opened", "snoozed", "acknowledged", "resolved"]);
    assert_eq!(entries[3]["said"], "up again after 5s");

    // Newest first, page by page.
    let fail = Ask::new(
        Method::POST,
        &format!("{}/fail", made["heartbeat_url"].as_str().unwrap()),
    );
    world.send(fail.no_key()).await.is(204);
    let world = &world;
    let list = |query: String| async move {
        let path = format!("/v1/apps/shop/incidents?{query}");
        world.get(&path).await.is(200).json()
    };
    let first = list("limit=1".into()).await;
    assert_eq!(
        (&first["data"][0]["no"], &first["data"][0]["state"]),
        (&json!(2), &json!("firing"))
    );
    let second = list(format!(
        "limit=1&cursor={}",
        first["next"].as_str().unwrap()
    ))
    .await;
    assert_eq!(
        (&second["data"][0]["no"], &second["next"]),
        (&json!(1), &Value::Null)
    );
    for (query, nos) in [
        ("open=true", json!([2])),
        ("open=false&monitor=job", json!([1])),
        ("since=2026-08-01T12:01:04Z", json!([2])),
        ("since=2026-08-02T00:00:00Z", json!([])),
    ] {
        let found = list(query.into()).await;
        let found: Vec<_> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["no"].clone())
            .collect();
        assert_eq!(json!(found), nos, "{query}");
    }
    let wrong = world.get("/v1/apps/shop/incidents?since=yesterday").await;
    wrong.problem(400, "request.parameter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_looks_whether_an_address_is_there_is_no_job() {
    let world = bare().await;
    let job = json!({"check": {"heartbeat": {"period": "1d"}}});
    let path = format!("{MONITORS}/job");
    let made = world.put(&path, job).await.is(201).json();
    let url = made["heartbeat_url"].as_str().unwrap();
    for end in ["", "/start", "/fail"] {
        let head = Ask::new(Method::HEAD, &format!("{url}{end}")).no_key();
        let answer = world.send(head).await.is(405);
        assert_eq!(answer.header("allow"), "GET, POST");
    }
    let seen = world.get(&path).await.is(200).json();
    assert_eq!(
        (&seen["state"], &seen["heard"]),
        (&json!("waiting"), &made["heard"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_stranger_no_body_is_waited_for() {
    let world = world().await;
    for (path, content_type, status) in [
        ("/v1/heartbeats/AQ/fail", "text/plain", 404),
        ("/i/AQ", "application/json", 410),
        ("/i/AQ", "application/x-www-form-urlencoded", 303),
    ] {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let ask = Ask::new(Method::POST, path).no_key();
        let ask = ask.body(content_type, Body::from_stream(never));
        let answer = tokio::time::timeout(Duration::from_secs(10), world.send(ask)).await;
        answer.expect("it is answered at once").is(status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_shuts_the_former_one() {
    let world = world().await;
    let path = format!("{MONITORS}/job");
    let before = world.get(&path).await.is(200).json();
    let url = |monitor: &Value| monitor["heartbeat_url"].as_str().unwrap().to_owned();
    let rotated = world
        .post(&format!("{path}/rotate-secret"), json!({}))
        .await;
    let after = rotated.is(200).json();
    assert_ne!(url(&before), url(&after));
    let beat = |url: String| world.send(Ask::new(Method::POST, &url).no_key());
    beat(url(&before)).await.problem(404, "heartbeat.unknown");
    beat(url(&after)).await.is(204);
    // It is not in what is shown, and what is shown can be stored: the address stays.
    assert_eq!(after["definition"], before["definition"]);
    world.put(&path, after["definition"].clone()).await.is(200);
    beat(url(&after)).await.is(204);
    // One that is made anew under the same name has another.
    world.clock.advance(1_000);
    world.delete(&path).await.is(204);
    beat(url(&after)).await.problem(404, "heartbeat.unknown");
    let anew = world.put(&path, heartbeat()).await.is(201).json();
    assert_ne!(url(&anew), url(&after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_attempt_says_what_is_wrong() {
    let world = world().await;
    let down = CheckResult::down(FaultKind::Status, "status 503, expected 2xx").after(12);
    world
        .checker
        .fake
        .find("https://web.example.com/health", down);
    let mut definition = monitor();
    for path in ["web/test", "test"] {
        let path = format!("{MONITORS}/{path}");
        let said = world.post(&path, definition.clone()).await.is(200).json();
        assert_eq!(
            said,
            json!({"verdict": "down", "fault": {"kind": "status", "message": "status 503, expected 2xx"},
                   "elapsed_ms": 12, "certificate_until": null})
        );
    }
    let stored = world.get(&format!("{MONITORS}/web")).await.is(200).json();
    assert_eq!(stored["last"], Value::Null, "nothing is stored");
    definition["check"]["http"]["headers"] = json!({"x-key": "***"});
    for body in [definition, heartbeat()] {
        let refused = world.post(&format!("{MONITORS}/test"), body).await;
        refused.problem(422, "request.invalid");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_on_call_is_shown() {
    let world = world().await;
    let path = "/v1/apps/shop/rotations/web";
    let seen = world.get(path).await.is(200).json();
    let shifts = seen["shifts"].as_array().unwrap();
    assert_eq!(seen["on_call"], shifts[0]["user"]);
    assert!(shifts.len() == 3, "two weeks: {shifts:?}");
    let query = "from=2026-08-03T00:00:00Z&until=2026-08-04T00:00:00Z";
    let seen = world.get(&format!("{path}?{query}")).await.is(200).json();
    assert_eq!(
        seen["shifts"].as_array().unwrap().len(),
        1,
        "the hand-over is at 09:00 in Seoul"
    );
    for wrong in [
        "from=tomorrow",
        "until=2026-07-01T00:00:00Z",
        "until=2028-08-01T00:00:00Z",
        "untill=2026-09-01T00:00:00Z",
    ] {
        let refused = world.get(&format!("{path}?{wrong}")).await;
        refused.problem(400, "request.parameter");
    }
    let listed = world.get("/v1/apps/shop/rotations").await.is(200).json();
    assert_eq!(listed["data"][1]["name"], "web");
    assert_eq!(listed["data"][1]["shifts"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_for_one_incident_and_one_person() {
    let world = world().await;
    let path = format!("/i/{}", link(&world, 1, START + DAY));
    let page = || world.send(Ask::new(Method::GET, &path).no_key());
    let shown = page().await.is(200);
    assert!(
        shown
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(shown.header("referrer-policy"), "no-referrer");
    let text = shown.text();
    for part in [
        "<title>job is down</title>",
        "<h1 class=\"down\">job is down</h1>",
        "the disk is &lt;full&gt;",
        "value=\"acknowledge\"",
        "value=\"resolve\"",
        "You are ann",
        "since 2026-08-01T12:00:00.000Z",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("<full>") && !text.contains("<script"),
        "{text}"
    );
    // Looking changes nothing.
    let incident = "/v1/apps/shop/incidents/job/1";
    assert_eq!(world.get(incident).await.json()["state"], "firing");

    let form = |body: &'static str| {
        let ask = Ask::new(Method::POST, &path).no_key();
        world.send(ask.body("application/x-www-form-urlencoded", body))
    };
    form("do=dance").await.problem(422, "request.invalid");
    form("").await.problem(422, "request.invalid");
    assert_eq!(
        form("do=acknowledge").await.is(303).header("location"),
        path
    );
    let text = page().await.is(200).text();
    assert!(
        text.contains("You are on it") && !text.contains("value=\"acknowledge\""),
        "{text}"
    );
    assert_eq!(
        world.get(incident).await.json()["acknowledged"]["by"],
        "ann"
    );
    // A second time is no error to a person: the page says how it is.
    form("do=acknowledge").await.is(303);
    form("do=resolve").await.is(303);
    let text = page().await.is(200).text();
    assert!(
        text.contains("<title>job was closed by ann</title>")
            && text.contains("was closed by ann</h1>")
            && !text.contains("<form"),
        "{text}"
    );
    world.faults.set(Some(Fault::Error(StoreError::Busy)));
    let broken = page().await.is(503);
    assert_eq!(broken.header("retry-after"), "1");
    assert_eq!(broken.header("referrer-policy"), "no-referrer");
    assert!(broken.text().contains("Try again in a moment"));
    world.faults.set(None);

    for other in [
        link(&world, 2, START + DAY),
        link(&world, 1, START - 1),
        format!("{}A", link(&world, 1, START + DAY)),
        "%ff".to_owned(),
    ] {
        let page = world.get(&format!("/i/{other}")).await.is(410).text();
        assert!(page.contains("not valid any more"), "{page}");
        let act = Ask::new(Method::POST, &format!("/i/{other}")).no_key();
        let refused = world.send(act.json(&json!({"do": "resolve"}))).await;
        refused.problem(410, "incident.link_gone");
    }
    world.clock.advance(DAY + 1);
    page().await.is(410);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_worker_acknowledges_by_a_link() {
    let world = world().await;
    let path = format!("/i/{}", link(&world, 1, START + DAY));
    let allowed = "access-control-allow-origin";
    let preflight = Ask::new(Method::OPTIONS, &path)
        .no_key()
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = world.send_unchecked(preflight).await.is(204);
    assert_eq!(answer.header(allowed), "*");
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    let headers = answer.header("access-control-allow-headers");
    assert!(headers.contains("content-type"), "{headers}");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let act = || {
        let ask = Ask::new(Method::POST, &path).no_key();
        world.send(ask.json(&json!({"do": "acknowledge"})))
    };
    for _ in 0..2 {
        let taken = act().await.is(200);
        assert_eq!(taken.header(allowed), "*");
        assert_eq!(taken.json()["acknowledged_by"], "ann");
    }
    let page = world.send(Ask::new(Method::GET, &path).no_key()).await;
    assert_eq!(page.is(200).header(allowed), "", "no page reads it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_api_key_reads_the_link_of_a_page() {
    let world = bare().await;
    let incident = json!({"incident": 1, "link": "/i/SECRET"});
    let page = json!({"aps": {"alert": {"body": "down"}}, "carillon_incident": incident});
    let body = json!({"target": {"devices": ["phone"]}, "content": {"apns": page}});
    let sent = world.post("/v1/apps/shop/notifications", body).await;
    let id = sent.is(202).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/apps/shop/notifications/{id}");
    let shop = Some(world.app("shop"));
    for scope in [Scope::Read, Scope::Send, Scope::Admin] {
        let key = world.make_key(shop, &[scope]).await;
        let shown = world.send(Ask::new(Method::GET, &path).key(&key)).await;
        let shown = shown.is(200).json();
        let payload = &shown["payload"];
        assert_eq!(
            payload["carillon_incident"],
            json!({"incident": 1, "link": "***"})
        );
        assert_eq!(payload["aps"], page["aps"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_monitors_is_told() {
    let world = world().await;
    let status = world.get("/v1/apps/shop/status").await.is(200).json();
    let rows = status["data"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["job", "resting", "router", "web"]);
    let job = &rows[0];
    assert_eq!(
        (&job["state"], &job["incident"]["no"]),
        (&json!("firing"), &json!(1))
    );
    let windows: Vec<_> = job["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].clone())
        .collect();
    assert_eq!(json!(windows), json!(["1h", "1d", "7d", "30d", "90d"]));
    let incidents = |row: &Value| {
        let windows = row["windows"].as_array().unwrap().iter();
        json!(windows.map(|row| &row["incidents"]).collect::<Vec<_>>())
    };
    assert_eq!(incidents(job), json!([1, 1, 1, 1, 1]));
    assert_eq!(incidents(&rows[3]), json!([0, 0, 0, 0, 0]));
    let hours = job["hours"].as_array().unwrap();
    assert_eq!(hours.len(), 24);
    assert_eq!(hours[23]["from"], "2026-08-01T12:00:00.000Z");
    let tagged = world
        .get("/v1/apps/shop/status?tag=web")
        .await
        .is(200)
        .json();
    assert_eq!(tagged["data"].as_array().unwrap().len(), 1);
    let first = world
        .get("/v1/apps/shop/status?limit=3")
        .await
        .is(200)
        .json();
    let next = format!(
        "/v1/apps/shop/status?cursor={}",
        first["next"].as_str().unwrap()
    );
    assert_eq!(
        world.get(&next).await.is(200).json()["data"][0]["name"],
        "web"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_reads_what_an_app_has_opened() {
    let world = world().await;
    let get = |path: &'static str| world.send(Ask::new(Method::GET, path).no_key());
    let page = get("/status/shop").await.is(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let json = get("/status/shop.json").await.is(200);
    for text in [page.text(), json.text()] {
        for secret in ["example.com", "192.0.2.1", "full", "ann", "night"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    let text = page.text();
    for part in [
        "<h1>Shop</h1>",
        "Something is down",
        "daily &lt;backup&gt;",
        "not over",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let status = json.json();
    assert_eq!(
        (&status["title"], &status["state"]),
        (&json!("Shop"), &json!("down"))
    );
    let states: Vec<_> = status["monitors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["state"].clone())
        .collect();
    assert_eq!(
        json!(states),
        json!(["down", "unknown", "unknown", "unknown"])
    );
    assert_eq!(status["incidents"][0]["monitor"], "job");
    assert_eq!(status["incidents"][0]["resolved_at"], Value::Null);

    for (settings, title, count) in [
        (
            json!({"public": true, "title": "How <we> are", "tags": ["web"]}),
            "How &lt;we&gt; are",
            1,
        ),
        (json!({"public": true}), "shop", 4),
    ] {
        let app = json!({"settings": {"status_page": settings}});
        let put = world.put("/v1/apps/shop", app).await.is(200).json();
        assert_eq!(put["settings"]["status_page"]["public"], true);
        // The change is seen at once, although pages are kept for a while.
        let page = get("/status/shop").await.is(200).text();
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
        let json = get("/status/shop.json").await.is(200).json();
        assert_eq!(json["monitors"].as_array().unwrap().len(), count);
    }
    world.put("/v1/apps/shop", json!({})).await.is(200);
    for closed in [
        "/status/shop",
        "/status/shop.json",
        "/status/bare",
        "/status/nobody",
        "/status/%ff",
    ] {
        get(closed).await.problem(404, "status_page.unknown");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_that_leaves_closes_its_incident() {
    let world = world().await;
    assert_eq!(defined(&world, "job").name, "job");
    world.delete(&format!("{MONITORS}/job")).await.is(204);
    world
        .get(&format!("{MONITORS}/job"))
        .await
        .problem(404, "monitor.unknown");
    let incidents = world.get("/v1/apps/shop/incidents").await.is(200).json();
    assert_eq!(incidents["data"], json!([]));
    let log = world.get("/v1/apps/shop/events").await.is(200).json();
    assert!(log.to_string().contains("incident.resolved"), "{log}");
}
