//! Values on their way to PostgreSQL, in the type that it wants, and back.

use crate::db::driver::Record;
use bytes::BytesMut;
use rusqlite::types::Value;
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Failure = Box<dyn Error + Sync + Send>;

/// The type that a statement is told a parameter has; `UNKNOWN` leaves it to PostgreSQL.
pub(super) fn kind(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Integer(_) => Type::INT8,
        Value::Real(_) => Type::FLOAT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

/// A value to bind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound<'v>(pub(super) &'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match (self.0, wanted) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT8) => number.to_sql(wanted, out),
            (Value::Integer(number), &Type::INT4) => i32::try_from(*number)?.to_sql(wanted, out),
            (Value::Integer(number), &Type::INT2) => i16::try_from(*number)?.to_sql(wanted, out),
            (Value::Integer(number), &Type::BOOL) => (*number != 0).to_sql(wanted, out),
            (Value::Integer(number), &Type::FLOAT8) => (*number as f64).to_sql(wanted, out),
            (Value::Real(number), &Type::FLOAT8) => number.to_sql(wanted, out),
            // No text of PostgreSQL's can have this character. It means nothing to anybody, and nothing may fail for
            // it: a gateway's own words are stored too.
            (Value::Text(text), &Type::TEXT | &Type::VARCHAR) if text.contains('\0') => {
                text.replace('\0', "\u{fffd}").to_sql(wanted, out)
            }
            (Value::Text(text), &Type::TEXT | &Type::VARCHAR) => text.to_sql(wanted, out),
            (Value::Blob(bytes), &Type::BYTEA) => bytes.as_slice().to_sql(wanted, out),
            (value, wanted) => {
                Err(format!("a {:?} cannot be bound as {wanted}", value.data_type()).into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value as it came.
struct Found(Value);

impl<'r> FromSql<'r> for Found {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Failure> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Integer(i64::from_sql(kind, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(kind, raw)?),
            Type::BYTEA => Value::Blob(raw.to_vec()),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => {
                Value::Text(String::from_utf8(raw.to_vec())?)
            }
            ref other => return Err(format!("a column of type {other} is not read here").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// All values of a row.
pub(super) fn record(row: &Row) -> Result<Record, tokio_postgres::Error> {
    (0..row.len())
        .map(|at| row.try_get::<_, Found>(at).map(|found| found.0))
        .collect()
}
