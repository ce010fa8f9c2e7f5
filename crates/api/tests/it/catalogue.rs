//! One good request for each operation, and what kind of operation it is. `sweep` bends them into
//! every problem that the document promises.

use crate::world::{Ask, PEM, TOKEN, World};
use axum::http::Method;
use carillon_model::id::{BatchNo, DeliveryId};
use carillon_model::live_activity::{TableColumns, TableDefinition};
use carillon_ports::registry::Scope::{self, Admin, Devices, Read, Register, Send};
use carillon_ports::source::FollowedTable;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// An operation as the sweep sees it.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Sends,
    /// Scopes that suffice; empty: open to everybody.
    pub(crate) scopes: &'static [Scope],
    pub(crate) about: About,
    pub(crate) stands_on: StandsOn,
    /// What a stranger's name in the path is answered with.
    pub(crate) unknown: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Sends {
    Nothing,
    Json(fn() -> Value),
    Text(&'static str, &'static str),
}

/// What an operation concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    App,
    Everything,
    Nothing,
}

/// What an operation stands on, and so can fail by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandsOn {
    Memory,
    Reads,
    Writes,
    Gateway,
    /// Checks of monitors.
    Checker,
    /// Rows are read after the answer began.
    Stream,
    /// The store's own health.
    Health,
}

