//! Good answers, and changes that are carried out to their end.

use crate::guard::panic_text;
use crate::problem::Problem;
use crate::state::Api;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use std::future::Future;

/// A JSON answer.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// 200 with JSON.
pub(crate) fn ok<T: Serialize>(value: &T) -> Result<Response, Problem> {
    json(StatusCode::OK, value)
}

/// 201 for what is new, 200 for what was changed.
pub(crate) fn stored<T: Serialize>(created: bool, value: &T) -> Result<Response, Problem> {
    json(
        if created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        },
        value,
    )
}

/// 204: it is gone.
pub(crate) fn gone() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Carries out a change of Apps, credentials or API keys and lets the engine see it, also when the
/// client goes away in between: otherwise the engine would not know of what is stored.
pub(crate) async fn change<T: Send + 'static>(
    api: &Api,
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let shared = Api::clone(api);
    let task = tokio::spawn(async move {
        let value = work.await?;
        shared.engine.refresh().await?;
        Ok(value)
    });
    match task.await {
        Ok(result) => result,
        Err(error) => Err(Problem::internal(match error.try_into_panic() {
            Ok(panic) => panic_text(&*panic),
            Err(error) => error.to_string(),
        })),
    }
}
