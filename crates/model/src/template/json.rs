//! An object of a template (`data`, or a raw part for a gateway): its texts are rendered one by one
//! and then written as JSON texts, so that no value can break out of its place. Keys, numbers and
//! order stay as they were written; a part without templates stays byte for byte.

use super::error::RenderError;
use super::scan::has_tags;
use super::scope::Uses;
use super::text::{Text, TextCompiler};
use minijinja::{Environment, Value};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::cell::RefCell;
use std::fmt;

/// Deepest nesting of a templated object.
pub(super) const MAX_DEPTH: usize = 16;

/// A JSON value, compiled.
#[derive(Debug)]
pub(super) enum Json {
    /// Nothing in it is a template.
    Raw(Box<RawValue>),
    Text(Text),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl TextCompiler<'_> {
    /// Compiles an object at `pointer`.
    pub(super) fn compile_object(
        &mut self,
        pointer: &str,
        raw: &RawValue,
        uses: &mut Uses,
    ) -> Json {
        if !raw.get().starts_with('{') {
            self.problem(
                pointer,
                "",
                None,
                "template.not_an_object",
                "expected a JSON object".to_owned(),
            );
        }
        self.compile_json(pointer, raw, 0, uses)
    }

    fn compile_json(
        &mut self,
        pointer: &str,
        raw: &RawValue,
        depth: usize,
        uses: &mut Uses,
    ) -> Json {
        let unchanged = || Json::Raw(raw.to_owned());
        // `{` may be written as an escape.
        if !has_tags(raw.get()) && !raw.get().contains("\\u007") {
            return unchanged();
        }
        if depth > MAX_DEPTH {
            self.problem(
                pointer,
                "",
                None,
                "template.too_large",
                format!("expected at most {MAX_DEPTH} levels of objects and lists"),
            );
            return unchanged();
        }
        match raw.get().as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<String>(raw.get()) {
                Ok(source) if has_tags(&source) => {
                    Json::Text(self.compile(pointer.to_owned(), &source, uses))
                }
                _ => unchanged(),
            },
            Some(b'[') => {
                let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
                let compiled = entries.into_iter().enumerate().map(|(at, entry)| {
                    self.compile_json(&format!("{pointer}/{at}"), entry, depth + 1, uses)
                });
                Json::List(compiled.collect())
            }
            Some(b'{') => {
                let Fields(fields) = serde_json::from_str(raw.get()).unwrap_or_default();
                let compiled = fields.into_iter().map(|(name, field)| {
                    let pointer = format!("{pointer}/{}", escaped(&name));
                    if has_tags(&name) {
                        self.problem(
                            &pointer,
                            &name,
                            None,
                            "template.key",
                            "expected a plain key: only values may be templates".to_owned(),
                        );
                    }
                    let field = self.compile_json(&pointer, field, depth + 1, uses);
                    (name, field)
                });
                Json::Object(compiled.collect())
            }
            _ => unchanged(),
        }
    }
}

/// A part of a JSON pointer.
pub(super) fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// The fields of an object in their order.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Json {
    /// The JSON for `names`.
    pub(super) fn render(
        &self,
        environment: &Environment<'static>,
        locale: &str,
        names: &Value,
    ) -> Result<Box<RawValue>, RenderError> {
        if let Self::Raw(raw) = self {
            return Ok(raw.clone());
        }
        let rendering = Rendering {
            environment,
            locale,
            names,
            failed: RefCell::new(None),
        };
        let written = to_raw_value(&Part {
            json: self,
            rendering: &rendering,
        });
        written.map_err(|error| {
            let failed = rendering.failed.into_inner();
            failed.unwrap_or_else(|| RenderError {
                locale: locale.to_owned(),
                pointer: String::new(),
                variable: None,
                code: "template.failed",
                message: error.to_string(),
            })
        })
    }
}

struct Rendering<'a> {
    environment: &'a Environment<'static>,
    locale: &'a str,
    names: &'a Value,
    /// Why a text failed: serde's errors carry only sentences.
    failed: RefCell<Option<RenderError>>,
}

struct Part<'a> {
    json: &'a Json,
    rendering: &'a Rendering<'a>,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rendering = self.rendering;
        let part = |json| Part { json, rendering };
        match self.json {
            Json::Raw(raw) => raw.serialize(serializer),
            Json::Text(text) => {
                match text.render(rendering.environment, rendering.locale, rendering.names) {
                    Ok(text) => serializer.serialize_str(&text),
                    Err(error) => {
                        *rendering.failed.borrow_mut() = Some(error);
                        Err(S::Error::custom("a text could not be rendered"))
                    }
                }
            }
            Json::List(entries) => {
                let mut list = serializer.serialize_seq(Some(entries.len()))?;
                for entry in entries {
                    list.serialize_element(&part(entry))?;
                }
                list.end()
            }
            Json::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, field) in fields {
                    map.serialize_entry(name, &part(field))?;
                }
                map.end()
            }
        }
    }
}
