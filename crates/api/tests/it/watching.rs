//! What the catalogue has of monitors, rotations, ladders, incidents and heartbeats, and what a world needs for them.

use crate::catalogue::About::{App, Nothing};
use crate::catalogue::Operation;
use crate::catalogue::Sends::{Json, Nothing as NONE, Text};
use crate::catalogue::StandsOn::{Checker, Memory, Reads, Writes};
use crate::world::{Ask, START, Setup, World};
use axum::http::Method;
use carillon_engine::watch::IncidentLink;
use carillon_model::app::AppSettings;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::monitor::Beat;
use carillon_ports::registry::Actor;
use carillon_ports::registry::Scope::{Admin, Read, Send};
use serde_json::{Value, json};

pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn monitor() -> Value {
    json!({"check": {"http": {"url": "https://web.example.com/health", "headers": {"x-key": "SECRET"}}},
           "depends_on": ["router"], "ladder": "night", "tags": ["web"]})
}

/// The same again would change nothing, and not ask the store.
fn other_monitor() -> Value {
    let mut other = monitor();
    other["interval"] = json!("30s");
    other
}

pub(crate) fn heartbeat() -> Value {
    json!({"check": {"heartbeat": {"period": "1d"}}, "ladder": "night", "description": "daily <backup>"})
}

fn router() -> Value {
    json!({"check": {"icmp": {"host": "192.0.2.1"}}})
}

pub(crate) fn rotation() -> Value {
    json!({"time_zone": "Asia/Seoul", "layers": [{"members": ["ann", "bob"]}]})
}

fn other_rotation() -> Value {
    json!({"time_zone": "UTC", "layers": [{"members": ["bob", "ann"], "turn": "1d"}]})
}

/// Its first step is a long way off: what other tests send is alone.
pub(crate) fn ladder() -> Value {
    json!({"steps": [{"after": "1h", "whom": {"on_call": "web"}}, {"after": "5m", "whom": {"users": ["boss"]}, "how": "critical"}]})
}

fn other_ladder() -> Value {
    json!({"steps": [{"whom": {"users": ["ann"]}}], "rounds": 2})
}

fn by_ann() -> Value {
    json!({"by": "ann"})
}

fn by_bob() -> Value {
    json!({"by": "bob"})
}

/// As the button of an incident's page sends it.
pub(crate) fn form(path: &str) -> Ask {
    let ask = Ask::new(Method::POST, path).no_key();
    ask.body("application/x-www-form-urlencoded", "do=acknowledge")
}

fn snooze() -> Value {
    json!({"by": "ann", "for": "2h"})
}

fn acknowledge() -> Value {
    json!({"do": "acknowledge"})
}

/// A furnished world with monitors, of which one is down.
pub(crate) async fn furnished(setup: Setup) -> World {
    let world = World::furnished(setup).await;
    furnish(&world).await;
    world
}

pub(crate) async fn furnish(world: &World) {
    use DefinitionKind::{Ladder, Monitor, Rotation};
    let mut resting = heartbeat();
    resting["paused"] = json!(true);
    // Its header's value is sealed by the API alone; here it has none.
    let mut web = monitor();
    web["check"]["http"]["headers"] = json!({});
    for (kind, name, body) in [
        (Rotation, "web", rotation()),
        (Rotation, "spare", rotation()),
        (Ladder, "night", ladder()),
        (Ladder, "spare", ladder()),
        (Monitor, "router", router()),
        (Monitor, "web", web),
        (Monitor, "job", heartbeat()),
        (Monitor, "resting", resting),
    ] {
        define(world, kind, name, &body).await;
    }
    let settings = AppSettings {
        status_page: carillon_model::app::StatusPageSettings {
            public: true,
            ..Default::default()
        },
        ..AppSettings::default()
    };
    let put =
        (world.engine.registry()).put_app("shop".into(), "Shop".into(), settings, START, nobody());
    put.await.unwrap();
    world.engine.refresh().await.unwrap();
    let secret = world.engine.heartbeat_secret(&defined(world, "job"));
    let beat = Beat::Fail("the disk is <full>".into());
    world.engine.beat(&secret, beat).await.unwrap();
}

