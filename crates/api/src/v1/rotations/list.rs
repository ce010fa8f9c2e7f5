//! `GET /v1/apps/{app}/rotations`

use super::RotationView;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::ROTATIONS;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, PAGES);

/// List the rotations of an App, by name.
///
/// Each with who is on call now. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/rotations", operation_id = "rotation_list", tag = "rotations",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of rotations.", body = Page<RotationView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let now = api.now();
    ROTATIONS.list(&caller, app, &params, |stored| {
        RotationView::of(stored, now, None)
    })
}
