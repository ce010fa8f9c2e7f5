//! What became of one comparison, and the pieces that comparisons are made of.

use super::sql::{Bounds, Sql};
use carillon_model::expression::Comparison;

/// What became of a comparison.
pub(super) enum Found {
    Exactly(Bounds),
    Nearly(Bounds),
    /// It is the same for every device.
    Known,
    Unsaid,
}

impl Found {
    pub(super) fn map(self, with: impl FnOnce(Bounds) -> Bounds) -> Self {
        match self {
            Self::Exactly(bounds) => Self::Exactly(with(bounds)),
            Self::Nearly(bounds) => Self::Nearly(with(bounds)),
            other => other,
        }
    }

    pub(super) fn bounds(self) -> Option<Bounds> {
        match self {
            Self::Exactly(bounds) | Self::Nearly(bounds) => Some(bounds),
            Self::Known | Self::Unsaid => None,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.with(other, |a, b| Bounds::any(vec![a, b]))
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.with(other, |a, b| Bounds::all(vec![a, b]))
    }

    fn with(self, other: Self, join: impl FnOnce(Bounds, Bounds) -> Bounds) -> Self {
        let is_exact = matches!((&self, &other), (Self::Exactly(_), Self::Exactly(_)));
        match (self.bounds(), other.bounds()) {
            (Some(a), Some(b)) if is_exact => Self::Exactly(join(a, b)),
            (Some(a), Some(b)) => Self::Nearly(join(a, b)),
            _ => Self::Unsaid,
        }
    }
}

pub(super) fn exactly(sql: Sql) -> Found {
    Found::Exactly(Bounds::exact(sql))
}

/// Asks only where a cheap condition holds.
pub(super) fn guarded(guard: Sql, condition: Sql) -> Sql {
    if guard.text == "TRUE" {
        condition
    } else {
        both(guard, condition)
    }
}

pub(super) fn both(a: Sql, b: Sql) -> Sql {
    Sql::raw("(")
        .then(a)
        .then_raw(" AND ")
        .then(b)
        .then_raw(")")
}

pub(super) fn ordered(left: Sql, comparison: Comparison, right: Sql) -> Sql {
    let sign = match comparison {
        Comparison::Less => " < ",
        Comparison::LessOrEqual => " <= ",
        Comparison::Greater => " > ",
        Comparison::GreaterOrEqual => " >= ",
        _ => " = ",
    };
    Sql::raw("(")
        .then(left)
        .then_raw(sign)
        .then(right)
        .then_raw(")")
}

/// The comparison with its sides exchanged.
pub(super) fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        other => other,
    }
}
