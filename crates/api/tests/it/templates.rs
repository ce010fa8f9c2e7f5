//! Templates: stored whole or refused whole, and tried before they are sent.

use crate::catalogue::template;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use carillon_ports::registry::Scope;
use serde_json::{Value, json};

const PATH: &str = "/v1/apps/shop/templates/new";

/// (code, pointer, line, column) of each bad field.
fn places(problem: &Value) -> Vec<(String, String, Option<u64>, Option<u64>)> {
    let errors = problem["errors"].as_array().unwrap().iter();
    let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
    errors
        .map(|error| {
            (
                text(error, "code"),
                text(error, "pointer"),
                error["line"].as_u64(),
                error["column"].as_u64(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_template_has_versions_and_the_same_again_makes_none() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(PATH, template()).await.is(201).json();
    assert_eq!(
        (&made["name"], &made["version"]),
        (&json!("new"), &json!(1))
    );
    assert_eq!(made["definition"], template());
    world.clock.advance(1_000);
    let same = world.put(PATH, template()).await.is(200).json();
    assert_eq!(same, made, "nothing has changed, not even the time");
    let mut changed = template();
    changed["content"]["en"]["title"] = json!("Hi");
    let second = world.put(PATH, changed.clone()).await.is(200).json();
    assert_eq!(second["version"], 2);
    assert_ne!(second["updated_at"], made["updated_at"]);
    assert_eq!(world.get(PATH).await.is(200).json(), second);
    let old = world.get(&format!("{PATH}?version=1")).await.is(200).json();
    assert_eq!(
        (&old["version"], &old["definition"]),
        (&json!(1), &template())
    );
    let third = world.get(&format!("{PATH}?version=3")).await;
    let problem = third.problem(404, "template.unknown");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("current one is 2")
    );

    let list = world.get("/v1/apps/shop/templates?limit=1").await;
    let list = list.is(200).json();
    assert_eq!(list["data"][0]["name"], "hello");
    assert_eq!(list["data"][0]["locales"], json!(["en", "ko"]));
    assert_eq!(list["data"][0]["variables"], json!(["name"]));
    let next = list["next"].as_str().unwrap();
    let rest = format!("/v1/apps/shop/templates?cursor={next}");
    let rest = world.get(&rest).await.is(200).json();
    assert_eq!(
        (&rest["data"][0]["name"], &rest["next"]),
        (&json!("new"), &json!(null))
    );

    world.delete(PATH).await.is(204);
    let gone = world.get(PATH).await.problem(404, "template.unknown");
    assert!(gone["detail"].as_str().unwrap().contains("\"new\""));
    let audit = world.get("/v1/audit").await.is(200).json();
    let acts: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|act| act["subject"] == "shop/new")
        .map(|act| act["action"].as_str().unwrap())
        .collect();
    assert_eq!(acts, ["template.delete", "template.put", "template.put"]);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let world = World::furnished(Setup::default()).await;
    let body = json!({
        "default_locale": "en",
        "variables": {"writer": {"type": "string"}, "n": {"type": "integer", "default": "3"}},
        "content": {
            "en": {"title": "Hello\n{{ writr }}", "body": "{{ writer|truncat(3) }}"},
            "ko": {"title": "{% if writer %}", "data": {"a": {"b": "{{ nobody }}"}}}
        }
    });
    let problem = world.put(PATH, body).await.problem(422, "request.invalid");
    let found = places(&problem);
    let at = |code: &str, pointer: &str| {
        let place = found.iter().find(|(c, p, ..)| c == code && p == pointer);
        place
            .unwrap_or_else(|| panic!("{code} at {pointer}: {problem}"))
            .clone()
    };
    assert_eq!(found.len(), 5, "{problem}");
    let (.., line, column) = at("template.unknown_variable", "/content/en/title");
    assert_eq!((line, column), (Some(2), Some(4)));
    at("template.unknown_filter", "/content/en/body");
    at("template.syntax", "/content/ko/title");
    at("template.unknown_variable", "/content/ko/data/a/b");
    let (.., line, _) = at("template.variable_default", "/variables/n/default");
    assert_eq!(line, None, "it is no text");
    assert!(
        problem.to_string().contains("writer"),
        "did you mean: {problem}"
    );
    world.get(PATH).await.problem(404, "template.unknown");

    let misspelt = json!({"default_locale": "en", "content": {"en": {"titel": "x"}}});
    let problem = world
        .put(PATH, misspelt)
        .await
        .problem(422, "request.invalid");
    assert_eq!(places(&problem)[0].0, "field.unknown");
    let name = world.put("/v1/apps/shop/templates/a%20b", template()).await;
    name.problem(400, "request.parameter");
}

#[tokio::test]
async fn a_preview_shows_content_payloads_and_sizes() {
    let world = World::furnished(Setup::default()).await;
    let path = "/v1/apps/shop/templates/hello/preview";
    let body = json!({"variables": {"name": "지수"}});
    let shown = world.post(path, body).await.is(200).json();
    assert_eq!(
        (&shown["template"], &shown["version"]),
        (&json!("hello"), &json!(1))
    );
    let previews = shown["previews"].as_array().unwrap();
    assert_eq!(previews.len(), 2, "each locale: {shown}");
    let ko = &previews[1];
    assert_eq!(ko["content"], json!({"title": "Hello", "body": "지수님"}));
    let gateways: Vec<_> = ko["gateways"].as_array().unwrap().iter().collect();
    let names: Vec<_> = gateways
        .iter()
        .map(|g| g["gateway"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["apns", "fcm", "webpush"]);
    let payload = &gateways[0]["payload"];
    assert_eq!(payload["aps"]["alert"]["body"], "지수님");
    assert_eq!(gateways[0]["bytes"], payload.to_string().len());

    let long = json!({"variables": {"name": "x".repeat(4_000)}, "locales": ["en"]});
    world.post(path, long).await.is(200);
    let only =
        json!({"variables": {"name": "x"}, "device": "phone", "options": {"gateway": "fcm"}});
    let only = world.post(path, only).await.is(200).json();
    assert_eq!(
        only["previews"][0]["requested"],
        json!(null),
        "it has no locale"
    );
    assert_eq!(only["previews"][0]["variant"], "en");
    assert_eq!(only["previews"][0]["gateways"].as_array().unwrap().len(), 1);

    for (body, code, pointer) in [
        (json!({}), "template.variable_missing", "/variables/name"),
        (
            json!({"variables": {"name": 3}}),
            "template.variable_type",
            "/variables/name",
        ),
        (
            json!({"variables": [1]}),
            "template.variables",
            "/variables",
        ),
        (
            json!({"variables": {"name": "x"}, "device": "nobody"}),
            "target.unknown_device",
            "/device",
        ),
        (
            json!({"variables": {"name": "x"}, "locales": vec!["en"; 101]}),
            "template.locales",
            "/locales",
        ),
        (
            json!({"variables": {"name": "x"}, "options": {"push_type": "voip", "gateway": "fcm"}}),
            "options.gateway",
            "/options/gateway",
        ),
    ] {
        let problem = world.post(path, body).await.problem(422, "request.invalid");
        let (found, at, ..) = places(&problem)[0].clone();
        assert_eq!((&*found, &*at), (code, pointer), "{problem}");
    }
}

#[tokio::test]
async fn what_cannot_be_rendered_is_said_for_its_locale_and_its_devices() {
    let world = World::furnished(Setup::default()).await;
    let plan = json!({"default_locale": "en", "content": {
        "en": {"body": "{{ device.attributes.plan }}"}, "ko": {"body": "안녕하세요"}}});
    world.put(PATH, plan).await.is(201);
    let shown = world.post(&format!("{PATH}/preview"), json!({})).await;
    let shown = shown.is(200).json();
    let en = &shown["previews"][0];
    assert_eq!(
        (&en["content"], &en["gateways"]),
        (&json!(null), &json!([]))
    );
    assert_eq!(en["failure"]["variable"], "device.attributes.plan");
    assert_eq!(en["failure"]["pointer"], "/content/en/body");
    assert_eq!(shown["previews"][1]["failure"], json!(null));

    let path = format!("{PATH}/dry-run");
    let run = world.post(&path, json!({})).await.is(200).json();
    assert_eq!(
        (&run["sampled"], &run["renderable"]),
        (&json!(1), &json!(0))
    );
    let failure = &run["failures"][0];
    assert_eq!(failure["code"], "template.undefined");
    assert_eq!(failure["variable"], "device.attributes.plan");
    assert_eq!(
        (&failure["devices"], &failure["examples"]),
        (&json!(1), &json!(["phone"]))
    );
    let device = json!({"locale": "ko", "push_tokens": [{"kind": "alert", "token": "00aa"}]});
    world
        .put("/v1/apps/shop/devices/seoul", device)
        .await
        .is(201);
    let run = world
        .post(&path, json!({"sample": 1_000}))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&run["sampled"], &run["renderable"]),
        (&json!(2), &json!(1))
    );
    let sample = &run["samples"][0];
    assert_eq!(
        (&sample["device"], &sample["gateway"]),
        (&json!("seoul"), &json!("apns"))
    );
    assert_eq!(sample["content"]["body"], "안녕하세요");
    assert!(sample["bytes"].as_u64().unwrap() > 10);

    for (body, code, pointer) in [
        (json!({"sample": 0}), "template.sample", "/sample"),
        (
            json!({"target": {"users": ["nobody"]}}),
            "target.nobody",
            "/target",
        ),
        (
            json!({"target": {"tags": "tags contain 'x'"}}),
            "expression.syntax",
            "/target/tags",
        ),
    ] {
        let problem = world
            .post(&path, body)
            .await
            .problem(422, "request.invalid");
        let (found, at, ..) = places(&problem)[0].clone();
        assert_eq!((&*found, &*at), (code, pointer), "{problem}");
    }
    let sent = world
        .get("/v1/apps/shop/notifications")
        .await
        .is(200)
        .json();
    assert_eq!(sent["data"], json!([]), "nothing was sent");
}

#[tokio::test]
async fn senders_may_look_and_only_admins_may_change() {
    let world = World::furnished(Setup::default()).await;
    let key = world
        .make_key(Some(world.app("shop")), &[Scope::Send])
        .await;
    let put = Ask::new(Method::PUT, PATH).json(&template()).key(&key);
    world.send(put).await.problem(403, "auth.scope");
    let get = Ask::new(Method::GET, "/v1/apps/shop/templates/hello").key(&key);
    world.send(get).await.is(200);
    let sent =
        json!({"target": {"devices": ["phone"]}, "template": {"name": "helo", "variables": {}}});
    let problem = world.post("/v1/apps/shop/notifications", sent).await;
    let problem = problem.problem(422, "request.invalid");
    assert!(
        problem["detail"].as_str().unwrap().contains("hello"),
        "{problem}"
    );
}
