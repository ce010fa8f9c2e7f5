//! Every (operation, status, code) of the OpenAPI document is made to happen, and nothing happens
//! that is not in it.

use crate::catalogue::{About, Operation, Sends, StandsOn, fill, operations};
use crate::faulty::Fault;
use crate::gateway::Mood;
use crate::schema::{Document, Triple};
use crate::watching::{form, furnished};
use crate::world::{Answer, Ask, Setup, World};
use axum::body::{Body, Bytes};
use axum::http::Method;
use carillon_api::Limits;
use carillon_model::rate::Rate;
use carillon_ports::registry::Scope;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_answer_can_be_had_and_no_other() {
    let all = operations();
    let listed: BTreeSet<_> = all
        .iter()
        .map(|operation| operation.id.to_owned())
        .collect();
    assert_eq!(
        Document::operations(),
        listed,
        "the catalogue has every operation"
    );
    let mut seen: BTreeSet<Triple> = BTreeSet::new();
    // One after the other: what is planted in a store strikes whatever asks it meanwhile, and it is to be as short as can be.
    for operation in &all {
        seen.extend(sweep(operation).await);
    }
    let promised = Document::promised();
    let never: Vec<_> = promised.difference(&seen).collect();
    assert!(never.is_empty(), "documented and never seen: {never:#?}");
    assert_eq!(&seen, promised);
}

/// Everything that one operation answers, in worlds of its own.
async fn sweep(operation: &Operation) -> BTreeSet<Triple> {
    let mut seen = strangers(operation).await;
    let world = furnished(Setup::default()).await;
    names(&world, operation).await;
    lists(&world, operation).await;
    bodies(&world, operation).await;
    idempotency(&world, operation).await;
    gateways(&world, operation).await;
    good(&world, operation).await;
    seen.extend(world.document.seen());
    seen.extend(stores(operation).await);
    seen.extend(special(operation).await);
    seen
}

/// A problem, or the page that stands for it where a person reads the answer.
fn trouble(operation: &Operation, answer: Answer, status: u16, code: &str) -> Value {
    match operation.id {
        "incident_link_get" => trouble_page(answer, status),
        _ => answer.problem(status, code),
    }
}

fn trouble_page(answer: Answer, status: u16) -> Value {
    let answer = answer.is(status);
    let content_type = answer.header("content-type");
    assert!(content_type.starts_with("text/html"), "{content_type}");
    let text = answer.text();
    assert!(text.contains("Try again in a moment"), "{text}");
    let id = answer.header("x-request-id");
    assert!(!id.is_empty() && text.contains(id), "{id}: {text}");
    text.into()
}

/// Without an API key, with a wrong one, with too small a scope, of another App.
async fn strangers(operation: &Operation) -> BTreeSet<Triple> {
    if operation.scopes.is_empty() {
        return BTreeSet::new();
    }
    // A world of its own: a key with enough scopes does what is asked.
    let world = furnished(Setup::default()).await;
    let path = operation.path;
    world
        .send(operation.ask(path).no_key())
        .await
        .problem(401, "auth.missing");
    let basic = operation
        .ask(path)
        .no_key()
        .header("authorization", "Basic YTpi");
    world.send(basic).await.problem(401, "auth.missing");
    let answer = world.send(operation.ask(path).key("crl_admin_none")).await;
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    answer.problem(401, "auth.unknown");

    let (shop, bare) = (world.app("shop"), world.app("bare"));
    for scope in [Scope::Send, Scope::Devices, Scope::Read] {
        let app = (operation.about == About::App).then_some(shop);
        let key = world.make_key(app, &[scope]).await;
        let answer = world
            .send(operation.ask(path).key(&key).with_body("not json"))
            .await;
        assert_eq!(
            answer.status == 403,
            !operation.scopes.contains(&scope)
                && !is_malformed_first(operation, answer.status.as_u16()),
            "{} with {scope:?}: {}",
            operation.id,
            answer.text()
        );
    }
    let weak = [Scope::Send, Scope::Devices, Scope::Read, Scope::Register]
        .into_iter()
        .find(|scope| !operation.scopes.contains(scope));
    let key = world.make_key(Some(shop), &[weak.unwrap()]).await;
    world
        .send(operation.ask(path).key(&key))
        .await
        .problem(403, "auth.scope");
    let key = world.make_key(Some(bare), &[Scope::Admin]).await;
    world
        .send(operation.ask(path).key(&key))
        .await
        .problem(403, "auth.app");
    world.document.seen()
}

