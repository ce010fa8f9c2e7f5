//! `GET /v1/apps/{app}/live-activity-sources`

use super::ReadingView;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::live_activity::SourceReport;
use carillon_ports::registry::Scope;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// A table that Live Activities follow.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivitySource)]
pub(crate) struct SourceView {
    /// Its name in the operator's file.
    #[schema(example = "lessons")]
    pub(super) name: String,
    /// How often it is read, in milliseconds.
    pub(super) every_ms: u32,
    /// What came of reading it; null: it was not read yet.
    pub(super) last: Option<ReadingView>,
}

/// The tables that Live Activities of an App follow, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivitySources)]
pub(crate) struct SourcesView {
    /// All of them: as many as the operator set up.
    data: Vec<SourceView>,
}

problems!(GUARDED, IN_APP, READS);

/// List the tables that Live Activities of an App follow, with what came of reading them.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/live-activity-sources", operation_id = "live_activity_sources", tag = "live-activities",
    params(("app" = String, Path, description = "Id of the App")),
    responses((status = 200, description = "The tables.", body = SourcesView), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let reports = api.engine.store().source_reports(app.no).await?;
    let mut reports: HashMap<String, String> = reports.into_iter().collect();
    let tables = api.engine.activity_tables(&app.id);
    let view = tables.into_iter().map(|table| {
        let report = reports.remove(&table.name);
        // One that a newer server wrote is as none.
        let report = report.and_then(|text| serde_json::from_str::<SourceReport>(&text).ok());
        SourceView {
            name: table.name.clone(),
            every_ms: table.every_ms,
            last: report.map(Into::into),
        }
    });
    answer::ok(&SourcesView {
        data: view.collect(),
    })
}
