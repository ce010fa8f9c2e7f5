//! Reading JSON into types, and saying where it is wrong.
//!
//! The good way is straight from bytes to type. Only when that fails is the body read once more,
//! slowly, to find the JSON pointer of what is wrong.

use crate::problem::{Problem, codes};
use carillon_model::problem::FieldProblem;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};
use std::fmt::Write as _;

/// Reads one JSON document: an object.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    object(bytes).map_err(|error| match field_problem::<T>(bytes, &error) {
        Some(field) => Problem::invalid(vec![field]),
        None => Problem::new(&codes::REQUEST_SYNTAX, sentence(&error)),
    })
}

/// Reads one JSON document: an object, or a list of such.
pub(crate) fn read_one_or_many<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, Problem> {
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        return read(bytes).map(|one| vec![one]);
    }
    serde_json::from_slice(bytes).map_err(|error| match inner_problem::<Vec<T>>(bytes, &error) {
        Some(field) => Problem::invalid(vec![field]),
        None => Problem::new(&codes::REQUEST_SYNTAX, sentence(&error)),
    })
}

/// Reads one line of NDJSON: an object.
pub(crate) fn read_line<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    object(bytes).map_err(|error| {
        let field = field_problem::<T>(bytes, &error);
        Problem::invalid(vec![field.unwrap_or_else(|| {
            let place = format!(
                "{} at column {}",
                without_place(&error.to_string()),
                error.column()
            );
            FieldProblem::new(
                "",
                "line.syntax",
                format!("expected a JSON document in one line: {place}"),
            )
        })])
    })
}

/// serde would take an array for a struct, by position; nobody means that.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    if is_other_than_object(bytes) {
        serde_json::from_slice::<IgnoredAny>(bytes)?;
        return Err(serde::de::Error::custom(NO_OBJECT));
    }
    serde_json::from_slice(bytes)
}

const NO_OBJECT: &str = "invalid type: expected a JSON object";

fn is_other_than_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() != Some(&b'{')
}

/// The field that is wrong; `None` when it is not JSON at all.
fn field_problem<T: DeserializeOwned>(
    bytes: &[u8],
    error: &serde_json::Error,
) -> Option<FieldProblem> {
    if error.classify() == Category::Data && is_other_than_object(bytes) {
        return Some(FieldProblem::new("", "field.type", NO_OBJECT));
    }
    inner_problem::<T>(bytes, error)
}

/// The same for a document that may be of any type.
fn inner_problem<T: DeserializeOwned>(
    bytes: &[u8],
    error: &serde_json::Error,
) -> Option<FieldProblem> {
    // A number where a word of an enum is expected is a syntax error to serde_json, though it is JSON.
    let is_word_missing =
        error.classify() == Category::Syntax && serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    if error.classify() != Category::Data && !is_word_missing {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let message = without_place(&error.inner().to_string()).to_owned();
    let mut pointer = pointer(error.path());
    // serde has no types for its own errors; the tests below hold these words still.
    if message.starts_with("invalid type: unit variant, expected ") {
        return Some(bare_word(&pointer, error.path()));
    }
    let named = |start: &str| {
        message
            .strip_prefix(start)
            .and_then(|rest| rest.split('`').next())
    };
    let (code, inner) = if is_word_missing {
        return Some(word_missing::<T>(bytes, pointer));
    } else if message.starts_with("unknown field") {
        ("field.unknown", None)
    } else if let Some(name) = named("missing field `") {
        ("field.missing", Some(name))
    } else if let Some(name) = named("duplicate field `") {
        ("field.twice", Some(name))
    } else if message.starts_with("invalid type") {
        ("field.type", None)
    } else {
        ("field.value", None)
    };
    if let Some(name) = inner {
        let _ = write!(pointer, "/{}", escape(name));
    }
    Some(FieldProblem::new(pointer, code, plain(&message)))
}

/// A word that only names what may stand there. serde's path has it as a step of its own; the body has not.
fn bare_word(pointer: &str, path: &Path) -> FieldProblem {
    let Some(Segment::Enum { variant }) = path.iter().next_back() else {
        let message = "expected an object with one key, found a bare word";
        return FieldProblem::new(pointer, "field.type", message);
    };
    let step = format!("/{}", escape(variant));
    FieldProblem::new(
        pointer.strip_suffix(step.as_str()).unwrap_or(pointer),
        "field.type",
        format!("expected an object such as {{\"{variant}\": …}}, found the word \"{variant}\""),
    )
}

/// Neither a word nor an object with one key, where that is what may stand there.
fn word_missing<T: DeserializeOwned>(bytes: &[u8], pointer: String) -> FieldProblem {
    let words = known_words::<T>(bytes, &pointer);
    let Some(names) = found_names(bytes, &pointer) else {
        let words = words.as_deref();
        let words = words.unwrap_or("a string that is one of the known words");
        let message = format!("invalid type: expected {words}");
        return FieldProblem::new(pointer, "field.type", message);
    };
    let known = match words.as_deref() {
        Some(words) => format!("exactly one of {}", words.trim_start_matches("one of ")),
        None => "exactly one name".to_owned(),
    };
    let found = match names.as_slice() {
        [] => "none: name one".to_owned(),
        // A JSON value has each name once.
        [name] => format!("{name} more than once: leave out all but one"),
        [others @ .., last] => {
            format!("{} and {last}: leave out all but one", others.join(", "))
        }
    };
    let message = format!("expected {known}; found {found}");
    FieldProblem::new(pointer, "field.one_of", message)
}

/// The names that an object somewhere has, at most four; `None`: there is no object.
fn found_names(bytes: &[u8], pointer: &str) -> Option<Vec<String>> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let names = value.pointer(pointer)?.as_object()?.keys();
    Some(names.take(4).map(|name| format!("`{name}`")).collect())
}

