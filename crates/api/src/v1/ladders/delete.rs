//! `DELETE /v1/apps/{app}/ladders/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::LADDERS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; LADDER_UNKNOWN, LADDER_IN_USE);

/// Delete a ladder.
///
/// Refused while a monitor has it. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/ladders/{name}", operation_id = "ladder_delete", tag = "ladders",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the ladder"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let naming = api.engine.who_names(app.no, DefinitionKind::Ladder, &name);
    if !naming.is_empty() {
        let detail = format!("{name:?} is the ladder of {}", naming.join(", "));
        return Err(Problem::new(&codes::LADDER_IN_USE, detail));
    }
    LADDERS.delete(&api, &caller, app, name).await
}
