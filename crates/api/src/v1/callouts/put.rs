//! `PUT /v1/apps/{app}/callouts/{name}`

use super::schema::FallbackSchema;
use super::{CalloutView, view};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::webhooks::put::new_secret;
use axum::extract::State;
use axum::response::Response;
use carillon_model::callout::{CalloutSettings, Fallback};
use carillon_model::definition::DefinitionKind;
use carillon_model::duration;
use carillon_model::problem::FieldProblem;
use carillon_model::webhook::{WebhookSecrets, WebhookUrl};
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// A call-out to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutCallout {
    /// Where the App's code is asked: `https`, and a host whose addresses are public.
    #[schema(example = "https://app.example.com/carillon/news")]
    url: String,
    /// Longest time for one attempt: `100ms` to `1m`, default `5s`.
    #[schema(example = "5s")]
    timeout: Option<String>,
    /// Attempts in all: 1 to 5, default 3.
    #[schema(minimum = 1, maximum = 5)]
    attempts: Option<u16>,
    /// What becomes of a notification without a good answer. Default `fail`.
    #[serde(default)]
    #[schema(value_type = Option<FallbackSchema>)]
    fallback: Fallback,
    /// A line for people: at most 200 characters.
    #[serde(default)]
    description: String,
}

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make or change a call-out.
///
/// The `secret` of a new one is in the answer: only there and then. A change keeps it, and holds for the next
/// question. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/callouts/{name}", operation_id = "callout_put", tag = "callouts",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the call-out: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = PutCallout,
    responses(
        (status = 200, description = "Changed.", body = CalloutView),
        (status = 201, description = "Made, with its secret.", body = CalloutView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<PutCallout>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let settings = settings(&api, body)?;
    let text = serde_json::to_string(&settings)
        .map_err(|error| Problem::internal(format!("settings of a call-out: {error}")))?;
    let former = super::find(&caller, app, &name).ok();
    let created = former.is_none();
    let kept = former.and_then(|(_, sealed)| sealed.cloned());
    let (no, by, shared) = (app.no, caller.actor(), Api::clone(&api));
    let (stored, secret) = answer::change(&api, async move {
        let (registry, kind) = (shared.registry(), DefinitionKind::Callout);
        let number = registry.definition_no(no, kind, name.clone()).await?;
        let now = shared.now();
        let (sealed, shown) = match kept {
            Some(sealed) => (sealed, None),
            None => {
                let secret = new_secret(&shared);
                let secrets = WebhookSecrets::new(secret.clone(), now);
                (shared.engine.seal_webhook(number, &secrets), Some(secret))
            }
        };
        let stored = registry
            .put_definition(number, no, kind, name, text, Some(sealed), now, by)
            .await?;
        Ok((stored, shown))
    })
    .await?;
    answer::stored(created, &view(&caller, &stored, secret)?)
}

fn settings(api: &Api, body: PutCallout) -> Result<CalloutSettings, Problem> {
    let timeout = body.timeout.as_deref().unwrap_or("5s");
    let timeout_ms = duration::parse_ms(timeout).map_err(|message| {
        Problem::invalid(vec![FieldProblem::new(
            "/timeout",
            "callout.timeout",
            message,
        )])
    })?;
    let settings = CalloutSettings {
        url: WebhookUrl::new(body.url),
        timeout_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
        attempts: body.attempts.unwrap_or(3),
        fallback: body.fallback,
        description: body.description,
    };
    let mut problems = settings.problems();
    // Of a URL that is none, one problem is enough.
    if !problems.iter().any(|problem| problem.pointer == "/url")
        && let Err(why) = api.engine.webhook_sender().check(settings.url.as_str())
    {
        problems.insert(0, FieldProblem::new("/url", "webhook.url", why));
    }
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Problem::invalid(problems))
    }
}
