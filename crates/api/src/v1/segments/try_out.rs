//! `POST /v1/apps/{app}/segments/estimate`

use super::estimate::EstimateView;
use super::schema::DefinitionSchema;
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::segment::SegmentDefinition;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, READS);

/// Estimate how many devices a segment would have.
///
/// The definition is checked as if it were to be stored, and is not stored. Needs the scope `read` or
/// `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/segments/estimate", operation_id = "segment_try", tag = "segments",
    params(("app" = String, Path, description = "Id of the App")),
    request_body = DefinitionSchema,
    responses((status = 200, description = "About how many.", body = EstimateView), Problems),
)]
pub(crate) async fn try_out(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Json(definition): Json<SegmentDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let check = api.engine.segment_check(app.no, &definition).await?;
    if !check.problems.is_empty() {
        return Err(Problem::invalid(check.problems));
    }
    let found = api.engine.segment_estimate(app.no, &definition).await?;
    let found = found.map_err(Problem::invalid)?;
    answer::ok(&EstimateView::of(found, check.warnings))
}