/// A body that is not JSON is found before the scope is asked for: reading comes with the handler's
/// arguments.
fn is_malformed_first(operation: &Operation, status: u16) -> bool {
    matches!(operation.body, Sends::Json(_)) && matches!(status, 400 | 415)
}

/// Names in the path: of an unknown App, of unknown things, and such as cannot be read.
async fn names(world: &World, operation: &Operation) {
    let documented = |status, code: &str| {
        let triple = (operation.id.to_owned(), status, code.to_owned());
        Document::promised().contains(&triple)
    };
    if documented(404, "app.unknown") {
        let path = operation.path.replace("/shop", "/nowhere");
        world
            .send(operation.ask(&path))
            .await
            .problem(404, "app.unknown");
    }
    if operation.about == About::App {
        let path = operation.path.replace("/shop", "/%ff");
        world
            .send(operation.ask(&path))
            .await
            .problem(400, "request.parameter");
    }
    if operation.id == "api_key_delete" {
        world
            .delete("/v1/api-keys/%ff")
            .await
            .problem(400, "request.parameter");
    }
    if let Some((code, path)) = operation.unknown {
        world.send(operation.ask(path)).await.problem(404, code);
    }
}

async fn lists(world: &World, operation: &Operation) {
    if !operation.is_list() {
        return;
    }
    let path = operation.path.replace("{ntf}", "ntf_x");
    for bad in ["limit=0", "limit=1001", "limit=x", "colour=1"] {
        world
            .get(&format!("{path}?{bad}"))
            .await
            .problem(400, "request.parameter");
    }
    world
        .get(&format!("{path}?cursor=bogus"))
        .await
        .problem(400, "request.cursor");
}

async fn bodies(world: &World, operation: &Operation) {
    let Sends::Json(_) = operation.body else {
        return;
    };
    let path = crate::watching::fill(world, operation.path);
    let path = path.as_str();
    world
        .send(operation.ask(path).with_body("{"))
        .await
        .problem(400, "request.syntax");
    let unknown = world
        .send(operation.ask(path).with_body("{\"no such field\":1}"))
        .await;
    let problem = unknown.problem(422, "request.invalid");
    // Phones are updated slowly: of them fields are taken that are not known.
    if operation.id != "receipt_create" {
        assert_eq!(problem["errors"][0]["pointer"], "/no such field");
    }
    world
        .send(operation.ask(path).with_body("[]"))
        .await
        .problem(422, "request.invalid");
    let text = operation.ask(path).header("content-type", "text/plain");
    world.send(text).await.problem(415, "request.content_type");
    let large = vec![b' '; world.limits.body_bytes + 1];
    world
        .send(operation.ask(path).with_body(large))
        .await
        .problem(413, "request.too_large");
}

