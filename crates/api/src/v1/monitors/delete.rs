//! `DELETE /v1/apps/{app}/monitors/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; MONITOR_UNKNOWN, MONITOR_IN_USE);

/// Delete a monitor.
///
/// Refused while others depend on it. An incident that is open is closed, and told; then all incidents of it are gone with
/// what was counted. To stop it for a while, store it with `"paused": true`. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/monitors/{name}", operation_id = "monitor_delete", tag = "monitors",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the monitor"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let stored = MONITORS.find(&caller, app, &name)?;
    let engine = &api.engine;
    let naming = engine.monitors_that_name(app.no, DefinitionKind::Monitor, &name);
    if !naming.is_empty() {
        let detail = format!("{name:?} is what {} depends on", naming.join(", "));
        return Err(Problem::new(&codes::MONITOR_IN_USE, detail));
    }
    engine.monitor_leaves(stored).await?;
    MONITORS.delete(&api, &caller, app, name).await
}
