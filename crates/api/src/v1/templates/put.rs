//! `PUT /v1/apps/{app}/templates/{name}`

use super::TemplateView;
use super::schema::DefinitionSchema;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::{TEMPLATES, written};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_model::template::{CompiledTemplate, TemplateDefinition, TemplateProblem};
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES);

/// Make a template, or change it.
///
/// Everything that is wrong with it is said at once, each with its place: in a text also `line` and
/// `column`. The version rises with every change; a body that says the same changes nothing.
/// Notifications that were accepted with an older version are sent with it. Needs the scope `admin`.
#[utoipa::path(
    put, path = "/v1/apps/{app}/templates/{name}", operation_id = "template_put", tag = "templates",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the template: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`"),
    ),
    request_body = DefinitionSchema,
    responses(
        (status = 200, description = "Changed, or the same as before.", body = TemplateView),
        (status = 201, description = "Made.", body = TemplateView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(definition): Json<TemplateDefinition>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    plain_name("name", &name, 64)?;
    CompiledTemplate::compile(&definition).map_err(|problems| {
        let problems = problems.iter().map(TemplateProblem::field_problem);
        Problem::invalid(problems.collect())
    })?;
    let body = written(&definition)?;
    let former = TEMPLATES.find(&caller, app, &name).ok();
    if let Some(same) = former.filter(|former| former.body == body) {
        return super::answer(StatusCode::OK, same, same.version, &same.body);
    }
    let stored = TEMPLATES.put(&api, &caller, app, name, body).await?;
    let status = match former {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    };
    super::answer(status, &stored, stored.version, &stored.body)
}
