//! `GET /v1/apps/{app}/webhooks/{name}/attempts`

use super::find;
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use carillon_ports::webhook::{KEPT_ATTEMPTS, WebhookAttempt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The last calls to an endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempts)]
pub(crate) struct Attempts {
    /// Newest first.
    data: Vec<AttemptView>,
}

/// One call.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct AttemptView {
    /// The event's `no`; null: a test.
    event: Option<i64>,
    /// What happened.
    #[schema(example = "delivery.failed")]
    kind: String,
    /// Which attempt it was, from 1.
    attempt: u16,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// `success`, the class of another status (`4xx`), or how far it got (`connect`, `tls`, `timeout`).
    result: String,
    /// HTTP status; null: there was no answer.
    status: Option<u16>,
    /// What came of it, in words.
    said: String,
    /// The beginning of what was answered.
    body: String,
    /// How long it took.
    elapsed_ms: u64,
    /// When it is tried again; null: it is not.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
}

impl From<WebhookAttempt> for AttemptView {
    fn from(attempt: WebhookAttempt) -> Self {
        Self {
            event: attempt.event,
            kind: attempt.kind,
            attempt: attempt.attempt,
            at: instant::rfc3339(attempt.at),
            result: attempt.result,
            status: attempt.status,
            said: attempt.sentence,
            body: attempt.body,
            elapsed_ms: attempt.elapsed_ms,
            next_attempt_at: instant::optional(attempt.next_attempt_at),
        }
    }
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptParams {
    /// Most entries: 1 to 200, default 100. No more are kept.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, READS; WEBHOOK_UNKNOWN);

/// List the last calls to a webhook endpoint, newest first.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/webhooks/{name}/attempts", operation_id = "webhook_attempts", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint"),
        AttemptParams
    ),
    responses((status = 200, description = "The last calls.", body = Attempts), Problems),
)]
pub(crate) async fn attempts(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Params(params): Params<AttemptParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let webhook = find(&caller, app, &name)?;
    let limit = limit(params.limit, KEPT_ATTEMPTS)?;
    let all = api.engine.webhooks().webhook_attempts(webhook.no, limit);
    let data = all.await?.into_iter().map(AttemptView::from).collect();
    answer::ok(&Attempts { data })
}
