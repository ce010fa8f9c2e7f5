//! The admin HTTP API: JSON over plain HTTP/1.1, everything under `/v1`. Described with examples
//! in the crate's README.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, ActionReport, ConnectionView};
use crate::apns::auth::TeamKey;
use crate::apps::AppSettings;
use crate::config::Settings;
use crate::counters::Counters;
use crate::fcm;
use crate::host::Addresses;
use crate::keys::{self, NewKey};
use crate::live_activity::NewActivity;
use crate::lock_screen::LockScreen;
use crate::phone::{ActivityView, MadePhone, NewPhones, PhonePatch, PhoneView};
use crate::recorder::{ReceivedFilter, ReceivedPage};
use crate::script::{Fault, FaultFilter, FaultReport};
use crate::webpush;
use crate::world::World;

/// Largest admin request.
const MAX_BODY_BYTES: usize = 16 << 20;
pub(crate) const MAX_PHONES_PAGE: usize = 10_000;

#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) world: World,
    addresses: Addresses,
    ca_pem: String,
}

/// An error in one sentence.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

pub(crate) fn bad(message: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message)
}

pub(crate) fn missing(message: String) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, message)
}

pub(crate) type Answer<T> = Result<Json<T>, Refusal>;

pub(crate) fn router(world: World, addresses: Addresses, ca_pem: String) -> Router {
    let google = fcm::admin::router(world.clone());
    Router::new()
        .route("/v1", get(info))
        .route("/v1/ca.pem", get(ca))
        .route("/v1/settings", get(settings).put(set_settings))
        .route("/v1/clock", get(clock).put(set_clock))
        .route("/v1/apps/{bundle}", put(set_app))
        .route("/v1/keys", get(list_keys).post(add_key))
        .route("/v1/keys/{team_id}/{key_id}", delete(revoke_key))
        .route(
            "/v1/phones",
            get(list_phones).post(make_phones).patch(patch_phones),
        )
        .route("/v1/phones/{id}", get(get_phone).patch(patch_phone))
        .route("/v1/phones/{id}/activities", post(start_activity))
        .route("/v1/phones/{id}/lock-screen", get(lock_screen))
        .route("/v1/phones/{id}/lock-screen.txt", get(lock_screen_text))
        .route(
            "/v1/phones/{id}/lock-screen/history",
            get(lock_screen_history),
        )
        .route("/v1/push-tokens/{push_token}", get(find_phone))
        .route(
            "/v1/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .route("/v1/faults/{id}", delete(remove_fault))
        .route("/v1/actions", post(act))
        .route("/v1/connections", get(connections))
        .route("/v1/received", get(received).delete(clear_received))
        .route("/v1/counters", get(counters).delete(reset_counters))
        .route("/v1/reset", post(reset))
        .merge(webpush::admin::routes())
        .with_state(Admin {
            world,
            addresses,
            ca_pem,
        })
        .merge(google)
        .fallback(|| async { missing("there is nothing at this path; see the README".into()) })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// Reads a JSON body; the error names the field.
pub(crate) fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

pub(crate) fn query<T>(
    query: Result<Query<T>, axum::extract::rejection::QueryRejection>,
) -> Result<T, Refusal> {
    query
        .map(|Query(value)| value)
        .map_err(|error| bad(error.body_text()))
}

async fn info(State(admin): State<Admin>) -> Json<Value> {
    Json(json!({
        "addresses": admin.addresses,
        "settings": admin.world.settings(),
        "now_ms": admin.world.clock().now_ms(),
        "phones": admin.world.phone_count(),
        "browsers": admin.world.browser_count(),
        "web_push_origin": admin.world.browsers_mut().origin(),
        "google_url": admin.world.fcm_base_url(),
        "fcm_phones": admin.world.fcm_phone_count(),
        "received": admin.world.received_count(),
    }))
}

async fn ca(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, "application/x-pem-file")], admin.ca_pem).into_response()
}

async fn settings(State(admin): State<Admin>) -> Json<Settings> {
    Json(admin.world.settings())
}

/// Puts the fields of `change` into `into`, and those of an object in it into the object there.
fn merge(into: &mut Value, change: serde_json::Map<String, Value>) {
    for (name, value) in change {
        match (&mut into[name.as_str()], value) {
            (Value::Object(inner), Value::Object(change)) => {
                let mut whole = Value::Object(std::mem::take(inner));
                merge(&mut whole, change);
                into[name.as_str()] = whole;
            }
            (slot, value) => *slot = value,
        }
    }
}

