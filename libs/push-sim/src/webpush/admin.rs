//! The part of the admin API that is about browsers. Described with examples in the crate's README.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::order::{BrowserPatch, NewBrowsers};
use super::view::BrowserView;
use crate::admin::{Admin, Answer, bad, missing, parse, query};

const MAX_BROWSERS_PAGE: usize = 10_000;

/// Routes below `/v1/browsers`.
pub(crate) fn routes() -> Router<Admin> {
    Router::new()
        .route(
            "/v1/browsers",
            get(list_browsers).post(make_browsers).patch(patch_browsers),
        )
        .route("/v1/browsers/{id}", get(get_browser).patch(patch_browser))
}

async fn make_browsers(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<Value> {
    let new: NewBrowsers = parse(&body)?;
    let browsers = admin.world.make_browsers(&new).map_err(bad)?;
    Ok(Json(json!({ "browsers": browsers })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BrowsersQuery {
    after_id: u32,
    limit: Option<usize>,
    endpoint: Option<String>,
}

async fn list_browsers(
    State(admin): State<Admin>,
    asked: Result<Query<BrowsersQuery>, QueryRejection>,
) -> Answer<Value> {
    let asked = query(asked)?;
    if let Some(endpoint) = asked.endpoint {
        let found = admin.world.browser_of_endpoint(&endpoint);
        let browser = found.ok_or_else(|| missing("no browser has this endpoint now".into()))?;
        return Ok(Json(
            json!({ "browsers": [browser], "next_after_id": null }),
        ));
    }
    let limit = asked.limit.unwrap_or(100).clamp(1, MAX_BROWSERS_PAGE);
    let browsers = admin.world.browsers(asked.after_id, limit);
    let next = browsers
        .last()
        .filter(|_| browsers.len() == limit)
        .map(|browser| browser.id);
    Ok(Json(json!({ "browsers": browsers, "next_after_id": next })))
}

#[derive(Debug, Deserialize)]
struct ManyBrowsers {
    ids: Vec<u32>,
    #[serde(flatten)]
    patch: BrowserPatch,
}

async fn patch_browsers(State(admin): State<Admin>, body: axum::body::Bytes) -> Answer<Value> {
    let many: ManyBrowsers = parse(&body)?;
    for id in &many.ids {
        admin
            .world
            .patch_browser(*id, &many.patch)
            .map_err(missing)?;
    }
    Ok(Json(json!({ "changed": many.ids.len() })))
}

async fn get_browser(State(admin): State<Admin>, Path(id): Path<u32>) -> Answer<BrowserView> {
    let found = admin.world.browser(id);
    found
        .map(Json)
        .ok_or_else(|| missing(format!("there is no browser {id}")))
}

async fn patch_browser(
    State(admin): State<Admin>,
    Path(id): Path<u32>,
    body: axum::body::Bytes,
) -> Answer<BrowserView> {
    let patch: BrowserPatch = parse(&body)?;
    let patched = admin.world.patch_browser(id, &patch);
    patched.map(Json).map_err(missing)
}
