//! Statements that wait to go out together.

use crate::db::words::Simple;
use rusqlite::types::Value;
use std::collections::{HashMap, HashSet};

/// Most runs that are kept, and most bytes in their values.
const MOST: usize = 20_000;
const MOST_BYTES: usize = 16 << 20;

/// Something to send.
pub(crate) enum Run {
    /// A text without values.
    Plain(&'static str),
    /// A statement, once for each row of values.
    Rows {
        handle: usize,
        rows: Vec<Vec<Value>>,
        /// What tells apart the rows of the table that they are about.
        keys: HashSet<Vec<u8>>,
    },
}

/// All that waits, in order.
#[derive(Default)]
pub(crate) struct Kept {
    runs: Vec<Run>,
    /// The last run on each table, of those since which nothing came that may be about any table.
    last_on: HashMap<String, usize>,
    count: usize,
    bytes: usize,
}

impl Kept {
    /// Appends a text, which nothing is moved across.
    pub(crate) fn plain(&mut self, sql: &'static str) {
        self.last_on.clear();
        self.runs.push(Run::Plain(sql));
    }

    /// Appends a run of a statement. It joins earlier ones, if since then there was nothing on its table, and the rows
    /// that they are about are others. `false`: it is time to send.
    pub(crate) fn push(&mut self, handle: usize, simple: Option<&Simple>, row: Vec<Value>) -> bool {
        self.count += 1;
        self.bytes += row.iter().map(bytes).sum::<usize>();
        match simple {
            None => {
                self.last_on.clear();
                self.append(handle, HashSet::new(), row);
            }
            Some(simple) => self.join(handle, simple, row),
        }
        self.count < MOST && self.bytes < MOST_BYTES
    }

    fn join(&mut self, handle: usize, simple: &Simple, row: Vec<Value>) {
        let of_keys = simple.keys.iter().map(|number| &row[number - 1]);
        // Nothing says which row it is, or it does not matter.
        let key = (!simple.keys.is_empty()).then(|| key(of_keys));
        let before = self.last_on.get(&simple.table).copied();
        if let Some(before) = before
            && let Some(Run::Rows {
                handle: of,
                rows,
                keys,
            }) = self.runs.get_mut(before)
            && *of == handle
            && key.as_ref().is_none_or(|key| !keys.contains(key))
        {
            rows.push(row);
            keys.extend(key);
            return;
        }
        let at = self.append(handle, key.into_iter().collect(), row);
        match self.last_on.get_mut(&simple.table) {
            Some(last) => *last = at,
            None => drop(self.last_on.insert(simple.table.clone(), at)),
        }
    }

    fn append(&mut self, handle: usize, keys: HashSet<Vec<u8>>, row: Vec<Value>) -> usize {
        self.runs.push(Run::Rows {
            handle,
            rows: vec![row],
            keys,
        });
        self.runs.len() - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Takes all of it out.
    pub(crate) fn take(&mut self) -> Vec<Run> {
        std::mem::take(self).runs
    }

    /// Takes out a text that waits, and what came after it. `false`: it does not wait, and nothing does any more.
    pub(crate) fn cut_at(&mut self, sql: &str) -> bool {
        let at = self
            .runs
            .iter()
            .rposition(|run| matches!(run, Run::Plain(one) if *one == sql));
        self.last_on.clear();
        self.runs.truncate(at.unwrap_or(0));
        at.is_some()
    }
}

/// Values as bytes that are the same for the same values.
pub(crate) fn key<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<u8> {
    let mut key = Vec::new();
    for value in values {
        match value {
            Value::Null => key.push(0),
            Value::Integer(number) => key.extend(number.to_be_bytes()),
            Value::Real(number) => key.extend(number.to_be_bytes()),
            Value::Text(text) => framed(&mut key, text.as_bytes()),
            Value::Blob(bytes) => framed(&mut key, bytes),
        }
    }
    key
}

fn framed(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend((bytes.len() as u64).to_be_bytes());
    key.extend(bytes);
}

fn bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::words::simple;

    fn rows(kept: &mut Kept) -> Vec<(usize, usize)> {
        let runs = kept.take();
        let rows = runs.iter().map(|run| match run {
            Run::Plain(_) => (99, 0),
            Run::Rows { handle, rows, .. } => (*handle, rows.len()),
        });
        rows.collect()
    }

    fn numbers(all: &[i64]) -> Vec<Value> {
        all.iter().copied().map(Value::Integer).collect()
    }

    #[test]
    fn runs_join_across_other_tables_and_not_across_their_own() {
        let mut kept = Kept::default();
        let into_a = simple("INSERT INTO a (x) VALUES (?1)").unwrap();
        let into_b = simple("INSERT INTO b (x) VALUES (?1)").unwrap();
        let from_a = simple("DELETE FROM a WHERE x = ?1").unwrap();
        kept.push(1, Some(&into_a), numbers(&[1]));
        kept.push(2, Some(&into_b), numbers(&[1]));
        kept.push(1, Some(&into_a), numbers(&[2]));
        kept.push(3, Some(&from_a), numbers(&[1]));
        kept.push(1, Some(&into_a), numbers(&[1]));
        kept.push(2, Some(&into_b), numbers(&[2]));
        assert_eq!(rows(&mut kept), [(1, 2), (2, 2), (3, 1), (1, 1)]);
    }

    #[test]
    fn nothing_moves_across_what_may_be_about_any_table() {
        let mut kept = Kept::default();
        let into_a = simple("INSERT INTO a (x) VALUES (?1)").unwrap();
        kept.push(1, Some(&into_a), numbers(&[1]));
        kept.push(4, None, Vec::new());
        kept.push(1, Some(&into_a), numbers(&[2]));
        kept.plain("SAVEPOINT job");
        kept.push(1, Some(&into_a), numbers(&[3]));
        assert_eq!(rows(&mut kept), [(1, 1), (4, 1), (1, 1), (99, 0), (1, 1)]);
    }

    #[test]
    fn a_row_is_changed_once_in_a_statement() {
        let mut kept = Kept::default();
        let change = simple("UPDATE a SET y = ?2 WHERE x = ?1").unwrap();
        for (x, y) in [(1, 1), (2, 1), (1, 2), (3, 1)] {
            kept.push(1, Some(&change), numbers(&[x, y]));
        }
        assert_eq!(rows(&mut kept), [(1, 2), (1, 2)]);
    }

    #[test]
    fn what_waits_behind_a_place_can_be_taken_back() {
        let mut kept = Kept::default();
        kept.plain("BEGIN");
        kept.plain("SAVEPOINT job");
        kept.push(4, None, Vec::new());
        assert!(kept.cut_at("SAVEPOINT job"));
        assert_eq!(rows(&mut kept), [(99, 0)]);
        kept.push(4, None, Vec::new());
        assert!(!kept.cut_at("SAVEPOINT job"));
        assert_eq!(rows(&mut kept), []);
    }
}
