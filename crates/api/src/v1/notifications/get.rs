//! `GET /v1/apps/{app}/notifications/{id}`

use super::{NotificationItem, find, readable};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A notification with its payload.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationDetail<'a> {
    #[serde(flatten)]
    notification: NotificationItem,
    /// How many of its apps said so.
    receipts: ReceiptCounts,
    /// The payload as it goes to the gateway; null when it was deleted by retention or erased.
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    payload: Option<&'a RawValue>,
}

/// How many pushes arrived and were opened, as apps say.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReceiptCounts {
    /// Arrived on their devices.
    delivered: u64,
    /// Opened by somebody.
    opened: u64,
}

problems!(GUARDED, IN_APP, READS; NOTIFICATION_UNKNOWN);

/// Read a notification: how far it is, and what it says.
///
/// Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/notifications/{id}", operation_id = "notification_get", tag = "notifications",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the notification: `ntf_…`"),
    ),
    responses((status = 200, description = "The notification.", body = NotificationDetail), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let row = find(&api, app, &id).await?;
    let counts = api.engine.receipts().store.receipt_counts(row.head.no);
    let (delivered, opened) = counts.await?;
    let payload = serde_json::from_slice(&row.head.payload).ok();
    answer::ok(&NotificationDetail {
        notification: NotificationItem::from(&row),
        receipts: ReceiptCounts { delivered, opened },
        payload,
    })
}
