//! Schedules: what is sent again and again, by name. The rules are the model's, and the engine carries
//! them out; here are their definitions, what comes of them, and what came.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod put;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod switch;

use crate::answer;
use crate::instant;
use crate::problem::Problem;
use crate::state::Api;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::problem::first_sentence;
use carillon_model::schedule::{Occurrence, ScheduleDefinition, SchedulePlan};
use jiff::tz::TimeZone;
use schema::DefinitionSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Times that are shown of a schedule.
const SHOWN: usize = 10;

/// A schedule.
#[derive(Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(crate) struct ScheduleView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "monday-news")]
    name: &'a str,
    /// Rises with every change.
    version: u32,
    /// `active`; `paused`; `ended`: it is never due again.
    #[schema(example = "active")]
    state: &'static str,
    /// When it is due next: up to ten times, in a list one; none while it is paused.
    next: Vec<NextView>,
    /// What is allowed and may not be meant.
    warnings: Vec<String>,
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

/// A time at which a schedule is due.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduleTime)]
pub(crate) struct NextView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The same by the clock of its zone.
    #[schema(format = DateTime, example = "2026-11-30T09:00:00+09:00")]
    local: String,
    /// What a change of that clock does to it; null: nothing.
    note: Option<String>,
}

impl NextView {
    fn of(next: &Occurrence, zone: &TimeZone) -> Self {
        Self {
            at: instant::rfc3339(next.at),
            local: next.local(zone),
            note: next.note(),
        }
    }

    fn all(plan: &SchedulePlan, now: UnixMs, count: usize) -> Vec<Self> {
        let times = plan.preview(now, count);
        times
            .iter()
            .map(|next| Self::of(next, plan.zone()))
            .collect()
    }
}

impl<'a> ScheduleView<'a> {
    fn of(stored: &'a Definition, now: UnixMs, shown: usize) -> Result<Self, Problem> {
        let (definition, plan) = read(stored)?;
        let is_over = plan.next(now).is_none();
        let (state, shown) = match definition.paused {
            _ if is_over => ("ended", 0),
            true => ("paused", 0),
            false => ("active", shown),
        };
        Ok(Self {
            name: &stored.name,
            version: stored.version,
            state,
            next: NextView::all(&plan, now, shown),
            warnings: plan.warnings(),
            definition: serde_json::from_str(&stored.body)
                .map_err(|error| unreadable(stored, &error.to_string()))?,
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
        })
    }
}

/// A stored definition: it was checked when it was stored.
fn read(stored: &Definition) -> Result<(ScheduleDefinition, SchedulePlan), Problem> {
    let definition: ScheduleDefinition = serde_json::from_str(&stored.body)
        .map_err(|error| unreadable(stored, &error.to_string()))?;
    let plan = definition
        .plan()
        .map_err(|problems| unreadable(stored, &first_sentence(&problems)))?;
    Ok((definition, plan))
}

fn unreadable(stored: &Definition, why: &str) -> Problem {
    Problem::internal(format!("definition {}: {why}", stored.no))
}

fn answer(api: &Api, status: StatusCode, stored: &Definition) -> Result<Response, Problem> {
    answer::json(status, &ScheduleView::of(stored, api.now(), SHOWN)?)
}
