//! `PUT /v1/apps/{app}`

use super::{AppView, MAX_NAME, Settings};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::{PathOf, plain_name};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::ToSchema;

/// An App to make or change. What is left out gets its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct PutApp {
    /// A name for people, at most 200 bytes; default: the id.
    name: Option<String>,
    /// Settings.
    settings: Settings,
}

problems!(GUARDED, GLOBAL, BODY, WRITES; REQUEST_PARAMETER);

/// Make or change an App.
///
/// Needs the scope `admin`. A key that is bound to an App may change that App.
#[utoipa::path(
    put, path = "/v1/apps/{app}", operation_id = "app_put", tag = "apps",
    params(("app" = String, Path, description = "Id of the App: 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`")),
    request_body = PutApp,
    responses(
        (status = 200, description = "Changed.", body = AppView),
        (status = 201, description = "Made.", body = AppView),
        Problems
    ),
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    Json(body): Json<PutApp>,
) -> Result<Response, Problem> {
    caller.may(&[Scope::Admin])?;
    caller.bound_to(&id)?;
    plain_name("app", &id, 64)?;
    let settings = body.settings.read();
    let name = body.name.unwrap_or_else(|| id.clone());
    let name_problem = (name.len() > MAX_NAME).then(|| {
        FieldProblem::new(
            "/name",
            "app.name",
            format!("expected at most {MAX_NAME} bytes, found {}", name.len()),
        )
    });
    let settings = match (settings, name_problem) {
        (Ok(settings), None) => settings,
        (settings, name) => {
            let problems = settings.err().unwrap_or_default();
            return Err(Problem::invalid(name.into_iter().chain(problems).collect()));
        }
    };
    let (by, shared) = (caller.actor(), Api::clone(&api));
    let (app, created) = answer::change(&api, async move {
        let now = shared.now();
        Ok(shared
            .registry()
            .put_app(id, name, settings, now, by)
            .await?)
    })
    .await?;
    answer::stored(created, &AppView::new(&app, &api.engine.status()))
}
