//! From SQLite's dialect to the one that MySQL and MariaDB share: what they say otherwise, rule by rule.
//!
//! Texts are this crate's own, so this is no parser of SQL: each rule knows the shapes in which the texts have it. A
//! test runs every text of the crate through here and through a real server, so that a new shape is noticed.

use super::tokens::{Kind, Piece, closing, outside, split, tokens, written};

/// A text as MySQL and MariaDB take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) sql: String,
    /// Another text for when nobody asks how many rows it changed.
    pub(super) uncounted: Option<String>,
    /// Which value stands at each `?`, from 0.
    pub(super) values: Vec<usize>,
    pub(super) counts: Counts,
}

/// What the server's count of rows means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Rows that the condition met.
    Met,
    /// One row, which counts twice where it was there.
    Upserted,
    /// One row; that it is there already is an error, which counts as none.
    Inserted,
}

/// Names of ours that are words of theirs.
const RESERVED: [&str; 12] = [
    "condition",
    "cursor",
    "groups",
    "interval",
    "key",
    "keys",
    "limit",
    "range",
    "rank",
    "row",
    "rows",
    "system",
];

/// An index that is another's part there.
const INDEXES: [(&str, &str); 1] = [("timers_set_aside", "timers_due")];

/// Translates one statement.
pub(super) fn translate(sql: &str) -> Translated {
    let mut statement = tokens(sql);
    let counts = conflicts(&mut statement);
    for rule in [
        limited_deletes,
        limited_subqueries,
        derived_names,
        row_values,
        functions,
        json_texts,
        words,
        addresses,
        names,
    ] {
        statement = rule(statement);
    }
    let (sql, values) = written(&statement);
    let uncounted = (counts == Counts::Inserted)
        .then(|| ignoring(&statement))
        .flatten();
    Translated {
        sql,
        uncounted,
        values,
        counts,
    }
}

/// `OR IGNORE`, `OR REPLACE`, `ON CONFLICT`. A row that is there already is the only error that may be passed over, so
/// `INSERT IGNORE`, which passes over all, is not used.
fn conflicts(statement: &mut Vec<Piece>) -> Counts {
    if starts(statement, &["INSERT", "OR", "REPLACE"]) {
        statement.splice(0..3, [Piece::word("REPLACE")]);
        return Counts::Upserted;
    }
    if starts(statement, &["INSERT", "OR", "IGNORE"]) {
        statement.drain(1..3);
        return Counts::Inserted;
    }
    let conflict =
        |at: &usize| statement[*at..].len() > 2 && starts(&statement[*at..], &["ON", "CONFLICT"]);
    let Some(at) = (0..statement.len()).find(conflict) else {
        return Counts::Met;
    };
    let Some(start) = (at..statement.len()).find(|at| statement[*at].is("DO")) else {
        return Counts::Met;
    };
    if starts(&statement[start..], &["DO", "NOTHING"]) {
        statement.truncate(at);
        return Counts::Inserted;
    }
    // DO UPDATE SET
    let update = ["ON", "DUPLICATE", "KEY", "UPDATE"].map(Piece::word);
    statement.splice(at..start + 3, update);
    let mut at = at;
    while at + 2 < statement.len() {
        if statement[at].is("excluded") && statement[at + 1].is(".") {
            let name = statement[at + 2].clone();
            let values = called("VALUES", statement[at].is_spaced, vec![name]);
            statement.splice(at..at + 3, values);
        }
        at += 1;
    }
    Counts::Upserted
}

/// An insert that leaves a row alone that is there already.
fn ignoring(statement: &[Piece]) -> Option<String> {
    let open = statement.iter().position(|token| token.is("("))?;
    let column = &statement.get(open + 1)?.text;
    let (sql, _) = written(statement);
    Some(format!("{sql} ON DUPLICATE KEY UPDATE {column} = {column}"))
}

