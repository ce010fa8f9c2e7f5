//! `POST /v1/scheduler/resume`

use crate::answer;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// What was done.
#[derive(Serialize, ToSchema)]
#[schema(as = SchedulerResumed)]
pub(crate) struct Resumed {
    /// Whether it was paused; false: it was running already.
    was_paused: bool,
}

problems!(GUARDED, GLOBAL, WRITES);

/// Let timers fire again after a restore.
///
/// A store that was restored from a backup fires nothing by itself: what was due since the backup may have
/// been sent by the store that it replaces. Look at what is scheduled, cancel what is not to be sent again, then
/// resume. May be repeated. Needs the scope `admin`, and an API key that is not bound to an App.
#[utoipa::path(
    post, path = "/v1/scheduler/resume", operation_id = "scheduler_resume", tag = "server",
    responses((status = 200, description = "Timers fire.", body = Resumed), Problems),
)]
pub(crate) async fn resume(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    let was_paused = api.engine.resume_scheduler().await?;
    if was_paused {
        let (now, by) = (api.now(), caller.actor());
        api.registry()
            .note("scheduler.resume", String::new(), now, by)
            .await?;
    }
    answer::ok(&Resumed { was_paused })
}
