//! `GET /v1/apps/{app}`

use super::AppView;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP);

/// Read an App, and what keeps its pushes from going out.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}", operation_id = "app_get", tag = "apps",
    params(("app" = String, Path, description = "Id of the App")),
    responses((status = 200, description = "The App.", body = AppView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, Problem> {
    let app = caller.app(&id, &[Scope::Read])?;
    answer::ok(&AppView::new(app, &api.engine.status()))
}
