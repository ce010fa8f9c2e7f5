//! `DELETE /v1/apps/{app}/webhooks/{name}`

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

problems!(GUARDED, IN_APP, WRITES; WEBHOOK_UNKNOWN);

/// Delete a webhook endpoint.
///
/// Nothing more is sent to it, and what waited is dropped. The events stay in the log. Needs the scope
/// `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/webhooks/{name}", operation_id = "webhook_delete", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
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
        let (kind, now) = (DefinitionKind::Webhook, shared.now());
        let registry = shared.registry();
        Ok(registry
            .delete_definition(no, kind, wanted, now, by)
            .await?)
    })
    .await?;
    if deleted {
        Ok(answer::gone())
    } else {
        Err(unknown(&app.id, &name))
    }
}