/// Only the fields given change.
async fn set_settings(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<Settings> {
    let change: serde_json::Map<String, Value> = parse(&body)?;
    let mut merged = serde_json::to_value(admin.world.settings()).unwrap_or_default();
    merge(&mut merged, change);
    let settings: Settings =
        serde_json::from_value(merged).map_err(|error| bad(error.to_string()))?;
    admin.world.set_settings(settings.clone());
    Ok(Json(settings))
}

#[derive(Debug, Serialize)]
struct ClockView {
    now_ms: i64,
    speed: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClockChange {
    now_ms: Option<i64>,
    advance_ms: Option<u64>,
    speed: Option<f64>,
}

async fn clock(State(admin): State<Admin>) -> Json<ClockView> {
    let clock = admin.world.clock();
    Json(ClockView {
        now_ms: clock.now_ms(),
        speed: clock.speed(),
    })
}

async fn set_clock(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<ClockView> {
    let change: ClockChange = parse(&body)?;
    let clock = admin.world.clock();
    if change
        .speed
        .is_some_and(|speed| speed < 0.0 || !speed.is_finite())
    {
        return Err(bad("speed: expected a number from 0".into()));
    }
    if let Some(now_ms) = change.now_ms {
        clock.set_ms(now_ms);
    }
    if let Some(by) = change.advance_ms {
        clock.advance(Duration::from_millis(by));
    }
    if let Some(speed) = change.speed {
        clock.set_speed(speed);
    }
    Ok(Json(ClockView {
        now_ms: clock.now_ms(),
        speed: clock.speed(),
    }))
}

async fn set_app(
    State(admin): State<Admin>,
    Path(bundle): Path<String>,
    body: axum::body::Bytes,
) -> Answer<AppSettings> {
    let settings: AppSettings = if body.is_empty() {
        AppSettings::default()
    } else {
        parse(&body)?
    };
    admin.world.set_app(&bundle, settings.clone());
    Ok(Json(settings))
}

async fn list_keys(State(admin): State<Admin>) -> Json<Vec<TeamKey>> {
    Json(admin.world.keys())
}

async fn add_key(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<keys::AddedKey> {
    let new: NewKey = parse(&body)?;
    keys::add(&admin.world, new).map(Json).map_err(bad)
}

async fn revoke_key(
    State(admin): State<Admin>,
    Path((team_id, key_id)): Path<(String, String)>,
) -> Answer<Value> {
    match admin.world.revoke_key(&team_id, &key_id) {
        true => Ok(Json(json!({ "revoked": true }))),
        false => Err(missing(format!("team {team_id} has no key {key_id}"))),
    }
}

async fn make_phones(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<Value> {
    let new: NewPhones = parse(&body)?;
    let phones: Vec<MadePhone> = admin.world.make_phones(&new).map_err(bad)?;
    Ok(Json(json!({ "phones": phones })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PhonesQuery {
    after_id: u32,
    limit: Option<usize>,
}

async fn list_phones(
    State(admin): State<Admin>,
    asked: Result<Query<PhonesQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer<Value> {
    let asked = query(asked)?;
    let limit = asked.limit.unwrap_or(100).clamp(1, MAX_PHONES_PAGE);
    let phones = admin.world.phones(asked.after_id, limit);
    let next = phones
        .last()
        .filter(|_| phones.len() == limit)
        .map(|phone| phone.id);
    Ok(Json(json!({ "phones": phones, "next_after_id": next })))
}

#[derive(Debug, Deserialize)]
struct ManyPhones {
    ids: Vec<u32>,
    #[serde(flatten)]
    patch: PhonePatch,
}

async fn patch_phones(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<Value> {
    let many: ManyPhones = parse(&body)?;
    for id in &many.ids {
        admin.world.patch_phone(*id, &many.patch).map_err(missing)?;
    }
    Ok(Json(json!({ "changed": many.ids.len() })))
}

async fn get_phone(State(admin): State<Admin>, Path(id): Path<u32>) -> Answer<PhoneView> {
    admin.world.phone(id).map(Json).ok_or_else(|| no_phone(id))
}

async fn patch_phone(
    State(admin): State<Admin>,
    Path(id): Path<u32>,
    body: axum::body::Bytes,
) -> Answer<PhoneView> {
    let patch: PhonePatch = parse(&body)?;
    admin
        .world
        .patch_phone(id, &patch)
        .map(Json)
        .map_err(missing)
}

fn no_phone(id: u32) -> Refusal {
    missing(format!("there is no phone {id}"))
}

async fn start_activity(
    State(admin): State<Admin>,
    Path(id): Path<u32>,
    body: axum::body::Bytes,
) -> Answer<ActivityView> {
    let new: NewActivity = parse(&body)?;
    admin.world.phone(id).ok_or_else(|| no_phone(id))?;
    admin.world.start_activity(id, &new).map(Json).map_err(bad)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LockScreenQuery {
    at_ms: Option<i64>,
}

type LockScreenAsked = Result<Query<LockScreenQuery>, axum::extract::rejection::QueryRejection>;

fn lock_screen_of(admin: &Admin, id: u32, asked: LockScreenAsked) -> Result<LockScreen, Refusal> {
    let at_ms = query(asked)?.at_ms;
    let shown = admin.world.lock_screen(id, at_ms);
    shown.ok_or_else(|| no_phone(id))
}

async fn lock_screen(
    State(admin): State<Admin>,
    Path(id): Path<u32>,
    asked: LockScreenAsked,
) -> Answer<LockScreen> {
    lock_screen_of(&admin, id, asked).map(Json)
}

async fn lock_screen_text(
    State(admin): State<Admin>,
    Path(id): Path<u32>,
    asked: LockScreenAsked,
) -> Result<String, Refusal> {
    lock_screen_of(&admin, id, asked).map(|shown| shown.text)
}

async fn lock_screen_history(State(admin): State<Admin>, Path(id): Path<u32>) -> Answer<Value> {
    let changes = admin.world.lock_screen_history(id);
    let changes = changes.ok_or_else(|| no_phone(id))?;
    Ok(Json(json!({ "changes": changes })))
}

async fn find_phone(
    State(admin): State<Admin>,
    Path(push_token): Path<String>,
) -> Answer<PhoneView> {
    let found = admin.world.phone_of_push_token(&push_token);
    found
        .map(Json)
        .ok_or_else(|| missing("no phone has this push token".into()))
}

async fn list_faults(State(admin): State<Admin>) -> Json<Vec<FaultReport>> {
    Json(admin.world.faults())
}

async fn add_fault(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<Value> {
    let fault: Fault = parse(&body)?;
    let id = admin.world.add_fault(fault).map_err(bad)?;
    Ok(Json(json!({ "id": id })))
}

async fn clear_faults(State(admin): State<Admin>) -> Json<Vec<FaultReport>> {
    Json(admin.world.clear_faults())
}

async fn remove_fault(State(admin): State<Admin>, Path(id): Path<u32>) -> Answer<FaultReport> {
    admin
        .world
        .remove_fault(id)
        .map(Json)
        .ok_or_else(|| missing(format!("there is no fault {id}")))
}

#[derive(Debug, Deserialize)]
struct NewAction {
    #[serde(flatten)]
    action: Action,
    #[serde(default)]
    only: FaultFilter,
}

async fn act(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<ActionReport> {
    let new: NewAction = parse(&body)?;
    Ok(Json(admin.world.act(&new.action, &new.only)))
}

async fn connections(State(admin): State<Admin>) -> Json<Vec<ConnectionView>> {
    Json(admin.world.connections())
}

async fn received(
    State(admin): State<Admin>,
    asked: Result<Query<ReceivedFilter>, axum::extract::rejection::QueryRejection>,
) -> Answer<ReceivedPage> {
    Ok(Json(admin.world.received(&query(asked)?)))
}

async fn clear_received(State(admin): State<Admin>) -> Json<Value> {
    admin.world.clear_received();
    Json(json!({}))
}

async fn counters(State(admin): State<Admin>) -> Json<Counters> {
    Json(admin.world.counters())
}

async fn reset_counters(State(admin): State<Admin>) -> Json<Value> {
    admin.world.reset_counters();
    Json(json!({}))
}

async fn reset(State(admin): State<Admin>) -> Json<Value> {
    admin.world.reset();
    Json(json!({}))
}
