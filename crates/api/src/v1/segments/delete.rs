//! `DELETE /v1/apps/{app}/segments/{name}`

use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::{SEGMENTS, users};
use axum::extract::State;
use axum::response::Response;
use carillon_model::target::Target;
use carillon_model::trigger::TriggerAudience;
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
    let users = users(
        &caller,
        app,
        |trigger| matches!(&trigger.audience, TriggerAudience::Segment(its) if *its == name),
        |schedule| matches!(schedule.target(), Some(Target::Segment(its)) if *its == name),
    );
    if !users.is_empty() {
        return Err(Problem::new(
            &codes::SEGMENT_IN_USE,
            format!("{name:?} is the audience of {}", users.join(", ")),
        ));
    }
    SEGMENTS.delete(&api, &caller, app, name).await
}
