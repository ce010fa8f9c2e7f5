//! What a message is on one platform: which parts override which, what is visible, how long it
//! may be kept.
//!
//! Sources: "About FCM messages" (kinds of messages, platform overrides); "Set and manage message
//! priority"; "Non-collapsible and collapsible messages".

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::order::Platform;
use crate::fcm::message::{Data, Message, Notification};
use crate::fcm::rules::MAX_TTL_MS;
use crate::fcm::schema::duration_ms;

/// A message as one platform gets it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    /// Everything there is to show; `None` for a message of data only.
    pub(super) notification: Option<Map<String, Value>>,
    pub(super) tag: Option<String>,
    pub(super) data: Data,
    pub(super) collapse: Option<String>,
    pub(super) is_high: bool,
    pub(super) ttl_ms: i64,
}

/// A message on its way to phones.
#[derive(Debug, Clone)]
pub(in crate::fcm) struct Push {
    pub(super) record: u64,
    pub(super) name: Arc<str>,
    pub(super) at_ms: i64,
    pub(super) content: Arc<Content>,
}

fn merged(
    common: Option<&Notification>,
    own: Option<&Map<String, Value>>,
) -> Option<Map<String, Value>> {
    if common.is_none() && own.is_none() {
        return None;
    }
    let mut all = Map::new();
    if let Some(common) = common {
        for (name, value) in [
            ("title", &common.title),
            ("body", &common.body),
            ("image", &common.image),
        ] {
            if let Some(value) = value {
                all.insert(name.into(), value.as_str().into());
            }
        }
    }
    for (name, value) in own.into_iter().flatten() {
        all.insert(name.clone(), value.clone());
    }
    Some(all)
}

fn text(map: Option<&Map<String, Value>>, name: &str) -> Option<String> {
    map?.get(name)?.as_str().map(str::to_owned)
}

impl Content {
    pub(super) fn of(message: &Message, platform: Platform, app: &str) -> Content {
        match platform {
            Platform::Android => Content::android(message, app),
            Platform::Ios => Content::ios(message),
            Platform::Web => Content::web(message),
        }
    }

    fn android(message: &Message, app: &str) -> Content {
        let android = &message.android;
        let notification = merged(message.notification.as_ref(), android.notification.as_ref());
        let data = message.android_data().clone();
        let is_for_topic = message.topic.is_some() || message.condition.is_some();
        // A notification always collapses, whatever key it names; so does an empty topic message.
        let collapse = match (&notification, &android.collapse_key) {
            (Some(_), _) => Some(app.to_owned()),
            (None, Some(key)) => Some(key.clone()),
            (None, None) if data.is_empty() && is_for_topic => Some(app.to_owned()),
            (None, None) => None,
        };
        Content {
            title: text(notification.as_ref(), "title"),
            body: text(notification.as_ref(), "body"),
            tag: text(notification.as_ref(), "tag"),
            notification,
            data,
            collapse,
            is_high: android.priority.as_deref() == Some("HIGH"),
            ttl_ms: android
                .ttl
                .as_deref()
                .and_then(|ttl| duration_ms(ttl).ok())
                // Google rounds down to whole seconds.
                .map_or(MAX_TTL_MS, |ms| ms / 1000 * 1000),
        }
    }

    fn ios(message: &Message) -> Content {
        let aps = message.apns.payload.as_ref().and_then(|all| all.get("aps"));
        let alert = aps
            .map(|aps| &aps["alert"])
            .filter(|alert| !alert.is_null());
        let own = match alert {
            Some(Value::String(body)) => json!({ "body": body }).as_object().cloned(),
            Some(Value::Object(alert)) => Some(alert.clone()),
            _ => None,
        };
        let notification = merged(message.notification.as_ref(), own.as_ref());
        let mut data = message.data.clone();
        for (name, value) in message.apns.payload.iter().flatten() {
            if name != "aps" {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                data.insert(name.clone(), text);
            }
        }
        let header = |name: &str| message.apns.headers.get(name);
        Content {
            title: text(notification.as_ref(), "title"),
            body: text(notification.as_ref(), "body"),
            tag: header("apns-collapse-id").cloned(),
            notification,
            data,
            // Apple keeps one notification for an app.
            collapse: Some(String::new()),
            is_high: true,
            ttl_ms: match header("apns-expiration").map(String::as_str) {
                Some("0") => 0,
                _ => MAX_TTL_MS,
            },
        }
    }

    fn web(message: &Message) -> Content {
        let webpush = &message.webpush;
        let notification = merged(message.notification.as_ref(), webpush.notification.as_ref());
        let ttl_secs: Option<i64> = webpush.headers.get("TTL").and_then(|ttl| ttl.parse().ok());
        Content {
            title: text(notification.as_ref(), "title"),
            body: text(notification.as_ref(), "body"),
            tag: text(notification.as_ref(), "tag"),
            notification,
            data: webpush.data.as_ref().unwrap_or(&message.data).clone(),
            collapse: webpush.headers.get("Topic").cloned(),
            is_high: true,
            ttl_ms: ttl_secs.map_or(MAX_TTL_MS, |secs| secs.saturating_mul(1000).min(MAX_TTL_MS)),
        }
    }
}
