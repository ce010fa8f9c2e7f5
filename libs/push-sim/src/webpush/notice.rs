//! What a browser makes of decrypted data: a notification, or nothing that anybody sees.
//!
//! Declarative Web Push (W3C Push API, "declarative push message") is read by the browser itself.
//! Everything else goes to a service worker, which here is always the same simple one: text becomes
//! the title; a JSON object is shown if it, or its `notification`, has a `title`; all else, and no
//! data at all, shows nothing.

use serde_json::{Map, Value};

/// The marker of a declarative message (RFC 8030's number, as an integer).
const DECLARATIVE: u64 = 8030;

/// A notification as the browser puts it on the screen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    /// Where a tap leads.
    pub(crate) navigate: Option<String>,
    /// A later notice with the same one takes this one's place.
    pub(crate) tag: Option<String>,
    /// Everything that was said about it.
    pub(crate) options: Map<String, Value>,
    /// Shown by the browser itself, without a service worker.
    pub(crate) is_declarative: bool,
    /// A service worker might still have changed it.
    pub(crate) is_mutable: bool,
    /// The number for the app's icon.
    pub(crate) app_badge: Option<u64>,
}

/// Reads decrypted data; `knows_declarative`: as a browser that has Declarative Web Push.
pub(crate) fn read(data: &[u8], knows_declarative: bool) -> Option<Notice> {
    let text = std::str::from_utf8(data).ok()?;
    if text.is_empty() {
        return None;
    }
    let object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        // A service worker that expects text shows it, whatever it looks like.
        Ok(_) | Err(_) => return Some(plain(text)),
    };
    if knows_declarative && let Some(notice) = declarative(&object) {
        return Some(notice);
    }
    let options = match object.get("notification") {
        Some(Value::Object(inner)) if title(inner).is_some() => inner,
        _ => &object,
    };
    Some(Notice {
        title: title(options)?,
        body: text_of(options, "body"),
        navigate: text_of(options, "navigate"),
        tag: text_of(options, "tag"),
        options: options.clone(),
        is_declarative: false,
        is_mutable: false,
        app_badge: object.get("app_badge").and_then(Value::as_u64),
    })
}

fn plain(text: &str) -> Notice {
    Notice {
        title: text.to_owned(),
        body: None,
        navigate: None,
        tag: None,
        options: Map::new(),
        is_declarative: false,
        is_mutable: false,
        app_badge: None,
    }
}

/// `None`: not a declarative message, or not a valid one: then it is an ordinary push.
fn declarative(object: &Map<String, Value>) -> Option<Notice> {
    if object.get("web_push")?.as_u64()? != DECLARATIVE {
        return None;
    }
    let options = object.get("notification")?.as_object()?;
    let is_true = |name| options.get(name) == Some(&Value::Bool(true));
    if is_true("silent") && options.contains_key("vibrate") {
        return None;
    }
    let tag = text_of(options, "tag").filter(|tag| !tag.is_empty());
    if is_true("renotify") && tag.is_none() {
        return None;
    }
    let navigate = text_of(options, "navigate").filter(|url| is_url(url))?;
    if let Some(actions) = options.get("actions") {
        let complete = actions.as_array()?.iter().all(|action| {
            let Some(action) = action.as_object() else {
                return false;
            };
            text_of(action, "action").is_some()
                && title(action).is_some()
                && text_of(action, "navigate").is_some_and(|url| is_url(&url))
        });
        if !complete {
            return None;
        }
    }
    let is_mutable = match object.get("mutable") {
        None => false,
        Some(mutable) => mutable.as_bool()?,
    };
    let app_badge = match object.get("app_badge") {
        None => None,
        Some(number) => Some(number.as_u64()?),
    };
    Some(Notice {
        title: title(options)?,
        body: text_of(options, "body"),
        navigate: Some(navigate),
        tag,
        options: options.clone(),
        is_declarative: true,
        is_mutable,
        app_badge,
    })
}

