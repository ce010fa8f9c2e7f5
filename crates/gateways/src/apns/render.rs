//! A notification's content as the payload of one push type.
//!
//! A raw payload alone is copied byte for byte. Otherwise the portable fields are written in APNs'
//! terms, and the keys of a raw payload beside them win, those of `aps` one by one.
//!
//! | portable field | in the payload |
//! |---|---|
//! | `title`, `subtitle`, `body` | `aps.alert` |
//! | `badge`, `thread`, `category` | `aps.badge`, `aps.thread-id`, `aps.category` |
//! | `sound` | `aps.sound`; for a Live Activity inside `aps.alert` |
//! | `urgency` | `aps.interruption-level`; `critical` also makes the sound a critical one |
//! | `image` | `image` beside `aps`, and `aps.mutable-content` so that the app's extension fetches it |
//! | `link` | `link` beside `aps` |
//! | `data` | its keys beside `aps` |

use crate::json::Json;
use crate::object::Object;
use carillon_model::UnixMs;
use carillon_model::content::{Content, Urgency};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::PushType;

/// Writes the payload of `content` for `push_type`.
pub(super) fn render(
    push_type: PushType,
    content: &Content,
    now: UnixMs,
) -> Result<Vec<u8>, Vec<FieldProblem>> {
    if let (Some(raw), true) = (&content.apns, content.is_raw_apns()) {
        return Ok(raw.get().as_bytes().to_vec());
    }
    let parts = Parts::read(content)?;
    let problems = parts.misplaced(push_type);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(parts.write(push_type, now))
}

/// Where in the notification's body the rendered payload's `pointer` comes from.
pub(super) fn source_of(content: &Content, pointer: &str) -> String {
    if content.is_raw_apns() {
        return format!("/content/apns{pointer}");
    }
    let Ok(parts) = Parts::read(content) else {
        return "/content".into();
    };
    let mut keys = pointer.split('/').skip(1);
    let (first, second, third) = (keys.next(), keys.next(), keys.next());
    let portable = match (first, second) {
        (None, _) | (Some("aps"), None) => "",
        (Some("aps"), Some(key)) if parts.raw_aps.has(key) => {
            return format!("/content/apns{pointer}");
        }
        (Some("aps"), Some("alert")) => match third {
            Some("title") => "/title",
            Some("subtitle") => "/subtitle",
            Some("body") => "/body",
            Some("sound") => "/sound",
            _ => "",
        },
        (Some("aps"), Some("badge")) => "/badge",
        (Some("aps"), Some("sound")) => "/sound",
        (Some("aps"), Some("thread-id")) => "/thread",
        (Some("aps"), Some("category")) => "/category",
        (Some("aps"), Some("interruption-level")) => "/urgency",
        (Some("aps"), Some("mutable-content")) => "/image",
        (Some("aps"), Some(_)) => return format!("/content/apns{pointer}"),
        (Some(key), _) if parts.raw.has(key) => return format!("/content/apns{pointer}"),
        (Some(key), _) if parts.data.has(key) => return format!("/content/data{pointer}"),
        (Some("image"), _) => "/image",
        (Some("link"), _) => "/link",
        (Some(_), _) => "",
    };
    format!("/content{portable}")
}

/// A content with its JSON parts opened.
struct Parts<'a> {
    content: &'a Content,
    data: Object<'a>,
    raw: Object<'a>,
    raw_aps: Object<'a>,
}

impl<'a> Parts<'a> {
    fn read(content: &'a Content) -> Result<Self, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut open = |raw: Option<&'a serde_json::value::RawValue>, pointer: &str| {
            let Some(raw) = raw else {
                return Object::default();
            };
            Object::read(raw).unwrap_or_else(|| {
                problems.push(FieldProblem::new(
                    pointer,
                    "apns.not_an_object",
                    "expected a JSON object",
                ));
                Object::default()
            })
        };
        let data = open(content.data.as_deref(), "/content/data");
        let raw = open(content.apns.as_deref(), "/content/apns");
        let raw_aps = open(raw.get("aps"), "/content/apns/aps");
        for (key, of, mend) in [
            ("aps", true, "Apple's keys belong into content.apns"),
            (
                "image",
                content.image.is_some(),
                "content.image is written there; use one of them",
            ),
            (
                "link",
                content.link.is_some(),
                "content.link is written there; use one of them",
            ),
        ] {
            if of && data.has(key) {
                problems.push(FieldProblem::new(
                    format!("/content/data/{key}"),
                    "apns.reserved_key",
                    mend,
                ));
            }
        }
        if problems.is_empty() {
            Ok(Self {
                content,
                data,
                raw,
                raw_aps,
            })
        } else {
            Err(problems)
        }
    }

