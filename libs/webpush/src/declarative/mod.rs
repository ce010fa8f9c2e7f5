//! Declarative Web Push: a message that the browser shows by itself, without a service worker (W3C Push API; Safari since
//! iOS 18.4 and macOS 15.5).
//!
//! It is encrypted and sent like any other message. Browsers that do not know it hand the JSON to the service worker, so
//! one message can serve all. [`DeclarativeMessage`] writes it; [`check()`] judges JSON that somebody else wrote.

mod check;

use serde::Serialize;
use serde_json::Value;

pub use self::check::{DeclarativeProblem, check, is_absolute_url};

/// The number that makes a message declarative.
pub const WEB_PUSH: u32 = 8030;

/// A notification for the browser to show.
///
/// ```
/// use webpush::declarative::{Action, DeclarativeMessage};
/// let json = DeclarativeMessage::new("Order 17", "https://shop.example/17")
///     .body("Packed")
///     .tag("o17")
///     .action(Action::new("track", "Track", "https://shop.example/17/t"))
///     .app_badge(3)
///     .to_json()?;
/// assert!(json.starts_with(b"{\"web_push\":8030,\"notification\":{\"title\":\"Order 17\""));
/// # Ok::<(), webpush::declarative::DeclarativeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a message does nothing until to_json() is called"]
pub struct DeclarativeMessage {
    web_push: u32,
    notification: Notification,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_badge: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    mutable: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Notification {
    title: String,
    navigate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    renotify: bool,
    #[serde(skip_serializing_if = "is_false")]
    silent: bool,
    #[serde(rename = "requireInteraction", skip_serializing_if = "is_false")]
    require_interaction: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    /// Where Safari 18.4 looked for it; others pass over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_badge: Option<u64>,
}

/// Which way the text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// As its first strong letter says.
    Auto,
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

/// A button of the notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    action: String,
    title: String,
    navigate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
}

/// Why a message is not declarative as it stands: every problem at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclarativeError {
    problems: Vec<DeclarativeProblem>,
}

impl DeclarativeMessage {
    /// With its two required members: what it says, and where a tap leads (an absolute URL).
    pub fn new(title: impl Into<String>, navigate: impl Into<String>) -> Self {
        Self {
            web_push: WEB_PUSH,
            notification: Notification {
                title: title.into(),
                navigate: navigate.into(),
                ..Notification::default()
            },
            app_badge: None,
            mutable: false,
        }
    }

    /// The text below the title.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.notification.body = Some(body.into());
        self
    }

    /// The language of the text (BCP 47).
    pub fn lang(mut self, lang: impl Into<String>) -> Self {
        self.notification.lang = Some(lang.into());
        self
    }

    /// Which way the text runs.
    pub fn dir(mut self, dir: Direction) -> Self {
        self.notification.dir = Some(dir);
        self
    }

    /// A notification with the same tag is replaced on the screen.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.notification.tag = Some(tag.into());
        self
    }

    /// URL of a picture.
    pub fn image(mut self, url: impl Into<String>) -> Self {
        self.notification.image = Some(url.into());
        self
    }

    /// URL of an icon.
    pub fn icon(mut self, url: impl Into<String>) -> Self {
        self.notification.icon = Some(url.into());
        self
    }

    /// URL of the small picture shown where there is no room. Not the number on the app: that is
    /// [`app_badge`](Self::app_badge).
    pub fn badge(mut self, url: impl Into<String>) -> Self {
        self.notification.badge = Some(url.into());
        self
    }

    /// When it happened, in Unix milliseconds.
    pub fn timestamp_ms(mut self, at_ms: u64) -> Self {
        self.notification.timestamp = Some(at_ms);
        self
    }

    /// Alerts again although the tag is replaced. Needs a [`tag`](Self::tag).
    pub fn renotify(mut self, renotify: bool) -> Self {
        self.notification.renotify = renotify;
        self
    }

    /// Shown without sound or vibration.
    pub fn silent(mut self, silent: bool) -> Self {
        self.notification.silent = silent;
        self
    }

    /// Stays until the user acts.
    pub fn require_interaction(mut self, require: bool) -> Self {
        self.notification.require_interaction = require;
        self
    }

    /// Anything for the page that is opened.
    pub fn data(mut self, data: impl Into<Value>) -> Self {
        self.notification.data = Some(data.into());
        self
    }

    /// One more button.
    pub fn action(mut self, action: Action) -> Self {
        self.notification.actions.push(action);
        self
    }

    /// The number on the app's icon; 0 takes it away. Written where the standard wants it, and where Safari 18.4 did.
    pub fn app_badge(mut self, number: u64) -> Self {
        self.app_badge = Some(number);
        self.notification.app_badge = Some(number);
        self
    }

    /// Lets a service worker replace it before it is shown.
    pub fn mutable(mut self, mutable: bool) -> Self {
        self.mutable = mutable;
        self
    }

    /// Checks it and writes the JSON, to be encrypted and sent.
    ///
    /// # Errors
    /// If a browser would not take it as declarative: all problems, each with its JSON pointer.
    pub fn to_json(&self) -> Result<Vec<u8>, DeclarativeError> {
        let unwritable = |_| DeclarativeError {
            problems: vec![DeclarativeProblem::new("", "it cannot be written as JSON")],
        };
        let json = serde_json::to_vec(self).map_err(unwritable)?;
        match check(&json) {
            Ok(_) => Ok(json),
            Err(problems) => Err(DeclarativeError { problems }),
        }
    }
}