fn text_of(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

fn title(object: &Map<String, Value>) -> Option<String> {
    text_of(object, "title").filter(|title| !title.is_empty())
}

/// Absolute with a host, or a path on the subscription's own site.
fn is_url(text: &str) -> bool {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return false;
    }
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) => rest
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|host| !host.is_empty()),
        None => text.starts_with('/'),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(data: &Value) -> Option<Notice> {
        read(data.to_string().as_bytes(), true)
    }

    fn order() -> Value {
        json!({"web_push": 8030, "app_badge": 3, "mutable": true, "notification": {
            "title": "Order 17", "navigate": "https://shop.example/17", "body": "Packed",
            "tag": "o17", "lang": "en", "silent": false,
            "actions": [{"action": "track", "title": "Track", "navigate": "https://shop.example/17/t"}]}})
    }

    #[test]
    fn a_declarative_message_needs_no_service_worker() {
        let notice = shown(&order()).unwrap();
        assert!(notice.is_declarative && notice.is_mutable);
        assert_eq!(notice.title, "Order 17");
        assert_eq!(notice.body.as_deref(), Some("Packed"));
        assert_eq!(notice.navigate.as_deref(), Some("https://shop.example/17"));
        assert_eq!(notice.tag.as_deref(), Some("o17"));
        assert_eq!(notice.app_badge, Some(3));
        assert_eq!(notice.options["lang"], "en");
        let old = read(order().to_string().as_bytes(), false).unwrap();
        assert!(!old.is_declarative);
        assert_eq!(old.title, "Order 17");
    }

    #[test]
    fn an_invalid_declarative_message_is_an_ordinary_push() {
        let without = |pointer: &str, value: Value| {
            let mut message = order();
            *message.pointer_mut(pointer).unwrap() = value;
            shown(&message).is_some_and(|notice| notice.is_declarative)
        };
        let cases = [
            ("/web_push", json!("8030")),
            ("/web_push", json!(8291)),
            ("/notification/navigate", json!("shop")),
            ("/notification/navigate", json!("https://")),
            ("/notification/navigate", Value::Null),
            ("/notification/title", json!("")),
            ("/notification", json!([])),
            ("/app_badge", json!(-1)),
            ("/app_badge", json!("3")),
            ("/mutable", json!("yes")),
            (
                "/notification/actions",
                json!([{"action": "a", "title": "b"}]),
            ),
        ];
        for (pointer, value) in cases {
            assert!(!without(pointer, value.clone()), "{pointer} = {value}");
        }
        assert!(without("/notification/navigate", json!("/orders/17")));
        let mut buzzing = order();
        buzzing["notification"]["silent"] = json!(true);
        assert!(shown(&buzzing).unwrap().is_declarative);
        buzzing["notification"]["vibrate"] = json!([100]);
        assert!(!shown(&buzzing).unwrap().is_declarative);
        let mut again = order();
        again["notification"]["renotify"] = json!(true);
        assert!(shown(&again).unwrap().is_declarative);
        again["notification"]["tag"] = json!("");
        assert!(!shown(&again).unwrap().is_declarative);
    }

    #[test]
    fn the_service_worker_shows_text_and_titles() {
        let text = read("안녕".as_bytes(), true).unwrap();
        assert_eq!((text.title.as_str(), text.body), ("안녕", None));
        let flat = shown(&json!({"title": "a", "body": "b", "data": {"id": 1}})).unwrap();
        assert_eq!(
            (flat.title.as_str(), flat.body.as_deref()),
            ("a", Some("b"))
        );
        let nested = shown(&json!({"notification": {"title": "c"}})).unwrap();
        assert_eq!(nested.title, "c");
        assert_eq!(shown(&json!({"sync": true})), None);
        assert_eq!(read(b"", true), None);
        assert_eq!(read(&[0xff, 0xfe], true), None);
    }
}
