//! `GET /v1/apps/{app}/templates/{name}`

use super::TemplateView;
use crate::auth::Caller;
use crate::params::{Params, PathOf};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::TEMPLATES;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

/// Which version.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionParams {
    /// An older version. Replaced ones are kept as long as records are (30 days by default).
    #[param(minimum = 1)]
    version: Option<u32>,
}

problems!(GUARDED, IN_APP, READS; TEMPLATE_UNKNOWN);

/// Read a template, as it is or was.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/templates/{name}", operation_id = "template_get", tag = "templates",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the template"),
        VersionParams,
    ),
    responses((status = 200, description = "The template.", body = TemplateView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Params(params): Params<VersionParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let found = TEMPLATES.find(&caller, app, &name)?;
    let Some(version) = params.version else {
        return super::answer(StatusCode::OK, found, found.version, &found.body);
    };
    let body = api.registry().definition_version(found.no, version).await?;
    let body = body.ok_or_else(|| {
        Problem::new(
            &codes::TEMPLATE_UNKNOWN,
            format!(
                "no version {version} of {name:?} is kept; the current one is {}",
                found.version
            ),
        )
    })?;
    super::answer(StatusCode::OK, found, version, &body)
}
