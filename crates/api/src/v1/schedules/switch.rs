//! `POST /v1/apps/{app}/schedules/{name}/pause` and `…/resume`

use super::{ScheduleView, find, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

/// One that others keep changing is tried so often.
const TRIES: u32 = 5;

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
    let mut stored = find(caller, app, &name)?.clone();
    for _ in 0..TRIES {
        let (mut definition, _) = super::read(&stored)?;
        if definition.paused == paused {
            return super::answer(api, StatusCode::OK, &stored);
        }
        definition.paused = paused;
        let body = super::put::written(&definition)?;
        let (shared, by) = (Api::clone(api), caller.actor());
        let changed = answer::change(api, async move {
            let now = shared.now();
            let changed = shared.registry().change_definition(stored, body, now, by);
            Ok(changed.await?)
        });
        if let Some(changed) = changed.await? {
            return super::answer(api, StatusCode::OK, &changed);
        }
        // Somebody else changed it since it was read: what he said stays, and is switched.
        let directory = api.engine.directory();
        let found = directory.definition(app.no, DefinitionKind::Schedule, &name);
        stored = found.ok_or_else(|| unknown(caller, app, &name))?.clone();
    }
    Err(Problem::new(
        &codes::SERVER_BUSY,
        format!("others keep changing the schedule {name:?} at the same time"),
    )
    .retry_after(1))
}
