//! `GET /v1/apps/{app}/webhooks`

use super::{WebhookView, view};
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use carillon_ports::webhook::EndpointRow;
use std::collections::HashMap;

const LIST: List = List("whk");

problems!(GUARDED, IN_APP, PAGES, READS);

/// List the webhook endpoints of an App, by name.
///
/// Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/webhooks", operation_id = "webhook_list", tag = "webhooks",
    params(("app" = String, Path, description = "Id of the App"), PageParams),
    responses((status = 200, description = "A page of endpoints.", body = Page<WebhookView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
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
    let rows = api.engine.webhooks().endpoints().await?;
    let rows: HashMap<_, EndpointRow> = rows.into_iter().map(|row| (row.no, row)).collect();
    let directory = &caller.directory;
    let mut all: Vec<_> = directory
        .webhooks()
        .filter(|webhook| webhook.app == app.no)
        .filter(|webhook| after.is_none_or(|after| webhook.name.as_str() > after))
        .filter_map(|webhook| Some((webhook, rows.get(&webhook.no)?)))
        .collect();
    all.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let now = api.now();
    let shown = |(webhook, row): (_, _)| {
        let webhook: &std::sync::Arc<carillon_ports::webhook::WebhookDefinition> = webhook;
        let secrets = directory.webhook_secrets(webhook.no, &**api.engine.secrets());
        view(&caller, webhook, row, secrets.ok().as_ref(), now)
    };
    answer::ok(&LIST.page(all, limit, |(webhook, _)| webhook.name.clone(), shown))
}
