//! `GET /v1/apps/{app}/users/{user_id}/preferences`

use super::PreferencesView;
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

/// Read what a user wants.
///
/// A user who set nothing, or is not known, has empty preferences. Needs the scope `devices` or
/// `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/users/{user_id}/preferences", operation_id = "preferences_get", tag = "users",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("user_id" = String, Path, description = "The user, as devices name him"),
    ),
    responses((status = 200, description = "His preferences.", body = PreferencesView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, user_id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let any_of = [Scope::Devices, Scope::Read];
    let app = spoken_for(&caller, &app, &user_id, &any_of)?;
    let stored = api.registry().preferences(app.no, user_id.clone()).await?;
    answer::ok(&PreferencesView::new(app, user_id, stored))
}