async fn idempotency(world: &World, operation: &Operation) {
    let path = operation.path;
    let takes = [
        "device_create",
        "device_import",
        "event_report",
        "notification_send",
        "campaign_create",
        "schedule_run",
    ]
    .contains(&operation.id);
    let refuses = ["channel_create", "api_key_create"].contains(&operation.id);
    if takes || refuses {
        let spaced = operation.ask(path).header("idempotency-key", "a b");
        world.send(spaced).await.problem(400, "request.header");
    }
    if refuses {
        let key = operation.ask(path).header("idempotency-key", "a");
        world.send(key).await.problem(400, "request.header");
    }
    if !takes {
        return;
    }
    let ask = || operation.ask(path).header("idempotency-key", "a");
    if operation.id != "device_import" {
        world.send(ask()).await;
        world.send(ask()).await;
        let ask = match operation.id {
            // It has no body: the key of one schedule's run, with another.
            "schedule_run" => operation
                .ask("/v1/apps/shop/schedules/resting/run")
                .header("idempotency-key", "a"),
            _ => ask(),
        };
        let other = match operation.id {
            "device_create" => json!({"user_id": "bob"}),
            "event_report" => {
                json!({"name": "comment.created", "recipients": ["ann"], "data": {"name": "?"}})
            }
            "campaign_create" => {
                json!({"name": "other", "audience": {"all": true}, "content": {"body": "other"}})
            }
            _ => json!({"target": {"devices": ["phone"]}, "content": {"body": "other"}}),
        };
        world
            .send(ask.with_body(other.to_string()))
            .await
            .problem(422, "idempotency.reused");
    }
    // A first request that cannot end holds the key.
    let ask = || operation.ask(path).header("idempotency-key", "b");
    let first = match operation.id {
        "device_create" | "schedule_run" => {
            world.faults.set(Some(Fault::Hang));
            ask()
        }
        _ => ask().with_body(endless()),
    };
    let call = tower::ServiceExt::oneshot(world.router.clone(), first.request(&world.admin));
    let mut call = std::pin::pin!(call);
    // An import answers at once, and its stream holds the key as long as it is there; the others wait.
    let _held = futures_util::FutureExt::now_or_never(call.as_mut());
    let second = world.send(ask()).await;
    assert_eq!(second.header("retry-after"), "1");
    second.problem(409, "idempotency.in_progress");
    world.faults.set(None);
}

/// A body that begins and does not go on.
fn endless() -> Body {
    Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>())
}

async fn gateways(world: &World, operation: &Operation) {
    if operation.stands_on != StandsOn::Gateway {
        return;
    }
    let path = operation.path;
    world.gateway.set(Mood::Panic);
    world
        .send(operation.ask(path))
        .await
        .problem(500, "server.error");
    world.gateway.set(Mood::Reject("TopicMismatch"));
    if operation.id == "credential_probe" {
        assert_eq!(
            world.send(operation.ask(path)).await.is(200).json()["ok"],
            false
        );
    } else {
        let problem = world
            .send(operation.ask(path))
            .await
            .problem(502, "gateway.refused");
        assert_eq!(
            problem["gateway"],
            json!({"status": 403, "reason": "TopicMismatch"})
        );
        let bare = path.replace("/shop", "/bare");
        world
            .send(operation.ask(&bare))
            .await
            .problem(409, "credential.missing");
        if operation.method != Method::POST {
            let other = format!("{path}&topic=com.example.other");
            world
                .send(operation.ask(&other))
                .await
                .problem(422, "request.invalid");
        }
    }
    world.gateway.set(Mood::Accept);
}

