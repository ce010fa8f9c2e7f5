//! `DELETE /v1/apps/{app}/monitors/{name}`

use crate::answer;
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
    let app = caller.app(&app, &[Scope::Admin])?.clone();
    let stored = MONITORS.find(&caller, &app, &name)?.clone();
    let naming = api.engine.who_names(app.no, DefinitionKind::Monitor, &name);
    if !naming.is_empty() {
        let detail = format!("{name:?} is what {} depends on", naming.join(", "));
        return Err(Problem::new(&codes::MONITOR_IN_USE, detail));
    }
    let shared = Api::clone(&api);
    // One after the other whatever the client does: in between it is not watched.
    answer::change(&api, async move {
        let engine = &shared.engine;
        let left = engine.monitor_leaves(&stored).await;
        let deleted = match left {
            Ok(()) => MONITORS.delete(&shared, &caller, &app, name).await,
            Err(error) => Err(error.into()),
        };
        if deleted.is_err()
            && let Err(error) = engine.monitor_changed(&stored).await
        {
            // The leading worker makes up for it.
            let monitor = &stored.name;
            tracing::warn!(app.id = %app.id, monitor, %error, "the monitor {monitor} was not deleted, and rests for now: {error}");
        }
        deleted
    })
    .await
}