impl Action {
    /// With its name, its label and where it leads (an absolute URL).
    pub fn new(
        action: impl Into<String>,
        title: impl Into<String>,
        navigate: impl Into<String>,
    ) -> Self {
        Self {
            action: action.into(),
            title: title.into(),
            navigate: navigate.into(),
            icon: None,
        }
    }

    /// URL of an icon.
    #[must_use]
    pub fn icon(mut self, url: impl Into<String>) -> Self {
        self.icon = Some(url.into());
        self
    }
}

impl DeclarativeError {
    /// All that is wrong.
    pub fn problems(&self) -> &[DeclarativeProblem] {
        &self.problems
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

// === impl DeclarativeError ===

impl std::fmt::Display for DeclarativeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the declarative message would not be shown: ")?;
        for (position, problem) in self.problems.iter().enumerate() {
            let comma = if position == 0 { "" } else { "; " };
            write!(f, "{comma}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DeclarativeError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_stands_where_the_standard_wants_it() {
        let message = DeclarativeMessage::new("Order 17", "https://shop.example/17")
            .body("Packed")
            .lang("en")
            .dir(Direction::Auto)
            .tag("o17")
            .image("https://shop.example/i.png")
            .icon("https://shop.example/c.png")
            .badge("https://shop.example/b.png")
            .timestamp_ms(1_700_000_000_000)
            .renotify(true)
            .silent(true)
            .require_interaction(true)
            .data(json!({"order": 17}))
            .action(
                Action::new("track", "Track", "https://shop.example/17/t")
                    .icon("https://shop.example/t.png"),
            )
            .app_badge(3)
            .mutable(true);
        let written: Value = serde_json::from_slice(&message.to_json().unwrap()).unwrap();
        assert_eq!(
            written,
            json!({
                "web_push": 8030,
                "notification": {
                    "title": "Order 17", "navigate": "https://shop.example/17", "body": "Packed", "lang": "en",
                    "dir": "auto", "tag": "o17", "image": "https://shop.example/i.png",
                    "icon": "https://shop.example/c.png", "badge": "https://shop.example/b.png",
                    "timestamp": 1_700_000_000_000_u64, "renotify": true, "silent": true, "requireInteraction": true,
                    "data": {"order": 17}, "app_badge": 3,
                    "actions": [{"action": "track", "title": "Track", "navigate": "https://shop.example/17/t",
                        "icon": "https://shop.example/t.png"}],
                },
                "app_badge": 3,
                "mutable": true,
            })
        );
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        let json = DeclarativeMessage::new("a", "https://b.example/")
            .to_json()
            .unwrap();
        let text =
            r#"{"web_push":8030,"notification":{"title":"a","navigate":"https://b.example/"}}"#;
        assert_eq!(String::from_utf8(json).unwrap(), text);
    }

    #[test]
    fn all_problems_come_at_once() {
        let error = DeclarativeMessage::new("", "17")
            .renotify(true)
            .action(Action::new("", "x", "/t"))
            .to_json()
            .unwrap_err();
        let pointers: Vec<_> = error
            .problems()
            .iter()
            .map(DeclarativeProblem::pointer)
            .collect();
        assert_eq!(
            pointers,
            [
                "/notification/title",
                "/notification/navigate",
                "/notification/renotify",
                "/notification/actions/0/action",
                "/notification/actions/0/navigate",
            ]
        );
        assert!(
            error.to_string().contains("/notification/title: "),
            "{error}"
        );
    }
}
