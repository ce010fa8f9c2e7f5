//! One small language for conditions: over the data of an event, and over a device, in `tags` targets
//! and in segments.
//!
//! ```
//! use carillon_model::expression::Expression;
//!
//! let urgent = Expression::parse("data.comment.likes >= 3 and actor not in ['bot', 'ghost']")?;
//! let event = serde_json::json!({"actor": "ann", "data": {"comment": {"likes": 7}}});
//! assert!(urgent.evaluate(&event));
//! # Ok::<(), carillon_model::expression::ExpressionError>(())
//! ```
//!
//! It has no arithmetic, no functions of the caller's and no loops: evaluating takes time in
//! proportion to its text. What is compared how is said in `evaluate.rs`, and for users in
//! `docs/guide/expressions.md`.

mod ast;
mod error;
mod evaluate;
mod lexer;
mod lookup;
mod parser;
mod tag_filter;
mod types;
mod version;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use ast::{Comparison, Condition, Literal, Moment, Operand, Path, Step};
pub use error::ExpressionError;
pub(crate) use error::line_and_column;
pub use lookup::{Fact, Lookup, follow};
pub use tag_filter::{TagFilter, TagLists};
pub use vocabulary::Vocabulary;

use crate::UnixMs;
use crate::receipts::ReceiptKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Most bytes of an expression.
pub const MAX_BYTES: usize = 4_096;
/// Most levels of `not` and parentheses.
pub const MAX_DEPTH: usize = 32;
/// Most conditions, operands and steps of paths.
pub const MAX_NODES: usize = 512;
/// Most entries of a list.
pub const MAX_LIST: usize = 100;

/// A condition that was read and found well formed.
///
/// As JSON it is its text, as written.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    condition: Condition,
}

impl Expression {
    /// Reads `text`, with any names.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        Self::read(text, None, false)
    }

    /// Reads `text`; a name that is not of `vocabulary` is an error that says which was meant.
    pub fn parse_in(text: &str, vocabulary: &Vocabulary) -> Result<Self, ExpressionError> {
        Self::read(text, Some(vocabulary), false)
    }

    /// The same, and a comparison that can hold for nothing, such as `platform == 3`, is an error at the
    /// value that does not fit.
    pub fn parse_typed(text: &str, vocabulary: &Vocabulary) -> Result<Self, ExpressionError> {
        Self::read(text, Some(vocabulary), true)
    }

    fn read(
        text: &str,
        vocabulary: Option<&Vocabulary>,
        is_strict: bool,
    ) -> Result<Self, ExpressionError> {
        Ok(Self {
            text: text.to_owned(),
            condition: parser::parse(text, vocabulary, is_strict)?,
        })
    }

    pub(crate) fn from_condition(condition: Condition) -> Self {
        Self {
            text: condition.to_string(),
            condition,
        }
    }

    /// Whether it holds for what `facts` knows. What is missing is null; see the module. At no time: a
    /// moment of `ago(…)` is null. Vocabularies without moments refuse it.
    #[must_use]
    pub fn evaluate(&self, facts: &dyn Lookup) -> bool {
        evaluate::holds(&self.condition, facts, None)
    }

    /// The same at an instant, from which `ago(…)` counts back.
    #[must_use]
    pub fn evaluate_at(&self, facts: &dyn Lookup, now: UnixMs) -> bool {
        evaluate::holds(&self.condition, facts, Some(now))
    }

    /// The fields of `root` that it names, in the order in which they stand: each name with its line and
    /// column, from 1.
    #[must_use]
    pub fn fields_of(&self, root: &str) -> Vec<(String, u32, u32)> {
        let fields = lexer::fields_of(&self.text, root).into_iter();
        fields
            .map(|(name, at)| {
                let (line, column) = line_and_column(&self.text, at);
                (name, line, column)
            })
            .collect()
    }

    /// The campaigns that it asks about, in the order in which they stand for each kind of receipt: each with its line
    /// and column, from 1.
    #[must_use]
    pub fn campaigns(&self) -> Vec<(ReceiptKind, String, u32, u32)> {
        let of = |kind: ReceiptKind| {
            let fields = self.fields_of(kind.as_str()).into_iter();
            fields.map(move |(name, line, column)| (kind, name, line, column))
        };
        ReceiptKind::ALL.into_iter().flat_map(of).collect()
    }

    /// The tree, e.g. to compile it to another language.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// The text as it was written. `Display` writes the canonical one.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Condition {
    /// Whether it holds for what `facts` knows at `now`. See [`Expression::evaluate_at`].
    #[must_use]
    pub fn holds(&self, facts: &dyn Lookup, now: UnixMs) -> bool {
        evaluate::holds(self, facts, Some(now))
    }
}

impl Path {
    /// Reads a path such as `data.post.author`; a name that is not of `vocabulary` is an error.
    pub fn parse_in(text: &str, vocabulary: &Vocabulary) -> Result<Self, ExpressionError> {
        parser::parse_path(text, Some(vocabulary))
    }
}

/// Equal when they say the same, however they are spaced.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.condition == other.condition
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
