//! `PUT /v1/apps/{app}/ladders/{name}`

use super::LadderView;
use super::schema::DefinitionSchema;
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{LADDERS, unreached, written};
use axum::extract::State;
use axum::response::Response;
use carillon_model::monitor::{LadderDefinition, Whom};
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a ladder, or change it.
///
/// Refused where a step pages nobody, names a rotation that there is not, or rings where no device has declared a call
/// screen: iOS ends an app that gets a VoIP push and reports no call. Users of a step who have no device are told in
/// `warnings`; those of a rotation are where that is put. Incidents that are open go on by the new one. A body that says
/// the same changes nothing. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/ladders/{name}", operation_id = "ladder_put", tag = "ladders",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the ladder: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = LadderView),
        (status = 201, description = "Made.", body = LadderView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<LadderDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let plan = api.engine.plan_ladder(app.no, &definition).await?;
    plan.map_err(Problem::invalid)?;
    let body = written(&definition)?;
    let warnings = Some(unreached(&api, app, users(&definition)).await?);
    let former = LADDERS.find(&caller, app, &name).ok();
    if let Some(same) = former.filter(|former| former.body == body) {
        return answer::ok(&LadderView {
            warnings,
            ..LadderView::of(same)?
        });
    }
    let stored = LADDERS.put(&api, &caller, app, name, body).await?;
    let view = LadderView {
        warnings,
        ..LadderView::of(&stored)?
    };
    answer::stored(former.is_none(), &view)
}

/// Whom steps name themselves, and where.
fn users(definition: &LadderDefinition) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    for (step, written) in definition.steps.iter().enumerate() {
        let Whom::Users(users) = &written.whom else {
            continue;
        };
        for (at, user) in users.iter().enumerate() {
            found.push((format!("/steps/{step}/whom/users/{at}"), user.as_str()));
        }
    }
    found
}
