//! `PUT /v1/apps/{app}/users/{user_id}/badge`

use super::BadgeView;
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
use carillon_model::body::MAX_BADGE;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// What a counter is to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutBadge {
    /// The number; 0 when the user has seen everything.
    #[schema(maximum = 2147483647)]
    badge: u32,
}

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Set a user's badge counter.
///
/// Usually to 0, when the app was opened. What was accepted before keeps the number it has; nothing is
/// sent to show the new one. Needs the scope `devices`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/users/{user_id}/badge", operation_id = "badge_put", tag = "users",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("user_id" = String, Path, description = "The user, as devices name him: 1 to 128 bytes"),
    ),
    request_body = PutBadge,
    responses((status = 200, description = "Set.", body = BadgeView), Problems),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, user_id)): PathOf<(String, String)>,
    Json(PutBadge { badge }): Json<PutBadge>,
) -> Result<Response, Problem> {
    let app = spoken_for(&caller, &app, &user_id, &[Scope::Devices])?;
    if badge > MAX_BADGE {
        return Err(Problem::invalid(vec![FieldProblem::new(
            "/badge",
            "badge.value",
            format!("expected 0 to {MAX_BADGE}, found {badge}"),
        )]));
    }
    let registry = api.registry();
    registry
        .set_badge(app.no, user_id.clone(), badge, api.now())
        .await?;
    answer::ok(&BadgeView { user_id, badge })
}
