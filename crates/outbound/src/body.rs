//! An event as receivers read it: `{"type", "timestamp", "data"}` of Standard Webhooks, with what finds it again.
//!
//! The same bytes at every attempt and at every replay, since they are made of the stored event alone.

use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::event::EventKind;
use carillon_model::id::{WebhookNo, numbered_uuid};
use carillon_ports::store::Event;
use serde::Serialize;
use serde_json::value::RawValue;

/// Longest body, in bytes: what Standard Webhooks asks senders to stay below.
pub const MAX_BODY_BYTES: usize = 20_000;

/// Instead of data that is too long: the whole of it is to be had by the event's number.
const CUT: &str = r#"{"cut":true}"#;

/// The order of the fields is part of what receivers see in their logs, nothing more.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    app: &'a str,
    no: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    data: &'a RawValue,
}

/// The `webhook-id` of this event at this endpoint: the same at every attempt, another for every other event, also of another
/// installation's. Without a dot.
pub fn webhook_id(event: &Event, endpoint: WebhookNo) -> String {
    format!(
        "evt_{}_{endpoint}",
        numbered_uuid(event.at, event.no).as_simple()
    )
}

/// The body that tells this event of the App with this id. At most [`MAX_BODY_BYTES`]: data that is longer is left out, with
/// `{"cut": true}` in its place.
pub fn webhook_body(event: &Event, app: &str) -> Bytes {
    let kind = EventKind::parse(&event.kind).map_or(event.kind.as_str(), |kind| kind.as_str());
    let body = |data: &str| {
        // Data that is no JSON was never written by us; better an event without it than none.
        let data = serde_json::from_str(data).unwrap_or(RawValue::NULL);
        let body = Body {
            r#type: kind,
            timestamp: rfc3339(event.at),
            app,
            no: event.no,
            subject: &event.subject,
            data,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    };
    let whole = body(&event.data);
    if whole.len() <= MAX_BODY_BYTES {
        whole.into()
    } else {
        body(CUT).into()
    }
}

/// RFC 3339 in UTC with milliseconds, as everywhere in the API.
fn rfc3339(at: UnixMs) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, subject: &str, data: &str) -> Event {
        Event {
            no: 41,
            at: 1_785_585_600_123,
            kind: kind.into(),
            subject: subject.into(),
            data: data.into(),
        }
    }

    fn told(event: &Event) -> String {
        String::from_utf8(webhook_body(event, "shop").to_vec()).unwrap()
    }

    #[test]
    fn an_event_as_it_is_told() {
        let failing = event(
            "credential.failing",
            "apple",
            r#"{"reason":"Inv\"alid","n": 1.50}"#,
        );
        assert_eq!(
            told(&failing),
            r#"{"type":"credential.failing","timestamp":"2026-08-01T12:00:00.123Z","app":"shop","no":41,"subject":"apple","data":{"reason":"Inv\"alid","n": 1.50}}"#
        );
        let retired = event("push_token.retired", "", r#"{"entries":[]}"#);
        assert_eq!(
            told(&retired),
            r#"{"type":"device.retired","timestamp":"2026-08-01T12:00:00.123Z","app":"shop","no":41,"data":{"entries":[]}}"#
        );
        let strange = told(&event("new.kind", "", "not JSON"));
        assert!(
            strange.contains(r#""type":"new.kind""#) && strange.ends_with(r#""data":null}"#),
            "{strange}"
        );
    }

    #[test]
    fn bodies_stay_below_the_limit() {
        let list = |ids: usize| {
            let ids: Vec<_> = (0..ids).map(|n| format!("ntf_{n:036}")).collect();
            serde_json::json!({ "notifications": ids }).to_string()
        };
        let most = EventKind::NotificationCompleted.max_entries().unwrap();
        let full = told(&event("notification.completed", "", &list(most)));
        assert!(
            full.len() <= MAX_BODY_BYTES && full.contains("ntf_"),
            "{}",
            full.len()
        );
        let cut = told(&event("notification.completed", "ntf_0", &list(500)));
        assert!(
            cut.ends_with(r#""no":41,"subject":"ntf_0","data":{"cut":true}}"#),
            "{cut}"
        );
    }

    #[test]
    fn ids_tell_events_and_endpoints_apart() {
        let first = event("trigger.failed", "", "{}");
        let second = Event {
            no: 42,
            ..first.clone()
        };
        let id = webhook_id(&first, WebhookNo(7));
        assert_eq!(id, webhook_id(&first, WebhookNo(7)));
        assert_ne!(id, webhook_id(&first, WebhookNo(8)));
        assert_ne!(id, webhook_id(&second, WebhookNo(7)));
        assert!(
            id.starts_with("evt_") && id.ends_with("_7") && !id.contains('.') && id.len() < 60,
            "{id}"
        );
    }
}
