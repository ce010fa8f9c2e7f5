//! A template as the caller writes it and as it is stored: JSON, read strictly.

use crate::content::Urgency;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The body of `PUT /v1/apps/{app}/templates/{name}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateDefinition {
    /// The locale for everybody whom no other fits; one of `content`.
    pub default_locale: String,
    /// What callers must or may give it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, VariableDefinition>,
    /// What it says, by locale (BCP 47).
    pub content: BTreeMap<String, ContentTemplate>,
    /// The category of the notifications that it makes: what a user can switch off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// For people who read the list of templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One declared variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableDefinition {
    /// Type that a value must have.
    #[serde(rename = "type")]
    pub kind: VariableKind,
    /// Whether it must be given. Without this, it must unless it has a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// What stands in when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl VariableDefinition {
    /// Whether it must be given.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or(self.default.is_none())
    }
}

/// Types of variables: those of JSON, with whole numbers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VariableKind {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

impl VariableKind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Object => "object",
        }
    }

    /// Whether `value` is of this type. Null is of none.
    #[must_use]
    pub fn holds(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// What a template says in one locale: the fields of [`crate::content::Content`], where every text may
/// hold `{{ … }}`. A field that is not given comes from the more general locale and at last from the
/// default one; `null` says that there is none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContentTemplate {
    /// Title.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub title: Given<String>,
    /// Text.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub body: Given<String>,
    /// Second line of the title.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub subtitle: Given<String>,
    /// Number on the app's icon, or a text that becomes one.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub badge: Given<BadgeTemplate>,
    /// Sound.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub sound: Given<String>,
    /// Address of a picture.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub image: Given<String>,
    /// What a tap opens.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub link: Given<String>,
    /// The app's own data: an object; the texts in it may be templates, its keys not.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub data: Given<Box<RawValue>>,
    /// Groups notifications on the device.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub thread: Given<String>,
    /// Set of actions that the app has registered.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub category: Given<String>,
    /// How much it may interrupt. Never a template.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub urgency: Given<Urgency>,
    /// Raw APNs payload; its texts may be templates.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub apns: Given<Box<RawValue>>,
    /// Raw parts of FCM's message; their texts may be templates.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub fcm: Given<Box<RawValue>>,
    /// Raw message for browsers; its texts may be templates.
    #[serde(skip_serializing_if = "Given::is_inherited")]
    pub webpush: Given<Box<RawValue>>,
}

/// A badge in a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number from 0, or a text such as \"{{ count }}\""
)]
pub enum BadgeTemplate {
    /// Always this.
    Number(u32),
    /// A text that must become a number.
    Text(String),
}

/// A field of a variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Given<T> {
    /// Not written: comes from the more general locale.
    #[default]
    Inherited,
    /// `null`: there is none.
    Nothing,
    /// A value.
    Value(T),
}

impl<T> Given<T> {
    /// Whether it is not written.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        matches!(self, Self::Inherited)
    }
}

impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Inherited | Self::Nothing => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            Some(value) => Self::Value(value),
            None => Self::Nothing,
        })
    }
}
