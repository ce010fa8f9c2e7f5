//! `GET /v1/apps/{app}/notifications/{id}`

use super::{NotificationItem, find, readable};
use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::monitors::headers::HIDDEN;
use axum::extract::State;
use axum::response::Response;
use carillon_model::monitor::INCIDENT_KEY;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

/// A notification with its payload.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationDetail {
    #[serde(flatten)]
    notification: NotificationItem,
    /// How many of its apps said so.
    receipts: ReceiptCounts,
    /// The payload as it goes to the gateway; null when it was deleted by retention or erased. The link of a page to its
    /// incident is `***`: it is for whoever was paged alone.
    #[schema(value_type = Option<std::collections::BTreeMap<String, serde_json::Value>>)]
    payload: Option<Box<RawValue>>,
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
    answer::ok(&NotificationDetail {
        notification: NotificationItem::from(&row),
        receipts: ReceiptCounts { delivered, opened },
        payload: shown(&row.head.payload),
    })
}

/// What is shown of a payload: all of it as it is stored, but no link to an incident.
fn shown(payload: &[u8]) -> Option<Box<RawValue>> {
    let raw: Box<RawValue> = serde_json::from_slice(payload).ok()?;
    if !raw.get().contains(INCIDENT_KEY) {
        return Some(raw);
    }
    let mut payload: Value = serde_json::from_str(raw.get()).ok()?;
    hide_links(&mut payload);
    to_raw_value(&payload).ok()
}

fn hide_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.get_mut("link") {
                    Some(link) if name == INCIDENT_KEY => *link = HIDDEN.into(),
                    _ => hide_links(value),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(hide_links),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_shown_as_it_is_but_for_a_pages_link() {
        let shown = |payload: &str| shown(payload.as_bytes()).map(|raw| raw.get().to_owned());
        let plain = r#"{"aps": {"alert": "hi"}, "link": "/i/A"}"#;
        assert_eq!(shown(plain).unwrap(), plain);
        for (page, expected) in [
            (
                r#"{"aps":{},"carillon_incident":{"incident":7,"link":"/i/A"}}"#,
                r#"{"aps":{},"carillon_incident":{"incident":7,"link":"***"}}"#,
            ),
            (
                r#"{"data":[{"carillon_incident":{"link":"/i/A"}}]}"#,
                r#"{"data":[{"carillon_incident":{"link":"***"}}]}"#,
            ),
            (
                r#"{"carillon_incident":{"incident":7}}"#,
                r#"{"carillon_incident":{"incident":7}}"#,
            ),
        ] {
            assert_eq!(shown(page).unwrap(), expected);
        }
        for none in ["", "\u{1}\u{2}", "{\"carillon_incident\":"] {
            assert_eq!(shown(none), None, "{none:?}");
        }
    }
}
