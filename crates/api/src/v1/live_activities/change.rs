//! `PATCH /v1/apps/{app}/live-activities/{id}`

use super::schema::ChangeSchema;
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
use carillon_model::live_activity::ActivityChange;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; LIVE_ACTIVITY_UNKNOWN, LIVE_ACTIVITY_OVER);

/// Change a Live Activity's plan, or what it shows.
///
/// `content_state` is an update: merged over what is shown and pushed now; updates within a second become one. Phones that have
/// told no update token yet are told the newest state when it comes. 409 when it is over. Needs the scope `send`.
#[utoipa::path(
    patch, path = "/v1/apps/{app}/live-activities/{id}", operation_id = "live_activity_change", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of it"),
    ),
    request_body = ChangeSchema,
    responses((status = 200, description = "Changed, and on disk.", body = ActivityView), Problems),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Json(change): Json<ActivityChange>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let answer = api
        .engine
        .change_live_activity(app.no, &id, &change)
        .await?;
    answer.map_err(|refusal| refused(app, &id, refusal))?;
    answer::ok(&view(&api, &find(&api, app, &id).await?).await?)
}
