//! `GET /v1/apps/{app}/segments`

use super::SegmentView;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::SEGMENTS;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, PAGES);

/// List the segments of an App, by name.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/segments", operation_id = "segment_list", tag = "segments",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of segments.", body = Page<SegmentView>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    SEGMENTS.list(&caller, app, &params, SegmentView::of)
}
