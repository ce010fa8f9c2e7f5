//! Values between the store's and the server's types.

use super::trouble::failed;
use crate::db::driver::{Record, Trouble};
use crate::db::{Error, Result};
use mysql_async::consts::ColumnType;
use mysql_async::{Column, Row, Value as Theirs};
use rusqlite::types::Value;

/// The number under which the protocol says that a column has bytes and not text.
const BINARY: u16 = 63;

/// A value as the server takes it.
pub(super) fn sent(value: Value) -> Theirs {
    match value {
        Value::Null => Theirs::NULL,
        Value::Integer(number) => Theirs::Int(number),
        Value::Real(number) => Theirs::Double(number),
        Value::Text(text) => Theirs::Bytes(text.into_bytes()),
        Value::Blob(bytes) => Theirs::Bytes(bytes),
    }
}

/// A row as the store takes it.
pub(super) fn record(row: Row) -> Result<Record> {
    let columns = row.columns();
    let values = row.unwrap().into_iter().zip(columns.iter());
    values
        .map(|(value, column)| received(value, column))
        .collect()
}

fn received(value: Theirs, column: &Column) -> Result<Value> {
    Ok(match value {
        Theirs::NULL => Value::Null,
        Theirs::Int(number) => Value::Integer(number),
        Theirs::UInt(number) => {
            Value::Integer(number.try_into().map_err(|_| strange(column, &number))?)
        }
        Theirs::Float(number) => Value::Real(number.into()),
        Theirs::Double(number) => Value::Real(number),
        Theirs::Bytes(bytes) => match column.column_type() {
            // Sums of whole numbers.
            ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => {
                let text = String::from_utf8_lossy(&bytes);
                match (text.parse(), text.parse()) {
                    (Ok(whole), _) => Value::Integer(whole),
                    (Err(_), Ok(number)) => Value::Real(number),
                    _ => return Err(strange(column, &text)),
                }
            }
            ColumnType::MYSQL_TYPE_JSON => text(bytes, column)?,
            _ if column.character_set() == BINARY => Value::Blob(bytes),
            _ => text(bytes, column)?,
        },
        other => return Err(strange(column, &other)),
    })
}

fn text(bytes: Vec<u8>, column: &Column) -> Result<Value> {
    let text = String::from_utf8(bytes).map_err(|error| strange(column, &error))?;
    Ok(Value::Text(text))
}

fn strange(column: &Column, found: &dyn std::fmt::Debug) -> Error {
    let name = column.name_str();
    failed(
        Trouble::Corrupt,
        format!("column {name}: a value that the store has not written: {found:?}"),
    )
}
