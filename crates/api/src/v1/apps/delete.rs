//! `DELETE /v1/apps/{app}`

use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES);

/// Delete an App.
///
/// It, its credentials and its API keys are gone at once, and nothing more is sent; its devices and
/// records are deleted in the background. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}", operation_id = "app_delete", tag = "apps",
    params(("app" = String, Path, description = "Id of the App")),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, Problem> {
    let no = caller.app(&id, &[Scope::Admin])?.no;
    let (by, shared) = (caller.actor(), Api::clone(&api));
    let deleted = answer::change(&api, async move {
        Ok(shared.registry().delete_app(no, shared.now(), by).await?)
    })
    .await?;
    if deleted {
        Ok(answer::gone())
    } else {
        Err(Problem::new(
            &codes::APP_UNKNOWN,
            format!("there is no App {id:?}"),
        ))
    }
}
