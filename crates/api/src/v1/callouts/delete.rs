//! `DELETE /v1/apps/{app}/callouts/{name}`

use super::unknown;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_model::schedule::ScheduleDefinition;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, WRITES; CALLOUT_UNKNOWN, CALLOUT_IN_USE);

/// Delete a call-out.
///
/// Refused while a schedule asks it. Its runs are kept as long as records are. Needs the scope `admin`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/callouts/{name}", operation_id = "callout_delete", tag = "callouts",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the call-out"),
    ),
    responses((status = 204, description = "Deleted."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let schedules = caller
        .directory
        .definitions(app.no, DefinitionKind::Schedule);
    let asking: Vec<&str> = schedules
        .map(|(definition, _)| definition)
        .filter(|definition| {
            let read: Option<ScheduleDefinition> = serde_json::from_str(&definition.body).ok();
            let from = read.as_ref().and_then(ScheduleDefinition::content_from);
            from.is_some_and(|from| from.callout == name)
        })
        .map(|definition| &*definition.name)
        .collect();
    if !asking.is_empty() {
        let asking = asking.join(", ");
        let detail = format!("{name:?} is asked by the schedules {asking}");
        return Err(Problem::new(&codes::CALLOUT_IN_USE, detail));
    }
    let (no, by, shared, wanted) = (app.no, caller.actor(), Api::clone(&api), name.clone());
    let deleted = answer::change(&api, async move {
        let (kind, now) = (DefinitionKind::Callout, shared.now());
        let registry = shared.registry();
        Ok(registry
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
