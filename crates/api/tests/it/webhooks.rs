//! Webhook endpoints, the event stream and receipts through the API.

use crate::catalogue::receipt_of;
use crate::world::{Ask, Setup, World};
use axum::http::Method;
use carillon_model::id::DeliveryId;
use carillon_model::webhook::WebhookAnswer;
use carillon_ports::registry::Scope;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;

const BILLING: &str = "/v1/apps/shop/webhooks/billing";

async fn endpoint(world: &World) -> Value {
    world.get(BILLING).await.is(200).json()
}

#[tokio::test]
async fn the_secret_is_shown_once_and_kept_over_changes() {
    let world = World::furnished(Setup::default()).await;
    let path = "/v1/apps/shop/webhooks/new";
    let body = json!({"url": "https://hooks.example.com/a?b=c"});
    let made = world.put(path, body).await.is(201).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{made}");
    assert_eq!(made["events"], json!(["*"]));
    assert_eq!(
        (&made["state"], &made["queued"]),
        (&json!("enabled"), &json!(0))
    );
    let read = world.get(path).await.is(200).json();
    assert_eq!(read["secret"], Value::Null);
    assert_eq!(read["url"], "https://hooks.example.com/a?b=c");
    let body = json!({"url": "https://hooks.example.com/other", "events": ["device.retired"]});
    let changed = world.put(path, body).await.is(200).json();
    assert_eq!(
        (&changed["secret"], &changed["version"]),
        (&Value::Null, &json!(2))
    );

    world.post(&format!("{path}/test"), json!({})).await.is(200);
    let calls = world.receivers.calls_to("new");
    assert_eq!(calls[0].1.secrets.all()[0].text, secret, "it still signs");

    let rotate = format!("{path}/rotate-secret");
    let rotated = world.post(&rotate, json!({})).await.is(200).json();
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(second, secret);
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(rotated["secrets"][1]["ends_at"], "2026-08-02T12:00:00.000Z");
    world.post(&format!("{path}/test"), json!({})).await.is(200);
    let texts = |at: usize| -> Vec<String> {
        let calls = world.receivers.calls_to("new");
        let live = calls[at].1.secrets.live(calls[at].0);
        live.map(|secret| secret.text.clone()).collect()
    };
    assert_eq!(texts(1), [second.clone(), secret]);
    let at_once = json!({"overlap": "0s"});
    let third = world.post(&rotate, at_once).await.is(200).json();
    world.post(&format!("{path}/test"), json!({})).await.is(200);
    assert_eq!(texts(2), [third["secret"].as_str().unwrap()]);
    for bad in ["soon", "31d"] {
        let problem = world.post(&rotate, json!({ "overlap": bad })).await;
        let problem = problem.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["code"], "webhook.overlap");
    }

    // Paths can be secret: only who may set them sees them.
    let key = world.make_key(None, &[Scope::Read]).await;
    let shown = world.send(Ask::new(Method::GET, path).key(&key)).await;
    let shown = shown.is(200).json();
    assert_eq!(shown["url"], Value::Null);
    assert_eq!(shown["origin"], "https://hooks.example.com");
    let listed = world.get("/v1/apps/shop/webhooks").await.is(200).json();
    let names: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["name"])
        .collect();
    assert_eq!(names, ["billing", "new"]);
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_said_by_field() {
    let world = World::furnished(Setup::default()).await;
    for (body, pointer) in [
        (json!({"url": "ftp://x"}), "/url"),
        (json!({"url": "https://forbidden.internal/x"}), "/url"),
        (
            json!({"url": "https://a.example", "events": ["nothing.*"]}),
            "/events/0",
        ),
        (
            json!({"url": "https://a.example", "disable_after_days": 0}),
            "/disable_after_days",
        ),
        (
            json!({"url": "https://a.example", "description": "a\nb"}),
            "/description",
        ),
        (json!({"url": 3}), "/url"),
        (
            json!({"url": "https://a.example", "secret": "x"}),
            "/secret",
        ),
    ] {
        let problem = world
            .put(BILLING, body)
            .await
            .problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    world
        .put(
            "/v1/apps/shop/webhooks/a%20b",
            json!({"url": "https://a.example"}),
        )
        .await
        .problem(400, "request.parameter");
}

#[tokio::test]
async fn a_test_tells_the_answer_and_calls_are_remembered() {
    let world = World::furnished(Setup::default()).await;
    world
        .receivers
        .script(|_| (3, WebhookAnswer::answered(401)));
    let test = format!("{BILLING}/test");
    let tested = world.post(&test, json!({})).await.is(200).json();
    assert_eq!(
        (&tested["ok"], &tested["status"]),
        (&json!(false), &json!(401))
    );
    assert!(tested["said"].as_str().unwrap().contains("signature"));
    assert_eq!(
        endpoint(&world).await["failures"],
        0,
        "a test says nothing of it"
    );
    let attempts = world.get(&format!("{BILLING}/attempts?limit=1")).await;
    let attempts = attempts.is(200).json();
    let last = &attempts["data"][0];
    assert_eq!(
        (&last["event"], &last["kind"]),
        (&Value::Null, &json!("webhook.test"))
    );
    assert_eq!(
        (&last["result"], &last["elapsed_ms"]),
        (&json!("4xx"), &json!(3))
    );
    world
        .get(&format!("{BILLING}/attempts?limit=201"))
        .await
        .problem(400, "request.parameter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_and_can_be_told_again() {
    let world = World::furnished(Setup::default()).await;
    let sent = world.settled("hello").await;
    world
        .wait(&format!("{BILLING}/attempts"), |seen| {
            !seen["data"].as_array().unwrap().is_empty()
        })
        .await;
    let (_, first) = world.receivers.calls()[0].clone();
    assert_eq!(first.event.kind, "notification.completed");
    assert_eq!(json!(first.event.subject), sent["id"]);
    let replay = format!("{BILLING}/replay");
    let from = json!({"from": "2026-08-01T00:00:00Z", "to": "2026-08-01T23:00:00Z"});
    let queued = world.post(&replay, from).await.is(200).json();
    assert_eq!(
        queued,
        json!({"queued": 1, "last": first.event.no, "cut": false})
    );
    world
        .wait(&format!("{BILLING}/attempts"), |seen| {
            seen["data"].as_array().unwrap().len() == 2
        })
        .await;
    assert_eq!(world.receivers.calls()[1].1.event, first.event);
    for (bad, pointer) in [
        (json!({}), ""),
        (json!({"from": "2026-08-01T00:00:00Z", "events": [1]}), ""),
        (json!({"to": "2026-08-01T00:00:00Z"}), ""),
        (json!({"from": "x"}), "/from"),
        (
            json!({"from": "2026-08-02T00:00:00Z", "to": "2026-08-01T00:00:00Z"}),
            "/from",
        ),
        (json!({"events": []}), "/events"),
    ] {
        let problem = world
            .post(&replay, bad)
            .await
            .problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let disabled = world.post(&format!("{BILLING}/disable"), json!({})).await;
    let disabled = disabled.is(200).json();
    assert_eq!(disabled["disabled_reason"], "by_hand");
    let enabled = world.post(&format!("{BILLING}/enable"), json!({})).await;
    assert_eq!(enabled.is(200).json()["state"], "enabled");
    world.delete(BILLING).await.is(204);
    world.get(BILLING).await.problem(404, "webhook.unknown");
}

/// Reads a stream until it holds these words.
async fn until(body: &mut axum::body::Body, seen: &mut String, words: &str) {
    let read = async {
        while !seen.contains(words) {
            let frame = body.frame().await.expect("it goes on").unwrap();
            seen.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), read).await;
    assert!(in_time.is_ok(), "no {words:?} in {seen}");
}

async fn follow(world: &World, query: &str, last: Option<&str>) -> axum::body::Body {
    let path = format!("/v1/apps/shop/events/stream{query}");
    let mut ask = Ask::new(Method::GET, &path);
    if let Some(last) = last {
        ask = ask.header("last-event-id", last);
    }
    let request = ask.request(&world.admin);
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_streamed_as_they_happen_and_from_where_one_was() {
    let world = World::furnished(Setup::default()).await;
    let old = world.settled("before").await;
    let mut live = follow(&world, "", None).await;
    let mut deaf = follow(&world, "?kinds=delivery.*", None).await;
    let sent = world.settled("hello").await;
    let id = sent["id"].as_str().unwrap();
    let mut seen = String::new();
    until(&mut live, &mut seen, id).await;
    assert!(seen.starts_with("retry: 1000\n\n"), "{seen}");
    assert!(
        seen.contains("event: notification.completed\ndata: {\"no\":"),
        "{seen}"
    );
    assert!(!seen.contains(old["id"].as_str().unwrap()), "from now on");
    let no: i64 = seen
        .split("id: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();

    // From the beginning, and from one before, as a client does that lost its connection.
    let mut again = String::new();
    until(&mut follow(&world, "?after=0", None).await, &mut again, id).await;
    assert!(again.contains(old["id"].as_str().unwrap()));
    let last = (no - 1).to_string();
    let mut resumed = String::new();
    until(
        &mut follow(&world, "?after=0", Some(&last)).await,
        &mut resumed,
        id,
    )
    .await;
    assert!(
        !resumed.contains(old["id"].as_str().unwrap()),
        "the header goes before"
    );

    // A failure is for whom it was wanted.
    world.gateway.set(crate::gateway::Mood::Reject("BadTopic"));
    world.settled("refused").await;
    let mut failed = String::new();
    until(&mut deaf, &mut failed, "BadTopic").await;
    assert!(!failed.contains("notification.completed"), "{failed}");

    world
        .get("/v1/apps/shop/events/stream?kinds=nonsense")
        .await
        .problem(400, "request.parameter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_their_key_and_are_bounded() {
    let mut setup = Setup::default();
    setup.limits.event_streams = 1;
    let world = World::furnished(setup).await;
    let made = json!({"name": "follower", "scopes": ["read"]});
    let made = world.post("/v1/api-keys", made).await.is(201).json();
    let secret = made["secret"].as_str().unwrap();
    let path = "/v1/apps/shop/events/stream";
    let request = Ask::new(Method::GET, path)
        .key(secret)
        .request(&world.admin);
    let response = world.router.clone().oneshot(request).await.unwrap();
    let refused = world.get(path).await;
    assert_eq!(refused.header("retry-after"), "5");
    refused.problem(503, "server.busy");
    let key = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    world.delete(&key).await.is(204);
    let whole = response.into_body().collect();
    let ended = tokio::time::timeout(Duration::from_secs(20), whole).await;
    assert!(ended.is_ok(), "a revoked API key follows nothing");
    world.get(path).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_come_without_an_api_key_and_are_shown() {
    let world = World::furnished(Setup::default()).await;
    let sent = world.settled("hello").await;
    let id = sent["id"].as_str().unwrap();
    let notification = format!("/v1/apps/shop/notifications/{id}");
    let deliveries = world
        .get(&format!("{notification}/deliveries"))
        .await
        .is(200)
        .json();
    let delivery = deliveries["data"][0]["id"].as_str().unwrap().to_owned();
    let receipt = receipt_of(DeliveryId::parse(&delivery).unwrap());
    let bring = async |body: Value| {
        let ask = Ask::new(Method::POST, "/v1/receipts").no_key().json(&body);
        world
            .send(ask.header("origin", "https://pages.example"))
            .await
    };
    let delivered =
        json!({"receipt": receipt, "event": "delivered", "at": "2026-08-01T12:00:00.000Z"});
    let answer = bring(delivered.clone()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let expected = json!({"recorded": 1, "repeated": 0, "gone": 0});
    assert_eq!(answer.is(200).json(), expected);
    let both = json!([delivered, {"receipt": receipt, "event": "opened"}]);
    let expected = json!({"recorded": 1, "repeated": 1, "gone": 0});
    assert_eq!(bring(both).await.is(200).json(), expected);
    let shown = world
        .get(&format!("/v1/apps/shop/deliveries/{delivery}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        shown["receipts"]["delivered_at"],
        "2026-08-01T12:00:00.000Z"
    );
    assert!(shown["receipts"]["opened_at"].is_string());
    let shown = world.get(&notification).await.is(200).json();
    assert_eq!(shown["receipts"], json!({"delivered": 1, "opened": 1}));

    let forged = bring(
        json!([{"receipt": receipt, "event": "opened"}, {"receipt": "x", "event": "opened"}]),
    );
    let problem = forged.await.problem(401, "receipt.unknown");
    assert!(
        !problem.to_string().contains("base64"),
        "no hint: {problem}"
    );
    let many: Vec<_> = (0..101)
        .map(|_| json!({"receipt": receipt, "event": "opened"}))
        .collect();
    for bad in [
        json!([]),
        json!(many),
        json!({"receipt": receipt, "event": "opened", "at": "soon"}),
    ] {
        bring(bad).await.problem(422, "request.invalid");
    }
    let events = world.get("/v1/apps/shop/events").await.is(200).json();
    let told: Vec<_> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["kind"])
        .collect();
    assert!(
        told.contains(&&json!("receipt.delivered")) && told.contains(&&json!("receipt.opened"))
    );

    let preflight = Ask::new(Method::OPTIONS, "/v1/receipts").no_key();
    let answer = world
        .router
        .clone()
        .oneshot(preflight.request(""))
        .await
        .unwrap();
    assert_eq!(answer.headers()["access-control-allow-methods"], "POST");
}