    /// Portable fields that mean nothing in a push of this type.
    fn misplaced(&self, push_type: PushType) -> Vec<FieldProblem> {
        let content = self.content;
        let allowed: &[&str] = match push_type {
            PushType::Alert => return Vec::new(),
            PushType::LiveActivity => &["title", "body", "sound"],
            PushType::Mdm | PushType::Controls | PushType::Widgets => &[],
            _ => &["data"],
        };
        [
            ("title", content.title.is_some()),
            ("subtitle", content.subtitle.is_some()),
            ("body", content.body.is_some()),
            ("badge", content.badge.is_some()),
            ("sound", content.sound.is_some()),
            ("image", content.image.is_some()),
            ("link", content.link.is_some()),
            ("data", content.data.is_some()),
            ("thread", content.thread.is_some()),
            ("category", content.category.is_some()),
            ("urgency", content.urgency.is_some()),
        ]
        .into_iter()
        .filter(|(field, is_given)| *is_given && !allowed.contains(field))
        .map(|(field, _)| {
            let message = format!(
                "means nothing in a push of type {}: leave it out, or write the payload in content.apns",
                push_type.as_str()
            );
            FieldProblem::new(format!("/content/{field}"), "apns.field_for_push_type", message)
        })
        .collect()
    }

    fn write(&self, push_type: PushType, now: UnixMs) -> Vec<u8> {
        let mut json = Json::new();
        json.open();
        let needs_aps = !matches!(
            push_type,
            PushType::Voip | PushType::Complication | PushType::FileProvider | PushType::Mdm
        );
        if needs_aps || self.raw.has("aps") {
            json.key("aps");
            self.write_aps(&mut json, push_type, now);
        }
        for (key, value) in self.data.iter().filter(|(key, _)| !self.raw.has(key)) {
            json.raw(key, value.get());
        }
        for (key, text) in [("image", &self.content.image), ("link", &self.content.link)] {
            if let (Some(text), false) = (text, self.raw.has(key)) {
                json.value(key, text);
            }
        }
        for (key, value) in self.raw.iter().filter(|(key, _)| *key != "aps") {
            json.raw(key, value.get());
        }
        json.close();
        json.into_bytes()
    }

    fn write_aps(&self, json: &mut Json, push_type: PushType, now: UnixMs) {
        let content = self.content;
        let is_free = |key: &str| !self.raw_aps.has(key);
        json.open();
        match push_type {
            PushType::Alert => {
                if is_free("alert") {
                    self.write_alert(json, None);
                }
                if let (Some(badge), true) = (content.badge, is_free("badge")) {
                    json.value("badge", &badge);
                }
                if is_free("sound") {
                    self.write_sound(json);
                }
                for (key, text) in [
                    ("thread-id", &content.thread),
                    ("category", &content.category),
                ] {
                    if let (Some(text), true) = (text, is_free(key)) {
                        json.value(key, text);
                    }
                }
                if let (Some(urgency), true) = (content.urgency, is_free("interruption-level")) {
                    json.value("interruption-level", level(urgency));
                }
                if content.image.is_some() && is_free("mutable-content") {
                    json.value("mutable-content", &1);
                }
            }
            PushType::LiveActivity => {
                if is_free("timestamp") {
                    json.value("timestamp", &(now / 1_000));
                }
                if is_free("alert") {
                    self.write_alert(json, content.sound.as_deref());
                }
            }
            PushType::Background if is_free("content-available") => {
                json.value("content-available", &1)
            }
            PushType::Controls | PushType::Widgets if is_free("content-changed") => {
                json.value("content-changed", &true);
            }
            _ => {}
        }
        for (key, value) in self.raw_aps.iter() {
            json.raw(key, value.get());
        }
        json.close();
    }

