//! `GET /v1/apps/{app}/callouts`

use super::{CalloutView, view};
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

const LIST: List = List("cal");

problems!(GUARDED, IN_APP, PAGES);

/// List the call-outs of an App, by name.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/callouts", operation_id = "callout_list", tag = "callouts",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of call-outs.", body = Page<CalloutView>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| LIST.key(cursor))
        .transpose()?;
    let all = caller
        .directory
        .definitions(app.no, DefinitionKind::Callout);
    let all = all
        .map(|(definition, _)| definition)
        .filter(|definition| after.is_none_or(|after| definition.name.as_str() > after));
    let views: Result<Vec<CalloutView>, Problem> = all
        .take(limit as usize + 1)
        .map(|definition| view(&caller, definition, None))
        .collect();
    let name = |view: &CalloutView| view.name.clone();
    answer::ok(&LIST.page(views?, limit, name, |view| view))
}
