//! Segments: stored conditions over devices, by name. Only the rules; a store asks the condition of its
//! devices, and the engine sends to those that it means.

mod estimate;

pub use estimate::{Estimate, Sampling, SegmentSample};

use crate::expression::{Expression, Vocabulary};
use crate::nearest::did_you_mean;
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most names that a segment may declare as new.
pub const MAX_NEW_ATTRIBUTES: usize = 64;
/// Longest description, in bytes.
pub const MAX_DESCRIPTION: usize = 1_024;

/// The body of `PUT /v1/apps/{app}/segments/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentDefinition {
    /// An expression over a device, e.g. `tags contains 'vip' and last_seen > ago('30d')`.
    pub filter: String,
    /// Attributes that no device has yet and that are written as they are meant, however much they look
    /// like a mistyped known one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_attributes: Vec<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a filter was when a notification to its segment was accepted: later changes do not touch it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenSegment {
    /// The definition's version.
    pub version: u32,
    /// Its filter.
    pub filter: String,
    /// The campaigns that it asks about, by name: their notifications' numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub campaigns: BTreeMap<String, i64>,
}

/// What is to be said of an attribute that no looked-at device has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFinding {
    /// The sentence, with its place in the filter.
    pub problem: FieldProblem,
    /// Whether it looks like a known one mistyped: then the definition is refused.
    pub is_mistyped: bool,
}

impl SegmentDefinition {
    /// The condition. Comparisons that can hold for nothing are refused.
    ///
    /// # Errors
    /// A problem at `/filter`, with line and column.
    pub fn expression(&self) -> Result<Expression, FieldProblem> {
        Expression::parse_typed(&self.filter, &Vocabulary::SEGMENT)
            .map_err(|error| error.problem("/filter"))
    }

