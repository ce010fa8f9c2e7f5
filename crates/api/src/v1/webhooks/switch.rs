//! `POST /v1/apps/{app}/webhooks/{name}/enable` and `…/disable`

use super::{WebhookView, find, shown, unknown};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; WEBHOOK_UNKNOWN);

/// Enable a webhook endpoint that was disabled.
///
/// It is told what happens from now on; its failures are forgotten. What happened meanwhile is in the
/// event log and can be replayed. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/webhooks/{name}/enable", operation_id = "webhook_enable", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
    ),
    responses((status = 200, description = "The endpoint.", body = WebhookView), Problems),
)]
pub(crate) async fn enable(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let webhook = find(&caller, app, &name)?;
    let row = api.engine.enable_webhook(webhook.no).await?;
    row.ok_or_else(|| unknown(&app.id, &name))?;
    note(&api, &caller, "webhook.enable", &app.id, &name).await?;
    answer::ok(&shown(&api, &caller, &webhook).await?)
}

/// Disable a webhook endpoint.
///
/// Nothing is sent to it until it is enabled again, and what waits is dropped. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/webhooks/{name}/disable", operation_id = "webhook_disable", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
    ),
    responses((status = 200, description = "The endpoint.", body = WebhookView), Problems),
)]
pub(crate) async fn disable(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let webhook = find(&caller, app, &name)?;
    let row = api.engine.disable_webhook(&webhook).await?;
    row.ok_or_else(|| unknown(&app.id, &name))?;
    note(&api, &caller, "webhook.disable", &app.id, &name).await?;
    answer::ok(&shown(&api, &caller, &webhook).await?)
}

async fn note(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    app: &str,
    name: &str,
) -> Result<(), Problem> {
    let subject = format!("{app}/{name}");
    let by = caller.actor();
    Ok(api.registry().note(action, subject, api.now(), by).await?)
}
