//! `GET /v1/apps/{app}/incidents/{monitor}/{no}`

use super::IncidentView;
use super::words::EntryView;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::MONITORS;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// Most entries that are shown.
const MOST: u32 = 500;

/// An incident with everything that happened to it.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentStory)]
pub(crate) struct StoryView {
    #[serde(flatten)]
    incident: IncidentView,
    /// What happened, the oldest first; of very many the last 500.
    entries: Vec<EntryView>,
}

problems!(GUARDED, IN_APP, READS; MONITOR_UNKNOWN, INCIDENT_UNKNOWN);

/// Read an incident.
///
/// With everything that happened to it: who was paged, when, how and on which device, and what became of it. Needs the
/// scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/incidents/{monitor}/{no}", operation_id = "incident_get", tag = "incidents",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("monitor" = String, Path, description = "Name of the monitor"),
        ("no" = u32, Path, description = "Number of the incident"),
    ),
    responses((status = 200, description = "The incident.", body = StoryView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, monitor, no)): PathOf<(String, String, u32)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let monitor = MONITORS.find(&caller, app, &monitor)?;
    let incident = super::find(&api, monitor, no).await?;
    let entries = api.engine.incident_entries(monitor.no, no, MOST).await?;
    answer::ok(&StoryView {
        incident: IncidentView::of(&incident, &monitor.name),
        entries: entries.iter().map(EntryView::of).collect(),
    })
}
