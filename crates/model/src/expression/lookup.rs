//! Where values come from when an expression is evaluated.

use super::ast::{Path, Step};
use crate::UnixMs;
use serde_json::Value;
use std::borrow::Cow;

/// A value that was looked up.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'a> {
    /// Null, and whatever is missing.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number, also whole ones over 63 bits.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Fact<'a>>),
    /// A moment.
    Instant(UnixMs),
    /// An object: equals nothing, and is not null.
    Object,
}

/// Looks paths up. What is missing is [`Fact::Null`].
pub trait Lookup {
    /// The value at `path`.
    fn lookup(&self, path: &Path) -> Fact<'_>;
}

impl<'a> Fact<'a> {
    /// A text that may be missing.
    #[must_use]
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Borrowed(text)))
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(texts: &'a [String]) -> Self {
        Self::List(
            texts
                .iter()
                .map(|text| Self::Text(Cow::Borrowed(text)))
                .collect(),
        )
    }

    /// What stands at `steps` inside `value`.
    #[must_use]
    pub fn within(value: &'a Value, steps: &[Step]) -> Self {
        follow(value, steps).map_or(Self::Null, Self::from)
    }

    /// The same without a borrow.
    #[must_use]
    pub fn into_owned(self) -> Fact<'static> {
        match self {
            Self::Null => Fact::Null,
            Self::Boolean(value) => Fact::Boolean(value),
            Self::Integer(value) => Fact::Integer(value),
            Self::Float(value) => Fact::Float(value),
            Self::Text(text) => Fact::Text(Cow::Owned(text.into_owned())),
            Self::List(entries) => Fact::List(entries.into_iter().map(Fact::into_owned).collect()),
            Self::Instant(at) => Fact::Instant(at),
            Self::Object => Fact::Object,
        }
    }
}

impl<'a> From<&'a Value> for Fact<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Boolean(*value),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Self::Integer(value),
                (None, Some(value)) => Self::Float(value),
                (None, None) => Self::Null,
            },
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(entries) => Self::List(entries.iter().map(Self::from).collect()),
            Value::Object(_) => Self::Object,
        }
    }
}

/// The part of `value` that `steps` lead to.
#[must_use]
pub fn follow<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name.as_str()),
        Step::Index(index) => value.get(*index as usize),
    })
}

/// A JSON object: the path's first name is one of its fields.
impl Lookup for Value {
    fn lookup(&self, path: &Path) -> Fact<'_> {
        self.get(path.root.as_str())
            .map_or(Fact::Null, |value| Fact::within(value, &path.steps))
    }
}
