//! `POST /v1/apps/{app}/schedules/{name}/pause` and `…/resume`

use super::ScheduleView;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{SCHEDULES, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; SCHEDULE_UNKNOWN);

/// Pause a schedule.
///
/// It is not due until it is resumed. What it has sent goes on. One that is paused stays so. Needs the
/// scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/schedules/{name}/pause", operation_id = "schedule_pause", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule"),
    ),
    responses((status = 200, description = "The schedule.", body = ScheduleView), Problems),
)]
pub(crate) async fn pause(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    switch(&api, &caller, &app, name, true).await
}

/// Resume a schedule.
///
/// Times that passed while it was paused are not made up for. One that is not paused stays as it is.
/// Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/schedules/{name}/resume", operation_id = "schedule_resume", tag = "schedules",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the schedule"),
    ),
    responses((status = 200, description = "The schedule.", body = ScheduleView), Problems),
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    switch(&api, &caller, &app, name, false).await
}

async fn switch(
    api: &Api,
    caller: &Caller,
    app: &str,
    name: String,
    paused: bool,
) -> Result<Response, Problem> {
    let app = caller.app(app, &[Scope::Admin])?;
    let stored = SCHEDULES.change(api, caller, app, &name, |stored| {
        let (mut definition, _) = super::read(stored)?;
        if definition.paused == paused {
            return Ok(None);
        }
        definition.paused = paused;
        written(&definition).map(Some)
    });
    super::answer(api, StatusCode::OK, &stored.await?)
}
