//! `GET /v1/apps/{app}/segments/{name}`

use super::SegmentView;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::SEGMENTS;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; SEGMENT_UNKNOWN);

/// Read a segment.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/segments/{name}", operation_id = "segment_get", tag = "segments",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the segment"),
    ),
    responses((status = 200, description = "The segment.", body = SegmentView), Problems),
)]
pub(crate) async fn get(
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    super::answer(StatusCode::OK, SEGMENTS.find(&caller, app, &name)?)
}
