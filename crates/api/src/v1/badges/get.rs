//! `GET /v1/apps/{app}/users/{user_id}/badge`

use super::BadgeView;
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::users::spoken_for;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, READS);

/// Read a user's badge counter.
///
/// Needs the scope `devices` or `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/users/{user_id}/badge", operation_id = "badge_get", tag = "users",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("user_id" = String, Path, description = "The user, as devices name him"),
    ),
    responses((status = 200, description = "The counter.", body = BadgeView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, user_id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let any_of = [Scope::Devices, Scope::Read];
    let app = spoken_for(&caller, &app, &user_id, &any_of)?;
    let badge = api.registry().badge(app.no, user_id.clone()).await?;
    answer::ok(&BadgeView { user_id, badge })
}
