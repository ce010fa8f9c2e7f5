//! `DELETE /v1/apps/{app}/users/{user_id}/preferences`

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

problems!(GUARDED, IN_APP, WRITES);

/// Forget what a user wants.
///
/// The App's defaults hold for him again. Preferences that are not there are forgotten already. Needs
/// the scope `devices`.
#[utoipa::path(
    delete, path = "/v1/apps/{app}/users/{user_id}/preferences", operation_id = "preferences_delete", tag = "users",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("user_id" = String, Path, description = "The user, as devices name him"),
    ),
    responses((status = 204, description = "Forgotten."), Problems),
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, user_id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = spoken_for(&caller, &app, &user_id, &[Scope::Devices])?;
    api.registry().delete_preferences(app.no, user_id).await?;
    Ok(answer::gone())
}
