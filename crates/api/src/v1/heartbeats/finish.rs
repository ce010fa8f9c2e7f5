//! `POST /v1/heartbeats/{secret}` and `GET` of the same

use super::{Secret, beat, beat_by_get, known};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use carillon_model::monitor::Beat;

problems!(WRITES; SERVER_BUSY, HEARTBEAT_UNKNOWN, HEARTBEAT_NOT_HEARD);

/// Say that a job has run.
///
/// Also of jobs that tell no beginning: the only call that they need, and by `curl` from any crontab. No API key: the secret
/// of the address is the authority for this one monitor. It is answered once it is on disk; with 409 while the monitor is
/// paused.
#[utoipa::path(
    post, path = "/v1/heartbeats/{secret}", operation_id = "heartbeat_finish", tag = "heartbeats",
    security(()),
    params(("secret" = String, Path, description = "As in `heartbeat_url` of the monitor")),
    responses((status = 204, description = "Heard."), Problems),
)]
pub(crate) async fn finish(State(api): State<Api>, secret: Secret) -> Result<Response, Problem> {
    beat(&api, &known(&api, secret)?, Beat::Finish).await
}

/// Say that a job has run.
///
/// The same by `GET`, but not by `HEAD`. Robots that look at links call it: keep the address out of chats.
#[utoipa::path(
    get, path = "/v1/heartbeats/{secret}", operation_id = "heartbeat_finish_get", tag = "heartbeats",
    security(()),
    params(("secret" = String, Path, description = "As in `heartbeat_url` of the monitor")),
    responses((status = 204, description = "Heard."), Problems),
)]
pub(crate) async fn finish_get(
    State(api): State<Api>,
    method: Method,
    secret: Secret,
) -> Result<Response, Problem> {
    beat_by_get(&api, &method, secret, Beat::Finish).await
}
