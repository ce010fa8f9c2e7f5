//! `DELETE /v1/apps/{app}/lists/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::{LISTS, users};
use axum::extract::State;
use axum::response::Response;
use carillon_model::target::Target;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; LIST_UNKNOWN, LIST_IN_USE);

/// Delete a list.
///
/// Refused while a schedule sends to it. Notifications whose sending began go on: they go by what the
/// list was then. One that still waits for its time cannot be sent without it. Its devices stay registered.
/// Needs the scope `devices`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/lists/{name}", operation_id = "list_delete", tag = "lists",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the list"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices])?;
    let users = users(
        &caller,
        app,
        |_| false,
        |schedule| matches!(schedule.target(), Some(Target::List(its)) if *its == name),
    );
    if !users.is_empty() {
        return Err(Problem::new(
            &codes::LIST_IN_USE,
            format!("{name:?} is the target of {}", users.join(", ")),
        ));
    }
    LISTS.delete(&api, &caller, app, name).await
}
