//! `GET /v1/apps/{app}/live-activities/{id}`

use super::{ActivityView, find, view};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, READS; LIVE_ACTIVITY_UNKNOWN);

/// Read a Live Activity.
///
/// With its plan worked out, what it shows, and its phones. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/live-activities/{id}", operation_id = "live_activity_get", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of it"),
    ),
    responses((status = 200, description = "The Live Activity.", body = ActivityView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    answer::ok(&view(&api, &find(&api, app, &id).await?).await?)
}