    fn write_alert(&self, json: &mut Json, sound: Option<&str>) {
        let content = self.content;
        let texts = [
            ("title", content.title.as_deref()),
            ("subtitle", content.subtitle.as_deref()),
            ("body", content.body.as_deref()),
            ("sound", sound),
        ];
        if texts.iter().all(|(_, text)| text.is_none()) {
            return;
        }
        json.key("alert");
        json.open();
        for (key, text) in texts {
            if let Some(text) = text {
                json.value(key, text);
            }
        }
        json.close();
    }

    /// A critical alert needs a critical sound besides its interruption level, or it stays silent.
    fn write_sound(&self, json: &mut Json) {
        let name = self.content.sound.as_deref();
        match (name, self.content.urgency) {
            (name, Some(Urgency::Critical)) => {
                json.key("sound");
                json.open();
                json.value("critical", &1);
                json.value("name", name.unwrap_or("default"));
                json.value("volume", &1.0);
                json.close();
            }
            (Some(name), _) => json.value("sound", name),
            (None, _) => {}
        }
    }
}

fn level(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Passive => "passive",
        Urgency::Active => "active",
        Urgency::TimeSensitive => "time-sensitive",
        Urgency::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(json: &str) -> Content {
        serde_json::from_str(json).unwrap()
    }

    fn rendered(push_type: PushType, json: &str) -> String {
        String::from_utf8(render(push_type, &content(json), 1_700_000_000_999).unwrap()).unwrap()
    }

    #[test]
    fn a_raw_payload_is_copied_byte_for_byte() {
        let raw = r#"{ "aps": {"alert":"\u0041",  "x": 1e2} }"#;
        assert_eq!(
            rendered(PushType::Alert, &format!(r#"{{"apns":{raw}}}"#)),
            raw
        );
    }

    #[test]
    fn every_portable_field_of_an_alert() {
        let all = r#"{"title":"t","subtitle":"s","body":"b \"q\"","badge":0,"sound":"default","image":"https://x/y.png",
            "link":"app://z","data":{"k":[1, 2]},"thread":"th","category":"c","urgency":"time_sensitive"}"#;
        assert_eq!(
            rendered(PushType::Alert, all),
            r#"{"aps":{"alert":{"title":"t","subtitle":"s","body":"b \"q\""},"badge":0,"sound":"default","thread-id":"th","category":"c","interruption-level":"time-sensitive","mutable-content":1},"k":[1, 2],"image":"https://x/y.png","link":"app://z"}"#
        );
        assert_eq!(
            rendered(PushType::Alert, r#"{"badge":3}"#),
            r#"{"aps":{"badge":3}}"#
        );
        assert_eq!(
            rendered(PushType::Alert, r#"{"body":"b","urgency":"critical"}"#),
            r#"{"aps":{"alert":{"body":"b"},"sound":{"critical":1,"name":"default","volume":1.0},"interruption-level":"critical"}}"#
        );
    }

    #[test]
    fn raw_keys_win_one_by_one() {
        let both = r#"{"title":"t","badge":1,"data":{"a":1,"b":2},"apns":{"aps":{"badge":7,"relevance-score":0.5},"b":"raw"}}"#;
        assert_eq!(
            rendered(PushType::Alert, both),
            r#"{"aps":{"alert":{"title":"t"},"badge":7,"relevance-score":0.5},"a":1,"b":"raw"}"#
        );
    }

    #[test]
    fn what_each_push_type_makes_of_data() {
        let table = [
            (
                PushType::Background,
                r#"{"aps":{"content-available":1},"a":1}"#,
            ),
            (PushType::Voip, r#"{"a":1}"#),
            (PushType::Complication, r#"{"a":1}"#),
            (PushType::FileProvider, r#"{"a":1}"#),
            (PushType::Location, r#"{"aps":{},"a":1}"#),
            (PushType::PushToTalk, r#"{"aps":{},"a":1}"#),
        ];
        for (push_type, expected) in table {
            assert_eq!(rendered(push_type, r#"{"data":{"a":1}}"#), expected);
        }
        assert_eq!(
            rendered(PushType::Controls, "{}"),
            r#"{"aps":{"content-changed":true}}"#
        );
        assert_eq!(
            rendered(PushType::Widgets, "{}"),
            r#"{"aps":{"content-changed":true}}"#
        );
        assert_eq!(
            rendered(
                PushType::LiveActivity,
                r#"{"title":"t","body":"b","sound":"s","apns":{"aps":{"event":"update"}}}"#
            ),
            r#"{"aps":{"timestamp":1700000000,"alert":{"title":"t","body":"b","sound":"s"},"event":"update"}}"#
        );
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let refused = |push_type, json: &str| -> Vec<String> {
            render(push_type, &content(json), 0)
                .unwrap_err()
                .into_iter()
                .map(|problem| problem.pointer)
                .collect()
        };
        assert_eq!(
            refused(PushType::Background, r#"{"title":"t","badge":1}"#),
            ["/content/title", "/content/badge"]
        );
        assert_eq!(
            refused(PushType::LiveActivity, r#"{"data":{}}"#),
            ["/content/data"]
        );
        assert_eq!(
            refused(PushType::Alert, r#"{"data":[1]}"#),
            ["/content/data"]
        );
        assert_eq!(
            refused(PushType::Alert, r#"{"title":"t","apns":7}"#),
            ["/content/apns"]
        );
        assert_eq!(
            refused(PushType::Alert, r#"{"title":"t","apns":{"aps":7}}"#),
            ["/content/apns/aps"]
        );
        assert_eq!(
            refused(PushType::Alert, r#"{"data":{"aps":{}}}"#),
            ["/content/data/aps"]
        );
        assert_eq!(
            refused(PushType::Alert, r#"{"link":"l","data":{"link":1}}"#),
            ["/content/data/link"]
        );
    }

    #[test]
    fn pointers_lead_back_to_what_the_caller_wrote() {
        let portable = content(r#"{"title":"t","data":{"k":1},"apns":{"aps":{"badge":-1},"r":1}}"#);
        for (pointer, source) in [
            ("", "/content"),
            ("/aps", "/content"),
            ("/aps/alert", "/content"),
            ("/aps/alert/title", "/content/title"),
            ("/aps/badge", "/content/apns/aps/badge"),
            ("/aps/sound/name", "/content/sound"),
            ("/aps/thread-id", "/content/thread"),
            ("/aps/event", "/content/apns/aps/event"),
            ("/r", "/content/apns/r"),
            ("/k", "/content/data/k"),
            ("/link", "/content/link"),
            ("/other", "/content"),
        ] {
            assert_eq!(source_of(&portable, pointer), source, "{pointer}");
        }
        let raw = content(r#"{"apns":{"aps":{}}}"#);
        assert_eq!(source_of(&raw, "/aps/badge"), "/content/apns/aps/badge");
        assert_eq!(source_of(&raw, ""), "/content/apns");
    }

    proptest::proptest! {
        /// Whatever the portable fields hold, the payload is JSON in which each of them can be read again.
        #[test]
        fn any_text_survives(title in "\\PC{0,40}", body in "(?s).{0,40}", link in ".{0,20}", key in "[a-z]{1,6}", badge: u32) {
            let data = serde_json::value::to_raw_value(&serde_json::json!({ format!("x{key}"): title })).unwrap();
            let content = Content {
                title: Some(title.clone()),
                body: Some(body.clone()),
                link: Some(link.clone()),
                badge: Some(badge),
                data: Some(data),
                ..Content::default()
            };
            let json = render(PushType::Alert, &content, 0).unwrap();
            let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
            proptest::prop_assert_eq!(&read["aps"]["alert"]["title"], &title);
            proptest::prop_assert_eq!(&read["aps"]["alert"]["body"], &body);
            proptest::prop_assert_eq!(&read["aps"]["badge"], badge);
            proptest::prop_assert_eq!(&read["link"], &link);
            proptest::prop_assert_eq!(&read[format!("x{key}")], &title);
            proptest::prop_assert!(super::super::lint::lint(apns::PushType::Alert, false, &content, &json).is_empty());
        }
    }
}