pub(crate) fn nobody() -> Actor {
    Actor {
        api_key: None,
        request_id: None,
    }
}

async fn define(world: &World, kind: DefinitionKind, name: &str, body: &Value) {
    let (registry, shop) = (world.engine.registry(), world.app("shop"));
    let no = registry.definition_no(shop, kind, name.into()).await;
    let put = registry.put_definition(
        no.unwrap(),
        shop,
        kind,
        name.into(),
        body.to_string(),
        None,
        START,
        nobody(),
    );
    put.await.unwrap();
    world.engine.refresh().await.unwrap();
}

/// A monitor of `shop`.
pub(crate) fn defined(world: &World, name: &str) -> Definition {
    let directory = world.engine.directory();
    let found = directory.definition(world.app("shop"), DefinitionKind::Monitor, name);
    found.unwrap().clone()
}

/// The link to an incident of the monitor `job` that was sent to `ann`.
pub(crate) fn link(world: &World, incident: u32, until: i64) -> String {
    world.engine.incident_link(&IncidentLink {
        app: world.app("shop"),
        monitor: defined(world, "job").no,
        incident,
        user: "ann".into(),
        until,
    })
}

/// Fills `{beat}` and `{link}` in.
pub(crate) fn fill(world: &World, path: &str) -> String {
    let mut path = path.to_owned();
    if path.contains("{beat}") {
        let secret = world.engine.heartbeat_secret(&defined(world, "job"));
        path = path.replace("{beat}", &secret);
    }
    if path.contains("{link}") {
        path = path.replace("{link}", &link(world, 1, START + DAY));
    }
    path
}

/// The good answers of an operation that need more than its good request, and its refusals. `true`: all was tried.
pub(crate) async fn good(world: &World, operation: &Operation, path: &str) -> bool {
    let send = || world.send(operation.ask(path));
    let incident = |word: &str| format!("/v1/apps/shop/incidents/job/1/{word}");
    let resolve = || world.post_to(incident("resolve"), by_ann());
    match operation.id {
        "monitor_put" | "rotation_put" | "ladder_put" => {
            let new = path.rsplit_once('/').unwrap().0;
            world
                .send(operation.ask(&format!("{new}/new")))
                .await
                .is(201);
            false
        }
        "monitor_delete" => {
            in_use(world, "monitors/router", "monitor.in_use", "monitor web").await;
            false
        }
        "rotation_delete" => {
            in_use(world, "rotations/web", "rotation.in_use", "ladder night").await;
            false
        }
        "ladder_delete" => {
            in_use(world, "ladders/night", "ladder.in_use", "monitor web").await;
            false
        }
        "monitor_rotate_secret" => {
            let other = world.send(operation.ask(&path.replace("job", "web"))).await;
            other.problem(409, "monitor.no_heartbeat");
            false
        }
        "monitor_test" => {
            let other = world.send(operation.ask(&path.replace("web", "job"))).await;
            other.problem(409, "monitor.not_checked");
            false
        }
        "incident_get" => {
            unknown_incident(world, operation, path).await;
            false
        }
        "incident_acknowledge" => {
            unknown_incident(world, operation, path).await;
            send().await.is(200);
            let other = world.post_to(path.to_owned(), by_bob()).await;
            other.problem(409, "incident.acknowledged");
            resolve().await.is(200);
            send().await.problem(409, "incident.over");
            true
        }
        "incident_unacknowledge" => {
            unknown_incident(world, operation, path).await;
            send().await.problem(409, "incident.not_acknowledged");
            world
                .post_to(incident("acknowledge"), by_ann())
                .await
                .is(200);
            send().await.is(200);
            resolve().await.is(200);
            send().await.problem(409, "incident.over");
            true
        }
        "incident_snooze" => {
            unknown_incident(world, operation, path).await;
            send().await.is(200);
            world
                .post_to(incident("acknowledge"), by_ann())
                .await
                .is(200);
            send().await.problem(409, "incident.not_paging");
            resolve().await.is(200);
            send().await.problem(409, "incident.over");
            true
        }
        "incident_resolve" => {
            unknown_incident(world, operation, path).await;
            send().await.is(200);
            send().await.problem(409, "incident.over");
            true
        }
        id if id.starts_with("heartbeat_") => {
            let secret = world.engine.heartbeat_secret(&defined(world, "resting"));
            let resting = operation.path.replace("{beat}", &secret);
            let answer = world.send(operation.ask(&resting)).await;
            answer.problem(409, "heartbeat.not_heard");
            false
        }
        "incident_link_get" => {
            world.get("/i/nobody").await.is(410);
            false
        }
        "incident_link_post" => {
            let taken = world.post_to(incident("acknowledge"), by_bob());
            taken.await.is(200);
            let led = world.send(form(path)).await.is(303);
            assert_eq!(led.header("location"), path);
            send().await.problem(409, "incident.acknowledged");
            let over = || world.post_to(path.to_owned(), json!({"do": "resolve"}));
            over().await.is(200);
            over().await.problem(409, "incident.over");
            let none = world.send(operation.ask("/i/nobody")).await;
            none.problem(410, "incident.link_gone");
            true
        }
        "status_page" => {
            world.get(&format!("{path}.json")).await.is(200);
            false
        }
        _ => false,
    }
}

