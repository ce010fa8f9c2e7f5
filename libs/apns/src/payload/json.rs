//! Reads the keys of a JSON object and leaves its values unread.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(super) type Entries<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The keys of a JSON object with their values unread. The error says what it was instead.
pub(super) fn read_object(json: &[u8]) -> Result<Entries<'_>, String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Entries<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::with_capacity(8);
            while let Some(Name(key)) = map.next_key()? {
                entries.push((key, map.next_value()?));
            }
            Ok(entries)
        }
    }

    // serde's own `Cow<str>` never borrows.
    struct Name<'a>(Cow<'a, str>);
    impl<'de> serde::Deserialize<'de> for Name<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Text;
            impl<'de> Visitor<'de> for Text {
                type Value = Name<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a key")
                }

                fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                    Ok(Name(Cow::Borrowed(text)))
                }

                fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                    Ok(Name(Cow::Owned(text.to_owned())))
                }
            }
            deserializer.deserialize_str(Text)
        }
    }

    let mut reader = serde_json::Deserializer::from_slice(json);
    let entries = reader
        .deserialize_map(Keys)
        .and_then(|entries| reader.end().map(|()| entries));
    entries.map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                format!("the body must be a JSON object, found {}", kind_of(json))
            }
            _ => format!("the body is not JSON: {error}"),
        };
        format!("{what}; send one object in UTF-8, not compressed")
    })
}

/// What kind of JSON value begins here, in words.
pub(super) fn kind_of(json: &[u8]) -> &'static str {
    match json.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "something else",
    }
}

pub(super) fn parse<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

pub(super) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Appends a key to a JSON pointer.
pub(super) fn join(pointer: &str, key: &str) -> String {
    // A pointer is made for most keys and shown for few: plain keys cost one allocation.
    if key.contains(['~', '/']) {
        format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
    } else {
        [pointer, "/", key].concat()
    }
}
