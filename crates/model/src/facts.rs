//! What is known of an event and of a device when conditions are evaluated and templates are
//! rendered. Only views: whoever holds the event or the device lends its parts.

use crate::UnixMs;
use crate::expression::{Fact, Lookup, Path};
use serde_json::{Map, Value};

/// An event, as a trigger sees it.
#[derive(Clone, Copy, Debug)]
pub struct EventFacts<'a> {
    /// What happened, e.g. `comment.created`.
    pub name: &'a str,
    /// What it happened to, e.g. `post_7`.
    pub subject: Option<&'a str>,
    /// The user who did it.
    pub actor: Option<&'a str>,
    /// The caller's data.
    pub data: &'a Map<String, Value>,
}

/// A device with its user.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceFacts<'a> {
    /// The caller's id of the device.
    pub id: Option<&'a str>,
    /// The person, in the caller's words.
    pub user_id: Option<&'a str>,
    /// BCP 47 tag, e.g. `ko-KR`.
    pub locale: Option<&'a str>,
    /// IANA zone, e.g. `Asia/Seoul`.
    pub time_zone: Option<&'a str>,
    /// What it runs on, e.g. `ios`.
    pub platform: Option<&'a str>,
    /// Version of the app.
    pub app_version: Option<&'a str>,
    /// Tags.
    pub tags: &'a [String],
    /// Topics that it is subscribed to.
    pub topics: &'a [String],
    /// When it was last registered or refreshed.
    pub last_seen: Option<UnixMs>,
    /// When it was first registered.
    pub registered: Option<UnixMs>,
    /// The caller's attributes as stored: the text of a JSON object. Read only where it is asked for.
    pub attributes: Option<&'a str>,
}

impl DeviceFacts<'_> {
    /// The attributes, read. Text that is not an object is none.
    #[must_use]
    pub fn read_attributes(&self) -> Option<Value> {
        let value: Value = serde_json::from_str(self.attributes?).ok()?;
        value.is_object().then_some(value)
    }
}

impl Lookup for EventFacts<'_> {
    fn lookup(&self, path: &Path) -> Fact<'_> {
        let text = match path.root.as_str() {
            "data" => {
                let first = match path.steps.first() {
                    Some(crate::expression::Step::Field(name)) => self.data.get(name),
                    Some(crate::expression::Step::Index(_)) => None,
                    None => return Fact::Object,
                };
                return first.map_or(Fact::Null, |value| Fact::within(value, &path.steps[1..]));
            }
            "name" => Some(self.name),
            "subject" => self.subject,
            "actor" => self.actor,
            _ => None,
        };
        leaf(path, text)
    }
}

impl Lookup for DeviceFacts<'_> {
    fn lookup(&self, path: &Path) -> Fact<'_> {
        let text = match path.root.as_str() {
            "tags" => return entries(path, self.tags),
            "topics" => return entries(path, self.topics),
            "attributes" => {
                return match self.read_attributes() {
                    Some(attributes) => Fact::within(&attributes, &path.steps).into_owned(),
                    None => Fact::Null,
                };
            }
            "last_seen" => return moment(path, self.last_seen),
            "registered" => return moment(path, self.registered),
            "language" => self.locale.map(language),
            "id" => self.id,
            "user_id" => self.user_id,
            "locale" => self.locale,
            "time_zone" => self.time_zone,
            "platform" => self.platform,
            "app_version" => self.app_version,
            _ => None,
        };
        leaf(path, text)
    }
}

/// The first part of a locale: `ko` of `ko-KR`.
fn language(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or(locale)
}

fn leaf<'a>(path: &Path, text: Option<&'a str>) -> Fact<'a> {
    if path.steps.is_empty() {
        Fact::text(text)
    } else {
        Fact::Null
    }
}

fn moment(path: &Path, at: Option<UnixMs>) -> Fact<'static> {
    match at.filter(|_| path.steps.is_empty()) {
        Some(at) => Fact::Instant(at),
        None => Fact::Null,
    }
}

fn entries<'a>(path: &Path, texts: &'a [String]) -> Fact<'a> {
    match path.steps.as_slice() {
        [] => Fact::texts(texts),
        [crate::expression::Step::Index(index)] => {
            Fact::text(texts.get(*index as usize).map(String::as_str))
        }
        _ => Fact::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Expression, Vocabulary};

    #[test]
    fn every_name_of_a_device_is_known() {
        let tags = ["vip".to_owned()];
        let device = DeviceFacts {
            id: Some("d1"),
            user_id: Some("u1"),
            locale: Some("ko-KR"),
            time_zone: Some("Asia/Seoul"),
            platform: Some("ios"),
            app_version: Some("2.10.0"),
            tags: &tags,
            topics: &tags,
            attributes: Some(r#"{"plan":"pro","age":30}"#),
            last_seen: Some(5_000),
            registered: Some(1_000),
        };
        for name in Vocabulary::DEVICE
            .names()
            .filter(|name| *name != "attributes")
        {
            let nothing = match name {
                "last_seen" | "registered" => "ago('0s')",
                _ => "null",
            };
            let known = Expression::parse_in(&format!("{name} != {nothing}"), &Vocabulary::DEVICE);
            assert!(known.unwrap().evaluate(&device), "{name}");
        }
        for (text, holds) in [
            ("attributes.plan == 'pro' and attributes.age > 18", true),
            ("attributes.none == null", true),
            ("version(app_version) >= version('2.9')", true),
            ("language == 'ko'", true),
            (
                "tags contains 'vip' and tags[0] == 'vip' and tags[1] == null",
                true,
            ),
            ("locale == 'ko'", false),
            ("last_seen > ago('2s') and registered <= ago('5s')", true),
            ("last_seen == instant('1970-01-01T00:00:05Z')", true),
            ("last_seen < registered", false),
        ] {
            let expression = Expression::parse_in(text, &Vocabulary::DEVICE).unwrap();
            assert_eq!(expression.evaluate_at(&device, 6_000), holds, "{text}");
        }
    }

    #[test]
    fn every_name_of_an_event_is_known() {
        let data = serde_json::json!({"a": {"b": [1, 2]}});
        let event = EventFacts {
            name: "comment.created",
            subject: Some("post_7"),
            actor: Some("ann"),
            data: data.as_object().unwrap(),
        };
        for text in [
            "name == 'comment.created'",
            "subject == 'post_7' and actor == 'ann'",
            "data.a.b[1] == 2 and data.a != null and data.b == null",
        ] {
            let expression = Expression::parse_in(text, &Vocabulary::EVENT).unwrap();
            assert!(expression.evaluate(&event), "{text}");
        }
    }
}
