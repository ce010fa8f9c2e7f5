//! Deliveries: one notification to one device.

pub(crate) mod get;

use crate::instant;
use crate::page::List;
use crate::params::bad_cursor;
use crate::problem::Problem;
use crate::words;
use carillon_model::UnixMs;
use carillon_model::id::{BatchNo, DeliveryId};
use carillon_ports::store::DeliveryView;
use serde::Serialize;
use utoipa::ToSchema;

/// Deliveries of one notification, oldest first.
pub(crate) const NOTIFICATION_LIST: List = List("dlv");
/// Deliveries to one device, newest first.
pub(crate) const DEVICE_LIST: List = List("dvd");

/// A delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryItem {
    /// Its id.
    #[schema(example = "dlv_1048576_0")]
    id: String,
    /// Its notification; null when that was deleted meanwhile.
    notification_id: Option<String>,
    /// To which device; null when that was deleted.
    device_id: Option<String>,
    /// `open`, or how it ended: `accepted`, `rejected`, `failed`, `unknown`, `expired`, `cancelled`,
    /// `suppressed`.
    #[schema(example = "accepted")]
    state: &'static str,
    /// The rule, when it was suppressed: `device_gone`, `no_push_token`, `push_token_retired`, `app_gone`, `opted_out`, `quiet_hours`, `frequency_cap`, `unrenderable`.
    suppressed_by: Option<&'static str>,
    /// When it is tried next; null when it ended, or is being sent.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
}

impl DeliveryItem {
    /// `accepted_at` is its notification's, and part of that one's id.
    pub(crate) fn new(row: &DeliveryView, accepted_at: Option<UnixMs>) -> Self {
        Self {
            id: row.id.to_string(),
            notification_id: accepted_at.map(|at| row.id.batch.notification().public(at)),
            device_id: row.device.clone(),
            state: row.state.map_or("open", |state| state.as_str()),
            suppressed_by: row.state.and_then(words::suppressed_by),
            next_attempt_at: instant::optional(row.next_attempt_at),
        }
    }
}

/// What a cursor holds of the last delivery of a page.
pub(crate) fn cursor_key(id: DeliveryId) -> String {
    format!("{}.{}", id.batch.0, id.position)
}

/// Reads it back.
pub(crate) fn read_cursor(list: List, cursor: Option<&str>) -> Result<Option<DeliveryId>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let (batch, position) = list
        .key(cursor)?
        .split_once('.')
        .ok_or_else(|| bad_cursor(cursor))?;
    let batch = batch.parse().ok().filter(|batch: &i64| *batch >= 0);
    match (batch, position.parse()) {
        (Some(batch), Ok(position)) => Ok(Some(DeliveryId {
            batch: BatchNo(batch),
            position,
        })),
        _ => Err(bad_cursor(cursor)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back() {
        let id = DeliveryId {
            batch: BatchNo(77),
            position: 9,
        };
        let cursor = DEVICE_LIST.cursor(cursor_key(id));
        assert_eq!(read_cursor(DEVICE_LIST, Some(&cursor)).unwrap(), Some(id));
        for bad in ["dvd-1", "dvd-1.x", "dvd--1.1", "dvd-1.70000", "dlv-1.1"] {
            assert!(read_cursor(DEVICE_LIST, Some(bad)).is_err(), "{bad}");
        }
    }
}
