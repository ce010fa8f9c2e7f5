//! Rows that a statement gave.

use super::Result;
use rusqlite::types::{FromSql, ValueRef};

/// Rows of a statement that runs.
pub(crate) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
}

/// One of them, until the next is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
}

impl<'s> Rows<'s> {
    /// The next one; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
        }
    }
}

impl<'r> Row<'r> {
    /// The value in a column, from 0, as a type that fits it.
    pub(crate) fn get<I: Column, T: FromSql>(self, column: I) -> Result<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column.number())?),
        }
    }

    /// The value in a column as it is there.
    pub(crate) fn get_ref(self, column: usize) -> Result<ValueRef<'r>> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(column)?),
        }
    }
}

/// What names a column. It is here so that `get` has the two types that `rusqlite`'s has.
pub(crate) trait Column {
    fn number(self) -> usize;
}

impl Column for usize {
    fn number(self) -> usize {
        self
    }
}

/// Rows, each turned into something.
pub(crate) struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<'s, F> Mapped<'s, F> {
    pub(super) fn new(rows: Rows<'s>, read: F) -> Self {
        Self { rows, read }
    }
}

impl<T, F: FnMut(Row<'_>) -> Result<T>> Iterator for Mapped<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Ok(Some(row)) => Some((self.read)(row)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
