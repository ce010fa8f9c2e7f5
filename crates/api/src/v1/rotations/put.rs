//! `PUT /v1/apps/{app}/rotations/{name}`

use super::schema::DefinitionSchema;
use super::{RotationView, SHOWN_MS};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{ROTATIONS, unreached, written};
use axum::extract::State;
use axum::response::Response;
use carillon_model::monitor::RotationDefinition;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a rotation, or change it.
///
/// Refused where there are times within the next four weeks at which nobody is on call, with the first of them, unless it
/// says `allow_gaps`. The answer has who is on call when, and in `warnings` who of them has no device. A body that says
/// the same changes nothing. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/rotations/{name}", operation_id = "rotation_put", tag = "rotations",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the rotation: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = RotationView),
        (status = 201, description = "Made.", body = RotationView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<RotationDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let plan = api.engine.plan_rotation(&definition);
    plan.map_err(Problem::invalid)?;
    let (body, now) = (written(&definition)?, api.now());
    let shown = Some((now, now.saturating_add(SHOWN_MS)));
    let warnings = Some(unreached(&api, app, people(&definition)).await?);
    let former = ROTATIONS.find(&caller, app, &name).ok();
    if let Some(same) = former.filter(|former| former.body == body) {
        return answer::ok(&RotationView {
            warnings,
            ..RotationView::of(same, now, shown)?
        });
    }
    let stored = ROTATIONS.put(&api, &caller, app, name, body).await?;
    let view = RotationView {
        warnings,
        ..RotationView::of(&stored, now, shown)?
    };
    answer::stored(former.is_none(), &view)
}

/// Whom it names, and where.
fn people(definition: &RotationDefinition) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    for (layer, written) in definition.layers.iter().enumerate() {
        for (at, user) in written.members.iter().enumerate() {
            found.push((format!("/layers/{layer}/members/{at}"), user.as_str()));
        }
    }
    for (at, written) in definition.overrides.iter().enumerate() {
        found.push((format!("/overrides/{at}/user"), written.user.as_str()));
    }
    found
}
