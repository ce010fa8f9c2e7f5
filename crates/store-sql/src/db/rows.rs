//! Rows that a statement gave.

use super::driver::Record;
use super::{Error, Result};
use rusqlite::types::{FromSql, FromSqlError, Value, ValueRef};

/// Rows of a statement that runs.
pub(crate) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
    Server(Fetched),
}

/// Rows that a server sent, all of them.
pub(crate) struct Fetched {
    rest: std::vec::IntoIter<Record>,
    current: Record,
}

impl Fetched {
    pub(super) fn new(records: Vec<Record>) -> Self {
        Self {
            rest: records.into_iter(),
            current: Box::default(),
        }
    }
}

/// One of them, until the next is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Server(&'r [Value]),
}

impl<'s> Rows<'s> {
    /// The next one; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
            Self::Server(rows) => Ok(match rows.rest.next() {
                None => None,
                Some(record) => {
                    rows.current = record;
                    Some(Row::Server(&rows.current))
                }
            }),
        }
    }
}

impl<'r> Row<'r> {
    /// The value in a column, from 0, as a type that fits it.
    pub(crate) fn get<I: Column, T: FromSql>(self, column: I) -> Result<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column.number())?),
            Self::Server(_) => {
                let column = column.number();
                let value = self.get_ref(column)?;
                T::column_result(value).map_err(|error| misfit(column, value, error))
            }
        }
    }

    /// The value in a column as it is there.
    pub(crate) fn get_ref(self, column: usize) -> Result<ValueRef<'r>> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(column)?),
            Self::Server(record) => match record.get(column) {
                Some(value) => Ok(value.into()),
                None => Err(rusqlite::Error::InvalidColumnIndex(column).into()),
            },
        }
    }
}

/// In the words that `rusqlite` has for it.
fn misfit(column: usize, value: ValueRef<'_>, error: FromSqlError) -> Error {
    use rusqlite::Error as E;
    Error::Sqlite(match error {
        FromSqlError::InvalidType => {
            E::InvalidColumnType(column, column.to_string(), value.data_type())
        }
        FromSqlError::OutOfRange(number) => E::IntegralValueOutOfRange(column, number),
        FromSqlError::Utf8Error(error) => E::Utf8Error(column, error),
        other => E::FromSqlConversionFailure(column, value.data_type(), Box::new(other)),
    })
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