/// `DELETE FROM t WHERE .. AND a IN (SELECT a .. LIMIT n)` as a join: they know no LIMIT in such a subquery, and would
/// look at each row of the table.
fn limited_deletes(statement: Vec<Piece>) -> Vec<Piece> {
    if !starts(&statement, &["DELETE", "FROM"]) || statement.len() < 5 {
        return statement;
    }
    let Some(condition) = outside(&statement, |token| token.is("WHERE")) else {
        return statement;
    };
    let table = &statement[2];
    let parts = split(&statement[condition + 1..], "AND");
    let limited = parts.iter().position(|part| {
        let is_in = outside(part, |token| token.is("IN"));
        is_in.is_some_and(|at| {
            part.get(at + 2).is_some_and(|token| token.is("SELECT")) && has_limit(&part[at + 1..])
        })
    });
    let Some(limited) = limited else {
        return statement;
    };
    let part = parts[limited];
    let is_in = outside(part, |token| token.is("IN")).unwrap_or_default();
    let columns: Vec<&Piece> = part[..is_in]
        .iter()
        .filter(|token| token.kind == Kind::Word)
        .collect();
    let mut joined = vec![Piece::word("DELETE"), table.clone()];
    joined.extend([Piece::word("FROM"), table.clone(), Piece::word("JOIN")]);
    joined.extend(part[is_in + 1..].iter().cloned());
    joined.extend(tokens(" AS limited ON"));
    for (n, column) in columns.iter().enumerate() {
        let and = if n > 0 { "AND " } else { "" };
        let name = &column.text;
        joined.extend(tokens(&format!(
            " {and}limited.{name} = {}.{name}",
            table.text
        )));
    }
    let rest = parts.iter().enumerate().filter(|(n, _)| *n != limited);
    for (n, (_, part)) in rest.enumerate() {
        joined.push(Piece::word(if n == 0 { "WHERE" } else { "AND" }));
        joined.extend(part.iter().cloned());
    }
    joined
}

/// In what changes rows, a subquery with a LIMIT reads a table of its own, made of its result.
fn limited_subqueries(statement: Vec<Piece>) -> Vec<Piece> {
    let changes = statement
        .first()
        .is_some_and(|first| first.is("DELETE") || first.is("UPDATE"));
    let is_joined = statement.iter().any(|token| token.is("limited"));
    if !changes || is_joined {
        return statement;
    }
    let mut at = 0;
    let mut statement = statement;
    while at + 1 < statement.len() {
        if statement[at].is("(")
            && statement[at + 1].is("SELECT")
            && let Some(end) = closing(&statement, at)
            && has_limit(&statement[at..=end])
        {
            let body: Vec<Piece> = statement[at..=end].to_vec();
            let mut wrapped = tokens(" (SELECT * FROM");
            wrapped.extend(body);
            wrapped.extend(tokens(" AS limited)"));
            let length = wrapped.len();
            statement.splice(at..=end, wrapped);
            at += length;
        }
        at += 1;
    }
    statement
}

/// A subquery that is read from must have a name.
fn derived_names(statement: Vec<Piece>) -> Vec<Piece> {
    let mut statement = statement;
    let mut number = 0;
    let mut at = 1;
    while at < statement.len() {
        let is_read = statement[at - 1].is("FROM") || statement[at - 1].is("JOIN");
        if is_read
            && statement[at].is("(")
            && let Some(end) = closing(&statement, at)
        {
            let next = statement.get(end + 1);
            let has_name = next
                .is_some_and(|next| next.is("AS") || next.kind == Kind::Word && !next.is_keyword());
            if !has_name {
                number += 1;
                statement.splice(end + 1..=end, tokens(&format!(" AS derived{number}")));
            }
        }
        at += 1;
    }
    statement
}

/// `(a, b) > (x, y)`: they would not use an index for it.
fn row_values(statement: Vec<Piece>) -> Vec<Piece> {
    let mut statement = statement;
    let mut at = 0;
    while at < statement.len() {
        if let Some((end, said)) = row_value(&statement, at) {
            let length = said.len();
            statement.splice(at..=end, said);
            at += length;
        }
        at += 1;
    }
    statement
}

