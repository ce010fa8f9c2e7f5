//! `GET /v1/apps/{app}/lists/{name}`

use super::ListView;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::v1::definitions::LISTS;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP; LIST_UNKNOWN);

/// Read what is known of a list.
///
/// Needs the scope `devices`, `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/lists/{name}", operation_id = "list_get", tag = "lists",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the list"),
    ),
    responses((status = 200, description = "The list, without its devices.", body = ListView), Problems),
)]
pub(crate) async fn get(
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read, Scope::Send])?;
    answer::ok(&ListView::of(LISTS.find(&caller, app, &name)?)?)
}
