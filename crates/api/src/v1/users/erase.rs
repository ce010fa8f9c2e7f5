//! `DELETE /v1/apps/{app}/users/{user_id}`

use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// What was erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct Erased {
    /// Devices that were deleted, with their push tokens.
    devices: u64,
    /// Notifications that went to nobody else, whose content was deleted.
    notifications: u64,
}

problems!(GUARDED, IN_APP, WRITES);

/// Erase a user.
///
/// Deletes his devices, their push tokens, and the content of notifications that went to nobody
/// else. A user who is not known is erased already. Needs the scope `devices`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/users/{user_id}", operation_id = "user_erase", tag = "users",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("user_id" = String, Path, description = "The user, as devices name him"),
    ),
    responses((status = 200, description = "Erased.", body = Erased), Problems),
)]
pub(crate) async fn erase(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, user_id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices])?;
    let (devices, notifications) = api
        .registry()
        .erase_user(app.no, user_id, api.now(), caller.actor())
        .await?;
    answer::ok(&Erased {
        devices,
        notifications,
    })
}
