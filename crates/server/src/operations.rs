//! What the command line asks of a running server beside the API: a backup, a new master key. Both
//! need an API key with the scope `admin` that is not bound to an App. No part of the published API.

use crate::seal::MasterKeys;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use carillon_engine::Engine;
use carillon_ports::registry::{Actor, Scope};
use carillon_ports::secret::Place;
use carillon_ports::store::StoreError;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// What the operations stand on.
#[derive(Clone)]
pub(crate) struct Operations {
    /// The running engine.
    pub(crate) engine: Engine,
    /// The keys that seal.
    pub(crate) master_keys: Arc<MasterKeys>,
}

/// Their routes.
pub(crate) fn router(operations: Operations) -> Router {
    Router::new()
        .route("/v1/server/backup", post(backup))
        .route("/v1/server/rotate-master-key", post(rotate_master_key))
        .with_state(operations)
}

/// A refusal as a problem document (RFC 9457).
struct Refusal(StatusCode, &'static str, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, detail) = self;
        let body = json!({
            "type": format!("/docs/errors#{code}"),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, kind, body.to_string()).into_response()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    /// Where to write it, on the server's disk: absolute.
    file: PathBuf,
}

async fn backup(
    State(operations): State<Operations>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, Refusal> {
    admin(&operations, &headers)?;
    let invalid = |why: String| Refusal(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid", why);
    let Backup { file } =
        serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    if !file.is_absolute() {
        return Err(invalid(format!(
            "/file: expected an absolute path, found {}",
            file.display()
        )));
    }
    operations
        .engine
        .store()
        .backup(file.clone())
        .await
        .map_err(refused)?;
    let bytes = std::fs::metadata(&file).map_or(0, |meta| meta.len());
    Ok(Json(json!({ "file": file, "bytes": bytes })).into_response())
}

async fn rotate_master_key(
    State(operations): State<Operations>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let by = admin(&operations, &headers)?;
    let keys = operations.master_keys;
    if keys.is_ours() {
        keys.rotate().map_err(|failure| {
            Refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server.error",
                failure.to_string(),
            )
        })?;
    }
    let now = operations.engine.clock().now();
    let mut resealed = 0;
    // Twice: what was sealed with the former key while the first pass ran is caught by the second.
    for _ in 0..2 {
        let keys = keys.clone();
        resealed = operations
            .engine
            .registry()
            .reseal(
                Box::new(move |table, column, row, sealed| {
                    keys.reseal(Place { table, column, row }, sealed)
                }),
                now,
                by.clone(),
            )
            .await
            .map_err(refused)?;
    }
    operations.engine.refresh().await.map_err(refused)?;
    Ok(Json(json!({ "resealed": resealed, "master_key_id": keys.id() })).into_response())
}

/// Who asks, if he may.
fn admin(operations: &Operations, headers: &HeaderMap) -> Result<Actor, Refusal> {
    let secret = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| {
            let why = "expected the header Authorization: Bearer <API key>";
            Refusal(StatusCode::UNAUTHORIZED, "auth.missing", why.to_owned())
        })?;
    let directory = operations.engine.directory();
    let key = directory
        .api_key_by_hash(&carillon_api::api_key::hash(secret.trim()))
        .ok_or_else(|| {
            let why = "no API key like this is in use";
            Refusal(StatusCode::UNAUTHORIZED, "auth.unknown", why.to_owned())
        })?;
    if !key.scopes.contains(&Scope::Admin) || key.app.is_some() {
        let why = "this needs an API key with the scope admin that is not bound to an App";
        return Err(Refusal(StatusCode::FORBIDDEN, "auth.scope", why.to_owned()));
    }
    Ok(Actor {
        api_key: Some(key.no),
        request_id: None,
    })
}

fn refused(error: StoreError) -> Refusal {
    let (status, code) = match error {
        StoreError::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "store.full"),
        StoreError::Busy | StoreError::Overloaded | StoreError::Closed => {
            (StatusCode::SERVICE_UNAVAILABLE, "store.busy")
        }
        StoreError::Failed(_) => (StatusCode::UNPROCESSABLE_ENTITY, "store.refused"),
        StoreError::Corrupt(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server.error"),
    };
    Refusal(status, code, error.to_string())
}