/// Which words may stand somewhere: what serde says of one that may not.
fn known_words<T: DeserializeOwned>(bytes: &[u8], pointer: &str) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    *value.pointer_mut(pointer)? = "?".into();
    let error = serde_json::from_value::<T>(value).err()?.to_string();
    let (_, words) = error.split_once("unknown variant `?`, expected ")?;
    Some(without_place(words).to_owned())
}

/// serde's message in words for people who do not write Rust, and without the string that stood
/// where something else was expected: it may be a secret.
fn plain(message: &str) -> String {
    let mut text = message.to_owned();
    for start in ["invalid type: string ", "invalid value: string "] {
        if let Some((_, expected)) = text
            .strip_prefix(start)
            .and_then(|rest| rest.rsplit_once(", expected "))
        {
            text = format!("{start}found, expected {expected}")
                .replace(" string found", " found a string");
        }
    }
    let words = [
        ("unknown variant", "unknown word"),
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("expected a borrowed string", "expected a string"),
    ];
    for (from, to) in words {
        text = text.replace(from, to);
    }
    let Some((before, kind)) = text.rsplit_once("expected ") else {
        return text;
    };
    let kind = match kind.split_whitespace().next().unwrap_or_default() {
        "struct" => "an object",
        "enum" => "a word or an object with one key",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more, of fitting size",
        "i64" | "i32" => "a whole number",
        "any" => "any JSON value",
        _ => return text,
    };
    format!("{before}expected {kind}")
}

/// JSON pointer (RFC 6901) of a path.
fn pointer(path: &Path) -> String {
    let mut out = String::new();
    for segment in path {
        let _ = match segment {
            Segment::Seq { index } => write!(out, "/{index}"),
            Segment::Map { key } => write!(out, "/{}", escape(key)),
            Segment::Enum { variant } => write!(out, "/{}", escape(variant)),
            Segment::Unknown => Ok(()),
        };
    }
    out
}

pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn sentence(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => format!(
            "expected a JSON document, found its end at line {} column {}",
            error.line(),
            error.column()
        ),
        _ => format!(
            "{} at line {} column {}",
            without_place(&error.to_string()),
            error.line(),
            error.column()
        ),
    }
}

