//! `GET /v1/apps/{app}/schedules/{name}`

use super::ScheduleView;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::SCHEDULES;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; SCHEDULE_UNKNOWN);

/// Read a schedule.
///
/// With the next ten times at which it is due. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/schedules/{name}", operation_id = "schedule_get", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule"),
    ),
    responses((status = 200, description = "The schedule.", body = ScheduleView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    super::answer(&api, StatusCode::OK, SCHEDULES.find(&caller, app, &name)?)
}
