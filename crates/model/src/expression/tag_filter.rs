//! The value of a `tags` target: an expression over a device, or the short form with three lists.
//!
//! The short form is the same expression written for people who build requests from lists: every tag
//! of `all`, at least one of `any`, and none of `none`.

use super::ast::{Comparison, Condition, Literal, Operand, Path};
use super::{Expression, ExpressionError, MAX_LIST, Vocabulary};
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};

/// Which devices a `tags` target is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected an expression such as \"tags contains 'vip'\", or an object of the lists all, any and none"
)]
pub enum TagFilter {
    /// An expression over a device, e.g. `tags contains 'vip' and not tags contains 'beta'`.
    Expression(String),
    /// Lists of tags.
    Lists(TagLists),
}

/// Tags that a device must have and must not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagLists {
    /// All of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<String>,
    /// At least one of these, when there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<String>,
    /// None of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<String>,
}

impl TagFilter {
    /// The expression that it stands for; problems are placed below `pointer`.
    pub fn expression(&self, pointer: &str) -> Result<Expression, FieldProblem> {
        match self {
            Self::Expression(text) => Expression::parse_in(text, &Vocabulary::DEVICE)
                .map_err(|error: ExpressionError| error.problem(pointer)),
            Self::Lists(lists) => lists.expression(pointer),
        }
    }
}

impl TagLists {
    fn expression(&self, pointer: &str) -> Result<Expression, FieldProblem> {
        let count = self.all.len() + self.any.len() + self.none.len();
        if count == 0 || count > MAX_LIST {
            return Err(FieldProblem::new(
                pointer,
                "target.entries",
                format!(
                    "expected 1 to {MAX_LIST} tags in all, found {count}: for every device use the target {{\"all\": true}}"
                ),
            ));
        }
        let mut parts: Vec<Condition> = texts(&self.all).map(has).collect();
        parts.extend(one_or(texts(&self.any).map(has).collect(), Condition::Any));
        parts.extend(
            one_or(texts(&self.none).map(has).collect(), Condition::Any)
                .map(|any| Condition::Not(Box::new(any))),
        );
        match one_or(parts, Condition::All) {
            Some(condition) => Ok(Expression::from_condition(condition)),
            None => Err(FieldProblem::new(
                pointer,
                "target.entries",
                "expected tags",
            )),
        }
    }
}

fn one_or(
    mut parts: Vec<Condition>,
    join: impl FnOnce(Vec<Condition>) -> Condition,
) -> Option<Condition> {
    if parts.len() > 1 {
        Some(join(parts))
    } else {
        parts.pop()
    }
}

fn texts(tags: &[String]) -> impl Iterator<Item = &str> {
    tags.iter().map(String::as_str)
}

fn has(tag: &str) -> Condition {
    Condition::Compare {
        left: Operand::Path(Path {
            root: "tags".into(),
            steps: Vec::new(),
        }),
        comparison: Comparison::Contains,
        right: Operand::Literal(Literal::Text(tag.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> String {
        let filter: TagFilter = serde_json::from_str(json).unwrap();
        filter.expression("/target/tags").unwrap().to_string()
    }

    #[test]
    fn lists_are_the_same_language() {
        assert_eq!(
            text(r#"{"all":["a","b"],"any":["c","d"],"none":["e"]}"#),
            "tags contains 'a' and tags contains 'b' and (tags contains 'c' or tags contains 'd') and not tags contains 'e'"
        );
        assert_eq!(text(r#"{"any":["it's"]}"#), "tags contains 'it\\'s'");
        assert_eq!(
            text(r#"{"none":["a","b"]}"#),
            "not (tags contains 'a' or tags contains 'b')"
        );
        assert_eq!(
            text(r#""locale startswith 'ko'""#),
            "locale startswith 'ko'"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for json in [r#"{"every":["a"]}"#, "3", r#"["a"]"#] {
            let error = serde_json::from_str::<TagFilter>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains("all, any and none"), "{error}");
        }
        let empty = TagFilter::Lists(TagLists::default());
        assert_eq!(empty.expression("/t").unwrap_err().pointer, "/t");
        let bare = TagFilter::Expression("vip".into());
        let problem = bare.expression("/target/tags").unwrap_err();
        assert!(problem.message.contains("'vip'"), "{problem}");
    }
}
