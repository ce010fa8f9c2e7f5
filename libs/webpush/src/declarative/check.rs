//! What a browser asks of a declarative message, as one list of rules over JSON.

use serde_json::{Map, Value};

use super::WEB_PUSH;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclarativeProblem {
    pointer: String,
    rule: &'static str,
}

impl DeclarativeProblem {
    pub(super) fn new(pointer: impl Into<String>, rule: &'static str) -> Self {
        Self {
            pointer: pointer.into(),
            rule,
        }
    }

    /// Where (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The rule it breaks.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl std::fmt::Display for DeclarativeProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.pointer, self.rule)
    }
}

/// Whether a message is declarative: `Ok(false)` says that it is an ordinary one, for the service worker alone.
///
/// # Errors
/// If it means to be declarative (it has a member `web_push`) and a browser would not take it so: every problem.
///
/// ```
/// use webpush::declarative::check;
/// assert_eq!(check(b"any bytes"), Ok(false));
/// assert_eq!(check(br#"{"web_push":8030,"notification":{"title":"a","navigate":"https://b.example/"}}"#), Ok(true));
/// let problems = check(br#"{"web_push":"8030","notification":{"title":"a"}}"#).unwrap_err();
/// assert_eq!(problems[0].to_string(), "/web_push: must be the number 8030, not a text");
/// ```
pub fn check(message: &[u8]) -> Result<bool, Vec<DeclarativeProblem>> {
    let Ok(Value::Object(top)) = serde_json::from_slice(message) else {
        return Ok(false);
    };
    let Some(mark) = top.get("web_push") else {
        return Ok(false);
    };
    let mut problems = Vec::new();
    let mut wrong = |pointer: String, rule| problems.push(DeclarativeProblem::new(pointer, rule));
    if mark.as_u64() != Some(u64::from(WEB_PUSH)) {
        let rule = if mark.is_string() {
            "must be the number 8030, not a text"
        } else {
            "must be the number 8030"
        };
        wrong("/web_push".to_owned(), rule);
    }
    if top.get("app_badge").is_some_and(|badge| !badge.is_u64()) {
        wrong("/app_badge".to_owned(), "must be a whole number, 0 or more");
    }
    if top
        .get("mutable")
        .is_some_and(|mutable| !mutable.is_boolean())
    {
        wrong("/mutable".to_owned(), "must be true or false");
    }
    match top.get("notification") {
        Some(Value::Object(notification)) => check_notification(notification, &mut wrong),
        _ => wrong(
            "/notification".to_owned(),
            "must be an object with title and navigate",
        ),
    }
    if problems.is_empty() {
        Ok(true)
    } else {
        Err(problems)
    }
}

fn check_notification(
    notification: &Map<String, Value>,
    wrong: &mut impl FnMut(String, &'static str),
) {
    let at = |name: &str| format!("/notification/{name}");
    if !is_text(notification.get("title")) {
        wrong(at("title"), "must be a text that is not empty");
    }
    if !leads_somewhere(notification.get("navigate")) {
        wrong(at("navigate"), "must be an absolute URL");
    }
    for name in ["body", "lang", "tag", "image", "icon", "badge"] {
        if notification
            .get(name)
            .is_some_and(|value| !value.is_string())
        {
            wrong(at(name), "must be a text");
        }
    }
    for name in ["silent", "renotify", "requireInteraction"] {
        if notification
            .get(name)
            .is_some_and(|value| !value.is_boolean())
        {
            wrong(at(name), "must be true or false");
        }
    }
    if notification
        .get("dir")
        .is_some_and(|dir| !matches!(dir.as_str(), Some("auto" | "ltr" | "rtl")))
    {
        wrong(at("dir"), "must be auto, ltr or rtl");
    }
    if notification
        .get("timestamp")
        .is_some_and(|value| !value.is_u64())
    {
        wrong(at("timestamp"), "must be a whole number of milliseconds");
    }
    let is_true = |name| notification.get(name) == Some(&Value::Bool(true));
    if is_true("silent") && notification.contains_key("vibrate") {
        wrong(at("silent"), "must not be true beside vibrate");
    }
    if is_true("renotify") && !is_text(notification.get("tag")) {
        wrong(at("renotify"), "must not be true without a tag");
    }
    match notification.get("actions") {
        None => {}
        Some(Value::Array(actions)) => {
            for (position, action) in actions.iter().enumerate() {
                let at = |name: &str| format!("/notification/actions/{position}/{name}");
                for name in ["action", "title"] {
                    if !is_text(action.get(name)) {
                        wrong(at(name), "must be a text that is not empty");
                    }
                }
                if !leads_somewhere(action.get("navigate")) {
                    wrong(at("navigate"), "must be an absolute URL");
                }
            }
        }
        Some(_) => wrong(at("actions"), "must be a list"),
    }
}

fn is_text(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty())
}

