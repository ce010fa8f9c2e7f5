//! One statement about many rows, where a text is about one: there is neither `unnest` nor a lateral join that both servers
//! have, and a turn of the network for each row costs more than the row.
//!
//! What a text of ours is about is its first parameter. Where that is compared with a column, once and with nothing else,
//! the column can as well be compared with a list.

use super::*;
use crate::db::kept::key;
use crate::db::words::{parameters, split};

/// How long lists are. What is missing to one of these is filled up with the last value: a list means the same with a value
/// in it twice. Above 1,000 MariaDB would make a table of a list.
pub(super) const LENGTHS: [usize; 3] = [8, 64, 512];

/// Words that make something else of a query when it finds more rows.
const OF_ALL_ROWS: [&str; 9] = [
    " LIMIT ",
    " GROUP BY ",
    " DISTINCT ",
    " UNION ",
    "count(",
    "sum(",
    "total(",
    "EXISTS",
    "RETURNING",
];

/// The text about as many rows as the list is long; its further values come after those of `sql`. A query tells first which
/// row each answer is about. `None`: the text is about something else than one row.
pub(super) fn listed(sql: &str, length: usize) -> Option<String> {
    let numbers = parameters(sql);
    let count = numbers.iter().copied().max()?;
    if numbers.iter().filter(|number| **number == 1).count() != 1
        || sql.matches(" WHERE ").count() != 1
        || OF_ALL_ROWS.iter().any(|word| sql.contains(word))
        || sql.starts_with("INSERT")
    {
        return None;
    }
    let (before, after) = sql.split_once(" WHERE ")?;
    let (condition, order) = match after.split_once(" ORDER BY ") {
        Some((condition, order)) => (condition, format!(" ORDER BY {order}")),
        None => (after, String::new()),
    };
    if condition.contains(" OR ") {
        return None;
    }
    let mut column = None;
    let parts = split(condition, " AND ").into_iter().map(|part| {
        let Some(of) = part.strip_suffix(" = ?1") else {
            return part.to_owned();
        };
        column = Some(of.to_owned());
        let mut list = format!("{of} IN (?1");
        for more in 1..length {
            list.push_str(&format!(", ?{}", count + more));
        }
        list + ")"
    });
    let condition = parts.collect::<Vec<_>>().join(" AND ");
    let column = column?;
    let before = match before.strip_prefix("SELECT ") {
        Some(rest) => format!("SELECT {column}, {rest}"),
        None => before.to_owned(),
    };
    Some(format!("{before} WHERE {condition}{order}"))
}

/// Values of many rows that have all but the first alike.
struct Alike {
    firsts: Vec<i64>,
    rest: Vec<Value>,
}

/// Sorts rows by what they have alike; `None`: the first value of one is no number.
fn alike(rows: &[Vec<Value>]) -> Option<Vec<Alike>> {
    let mut groups: Vec<Alike> = Vec::new();
    let mut at = HashMap::new();
    for row in rows {
        let (Value::Integer(first), rest) = row.split_first()? else {
            return None;
        };
        let place = *at.entry(key(rest)).or_insert_with(|| {
            groups.push(Alike {
                firsts: Vec::new(),
                rest: rest.to_vec(),
            });
            groups.len() - 1
        });
        groups[place].firsts.push(*first);
    }
    Some(groups)
}

impl Alike {
    /// Lists of a length, with what the text about so many wants for values.
    fn lists(mut self) -> Vec<(usize, Vec<Value>)> {
        self.firsts.sort_unstable();
        self.firsts.dedup();
        let mut lists = Vec::new();
        let mut left = &self.firsts[..];
        while let Some(last) = left.last() {
            let fits = LENGTHS.iter().position(|length| left.len() <= *length);
            let which = fits.unwrap_or(LENGTHS.len() - 1);
            let (now, later) = left.split_at(left.len().min(LENGTHS[which]));
            let fill = now.last().unwrap_or(last);
            let mut all = now.iter().chain(std::iter::repeat(fill)).copied();
            let mut values = Vec::with_capacity(self.rest.len() + LENGTHS[which]);
            values.extend(all.next().map(Value::Integer));
            values.extend(self.rest.iter().cloned());
            values.extend(all.take(LENGTHS[which] - 1).map(Value::Integer));
            lists.push((which, values));
            left = later;
        }
        lists
    }
}

impl Link {
    /// The texts about lists of [`LENGTHS`]; `None`: there are none.
    fn about_many(&mut self, handle: usize) -> Result<Option<[usize; LENGTHS.len()]>> {
        let text = self.text(handle)?;
        if let Some(known) = text.listed {
            return Ok(known);
        }
        let source = squeezed(&text.source);
        let texts = LENGTHS.map(|length| listed(&source, length));
        let mut made = texts
            .iter()
            .all(Option::is_some)
            .then_some([0; LENGTHS.len()]);
        for (place, sql) in made.iter_mut().flatten().zip(texts.iter().flatten()) {
            *place = self.prepare(sql)?;
        }
        if let Some(Some(text)) = self.texts.get_mut(handle) {
            text.listed = Some(made);
        }
        Ok(made)
    }

