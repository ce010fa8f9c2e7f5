//! SQLite's words in PostgreSQL's.
//!
//! A text that is PostgreSQL's already comes out as it went in, but for its parameters.

use crate::db::words::{
    Simple, SimpleKind, names, replaced, replaced_calls, simple, squeezed, with_parameters,
};

use std::collections::HashSet;

/// A text, translated.
#[derive(Debug)]
pub(super) struct Text {
    /// As PostgreSQL reads it.
    pub(super) sql: String,
    /// What it does, where that is simple.
    pub(super) simple: Option<Simple>,
}

impl Text {
    pub(super) fn new(sql: &str) -> Self {
        let sql = translated(sql);
        Self {
            simple: simple(&sql),
            sql: numbered(&sql),
        }
    }
}

/// All but the parameters.
fn translated(sql: &str) -> String {
    let mut sql = squeezed(sql);
    if let Some(rest) = sql.strip_prefix("INSERT OR IGNORE ") {
        sql = format!("INSERT {rest} ON CONFLICT DO NOTHING");
    }
    sql = replaced(&(sql + " "), " INDEXED BY ", " ", |_| Some(" ".into()));
    sql.truncate(sql.trim_end().len());
    sql = sql
        // SQLite keeps to the order of the tables then. PostgreSQL decides by its statistics.
        .replace(" CROSS JOIN ", " JOIN ")
        .replace(" LIMIT -1", "")
        .replace("ifnull(", "coalesce(")
        .replace("x''", "CAST('' AS BYTEA)")
        .replace(
            "FROM json_each(tags) j",
            "FROM json_array_elements_text(tags::json) j(value)",
        );
    // The sum of numbers would be a NUMERIC.
    sql = replaced_calls(&sql, "sum", |inside| {
        Some(format!("CAST(sum({}) AS BIGINT)", inside.join(", ")))
    });
    for (ours, theirs) in [("max", "greatest"), ("min", "least")] {
        sql = replaced_calls(&sql, ours, |inside| {
            (inside.len() > 1).then(|| format!("{theirs}({})", inside.join(", ")))
        });
    }
    // A number is no condition, and is shifted by an INTEGER only.
    sql = replaced(&sql, "(?", ") & 1", |inside| {
        let (number, column) = inside.split_once(" >> ")?;
        Some(format!(
            "((?{number} >> CAST({column} AS INTEGER)) & 1) = 1"
        ))
    });
    // The index has its hash, since an address may be longer than an entry of an index.
    sql = replaced(&(sql + " "), "address = ?", " ", |number| {
        let brackets = number.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &number[..number.len() - brackets.len()];
        Some(format!("sha256(address) = sha256(?{number}){brackets} "))
    });
    sql.truncate(sql.trim_end().len());
    // Of a parameter that is asked for NULL before anything else nobody could tell the type.
    let mut seen = HashSet::new();
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql.as_str();
    while let Some(at) = rest.find('?') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = after.split_at(digits);
        let is_first = digits > 0 && seen.insert(number);
        out.push_str(&if is_first && after.starts_with(" IS NULL") {
            format!("CAST(?{number} AS TEXT)")
        } else {
            format!("?{number}")
        });
        rest = after;
    }
    out + rest
}

fn numbered(sql: &str) -> String {
    with_parameters(sql, |number| format!("${number}"))
}

/// Many runs of a statement as one: each parameter is a list, and `types` are those of its entries.
pub(super) fn many(simple: &Simple, types: &[&str]) -> String {
    let lists: Vec<_> = (1..)
        .zip(types)
        .map(|(number, kind)| format!("${number}::{kind}[]"))
        .collect();
    let rows = format!("unnest({}) AS v({})", lists.join(", "), names(types.len()));
    let of_row = |text: &str| with_parameters(text, |number| format!("v.p{number}"));
    let table = &simple.table;
    match &simple.kind {
        SimpleKind::Insert {
            columns,
            values,
            tail,
        } => format!(
            "INSERT INTO {table} ({columns}) SELECT {} FROM {rows} {tail}",
            of_row(values)
        ),
        SimpleKind::Update { sets, condition } => {
            format!(
                "UPDATE {table} SET {} FROM {rows} WHERE {}",
                of_row(sets),
                of_row(condition)
            )
        }
        SimpleKind::Delete { condition } => {
            format!(
                "DELETE FROM {table} USING {rows} WHERE {}",
                of_row(condition)
            )
        }
    }
}

