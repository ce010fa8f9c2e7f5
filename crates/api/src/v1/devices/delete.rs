//! `DELETE /v1/apps/{app}/devices/{id}`

use super::{own, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; REQUEST_HEADER, DEVICE_NOT_OWN, DEVICE_UNKNOWN);

/// Delete a device and its push tokens.
///
/// What is on its way to it and not sent yet ends `suppressed`. Needs the scope `devices`; or
/// `register`, a publishable key, and the device's secret.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/devices/{id}", operation_id = "device_delete", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the device"),
        ("Carillon-Device-Secret" = Option<String>, Header, description = "With a publishable key: the device's secret"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Register])?;
    if caller.is_device() {
        own::delete(&api, app, &headers, id, None).await?;
        return Ok(answer::gone());
    }
    if api
        .registry()
        .delete_device(app.no, id.clone(), api.now(), caller.actor())
        .await?
    {
        Ok(answer::gone())
    } else {
        Err(unknown(&app.id, &id))
    }
}
