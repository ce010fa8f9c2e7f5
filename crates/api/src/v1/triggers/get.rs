//! `GET /v1/apps/{app}/triggers/{name}`

use super::TriggerView;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::TRIGGERS;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; TRIGGER_UNKNOWN);

/// Read a trigger.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/triggers/{name}", operation_id = "trigger_get", tag = "triggers",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the trigger"),
    ),
    responses((status = 200, description = "The trigger.", body = TriggerView), Problems),
)]
pub(crate) async fn get(
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    super::answer(StatusCode::OK, TRIGGERS.find(&caller, app, &name)?)
}