/// serde_json ends its messages with the place; we say it elsewhere.
fn without_place(message: &str) -> &str {
    message
        .rfind(" at line ")
        .map_or(message, |at| &message[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::notification::NotificationRequest;

    fn problem(body: &str) -> (String, String, String) {
        let problem = read::<NotificationRequest>(body.as_bytes()).unwrap_err();
        let document = serde_json::to_value(problem.document(None)).unwrap();
        let field = &document["errors"][0];
        let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
        (text("pointer"), text("code"), text("message"))
    }

    #[test]
    fn the_words_that_may_stand_there_are_told() {
        let (pointer, code, message) = problem(r#"{"target":7,"content":{}}"#);
        assert_eq!((&*pointer, &*code), ("/target", "field.type"));
        assert!(
            message.contains("`devices`") && message.contains("`channel`"),
            "{message}"
        );
        let body = r#"{"target":{"devices":["a"]},"content":{},"options":{"priority":10}}"#;
        let (pointer, _, message) = problem(body);
        assert_eq!(pointer, "/options/priority");
        assert!(message.contains("`high`"), "{message}");
    }

    #[test]
    fn of_alternatives_exactly_one_is_expected() {
        for (target, found) in [
            (r#"{}"#, "none: name one"),
            (
                r#"{"all":true,"devices":["a"]}"#,
                "`all` and `devices`: leave out all but one",
            ),
            (
                r#"{"segment":"vips","tags":"a"}"#,
                "`segment` and `tags`: leave out all but one",
            ),
            (
                r#"{"all":true,"list":"b","topic":"c","x":1,"y":2}"#,
                "`all`, `list`, `topic` and `x`: leave out all but one",
            ),
            (
                r#"{"all":true,"all":true}"#,
                "`all` more than once: leave out all but one",
            ),
        ] {
            let body = format!(r#"{{"target":{target},"content":{{"body":"x"}}}}"#);
            let (pointer, code, message) = problem(&body);
            assert_eq!((&*pointer, &*code), ("/target", "field.one_of"), "{body}");
            assert_eq!(
                message,
                format!(
                    "expected exactly one of `devices`, `users`, `push_tokens`, `all`, `topic`, `tags`, `segment`, `list`, `source`, `channel`; found {found}"
                )
            );
        }
        let steps = br#"{"steps":[{"whom":{"on_call":"web","users":["ann"]}}]}"#;
        let ladder = read::<carillon_model::monitor::LadderDefinition>(steps).unwrap_err();
        let document = serde_json::to_value(ladder.document(None)).unwrap();
        let error = &document["errors"][0];
        assert_eq!(error["pointer"], "/steps/0/whom");
        assert_eq!(
            error["message"],
            "expected exactly one of `on_call`, `next`, `everybody`, `users`; found `on_call` and `users`: leave out all but one"
        );
    }

    #[test]
    fn points_at_what_is_wrong() {
        for (body, pointer, code) in [
            (
                r#"{"target":{"devices":["a"]},"content":{},"colour":1}"#,
                "/colour",
                "field.unknown",
            ),
            (
                r#"{"target":{"devices":["a"]},"content":{"badge":"x"}}"#,
                "/content/badge",
                "field.type",
            ),
            (
                r#"{"target":{"devices":["a"]},"content":{"badge":-1}}"#,
                "/content/badge",
                "field.value",
            ),
            (
                r#"{"target":{"devices":["a"]},"content":{"boddy":"x"}}"#,
                "/content/boddy",
                "field.unknown",
            ),
            (
                r#"{"target":{"devices":["a", 7]},"content":{}}"#,
                "/target/devices/1",
                "field.type",
            ),
            (
                r#"{"target":{"everyone":true},"content":{}}"#,
                "/target",
                "field.value",
            ),
            (r#"{"content":{}}"#, "/target", "field.missing"),
            (
                r#"{"target":{"all":true},"content":{},"content":{}}"#,
                "/content",
                "field.twice",
            ),
            (
                r#"{"target":{"all":true},"content":{},"options":{"priority":"urgent"}}"#,
                "/options/priority",
                "field.value",
            ),
            (
                r#"{"target":{"all":true},"content":{},"options":{"push_type":7}}"#,
                "/options/push_type",
                "field.type",
            ),
            (r#"[]"#, "", "field.type"),
            (r#""x""#, "", "field.type"),
        ] {
            let found = problem(body);
            assert_eq!(
                (found.0.as_str(), found.1.as_str()),
                (pointer, code),
                "{body}: {}",
                found.2
            );
            assert!(!found.2.contains(" at line "), "{}", found.2);
        }
    }

    #[test]
    fn a_bare_word_for_an_object_is_told_where_it_stands() {
        let told = |pointer: &str, word: &str| {
            let message =
                format!("expected an object such as {{\"{word}\": …}}, found the word \"{word}\"");
            (pointer.to_owned(), "field.type".to_owned(), message)
        };
        for word in ["all", "users", "devices", "topic"] {
            let body = format!(r#"{{"target":"{word}","content":{{"body":"x"}}}}"#);
            assert_eq!(problem(&body), told("/target", word), "{body}");
        }
        let steps = br#"{"steps":[{"whom":{"users":["a"]}},{"whom":"users"}]}"#;
        let ladder = read::<carillon_model::monitor::LadderDefinition>(steps).unwrap_err();
        let document = serde_json::to_value(ladder.document(None)).unwrap();
        assert_eq!(document["errors"][0]["pointer"], "/steps/1/whom");
    }

    #[test]
    fn what_is_not_json_says_where() {
        for body in ["", "{", "{\"target\":", "nope", "{} {}", "\u{feff}{}"] {
            let problem = read::<NotificationRequest>(body.as_bytes()).unwrap_err();
            assert!(
                matches!(problem.code().code, "request.syntax" | "request.invalid"),
                "{body:?}"
            );
        }
        let problem = read::<NotificationRequest>(b"{\"target\": nope}").unwrap_err();
        let detail = serde_json::to_value(problem.document(None)).unwrap();
        assert_eq!(detail["code"], "request.syntax");
        assert_eq!(detail["detail"], "expected value at line 1 column 12");
    }

    #[test]
    fn messages_are_for_people_and_keep_secrets() {
        for (message, told) in [
            (
                "invalid type: string \"-----BEGIN, expected \\\"x\\\"\", expected struct SigningKey",
                "invalid type: found a string, expected an object",
            ),
            (
                "invalid type: string \"00fc\", expected a sequence",
                "invalid type: found a string, expected a list",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "invalid value: integer `-1`, expected a whole number, 0 or more, of fitting size",
            ),
            (
                "unknown variant `x`, expected one of `a`, `b`",
                "unknown word `x`, expected one of `a`, `b`",
            ),
            ("missing field `name`", "missing field `name`"),
        ] {
            assert_eq!(plain(message), told);
        }
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(escape("a/b~c"), "a~1b~0c");
    }
}
