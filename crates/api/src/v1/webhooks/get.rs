//! `GET /v1/apps/{app}/webhooks/{name}`

use super::{WebhookView, find, shown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, READS; WEBHOOK_UNKNOWN);

/// Read a webhook endpoint: its settings, and how it has answered.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/webhooks/{name}", operation_id = "webhook_get", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
    ),
    responses((status = 200, description = "The endpoint.", body = WebhookView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let definition = find(&caller, app, &name)?;
    answer::ok(&shown(&api, &caller, &definition).await?)
}
