//! A notification's content as the JSON that a browser gets: one message that Safari shows by itself (declarative Web Push)
//! and that a service worker elsewhere reads.
//!
//! A raw message alone is copied byte for byte. Otherwise the portable fields are written in the words of the Notifications
//! API, and the keys of a raw message beside them win, those of `notification` one by one.
//!
//! | portable field | in the message |
//! |---|---|
//! | `title` | `notification.title`; without one the body is the title: browsers show nothing without |
//! | `subtitle`, `body` | `notification.body`, one below the other: browsers have no subtitle |
//! | `link` | `notification.navigate` |
//! | `image` | `notification.image` |
//! | `badge` | `app_badge`, and `notification.app_badge` where Safari 18.4 looks for it |
//! | `data` | `notification.data`; in a background push `data` |
//! | `urgency` | `passive`: `notification.silent`; `critical`: `notification.requireInteraction` |
//! | `thread`, `category`, `sound` | of the same name in `notification`, for a service worker that wants them |
//! | the options' `collapse_id` | `notification.tag`; without one, of a push that may be sent twice, a tag of the delivery's own |
//!
//! It is declarative (`web_push`: 8030) if it has a title and an absolute link; without them no browser shows it by itself,
//! and the same members go to the service worker alone. A background push has no `notification`: the service worker is
//! woken with the data. Browsers grant such pushes sparingly: a page subscribes with `userVisibleOnly`, and a push that shows
//! nothing makes some of them show a text of their own or take the permission back.

use crate::json::Json;
use crate::object::Object;
use bytes::Bytes;
use carillon_model::content::{Content, Urgency};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{OnUnknown, PushType};
use serde_json::value::RawValue;
use std::borrow::Cow;
use uuid::Uuid;
use webpush::declarative::{WEB_PUSH, is_absolute_url};

/// What a notification on the screen is replaced by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag<'a> {
    /// Nothing.
    None,
    /// Whatever has the same collapse id.
    CollapseId(&'a str),
    /// The same delivery, if it is sent twice: [`OWN_TAG`] stands there until it is encrypted.
    Own,
}

/// Stands for a tag that each delivery has for itself; see [`with_own_tag`].
const OWN_TAG: &str = "00000000000000000000000000000000";

impl<'a> Tag<'a> {
    pub(super) fn new(collapse_id: Option<&'a str>, on_unknown: OnUnknown) -> Self {
        match (collapse_id, on_unknown) {
            (Some(id), _) => Self::CollapseId(id),
            (None, OnUnknown::Resend) => Self::Own,
            (None, OnUnknown::Drop) => Self::None,
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::CollapseId(id) => Some(id),
            Self::Own => Some(OWN_TAG),
        }
    }
}

/// The message of one delivery: a browser that was sent it twice shows it once. Whoever writes a raw message has the say
/// about its tag.
pub(super) fn with_own_tag(message: &Bytes, gateway_id: Uuid) -> Bytes {
    let key = br#""tag":""#;
    let wanted = [key, OWN_TAG.as_bytes(), b"\""].concat();
    let found = message
        .windows(wanted.len())
        .position(|window| window == wanted);
    let Some(at) = found.map(|at| at + key.len()) else {
        return message.clone();
    };
    let mut own = message.to_vec();
    gateway_id
        .simple()
        .encode_lower(&mut own[at..at + OWN_TAG.len()]);
    own.into()
}

/// Writes the message of `content`.
pub(super) fn render(
    push_type: PushType,
    content: &Content,
    tag: Tag<'_>,
) -> Result<Vec<u8>, Vec<FieldProblem>> {
    let parts = Parts::read(content)?;
    if is_raw_only(content)
        && let Some(raw) = &content.webpush
    {
        return Ok(raw.get().as_bytes().to_vec());
    }
    let problems = parts.misplaced(push_type);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(match push_type {
        PushType::Background => parts.write_background(),
        _ => parts.write_alert(tag.text()),
    })
}

/// Whether the message is the caller's own, byte for byte.
pub(super) fn is_raw_only(content: &Content) -> bool {
    content.webpush.is_some() && !content.has_portable()
}

/// Where in the notification's body the message's `pointer` comes from.
pub(super) fn source_of(content: &Content, pointer: &str) -> String {
    let raw = || format!("/content/webpush{pointer}");
    if is_raw_only(content) {
        return raw();
    }
    let Ok(parts) = Parts::read(content) else {
        return "/content".into();
    };
    let mut keys = pointer.split('/').skip(1);
    let portable = match (keys.next(), keys.next()) {
        (Some("notification"), Some(key)) if parts.raw_notification.has(key) => return raw(),
        (Some(key), _) if key != "notification" && parts.raw.has(key) => return raw(),
        (Some("notification"), Some(key)) => match key {
            "title" => "/title",
            "navigate" => "/link",
            "body" => "/body",
            "image" => "/image",
            "data" => "/data",
            "silent" | "requireInteraction" => "/urgency",
            "tag" => return "/options/collapse_id".into(),
            _ => "",
        },
        (Some("app_badge"), _) => "/badge",
        (Some("data"), _) => "/data",
        _ => "",
    };
    format!("/content{portable}")
}

/// A content with its JSON parts opened.
struct Parts<'a> {
    content: &'a Content,
    raw: Object<'a>,
    raw_notification: Object<'a>,
}

