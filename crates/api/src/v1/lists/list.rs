//! `GET /v1/apps/{app}/lists`

use super::ListView;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::LISTS;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, PAGES);

/// List the lists of an App, by name.
///
/// Needs the scope `devices`, `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/lists", operation_id = "list_list", tag = "lists",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of lists.", body = Page<ListView>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read, Scope::Send])?;
    LISTS.list(&caller, app, &params, ListView::of)
}