impl Operation {
    /// The good request. `{ntf}`, `{later}`, `{cmp}`, `{dlv}` and `{key}` in the path are filled in from the world.
    pub(crate) fn ask(&self, path: &str) -> Ask {
        let ask = Ask::new(self.method.clone(), path);
        match self.body {
            Sends::Nothing => ask,
            Sends::Json(body) => ask.json(&body()),
            Sends::Text(content_type, body) => ask.body(content_type, body),
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        self.id.ends_with("_list") && !["channel_list", "event_list"].contains(&self.id)
            || [
                "notification_deliveries",
                "device_deliveries",
                "schedule_runs",
                "callout_runs",
                "app_status",
            ]
            .contains(&self.id)
    }
}

pub(crate) fn notification() -> Value {
    json!({"target": {"devices": ["phone"]}, "content": {"title": "Hello", "body": "World"}})
}

/// It waits for its time.
pub(crate) fn campaign() -> Value {
    json!({"name": "spring", "audience": {"all": true}, "content": {"body": "Hello"}, "send_at": "2026-09-01T12:00:00Z"})
}

fn change() -> Value {
    json!({"send_at": {"local": "2026-09-02T09:00", "time_zone": "Asia/Seoul"}, "expires_in": "1h"})
}

pub(crate) fn device() -> Value {
    json!({"user_id": "ann", "locale": "ko-KR", "time_zone": "Asia/Seoul", "tags": ["beta"],
           "push_tokens": [{"kind": "alert", "token": TOKEN}]})
}

pub(crate) fn credential() -> Value {
    json!({"gateway": "apns", "environments": ["production", "sandbox"], "topics": ["com.example.shop"],
           "signing_key": {"pem": PEM, "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ"}})
}

pub(crate) fn identity_key() -> Value {
    json!({"algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"})
}

fn app() -> Value {
    json!({"name": "Shop", "settings": {"weight": 2, "max_age": "2h"}})
}

fn preferences() -> Value {
    json!({"categories": {"marketing": false}, "quiet_hours": {"from": "22:00", "to": "08:00"}})
}

fn badge() -> Value {
    json!({"badge": 3})
}

fn channel() -> Value {
    json!({"environment": "production", "store": true})
}

fn api_key() -> Value {
    json!({"name": "backend", "app": "shop", "scopes": ["send", "read"]})
}

fn webhook() -> Value {
    json!({"url": "https://hooks.example.com/carillon", "events": ["delivery.*"], "disable_after_days": 3})
}

fn rotation() -> Value {
    json!({"overlap": "1h"})
}

fn replay() -> Value {
    json!({"from": "2026-08-01T00:00:00Z"})
}

/// Well made, and of a push that there is not.
fn receipt() -> Value {
    json!({"receipt": receipt_of(DeliveryId { batch: BatchNo(7), position: 0 }), "event": "opened"})
}

/// The receipt token of a delivery, in every world.
pub(crate) fn receipt_of(id: DeliveryId) -> String {
    carillon_engine::receipt::ReceiptKey::new(&[7; 32]).make(id)
}

pub(crate) fn template() -> Value {
    json!({"default_locale": "en", "variables": {"name": {"type": "string"}},
           "content": {"en": {"title": "Hello", "body": "{{ name }}"}, "ko": {"body": "{{ name }}님"}}})
}

/// The same again would change nothing, and not ask the store.
fn other_template() -> Value {
    let mut other = template();
    other["category"] = json!("greetings");
    other
}

fn preview() -> Value {
    json!({"variables": {"name": "Ann"}, "device": "phone", "locales": ["ko-KR"]})
}

fn dry_run() -> Value {
    json!({"variables": {"name": "Ann"}, "target": {"devices": ["phone"]}, "sample": 10})
}

pub(crate) fn trigger() -> Value {
    json!({"event": "comment.created", "template": "used"})
}

fn other_trigger() -> Value {
    let mut other = trigger();
    other["condition"] = json!("data.likes >= 3");
    other
}

pub(crate) fn segment() -> Value {
    json!({"filter": "tags contains 'vip' and last_seen > ago('30d')"})
}

fn other_segment() -> Value {
    json!({"filter": "platform == 'ios'", "description": "who has an iPhone"})
}

pub(crate) fn event() -> Value {
    json!({"name": "comment.created", "actor": "bob", "recipients": ["ann"], "data": {"name": "Bob"}})
}

pub(crate) fn schedule() -> Value {
    json!({"cron": "0 9 * * MON", "time_zone": "Asia/Seoul",
           "notification": {"target": {"devices": ["phone"]},
                            "template": {"name": "used", "variables": {"name": "Ann"}}}})
}

pub(crate) fn callout() -> Value {
    json!({"url": "https://app.example.com/news", "timeout": "2s", "attempts": 2,
           "fallback": {"content": {"body": "News!"}}})
}

fn callout_test() -> Value {
    json!({"data": {"edition": "morning"}})
}

fn other_schedule() -> Value {
    let mut other = schedule();
    other["cron"] = json!("0 10 * * MON");
    other
}

/// Of `ann`, whose device `phone` is.
pub(crate) fn live_activity() -> Value {
    json!({"recipient": {"user": "ann"}, "attributes_type": "LessonAttributes",
           "content_state": {"status": "active"}, "alert": {"title": "Lesson", "body": "It begins"},
           "starts_at": "2026-09-01T12:00:00Z", "ends_at": "starts_at + 1h",
           "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
           "end": {"dismiss_after": "5m"}})
}

/// A table of Live Activities of `shop`.
pub(crate) fn lessons() -> FollowedTable {
    let plan =
        json!({"attributes_type": "LessonAttributes", "content_state": {"title": "{{ title }}"}});
    FollowedTable {
        name: "lessons".into(),
        app: "shop".into(),
        every_ms: 15_000,
        definition: TableDefinition {
            columns: TableColumns {
                id: Some("id".into()),
                ends_at: Some("ends_at".into()),
                push_token: Some("push_token".into()),
                ..TableColumns::default()
            },
            zone: None,
            ended: Vec::new(),
            plan,
        },
    }
}

fn live_activity_change() -> Value {
    json!({"ends_at": "2026-09-01T13:20:00Z"})
}

fn live_activity_end() -> Value {
    json!({"content_state": {"status": "ended"}})
}

fn live_activity_gone() -> Value {
    json!({"reason": "user"})
}

pub(crate) fn update_token() -> Value {
    json!({"token": TOKEN, "environment": "sandbox", "attributes_type": "LessonAttributes"})
}

fn push_to_start() -> Value {
    json!({"token": TOKEN, "environment": "sandbox"})
}

fn trigger_test() -> Value {
    json!({"event": event()})
}

/// A fresh place for each request; what is left of a former run goes.
pub(crate) fn backup() -> Value {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("api-{process}-{number}.db"));
    let _ = std::fs::remove_file(&file);
    json!({ "file": file })
}

/// Fills in ids that only a running world knows.
pub(crate) async fn fill(world: &World, path: &str) -> String {
    let mut path = crate::watching::fill(world, path);
    if path.contains("{ntf}") || path.contains("{dlv}") {
        let sent = world.settled("hello").await;
        let id = sent["id"].as_str().unwrap();
        if path.contains("{dlv}") {
            let deliveries = world
                .get(&format!("/v1/apps/shop/notifications/{id}/deliveries"))
                .await
                .is(200)
                .json();
            path = path.replace("{dlv}", deliveries["data"][0]["id"].as_str().unwrap());
        }
        path = path.replace("{ntf}", id);
    }
    if path.contains("{later}") {
        let mut body = notification();
        body["send_at"] = json!("2026-09-01T12:00:00Z");
        let sent = world.post("/v1/apps/shop/notifications", body).await;
        path = path.replace("{later}", sent.is(202).json()["id"].as_str().unwrap());
    }
    if path.contains("{cmp}") {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mut body = campaign();
        body["name"] = json!(format!("c{}", MADE.fetch_add(1, Ordering::Relaxed)));
        let made = world.post("/v1/apps/shop/campaigns", body).await;
        path = path.replace("{cmp}", made.is(202).json()["id"].as_str().unwrap());
    }
    if path.contains("{key}") {
        let made = world.post("/v1/api-keys", api_key()).await.is(201).json();
        path = path.replace("{key}", made["id"].as_str().unwrap());
    }
    path
}