async fn in_use(world: &World, path: &str, code: &str, by: &str) {
    let answer = world.delete(&format!("/v1/apps/shop/{path}")).await;
    let problem = answer.problem(409, code);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(by), "{detail}");
}

async fn unknown_incident(world: &World, operation: &Operation, path: &str) {
    let other = path.replace("/job/1", "/job/99");
    let answer = world.send(operation.ask(&other)).await;
    answer.problem(404, "incident.unknown");
}

pub(crate) fn operations() -> Vec<Operation> {
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let of = |id, method: &Method, path, body, scopes, about, stands_on| Operation {
        id,
        method: method.clone(),
        path,
        body,
        scopes,
        about,
        stands_on,
        unknown: None,
    };
    let unknown = |mut operation: Operation, code, path| {
        operation.unknown = Some((code, path));
        operation
    };
    let (monitors, web) = ("/v1/apps/shop/monitors", "/v1/apps/shop/monitors/web");
    let (rotations, ladders) = ("/v1/apps/shop/rotations", "/v1/apps/shop/ladders");
    let mut all = vec![
        of("monitor_list", &get, monitors, NONE, &[Read], App, Reads),
        of(
            "monitor_put",
            &put,
            web,
            Json(other_monitor),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            of("monitor_get", &get, web, NONE, &[Read], App, Reads),
            "monitor.unknown",
            "/v1/apps/shop/monitors/wbe",
        ),
        unknown(
            of("monitor_delete", &delete, web, NONE, &[Admin], App, Writes),
            "monitor.unknown",
            "/v1/apps/shop/monitors/nobody",
        ),
        of(
            "monitor_test_definition",
            &post,
            "/v1/apps/shop/monitors/test",
            Json(monitor),
            &[Admin],
            App,
            Checker,
        ),
        unknown(
            of(
                "monitor_test",
                &post,
                "/v1/apps/shop/monitors/web/test",
                NONE,
                &[Admin],
                App,
                Checker,
            ),
            "monitor.unknown",
            "/v1/apps/shop/monitors/nobody/test",
        ),
        unknown(
            of(
                "monitor_rotate_secret",
                &post,
                "/v1/apps/shop/monitors/job/rotate-secret",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "monitor.unknown",
            "/v1/apps/shop/monitors/nobody/rotate-secret",
        ),
        of(
            "app_status",
            &get,
            "/v1/apps/shop/status",
            NONE,
            &[Read],
            App,
            Reads,
        ),
        of("rotation_list", &get, rotations, NONE, &[Read], App, Memory),
        of(
            "rotation_put",
            &put,
            "/v1/apps/shop/rotations/spare",
            Json(other_rotation),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            of(
                "rotation_get",
                &get,
                "/v1/apps/shop/rotations/web",
                NONE,
                &[Read],
                App,
                Memory,
            ),
            "rotation.unknown",
            "/v1/apps/shop/rotations/nobody",
        ),
        unknown(
            of(
                "rotation_delete",
                &delete,
                "/v1/apps/shop/rotations/spare",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "rotation.unknown",
            "/v1/apps/shop/rotations/nobody",
        ),
        of("ladder_list", &get, ladders, NONE, &[Read], App, Memory),
        of(
            "ladder_put",
            &put,
            "/v1/apps/shop/ladders/spare",
            Json(other_ladder),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            of(
                "ladder_get",
                &get,
                "/v1/apps/shop/ladders/night",
                NONE,
                &[Read],
                App,
                Memory,
            ),
            "ladder.unknown",
            "/v1/apps/shop/ladders/nobody",
        ),
        unknown(
            of(
                "ladder_delete",
                &delete,
                "/v1/apps/shop/ladders/spare",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "ladder.unknown",
            "/v1/apps/shop/ladders/nobody",
        ),
        unknown(
            of(
                "incident_list",
                &get,
                "/v1/apps/shop/incidents",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "monitor.unknown",
            "/v1/apps/shop/incidents?monitor=nobody",
        ),
        unknown(
            of(
                "incident_get",
                &get,
                "/v1/apps/shop/incidents/job/1",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "monitor.unknown",
            "/v1/apps/shop/incidents/nobody/1",
        ),
    ];
    for (id, path, body, stranger) in [
        (
            "incident_acknowledge",
            "/v1/apps/shop/incidents/job/1/acknowledge",
            by_ann as fn() -> Value,
            "/v1/apps/shop/incidents/nobody/1/acknowledge",
        ),
        (
            "incident_unacknowledge",
            "/v1/apps/shop/incidents/job/1/unacknowledge",
            by_ann,
            "/v1/apps/shop/incidents/nobody/1/unacknowledge",
        ),
        (
            "incident_snooze",
            "/v1/apps/shop/incidents/job/1/snooze",
            snooze,
            "/v1/apps/shop/incidents/nobody/1/snooze",
        ),
        (
            "incident_resolve",
            "/v1/apps/shop/incidents/job/1/resolve",
            by_ann,
            "/v1/apps/shop/incidents/nobody/1/resolve",
        ),
    ] {
        let operation = of(id, &post, path, Json(body), &[Send], App, Writes);
        all.push(unknown(operation, "monitor.unknown", stranger));
    }
    let failed = Text("text/plain", "the disk is full");
    for (id, method, path, body, stranger) in [
        (
            "heartbeat_finish",
            &post,
            "/v1/heartbeats/{beat}",
            NONE,
            "/v1/heartbeats/%ff",
        ),
        (
            "heartbeat_finish_get",
            &get,
            "/v1/heartbeats/{beat}",
            NONE,
            "/v1/heartbeats/AQ",
        ),
        (
            "heartbeat_start",
            &post,
            "/v1/heartbeats/{beat}/start",
            NONE,
            "/v1/heartbeats/AQ/start",
        ),
        (
            "heartbeat_start_get",
            &get,
            "/v1/heartbeats/{beat}/start",
            NONE,
            "/v1/heartbeats/AQ/start",
        ),
        (
            "heartbeat_fail",
            &post,
            "/v1/heartbeats/{beat}/fail",
            failed,
            "/v1/heartbeats/AQ/fail",
        ),
        (
            "heartbeat_fail_get",
            &get,
            "/v1/heartbeats/{beat}/fail",
            NONE,
            "/v1/heartbeats/AQ/fail",
        ),
    ] {
        let operation = of(id, method, path, body, &[], Nothing, Writes);
        all.push(unknown(operation, "heartbeat.unknown", stranger));
    }
    all.extend([
        of(
            "incident_link_get",
            &get,
            "/i/{link}",
            NONE,
            &[],
            Nothing,
            Reads,
        ),
        of(
            "incident_link_post",
            &post,
            "/i/{link}",
            Json(acknowledge),
            &[],
            Nothing,
            Writes,
        ),
        unknown(
            of(
                "status_page",
                &get,
                "/status/shop",
                NONE,
                &[],
                Nothing,
                Reads,
            ),
            "status_page.unknown",
            "/status/bare",
        ),
    ]);
    all
}
