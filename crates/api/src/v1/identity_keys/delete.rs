//! `DELETE /v1/apps/{app}/identity-keys/{name}`

use super::unknown;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; IDENTITY_KEY_UNKNOWN);

/// Delete an identity key.
///
/// What it signed is not taken from now on; devices that were registered with it stay. Needs the scope
/// `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/identity-keys/{name}", operation_id = "identity_key_delete", tag = "identity-keys",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Its name"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let (no, by, shared) = (app.no, caller.actor(), Api::clone(&api));
    let wanted = name.clone();
    let deleted = answer::change(&api, async move {
        let kind = DefinitionKind::IdentityKey;
        let deleted = shared
            .registry()
            .delete_definition(no, kind, wanted, shared.now(), by);
        Ok(deleted.await?)
    })
    .await?;
    if deleted {
        Ok(answer::gone())
    } else {
        Err(unknown(&app.id, &name))
    }
}
