//! `DELETE /v1/apps/{app}/segments/{name}`

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
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::schedule::ScheduleDefinition;
use carillon_model::target::Target;
use carillon_model::trigger::{TriggerAudience, TriggerDefinition};
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; SEGMENT_UNKNOWN, SEGMENT_IN_USE);

/// Delete a segment.
///
/// Refused while a trigger or a schedule has it as its audience. Notifications whose sending began go on: they go by
/// what the segment was then. One that still waits for its time cannot be sent without it. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/segments/{name}", operation_id = "segment_delete", tag = "segments",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the segment"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let users = using(&caller, app, &name);
    if !users.is_empty() {
        return Err(Problem::new(
            &codes::SEGMENT_IN_USE,
            format!("{name:?} is the audience of {}", users.join(", ")),
        ));
    }
    let (no, by, shared, wanted) = (app.no, caller.actor(), Api::clone(&api), name.clone());
    let deleted = answer::change(&api, async move {
        let kind = DefinitionKind::Segment;
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

/// The triggers and schedules that send to this segment.
fn using(caller: &Caller, app: &App, name: &str) -> Vec<String> {
    let all = |kind| {
        let all = caller.directory.definitions(app.no, kind);
        all.map(|(definition, _)| definition)
    };
    let by_trigger = |trigger: &&Definition| {
        let read: Option<TriggerDefinition> = serde_json::from_str(&trigger.body).ok();
        read.is_some_and(
            |read| matches!(&read.audience, TriggerAudience::Segment(its) if its == name),
        )
    };
    let by_schedule = |schedule: &&Definition| {
        let read: Option<ScheduleDefinition> = serde_json::from_str(&schedule.body).ok();
        let target = read.map(|read| read.notification.target);
        matches!(target, Some(Target::Segment(its)) if its == name)
    };
    let triggers = all(DefinitionKind::Trigger).filter(by_trigger);
    let schedules = all(DefinitionKind::Schedule).filter(by_schedule);
    triggers
        .chain(schedules)
        .map(|user| format!("the {} {}", user.kind.as_str(), user.name))
        .collect()
}
