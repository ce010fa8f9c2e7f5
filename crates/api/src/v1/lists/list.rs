//! `GET /v1/apps/{app}/lists`

use super::ListView;
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

const LIST: List = List("lst");

problems!(GUARDED, IN_APP, PAGES);

/// List the lists of an App, by name.
///
/// Needs the scope `devices`, `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/lists", operation_id = "list_list", tag = "lists",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of lists.", body = Page<ListView>), Problems),
)]
pub(crate) async fn list(
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read, Scope::Send])?;
    let limit = limit(params.limit, MAX)?;
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| LIST.key(cursor))
        .transpose()?;
    let all = caller.directory.definitions(app.no, DefinitionKind::List);
    let rows = all
        .map(|(definition, _)| definition)
        .filter(|row| after.is_none_or(|after| row.name.as_str() > after))
        .take(limit as usize + 1);
    let views = rows.map(ListView::of).collect::<Result<Vec<_>, _>>()?;
    answer::ok(&LIST.page(views, limit, |view| view.name.to_owned(), |view| view))
}
