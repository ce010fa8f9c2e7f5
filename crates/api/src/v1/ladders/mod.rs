//! Ladders: who is paged how and when until somebody answers, by name. The rules are the model's.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod schema;

use crate::instant;
use crate::problem::{FieldProblemSchema, Problem};
use carillon_model::definition::Definition;
use carillon_model::problem::FieldProblem;
use schema::DefinitionSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A ladder.
#[derive(Serialize, ToSchema)]
#[schema(as = Ladder)]
pub(crate) struct LadderView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "night")]
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
    /// Only in the answer to a change: people without a device that a page reaches. It was stored all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<FieldProblemSchema>>)]
    warnings: Option<Vec<FieldProblem>>,
}

impl<'a> LadderView<'a> {
    fn of(stored: &'a Definition) -> Result<Self, Problem> {
        Ok(Self {
            name: &stored.name,
            version: stored.version,
            definition: serde_json::from_str(&stored.body)
                .map_err(|error| Problem::internal(format!("definition {}: {error}", stored.no)))?,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
            warnings: None,
        })
    }
}
