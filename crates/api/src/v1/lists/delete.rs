//! `DELETE /v1/apps/{app}/lists/{name}`

use super::unknown;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::app::App;
use carillon_model::definition::DefinitionKind;
use carillon_model::schedule::ScheduleDefinition;
use carillon_model::target::Target;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; LIST_UNKNOWN, LIST_IN_USE);

/// Delete a list.
///
/// Refused while a schedule sends to it. Notifications whose sending began go on: they go by what the
/// list was then. One that still waits for its time cannot be sent without it. Its devices stay registered.
/// Needs the scope `devices`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/lists/{name}", operation_id = "list_delete", tag = "lists",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the list"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices])?;
    let users = using(&caller, app, &name);
    if !users.is_empty() {
        return Err(Problem::new(
            &codes::LIST_IN_USE,
            format!("{name:?} is the target of {}", users.join(", ")),
        ));
    }
    let (no, by, shared, wanted) = (app.no, caller.actor(), Api::clone(&api), name.clone());
    let deleted = answer::change(&api, async move {
        let kind = DefinitionKind::List;
        let now = shared.now();
        Ok(shared
            .registry()
            .delete_definition(no, kind, wanted, now, by)
            .await?)
    })
    .await?;
    if deleted {
        Ok(answer::gone())
    } else {
        Err(unknown(&caller, app, &name))
    }
}

/// The schedules that send to this list.
fn using(caller: &Caller, app: &App, name: &str) -> Vec<String> {
    let schedules = caller
        .directory
        .definitions(app.no, DefinitionKind::Schedule);
    let sends_to_it = schedules.filter(|(schedule, _)| {
        let read: Option<ScheduleDefinition> = serde_json::from_str(&schedule.body).ok();
        let target = read.map(|read| read.notification.target);
        matches!(target, Some(Target::List(its)) if its == name)
    });
    sends_to_it
        .map(|(schedule, _)| format!("the schedule {}", schedule.name))
        .collect()
}
