//! `DELETE /v1/apps/{app}/credentials/{name}`

use super::unknown;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; CREDENTIAL_UNKNOWN);

/// Delete a credential.
///
/// What it was needed for waits until there is another one, or expires. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/credentials/{name}", operation_id = "credential_delete", tag = "credentials",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the credential"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let (no, by, shared, wanted) = (app.no, caller.actor(), Api::clone(&api), name.clone());
    let deleted = answer::change(&api, async move {
        Ok(shared
            .registry()
            .delete_credential(no, wanted, shared.now(), by)
            .await?)
    })
    .await?;
    if deleted {
        Ok(answer::gone())
    } else {
        Err(unknown(&app.id, &name))
    }
}
