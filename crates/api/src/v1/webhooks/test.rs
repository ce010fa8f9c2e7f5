//! `POST /v1/apps/{app}/webhooks/{name}/test`

use super::find;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::webhook::WebhookResult;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// What a receiver answered to a test.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(crate) struct Tested {
    /// Whether it was taken: 2xx.
    ok: bool,
    /// The `webhook-id` that it was sent with.
    id: String,
    /// HTTP status; null: there was no answer.
    status: Option<u16>,
    /// What came of it, in words.
    said: String,
    /// The beginning of what it answered.
    body: String,
    /// How long it took.
    elapsed_ms: u64,
}

problems!(GUARDED, IN_APP, WRITES; WEBHOOK_UNKNOWN);

/// Send a webhook endpoint a test, now.
///
/// It gets a signed event of the kind `webhook.test`, also while it is disabled, and its answer is yours.
/// A failure says nothing about its health, and is not tried again. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/webhooks/{name}/test", operation_id = "webhook_test", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
    ),
    responses((status = 200, description = "What came of it.", body = Tested), Problems),
)]
pub(crate) async fn test(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let webhook = find(&caller, app, &name)?;
    let (id, answer) = api.engine.test_webhook(&webhook).await?;
    let (ok, status, said) = (answer.is_success(), answer.status(), answer.sentence());
    let body = match answer.result {
        WebhookResult::Answered { body, .. } => body,
        WebhookResult::Failed { .. } => String::new(),
    };
    answer::ok(&Tested {
        ok,
        id,
        status,
        said,
        body,
        elapsed_ms: answer.elapsed_ms,
    })
}
