//! Pieces of SQL with their parameters in order, and pairs of them. Values are always parameters.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A bound value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    Text(String),
    Integer(i64),
    Real(f64),
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
        }))
    }
}

/// A piece of SQL; each `?` in it is the next of its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) params: Vec<Param>,
}

impl Sql {
    pub(crate) fn raw(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            params: Vec::new(),
        }
    }

    pub(crate) fn param(param: Param) -> Self {
        Self::default().then_param(param)
    }

    pub(crate) fn then(mut self, next: Self) -> Self {
        self.text.push_str(&next.text);
        self.params.extend(next.params);
        self
    }

    pub(crate) fn then_raw(mut self, text: impl AsRef<str>) -> Self {
        self.text.push_str(text.as_ref());
        self
    }

    pub(crate) fn then_param(mut self, param: Param) -> Self {
        self.text.push('?');
        self.params.push(param);
        self
    }
}

/// What a condition becomes: where SQL can say it exactly, both are the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// True for every device for which the condition holds, and maybe for others.
    pub(crate) over: Sql,
    /// True only for devices for which it holds.
    pub(crate) under: Sql,
}

impl Bounds {
    pub(super) fn exact(sql: Sql) -> Self {
        Self {
            under: sql.clone(),
            over: sql,
        }
    }

    pub(super) fn not(self) -> Self {
        let not = |sql: Sql| match sql.text.as_str() {
            "FALSE" => Sql::raw("TRUE"),
            "TRUE" => Sql::raw("FALSE"),
            _ => Sql::raw("NOT ").then(sql),
        };
        Self {
            over: not(self.under),
            under: not(self.over),
        }
    }

    /// All of them.
    pub(super) fn all(parts: Vec<Self>) -> Self {
        Self::joined(parts, " AND ", "TRUE", "FALSE")
    }

    /// Any of them.
    pub(super) fn any(parts: Vec<Self>) -> Self {
        Self::joined(parts, " OR ", "FALSE", "TRUE")
    }

    fn joined(parts: Vec<Self>, word: &str, idle: &str, decisive: &str) -> Self {
        let (overs, unders) = parts
            .into_iter()
            .map(|part| (part.over, part.under))
            .unzip();
        let joined = |pieces: Vec<Sql>| join(pieces, word, idle, decisive);
        Self {
            over: joined(overs),
            under: joined(unders),
        }
    }
}

/// Joins conditions; what is always so is left out, what decides all decides here.
fn join(pieces: Vec<Sql>, word: &str, idle: &str, decisive: &str) -> Sql {
    if pieces.iter().any(|piece| piece.text == decisive) {
        return Sql::raw(decisive);
    }
    let mut pieces: Vec<Sql> = pieces
        .into_iter()
        .filter(|piece| piece.text != idle)
        .collect();
    match pieces.len() {
        0 => Sql::raw(idle),
        1 => pieces.remove(0),
        _ => {
            let mut joined = Sql::raw("(");
            for (at, piece) in pieces.into_iter().enumerate() {
                if at > 0 {
                    joined = joined.then_raw(word);
                }
                joined = joined.then(piece);
            }
            joined.then_raw(")")
        }
    }
}
