//! `GET /v1/apps/{app}/identity-keys`

use super::IdentityKeyView;
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::definition::DefinitionKind;
use carillon_ports::registry::Scope;

const LIST: List = List("idk");

problems!(GUARDED, IN_APP, PAGES);

/// List identity keys, by name, without the keys themselves.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/identity-keys", operation_id = "identity_key_list", tag = "identity-keys",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of identity keys.", body = Page<IdentityKeyView>), Problems),
)]
pub(crate) async fn list(
    State(_): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let cursor = params.cursor.as_deref();
    let after = cursor.map(|cursor| LIST.key(cursor)).transpose()?;
    let all = caller
        .directory
        .definitions(app.no, DefinitionKind::IdentityKey);
    let later = all
        .map(|(definition, _)| definition)
        .filter(|definition| after.is_none_or(|after| definition.name.as_str() > after));
    let views = later
        .map(|definition| Ok((definition.name.clone(), IdentityKeyView::new(definition)?)))
        .collect::<Result<Vec<_>, Problem>>()?;
    answer::ok(&LIST.page(views, limit, |(name, _)| name.clone(), |(_, view)| view))
}
