//! `POST /v1/apps/{app}/live-activity-sources/{name}/run`

use super::list::SourceView;
use super::table;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; LIVE_ACTIVITY_SOURCE_UNKNOWN);

/// Read a table that Live Activities follow now, and do what follows from it.
///
/// What happens anyway with its next reading. `last` is null where nothing was read, because after a restore everything waits for
/// `carillon resume`. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/live-activity-sources/{name}/run", operation_id = "live_activity_source_run", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Its name in the operator's file"),
    ),
    responses((status = 200, description = "What came of it; also that it cannot be read.", body = SourceView), Problems),
)]
pub(crate) async fn run(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let table = table(&api, app, &name)?;
    let report = api.engine.run_table(&table).await?;
    answer::ok(&SourceView {
        name: table.name.clone(),
        every_ms: table.every_ms,
        last: report.map(Into::into),
    })
}
