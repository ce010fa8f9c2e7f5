//! `GET /v1/apps`

use super::AppView;
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;

const LIST: List = List("app");

problems!(GUARDED, GLOBAL, PAGES);

/// List all Apps, by id.
///
/// Needs the scope `read`, and an API key that is not bound to an App.
#[utoipa::path(
    get, path = "/v1/apps", operation_id = "app_list", tag = "apps",
    params(PageParams),
    responses((status = 200, description = "A page of Apps.", body = Page<AppView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let after = params
        .cursor
        .as_deref()
        .map(|cursor| LIST.key(cursor))
        .transpose()?;
    let mut apps: Vec<_> = caller
        .directory
        .apps()
        .filter(|app| after.is_none_or(|after| app.id.as_str() > after))
        .collect();
    apps.sort_by(|a, b| a.id.cmp(&b.id));
    let status = api.engine.status();
    answer::ok(&LIST.page(
        apps,
        limit,
        |app| app.id.clone(),
        |app| AppView::new(app, &status),
    ))
}
