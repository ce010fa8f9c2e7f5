//! What a value in the JSON of an answer must be.

use crate::problem::FieldProblem;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What one value in the body's JSON is: what it `equals`, or the bounds of a number, or neither, which asks
/// only that it is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// Where: a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// This value, which may be `null`.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub equals: Option<Value>,
    /// A number not below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// A number not above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// A `null` that is written is a value; only what is left out is none.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl ValueRule {
    /// What is wrong with the rule itself; `pointer` is its own.
    pub(super) fn problem(&self, pointer: &str) -> Option<FieldProblem> {
        let is_pointer = self.pointer.is_empty() || self.pointer.starts_with('/');
        if !is_pointer || self.pointer.len() > 256 {
            let message = format!(
                "expected a JSON pointer such as \"/status\" of at most 256 bytes, found {:?}",
                self.pointer.chars().take(60).collect::<String>()
            );
            return Some(FieldProblem::new(
                format!("{pointer}/pointer"),
                "monitor.json",
                message,
            ));
        }
        let asked = [
            self.equals.is_some(),
            self.at_least.is_some() || self.at_most.is_some(),
        ];
        (asked == [true, true]).then(|| {
            let message = "expected either equals, or at_least and at_most, found both";
            FieldProblem::new(pointer, "monitor.json", message)
        })
    }

    /// What is wrong, if anything.
    pub(super) fn fault(&self, body: &Value) -> Option<String> {
        let place = match self.pointer.as_str() {
            "" => "the JSON",
            pointer => pointer,
        };
        let Some(found) = body.pointer(&self.pointer) else {
            return Some(format!("there is no {place} in the JSON of the answer"));
        };
        if let Some(expected) = &self.equals {
            return (!is_same(found, expected))
                .then(|| format!("{place} is {}, expected {}", shown(found), shown(expected)));
        }
        if self.at_least.is_none() && self.at_most.is_none() {
            return None;
        }
        let Some(number) = found.as_f64() else {
            return Some(format!("{place} is {}, expected a number", shown(found)));
        };
        match (self.at_least, self.at_most) {
            (Some(least), _) if number < least => {
                Some(format!("{place} is {number}, expected at least {least}"))
            }
            (_, Some(most)) if number > most => {
                Some(format!("{place} is {number}, expected at most {most}"))
            }
            _ => None,
        }
    }
}

/// Numbers are the same where their values are: `1` and `1.0`.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
