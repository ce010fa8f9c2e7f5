//! What is wrong with a template when it is stored, and what went wrong when it was rendered.

use crate::problem::FieldProblem;
use std::fmt;

/// What is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The locale that it was found in; empty when it is not of one.
    pub locale: String,
    /// JSON pointer into the definition, e.g. `/content/en/title`.
    pub pointer: String,
    /// Line in that text, from 1; 0 when it is not of a text.
    pub line: u32,
    /// Column in characters, from 1; 0 when it is not of a text.
    pub column: u32,
    /// Stable dotted code, e.g. `template.unknown_variable`.
    pub code: &'static str,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl TemplateProblem {
    pub(super) fn new(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            locale: String::new(),
            pointer: pointer.into(),
            line: 0,
            column: 0,
            code,
            message: message.into(),
        }
    }

    /// As a problem of the request that carried the definition as its body.
    #[must_use]
    pub fn field_problem(&self) -> FieldProblem {
        let message = match self.line {
            0 => self.message.clone(),
            line => format!("line {line}, column {}: {}", self.column, self.message),
        };
        FieldProblem::new(self.pointer.clone(), self.code, message).at(self.line, self.column)
    }
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.field_problem().fmt(f)
    }
}

/// Why a template could not be rendered for somebody. Trying again does not help: the data or the
/// template must change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", place(.pointer))]
pub struct RenderError {
    /// The locale of the variant; empty when the variables were refused before one was chosen.
    pub locale: String,
    /// JSON pointer into the definition to the text that failed, e.g. `/content/en/title`; for a
    /// refused variable, to its declaration.
    pub pointer: String,
    /// The variable at fault, as far as it is known.
    pub variable: Option<String>,
    /// Stable dotted code, e.g. `template.undefined`.
    pub code: &'static str,
    /// What was expected, what was found, what to do.
    pub message: String,
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() {
        "template"
    } else {
        pointer
    }
}
