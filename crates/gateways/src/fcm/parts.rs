//! A notification's content with its JSON parts opened, and which of them say what.

use crate::object::Object;
use bytes::Bytes;
use carillon_model::content::Content;
use carillon_model::problem::FieldProblem;
use fcm::DataRule;

/// Raw parts for FCM, checked, every key in Google's one spelling.
pub(super) fn read_raw(
    content: &Content,
    rule: DataRule,
) -> Result<Option<Bytes>, Vec<FieldProblem>> {
    let Some(raw) = &content.fcm else {
        return Ok(None);
    };
    match fcm::Message::raw(raw.get(), rule) {
        Ok(message) => Ok(Some(message.json().clone())),
        Err(error) => Err(error
            .problems()
            .iter()
            .map(|problem| super::lint::said(problem, format!("/content/fcm{}", problem.pointer)))
            .collect()),
    }
}

/// The objects of which a message is made: the caller's data, and the raw parts by their place in the message.
pub(super) struct Parts<'a> {
    pub(super) content: &'a Content,
    pub(super) data: Object<'a>,
    pub(super) raw: Object<'a>,
    pub(super) raw_data: Object<'a>,
    pub(super) raw_notification: Object<'a>,
    pub(super) raw_android: Object<'a>,
    pub(super) raw_shown: Object<'a>,
    pub(super) raw_webpush: Object<'a>,
    pub(super) raw_web_headers: Object<'a>,
    pub(super) raw_apns: Object<'a>,
    pub(super) raw_apns_headers: Object<'a>,
    pub(super) raw_payload: Object<'a>,
    pub(super) raw_aps: Object<'a>,
}

impl<'a> Parts<'a> {
    /// `raw` is what [`read_raw`] gave.
    pub(super) fn open(
        content: &'a Content,
        raw: Option<&'a [u8]>,
    ) -> Result<Self, Vec<FieldProblem>> {
        let data = match &content.data {
            None => Object::default(),
            Some(data) => Object::read(data).ok_or_else(|| {
                vec![FieldProblem::new(
                    "/content/data",
                    "fcm.not_an_object",
                    "expected a JSON object",
                )]
            })?,
        };
        if content.link.is_some() && data.has("link") {
            return Err(vec![FieldProblem::new(
                "/content/data/link",
                "fcm.reserved_key",
                "content.link is written there; use one of them",
            )]);
        }
        let raw = raw.and_then(Object::parse).unwrap_or_default();
        let within = |outer: &Object<'a>, key: &str| {
            outer.get(key).and_then(Object::read).unwrap_or_default()
        };
        let (raw_android, raw_webpush) = (within(&raw, "android"), within(&raw, "webpush"));
        let raw_apns = within(&raw, "apns");
        let raw_payload = within(&raw_apns, "payload");
        Ok(Self {
            content,
            data,
            raw_data: within(&raw, "data"),
            raw_notification: within(&raw, "notification"),
            raw_shown: within(&raw_android, "notification"),
            raw_web_headers: within(&raw_webpush, "headers"),
            raw_apns_headers: within(&raw_apns, "headers"),
            raw_aps: within(&raw_payload, "aps"),
            raw,
            raw_android,
            raw_webpush,
            raw_apns,
            raw_payload,
        })
    }

    /// Whether Android and browsers show something.
    pub(super) fn is_shown(&self) -> bool {
        self.content.title.is_some()
            || self.content.body.is_some()
            || self.raw.has("notification")
            || self.raw_android.has("notification")
    }

    /// Whether an iPhone shows, plays or counts something.
    pub(super) fn is_seen_by_apple(&self) -> bool {
        let content = self.content;
        self.is_shown()
            || content.subtitle.is_some()
            || content.badge.is_some()
            || content.sound.is_some()
            || ["alert", "badge", "sound"]
                .iter()
                .any(|key| self.raw_aps.has(key))
    }

    /// Whether it is a Live Activity: then Apple's part is the caller's alone.
    pub(super) fn is_live_activity(&self) -> bool {
        self.raw_apns.has("live_activity_token")
    }

    /// Where in the notification's body the rendered message's `pointer` comes from.
    pub(super) fn source_of(&self, pointer: &str) -> String {
        if !self.content.has_portable() && self.content.fcm.is_some() {
            return format!("/content/fcm{pointer}");
        }
        let keys: Vec<&str> = pointer.split('/').skip(1).collect();
        let raw = match *keys.as_slice() {
            [] => false,
            ["data", key, ..] => self.raw_data.has(key),
            ["notification", key, ..] => self.raw_notification.has(key),
            ["android", "notification", key, ..] => self.raw_shown.has(key),
            ["android", key, ..] => self.raw_android.has(key),
            ["webpush", "headers", key, ..] => self.raw_web_headers.has(key),
            ["webpush", key, ..] => self.raw_webpush.has(key),
            ["apns", "headers", key, ..] => self.raw_apns_headers.has(key),
            ["apns", "payload", "aps", key, ..] => self.raw_aps.has(key),
            ["apns", "payload", key, ..] => self.raw_payload.has(key),
            ["apns", key, ..] => self.raw_apns.has(key),
            [key, ..] => self.raw.has(key),
        };
        if raw {
            return format!("/content/fcm{pointer}");
        }
        let portable = match *keys.as_slice() {
            ["data", "link"] if self.content.link.is_some() => "/link",
            ["data", key, ..] => return format!("/content/data/{key}"),
            ["data"] => "/data",
            ["notification", "title"] => "/title",
            ["notification", "body"] => "/body",
            ["notification" | "apns", .., "image"] => "/image",
            ["android", "notification", "sound"] | ["apns", "payload", "aps", "sound", ..] => {
                "/sound"
            }
            ["android", "notification", "notification_count"]
            | ["apns", "payload", "aps", "badge"] => "/badge",
            ["webpush", "fcm_options", "link"] => "/link",
            ["apns", "payload", "aps", "thread-id"] => "/thread",
            ["apns", "payload", "aps", "category"] => "/category",
            ["android", "notification", "tag"] | ["android", "collapse_key"] => {
                return "/options/collapse_id".into();
            }
            _ => "",
        };
        format!("/content{portable}")
    }
}
