//! Call-outs: where an App's own code is asked what a notification says. Their secrets are shown once,
//! when they are made.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod rotate_secret;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod test;

use crate::auth::Caller;
use crate::instant;
use crate::problem::{Problem, codes};
use carillon_model::app::App;
use carillon_model::callout::{CalloutSettings, Fallback};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::nearest::did_you_mean;
use carillon_ports::registry::{Scope, Sealed};
use schema::FallbackSchema;
use serde::Serialize;
use utoipa::ToSchema;

/// A call-out.
#[derive(Serialize, ToSchema)]
#[schema(as = Callout)]
pub(crate) struct CalloutView {
    /// Its name, unique in the App.
    #[schema(example = "daily-news")]
    name: String,
    /// Where the App's code is. Shown to API keys with the scope `admin` only: paths can be secret.
    #[schema(example = "https://app.example.com/carillon/news")]
    url: Option<String>,
    /// Scheme, host and port of it.
    #[schema(example = "https://app.example.com")]
    origin: String,
    /// Longest time for one attempt.
    #[schema(example = "5s")]
    timeout: String,
    /// Attempts in all.
    attempts: u16,
    /// What becomes of a notification without a good answer.
    #[schema(value_type = FallbackSchema)]
    fallback: Fallback,
    /// A line for people.
    description: String,
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

/// A call-out with everything that is shown of it.
fn view(
    caller: &Caller,
    stored: &Definition,
    secret: Option<String>,
) -> Result<CalloutView, Problem> {
    let settings = read(stored)?;
    let is_admin = caller.may(&[Scope::Admin]).is_ok();
    Ok(CalloutView {
        name: stored.name.clone(),
        url: is_admin.then(|| settings.url.as_str().to_owned()),
        origin: settings.url.origin().to_owned(),
        timeout: carillon_model::duration::format_ms(settings.timeout_ms.into()),
        attempts: settings.attempts,
        fallback: settings.fallback,
        description: settings.description,
        secret,
        version: stored.version,
        created_at: instant::rfc3339(stored.created_at),
        updated_at: instant::rfc3339(stored.updated_at),
    })
}

/// What is stored of one: it was checked when it was stored.
fn read(stored: &Definition) -> Result<CalloutSettings, Problem> {
    serde_json::from_str(&stored.body)
        .map_err(|error| Problem::internal(format!("definition {}: {error}", stored.no)))
}

/// A call-out by its name, and its sealed secrets.
fn find<'c>(
    caller: &'c Caller,
    app: &App,
    name: &str,
) -> Result<(&'c Definition, Option<&'c Sealed>), Problem> {
    let directory = &caller.directory;
    let mut all = directory.definitions(app.no, DefinitionKind::Callout);
    let found = all.find(|(definition, _)| definition.name == name);
    found.ok_or_else(|| unknown(caller, app, name))
}

/// There is no call-out of this name.
fn unknown(caller: &Caller, app: &App, name: &str) -> Problem {
    let all = caller
        .directory
        .definitions(app.no, DefinitionKind::Callout);
    let hint = did_you_mean(name, all.map(|(known, _)| &*known.name));
    Problem::new(
        &codes::CALLOUT_UNKNOWN,
        format!("{} has no call-out {name:?}{hint}", app.id),
    )
}
