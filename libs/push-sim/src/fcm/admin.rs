//! Google's part of the admin API, under `/v1/fcm`, and the metadata server of Google's machines.
//! Described with examples in the crate's README.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{NewServiceAccount, ServiceAccount};
use super::phones::{FcmPhonePatch, FcmPhoneView, NewFcmPhones};
use super::project::ProjectSettings;
use crate::admin::{Answer, MAX_PHONES_PAGE, Refusal, bad, missing, parse, query};
use crate::world::World;

pub(crate) fn router(world: World) -> Router {
    Router::new()
        .route("/v1/fcm/projects/{project}", put(set_project))
        .route("/v1/fcm/service-accounts", post(add_account))
        .route("/v1/fcm/service-accounts/{email}", delete(remove_account))
        .route(
            "/v1/fcm/phones",
            get(list_phones).post(make_phones).patch(patch_phones),
        )
        .route("/v1/fcm/phones/{id}", get(get_phone).patch(patch_phone))
        .route("/v1/fcm/phones/{id}/topics", post(subscribe))
        .route("/v1/fcm/registrations/{registration}", get(find_phone))
        .route(
            "/computeMetadata/v1/instance/service-accounts/default/token",
            get(metadata_token),
        )
        .route(
            "/computeMetadata/v1/project/project-id",
            get(metadata_project),
        )
        .with_state(world)
}

async fn set_project(
    State(world): State<World>,
    Path(project): Path<String>,
    body: axum::body::Bytes,
) -> Answer<ProjectSettings> {
    let settings: ProjectSettings = match body.is_empty() {
        true => ProjectSettings::default(),
        false => parse(&body)?,
    };
    world.set_project(&project, settings.clone());
    Ok(Json(settings))
}

async fn add_account(
    State(world): State<World>,
    body: axum::body::Bytes,
) -> Answer<ServiceAccount> {
    let new: NewServiceAccount = parse(&body)?;
    world.add_service_account(new).map(Json).map_err(bad)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeyQuery {
    key_id: Option<String>,
}

async fn remove_account(
    State(world): State<World>,
    Path(email): Path<String>,
    asked: Result<Query<KeyQuery>, QueryRejection>,
) -> Answer<Value> {
    let asked = query(asked)?;
    match world.remove_service_account(&email, asked.key_id.as_deref()) {
        true => Ok(Json(json!({ "removed": true }))),
        false => Err(missing(format!("there is no such account or key: {email}"))),
    }
}

async fn make_phones(State(world): State<World>, body: axum::body::Bytes) -> Answer<Value> {
    let new: NewFcmPhones = parse(&body)?;
    let phones = world.make_fcm_phones(&new).map_err(bad)?;
    Ok(Json(json!({ "phones": phones })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PhonesQuery {
    after_id: u32,
    limit: Option<usize>,
}

async fn list_phones(
    State(world): State<World>,
    asked: Result<Query<PhonesQuery>, QueryRejection>,
) -> Answer<Value> {
    let asked = query(asked)?;
    let limit = asked.limit.unwrap_or(100).clamp(1, MAX_PHONES_PAGE);
    let phones = world.fcm_phones(asked.after_id, limit);
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
    patch: FcmPhonePatch,
}

async fn patch_phones(State(world): State<World>, body: axum::body::Bytes) -> Answer<Value> {
    let many: ManyPhones = parse(&body)?;
    for id in &many.ids {
        world.patch_fcm_phone(*id, &many.patch).map_err(missing)?;
    }
    Ok(Json(json!({ "changed": many.ids.len() })))
}

async fn get_phone(State(world): State<World>, Path(id): Path<u32>) -> Answer<FcmPhoneView> {
    world
        .fcm_phone(id)
        .map(Json)
        .ok_or_else(|| missing(format!("there is no phone {id}")))
}

async fn patch_phone(
    State(world): State<World>,
    Path(id): Path<u32>,
    body: axum::body::Bytes,
) -> Answer<FcmPhoneView> {
    let patch: FcmPhonePatch = parse(&body)?;
    world.patch_fcm_phone(id, &patch).map(Json).map_err(missing)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSubscription {
    topic: String,
}

async fn subscribe(
    State(world): State<World>,
    Path(id): Path<u32>,
    body: axum::body::Bytes,
) -> Answer<Value> {
    let new: NewSubscription = parse(&body)?;
    let is_new = world.subscribe_fcm_phone(id, &new.topic).map_err(bad)?;
    Ok(Json(json!({ "new": is_new })))
}

async fn find_phone(
    State(world): State<World>,
    Path(registration): Path<String>,
) -> Answer<FcmPhoneView> {
    world
        .fcm_phone_of(&registration)
        .map(Json)
        .ok_or_else(|| missing("no phone has this registration token".into()))
}

/// The metadata server answers nobody who does not say that he means it.
fn demand_flavor(headers: &HeaderMap) -> Result<(), Refusal> {
    let flavor = headers.get("metadata-flavor");
    match flavor.is_some_and(|flavor| flavor == "Google") {
        true => Ok(()),
        false => Err(Refusal(
            StatusCode::FORBIDDEN,
            "header Metadata-Flavor: Google is missing".into(),
        )),
    }
}

fn flavored(body: impl IntoResponse) -> Response {
    ([("metadata-flavor", "Google")], body).into_response()
}

async fn metadata_token(
    State(world): State<World>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    demand_flavor(&headers)?;
    let given = world
        .give_metadata_token()
        .ok_or_else(|| missing("the setting fcm.metadata_project names no project".into()))?;
    Ok(flavored(Json(given)))
}

async fn metadata_project(
    State(world): State<World>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    demand_flavor(&headers)?;
    let project = world.settings().fcm.metadata_project;
    let project = project
        .ok_or_else(|| missing("the setting fcm.metadata_project names no project".into()))?;
    Ok(flavored(project))
}
