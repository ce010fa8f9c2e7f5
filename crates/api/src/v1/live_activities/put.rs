//! `PUT /v1/apps/{app}/live-activities/{id}`

use super::schema::ActivitySchema;
use super::{ActivityView, find, refused, view};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::params::plain_name;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::live_activity::ActivityRequest;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; LIVE_ACTIVITY_OVER);

/// Declare a Live Activity, or declare it anew.
///
/// From then on Carillon carries it: starts it, changes what it shows when a phase has come, ends it. The same body again changes
/// nothing. Another one changes the plan: a phase that was shown and whose time moves into the future is shown again then; one
/// that was missed is shown as the present state. 409 when it is over: another one needs another id. Needs the scope `send`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/live-activities/{id}", operation_id = "live_activity_put", tag = "live-activities",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Your id of it: 1 to 128 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = ActivitySchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = ActivityView),
        (status = 201, description = "Declared, and on disk.", body = ActivityView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Json(request): Json<ActivityRequest>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    plain_name("id", &id, super::MAX_ID)?;
    let answer = api.engine.put_live_activity(app.no, &id, request).await?;
    let answer = answer.map_err(|refusal| refused(app, &id, refusal))?;
    answer::stored(
        answer.is_new,
        &view(&api, &find(&api, app, &id).await?).await?,
    )
}
