//! Reads the keys of a JSON object and leaves the values unread.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The keys of a JSON object, in their order, with their values as text.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads an object; `None` if it is none.
    pub(crate) fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Reads an object from text that is nothing but that.
    pub(crate) fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    pub(crate) fn get(&self, wanted: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(key, _)| key == wanted)
            .map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, wanted: &str) -> bool {
        self.get(wanted).is_some()
    }

    /// As [`Self::has`], whatever the case of ASCII letters: for names of headers.
    pub(crate) fn has_in_any_case(&self, wanted: &str) -> bool {
        self.0
            .iter()
            .any(|(key, _)| key.eq_ignore_ascii_case(wanted))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    entries.push((name.0, map.next_value()?));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A key that borrows where it can: serde's own `Cow<str>` never does.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_values_are_not() {
        let raw: Box<RawValue> =
            serde_json::from_str(r#"{"a":{"b":[1,2]},"c\u0064":"x","a":3}"#).unwrap();
        let object = Object::read(&raw).unwrap();
        assert_eq!(object.get("a").unwrap().get(), r#"{"b":[1,2]}"#);
        assert_eq!(object.get("cd").unwrap().get(), r#""x""#);
        assert!(!object.has("b"));
        assert_eq!(object.iter().count(), 3);
        let raw: Box<RawValue> = serde_json::from_str("[1]").unwrap();
        assert!(Object::read(&raw).is_none());
    }
}
