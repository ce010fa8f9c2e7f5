//! `PUT /v1/apps/{app}/webhooks/{name}`

use super::WebhookView;
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_model::problem::FieldProblem;
use carillon_model::webhook::{EventFilter, WebhookSecrets, WebhookSettings, WebhookUrl};
use carillon_ports::registry::Scope;
use carillon_ports::webhook::WebhookDefinition;
use serde::Deserialize;
use utoipa::ToSchema;

/// Most endpoints of an App.
const MAX_ENDPOINTS: usize = 32;

/// A webhook endpoint to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutWebhook {
    /// Where events are posted: `https`, and a host whose addresses are public.
    #[schema(example = "https://hooks.example.com/carillon")]
    url: String,
    /// Which kinds of events: exact kinds, a noun with `.*`, or `*`. Default: all.
    #[schema(example = json!(["delivery.*", "device.retired"]))]
    events: Option<Vec<String>>,
    /// A line for people: at most 200 characters.
    #[serde(default)]
    description: String,
    /// After how many days without any success it is disabled: 1 to 30, default 5.
    disable_after_days: Option<u16>,
}

problems!(GUARDED, IN_APP, BODY, WRITES; WEBHOOK_LIMIT);

/// Make or change a webhook endpoint.
///
/// A new one is told what happens from now on, and its `secret` is in the answer: only there and then. A
/// change keeps the secret, what waits, and whether it is enabled. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/webhooks/{name}", operation_id = "webhook_put", tag = "webhooks",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the endpoint: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = PutWebhook,
    responses(
        (status = 200, description = "Changed.", body = WebhookView),
        (status = 201, description = "Made, with its secret.", body = WebhookView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<PutWebhook>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let settings = settings(&api, body)?;
    let kind = DefinitionKind::Webhook;
    let former = super::stored(&caller, app, &name);
    let (created, kept) = match former {
        Some((_, sealed)) => (false, sealed.cloned()),
        None if caller.directory.definitions(app.no, kind).count() >= MAX_ENDPOINTS => {
            return Err(Problem::new(
                &codes::WEBHOOK_LIMIT,
                format!("the App has {MAX_ENDPOINTS} webhook endpoints, which is the most"),
            ));
        }
        None => (true, None),
    };
    let text = serde_json::to_string(&settings)
        .map_err(|error| Problem::internal(format!("settings of a webhook: {error}")))?;
    let (no, by, shared) = (app.no, caller.actor(), Api::clone(&api));
    let (definition, secret) = answer::change(&api, async move {
        let registry = shared.registry();
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
        let definition = registry
            .put_definition(number, no, kind, name, text, Some(sealed), now, by)
            .await?;
        Ok((definition, shown))
    })
    .await?;
    let definition = WebhookDefinition::read(&definition).map_err(Problem::internal)?;
    let mut view = super::shown(&api, &caller, &definition).await?;
    view.secret = secret;
    answer::stored(created, &view)
}

/// A secret that nobody can guess.
pub(crate) fn new_secret(api: &Api) -> String {
    let mut random = [0; 32];
    (api.random)(&mut random);
    api.engine.webhook_sender().make_secret(&random)
}

fn settings(api: &Api, body: PutWebhook) -> Result<WebhookSettings, Problem> {
    let settings = WebhookSettings {
        url: WebhookUrl::new(body.url),
        events: body.events.map_or_else(EventFilter::default, EventFilter),
        description: body.description,
        disable_after_days: body.disable_after_days.unwrap_or(5),
    };
    let mut problems = settings.problems(true);
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
