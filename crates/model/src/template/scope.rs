//! What a template is rendered with: what is the same for every device, made once, and the device.

use crate::digest::DigestFacts;
use crate::facts::{DeviceFacts, EventFacts};
use minijinja::value::{Enumerator, Object, Value};
use serde_json::Map;
use std::sync::Arc;

/// What is the same for every device of a notification.
#[derive(Clone, Copy, Debug)]
pub struct SharedScope<'a> {
    /// The values of the variables: of the request, or the event's data. More than are declared may
    /// be given; they are not used.
    pub variables: &'a Map<String, serde_json::Value>,
    /// `app.name`.
    pub app_name: &'a str,
    /// `event.name`, `event.subject` and `actor`.
    pub event: Option<EventFacts<'a>>,
    /// `digest.count` and `digest.items`; without one the count is 1 and the only item is the
    /// variables.
    pub digest: Option<&'a DigestFacts>,
}

/// Everything that one rendering sees.
#[derive(Clone, Copy, Debug)]
pub struct RenderScope<'a> {
    /// What is the same for every device.
    pub shared: SharedScope<'a>,
    /// The device.
    pub device: DeviceFacts<'a>,
}

/// The names that Carillon gives, with the fields that each has.
pub(super) const NAMESPACES: &[(&str, Fields)] = &[
    ("actor", Fields::None),
    ("app", Fields::Of(&["name"])),
    (
        "device",
        Fields::Of(&[
            "locale",
            "time_zone",
            "platform",
            "app_version",
            "attributes",
        ]),
    ),
    ("digest", Fields::Of(&["count", "items"])),
    ("event", Fields::Of(&["name", "subject"])),
    ("user", Fields::Of(&["id"])),
];

/// What may follow a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    None,
    Of(&'static [&'static str]),
}

/// Which of the costly parts a template uses; the others are not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) device: bool,
    pub(super) attributes: bool,
    pub(super) digest: bool,
}

impl Uses {
    /// `path` as minijinja names what a template looks up: `device.locale`.
    pub(super) fn add(&mut self, path: &str) {
        let mut parts = path.split('.');
        match (parts.next(), parts.next()) {
            (Some("user"), _) => self.device = true,
            (Some("device"), field) => {
                self.device = true;
                self.attributes |= field.is_none_or(|field| field == "attributes");
            }
            (Some("digest"), _) => self.digest = true,
            _ => {}
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.device |= other.device;
        self.attributes |= other.attributes;
        self.digest |= other.digest;
    }
}

/// Shared values by name, sorted.
#[derive(Debug)]
pub(super) struct Shared(Vec<(Box<str>, Value)>);

impl Shared {
    /// `variables` were checked.
    pub(super) fn new(
        mut variables: Vec<(Box<str>, Value)>,
        scope: &SharedScope<'_>,
        uses: Uses,
    ) -> Self {
        if uses.digest {
            let digest = match scope.digest {
                Some(digest) => object([
                    ("count", Value::from(digest.count)),
                    ("items", digest.items.iter().map(value).collect()),
                ]),
                None => {
                    let item = variables
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.clone()));
                    object([
                        ("count", Value::from(1)),
                        ("items", Value::from(vec![Value::from_pairs(item)])),
                    ])
                }
            };
            variables.push(("digest".into(), digest));
        }
        variables.push((
            "app".into(),
            object([("name", Value::from(scope.app_name))]),
        ));
        if let Some(event) = &scope.event {
            let fields = [
                ("name", Value::from(event.name)),
                ("subject", text(event.subject)),
            ];
            variables.push(("event".into(), object(fields)));
            variables.push(("actor".into(), text(event.actor)));
        }
        variables.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self(variables)
    }

    fn get(&self, name: &str) -> Option<Value> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        Some(self.0.get(at.ok()?)?.1.clone())
    }
}

/// The names of one rendering.
#[derive(Debug)]
pub(super) struct Names {
    shared: Arc<Shared>,
    user_id: Value,
    device: Value,
}

impl Names {
    /// For a text that asks nothing of the device.
    pub(super) fn shared(shared: &Arc<Shared>) -> Value {
        Value::from_object(Self {
            shared: Arc::clone(shared),
            user_id: Value::UNDEFINED,
            device: Value::UNDEFINED,
        })
    }

    pub(super) fn with_device(shared: &Arc<Shared>, device: &DeviceFacts<'_>, uses: Uses) -> Value {
        let attributes = match uses.attributes {
            true => device.read_attributes(),
            false => None,
        };
        let fields = DeviceFields {
            locale: text(device.locale),
            time_zone: text(device.time_zone),
            platform: text(device.platform),
            app_version: text(device.app_version),
            // There are no attributes, and not: nobody knows. So they can be asked for.
            attributes: attributes.as_ref().map_or_else(|| object([]), value),
        };
        Value::from_object(Self {
            shared: Arc::clone(shared),
            user_id: text(device.user_id),
            device: Value::from_object(fields),
        })
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        match name {
            "device" => Some(self.device.clone()),
            "user" => Some(object([("id", self.user_id.clone())])),
            name => self.shared.get(name),
        }
    }
}

#[derive(Debug)]
struct DeviceFields {
    locale: Value,
    time_zone: Value,
    platform: Value,
    app_version: Value,
    attributes: Value,
}

impl Object for DeviceFields {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let field = match name {
            "locale" => &self.locale,
            "time_zone" => &self.time_zone,
            "platform" => &self.platform,
            "app_version" => &self.app_version,
            "attributes" => &self.attributes,
            _ => return None,
        };
        Some(field.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&[
            "locale",
            "time_zone",
            "platform",
            "app_version",
            "attributes",
        ])
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::UNDEFINED, Value::from)
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::from_pairs(fields)
}

/// A JSON value for templates. Null is the same as not there.
pub(super) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::UNDEFINED,
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => {
            if let Some(value) = number.as_i64() {
                Value::from(value)
            } else if let Some(value) = number.as_u64() {
                Value::from(value)
            } else {
                number.as_f64().map_or(Value::UNDEFINED, Value::from)
            }
        }
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(entries) => entries.iter().map(value).collect(),
        serde_json::Value::Object(fields) => Value::from_pairs(
            fields
                .iter()
                .map(|(name, field)| (name.as_str(), value(field))),
        ),
    }
}