pub(crate) fn operations() -> Vec<Operation> {
    let operation = |id, method, path, body, scopes, about, stands_on| Operation {
        id,
        method,
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
    use About::{App, Everything, Nothing};
    use Sends::{Json, Text};
    use StandsOn::{Gateway, Health, Memory, Reads, Stream, Writes};
    const NONE: Sends = Sends::Nothing;
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let mut all = vec![
        operation(
            "app_list",
            get.clone(),
            "/v1/apps",
            NONE,
            &[Read],
            Everything,
            Memory,
        ),
        operation(
            "app_put",
            put.clone(),
            "/v1/apps/shop",
            Json(app),
            &[Admin],
            App,
            Writes,
        ),
        operation(
            "app_get",
            get.clone(),
            "/v1/apps/shop",
            NONE,
            &[Read],
            App,
            Memory,
        ),
        operation(
            "app_delete",
            delete.clone(),
            "/v1/apps/shop",
            NONE,
            &[Admin],
            App,
            Writes,
        ),
        operation(
            "credential_list",
            get.clone(),
            "/v1/apps/shop/credentials",
            NONE,
            &[Read],
            App,
            Memory,
        ),
        operation(
            "credential_put",
            put.clone(),
            "/v1/apps/shop/credentials/apple",
            Json(credential),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "credential_get",
                get.clone(),
                "/v1/apps/shop/credentials/apple",
                NONE,
                &[Read],
                App,
                Memory,
            ),
            "credential.unknown",
            "/v1/apps/shop/credentials/nobody",
        ),
        unknown(
            operation(
                "credential_delete",
                delete.clone(),
                "/v1/apps/shop/credentials/apple",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "credential.unknown",
            "/v1/apps/shop/credentials/nobody",
        ),
        unknown(
            operation(
                "credential_probe",
                post.clone(),
                "/v1/apps/shop/credentials/apple/probe",
                NONE,
                &[Admin],
                App,
                Gateway,
            ),
            "credential.unknown",
            "/v1/apps/shop/credentials/nobody/probe",
        ),
        operation(
            "device_list",
            get.clone(),
            "/v1/apps/shop/devices",
            NONE,
            &[Devices, Read],
            App,
            Reads,
        ),
        operation(
            "device_create",
            post.clone(),
            "/v1/apps/shop/devices",
            Json(device),
            &[Devices, Register],
            App,
            Writes,
        ),
        operation(
            "device_import",
            post.clone(),
            "/v1/apps/shop/devices/import",
            Text("application/x-ndjson", "{\"id\":\"a\"}\n"),
            &[Devices],
            App,
            Stream,
        ),
        operation(
            "device_export",
            get.clone(),
            "/v1/apps/shop/devices/export",
            NONE,
            &[Devices, Read],
            App,
            Reads,
        ),
        operation(
            "device_stats",
            get.clone(),
            "/v1/apps/shop/devices/stats",
            NONE,
            &[Devices, Read],
            App,
            Reads,
        ),
        unknown(
            operation(
                "push_token_delete",
                delete.clone(),
                "/v1/apps/shop/devices/phone/push-tokens/alert",
                NONE,
                &[Devices, Register],
                App,
                Writes,
            ),
            "device.unknown",
            "/v1/apps/shop/devices/nobody/push-tokens/alert",
        ),
        operation(
            "identity_key_list",
            get.clone(),
            "/v1/apps/shop/identity-keys",
            NONE,
            &[Read],
            App,
            Memory,
        ),
        operation(
            "identity_key_put",
            put.clone(),
            "/v1/apps/shop/identity-keys/main",
            Json(identity_key),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "identity_key_get",
                get.clone(),
                "/v1/apps/shop/identity-keys/main",
                NONE,
                &[Read],
                App,
                Memory,
            ),
            "identity_key.unknown",
            "/v1/apps/shop/identity-keys/nobody",
        ),
        unknown(
            operation(
                "identity_key_delete",
                delete.clone(),
                "/v1/apps/shop/identity-keys/main",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "identity_key.unknown",
            "/v1/apps/shop/identity-keys/nobody",
        ),
        operation(
            "device_put",
            put.clone(),
            "/v1/apps/shop/devices/phone",
            Json(device),
            &[Devices, Register],
            App,
            Writes,
        ),
        unknown(
            operation(
                "device_get",
                get.clone(),
                "/v1/apps/shop/devices/phone",
                NONE,
                &[Devices, Read],
                App,
                Reads,
            ),
            "device.unknown",
            "/v1/apps/shop/devices/nobody",
        ),
        unknown(
            operation(
                "device_delete",
                delete.clone(),
                "/v1/apps/shop/devices/phone",
                NONE,
                &[Devices, Register],
                App,
                Writes,
            ),
            "device.unknown",
            "/v1/apps/shop/devices/nobody",
        ),
        unknown(
            operation(
                "device_deliveries",
                get.clone(),
                "/v1/apps/shop/devices/phone/deliveries",
                NONE,
                &[Read, Devices],
                App,
                Reads,
            ),
            "device.unknown",
            "/v1/apps/shop/devices/nobody/deliveries",
        ),
        operation(
            "user_erase",
            delete.clone(),
            "/v1/apps/shop/users/ann",
            NONE,
            &[Devices],
            App,
            Writes,
        ),
        operation(
            "preferences_put",
            put.clone(),
            "/v1/apps/shop/users/ann/preferences",
            Json(preferences),
            &[Devices],
            App,
            Writes,
        ),
        operation(
            "preferences_get",
            get.clone(),
            "/v1/apps/shop/users/ann/preferences",
            NONE,
            &[Devices, Read],
            App,
            Reads,
        ),
        operation(
            "preferences_delete",
            delete.clone(),
            "/v1/apps/shop/users/ann/preferences",
            NONE,
            &[Devices],
            App,
            Writes,
        ),
        operation(
            "badge_put",
            put.clone(),
            "/v1/apps/shop/users/ann/badge",
            Json(badge),
            &[Devices],
            App,
            Writes,
        ),
        operation(
            "badge_get",
            get.clone(),
            "/v1/apps/shop/users/ann/badge",
            NONE,
            &[Devices, Read],
            App,
            Reads,
        ),
        operation(
            "notification_list",
            get.clone(),
            "/v1/apps/shop/notifications",
            NONE,
            &[Read, Send],
            App,
            Reads,
        ),
        operation(
            "notification_send",
            post.clone(),
            "/v1/apps/shop/notifications",
            Json(notification),
            &[Send],
            App,
            Writes,
        ),
        unknown(
            operation(
                "notification_get",
                get.clone(),
                "/v1/apps/shop/notifications/{ntf}",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "notification.unknown",
            "/v1/apps/shop/notifications/ntf_nobody",
        ),
        unknown(
            operation(
                "notification_change",
                Method::PATCH,
                "/v1/apps/shop/notifications/{later}",
                Json(change),
                &[Send],
                App,
                Writes,
            ),
            "notification.unknown",
            "/v1/apps/shop/notifications/ntf_nobody",
        ),
        unknown(
            operation(
                "notification_deliveries",
                get.clone(),
                "/v1/apps/shop/notifications/{ntf}/deliveries",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "notification.unknown",
            "/v1/apps/shop/notifications/ntf_nobody/deliveries",
        ),
        unknown(
            operation(
                "notification_cancel",
                post.clone(),
                "/v1/apps/shop/notifications/{ntf}/cancel",
                NONE,
                &[Send],
                App,
                Writes,
            ),
            "notification.unknown",
            "/v1/apps/shop/notifications/ntf_nobody/cancel",
        ),
        unknown(
            operation(
                "delivery_get",
                get.clone(),
                "/v1/apps/shop/deliveries/{dlv}",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "delivery.unknown",
            "/v1/apps/shop/deliveries/dlv_7_7",
        ),
        operation(
            "channel_list",
            get.clone(),
            "/v1/apps/shop/channels?environment=production",
            NONE,
            &[Send, Read],
            App,
            Gateway,
        ),
        operation(
            "channel_create",
            post.clone(),
            "/v1/apps/shop/channels",
            Json(channel),
            &[Send],
            App,
            Gateway,
        ),
        unknown(
            operation(
                "channel_get",
                get.clone(),
                "/v1/apps/shop/channels/b2xk?environment=production",
                NONE,
                &[Send, Read],
                App,
                Gateway,
            ),
            "channel.unknown",
            "/v1/apps/shop/channels/nobody?environment=production",
        ),
        unknown(
            operation(
                "channel_delete",
                delete.clone(),
                "/v1/apps/shop/channels/b2xk?environment=production",
                NONE,
                &[Send],
                App,
                Gateway,
            ),
            "channel.unknown",
            "/v1/apps/shop/channels/nobody?environment=production",
        ),
        operation(
            "template_list",
            get.clone(),
            "/v1/apps/shop/templates",
            NONE,
            &[Read, Send],
            App,
            Memory,
        ),
        operation(
            "template_put",
            put.clone(),
            "/v1/apps/shop/templates/hello",
            Json(other_template),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "template_get",
                get.clone(),
                "/v1/apps/shop/templates/hello?version=1",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "template.unknown",
            "/v1/apps/shop/templates/nobody",
        ),
        unknown(
            operation(
                "template_delete",
                delete.clone(),
                "/v1/apps/shop/templates/hello",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "template.unknown",
            "/v1/apps/shop/templates/nobody",
        ),
        unknown(
            operation(
                "template_preview",
                post.clone(),
                "/v1/apps/shop/templates/hello/preview",
                Json(preview),
                &[Read, Send],
                App,
                Reads,
            ),
            "template.unknown",
            "/v1/apps/shop/templates/nobody/preview",
        ),
        unknown(
            operation(
                "template_dry_run",
                post.clone(),
                "/v1/apps/shop/templates/hello/dry-run",
                Json(dry_run),
                &[Read, Send],
                App,
                Reads,
            ),
            "template.unknown",
            "/v1/apps/shop/templates/nobody/dry-run",
        ),
        operation(
            "trigger_list",
            get.clone(),
            "/v1/apps/shop/triggers",
            NONE,
            &[Read, Send],
            App,
            Memory,
        ),
        operation(
            "trigger_put",
            put.clone(),
            "/v1/apps/shop/triggers/comments",
            Json(other_trigger),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "trigger_get",
                get.clone(),
                "/v1/apps/shop/triggers/comments",
                NONE,
                &[Read, Send],
                App,
                Memory,
            ),
            "trigger.unknown",
            "/v1/apps/shop/triggers/nobody",
        ),
        unknown(
            operation(
                "trigger_delete",
                delete.clone(),
                "/v1/apps/shop/triggers/comments",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "trigger.unknown",
            "/v1/apps/shop/triggers/nobody",
        ),
        unknown(
            operation(
                "trigger_test",
                post.clone(),
                "/v1/apps/shop/triggers/comments/test",
                Json(trigger_test),
                &[Read, Send],
                App,
                Reads,
            ),
            "trigger.unknown",
            "/v1/apps/shop/triggers/nobody/test",
        ),
        operation(
            "schedule_list",
            get.clone(),
            "/v1/apps/shop/schedules",
            NONE,
            &[Read, Send],
            App,
            Memory,
        ),
        operation(
            "schedule_preview",
            post.clone(),
            "/v1/apps/shop/schedules/preview",
            Json(schedule),
            &[Read, Send],
            App,
            Memory,
        ),
        operation(
            "schedule_put",
            put.clone(),
            "/v1/apps/shop/schedules/news",
            Json(other_schedule),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "schedule_get",
                get.clone(),
                "/v1/apps/shop/schedules/news",
                NONE,
                &[Read, Send],
                App,
                Memory,
            ),
            "schedule.unknown",
            "/v1/apps/shop/schedules/nobody",
        ),
        unknown(
            operation(
                "schedule_delete",
                delete.clone(),
                "/v1/apps/shop/schedules/news",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "schedule.unknown",
            "/v1/apps/shop/schedules/nobody",
        ),
        unknown(
            operation(
                "schedule_pause",
                post.clone(),
                "/v1/apps/shop/schedules/news/pause",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "schedule.unknown",
            "/v1/apps/shop/schedules/nobody/pause",
        ),
        unknown(
            operation(
                "schedule_resume",
                post.clone(),
                "/v1/apps/shop/schedules/resting/resume",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "schedule.unknown",
            "/v1/apps/shop/schedules/nobody/resume",
        ),
        unknown(
            operation(
                "schedule_run",
                post.clone(),
                "/v1/apps/shop/schedules/news/run",
                NONE,
                &[Send],
                App,
                Writes,
            ),
            "schedule.unknown",
            "/v1/apps/shop/schedules/nobody/run",
        ),
        unknown(
            operation(
                "schedule_runs",
                get.clone(),
                "/v1/apps/shop/schedules/news/runs",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "schedule.unknown",
            "/v1/apps/shop/schedules/nobody/runs",
        ),
        operation(
            "live_activity_sources",
            get.clone(),
            "/v1/apps/shop/live-activity-sources",
            NONE,
            &[Read, Send],
            App,
            Reads,
        ),
        unknown(
            operation(
                "live_activity_source_check",
                post.clone(),
                "/v1/apps/shop/live-activity-sources/lessons/check",
                NONE,
                &[Send],
                App,
                Memory,
            ),
            "live_activity_source.unknown",
            "/v1/apps/shop/live-activity-sources/nobody/check",
        ),
        unknown(
            operation(
                "live_activity_source_run",
                post.clone(),
                "/v1/apps/shop/live-activity-sources/lessons/run",
                NONE,
                &[Send],
                App,
                Writes,
            ),
            "live_activity_source.unknown",
            "/v1/apps/shop/live-activity-sources/nobody/run",
        ),
        operation(
            "live_activity_list",
            get.clone(),
            "/v1/apps/shop/live-activities",
            NONE,
            &[Read, Send],
            App,
            Reads,
        ),
        operation(
            "live_activity_put",
            put.clone(),
            "/v1/apps/shop/live-activities/lesson",
            Json(live_activity),
            &[Send],
            App,
            Writes,
        ),
        unknown(
            operation(
                "live_activity_get",
                get.clone(),
                "/v1/apps/shop/live-activities/lesson",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "live_activity.unknown",
            "/v1/apps/shop/live-activities/nobody",
        ),
        unknown(
            operation(
                "live_activity_change",
                Method::PATCH,
                "/v1/apps/shop/live-activities/lesson",
                Json(live_activity_change),
                &[Send],
                App,
                Writes,
            ),
            "live_activity.unknown",
            "/v1/apps/shop/live-activities/nobody",
        ),
        unknown(
            operation(
                "live_activity_end",
                post.clone(),
                "/v1/apps/shop/live-activities/lesson/end",
                Json(live_activity_end),
                &[Send],
                App,
                Writes,
            ),
            "live_activity.unknown",
            "/v1/apps/shop/live-activities/nobody/end",
        ),
        unknown(
            operation(
                "live_activity_phases",
                get.clone(),
                "/v1/apps/shop/live-activities/lesson/phases",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "live_activity.unknown",
            "/v1/apps/shop/live-activities/nobody/phases",
        ),
        unknown(
            operation(
                "live_activity_token_put",
                put.clone(),
                "/v1/apps/shop/live-activities/lesson/tokens/phone",
                Json(update_token),
                &[Devices, Register],
                App,
                Writes,
            ),
            "live_activity.unknown",
            "/v1/apps/shop/live-activities/nobody/tokens/phone",
        ),
        unknown(
            operation(
                "live_activity_gone",
                post.clone(),
                "/v1/apps/shop/live-activities/lesson/ended/phone",
                Json(live_activity_gone),
                &[Devices, Register],
                App,
                Writes,
            ),
            "live_activity.unknown",
            "/v1/apps/shop/live-activities/nobody/ended/phone",
        ),
        unknown(
            operation(
                "push_to_start_put",
                put.clone(),
                "/v1/apps/shop/devices/phone/push-to-start-tokens/LessonAttributes",
                Json(push_to_start),
                &[Devices, Register],
                App,
                Writes,
            ),
            "device.unknown",
            "/v1/apps/shop/devices/nobody/push-to-start-tokens/LessonAttributes",
        ),
        unknown(
            operation(
                "push_to_start_delete",
                delete.clone(),
                "/v1/apps/shop/devices/phone/push-to-start-tokens/LessonAttributes",
                NONE,
                &[Devices, Register],
                App,
                Writes,
            ),
            "device.unknown",
            "/v1/apps/shop/devices/nobody/push-to-start-tokens/LessonAttributes",
        ),
        operation(
            "list_list",
            get.clone(),
            "/v1/apps/shop/lists",
            NONE,
            &[Devices, Read, Send],
            App,
            Memory,
        ),
        operation(
            "list_put",
            put.clone(),
            "/v1/apps/shop/lists/buyers",
            Text("text/csv", "device\nphone\nnobody\n"),
            &[Devices],
            App,
            Writes,
        ),
        unknown(
            operation(
                "list_get",
                get.clone(),
                "/v1/apps/shop/lists/buyers",
                NONE,
                &[Devices, Read, Send],
                App,
                Memory,
            ),
            "list.unknown",
            "/v1/apps/shop/lists/nobody",
        ),
        unknown(
            operation(
                "list_delete",
                delete.clone(),
                "/v1/apps/shop/lists/buyers",
                NONE,
                &[Devices],
                App,
                Writes,
            ),
            "list.unknown",
            "/v1/apps/shop/lists/nobody",
        ),
        operation(
            "campaign_create",
            post.clone(),
            "/v1/apps/shop/campaigns",
            Json(campaign),
            &[Send],
            App,
            Writes,
        ),
        operation(
            "campaign_list",
            get.clone(),
            "/v1/apps/shop/campaigns",
            NONE,
            &[Read, Send],
            App,
            Reads,
        ),
        unknown(
            operation(
                "campaign_get",
                get.clone(),
                "/v1/apps/shop/campaigns/{cmp}",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "campaign.unknown",
            "/v1/apps/shop/campaigns/nobody",
        ),
        unknown(
            operation(
                "campaign_progress",
                get.clone(),
                "/v1/apps/shop/campaigns/{cmp}/progress",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "campaign.unknown",
            "/v1/apps/shop/campaigns/nobody/progress",
        ),
        unknown(
            operation(
                "campaign_pause",
                post.clone(),
                "/v1/apps/shop/campaigns/{cmp}/pause",
                NONE,
                &[Send],
                App,
                Writes,
            ),
            "campaign.unknown",
            "/v1/apps/shop/campaigns/nobody/pause",
        ),
        unknown(
            operation(
                "campaign_resume",
                post.clone(),
                "/v1/apps/shop/campaigns/{cmp}/resume",
                NONE,
                &[Send],
                App,
                Writes,
            ),
            "campaign.unknown",
            "/v1/apps/shop/campaigns/nobody/resume",
        ),
        unknown(
            operation(
                "campaign_cancel",
                post.clone(),
                "/v1/apps/shop/campaigns/{cmp}/cancel",
                NONE,
                &[Send],
                App,
                Writes,
            ),
            "campaign.unknown",
            "/v1/apps/shop/campaigns/nobody/cancel",
        ),
        operation(
            "segment_list",
            get.clone(),
            "/v1/apps/shop/segments",
            NONE,
            &[Read, Send],
            App,
            Memory,
        ),
        operation(
            "segment_put",
            put.clone(),
            "/v1/apps/shop/segments/vips",
            Json(other_segment),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "segment_get",
                get.clone(),
                "/v1/apps/shop/segments/vips",
                NONE,
                &[Read, Send],
                App,
                Memory,
            ),
            "segment.unknown",
            "/v1/apps/shop/segments/nobody",
        ),
        unknown(
            operation(
                "segment_delete",
                delete.clone(),
                "/v1/apps/shop/segments/vips",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "segment.unknown",
            "/v1/apps/shop/segments/nobody",
        ),
        operation(
            "segment_try",
            post.clone(),
            "/v1/apps/shop/segments/estimate",
            Json(segment),
            &[Read, Send],
            App,
            Reads,
        ),
        unknown(
            operation(
                "segment_estimate",
                get.clone(),
                "/v1/apps/shop/segments/vips/estimate",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "segment.unknown",
            "/v1/apps/shop/segments/nobody/estimate",
        ),
        unknown(
            operation(
                "segment_count",
                post.clone(),
                "/v1/apps/shop/segments/vips/count",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "segment.unknown",
            "/v1/apps/shop/segments/nobody/count",
        ),
        operation(
            "event_report",
            post.clone(),
            "/v1/apps/shop/events",
            Json(event),
            &[Send],
            App,
            Writes,
        ),
        operation(
            "stats_get",
            get.clone(),
            "/v1/apps/shop/stats",
            NONE,
            &[Read],
            App,
            Reads,
        ),
        operation(
            "event_list",
            get.clone(),
            "/v1/apps/shop/events",
            NONE,
            &[Read],
            App,
            Reads,
        ),
        operation(
            "event_stream",
            get.clone(),
            "/v1/apps/shop/events/stream",
            NONE,
            &[Read],
            App,
            Reads,
        ),
        operation(
            "callout_list",
            get.clone(),
            "/v1/apps/shop/callouts",
            NONE,
            &[Read],
            App,
            Memory,
        ),
        operation(
            "callout_put",
            Method::PUT,
            "/v1/apps/shop/callouts/news",
            Json(callout),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "callout_get",
                get.clone(),
                "/v1/apps/shop/callouts/news",
                NONE,
                &[Read],
                App,
                Memory,
            ),
            "callout.unknown",
            "/v1/apps/shop/callouts/nobody",
        ),
        unknown(
            operation(
                "callout_delete",
                Method::DELETE,
                "/v1/apps/shop/callouts/news",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "callout.unknown",
            "/v1/apps/shop/callouts/nobody",
        ),
        unknown(
            operation(
                "callout_rotate_secret",
                post.clone(),
                "/v1/apps/shop/callouts/news/rotate-secret",
                Json(rotation),
                &[Admin],
                App,
                Writes,
            ),
            "callout.unknown",
            "/v1/apps/shop/callouts/nobody/rotate-secret",
        ),
        unknown(
            operation(
                "callout_runs",
                get.clone(),
                "/v1/apps/shop/callouts/news/runs",
                NONE,
                &[Read, Send],
                App,
                Reads,
            ),
            "callout.unknown",
            "/v1/apps/shop/callouts/nobody/runs",
        ),
        unknown(
            operation(
                "callout_test",
                post.clone(),
                "/v1/apps/shop/callouts/news/test",
                Json(callout_test),
                &[Admin],
                App,
                Memory,
            ),
            "callout.unknown",
            "/v1/apps/shop/callouts/nobody/test",
        ),
        operation(
            "webhook_list",
            get.clone(),
            "/v1/apps/shop/webhooks",
            NONE,
            &[Read],
            App,
            Reads,
        ),
        operation(
            "webhook_put",
            Method::PUT,
            "/v1/apps/shop/webhooks/billing",
            Json(webhook),
            &[Admin],
            App,
            Writes,
        ),
        unknown(
            operation(
                "webhook_get",
                get.clone(),
                "/v1/apps/shop/webhooks/billing",
                NONE,
                &[Read],
                App,
                Reads,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody",
        ),
        unknown(
            operation(
                "webhook_delete",
                Method::DELETE,
                "/v1/apps/shop/webhooks/billing",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody",
        ),
        unknown(
            operation(
                "webhook_rotate_secret",
                post.clone(),
                "/v1/apps/shop/webhooks/billing/rotate-secret",
                Json(rotation),
                &[Admin],
                App,
                Writes,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody/rotate-secret",
        ),
        unknown(
            operation(
                "webhook_enable",
                post.clone(),
                "/v1/apps/shop/webhooks/billing/enable",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody/enable",
        ),
        unknown(
            operation(
                "webhook_disable",
                post.clone(),
                "/v1/apps/shop/webhooks/billing/disable",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody/disable",
        ),
        unknown(
            operation(
                "webhook_test",
                post.clone(),
                "/v1/apps/shop/webhooks/billing/test",
                NONE,
                &[Admin],
                App,
                Writes,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody/test",
        ),
        unknown(
            operation(
                "webhook_replay",
                post.clone(),
                "/v1/apps/shop/webhooks/billing/replay",
                Json(replay),
                &[Admin],
                App,
                Writes,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody/replay",
        ),
        unknown(
            operation(
                "webhook_attempts",
                get.clone(),
                "/v1/apps/shop/webhooks/billing/attempts",
                NONE,
                &[Read],
                App,
                Reads,
            ),
            "webhook.unknown",
            "/v1/apps/shop/webhooks/nobody/attempts",
        ),
        operation(
            "receipt_create",
            post.clone(),
            "/v1/receipts",
            Json(receipt),
            &[],
            Nothing,
            Writes,
        ),
        operation(
            "api_key_list",
            get.clone(),
            "/v1/api-keys",
            NONE,
            &[Admin],
            Everything,
            Reads,
        ),
        operation(
            "api_key_create",
            post.clone(),
            "/v1/api-keys",
            Json(api_key),
            &[Admin],
            Everything,
            Writes,
        ),
        unknown(
            operation(
                "api_key_delete",
                delete,
                "/v1/api-keys/{key}",
                NONE,
                &[Admin],
                Everything,
                Writes,
            ),
            "api_key.unknown",
            "/v1/api-keys/key_nobody",
        ),
        operation(
            "audit_list",
            get.clone(),
            "/v1/audit",
            NONE,
            &[Admin],
            Everything,
            Reads,
        ),
        operation(
            "status_get",
            get.clone(),
            "/v1/status",
            NONE,
            &[Read],
            Everything,
            Memory,
        ),
        operation(
            "scheduler_resume",
            post.clone(),
            "/v1/scheduler/resume",
            NONE,
            &[Admin],
            Everything,
            Writes,
        ),
        operation(
            "server_backup",
            post.clone(),
            "/v1/server/backup",
            Json(backup),
            &[Admin],
            Everything,
            Writes,
        ),
        operation(
            "server_rotate_master_key",
            post,
            "/v1/server/rotate-master-key",
            NONE,
            &[Admin],
            Everything,
            Writes,
        ),
        operation(
            "metrics",
            get.clone(),
            "/metrics",
            NONE,
            &[Read],
            Everything,
            Memory,
        ),
        operation(
            "openapi",
            get.clone(),
            "/v1/openapi.json",
            NONE,
            &[],
            Nothing,
            Memory,
        ),
        operation(
            "errors",
            get.clone(),
            "/docs/errors",
            NONE,
            &[],
            Nothing,
            Memory,
        ),
        operation(
            "healthz",
            get.clone(),
            "/healthz",
            NONE,
            &[],
            Nothing,
            Memory,
        ),
        operation("readyz", get, "/readyz", NONE, &[], Nothing, Health),
    ];
    all.extend(crate::watching::operations());
    all
}
