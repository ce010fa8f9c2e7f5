//! `GET /v1/apps/{app}/ladders/{name}`

use super::LadderView;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::LADDERS;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; LADDER_UNKNOWN);

/// Read a ladder.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/ladders/{name}", operation_id = "ladder_get", tag = "ladders",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the ladder"),
    ),
    responses((status = 200, description = "The ladder.", body = LadderView), Problems),
)]
pub(crate) async fn get(
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    answer::ok(&LadderView::of(LADDERS.find(&caller, app, &name)?)?)
}
