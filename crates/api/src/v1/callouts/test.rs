//! `POST /v1/apps/{app}/callouts/{name}/test`

use super::{find, read};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::callout::ContentFrom;
use carillon_model::webhook::WebhookResult;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What a call-out is asked for a test.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestCallout {
    /// What it is told besides, as in `content_from`.
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    data: Option<Box<RawValue>>,
}

/// What a call-out answered to a test.
#[derive(Serialize, ToSchema)]
#[schema(as = CalloutTest)]
pub(crate) struct Tested {
    /// Whether it could be sent, or said that nothing is to be sent.
    ok: bool,
    /// Whether it said that nothing is to be sent (204).
    nothing: bool,
    /// The `webhook-id` that it was asked with.
    id: String,
    /// HTTP status; null: there was no answer.
    status: Option<u16>,
    /// What came of it, in words.
    said: String,
    /// What is wrong with it; null: nothing. A pointer is into the answer.
    problem: Option<String>,
    /// The beginning of what it answered.
    body: String,
    /// How long it took.
    elapsed_ms: u64,
}

problems!(GUARDED, IN_APP, BODY; CALLOUT_UNKNOWN);

/// Ask a call-out, now and once.
///
/// Nothing is sent, and no run is written down. It has its own time, and at most half of `api.deadline`. Whether the answer fits a notification's template, or a gateway's
/// rules, is seen when a schedule asks. Needs the scope `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/callouts/{name}/test", operation_id = "callout_test", tag = "callouts",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the call-out"),
    ),
    request_body = TestCallout,
    responses((status = 200, description = "What came of it.", body = Tested), Problems),
)]
pub(crate) async fn test(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<TestCallout>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let (stored, _) = find(&caller, app, &name)?;
    let mut settings = read(stored)?;
    // The caller is answered in time, whatever the call-out does.
    let half = api.limits.deadline.as_millis() / 2;
    settings.timeout_ms = settings
        .timeout_ms
        .min(u32::try_from(half).unwrap_or(u32::MAX));
    let from = ContentFrom {
        callout: name,
        data: body.data,
    };
    if let Some(mut problem) = from.problem() {
        problem.pointer = "/data".to_owned();
        return Err(Problem::invalid(vec![problem]));
    }
    let trial = api.engine.test_callout(stored, &settings, from.data).await;
    let (status, said) = (trial.answer.status(), trial.answer.sentence());
    let elapsed_ms = trial.answer.elapsed_ms;
    let body = match trial.answer.result {
        WebhookResult::Answered { body, .. } => body,
        WebhookResult::Failed { .. } => String::new(),
    };
    answer::ok(&Tested {
        ok: trial.problem.is_none(),
        nothing: trial.says_nothing,
        id: trial.id,
        status,
        said,
        problem: trial.problem.map(|problem| problem.to_string()),
        body,
        elapsed_ms,
    })
}