fn row_value(statement: &[Piece], at: usize) -> Option<(usize, Vec<Piece>)> {
    let is_row = statement[at].is("(") && !statement.get(at + 1)?.is("SELECT");
    let left = closing(statement, at).filter(|_| is_row)?;
    let sign = statement
        .get(left + 1)
        .filter(|sign| sign.is(">") || sign.is("<"))?;
    let open = left + 2;
    let right = statement
        .get(open)
        .filter(|token| token.is("("))
        .and_then(|_| closing(statement, open))?;
    let left = split(&statement[at + 1..left], ",");
    let values = split(&statement[open + 1..right], ",");
    if left.len() < 2 || left.len() != values.len() {
        return None;
    }
    Some((right, ladder(&left, &values, &sign.text)))
}

/// `(a >= x AND (a > x OR b > y))`, and so on for more columns.
fn ladder(columns: &[&[Piece]], values: &[&[Piece]], sign: &str) -> Vec<Piece> {
    let compared = |sign: &str, is_spaced: bool| -> Vec<Piece> {
        let (mut column, mut value) = (columns[0].to_vec(), values[0].to_vec());
        if let Some(first) = column.first_mut() {
            first.is_spaced = is_spaced;
        }
        if let Some(first) = value.first_mut() {
            first.is_spaced = true;
        }
        column.push(Piece::word(sign));
        column.extend(value);
        column
    };
    if columns.len() == 1 {
        return compared(sign, true);
    }
    let mut said = tokens(" (");
    said.extend(compared(&format!("{sign}="), false));
    said.extend(tokens(" AND ("));
    said.extend(compared(sign, false));
    said.push(Piece::word("OR"));
    said.extend(ladder(&columns[1..], &values[1..], sign));
    said.extend(tokens("))"));
    said
}

/// Functions under another name, and casts.
fn functions(statement: Vec<Piece>) -> Vec<Piece> {
    let mut statement = statement;
    for at in 0..statement.len() {
        let Some(open) = statement
            .get(at + 1)
            .filter(|open| open.is("(") && !open.is_spaced)
        else {
            continue;
        };
        let _ = open;
        let Some(end) = closing(&statement, at + 1) else {
            continue;
        };
        let many = split(&statement[at + 2..end], ",").len() > 1;
        let name = match statement[at].text.as_str() {
            "max" if many => "greatest",
            "min" if many => "least",
            _ => "",
        };
        if !name.is_empty() {
            statement[at].text = name.into();
        }
        if statement[at].is("CAST") {
            let kind = match statement[end - 1].text.as_str() {
                "TEXT" => "CHAR",
                "INTEGER" => "SIGNED",
                "REAL" => "DOUBLE",
                "BLOB" => "BINARY",
                _ => continue,
            };
            statement[end - 1].text = kind.into();
        }
    }
    let mut at = 0;
    while at + 1 < statement.len() {
        if statement[at].is("json_each")
            && let Some(end) = closing(&statement, at + 1)
        {
            statement[at].text = "JSON_TABLE".into();
            let entries = tokens(", '$[*]' COLUMNS (value LONGBLOB PATH '$')");
            statement.splice(end..end, entries);
        }
        at += 1;
    }
    statement
}

/// `column ->> 'path'`.
fn json_texts(statement: Vec<Piece>) -> Vec<Piece> {
    let mut statement = statement;
    while let Some(at) = statement.iter().position(|token| token.is("->>")) {
        if at == 0 || at + 1 >= statement.len() {
            break;
        }
        let is_qualified = at >= 3 && statement[at - 2].is(".");
        let start = if is_qualified { at - 3 } else { at - 1 };
        let is_spaced = statement[start].is_spaced;
        let mut inside: Vec<Piece> = statement[start..at].to_vec();
        inside.extend(tokens(","));
        inside.push(statement[at + 1].clone());
        let extracted = called("JSON_EXTRACT", false, inside);
        let said = called("JSON_UNQUOTE", is_spaced, extracted);
        statement.splice(start..=at + 1, said);
    }
    statement
}

