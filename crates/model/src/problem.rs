//! What is wrong with a field of what somebody sent us, in words for that person.

use serde::Serialize;
use std::fmt;

/// One bad field. `pointer` is a JSON pointer (RFC 6901) into the request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// Where, e.g. `/content/badge`. Empty for the whole body.
    pub pointer: String,
    /// Stable dotted code of the rule, e.g. `apns.priority_for_background`.
    pub code: &'static str,
    /// What was expected, what was found, what to do.
    pub message: String,
    /// Line in that text, from 1, where the field is a text with a language of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl FieldProblem {
    /// A problem at `pointer`.
    pub fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            message: message.into(),
            line: None,
            column: None,
        }
    }

    /// The place in the text. 0 is none.
    #[must_use]
    pub fn at(mut self, line: u32, column: u32) -> Self {
        self.line = (line > 0).then_some(line);
        self.column = (column > 0).then_some(column);
        self
    }

    /// The same problem one level further out: `prefix` is put before the pointer.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// The first of them as a sentence, where there is room for one; of none it is empty.
#[must_use]
pub fn first_sentence(problems: &[FieldProblem]) -> String {
    let first = problems.first().map(ToString::to_string);
    first.unwrap_or_default()
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() {
            "body"
        } else {
            &self.pointer
        };
        write!(f, "{place}: {}", self.message)
    }
}
