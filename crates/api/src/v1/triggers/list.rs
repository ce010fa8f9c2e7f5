//! `GET /v1/apps/{app}/triggers`

use super::TriggerView;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::TRIGGERS;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, PAGES);

/// List the triggers of an App, by name.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/triggers", operation_id = "trigger_list", tag = "triggers",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of triggers.", body = Page<TriggerView>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    TRIGGERS.list(&caller, app, &params, TriggerView::of)
}
