//! `POST /v1/heartbeats/{secret}/start` and `GET` of the same

use super::{Secret, beat, beat_by_get, known};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use carillon_model::monitor::Beat;

problems!(WRITES; SERVER_BUSY, HEARTBEAT_UNKNOWN, HEARTBEAT_NOT_HEARD);

/// Say that a job begins.
///
/// If it says nothing more within `run_limit`, that is a fault of its own. No API key, as for the end.
#[utoipa::path(
    post, path = "/v1/heartbeats/{secret}/start", operation_id = "heartbeat_start", tag = "heartbeats",
    security(()),
    params(("secret" = String, Path, description = "As in `heartbeat_url` of the monitor")),
    responses((status = 204, description = "Heard."), Problems),
)]
pub(crate) async fn start(State(api): State<Api>, secret: Secret) -> Result<Response, Problem> {
    beat(&api, &known(&api, secret)?, Beat::Start).await
}

/// Say that a job begins.
///
/// The same by `GET`.
#[utoipa::path(
    get, path = "/v1/heartbeats/{secret}/start", operation_id = "heartbeat_start_get", tag = "heartbeats",
    security(()),
    params(("secret" = String, Path, description = "As in `heartbeat_url` of the monitor")),
    responses((status = 204, description = "Heard."), Problems),
)]
pub(crate) async fn start_get(
    State(api): State<Api>,
    method: Method,
    secret: Secret,
) -> Result<Response, Problem> {
    beat_by_get(&api, &method, secret, Beat::Start).await
}
