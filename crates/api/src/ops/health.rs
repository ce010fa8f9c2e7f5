//! `GET /healthz` and `GET /readyz`

use crate::answer;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

/// It is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Does the process live?
///
/// Restart it when this does not answer. Open to everybody.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "server", security(()),
    responses((status = 200, description = "It lives.", body = Health)),
)]
pub(crate) async fn healthz() -> Result<Response, Problem> {
    answer::ok(&Health { status: "ok" })
}

problems!(; SERVER_UNREADY, STORE_FULL);

/// May traffic come?
///
/// Asks the store whether it can write. Open to everybody.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "server", security(()),
    responses((status = 200, description = "Traffic may come.", body = Health), Problems),
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Response, Problem> {
    let unready = |detail: String| Problem::new(&codes::SERVER_UNREADY, detail).retry_after(1);
    (api.readiness)().map_err(unready)?;
    if api.engine.status().stopping {
        return Err(unready("it is stopping".into()));
    }
    match api.store().ping().await {
        Ok(()) => answer::ok(&Health { status: "ok" }),
        Err(error @ carillon_ports::store::StoreError::DiskFull) => Err(error.into()),
        Err(error) => Err(unready(error.to_string())),
    }
}
