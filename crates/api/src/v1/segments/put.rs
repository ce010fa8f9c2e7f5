//! `PUT /v1/apps/{app}/segments/{name}`

use super::SegmentView;
use super::schema::DefinitionSchema;
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{SEGMENTS, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::segment::SegmentDefinition;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a segment, or change it.
///
/// From then on notifications and triggers may name it as their target. A mistake in the filter is
/// refused with its line and column: a name that is none, a comparison that can hold for nothing, an
/// attribute that looks like a mistyped one of your devices (unless `new_attributes` has it). An
/// attribute that merely no device of a sample has is a warning in the answer. Notifications go by
/// the version of when their sending began. A body that says the same changes nothing. Needs the
/// scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/segments/{name}", operation_id = "segment_put", tag = "segments",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the segment: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = SegmentView),
        (status = 201, description = "Made.", body = SegmentView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<SegmentDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let check = api.engine.segment_check(app.no, &definition).await?;
    if !check.problems.is_empty() {
        return Err(Problem::invalid(check.problems));
    }
    let body = written(&definition)?;
    let former = SEGMENTS.find(&caller, app, &name).ok();
    if let Some(same) = former.filter(|former| former.body == body) {
        return answer::json(
            StatusCode::OK,
            &SegmentView {
                warnings: Some(check.warnings),
                ..SegmentView::of(same)?
            },
        );
    }
    let stored = SEGMENTS.put(&api, &caller, app, name, body).await?;
    let status = match former {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    let view = SegmentView {
        warnings: Some(check.warnings),
        ..SegmentView::of(&stored)?
    };
    answer::json(status, &view)
}
