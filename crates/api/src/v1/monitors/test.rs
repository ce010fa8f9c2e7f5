//! `POST /v1/apps/{app}/monitors/test` and `POST /v1/apps/{app}/monitors/{name}/test`

use super::schema::DefinitionSchema;
use super::{CheckResultView, headers};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::monitor::MonitorDefinition;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;

mod of_body {
    use super::problems;
    problems!(GUARDED, IN_APP, BODY; SERVER_LATE);
}
mod of_stored {
    use super::problems;
    problems!(GUARDED, IN_APP; SERVER_LATE, MONITOR_UNKNOWN, MONITOR_NOT_CHECKED);
}

/// Try a monitor that is not stored.
///
/// One attempt, and what came of it; nothing is stored, and nobody is paged. Everything that is wrong with it is said, as
/// when it is stored. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/monitors/test", operation_id = "monitor_test_definition", tag = "monitors",
    params(("app" = String, Path, description = "Id of the App")),
    request_body = DefinitionSchema,
    responses((status = 200, description = "What came of it.", body = CheckResultView), of_body::Problems),
)]
pub(crate) async fn test_definition(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Json(mut definition): Json<MonitorDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    super::put::no_serial(&definition)?;
    headers::fill_in(&mut definition, None)?;
    if definition.check.is_heartbeat() {
        return Err(Problem::invalid(vec![FieldProblem::new(
            "/check/heartbeat",
            "monitor.heartbeat",
            "expected a check that asks something: of a heartbeat nothing is asked, it is heard of",
        )]));
    }
    // No monitor has an empty name, so it is in no circle.
    let plan = api.engine.plan_monitor(app.no, "", &definition);
    let plan = plan.map_err(Problem::invalid)?;
    let result = api.engine.try_monitor(app.no, &plan).await;
    answer::ok(&CheckResultView::of(&result))
}

/// Try a monitor.
///
/// One attempt, and what came of it, also while it rests; nothing is stored, and nobody is paged. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/monitors/{name}/test", operation_id = "monitor_test", tag = "monitors",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the monitor"),
    ),
    responses((status = 200, description = "What came of it.", body = CheckResultView), of_stored::Problems),
)]
pub(crate) async fn test(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let (stored, sealed) = MONITORS.find_sealed(&caller, app, &name)?;
    if super::read(stored)?.check.is_heartbeat() {
        let detail = format!("nothing is asked of {name:?}: it is heard of");
        return Err(Problem::new(&codes::MONITOR_NOT_CHECKED, detail));
    }
    let tried = api.engine.try_stored_monitor(stored, sealed).await;
    let result = tried.map_err(|why| super::unreadable(stored, &why))?;
    answer::ok(&CheckResultView::of(&result))
}
