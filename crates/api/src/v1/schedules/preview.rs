//! `POST /v1/apps/{app}/schedules/preview`

use super::schema::DefinitionSchema;
use super::{NextView, SHOWN};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::schedule::ScheduleDefinition;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// When a schedule would be due.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchedulePreview {
    /// The next ten times, as if it were not paused; fewer where it ends before.
    next: Vec<NextView>,
    /// What is allowed and may not be meant.
    warnings: Vec<String>,
}

problems!(GUARDED, IN_APP, BODY);

/// Say when a schedule would be due.
///
/// Takes what `PUT` takes and refuses what it refuses; nothing is stored. Needs the scope `read` or
/// `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/schedules/preview", operation_id = "schedule_preview", tag = "schedules",
    params(("app" = String, Path, description = "Id of the App")),
    request_body = DefinitionSchema,
    responses((status = 200, description = "When it would be due.", body = SchedulePreview), Problems),
)]
pub(crate) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Json(definition): Json<ScheduleDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let plan = api.engine.plan_schedule(app.no, &definition);
    let plan = plan.map_err(Problem::invalid)?;
    answer::ok(&SchedulePreview {
        next: NextView::all(&plan, api.now(), SHOWN),
        warnings: plan.warnings(),
    })
}