/// Every way in which a store can fail, in a world of its own: the engine meets them in the background, too, and need not
/// survive all of them.
async fn stores(operation: &Operation) -> BTreeSet<Triple> {
    let mut failures = match operation.stands_on {
        StandsOn::Reads | StandsOn::Writes => vec![
            (StoreError::Busy, 503, "store.busy"),
            (StoreError::Away("it is off".into()), 503, "store.away"),
            (StoreError::Closed, 503, "server.stopping"),
            (
                StoreError::Corrupt("devices.tags of 1".into()),
                500,
                "server.error",
            ),
        ],
        StandsOn::Health => vec![
            (StoreError::Busy, 503, "server.unready"),
            (StoreError::DiskFull, 507, "store.full"),
        ],
        _ => return BTreeSet::new(),
    };
    let world = furnished(Setup::default()).await;
    let path = fill(&world, operation.path).await;
    if operation.stands_on == StandsOn::Writes {
        failures.push((StoreError::Overloaded, 429, "store.overloaded"));
        failures.push((StoreError::DiskFull, 507, "store.full"));
    }
    for (error, status, code) in failures {
        world.faults.set(Some(Fault::Error(error)));
        let answer = world.send(operation.ask(&path)).await;
        assert_eq!(
            answer.header("retry-after").is_empty(),
            !matches!(status, 429 | 503),
            "{code}"
        );
        let problem = trouble(operation, answer, status, code);
        assert!(
            !problem.to_string().contains("devices.tags"),
            "a 5xx hides its cause: {problem}"
        );
        if operation.id == "incident_link_post" {
            trouble_page(world.send(form(&path)).await, status);
        }
    }
    if operation.stands_on != StandsOn::Health {
        world.faults.set(Some(Fault::Panic));
        let answer = world.send(operation.ask(&path)).await;
        trouble(operation, answer, 500, "server.error");
    }
    world.document.seen()
}

