//! `GET /v1/apps/{app}/monitors/{name}`

use super::MonitorView;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, READS; MONITOR_UNKNOWN);

/// Read a monitor.
///
/// What was stored, how it is, and its incident while one is open. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/monitors/{name}", operation_id = "monitor_get", tag = "monitors",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the monitor"),
    ),
    responses((status = 200, description = "The monitor.", body = MonitorView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let stored = MONITORS.find(&caller, app, &name)?;
    super::answer(&api, &caller, StatusCode::OK, stored).await
}
