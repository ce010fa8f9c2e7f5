//! `GET /v1/apps/{app}/ladders`

use super::LadderView;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::LADDERS;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, PAGES);

/// List the ladders of an App, by name.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/ladders", operation_id = "ladder_list", tag = "ladders",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of ladders.", body = Page<LadderView>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    LADDERS.list(&caller, app, &params, LadderView::of)
}