    /// Runs a statement as few ones about many rows each. Gives the rows back where that cannot be, or does not pay.
    pub(super) fn run_listed(
        &mut self,
        handle: usize,
        rows: Vec<Vec<Value>>,
    ) -> Result<Option<Vec<Vec<Value>>>> {
        if rows.len() < 2 {
            return Ok(Some(rows));
        }
        let Some(many) = self.about_many(handle)? else {
            return Ok(Some(rows));
        };
        let Some(groups) = alike(&rows).filter(|groups| groups.len() * 2 <= rows.len()) else {
            return Ok(Some(rows));
        };
        for (which, values) in groups.into_iter().flat_map(Alike::lists) {
            let statement = self
                .statement(many[which], false)
                .map_err(|(_, error)| error)?;
            let values = self.values(many[which], values)?;
            self.wait(async |conn| conn.exec_drop(&statement, values).await)
                .map_err(|(_, error)| error)?;
        }
        Ok(None)
    }

    /// Asks about many rows, and keeps the answers.
    pub(super) fn ask_ahead(&mut self, handle: usize, all: &[Vec<Value>]) -> Result<()> {
        let Some(many) = self.about_many(handle)? else {
            return Ok(());
        };
        let groups = alike(all).unwrap_or_default();
        self.flush()?;
        for group in groups.into_iter().filter(|group| group.firsts.len() > 1) {
            let rest = group.rest.clone();
            let about = |first: &Value| (handle, key(std::iter::once(first).chain(&rest)));
            let firsts = group.firsts.iter().copied().map(Value::Integer);
            let none = firsts.map(|first| (about(&first), Vec::new()));
            self.ahead.extend(none.collect::<Vec<_>>());
            for (which, values) in group.lists() {
                for row in self.asked(many[which], values)? {
                    let mut row = row.into_vec().into_iter();
                    let answer = row
                        .next()
                        .and_then(|first| self.ahead.get_mut(&about(&first)));
                    if let Some(answer) = answer {
                        answer.push(row.collect());
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_one_row_can_be_about_a_list() {
        for (one, three) in [
            (
                "SELECT a, b FROM t WHERE c = ?1",
                Some("SELECT c, a, b FROM t WHERE c IN (?1, ?2, ?3)"),
            ),
            (
                "SELECT a FROM t LEFT JOIN u ON u.c = t.c WHERE t.c = ?1 AND d = ?2 AND e IS NULL ORDER BY a",
                Some(
                    "SELECT t.c, a FROM t LEFT JOIN u ON u.c = t.c WHERE t.c IN (?1, ?3, ?4) AND d = ?2 AND e IS NULL ORDER BY a",
                ),
            ),
            (
                "UPDATE t SET a = ?2, b = b - ?3 WHERE c = ?1",
                Some("UPDATE t SET a = ?2, b = b - ?3 WHERE c IN (?1, ?4, ?5)"),
            ),
            (
                "DELETE FROM t WHERE a = ?1 AND b = ?2",
                Some("DELETE FROM t WHERE a IN (?1, ?3, ?4) AND b = ?2"),
            ),
            ("SELECT a FROM t WHERE b = ?1 LIMIT 1", None),
            ("SELECT count(*) FROM t WHERE b = ?1", None),
            ("SELECT a FROM t WHERE b = ?1 OR c = ?2", None),
            ("SELECT a FROM t WHERE b > ?1", None),
            ("SELECT a + ?1 FROM t WHERE b = ?1", None),
            ("UPDATE t SET a = ?1 WHERE b = ?2", None),
            (
                "SELECT a FROM t WHERE b = (SELECT c FROM u WHERE d = ?1)",
                None,
            ),
            ("INSERT INTO t (a) VALUES (?1)", None),
        ] {
            assert_eq!(listed(one, 3).as_deref(), three, "{one}");
        }
    }

    #[test]
    fn lists_are_filled_up_and_have_each_value() {
        for count in [1, 2, 8, 9, 64, 65, 512, 513, 1_200] {
            let rows: Vec<_> = (0..count)
                .map(|no| vec![Value::Integer(no), Value::Text("x".into())])
                .collect();
            let groups = alike(&rows).unwrap();
            assert_eq!(groups.len(), 1);
            let mut seen = Vec::new();
            for (which, values) in groups.into_iter().flat_map(Alike::lists) {
                assert_eq!(values.len(), LENGTHS[which] + 1);
                assert_eq!(values[1], Value::Text("x".into()));
                seen.extend(values.into_iter().filter_map(|value| match value {
                    Value::Integer(no) => Some(no),
                    _ => None,
                }));
            }
            seen.dedup();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_are_together_that_differ_in_the_first_value_only() {
        let row = |first, second: &str| vec![Value::Integer(first), Value::Text(second.into())];
        let groups = alike(&[row(1, "a"), row(2, "b"), row(3, "a")]).unwrap();
        let firsts: Vec<_> = groups.iter().map(|group| &group.firsts[..]).collect();
        assert_eq!(firsts, [&[1, 3][..], &[2]]);
        assert!(alike(&[vec![Value::Text("a".into())]]).is_none());
    }
}
