//! `PUT /v1/apps/{app}/users/{user_id}/preferences`

use super::{PreferencesView, PutPreferences};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::users::spoken_for;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::preferences::StoredPreferences;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Set what a user wants.
///
/// Replaces all he wanted before. It holds for what is sent from now on; the user need not have a
/// device yet. Needs the scope `devices`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/users/{user_id}/preferences", operation_id = "preferences_put", tag = "users",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("user_id" = String, Path, description = "The user, as devices name him: 1 to 128 bytes"),
    ),
    request_body = PutPreferences,
    responses(
        (status = 200, description = "Changed.", body = PreferencesView),
        (status = 201, description = "Set for the first time.", body = PreferencesView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, user_id)): PathOf<(String, String)>,
    Json(body): Json<PutPreferences>,
) -> Result<Response, Problem> {
    let app = spoken_for(&caller, &app, &user_id, &[Scope::Devices])?;
    let preferences = body.read().map_err(Problem::invalid)?;
    let (no, now) = (app.no, api.now());
    let (user, wanted) = (user_id.clone(), preferences.clone());
    let put = if caller.directory.has_preferences(no) {
        let registry = api.registry();
        registry.put_preferences(no, user, wanted, now).await?
    } else {
        // The first of the App: before it is answered, the engine knows to look for some.
        let shared = Api::clone(&api);
        answer::change(&api, async move {
            let registry = shared.registry();
            Ok(registry.put_preferences(no, user, wanted, now).await?)
        })
        .await?
    };
    let stored = StoredPreferences {
        preferences,
        updated_at: now,
    };
    let view = PreferencesView::new(app, user_id, Some(stored));
    answer::stored(put.created, &view)
}
