//! Values inside JSON against values that are written out: what is in there has any type.

use super::compile::Compiler;
use super::dialect::{Json, Kind};
use super::found::{Found, both, exactly, guarded, ordered};
use super::sql::{Bounds, Param, Sql};
use carillon_model::expression::{Comparison, Literal};

impl Compiler<'_> {
    /// A value inside JSON and a literal.
    pub(super) fn json(&self, json: &Json, comparison: Comparison, literal: &Literal) -> Found {
        let sql = self.dialect;
        let is_equal = comparison == Comparison::Equal;
        match literal {
            Literal::Null if is_equal => exactly(sql.is(json, Kind::Missing)),
            Literal::Boolean(value) if is_equal => {
                exactly(sql.is(json, if *value { Kind::True } else { Kind::False }))
            }
            Literal::Null | Literal::Boolean(_) => Found::Exactly(self.never()),
            Literal::Text(text) => {
                let value = Sql::param(Param::Text(text.clone()));
                // What is cheap and says no most often comes first.
                let found = both(
                    ordered(json.text.clone(), comparison, value),
                    sql.is(json, Kind::Text),
                );
                exactly(if is_equal {
                    guarded(sql.may_have(json, text), found)
                } else {
                    found
                })
            }
            Literal::Integer(value) => {
                self.number(json, comparison, Param::Integer(*value), *value as f64)
            }
            Literal::Float(value) => self.number(json, comparison, Param::Real(*value), *value),
        }
    }

    /// Whole numbers compare exactly. Others within what reading them may be wrong by.
    fn number(&self, json: &Json, comparison: Comparison, exact: Param, near: f64) -> Found {
        let slack = near.abs() * 1e-12 + 1e-300;
        let (low, high) = (near - slack, near + slack);
        let value = || json.number.clone();
        let real = |comparison, bound| ordered(value(), comparison, Sql::param(Param::Real(bound)));
        let (over, under) = match comparison {
            Comparison::Less | Comparison::LessOrEqual => {
                (real(comparison, high), real(comparison, low))
            }
            Comparison::Greater | Comparison::GreaterOrEqual => {
                (real(comparison, low), real(comparison, high))
            }
            _ => (
                both(
                    real(Comparison::GreaterOrEqual, low),
                    real(Comparison::LessOrEqual, high),
                ),
                self.dialect.truth(false),
            ),
        };
        let whole = |of_real: Sql| {
            Sql::raw("(CASE WHEN NOT ")
                .then(self.dialect.is(json, Kind::Number))
                .then_raw(" THEN ")
                .then(self.dialect.truth(false))
                .then_raw(" WHEN ")
                .then(self.dialect.is_whole(json))
                .then_raw(" THEN ")
                .then(ordered(value(), comparison, Sql::param(exact.clone())))
                .then_raw(" ELSE ")
                .then(of_real)
                .then_raw(" END)")
        };
        // What is far from it is told by one look into the document.
        let near = |condition| {
            let near = match comparison {
                Comparison::Less | Comparison::LessOrEqual => real(comparison, high),
                Comparison::Greater | Comparison::GreaterOrEqual => real(comparison, low),
                _ => real(Comparison::GreaterOrEqual, low),
            };
            both(self.dialect.sure(near), condition)
        };
        Found::Nearly(Bounds {
            over: near(whole(over)),
            under: near(whole(under)),
        })
    }

    /// A list inside JSON and one that is written out.
    pub(super) fn json_list(&self, json: &Json, entries: &[Literal]) -> Found {
        let Some(length) = self.dialect.length(json) else {
            return Found::Unsaid;
        };
        let count = Sql::param(Param::Integer(entries.len() as i64));
        let mut found = exactly(both(
            self.dialect.is(json, Kind::List),
            ordered(length, Comparison::Equal, count),
        ));
        for (at, entry) in entries.iter().enumerate() {
            let Some(inner) = self.dialect.inner(json, at as u32) else {
                return Found::Unsaid;
            };
            found = found.and(self.json(&inner, Comparison::Equal, entry));
        }
        found
    }
}