    /// What is wrong with it by itself; pointers are into its own body.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems: Vec<FieldProblem> = self.expression().err().into_iter().collect();
        let count = self.new_attributes.len();
        if count > MAX_NEW_ATTRIBUTES {
            problems.push(FieldProblem::new(
                "/new_attributes",
                "segment.new_attributes",
                format!("expected at most {MAX_NEW_ATTRIBUTES} names, found {count}"),
            ));
        }
        let length = self.description.as_ref().map_or(0, String::len);
        if length > MAX_DESCRIPTION {
            problems.push(FieldProblem::new(
                "/description",
                "segment.description",
                format!("expected at most {MAX_DESCRIPTION} bytes, found {length}"),
            ));
        }
        problems
    }

    /// What is to be said of the attributes that it names. `known` are those of a sample of the App's
    /// devices: what it lacks may be rare or still to come, so only what looks mistyped is refused.
    #[must_use]
    pub fn attribute_findings(&self, known: &[String]) -> Vec<AttributeFinding> {
        let Ok(expression) = self.expression() else {
            return Vec::new();
        };
        let mut findings: Vec<AttributeFinding> = Vec::new();
        let mut told = Vec::new();
        for (name, line, column) in expression.fields_of("attributes") {
            let is_fine = known.contains(&name) || self.new_attributes.contains(&name);
            if is_fine || told.contains(&name) {
                continue;
            }
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            let is_mistyped = !hint.is_empty();
            let message = if is_mistyped {
                format!(
                    "none of the devices that were looked at has the attribute `{name}`{hint} If it is meant as it is written, add it to new_attributes"
                )
            } else if known.is_empty() {
                format!(
                    "none of the devices that were looked at has any attributes: whether `{name}` is one is not known"
                )
            } else {
                format!(
                    "none of the devices that were looked at has the attribute `{name}`: it is rare, still to come, or not what was meant"
                )
            };
            told.push(name);
            findings.push(AttributeFinding {
                problem: FieldProblem::new("/filter", "segment.unknown_attribute", message)
                    .at(line, column),
                is_mistyped,
            });
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(filter: &str) -> SegmentDefinition {
        SegmentDefinition {
            filter: filter.to_owned(),
            new_attributes: Vec::new(),
            description: None,
        }
    }

    #[test]
    fn what_can_hold_for_nothing_is_refused_at_its_token() {
        let table = [
            ("tags == 3", 9, "tags contains"),
            ("3 == tags", 1, "tags contains"),
            ("tags > 'a'", 1, "a list"),
            ("tags contains 3", 15, "a number"),
            ("tags in ['a']", 1, "tags contains"),
            ("tags == null", 9, "null"),
            ("tags", 1, "never true"),
            ("platform == 3", 13, "a number"),
            ("platform\n  in ['ios', 3]", 6, "3"),
            ("platform > true", 12, "a boolean"),
            ("'ios' in platform", 10, "is a text"),
            ("platform contains 3", 19, "a number"),
            ("3 startswith platform", 1, "a number"),
            ("3 in tags", 1, "a text"),
            ("last_seen > 30", 13, "ago('30d')"),
            ("last_seen > '2026-01-31'", 13, "instant("),
            ("attributes.since > ago('3d')", 1, "last_seen or registered"),
            ("last_seen in ['a']", 11, "moments"),
            ("last_seen > ago('soon')", 17, "duration"),
            ("last_seen > ago(30)", 17, "ago('30d')"),
            ("registered < instant('31.1.2026')", 22, "RFC 3339"),
            ("last_seen", 1, "never true"),
            ("lastseen > ago('3d')", 1, "`last_seen`"),
            ("last_seen > agoo('3d')", 13, "`ago`"),
            ("opened", 1, "name it"),
            ("opened(spring)", 8, "in quotes"),
            ("opend('spring')", 1, "`opened`"),
            ("opened('spring') == 3", 21, "a number"),
            ("opened('spring') > ago('3d')", 1, "a moment"),
            ("opened['spring'].at == 'x'", 8, "one campaign"),
        ];
        for (filter, column, part) in table {
            let problem = segment(filter).expression().unwrap_err();
            assert_eq!(problem.pointer, "/filter");
            assert_eq!(problem.column, Some(column), "{filter}: {problem}");
            assert!(problem.message.contains(part), "{filter}: {problem}");
        }
        for filter in [
            "tags == ['a'] or platform == null or platform in ['ios', null]",
            "'a' in tags and ['ios', 3] contains platform",
            "attributes.n > 3 and attributes.vip and attributes.a == attributes.b",
            "last_seen >= registered and registered < ago('0s')",
            "last_seen > instant('2026-01-31T12:00:00+09:00')",
            "user_id == attributes.owner and 'x' in attributes.list",
            "delivered('spring sale') and not opened(\"spring sale\")",
            "opened['spring'] == true",
        ] {
            assert_eq!(segment(filter).problems(), [], "{filter}");
        }
    }

    #[test]
    fn campaigns_are_asked_in_segments_alone() {
        let expression = segment("delivered('a') and\n  not opened('b')").expression();
        let expression = expression.unwrap();
        assert_eq!(expression.to_string(), "delivered('a') and not opened('b')");
        use crate::receipts::ReceiptKind::{Delivered, Opened};
        assert_eq!(
            expression.campaigns(),
            [
                (Delivered, "a".to_owned(), 1, 11),
                (Opened, "b".to_owned(), 2, 14)
            ]
        );
        let error = Expression::parse_in("opened('b')", &Vocabulary::DEVICE).unwrap_err();
        assert!(error.message.contains("stored segments"), "{error}");
        let told = serde_json::json!({"opened": {"b": true}});
        assert!(Expression::parse("opened('b')").unwrap().evaluate(&told));
    }

    #[test]
    fn an_event_has_no_moments() {
        let error = Expression::parse_in("data.at > ago('3d')", &Vocabulary::EVENT).unwrap_err();
        assert_eq!((error.code, error.column), ("expression.types", 11));
    }

    #[test]
    fn an_attribute_that_nobody_has_is_told() {
        let known = ["plan".to_owned(), "city".to_owned()];
        let of = |filter: &str| segment(filter).attribute_findings(&known);
        assert_eq!(
            of("attributes.plan == 'pro' and attributes['city'] != 'x'"),
            []
        );
        let found =
            of("tags contains 'a'\n and attributes.paln == 'pro' or attributes.paln == 'x'");
        assert_eq!(found.len(), 1);
        assert!(found[0].is_mistyped);
        let problem = &found[0].problem;
        assert_eq!((problem.line, problem.column), (Some(2), Some(17)));
        assert!(problem.message.contains("`plan`"), "{problem}");
        assert!(!of("attributes.height > 3")[0].is_mistyped);
        let mut meant = segment("attributes.paln == 'pro'");
        meant.new_attributes = vec!["paln".to_owned()];
        assert_eq!(meant.attribute_findings(&known), []);
        assert!(!segment("attributes.plan == 'pro'").attribute_findings(&[])[0].is_mistyped);
    }
}
