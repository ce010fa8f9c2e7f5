//! Triggers: what is sent when an event is reported, by name. The rules are the model's, and what
//! becomes of events the engine's; here are their definitions, and trials of them.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod schema;
pub(crate) mod test;

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

/// A trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = Trigger)]
pub(crate) struct TriggerView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "comments")]
    name: &'a str,
    /// Rises with every change.
    version: u32,
    /// What was stored, with defaults left out.
    #[schema(value_type = DefinitionSchema)]
    definition: &'a RawValue,
    /// When it was first made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl<'a> TriggerView<'a> {
    fn of(stored: &'a Definition) -> Result<Self, Problem> {
        let unreadable = |error: serde_json::Error| {
            Problem::internal(format!("definition {}: {error}", stored.no))
        };
        Ok(Self {
            name: &stored.name,
            version: stored.version,
            definition: serde_json::from_str(&stored.body).map_err(unreadable)?,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
        })
    }
}

fn answer(status: StatusCode, stored: &Definition) -> Result<Response, Problem> {
    answer::json(status, &TriggerView::of(stored)?)
}