impl<'a> Parts<'a> {
    fn read(content: &'a Content) -> Result<Self, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut open = |raw: Option<&'a RawValue>, pointer: &str| {
            let Some(raw) = raw else {
                return Object::default();
            };
            Object::read(raw).unwrap_or_else(|| {
                problems.push(FieldProblem::new(
                    pointer,
                    "webpush.not_an_object",
                    "expected a JSON object",
                ));
                Object::default()
            })
        };
        open(content.data.as_deref(), "/content/data");
        let raw = open(content.webpush.as_deref(), "/content/webpush");
        let raw_notification = open(raw.get("notification"), "/content/webpush/notification");
        if problems.is_empty() {
            Ok(Self {
                content,
                raw,
                raw_notification,
            })
        } else {
            Err(problems)
        }
    }

    /// Portable fields that mean nothing in a push of this type, and the want of any.
    fn misplaced(&self, push_type: PushType) -> Vec<FieldProblem> {
        let content = self.content;
        if push_type != PushType::Background {
            if content.has_portable() || content.webpush.is_some() {
                return Vec::new();
            }
            return vec![FieldProblem::new(
                "/content",
                "webpush.nothing_to_show",
                "an alert without a title or a text shows nothing, and that may cost the permission to push: give one, or send \
                 a push of type background",
            )];
        }
        [
            ("title", content.title.is_some()),
            ("subtitle", content.subtitle.is_some()),
            ("body", content.body.is_some()),
            ("sound", content.sound.is_some()),
            ("image", content.image.is_some()),
            ("link", content.link.is_some()),
            ("thread", content.thread.is_some()),
            ("category", content.category.is_some()),
            ("urgency", content.urgency.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, is_given)| is_given.then_some(field))
        .map(|field| {
            FieldProblem::new(
                format!("/content/{field}"),
                "webpush.field_for_push_type",
                "means nothing in a push of type background: leave it out, or write the message in content.webpush",
            )
        })
        .collect()
    }

    fn write_background(&self) -> Vec<u8> {
        let mut json = Json::new();
        json.open();
        if let (Some(data), true) = (&self.content.data, self.is_free("data")) {
            json.raw("data", data.get());
        }
        self.write_badge(&mut json);
        for (key, value) in self.raw.iter() {
            json.raw(key, value.get());
        }
        json.close();
        json.into_bytes()
    }

    fn write_alert(&self, tag: Option<&str>) -> Vec<u8> {
        let mut json = Json::new();
        json.open();
        if self.is_declarative() && self.is_free("web_push") {
            json.value("web_push", &WEB_PUSH);
        }
        json.key("notification");
        self.write_notification(&mut json, tag);
        self.write_badge(&mut json);
        for (key, value) in self.raw.iter().filter(|(key, _)| *key != "notification") {
            json.raw(key, value.get());
        }
        json.close();
        json.into_bytes()
    }

    fn write_notification(&self, json: &mut Json, tag: Option<&str>) {
        let content = self.content;
        let is_free = |key: &str| !self.raw_notification.has(key);
        json.open();
        let (title, body) = self.texts();
        for (key, text) in [
            ("title", title.as_deref()),
            ("navigate", content.link.as_deref()),
            ("body", body.as_deref()),
            ("tag", tag),
            ("image", content.image.as_deref()),
            ("thread", content.thread.as_deref()),
            ("category", content.category.as_deref()),
            ("sound", content.sound.as_deref()),
        ] {
            if let (Some(text), true) = (text, is_free(key)) {
                json.value(key, text);
            }
        }
        for (key, urgency) in [
            ("silent", Urgency::Passive),
            ("requireInteraction", Urgency::Critical),
        ] {
            if content.urgency == Some(urgency) && is_free(key) {
                json.value(key, &true);
            }
        }
        if let (Some(data), true) = (&content.data, is_free("data")) {
            json.raw("data", data.get());
        }
        if let (Some(badge), true) = (content.badge, is_free("app_badge")) {
            json.value("app_badge", &badge);
        }
        for (key, value) in self.raw_notification.iter() {
            json.raw(key, value.get());
        }
        json.close();
    }

    /// Title and body. A browser shows nothing without a title, so the body is it where there is no other.
    fn texts(&self) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
        let content = self.content;
        let body = match (&content.subtitle, &content.body) {
            (Some(subtitle), Some(body)) => Some(Cow::Owned(format!("{subtitle}\n{body}"))),
            (one, other) => one.as_deref().or(other.as_deref()).map(Cow::Borrowed),
        };
        let title = content.title.as_deref().filter(|title| !title.is_empty());
        match title {
            Some(title) => (Some(title.into()), body),
            None if self.raw_notification.has("title") => (None, body),
            None => (body, None),
        }
    }

    fn write_badge(&self, json: &mut Json) {
        if let (Some(badge), true) = (self.content.badge, self.is_free("app_badge")) {
            json.value("app_badge", &badge);
        }
    }

    fn is_free(&self, key: &str) -> bool {
        !self.raw.has(key)
    }

    /// Whether a browser can show it by itself: it has a title, and a tap leads somewhere.
    fn is_declarative(&self) -> bool {
        let has = |key: &str, portable: Option<&str>, fits: fn(&str) -> bool| match self
            .raw_notification
            .get(key)
        {
            Some(raw) => {
                serde_json::from_str::<Cow<'_, str>>(raw.get()).is_ok_and(|text| fits(&text))
            }
            None => portable.is_some_and(fits),
        };
        let (title, _) = self.texts();
        has("title", title.as_deref(), |title| !title.is_empty())
            && has("navigate", self.content.link.as_deref(), is_absolute_url)
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
