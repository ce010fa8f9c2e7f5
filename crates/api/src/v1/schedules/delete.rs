//! `DELETE /v1/apps/{app}/schedules/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::SCHEDULES;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; SCHEDULE_UNKNOWN);

/// Delete a schedule.
///
/// It is never due again, and its runs cannot be read any more. What it has sent goes on. To let it rest
/// for a while, pause it. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/schedules/{name}", operation_id = "schedule_delete", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    SCHEDULES.delete(&api, &caller, app, name).await
}