/// The good request, and the other good answers that there are.
async fn good(world: &World, operation: &Operation) {
    let path = fill(world, operation.path).await;
    if crate::watching::good(world, operation, &path).await {
        return;
    }
    match operation.id {
        "app_put" => {
            world.send(operation.ask("/v1/apps/new")).await.is(201);
        }
        "credential_put" => {
            world
                .send(operation.ask("/v1/apps/shop/credentials/new"))
                .await
                .is(201);
        }
        "device_put" => {
            devices_of_strangers(world, operation).await;
            world
                .send(operation.ask("/v1/apps/shop/devices/new"))
                .await
                .is(201);
        }
        "webhook_put" => {
            for n in 0..31 {
                let path = format!("/v1/apps/shop/webhooks/more{n}");
                world.send(operation.ask(&path)).await.is(201);
            }
            world
                .send(operation.ask("/v1/apps/shop/webhooks/too-many"))
                .await
                .problem(409, "webhook.limit");
        }
        "webhook_replay" => {
            let switch = |word| format!("/v1/apps/shop/webhooks/billing/{word}");
            world.post(&switch("disable"), json!({})).await.is(200);
            world
                .send(operation.ask(&path))
                .await
                .problem(409, "webhook.disabled");
            world.post(&switch("enable"), json!({})).await.is(200);
        }
        "event_stream" => {
            let ask = operation.ask(&path).header("last-event-id", "yesterday");
            world.send(ask).await.problem(400, "request.header");
        }
        "receipt_create" => {
            let ask = |receipt: &str| {
                let body = json!({"receipt": receipt, "event": "delivered"});
                Ask::new(Method::POST, &path).no_key().json(&body)
            };
            world
                .send(ask("forged"))
                .await
                .problem(401, "receipt.unknown");
            world
                .send(operation.ask(&path))
                .await
                .problem(410, "receipt.gone");
            let delivery = fill(world, "{dlv}").await;
            let delivery = carillon_model::id::DeliveryId::parse(&delivery).unwrap();
            let receipt = crate::catalogue::receipt_of(delivery);
            let recorded = world.send(ask(&receipt)).await.is(200).json();
            assert_eq!(recorded["recorded"], 1);
            return;
        }
        "template_put" => {
            world
                .send(operation.ask("/v1/apps/shop/templates/new"))
                .await
                .is(201);
        }
        "template_delete" => {
            let used = world.delete("/v1/apps/shop/templates/used").await;
            let problem = used.problem(409, "template.in_use");
            assert!(problem["detail"].as_str().unwrap().contains("comments"));
        }
        "trigger_put" => {
            world
                .send(operation.ask("/v1/apps/shop/triggers/new"))
                .await
                .is(201);
        }
        "schedule_put" => {
            world
                .send(operation.ask("/v1/apps/shop/schedules/new"))
                .await
                .is(201);
        }
        "schedule_run" => {
            world
                .send(operation.ask("/v1/apps/shop/schedules/broken/run"))
                .await
                .problem(422, "request.invalid");
        }
        "live_activity_put" => {
            let new = "/v1/apps/shop/live-activities/new";
            world.send(operation.ask(new)).await.is(201);
            let end = format!("{new}/end");
            world.post(&end, json!({})).await.is(200);
            world
                .send(operation.ask(new))
                .await
                .problem(409, "live_activity.ended");
        }
        "live_activity_change" | "live_activity_end" => {
            world.live_activity("over").await;
            let over = "/v1/apps/shop/live-activities/over/end";
            world.post(over, json!({})).await.is(200);
            let over = path.replace("lesson", "over");
            world
                .send(operation.ask(&over))
                .await
                .problem(409, "live_activity.ended");
        }
        "live_activity_token_put" | "live_activity_gone" => {
            let nobodys = path.replace("/phone", "/nobody");
            world
                .send(operation.ask(&nobodys))
                .await
                .problem(404, "device.unknown");
            world
                .put("/v1/apps/shop/devices/tablet", json!({}))
                .await
                .is(201);
            let tablets = path.replace("/phone", "/tablet");
            let answer = world.send(operation.ask(&tablets)).await;
            answer.problem(403, "live_activity.not_recipient");
            if operation.id == "live_activity_token_put" {
                world.live_activity("over").await;
                let over = "/v1/apps/shop/live-activities/over/end";
                world.post(over, json!({})).await.is(200);
                let over = path.replace("lesson", "over");
                world
                    .send(operation.ask(&over))
                    .await
                    .problem(409, "live_activity.ended");
            }
            proofs(world, operation, &path).await;
        }
        "push_to_start_put" | "push_to_start_delete" => proofs(world, operation, &path).await,
        "list_put" => {
            let new = |n: u32| operation.ask(&format!("/v1/apps/shop/lists/more{n}"));
            // One is there already.
            for n in 1..100 {
                world.send(new(n)).await.is(201);
            }
            world.send(new(100)).await.problem(409, "list.limit");
        }
        "list_delete" => {
            let mut schedule = crate::catalogue::schedule();
            schedule["notification"] =
                json!({"target": {"list": "buyers"}, "content": {"body": "b"}});
            let weekly = "/v1/apps/shop/schedules/weekly";
            world.put(weekly, schedule).await.is(201);
            let used = world.delete("/v1/apps/shop/lists/buyers").await;
            let problem = used.problem(409, "list.in_use");
            assert!(problem["detail"].as_str().unwrap().contains("weekly"));
            world.delete(weekly).await.is(204);
        }
        "callout_put" => {
            world
                .send(operation.ask("/v1/apps/shop/callouts/new"))
                .await
                .is(201);
        }
        "callout_delete" => {
            let asking = "/v1/apps/shop/schedules/asking";
            let schedule = json!({
                "cron": "0 9 * * *", "time_zone": "UTC",
                "notification": {"target": {"all": true}, "content_from": {"callout": "news"}}
            });
            world.put(asking, schedule).await.is(201);
            let used = world.delete("/v1/apps/shop/callouts/news").await;
            let problem = used.problem(409, "callout.in_use");
            assert!(problem["detail"].as_str().unwrap().contains("asking"));
            world.delete(asking).await.is(204);
        }
        "segment_delete" => {
            let trigger = serde_json::json!(
                {"event": "sale.begun", "content": {"body": "b"}, "audience": {"segment": "vips"}}
            );
            world
                .put("/v1/apps/shop/triggers/sale", trigger)
                .await
                .is(201);
            let used = world.delete("/v1/apps/shop/segments/vips").await;
            used.problem(409, "segment.in_use");
            world.delete("/v1/apps/shop/triggers/sale").await.is(204);
        }
        "segment_count" => {
            let stranger = format!("{path}?cursor=ntf-1");
            world
                .send(operation.ask(&stranger))
                .await
                .problem(400, "request.cursor");
        }
        "segment_put" => {
            world
                .send(operation.ask("/v1/apps/shop/segments/new"))
                .await
                .is(201);
        }
        "event_report" => {
            let lines = format!("{}\nnope\n", crate::catalogue::event());
            let answer = world
                .send(Ask::new(Method::POST, &path).body("application/x-ndjson", lines))
                .await;
            assert_eq!(answer.is(200).lines().len(), 2);
        }
        "device_create" | "device_delete" => devices_of_strangers(world, operation).await,
        "push_token_delete" => {
            devices_of_strangers(world, operation).await;
            world.send(operation.ask(&path)).await.is(204);
            world
                .send(operation.ask(&path))
                .await
                .problem(404, "push_token.unknown");
            let device = crate::catalogue::device();
            world
                .put("/v1/apps/shop/devices/phone", device)
                .await
                .is(200);
        }
        "identity_key_put" | "identity_key_get" | "identity_key_delete" => {
            let body = crate::catalogue::identity_key();
            world
                .put("/v1/apps/shop/identity-keys/new", body.clone())
                .await
                .is(201);
            world
                .put("/v1/apps/shop/identity-keys/main", body)
                .await
                .is(201);
        }
        "preferences_put" => {
            for status in [201, 200] {
                let new = operation.ask("/v1/apps/shop/users/new/preferences");
                world.send(new).await.is(status);
            }
        }
        "notification_send" => {
            let lines = format!("{}\nnope\n", crate::catalogue::notification());
            let answer = world
                .send(Ask::new(Method::POST, &path).body("application/x-ndjson", lines))
                .await;
            assert_eq!(answer.is(200).lines().len(), 2);
        }
        "server_backup" => {
            let body = crate::catalogue::backup();
            world.post(&path, body.clone()).await.is(200);
            world.post(&path, body).await.problem(422, "store.refused");
        }
        "server_rotate_master_key" => {
            *world.master_keys.trouble.lock().unwrap() = Some("no key opens it");
            world
                .send(operation.ask(&path))
                .await
                .problem(422, "store.refused");
            *world.master_keys.trouble.lock().unwrap() = None;
        }
        "notification_change" => {
            let sent = fill(world, "/v1/apps/shop/notifications/{ntf}").await;
            world
                .send(operation.ask(&sent))
                .await
                .problem(409, "notification.not_waiting");
        }
        "campaign_create" => {
            let answer = world.send(operation.ask(&path)).await;
            let problem = answer.problem(409, "campaign.name_taken");
            assert!(problem["detail"].as_str().unwrap().contains("cmp_"));
            let mut other = crate::catalogue::campaign();
            other["name"] = json!("other");
            let only_tried = format!("{path}?dry_run=true");
            world.post(&only_tried, other.clone()).await.is(200);
            world.post(&path, other).await.is(202);
            return;
        }
        "campaign_pause" | "campaign_resume" => {
            let over = fill(world, operation.path).await;
            let id = over.split('/').nth(5).unwrap();
            let cancel = format!("/v1/apps/shop/campaigns/{id}/cancel");
            world.post(&cancel, json!({})).await.is(200);
            world
                .send(operation.ask(&over))
                .await
                .problem(409, "campaign.over");
        }
        "campaign_cancel" => {
            let mut now = crate::catalogue::campaign();
            now.as_object_mut().unwrap().remove("send_at");
            now["name"] = json!("done");
            world
                .post("/v1/apps/shop/campaigns", now.clone())
                .await
                .is(202);
            world
                .wait("/v1/apps/shop/campaigns/done", |seen| {
                    seen["status"] == "completed"
                })
                .await;
            world
                .send(operation.ask("/v1/apps/shop/campaigns/done/cancel"))
                .await
                .problem(409, "campaign.over");
            world.gateway.set(Mood::Hold);
            now["name"] = json!("now");
            world.post("/v1/apps/shop/campaigns", now).await.is(202);
            world
                .wait("/v1/status", |seen| seen["lanes"][0]["in_flight"] == 1)
                .await;
            world
                .send(operation.ask("/v1/apps/shop/campaigns/now/cancel"))
                .await
                .is(202);
        }
        "notification_cancel" => {
            world.gateway.set(Mood::Hold);
            let sent = world
                .post(
                    "/v1/apps/shop/notifications",
                    crate::catalogue::notification(),
                )
                .await;
            let id = sent.is(202).json()["id"].as_str().unwrap().to_owned();
            let seen = format!("/v1/apps/shop/notifications/{id}/deliveries");
            world
                .wait(&seen, |seen| seen["data"][0]["next_attempt_at"].is_null())
                .await;
            world
                .wait("/v1/status", |seen| seen["lanes"][0]["in_flight"] == 1)
                .await;
            world
                .send(operation.ask(&format!("/v1/apps/shop/notifications/{id}/cancel")))
                .await
                .is(202);
        }
        _ => {}
    }
    let answer = world.send(operation.ask(&path)).await;
    assert!(
        answer.status.is_success(),
        "{}: {}",
        operation.id,
        answer.text()
    );
}

