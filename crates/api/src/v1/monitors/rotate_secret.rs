//! `POST /v1/apps/{app}/monitors/{name}/rotate-secret`

use super::MonitorView;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::{MONITORS, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; MONITOR_UNKNOWN, MONITOR_NO_HEARTBEAT);

/// Make another address for a heartbeat.
///
/// The answer has it as `heartbeat_url`. This process listens at the former one no more; others that share the store do until
/// they have read the change, within a second or so. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/monitors/{name}/rotate-secret", operation_id = "monitor_rotate_secret", tag = "monitors",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the monitor"),
    ),
    responses((status = 200, description = "The monitor, with its new address.", body = MonitorView), Problems),
)]
pub(crate) async fn rotate_secret(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let stored = MONITORS.change(&api, &caller, app, &name, |stored| {
        let mut definition = super::read(stored)?;
        if !definition.check.is_heartbeat() {
            let kind = definition.check.kind();
            let detail = format!("{:?} is checked by {kind}, and has no address", stored.name);
            return Err(Problem::new(&codes::MONITOR_NO_HEARTBEAT, detail));
        }
        definition.heartbeat_serial = definition.heartbeat_serial.wrapping_add(1);
        written(&definition).map(Some)
    });
    let stored = stored.await?;
    api.engine.monitor_changed(&stored).await?;
    super::answer(&api, &caller, StatusCode::OK, &stored).await
}