/// A query for many values at once: each row begins with the place of the values that it is for, from 1.
pub(super) fn ahead(source: &str, types: &[&str]) -> String {
    let lists: Vec<_> = (1..)
        .zip(types)
        .map(|(number, kind)| format!("${number}::{kind}[]"))
        .collect();
    let query = with_parameters(&translated(source), |number| format!("these.p{number}"));
    format!(
        "SELECT these.n, q.* FROM unnest({}) WITH ORDINALITY AS these({}, n) CROSS JOIN LATERAL ({query}) q ORDER BY these.n",
        lists.join(", "),
        names(types.len())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for (ours, theirs) in [
            (
                "INSERT OR IGNORE INTO t (a) VALUES (?1)",
                "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING",
            ),
            (
                "SELECT a FROM t INDEXED BY i\n  WHERE b = ?2 LIMIT -1 OFFSET ?1",
                "SELECT a FROM t WHERE b = $2 OFFSET $1",
            ),
            (
                "SELECT a FROM t CROSS JOIN u ON b = c",
                "SELECT a FROM t JOIN u ON b = c",
            ),
            (
                "UPDATE t SET a = max(a, ?3)",
                "UPDATE t SET a = greatest(a, $3)",
            ),
            (
                "SELECT max(a), max(b) FROM t",
                "SELECT max(a), max(b) FROM t",
            ),
            (
                "a AND (?3 >> t.kind) & 1",
                "a AND (($3 >> CAST(t.kind AS INTEGER)) & 1) = 1",
            ),
            (
                "a AND (?3 >> kind) & 1)",
                "a AND (($3 >> CAST(kind AS INTEGER)) & 1) = 1)",
            ),
            (
                "SELECT 1 FROM t WHERE address = ?3",
                "SELECT 1 FROM t WHERE sha256(address) = sha256($3)",
            ),
            (
                "(?4 IS NULL OR a = ?4) AND ?5 IS NULL",
                "(CAST($4 AS TEXT) IS NULL OR a = $4) AND CAST($5 AS TEXT) IS NULL",
            ),
        ] {
            assert_eq!(Text::new(ours).sql, theirs);
        }
        let sums = Text::new("SELECT sum(a) FROM t");
        assert_eq!(sums.sql, "SELECT CAST(sum(a) AS BIGINT) FROM t");
    }

    #[test]
    fn what_is_theirs_already_stays() {
        let sql = "SELECT a #>> '{b,?}' FROM t WHERE c = ANY(string_to_array(?1, ',')) ORDER BY a COLLATE \"C\"";
        assert_eq!(Text::new(sql).sql, sql.replace("?1", "$1"));
    }

    #[test]
    fn many_are_one() {
        let simple = |sql| Text::new(sql).simple.unwrap();
        let types = ["int8", "bytea"];
        assert_eq!(
            many(
                &simple("INSERT INTO t (a, b, c) VALUES (?1, 0, ?2)"),
                &types
            ),
            "INSERT INTO t (a, b, c) SELECT v.p1, 0, v.p2 FROM unnest($1::int8[], $2::bytea[]) AS v(p1, p2) "
        );
        assert_eq!(
            many(
                &simple("UPDATE t SET b = ?2 WHERE a = ?1 AND c = 1"),
                &types
            ),
            "UPDATE t SET b = v.p2 FROM unnest($1::int8[], $2::bytea[]) AS v(p1, p2) WHERE a = v.p1 AND c = 1"
        );
        assert_eq!(
            many(&simple("DELETE FROM t WHERE a = ?1 AND b = ?2"), &types),
            "DELETE FROM t USING unnest($1::int8[], $2::bytea[]) AS v(p1, p2) WHERE a = v.p1 AND b = v.p2"
        );
    }
}
