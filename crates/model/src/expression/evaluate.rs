//! What an expression says about given facts. Total: every expression holds or does not hold.
//!
//! - What is missing is null. Null equals null and nothing else.
//! - `==` needs the same type on both sides (whole numbers and others are one type); lists are equal
//!   entry by entry; an object equals nothing.
//! - `<`, `<=`, `>`, `>=` compare numbers with numbers, texts with texts (by code point) and
//!   versions with versions; anything else does not hold. So `not (a < b)` is not `a >= b` when the
//!   types differ.
//! - `!=` and `not in` are exactly the opposites of `==` and `in`: with different types they hold.
//! - A version that cannot be read is null.
//! - Moments compare with moments only; `ago` counts back from `now`.

use super::ast::{Comparison, Condition, Literal, Moment, Operand};
use super::lookup::{Fact, Lookup};
use super::version::Version;
use crate::UnixMs;
use std::borrow::Cow;
use std::cmp::Ordering;

pub(super) fn holds(condition: &Condition, facts: &dyn Lookup, now: Option<UnixMs>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, facts, now)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, facts, now)),
        Condition::Not(inner) => !holds(inner, facts, now),
        Condition::Is(operand) => fact(operand, facts, now) == Fact::Boolean(true),
        Condition::Compare {
            left: Operand::Version(left),
            comparison,
            right: Operand::Version(right),
        } => versions(
            &fact(left, facts, now),
            *comparison,
            &fact(right, facts, now),
        ),
        Condition::Compare {
            left,
            comparison,
            right,
        } => compared(
            &fact(left, facts, now),
            *comparison,
            &fact(right, facts, now),
        ),
    }
}

fn fact<'a>(operand: &'a Operand, facts: &'a dyn Lookup, now: Option<UnixMs>) -> Fact<'a> {
    match operand {
        Operand::Literal(literal) => literal.fact(),
        Operand::List(entries) => Fact::List(entries.iter().map(Literal::fact).collect()),
        Operand::Path(path) => facts.lookup(path),
        // The parser lets versions only be compared with each other.
        Operand::Version(inner) => fact(inner, facts, now),
        Operand::Moment(moment) => match (moment, now) {
            (Moment::Ago(_), None) => Fact::Null,
            (moment, now) => Fact::Instant(moment.at(now.unwrap_or_default())),
        },
    }
}

impl Literal {
    fn fact(&self) -> Fact<'_> {
        match self {
            Self::Null => Fact::Null,
            Self::Boolean(value) => Fact::Boolean(*value),
            Self::Integer(value) => Fact::Integer(*value),
            Self::Float(value) => Fact::Float(*value),
            Self::Text(text) => Fact::Text(Cow::Borrowed(text)),
        }
    }
}

fn compared(left: &Fact<'_>, comparison: Comparison, right: &Fact<'_>) -> bool {
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::In => is_in(left, right),
        Comparison::NotIn => !is_in(left, right),
        Comparison::Contains => match (left, right) {
            (Fact::List(_), _) => is_in(right, left),
            (Fact::Text(text), Fact::Text(part)) => text.contains(&**part),
            _ => false,
        },
        Comparison::StartsWith => match (left, right) {
            (Fact::Text(text), Fact::Text(start)) => text.starts_with(&**start),
            _ => false,
        },
        Comparison::Less
        | Comparison::LessOrEqual
        | Comparison::Greater
        | Comparison::GreaterOrEqual => {
            order(left, right).is_some_and(|order| fits(order, comparison))
        }
    }
}

fn versions(left: &Fact<'_>, comparison: Comparison, right: &Fact<'_>) -> bool {
    let order = match (readable(left), readable(right)) {
        (Some(left), Some(right)) => Some(left.compare(&right)),
        (None, None) => Some(Ordering::Equal).filter(|_| is_equality(comparison)),
        _ => None,
    };
    match order {
        Some(order) => fits(order, comparison),
        None => comparison == Comparison::NotEqual,
    }
}

fn readable<'a>(fact: &'a Fact<'_>) -> Option<Version<'a>> {
    match fact {
        Fact::Text(text) => Version::parse(text),
        _ => None,
    }
}

fn is_equality(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Equal | Comparison::NotEqual)
}

fn fits(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        _ => false,
    }
}

fn is_in(value: &Fact<'_>, list: &Fact<'_>) -> bool {
    matches!(list, Fact::List(entries) if entries.iter().any(|entry| equal(value, entry)))
}

fn equal(left: &Fact<'_>, right: &Fact<'_>) -> bool {
    match (left, right) {
        (Fact::Null, Fact::Null) => true,
        (Fact::Boolean(a), Fact::Boolean(b)) => a == b,
        (Fact::List(a), Fact::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        _ => order(left, right) == Some(Ordering::Equal),
    }
}

fn order(left: &Fact<'_>, right: &Fact<'_>) -> Option<Ordering> {
    match (left, right) {
        (Fact::Text(a), Fact::Text(b)) => Some(a.cmp(b)),
        (Fact::Integer(a), Fact::Integer(b)) | (Fact::Instant(a), Fact::Instant(b)) => {
            Some(a.cmp(b))
        }
        (Fact::Float(a), Fact::Float(b)) => a.partial_cmp(b),
        (Fact::Integer(a), Fact::Float(b)) => whole_and_float(*a, *b),
        (Fact::Float(a), Fact::Integer(b)) => whole_and_float(*b, *a).map(Ordering::reverse),
        _ => None,
    }
}

/// Exact: a whole number over 2^53 is not rounded to compare it.
fn whole_and_float(whole: i64, float: f64) -> Option<Ordering> {
    const END: f64 = 9_223_372_036_854_775_808.0; // 2^63, exact
    if float.is_nan() {
        None
    } else if float >= END {
        Some(Ordering::Less)
    } else if float < -END {
        Some(Ordering::Greater)
    } else {
        let fraction = 0.0.partial_cmp(&float.fract())?;
        Some(whole.cmp(&(float.trunc() as i64)).then(fraction))
    }
}
