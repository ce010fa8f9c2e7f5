//! `POST /v1/apps/{app}/live-activity-sources/{name}/check`

use super::{ReadingView, table};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::live_activities::schema::ActivitySchema;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What a table holds now, as if none of its rows was known yet.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivitySourceCheck)]
pub(crate) struct CheckView {
    /// Why it cannot be read, if so; nothing else is known then.
    error: Option<String>,
    /// The columns that its query gives.
    columns: Vec<String>,
    /// What its rows would lead to.
    reading: Option<ReadingView>,
    /// The first row that can be followed.
    example: Option<ExampleView>,
}

/// A row, and what it becomes.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivitySourceExample)]
pub(crate) struct ExampleView {
    /// Id of the Live Activity.
    #[schema(example = "lesson-42")]
    id: String,
    /// Its declaration.
    #[schema(value_type = ActivitySchema)]
    plan: Value,
}

problems!(GUARDED, IN_APP; LIVE_ACTIVITY_SOURCE_UNKNOWN);

/// Read a table that Live Activities follow, and say what its rows would lead to.
///
/// Nothing is stored and nothing sent. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/live-activity-sources/{name}/check", operation_id = "live_activity_source_check", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Its name in the operator's file"),
    ),
    responses((status = 200, description = "What it holds, or why it cannot be read.", body = CheckView), Problems),
)]
pub(crate) async fn check(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let table = table(&api, app, &name)?;
    let view = match api.engine.try_table(&table, &app.name).await {
        Err(error) => CheckView {
            error: Some(error.message),
            columns: Vec::new(),
            reading: None,
            example: None,
        },
        Ok(trial) => {
            let example = trial.example.map(|(id, request)| {
                let plan = serde_json::to_value(request);
                plan.map(|plan| ExampleView { id, plan })
            });
            let example = example.transpose();
            CheckView {
                error: None,
                columns: trial.columns,
                reading: Some(trial.report.into()),
                example: example.map_err(|error| Problem::internal(error.to_string()))?,
            }
        }
    };
    answer::ok(&view)
}
