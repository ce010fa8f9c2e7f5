//! Webhook endpoints: where an App is told what happened. Their secrets are shown once, when they are
//! made.

pub(crate) mod attempts;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod replay;
pub(crate) mod rotate_secret;
pub(crate) mod switch;
pub(crate) mod test;

use crate::auth::Caller;
use crate::instant;
use crate::problem::{Problem, codes};
use crate::state::Api;
use carillon_model::app::App;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::WebhookNo;
use carillon_model::webhook::{WebhookSecrets, WebhookState};
use carillon_ports::registry::{Scope, Sealed};
use carillon_ports::webhook::{EndpointRow, WebhookDefinition};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A webhook endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    /// Its name, unique in the App.
    #[schema(example = "billing")]
    name: String,
    /// Where events are posted. Shown to API keys with the scope `admin` only: paths can be secret.
    #[schema(example = "https://hooks.example.com/carillon")]
    url: Option<String>,
    /// Scheme, host and port of it.
    #[schema(example = "https://hooks.example.com")]
    origin: String,
    /// Which kinds of events it is told.
    #[schema(example = json!(["delivery.*", "device.retired"]))]
    events: Vec<String>,
    /// A line for people.
    description: String,
    /// After how many days without any success it is disabled.
    disable_after_days: u16,
    /// `enabled` or `disabled`.
    state: &'static str,
    /// Why it is disabled: `gone`, `failing`, `backlog` or `by_hand`.
    disabled_reason: Option<&'static str>,
    /// Since when.
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
    /// Calls that failed since the last one that was taken.
    failures: u32,
    /// Since when nothing was taken.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// The last call that was taken.
    #[schema(format = DateTime)]
    last_success_at: Option<String>,
    /// The last one that was not.
    #[schema(format = DateTime)]
    last_failure_at: Option<String>,
    /// What came of that one, in words.
    last_failure: Option<String>,
    /// Nothing is sent before this: the receiver is overwhelmed.
    #[schema(format = DateTime)]
    quiet_until: Option<String>,
    /// Events that wait.
    queued: u64,
    /// Its secrets, newest first, without the secrets themselves.
    secrets: Vec<SecretView>,
    /// The new secret: shown only here and now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        required = false,
        example = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    )]
    secret: Option<String>,
    /// Rises with every change.
    version: u32,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What is shown of a secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub(crate) struct SecretView {
    /// When it was made.
    #[schema(format = DateTime)]
    made_at: String,
    /// When it stops signing; null for the newest.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
}

/// An endpoint with everything that is shown of it.
pub(crate) fn view(
    caller: &Caller,
    definition: &WebhookDefinition,
    row: &EndpointRow,
    secrets: Option<&WebhookSecrets>,
    now: i64,
) -> WebhookView {
    let settings = &definition.settings;
    let (state, disabled) = match row.state {
        WebhookState::Enabled => ("enabled", None),
        WebhookState::Disabled { reason, since } => ("disabled", Some((reason, since))),
    };
    let health = &row.health;
    let live = secrets.into_iter().flat_map(|secrets| secrets.live(now));
    WebhookView {
        name: definition.name.clone(),
        url: caller
            .may(&[Scope::Admin])
            .is_ok()
            .then(|| settings.url.as_str().to_owned()),
        origin: settings.url.origin().to_owned(),
        events: settings.events.0.clone(),
        description: settings.description.clone(),
        disable_after_days: settings.disable_after_days,
        state,
        disabled_reason: disabled.map(|(reason, _)| reason.as_str()),
        disabled_at: instant::optional(disabled.map(|(_, since)| since)),
        failures: health.failures,
        failing_since: instant::optional(health.failing_since),
        last_success_at: instant::optional(health.last_success_at),
        last_failure_at: instant::optional(health.last_failure_at),
        last_failure: health.last_failure.clone(),
        quiet_until: instant::optional(row.quiet_until.filter(|at| *at > now)),
        queued: row.queued,
        secrets: live
            .map(|secret| SecretView {
                made_at: instant::rfc3339(secret.made_at),
                ends_at: instant::optional(secret.ends_at),
            })
            .collect(),
        secret: None,
        version: definition.version,
        created_at: instant::rfc3339(definition.created_at),
        updated_at: instant::rfc3339(definition.updated_at),
    }
}

/// The same, of an endpoint whose row was not read yet.
pub(crate) async fn shown(
    api: &Api,
    caller: &Caller,
    definition: &WebhookDefinition,
) -> Result<WebhookView, Problem> {
    let row = api.engine.webhooks().endpoint(definition.no).await?;
    let row = row.ok_or_else(|| unknown("", &definition.name))?;
    // What cannot be opened cannot be shown; the calls' failures say why.
    let directory = api.engine.directory();
    let secrets = directory.webhook_secrets(definition.no, &**api.engine.secrets());
    let secrets = secrets.ok();
    Ok(view(caller, definition, &row, secrets.as_ref(), api.now()))
}

/// The endpoint of this name.
pub(crate) fn find(
    caller: &Caller,
    app: &App,
    name: &str,
) -> Result<Arc<WebhookDefinition>, Problem> {
    let (definition, _) = stored(caller, app, name).ok_or_else(|| unknown(&app.id, name))?;
    let webhook = caller.directory.webhook(WebhookNo(definition.no.0));
    webhook.cloned().ok_or_else(|| {
        Problem::internal(format!(
            "the webhook endpoint {name} of App {} cannot be read",
            app.id
        ))
    })
}

/// Its definition and sealed secrets.
pub(crate) fn stored<'c>(
    caller: &'c Caller,
    app: &App,
    name: &str,
) -> Option<(&'c Definition, Option<&'c Sealed>)> {
    let kind = DefinitionKind::Webhook;
    let mut all = caller.directory.definitions(app.no, kind);
    all.find(|(definition, _)| definition.name == name)
}

pub(crate) fn unknown(app: &str, name: &str) -> Problem {
    Problem::new(
        &codes::WEBHOOK_UNKNOWN,
        format!("the App {app:?} has no webhook endpoint {name:?}"),
    )
}

pub(crate) fn disabled(name: &str) -> Problem {
    Problem::new(
        &codes::WEBHOOK_DISABLED,
        format!("the webhook endpoint {name:?} is disabled"),
    )
}
