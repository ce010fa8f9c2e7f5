//! Reading paths and query strings. Unknown parameters are errors: a misspelt filter must not pass
//! for no filter.

use crate::problem::{Problem, codes};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query, RawPathParams};
use axum::http::request::Parts;
use carillon_model::device::is_plain_name;
use carillon_model::nearest::did_you_mean;
use carillon_model::problem::FieldProblem;
use serde::de::DeserializeOwned;

/// The path's variables.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for PathOf<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let error = match Path::from_request_parts(parts, state).await {
            Ok(Path(values)) => return Ok(Self(values)),
            Err(error) => error,
        };
        let given = RawPathParams::from_request_parts(parts, state).await;
        let names: Vec<&str> = given.iter().flatten().map(|(name, _)| name).collect();
        let (name, sentence) = path_problem(&error, &names);
        Err(Problem::parameter(name, "query.parameter", sentence))
    }
}

/// Which of the path's variables is wrong, and how. `names` are theirs, in order.
fn path_problem<'m>(error: &'m PathRejection, names: &[&'m str]) -> (&'m str, String) {
    const UNKNOWN: &str = "path";
    let PathRejection::FailedToDeserializePathParams(failure) = error else {
        return (UNKNOWN, error.body_text());
    };
    let (name, value, kind) = match failure.kind() {
        ErrorKind::ParseErrorAtIndex {
            index,
            value,
            expected_type,
        } => (names.get(*index).copied(), value, *expected_type),
        ErrorKind::ParseErrorAtKey {
            key,
            value,
            expected_type,
        } => (Some(key.as_str()), value, *expected_type),
        ErrorKind::ParseError {
            value,
            expected_type,
        } => (names.first().copied(), value, *expected_type),
        ErrorKind::InvalidUtf8InPathParam { key } => {
            let sentence = "expected UTF-8, percent-encoded, found other bytes";
            return (key.as_str(), sentence.to_owned());
        }
        _ => return (UNKNOWN, failure.body_text()),
    };
    let expected = match kind {
        // What is numbered is numbered from 1.
        "u8" | "u16" | "u32" | "u64" => "a whole number from 1, of fitting size",
        "i8" | "i16" | "i32" | "i64" => "a whole number of fitting size",
        "bool" => "true or false",
        other => other,
    };
    let sentence = format!("expected {expected}, found {}", shown(value));
    (name.unwrap_or(UNKNOWN), sentence)
}

/// What was given, quoted and cut.
fn shown(given: &str) -> String {
    format!("{:?}", given.chars().take(40).collect::<String>())
}

/// The query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Params<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(values)) => Ok(Self(values)),
            Err(error) => {
                let text = error.body_text();
                let message = text
                    .rsplit_once("query string: ")
                    .map_or(text.as_str(), |(_, tail)| tail);
                let given = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
                let given = given.map_or_else(|_| Vec::new(), |Query(given)| given);
                let (name, sentence) = query_problem(message, &given);
                Err(Problem::parameter(name, "query.parameter", sentence))
            }
        }
    }
}

/// Which parameter is wrong, and how, of what serde says of a query string. serde has no types for its
/// own errors; the test below holds these words still.
fn query_problem<'m>(message: &'m str, given: &[(String, String)]) -> (&'m str, String) {
    let (name, said) = match message.split_once(": ") {
        Some((name, said)) if !name.contains(' ') => (name, said),
        _ => ("", message),
    };
    if let Some(name) = quoted(said, "missing field `") {
        return (name, "expected this parameter, found none".to_owned());
    }
    if let Some(name) = quoted(said, "duplicate field `") {
        return (name, "expected it once, found it twice".to_owned());
    }
    if let Some(name) = quoted(said, "unknown field `") {
        let known: Vec<&str> = said.split('`').skip(3).step_by(2).collect();
        let hint = did_you_mean(name, known.iter().copied());
        let sentence = match known.as_slice() {
            [] => "there is no such parameter, and none other here: leave it out".to_owned(),
            known => format!(
                "there is no such parameter, expected {}{hint}",
                known.join(", ")
            ),
        };
        return (name, sentence);
    }
    let expected = match said {
        "provided string was not `true` or `false`" => "true or false",
        _ if said.contains("integer")
            || said.contains("digit")
            || said.starts_with("number too") =>
        {
            "a whole number of fitting size"
        }
        _ => {
            return (
                if name.is_empty() { "query" } else { name },
                said.to_owned(),
            );
        }
    };
    let found = given.iter().find(|(given, _)| given == name);
    let found = found.map_or("something else".to_owned(), |(_, found)| shown(found));
    (name, format!("expected {expected}, found {found}"))
}

/// The name in backquotes after `start`.
fn quoted<'m>(said: &'m str, start: &str) -> Option<&'m str> {
    said.strip_prefix(start)?.split('`').next()
}

/// A name that the caller chooses: an App's, a credential's (64) or a device's (128).
pub(crate) fn plain_name(parameter: &str, name: &str, max: usize) -> Result<(), Problem> {
    if is_plain_name(name, max) {
        return Ok(());
    }
    Err(Problem::parameter(parameter, "name.plain", name_rule(max)))
}

/// The same for a name in a body.
pub(crate) fn name_problem(
    pointer: &str,
    code: &'static str,
    name: &str,
    max: usize,
) -> Option<FieldProblem> {
    (!is_plain_name(name, max)).then(|| FieldProblem::new(pointer, code, name_rule(max)))
}

fn name_rule(max: usize) -> String {
    format!("expected 1 to {max} characters of A-Z a-z 0-9 . _ : @ -")
}

/// How many a page may have.
pub(crate) fn limit(asked: Option<u32>, max: u32) -> Result<u32, Problem> {
    match asked {
        None => Ok(max.min(100)),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::parameter(
            "limit",
            "query.limit",
            format!("expected 1 to {max}, found {limit}"),
        )),
    }
}

/// What is wrong with a cursor.
pub(crate) fn bad_cursor(cursor: &str) -> Problem {
    Problem::new(
        &codes::REQUEST_CURSOR,
        format!("{cursor:?} is not a cursor of this list"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Asked {
        after: Option<i64>,
        limit: Option<u32>,
        stale: Option<bool>,
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_named_with_what_was_expected() {
        for (query, name, message) in [
            (
                "lmit=5",
                "lmit",
                "there is no such parameter, expected after, limit, stale; did you mean `limit`?",
            ),
            (
                "after=abc",
                "after",
                "expected a whole number of fitting size, found \"abc\"",
            ),
            (
                "limit=-1",
                "limit",
                "expected a whole number of fitting size, found \"-1\"",
            ),
            (
                "limit=",
                "limit",
                "expected a whole number of fitting size, found \"\"",
            ),
            (
                "stale=yes",
                "stale",
                "expected true or false, found \"yes\"",
            ),
            (
                "after=1&after=2",
                "after",
                "expected it once, found it twice",
            ),
        ] {
            let request = Request::get(format!("/?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let read = Params::<Asked>::from_request_parts(&mut parts, &()).await;
            let Err(problem) = read.map(|Params(asked)| asked) else {
                panic!("{query} was read");
            };
            let told = serde_json::to_value(problem.document(None)).unwrap();
            assert_eq!(told["errors"][0]["pointer"], name, "{told}");
            assert_eq!(told["errors"][0]["message"], message, "{told}");
        }
    }
}
