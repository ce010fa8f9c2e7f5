//! `GET /v1/apps/{app}/devices/{id}`

use super::{DeviceView, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, READS; DEVICE_UNKNOWN);

/// Read a device.
///
/// Needs the scope `devices` or `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/devices/{id}", operation_id = "device_get", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the device"),
    ),
    responses((status = 200, description = "The device.", body = DeviceView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read])?;
    let device = api.registry().device(app.no, id.clone()).await?;
    let device = device.ok_or_else(|| unknown(&app.id, &id))?;
    answer::ok(&DeviceView::new(device, app, api.now()))
}
