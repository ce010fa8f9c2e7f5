//! `DELETE /v1/apps/{app}/triggers/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::TRIGGERS;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; TRIGGER_UNKNOWN);

/// Delete a trigger.
///
/// What it has sent goes on; digests that it has open are dropped, with an entry in the log. To let it
/// rest for a while, store it with `"enabled": false` instead. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/triggers/{name}", operation_id = "trigger_delete", tag = "triggers",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the trigger"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    TRIGGERS.delete(&api, &caller, app, name).await
}