/// Words and signs that are others there.
fn words(statement: Vec<Piece>) -> Vec<Piece> {
    let mut said: Vec<Piece> = Vec::with_capacity(statement.len());
    let mut rest = statement.as_slice();
    while let Some(token) = rest.first() {
        let taken = if starts(rest, &["INDEXED", "BY"]) && rest.len() > 2 {
            let name = rest[2].text.as_str();
            let other = INDEXES.iter().find(|(index, _)| *index == name);
            let name = other.map_or(name, |(_, other)| other);
            said.extend(tokens(&format!(" FORCE INDEX ({name})")));
            3
        } else if starts(rest, &["CROSS", "JOIN"]) {
            said.push(Piece::word("STRAIGHT_JOIN"));
            2
        } else if starts(rest, &["LIMIT", "-", "1"]) || starts(rest, &["LIMIT", "-"]) {
            said.extend(tokens(" LIMIT 9223372036854775807"));
            3
        } else if starts(rest, &["IS", "NOT", "DISTINCT", "FROM"]) {
            said.push(Piece::word("<=>"));
            4
        } else if token.is("IS")
            && rest
                .get(1)
                .is_some_and(|next| !next.is("NULL") && !next.is("NOT"))
        {
            said.push(Piece::word("<=>"));
            1
        } else {
            said.push(token.clone());
            1
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    said
}

/// Addresses are found by their hash.
fn addresses(statement: Vec<Piece>) -> Vec<Piece> {
    if statement.first().is_some_and(|first| first.is("INSERT")) {
        return statement;
    }
    let mut statement = statement;
    for at in 2..statement.len() {
        let is_asked = statement[at - 2].is("address") && statement[at - 1].is("=");
        if let (true, Kind::Param(_)) = (is_asked, statement[at].kind) {
            let mut value = vec![statement[at].clone()];
            value[0].is_spaced = false;
            value.extend(tokens(", 256"));
            let hash = called("UNHEX", true, called("SHA2", false, value));
            statement[at - 2].text = "address_hash".into();
            statement.splice(at..=at, hash);
            break;
        }
    }
    statement
}

/// Names of ours that they would read as words.
fn names(statement: Vec<Piece>) -> Vec<Piece> {
    let quoted = statement.into_iter().map(|mut token| {
        if token.kind == Kind::Word && RESERVED.contains(&token.text.as_str()) {
            token.text = format!("`{}`", token.text);
        }
        token
    });
    quoted.collect()
}

// === helpers ===

fn starts(statement: &[Piece], words: &[&str]) -> bool {
    statement.len() >= words.len()
        && statement.iter().zip(words).all(|(token, word)| {
            token.is(word) || token.text == *word && token.kind == Kind::Number
        })
}

fn has_limit(subquery: &[Piece]) -> bool {
    let inside = subquery
        .get(1..subquery.len().saturating_sub(1))
        .unwrap_or_default();
    outside(inside, |token| token.is("LIMIT")).is_some()
}

/// A function's call.
fn called(name: &str, is_spaced: bool, inside: Vec<Piece>) -> Vec<Piece> {
    let mut call = tokens(&format!("{name}("));
    call[0].is_spaced = is_spaced;
    let mut inside = inside;
    if let Some(first) = inside.first_mut() {
        first.is_spaced = false;
    }
    call.extend(inside);
    call.extend(tokens(")"));
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        translate(text).sql
    }

    #[test]
    fn conflicts_are_said_otherwise() {
        let upsert = translate(
            "INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO UPDATE SET b = b + excluded.b, c = ?1",
        );
        assert_eq!(
            upsert.sql,
            "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE b = b + VALUES(b), c = ?"
        );
        assert_eq!(
            (upsert.values, upsert.counts),
            (vec![0, 1, 0], Counts::Upserted)
        );
        for text in [
            "INSERT OR IGNORE INTO t (key, b) VALUES (?1, ?2)",
            "INSERT INTO t (key, b) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
        ] {
            let found = translate(text);
            assert_eq!(found.sql, "INSERT INTO t (`key`, b) VALUES (?, ?)");
            assert_eq!(found.counts, Counts::Inserted);
            assert_eq!(
                found.uncounted.unwrap(),
                "INSERT INTO t (`key`, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE `key` = `key`"
            );
        }
        assert_eq!(
            sql("INSERT OR REPLACE INTO t (a) VALUES (?1)"),
            "REPLACE INTO t (a) VALUES (?)"
        );
    }

    #[test]
    fn slices_are_deleted_by_a_join() {
        assert_eq!(
            sql(
                "DELETE FROM t WHERE a = ?1 AND (b, c) IN (SELECT b, c FROM t INDEXED BY i WHERE a = ?1 LIMIT ?2) AND d < ?3"
            ),
            "DELETE t FROM t JOIN (SELECT b, c FROM t FORCE INDEX (i) WHERE a = ? LIMIT ?) AS limited \
             ON limited.b = t.b AND limited.c = t.c WHERE a = ? AND d < ?"
        );
        let found = translate(
            "DELETE FROM t WHERE a = ?1 AND b IN (SELECT b FROM t WHERE a = ?1 LIMIT ?2)",
        );
        assert_eq!(found.values, [0, 1, 0]);
        assert_eq!(
            sql("DELETE FROM t WHERE a <= (SELECT a FROM t LIMIT 1 OFFSET ?2)"),
            "DELETE FROM t WHERE a <= (SELECT * FROM (SELECT a FROM t LIMIT 1 OFFSET ?) AS limited)"
        );
        let plain = "DELETE FROM t WHERE a IN (SELECT a FROM u WHERE b = 1)";
        assert_eq!(sql(plain), plain);
    }

    #[test]
    fn rows_are_compared_column_by_column() {
        let found = translate("SELECT a FROM t WHERE d = 1 AND (a, t.b) > (?1, ?2) ORDER BY a");
        assert_eq!(
            found.sql,
            "SELECT a FROM t WHERE d = 1 AND (a >= ? AND (a > ? OR t.b > ?)) ORDER BY a"
        );
        assert_eq!(found.values, [0, 0, 1]);
        assert_eq!(
            sql("SELECT a FROM t WHERE (a, b, c) < (?1, ?2, ?3)"),
            "SELECT a FROM t WHERE (a <= ? AND (a < ? OR (b <= ? AND (b < ? OR c < ?))))"
        );
    }

    #[test]
    fn single_words_and_functions_are_others() {
        for (ours, theirs) in [
            (
                "SELECT max(a), max(a, ?1), min(b, 0) FROM t",
                "SELECT max(a), greatest(a, ?), least(b, 0) FROM t",
            ),
            (
                "SELECT CAST(a AS TEXT) FROM t",
                "SELECT CAST(a AS CHAR) FROM t",
            ),
            (
                "SELECT count(*) FROM (SELECT 1 FROM t LIMIT ?1)",
                "SELECT count(*) FROM (SELECT 1 FROM t LIMIT ?) AS derived1",
            ),
            (
                "SELECT s.a FROM (SELECT a FROM t) s JOIN u ON u.a = s.a",
                "SELECT s.a FROM (SELECT a FROM t) s JOIN u ON u.a = s.a",
            ),
            (
                "SELECT a FROM t LIMIT -1 OFFSET ?1",
                "SELECT a FROM t LIMIT 9223372036854775807 OFFSET ?",
            ),
            (
                "SELECT a FROM q CROSS JOIN e ON e.a = q.a",
                "SELECT a FROM q STRAIGHT_JOIN e ON e.a = q.a",
            ),
            (
                "SELECT a IS NULL, a IS NOT NULL, a IS ?1 FROM t",
                "SELECT a IS NULL, a IS NOT NULL, a <=> ? FROM t",
            ),
            (
                "SELECT cursor FROM t INDEXED BY timers_set_aside",
                "SELECT `cursor` FROM t FORCE INDEX (timers_due)",
            ),
            (
                "SELECT s ->> '$.a' > 0 FROM t",
                "SELECT JSON_UNQUOTE(JSON_EXTRACT(s, '$.a')) > 0 FROM t",
            ),
            (
                "SELECT 1 FROM json_each(tags) j WHERE j.value = ?1",
                "SELECT 1 FROM JSON_TABLE(tags, '$[*]' COLUMNS (value LONGBLOB PATH '$')) j WHERE j.value = ?",
            ),
            (
                "SELECT a FROM push_tokens WHERE kind = ?2 AND address = ?3",
                "SELECT a FROM push_tokens WHERE kind = ? AND address_hash = UNHEX(SHA2(?, 256))",
            ),
        ] {
            assert_eq!(sql(ours), theirs);
        }
    }
}
