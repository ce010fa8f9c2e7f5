//! `GET /v1/apps/{app}/credentials`

use super::CredentialView;
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use axum::response::Response;
use carillon_ports::registry::Scope;

const LIST: List = List("crd");

problems!(GUARDED, IN_APP, PAGES);

/// List the credentials of an App, by name.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/credentials", operation_id = "credential_list", tag = "credentials",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of credentials.", body = Page<CredentialView>), Problems),
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
    let all = caller.directory.credentials(app.no).iter();
    let mut rows: Vec<_> = all
        .filter(|row| after.is_none_or(|after| row.name.as_str() > after))
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    answer::ok(&LIST.page(rows, limit, |row| row.name.clone(), CredentialView::from))
}
