//! `PUT /v1/apps/{app}/triggers/{name}`

use super::TriggerView;
use super::schema::DefinitionSchema;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{TRIGGERS, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::trigger::TriggerDefinition;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a trigger, or change it.
///
/// From then on it is asked for every reported event that it is for. Everything that is wrong with it
/// is said at once: the condition with line and column, an unknown template with the one that was
/// probably meant, content and options by the rules of the gateways. A body that says the same changes
/// nothing. Digests that are open are told by the trigger as it is when they close. Needs the scope
/// `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/triggers/{name}", operation_id = "trigger_put", tag = "triggers",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the trigger: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = TriggerView),
        (status = 201, description = "Made.", body = TriggerView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<TriggerDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    let problems = api.engine.trigger_problems(app.no, &definition);
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let body = written(&definition)?;
    let former = TRIGGERS.find(&caller, app, &name).ok();
    if let Some(same) = former.filter(|former| former.body == body) {
        return super::answer(StatusCode::OK, same);
    }
    let stored = TRIGGERS.put(&api, &caller, app, name, body).await?;
    let status = match former {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    super::answer(status, &stored)
}
