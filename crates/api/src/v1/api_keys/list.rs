//! `GET /v1/api-keys`

use super::ApiKeyView;
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

const LIST: List = List("key");

problems!(GUARDED, GLOBAL, PAGES, READS);

/// List API keys, oldest first, revoked ones included.
///
/// Needs the scope `admin`, and an API key that is not bound to an App.
#[utoipa::path(
    get, path = "/v1/api-keys", operation_id = "api_key_list", tag = "api-keys",
    params(PageParams),
    responses((status = 200, description = "A page of API keys.", body = Page<ApiKeyView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    let limit = limit(params.limit, MAX)?;
    let after = LIST.number(params.cursor.as_deref())?.unwrap_or(-1);
    let mut keys = api.registry().api_keys().await?;
    keys.retain(|key| key.no.0 > after);
    keys.sort_by_key(|key| key.no);
    let view = |key| ApiKeyView::new(&key, &caller.directory);
    answer::ok(&LIST.page(keys, limit, |key| key.no.to_string(), view))
}