/// What somebody is refused who says to be a device.
async fn proofs(world: &World, operation: &Operation, path: &str) {
    let key = world
        .make_key(Some(world.app("shop")), &[Scope::Register])
        .await;
    let ask = || operation.ask(path).key(&key);
    world.send(ask()).await.problem(403, "device.not_own");
    let secret = "s".repeat(40);
    let wrong = ask().header("carillon-device-secret", &secret);
    world.send(wrong).await.problem(403, "device.not_own");
    let short = ask().header("carillon-device-secret", "short");
    world.send(short).await.problem(400, "request.header");
    if let Sends::Json(body) = operation.body {
        let mut forged = body();
        forged["user_token"] = json!("a.b.c");
        let answer = world.send(ask().with_body(forged.to_string())).await;
        answer.problem(401, "auth.user_token");
    }
}

/// What a publishable key is refused.
async fn devices_of_strangers(world: &World, operation: &Operation) {
    let shop = Some(world.app("shop"));
    let key = world.make_key(shop, &[Scope::Register]).await;
    let theirs = "/v1/apps/shop/devices/phone-of-somebody-else";
    world.put(theirs, json!({})).await;
    let (path, body) = match operation.id {
        "device_create" => (
            operation.path.to_owned(),
            json!({"id": "phone-of-somebody-else"}),
        ),
        "push_token_delete" => (format!("{theirs}/push-tokens/alert"), json!({})),
        _ => (theirs.to_owned(), json!({})),
    };
    let ask = || {
        Ask::new(operation.method.clone(), &path)
            .json(&body)
            .key(&key)
    };
    let secret = "s".repeat(40);
    world
        .send(ask().header("carillon-device-secret", &secret))
        .await
        .problem(403, "device.not_own");
    world
        .send(ask().header("carillon-device-secret", "short"))
        .await
        .problem(400, "request.header");
    if operation.method != Method::DELETE {
        let forged = json!({"user_token": "a.b.c"}).to_string();
        world
            .send(ask().with_body(forged))
            .await
            .problem(401, "auth.user_token");
    }
    world.delete(theirs).await.is(204);
}

