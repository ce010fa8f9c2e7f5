//! `GET /v1/audit`

use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::{Params, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::{AuditEntry, Scope};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

const LIST: List = List("aud");

/// An administrative act.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditView {
    /// Rising number.
    no: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Id of the API key that was used; null for the server itself.
    api_key_id: Option<String>,
    /// Id of the request.
    request_id: Option<String>,
    /// What was done, e.g. `app.put`, `credential.put`, `api_key.revoke`, `user.erase`,
    /// `server.backup`, `master_key.rotate`, `incident.acknowledge`.
    #[schema(example = "credential.put")]
    action: String,
    /// To what.
    subject: String,
}

problems!(GUARDED, GLOBAL, PAGES, READS);

/// List administrative acts, newest first.
///
/// Needs the scope `admin`, and an API key that is not bound to an App.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "audit_list", tag = "audit",
    params(PageParams),
    responses((status = 200, description = "A page of the audit log.", body = Page<AuditView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    let limit = limit(params.limit, MAX)?;
    let before = LIST.number(params.cursor.as_deref())?;
    let entries = api.registry().audit(before, limit + 1).await?;
    let keys = api.registry().api_keys().await?;
    let ids: HashMap<_, _> = keys.into_iter().map(|key| (key.no, key.id)).collect();
    let view = |entry: AuditEntry| AuditView {
        no: entry.no,
        at: instant::rfc3339(entry.at),
        api_key_id: entry.actor.api_key.and_then(|no| ids.get(&no).cloned()),
        request_id: entry.actor.request_id,
        action: entry.action,
        subject: entry.subject,
    };
    answer::ok(&LIST.page(entries, limit, |entry| entry.no.to_string(), view))
}
