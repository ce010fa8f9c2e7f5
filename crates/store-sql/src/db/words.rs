//! What drivers need to know of a text in SQLite's dialect: where its parameters are, and whether it is so simple that
//! many runs of it can be one statement. It knows the words that our commands use, and no more of SQL.

use std::fmt::Write as _;

/// The same text on one line, with one blank where there were several, so that rules need not mind how it was laid out.
/// What stands in quotes stays as it is.
pub(crate) fn squeezed(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut quote = None;
    for c in sql.trim().chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Writes each parameter (`?3`, or `?` for the next one) as `write` says, by its number from 1.
pub(crate) fn with_parameters(sql: &str, mut write: impl FnMut(usize) -> String) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let mut rest = sql;
    let mut next = 1;
    while let Some(at) = rest.find(['?', '\'']) {
        out.push_str(&rest[..at]);
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if found == b'\'' {
            let end = rest.find('\'').map_or(rest.len(), |end| end + 1);
            out.push('\'');
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse().unwrap_or(next);
        rest = &rest[digits..];
        out.push_str(&write(number));
        next = number + 1;
    }
    out.push_str(rest);
    out
}

/// Numbers of a text's parameters in the order in which they stand there.
pub(crate) fn parameters(sql: &str) -> Vec<usize> {
    let mut found = Vec::new();
    with_parameters(sql, |number| {
        found.push(number);
        String::new()
    });
    found
}

/// Replaces `from…to` wherever it stands, where `make` makes something of what is between: text without `from` in it.
pub(crate) fn replaced(
    sql: &str,
    from: &str,
    to: &str,
    mut make: impl FnMut(&str) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(from) {
        let (before, inside) = (&rest[..at], &rest[at + from.len()..]);
        out.push_str(before);
        let made = inside
            .find(to)
            .and_then(|end| Some((make(&inside[..end])?, end)));
        if let Some((made, end)) = made {
            out.push_str(&made);
            rest = &inside[end + to.len()..];
        } else {
            out.push_str(from);
            rest = inside;
        }
    }
    out.push_str(rest);
    out
}

/// Replaces calls of a function, `name(…)`, by what `make` makes of its arguments; `None` leaves one as it is.
pub(crate) fn replaced_calls(
    sql: &str,
    name: &str,
    make: impl Fn(&[&str]) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    let call = format!("{name}(");
    while let Some(at) = rest.find(&call) {
        let inside = &rest[at + call.len()..];
        let is_word = rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let end = closing(inside).filter(|_| !is_word);
        let made = end.and_then(|end| make(&split(&inside[..end], ",")));
        match (made, end) {
            (Some(made), Some(end)) => {
                out.push_str(&rest[..at]);
                out.push_str(&made);
                rest = &inside[end + 1..];
            }
            _ => {
                out.push_str(&rest[..at + call.len()]);
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Where the bracket closes that was opened before this text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.bytes().enumerate() {
        match c {
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Parts of a text between separators that stand in no brackets.
pub(crate) fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start, mut at) = (Vec::new(), 0usize, 0, 0);
    while at < text.len() {
        match text.as_bytes()[at] {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && text[at..].starts_with(separator) => {
                parts.push(text[start..at].trim());
                at += separator.len();
                start = at;
                continue;
            }
            _ => {}
        }
        at += text[at..].chars().next().map_or(1, char::len_utf8);
    }
    parts.push(text[start..].trim());
    parts
}

/// A statement on rows of one table, and nothing else, whose values are its parameters: many runs of it can be one
/// statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Simple {
    /// The table.
    pub(crate) table: String,
    /// What it does.
    pub(crate) kind: SimpleKind,
    /// Parameters that say which row: two runs that have them alike may not be in one statement. Empty: any may.
    pub(crate) keys: Vec<usize>,
    /// How many parameters it has.
    pub(crate) parameters: usize,
}

/// What a [`Simple`] statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SimpleKind {
    /// `INSERT INTO table (columns) VALUES (values) tail`
    Insert {
        columns: String,
        values: String,
        /// From `ON CONFLICT` on.
        tail: String,
    },
    /// `UPDATE table SET sets WHERE condition`
    Update { sets: String, condition: String },
    /// `DELETE FROM table WHERE condition`
    Delete { condition: String },
}

/// Reads a squeezed text as one; `None`: it is not so simple.
pub(crate) fn simple(sql: &str) -> Option<Simple> {
    if let Some(rest) = sql.strip_prefix("INSERT OR IGNORE ") {
        return simple(&format!("INSERT {rest} ON CONFLICT DO NOTHING"));
    }
    if ["SELECT", "RETURNING", "EXISTS"]
        .iter()
        .any(|word| sql.contains(word))
    {
        return None;
    }
    let mut numbers = parameters(sql);
    numbers.sort_unstable();
    numbers.dedup();
    let count = numbers.len();
    if count == 0 || numbers.last() != Some(&count) {
        return None;
    }
    let (table, kind, keys) = if let Some(rest) = sql.strip_prefix("INSERT INTO ") {
        insert(rest)?
    } else if let Some(rest) = sql.strip_prefix("UPDATE ") {
        let (table, rest) = rest.split_once(" SET ")?;
        let (sets, condition) = rest.split_once(" WHERE ")?;
        let keys = keys(condition);
        let changes_key = keys.iter().any(|(column, _)| {
            let assigned = format!("{column} =");
            split(sets, ",")
                .iter()
                .any(|set| set.starts_with(&assigned))
        });
        if keys.is_empty() || changes_key {
            return None;
        }
        let kind = SimpleKind::Update {
            sets: sets.to_owned(),
            condition: condition.to_owned(),
        };
        (
            table,
            kind,
            keys.into_iter().map(|(_, number)| number).collect(),
        )
    } else {
        let (table, condition) = sql.strip_prefix("DELETE FROM ")?.split_once(" WHERE ")?;
        if keys(condition).is_empty() {
            return None;
        }
        let kind = SimpleKind::Delete {
            condition: condition.to_owned(),
        };
        (table, kind, Vec::new())
    };
    let is_name = table
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'_');
    is_name.then(|| Simple {
        table: table.to_owned(),
        kind,
        keys,
        parameters: count,
    })
}

fn insert(rest: &str) -> Option<(&str, SimpleKind, Vec<usize>)> {
    let (table, rest) = rest.split_once(" (")?;
    let (columns, rest) = rest.split_at(closing(rest)?);
    let rest = rest.strip_prefix(") VALUES (")?;
    let (values, tail) = rest.split_at(closing(rest)?);
    let tail = tail[1..].trim();
    let keys = match tail.strip_prefix("ON CONFLICT ") {
        None if tail.is_empty() => Vec::new(),
        Some(conflict) if conflict.ends_with("DO NOTHING") => Vec::new(),
        Some(conflict) if !tail.contains('?') => {
            let named = conflict.strip_prefix('(')?;
            let named = &named[..closing(named)?];
            let (columns, values) = (split(columns, ","), split(values, ","));
            let key = |name: &&str| {
                let at = columns.iter().position(|column| column == name)?;
                number(values.get(at)?)
            };
            split(named, ",").iter().map(key).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let kind = SimpleKind::Insert {
        columns: columns.to_owned(),
        values: values.to_owned(),
        tail: tail.to_owned(),
    };
    Some((table, kind, keys))
}

/// Columns of a condition that must be equal to parameters.
fn keys(condition: &str) -> Vec<(&str, usize)> {
    if condition.contains(" OR ") {
        return Vec::new();
    }
    let equal = |part: &&str| -> Option<(usize, usize)> {
        let (column, value) = part.split_once(" = ")?;
        Some((column.len(), number(value)?))
    };
    split(condition, " AND ")
        .into_iter()
        .filter_map(|part| equal(&part).map(|(length, number)| (&part[..length], number)))
        .collect()
}

/// The number of a parameter that stands alone.
fn number(text: &str) -> Option<usize> {
    text.strip_prefix('?')?.parse().ok()
}

/// `p1, p2, …`: names for so many parameters.
pub(crate) fn names(count: usize) -> String {
    let mut names = String::new();
    for number in 1..=count {
        let comma = if number > 1 { ", " } else { "" };
        // Writing into a String cannot fail.
        let _ = write!(names, "{comma}p{number}");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_outside_of_quotes() {
        let sql = "SELECT '?1''', a FROM t WHERE b = ?2 AND c = ?12 AND d = ? AND e = ?2";
        assert_eq!(parameters(sql), [2, 12, 13, 2]);
        let written = with_parameters(sql, |number| format!("${number}"));
        assert_eq!(
            written,
            "SELECT '?1''', a FROM t WHERE b = $2 AND c = $12 AND d = $13 AND e = $2"
        );
    }

    #[test]
    fn layout_goes_and_quotes_stay() {
        assert_eq!(squeezed(" a\n   b  'c   d' e "), "a b 'c   d' e");
    }

    #[test]
    fn calls_are_replaced_by_their_arguments() {
        let greatest = |sql| {
            replaced_calls(sql, "max", |arguments| match arguments {
                [_, _] => Some(format!("greatest({})", arguments.join(", "))),
                _ => None,
            })
        };
        assert_eq!(
            greatest("max(0, f(a, b) - ?2), max(c)"),
            "greatest(0, f(a, b) - ?2), max(c)"
        );
        assert_eq!(greatest("climax(a, b)"), "climax(a, b)");
    }

    #[test]
    fn what_is_simple() {
        let found = simple(
            "INSERT INTO t (a, b, c) VALUES (?1, 0, ?2) ON CONFLICT (a, c) DO UPDATE SET b = excluded.b",
        );
        let found = found.unwrap();
        assert_eq!(
            (found.table.as_str(), found.keys, found.parameters),
            ("t", vec![1, 2], 2)
        );
        let found = simple("INSERT OR IGNORE INTO t (a) VALUES (?1)").unwrap();
        assert!(found.keys.is_empty());
        let found =
            simple("UPDATE t SET a = ?2, b = NULL WHERE c = ?1 AND d = 1 AND e = ?3").unwrap();
        assert_eq!(found.keys, [1, 3]);
        assert!(
            simple("DELETE FROM t WHERE a = ?1 AND b = ?2")
                .unwrap()
                .keys
                .is_empty()
        );
    }

    #[test]
    fn what_is_not_simple() {
        for sql in [
            "SELECT a FROM t WHERE b = ?1",
            "DELETE FROM t WHERE a IN (SELECT a FROM u WHERE b = ?1)",
            "DELETE FROM t WHERE a < ?1",
            "DELETE FROM t WHERE a = ?1 OR b = ?2",
            "UPDATE t SET a = ?2 WHERE a = ?1",
            "UPDATE t SET a = ?3 WHERE b = ?1",
            "INSERT INTO t (a) VALUES (?1) ON CONFLICT (a) DO UPDATE SET a = ?1",
            "INSERT INTO t (a, b) VALUES (?1, 0) ON CONFLICT (b) DO UPDATE SET a = excluded.a",
            "INSERT INTO t (a) VALUES (1)",
        ] {
            assert_eq!(simple(sql), None, "{sql}");
        }
    }
}