/// After a request that used up the API key's rate.
async fn too_fast(operation: &Operation) -> BTreeSet<Triple> {
    let one = Some(Rate {
        per_second: 1,
        burst: Some(1),
    });
    let slow = Limits {
        key_requests: one,
        registrations: one,
        ..Setup::default().limits
    };
    let world = World::with(Setup {
        limits: slow,
        ..Setup::default()
    })
    .await;
    // One of both, or both of the next, unless this machine takes a second for two.
    for _ in 0..20 {
        let status = world.get("/v1/status");
        let (_, answer) = tokio::join!(status, world.send(operation.ask(operation.path)));
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "1");
            let problem = answer.problem(429, "request.rate");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("api.key_requests_per_second"), "{detail}");
            return world.document.seen();
        }
    }
    panic!("{}: twenty requests, and no rate", operation.id);
}

/// What needs a server with other limits.
async fn special(operation: &Operation) -> BTreeSet<Triple> {
    let mut seen = BTreeSet::new();
    let limits = || Setup::default().limits;
    let bounded = ["/v1/", "/i/", "/status/"];
    if bounded
        .iter()
        .any(|start| operation.path.starts_with(start))
    {
        let none = Limits {
            requests: 0,
            ..limits()
        };
        let world = World::with(Setup {
            limits: none,
            ..Setup::default()
        })
        .await;
        let answer = world.send(operation.ask(operation.path)).await;
        assert_eq!(answer.header("retry-after"), "1");
        trouble(operation, answer, 503, "server.busy");
        seen.extend(world.document.seen());
    }
    if !operation.scopes.is_empty() {
        seen.extend(too_fast(operation).await);
    }
    if matches!(
        operation.stands_on,
        StandsOn::Reads | StandsOn::Writes | StandsOn::Gateway | StandsOn::Checker
    ) {
        let deadline = Duration::from_millis(50);
        let short = Limits {
            deadline,
            backup_deadline: deadline,
            list_deadline: deadline,
            ..limits()
        };
        let path = match operation.path.contains('{') {
            // Ids are the same in every world, and this one takes its time.
            true => fill(&furnished(Setup::default()).await, operation.path).await,
            false => operation.path.to_owned(),
        };
        let world = furnished(Setup {
            limits: short,
            ..Setup::default()
        })
        .await;
        world.faults.set(Some(Fault::Hang));
        world.gateway.set(Mood::Hold);
        let answer = world.send(operation.ask(&path)).await;
        trouble(operation, answer, 503, "server.late");
        seen.extend(world.document.seen());
    }
    let streams = operation.stands_on == StandsOn::Stream || operation.id == "list_put";
    if matches!(operation.body, Sends::Json(_)) || streams {
        let impatient = Limits {
            body_timeout: Duration::from_millis(50),
            stream_bytes: 64,
            ..limits()
        };
        let world = furnished(Setup {
            limits: impatient,
            ..Setup::default()
        })
        .await;
        let path = crate::watching::fill(&world, operation.path);
        let mut ask = operation.ask(&path);
        if streams {
            ask = ask.header("content-type", "text/csv");
        }
        world
            .send(ask.with_body(endless()))
            .await
            .problem(408, "request.late");
        if operation.id == "list_put" {
            let dead = std::io::Error::other("the line went dead");
            let dead = Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(dead)]));
            world
                .send(operation.ask(operation.path).with_body(dead))
                .await
                .problem(400, "request.syntax");
        }
        if streams {
            let csv = |body: &str| {
                operation
                    .ask(operation.path)
                    .header("content-type", "text/csv")
                    .with_body(body.to_owned())
            };
            world
                .send(csv(&"x".repeat(65)))
                .await
                .problem(413, "request.too_large");
            world
                .send(csv("colour\nred\n"))
                .await
                .problem(422, "request.invalid");
            world
                .send(csv("x").header("content-type", "text/plain"))
                .await
                .problem(415, "request.content_type");
        }
        seen.extend(world.document.seen());
    }
    if operation.id == "readyz" {
        let world = World::with(Setup {
            ready: Err("it waits for the moon".into()),
            ..Setup::default()
        })
        .await;
        let problem = world.get("/readyz").await.problem(503, "server.unready");
        assert_eq!(problem["detail"], "it waits for the moon");
        seen.extend(world.document.seen());
    }
    seen
}
