//! `POST /v1/apps/{app}/live-activities/{id}/end`

use super::schema::EndSchema;
use super::{ActivityView, find, refused, view};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::live_activity::EndRequest;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; LIVE_ACTIVITY_UNKNOWN, LIVE_ACTIVITY_OVER);

/// End a Live Activity now.
///
/// What is left out is as its plan has it. One that has not started yet is cancelled. 409 when it is over. Needs the scope `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/live-activities/{id}/end", operation_id = "live_activity_end", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of it"),
    ),
    request_body = EndSchema,
    responses((status = 200, description = "Ended, and on disk.", body = ActivityView), Problems),
)]
pub(crate) async fn end(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Json(end): Json<EndRequest>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let answer = api.engine.end_live_activity(app.no, &id, &end).await?;
    answer.map_err(|refusal| refused(app, &id, refusal))?;
    answer::ok(&view(&api, &find(&api, app, &id).await?).await?)
}
