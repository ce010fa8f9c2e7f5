//! `PUT /v1/apps/{app}/schedules/{name}`

use super::ScheduleView;
use super::schema::DefinitionSchema;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{SCHEDULES, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::schedule::ScheduleDefinition;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a schedule, or change it.
///
/// From then on it is due by the new definition alone; times that passed before are not made up for. The
/// answer has the next ten. Everything that is wrong with it is said at once: the field of the pattern,
/// a pattern that never comes, and what is wrong with the notification, as if it were sent now. A body
/// that says the same changes nothing; one that leaves out `paused` lets it go on. Needs the scope
/// `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/schedules/{name}", operation_id = "schedule_put", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, but not `preview`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = ScheduleView),
        (status = 201, description = "Made.", body = ScheduleView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<ScheduleDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let former = SCHEDULES.find(&caller, app, &name).ok();
    let body = written(&definition)?;
    // Also of one that has ended since, which could not be made any more.
    if let Some(same) = former.filter(|former| former.body == body) {
        return super::answer(&api, StatusCode::OK, same);
    }
    let plan = api.engine.plan_schedule(app.no, &definition);
    plan.map_err(Problem::invalid)?;
    let stored = SCHEDULES.put(&api, &caller, app, name, body).await?;
    let status = match former {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    super::answer(&api, status, &stored)
}
