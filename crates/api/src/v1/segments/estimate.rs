//! `GET /v1/apps/{app}/segments/{name}/estimate`

use super::read;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{FieldProblemSchema, Problem};
use crate::state::Api;
use crate::v1::definitions::SEGMENTS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::problem::FieldProblem;
use carillon_model::segment::Estimate;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// How sure `low` and `high` are.
const CONFIDENCE: f64 = 0.95;

/// How many devices a segment has, about.
#[derive(Serialize, ToSchema)]
#[schema(as = SegmentEstimate)]
pub(crate) struct EstimateView {
    /// The likeliest number of devices.
    estimate: u64,
    /// At least so many, with the confidence below.
    low: u64,
    /// At most so many, with the same.
    high: u64,
    /// How sure `low` and `high` are: 0.95. Where all devices were asked they are equal, and sure.
    confidence: f64,
    /// How many devices were asked.
    sampled: u64,
    /// How many devices the App has.
    devices: u64,
    /// What may not be meant.
    #[schema(value_type = Vec<FieldProblemSchema>)]
    warnings: Vec<FieldProblem>,
}

impl EstimateView {
    pub(crate) fn of(found: Estimate, warnings: Vec<FieldProblem>) -> Self {
        Self {
            estimate: found.estimate,
            low: found.low,
            high: found.high,
            confidence: CONFIDENCE,
            sampled: found.sampled,
            devices: found.total,
            warnings,
        }
    }
}

problems!(GUARDED, IN_APP, READS; SEGMENT_UNKNOWN);

/// Estimate how many devices a segment has.
///
/// A random sample of the App's devices is asked, with push tokens or without, so it takes well under a
/// second however many there are. Small Apps are counted whole. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/segments/{name}/estimate", operation_id = "segment_estimate", tag = "segments",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the segment"),
    ),
    responses((status = 200, description = "About how many.", body = EstimateView), Problems),
)]
pub(crate) async fn estimate(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let definition = read(SEGMENTS.find(&caller, app, &name)?)?;
    // What is stored was taken with all its attributes: by now they can only be warned of.
    let check = api.engine.segment_check(app.no, &definition).await?;
    let mut warnings = check.warnings;
    let found = api.engine.segment_estimate(app.no, &definition).await?;
    let found = found.map_err(Problem::invalid)?;
    warnings.extend(check.problems);
    answer::ok(&EstimateView::of(found, warnings))
}
