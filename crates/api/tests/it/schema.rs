//! Holds answers against the OpenAPI document: is this status and code documented for this
//! operation, and has the body the documented shape?
//!
//! Knows as much of JSON Schema as the document uses, and fails on anything else.

use crate::world::Answer;
use axum::http::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};

/// (operation, status, code); the code is empty for what is no problem.
pub(crate) type Triple = (String, u16, String);

/// The document, and what was seen of it.
#[derive(Clone)]
pub(crate) struct Document {
    root: Arc<Value>,
    seen: Arc<Mutex<BTreeSet<Triple>>>,
}

/// The document is large, and the same in every world: it is made and read once.
static ROOT: LazyLock<Arc<Value>> =
    LazyLock::new(|| Arc::new(serde_json::from_str(&carillon_api::openapi_text()).unwrap()));

static PROMISED: LazyLock<BTreeSet<Triple>> = LazyLock::new(|| {
    let mut triples = BTreeSet::new();
    for (_, item) in ROOT["paths"].as_object().unwrap() {
        for (_, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            for (status, response) in operation["responses"].as_object().unwrap() {
                for code in codes(response) {
                    triples.insert((id.to_owned(), status.parse().unwrap(), code));
                }
            }
        }
    }
    triples
});

impl Document {
    pub(crate) fn of_this_crate() -> Self {
        Self {
            root: Arc::clone(&ROOT),
            seen: Arc::default(),
        }
    }

    /// Every triple that the document promises.
    pub(crate) fn promised() -> &'static BTreeSet<Triple> {
        &PROMISED
    }

    /// Every operation's id.
    pub(crate) fn operations() -> BTreeSet<String> {
        PROMISED.iter().map(|(id, ..)| id.clone()).collect()
    }

    pub(crate) fn seen(&self) -> BTreeSet<Triple> {
        self.seen.lock().unwrap().clone()
    }

    /// Fails when the answer is not as documented; otherwise remembers that it was seen.
    pub(crate) fn check(&self, answer: &Answer) {
        let Some(operation) = self.operation(&answer.method, &answer.path) else {
            assert!(
                matches!(answer.status.as_u16(), 404 | 405),
                "{answer:?} is no operation"
            );
            return;
        };
        let id = operation["operationId"].as_str().unwrap();
        let status = answer.status.as_u16();
        let response = &operation["responses"][status.to_string()];
        let place = format!("{id} {status}");
        assert!(
            response.is_object(),
            "{place} is not documented: {}",
            answer.text()
        );
        let content_type = answer
            .header("content-type")
            .split(';')
            .next()
            .unwrap_or_default();
        let documented = codes(response);
        let code = match content_type {
            "application/problem+json" => answer.json()["code"].as_str().unwrap().to_owned(),
            _ => String::new(),
        };
        assert!(
            documented.contains(&code),
            "{place} {code:?} is not documented"
        );
        if !answer.bytes.is_empty() {
            let content = &response["content"][content_type];
            assert!(
                content.is_object(),
                "{place}: {content_type:?} is not documented"
            );
            let schema = &content["schema"];
            match content_type {
                "application/x-ndjson" => {
                    for line in answer.lines() {
                        self.fits(schema, &line, &place);
                    }
                }
                "text/plain" | "text/markdown" | "text/html" | "text/csv" | "text/event-stream" => {
                }
                _ if schema.is_null() => {}
                _ => self.fits(schema, &answer.json(), &place),
            }
        }
        self.seen
            .lock()
            .unwrap()
            .insert((id.to_owned(), status, code));
    }

    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let path = path.split('?').next().unwrap();
        let segments: Vec<_> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<_> = template.split('/').collect();
            template.len() == segments.len()
                && template
                    .iter()
                    .zip(&segments)
                    .all(|(known, found)| known.starts_with('{') || known == found)
        };
        let paths = self.root["paths"].as_object().unwrap();
        let mut candidates: Vec<_> = paths
            .iter()
            .filter(|(template, _)| fits(template))
            .collect();
        // A word in the path goes before a variable, as in the router.
        candidates.sort_by_key(|(template, _)| template.matches('{').count());
        let item = candidates.first()?.1;
        item.get(method.as_str().to_lowercase())
    }

    fn fits(&self, schema: &Value, value: &Value, place: &str) {
        if let Err(why) = self.problem(schema, value) {
            panic!("{place}: {why}: {value:#}");
        }
    }

    /// What does not fit, of the value and of all in it.
    fn problem(&self, schema: &Value, value: &Value) -> Result<(), String> {
        self.shape(schema, value)?;
        let (Some(fields), Some(known)) = (value.as_object(), self.known(schema)) else {
            return Ok(());
        };
        match fields.keys().find(|name| !known.contains(name.as_str())) {
            Some(name) => Err(format!("{name} is not documented")),
            None => Ok(()),
        }
    }

    /// The fields that a schema names, in all its parts; `None` when it takes any.
    fn known<'s>(&'s self, schema: &'s Value) -> Option<BTreeSet<&'s str>> {
        let schema = self.resolve(schema);
        if schema.get("additionalProperties").is_some() || schema["oneOf"].is_array() {
            return None;
        }
        let own = schema["properties"].as_object().into_iter().flatten();
        let mut names: BTreeSet<_> = own.map(|(name, _)| name.as_str()).collect();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            names.extend(self.known(part)?);
        }
        (!names.is_empty()).then_some(names)
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.root.pointer(&reference[1..]).expect(reference),
            None => schema,
        }
    }

    fn shape(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolve(schema);
        if let Some(variants) = schema["oneOf"].as_array() {
            let mut problems = variants.iter().map(|variant| self.problem(variant, value));
            return match problems.any(|problem| problem.is_ok()) {
                true => Ok(()),
                false => Err(format!("fits none of {variants:?}")),
            };
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.shape(part, value)?;
        }
        kind(&schema["type"], value)?;
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("expected one of {words:?}, found {value}"));
        }
        for item in value.as_array().into_iter().flatten() {
            self.problem(&schema["items"], item)?;
        }
        let Some(fields) = value.as_object() else {
            return Ok(());
        };
        let required = schema["required"].as_array().into_iter().flatten();
        let mut required = required.filter_map(Value::as_str);
        if let Some(missing) = required.find(|name| !fields.contains_key(*name)) {
            return Err(format!("{missing} is missing"));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(field) = fields.get(name) {
                let inner = self.problem(property, field);
                inner.map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(())
    }
}

/// Whether the value is of the type, or one of the types.
fn kind(types: &Value, value: &Value) -> Result<(), String> {
    let types: Vec<_> = match types {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        Value::Null => return Ok(()),
        other => return Err(format!("unknown type {other}")),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.contains(&is) || is == "integer" && types.contains(&"number");
    if fits {
        Ok(())
    } else {
        Err(format!("expected {types:?}, found {is}"))
    }
}

/// The codes that a response may carry: those of problems, and the empty one for anything else.
fn codes(response: &Value) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let contents = response["content"].as_object();
    for (content_type, content) in contents.into_iter().flatten() {
        if content_type == "application/problem+json" {
            let words = content["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array();
            codes.extend(
                words
                    .unwrap()
                    .iter()
                    .map(|code| code.as_str().unwrap().to_owned()),
            );
        } else {
            codes.insert(String::new());
        }
    }
    if contents.is_none() {
        codes.insert(String::new());
    }
    codes
}
