//! Rotations: who is on call when, by name. The rules are the model's.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod schema;

use crate::instant;
use crate::problem::{FieldProblemSchema, Problem};
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::monitor::{RotationDefinition, RotationPlan, Shift};
use carillon_model::problem::{FieldProblem, first_sentence};
use schema::DefinitionSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// How far shifts are shown where nothing else is asked for: two weeks.
const SHOWN_MS: i64 = 14 * 86_400_000;
/// Most shifts that are shown.
const MOST: usize = 400;

/// A rotation.
#[derive(Serialize, ToSchema)]
#[schema(as = Rotation)]
pub(crate) struct RotationView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "web")]
    name: &'a str,
    /// Rises with every change.
    version: u32,
    /// Who is on call now; null: nobody.
    #[schema(example = "ann")]
    on_call: Option<String>,
    /// Who is on call when: two weeks from now on, or as asked; in a list none. At most 400.
    shifts: Vec<ShiftView>,
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

/// A time in which the same person is on call.
#[derive(Serialize, ToSchema)]
#[schema(as = Shift)]
pub(crate) struct ShiftView {
    /// Who; null: nobody.
    #[schema(example = "ann")]
    user: Option<String>,
    /// When it begins, as far as was asked.
    #[schema(format = DateTime)]
    from: String,
    /// When it ends, as far as was asked.
    #[schema(format = DateTime)]
    until: String,
}

impl ShiftView {
    fn of(shift: Shift) -> Self {
        Self {
            user: shift.user,
            from: instant::rfc3339(shift.from),
            until: instant::rfc3339(shift.until),
        }
    }
}

impl<'a> RotationView<'a> {
    /// `shown`: from when until when shifts are shown.
    fn of(
        stored: &'a Definition,
        now: UnixMs,
        shown: Option<(UnixMs, UnixMs)>,
    ) -> Result<Self, Problem> {
        let plan = read(stored, now)?;
        let shifts = shown.map(|(from, until)| plan.shifts(from, until, MOST));
        Ok(Self {
            name: &stored.name,
            version: stored.version,
            on_call: plan.people(now).first().map(|user| (*user).to_owned()),
            shifts: shifts.into_iter().flatten().map(ShiftView::of).collect(),
            definition: serde_json::from_str(&stored.body)
                .map_err(|error| unreadable(stored, &error.to_string()))?,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
            warnings: None,
        })
    }
}

/// A stored rotation: it was checked when it was stored. There may be gaps in it since: what stood in then is over.
fn read(stored: &Definition, now: UnixMs) -> Result<RotationPlan, Problem> {
    let definition: RotationDefinition = serde_json::from_str(&stored.body)
        .map_err(|error| unreadable(stored, &error.to_string()))?;
    let lenient = RotationDefinition {
        allow_gaps: true,
        ..definition
    };
    lenient
        .plan(now)
        .map_err(|problems| unreadable(stored, &first_sentence(&problems)))
}

fn unreadable(stored: &Definition, why: &str) -> Problem {
    Problem::internal(format!("definition {}: {why}", stored.no))
}
