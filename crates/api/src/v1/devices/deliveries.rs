//! `GET /v1/apps/{app}/devices/{id}/deliveries`

use super::unknown;
use crate::answer;
use crate::auth::Caller;
use crate::page::{Page, PageParams};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::deliveries::{DEVICE_LIST, DeliveryItem, cursor_key, read_cursor};
use axum::extract::State;
use axum::response::Response;
use carillon_model::id::NotificationNo;
use carillon_ports::registry::Scope;
use std::collections::HashMap;

/// Most of a page: each notification that occurs is looked up.
const MAX: u32 = 100;

problems!(GUARDED, IN_APP, PAGES, READS; DEVICE_UNKNOWN);

/// What was sent to a device, newest first.
///
/// Bounded by the retention of records. Needs the scope `read` or `devices`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/devices/{id}/deliveries", operation_id = "device_deliveries", tag = "devices",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the device"),
        PageParams
    ),
    responses((status = 200, description = "A page of deliveries; at most 100.", body = Page<DeliveryItem>), Problems),
)]
pub(crate) async fn deliveries(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Devices])?;
    let limit = limit(params.limit, MAX)?;
    let before = read_cursor(DEVICE_LIST, params.cursor.as_deref())?;
    let device = api
        .registry()
        .device(app.no, id.clone())
        .await?
        .ok_or_else(|| unknown(&app.id, &id))?;
    let rows = api
        .store()
        .device_deliveries(app.no, device.no, before, limit + 1)
        .await?;
    let mut accepted: HashMap<NotificationNo, i64> = HashMap::new();
    for row in rows.iter().take(limit as usize) {
        let no = row.id.batch.notification();
        if !accepted.contains_key(&no)
            && let Some(view) = api.store().notification(app.no, no).await?
        {
            accepted.insert(no, view.head.accepted_at);
        }
    }
    let view = |row: carillon_ports::store::DeliveryView| {
        let at = accepted.get(&row.id.batch.notification()).copied();
        DeliveryItem::new(&row, at)
    };
    answer::ok(&DEVICE_LIST.page(rows, limit, |row| cursor_key(row.id), view))
}
