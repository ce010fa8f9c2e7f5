//! Why an expression cannot be read, and where.

use crate::problem::FieldProblem;

/// What is wrong with an expression, at the piece of text that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ExpressionError {
    /// Byte offset in the text.
    pub at: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Stable dotted code, e.g. `expression.syntax`.
    pub code: &'static str,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl ExpressionError {
    pub(super) fn new(
        text: &str,
        at: usize,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let (line, column) = line_and_column(text, at);
        Self {
            at,
            line,
            column,
            code,
            message: message.into(),
        }
    }

    /// As a problem of the field at `pointer`.
    #[must_use]
    pub fn problem(&self, pointer: impl Into<String>) -> FieldProblem {
        FieldProblem::new(pointer, self.code, self.to_string()).at(self.line, self.column)
    }
}

/// Line and column (in characters), both from 1, of a byte offset.
pub(crate) fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[start..].chars().count() + 1;
    (line as u32, column as u32)
}
