//! `POST /v1/heartbeats/{secret}/fail` and `GET` of the same

use super::{NO_WORDS, Secret, beat, beat_by_get, known, said};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::body::Body;
use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use carillon_model::monitor::Beat;

problems!(WRITES; SERVER_BUSY, HEARTBEAT_UNKNOWN, HEARTBEAT_NOT_HEARD);

/// Say that a job failed.
///
/// The body is a sentence for whoever is paged, as plain text; of a long one the beginning. It is a failed check, and
/// answered with 204 all the same: it was heard. No API key, as for the end.
#[utoipa::path(
    post, path = "/v1/heartbeats/{secret}/fail", operation_id = "heartbeat_fail", tag = "heartbeats",
    security(()),
    params(("secret" = String, Path, description = "As in `heartbeat_url` of the monitor")),
    request_body(content = Option<String>, content_type = "text/plain"),
    responses((status = 204, description = "Heard."), Problems),
)]
pub(crate) async fn fail(
    State(api): State<Api>,
    secret: Secret,
    body: Body,
) -> Result<Response, Problem> {
    // Of whoever has no such address nothing is waited for.
    let secret = known(&api, secret)?;
    let said = said(body, api.limits.body_timeout).await;
    beat(&api, &secret, Beat::Fail(said)).await
}

/// Say that a job failed.
///
/// The same by `GET`. There is no sentence then.
#[utoipa::path(
    get, path = "/v1/heartbeats/{secret}/fail", operation_id = "heartbeat_fail_get", tag = "heartbeats",
    security(()),
    params(("secret" = String, Path, description = "As in `heartbeat_url` of the monitor")),
    responses((status = 204, description = "Heard."), Problems),
)]
pub(crate) async fn fail_get(
    State(api): State<Api>,
    method: Method,
    secret: Secret,
) -> Result<Response, Problem> {
    let failed = Beat::Fail(NO_WORDS.to_owned());
    beat_by_get(&api, &method, secret, failed).await
}
