//! Templates: what notifications say, by name, in several languages. What they may say is the
//! model's, and what becomes of it the engine's; here are their definitions, and rehearsals of them.

pub(crate) mod delete;
pub(crate) mod dry_run;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod put;
pub(crate) mod schema;

use crate::answer;
use crate::instant;
use crate::problem::Problem;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::definition::Definition;
use schema::DefinitionSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A template.
#[derive(Serialize, ToSchema)]
#[schema(as = Template)]
pub(crate) struct TemplateView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "comment-created")]
    name: &'a str,
    /// Rises with every change. What was accepted with one version is sent with it.
    version: u32,
    /// What was stored, with defaults left out.
    #[schema(value_type = DefinitionSchema)]
    definition: &'a RawValue,
    /// When it was first made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed, whichever version this is.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Answers with a template; `version` and `body` may be older than the definition's.
fn answer(
    status: StatusCode,
    definition: &Definition,
    version: u32,
    body: &str,
) -> Result<Response, Problem> {
    let unreadable = |error: serde_json::Error| {
        Problem::internal(format!("definition {}: {error}", definition.no))
    };
    let view = TemplateView {
        name: &definition.name,
        version,
        definition: serde_json::from_str(body).map_err(unreadable)?,
        created_at: instant::rfc3339(definition.created_at),
        updated_at: instant::rfc3339(definition.updated_at),
    };
    answer::json(status, &view)
}
