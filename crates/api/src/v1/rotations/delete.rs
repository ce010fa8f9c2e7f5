//! `DELETE /v1/apps/{app}/rotations/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::ROTATIONS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; ROTATION_UNKNOWN, ROTATION_IN_USE);

/// Delete a rotation.
///
/// Refused while a ladder pages it. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/rotations/{name}", operation_id = "rotation_delete", tag = "rotations",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the rotation"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let naming = api
        .engine
        .who_names(app.no, DefinitionKind::Rotation, &name);
    if !naming.is_empty() {
        let detail = format!("{name:?} is paged by {}", naming.join(", "));
        return Err(Problem::new(&codes::ROTATION_IN_USE, detail));
    }
    ROTATIONS.delete(&api, &caller, app, name).await
}
