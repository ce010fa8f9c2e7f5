//! `DELETE /v1/api-keys/{id}`

use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, GLOBAL, WRITES; REQUEST_PARAMETER, API_KEY_UNKNOWN);

/// Revoke an API key, at once.
///
/// Needs the scope `admin`, and an API key that is not bound to an App.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", operation_id = "api_key_delete", tag = "api-keys",
    params(("id" = String, Path, description = "Id of the API key: `key_…`")),
    responses((status = 204, description = "Revoked."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    let (by, shared, wanted) = (caller.actor(), Api::clone(&api), id.clone());
    let revoked = answer::change(&api, async move {
        Ok(shared
            .registry()
            .revoke_api_key(wanted, shared.now(), by)
            .await?)
    })
    .await?;
    if revoked {
        Ok(answer::gone())
    } else {
        Err(Problem::new(
            &codes::API_KEY_UNKNOWN,
            format!("there is no API key {id:?} in use"),
        ))
    }
}