fn leads_somewhere(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(is_absolute_url)
}

/// Whether a text can be a `navigate`: it has a scheme and something after it. The browser parses it without a base, so a
/// path alone is nothing.
///
/// ```
/// use webpush::declarative::is_absolute_url;
/// assert!(is_absolute_url("https://shop.example/17"));
/// assert!(!is_absolute_url("/17"));
/// ```
pub fn is_absolute_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let has_host = !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https")
        || rest
            .strip_prefix("//")
            .is_some_and(|host| host.starts_with(|c: char| c.is_alphanumeric() || c == '['));
    is_scheme && !rest.is_empty() && has_host && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(message: &Value) -> Vec<String> {
        let problems = check(message.to_string().as_bytes()).unwrap_err();
        problems
            .into_iter()
            .map(|problem| problem.pointer)
            .collect()
    }

    fn with(name: &str, value: Value) -> Value {
        let mut message = json!({"web_push": 8030, "notification": {"title": "a", "navigate": "https://b.example/"}});
        message["notification"][name] = value;
        message
    }

    #[test]
    fn ordinary_messages_are_left_alone() {
        for message in [
            "",
            "hi",
            "[]",
            "{}",
            "null",
            r#"{"title":"a"}"#,
            "\u{0}",
            r#"{"web_push""#,
        ] {
            assert_eq!(check(message.as_bytes()), Ok(false), "{message}");
        }
    }

    #[test]
    fn each_rule_names_its_place() {
        for (name, value) in [
            ("title", json!("")),
            ("title", json!(5)),
            ("navigate", json!("/17")),
            ("navigate", json!("https://")),
            ("navigate", json!("https:///x")),
            ("navigate", json!("https://a b/")),
            ("navigate", json!("")),
            ("body", json!(1)),
            ("dir", json!("left")),
            ("timestamp", json!(1.5)),
            ("silent", json!("yes")),
            ("renotify", json!(true)),
            ("actions", json!({})),
        ] {
            let message = with(name, value);
            assert_eq!(
                pointers(&message),
                [format!("/notification/{name}")],
                "{message}"
            );
        }
        for mark in [json!("8030"), json!(8031), json!(8030.5), json!(null)] {
            let mut message = with("body", json!("b"));
            message["web_push"] = mark;
            assert_eq!(pointers(&message), ["/web_push"]);
        }
        assert_eq!(pointers(&json!({"web_push": 8030})), ["/notification"]);
        let mut message = with("silent", json!(true));
        message["notification"]["vibrate"] = json!([100]);
        assert_eq!(pointers(&message), ["/notification/silent"]);
        let mut message = with("body", json!("b"));
        message["app_badge"] = json!("3");
        message["mutable"] = json!(1);
        assert_eq!(pointers(&message), ["/app_badge", "/mutable"]);
        let message = with(
            "actions",
            json!([{"action": "a", "title": "t", "navigate": "https://x.example"}, 5]),
        );
        assert_eq!(
            pointers(&message),
            ["action", "title", "navigate"].map(|name| format!("/notification/actions/1/{name}"))
        );
    }

    #[test]
    fn unknown_members_and_other_schemes_pass() {
        let mut message = with("navigate", json!("web+shop:17"));
        message["news"] = json!([1]);
        message["notification"]["vibrate"] = json!([1]);
        assert_eq!(check(message.to_string().as_bytes()), Ok(true));
    }
}
