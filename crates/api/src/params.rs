//! Reading paths and query strings. Unknown parameters are errors: a misspelt filter must not pass
//! for no filter.

use crate::problem::{Problem, codes};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use carillon_model::device::is_plain_name;
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
        match Path::from_request_parts(parts, state).await {
            Ok(Path(values)) => Ok(Self(values)),
            Err(error) => Err(Problem::parameter("", "query.parameter", error.body_text())),
        }
    }
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
                Err(Problem::parameter("", "query.parameter", message))
            }
        }
    }
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
