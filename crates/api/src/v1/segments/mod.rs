//! Segments: conditions over devices, by name. The rules are the model's, who is meant the store's, and
//! what is sent to them the engine's; here are their definitions and their counts.

pub(crate) mod count;
pub(crate) mod delete;
pub(crate) mod estimate;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod schema;
pub(crate) mod try_out;

use crate::answer;
use crate::instant;
use crate::problem::{FieldProblemSchema, Problem};
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::definition::Definition;
use carillon_model::problem::FieldProblem;
use carillon_model::segment::SegmentDefinition;
use schema::DefinitionSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A segment.
#[derive(Serialize, ToSchema)]
#[schema(as = Segment)]
pub(crate) struct SegmentView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "vips-of-late")]
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
    /// Only in the answer to a change: what may not be meant, and was stored all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<FieldProblemSchema>>)]
    warnings: Option<Vec<FieldProblem>>,
}

impl<'a> SegmentView<'a> {
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
            warnings: None,
        })
    }
}

fn answer(status: StatusCode, stored: &Definition) -> Result<Response, Problem> {
    answer::json(status, &SegmentView::of(stored)?)
}

/// What a stored segment says.
fn read(stored: &Definition) -> Result<SegmentDefinition, Problem> {
    carillon_engine::segment::read(stored)
        .ok_or_else(|| Problem::internal(format!("definition {} is no segment", stored.no)))
}
