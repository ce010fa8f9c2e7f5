//! Values that go with a statement: what `rusqlite` takes, in the few shapes in which commands write them.

use super::Result;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// Values of a statement, in the order of its parameters.
pub(crate) trait Params {
    /// As SQLite's driver takes them.
    fn sqlite(self) -> impl rusqlite::Params;
    /// As a server's driver takes them.
    fn values(self) -> Result<Vec<Value>>;
}

fn value(of: &dyn ToSql) -> Result<Value> {
    Ok(match of.to_sql()? {
        ToSqlOutput::Owned(value) => value,
        ToSqlOutput::Borrowed(value) => match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => match String::from_utf8(text.to_vec()) {
                Ok(text) => Value::Text(text),
                Err(error) => {
                    return Err(rusqlite::Error::ToSqlConversionFailure(error.into()).into());
                }
            },
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        },
        other => {
            let text = format!("{other:?} is no plain value");
            return Err(rusqlite::Error::ToSqlConversionFailure(text.into()).into());
        }
    })
}

// The empty list has an impl of its own, as in `rusqlite`, so that its type is never in question.
impl Params for [&(dyn ToSql + Send + Sync); 0] {
    fn sqlite(self) -> impl rusqlite::Params {
        self
    }

    fn values(self) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

impl Params for &[&dyn ToSql] {
    fn sqlite(self) -> impl rusqlite::Params {
        self
    }

    fn values(self) -> Result<Vec<Value>> {
        self.iter().map(|one| value(one)).collect()
    }
}

macro_rules! arrays {
    ($($count:literal)*) => {$(
        impl<T: ToSql> Params for [T; $count] {
            fn sqlite(self) -> impl rusqlite::Params {
                self
            }

            fn values(self) -> Result<Vec<Value>> {
                self.iter().map(|one| value(one)).collect()
            }
        }
    )*};
}

arrays!(1 2 3 4);

/// Values of one type, however many.
pub(crate) fn params_from_iter<I: IntoIterator<Item: ToSql>>(values: I) -> FromIter<I> {
    FromIter(values)
}

/// See [`params_from_iter`].
pub(crate) struct FromIter<I>(I);

impl<I: IntoIterator<Item: ToSql>> Params for FromIter<I> {
    fn sqlite(self) -> impl rusqlite::Params {
        rusqlite::params_from_iter(self.0)
    }

    fn values(self) -> Result<Vec<Value>> {
        self.0.into_iter().map(|one| value(&one)).collect()
    }
}
