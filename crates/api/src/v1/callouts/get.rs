//! `GET /v1/apps/{app}/callouts/{name}`

use super::{CalloutView, find, view};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; CALLOUT_UNKNOWN);

/// Read a call-out.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/callouts/{name}", operation_id = "callout_get", tag = "callouts",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the call-out"),
    ),
    responses((status = 200, description = "The call-out.", body = CalloutView), Problems),
)]
pub(crate) async fn get(
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let (stored, _) = find(&caller, app, &name)?;
    answer::ok(&view(&caller, stored, None)?)
}
