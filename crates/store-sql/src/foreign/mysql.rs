//! MySQL and MariaDB: a prepared statement in a read-only transaction, whose rows are taken from the connection as
//! they are asked for.

use super::words::more_than_reading;
use super::{ForeignError, ForeignRow, PAGE, slow};
use crate::db::mysql::Mysql;
use crate::server_config::ServerConfig;
use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{BinaryProtocol, Column, Conn, QueryResult, Row, Value};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// "Cannot execute statement in a READ ONLY transaction".
const READ_ONLY: u16 = 1792;
/// The number under which the protocol says that a column has bytes and not text.
const BINARY: u16 = 63;
/// How long the server waits until we take what it has read, in seconds. Between two pages somebody else is waited
/// for, who has deadlines of his own.
const WRITE_TIMEOUT_SECS: u32 = 3_600;

pub(super) fn read(
    config: &ServerConfig,
    query: &str,
    columns: impl FnOnce(Vec<String>) -> ControlFlow<()>,
    mut each: impl FnMut(ForeignRow) -> ControlFlow<()>,
) -> Result<(), ForeignError> {
    if let Some(why) = more_than_reading(query) {
        return Err(ForeignError::Writes(why));
    }
    let connect = ForeignError::Connect;
    let server = Mysql::new(config.clone()).map_err(connect)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| connect(format!("no runtime: {error}")))?;
    let mut conn = runtime
        .block_on(server.connect_foreign())
        .map_err(|error| connect(error.to_string()))?;
    let id = conn.id();
    let limit = Limit {
        runtime: &runtime,
        ms: config.statement_timeout_ms,
    };
    let read = rows(&limit, &mut conn, query, columns, &mut each);
    if matches!(&read, Err(ForeignError::Read { .. })) {
        // A statement goes on running at the server until it has something to write.
        let kill = async {
            let mut other = server.connect_foreign().await.ok()?;
            other.query_drop(format!("KILL QUERY {id}")).await.ok()
        };
        // What does not work within a connection's time ends with the server's own limits.
        let patience = Duration::from_millis(config.connect_timeout_ms.into());
        let _ = runtime.block_on(async { timeout(patience, kill).await });
    }
    // Not all rows may have been taken: the connection is closed, and not emptied.
    runtime.block_on(async { drop(conn) });
    read
}

struct Limit<'a> {
    runtime: &'a Runtime,
    ms: u32,
}

impl Limit<'_> {
    /// `None`: it took too long.
    fn within<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let limit = Duration::from_millis(self.ms.into());
        self.runtime
            .block_on(async { timeout(limit, what).await.ok() })
    }
}

fn rows(
    limit: &Limit<'_>,
    conn: &mut Conn,
    query: &str,
    columns: impl FnOnce(Vec<String>) -> ControlFlow<()>,
    each: &mut impl FnMut(ForeignRow) -> ControlFlow<()>,
) -> Result<(), ForeignError> {
    let mut after = 0;
    let too_slow = |after| ForeignError::Read {
        after,
        cause: slow(limit.ms),
    };
    let set_up = [
        "SET NAMES utf8mb4".to_owned(),
        format!("SET SESSION net_write_timeout = {WRITE_TIMEOUT_SECS}"),
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY".to_owned(),
        "START TRANSACTION READ ONLY".to_owned(),
    ];
    for statement in &set_up {
        limit
            .within(conn.query_drop(statement))
            .ok_or_else(|| too_slow(0))?
            .map_err(|error| broke_off(&error, 0))?;
    }
    // The server prepares a single statement only: so the query cannot end the transaction.
    let statement = limit
        .within(conn.prep(query))
        .ok_or_else(|| too_slow(0))?
        .map_err(|error| refused(&error))?;
    if statement.num_params() > 0 {
        let why = "it has a parameter ?, and there is no value for it";
        return Err(ForeignError::Query(why.into()));
    }
    let mut result: QueryResult<'_, '_, BinaryProtocol> = limit
        .within(conn.exec_iter(&statement, ()))
        .ok_or_else(|| too_slow(0))?
        .map_err(|error| refused(&error))?;
    let types = result.columns().unwrap_or_default();
    if types.is_empty() {
        return Err(ForeignError::Query("it gives no columns".into()));
    }
    let names = types.iter().map(|column| column.name_str().into_owned());
    if columns(names.collect()).is_break() {
        return Ok(());
    }
    loop {
        let page = limit.within(page(&mut result));
        let page = page.ok_or_else(|| too_slow(after))?;
        let page = page.map_err(|error| broke_off(&error, after))?;
        let is_last = page.len() < PAGE;
        for row in page {
            if each(cells(row, &types)).is_break() {
                return Ok(());
            }
            after += 1;
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn page(result: &mut QueryResult<'_, '_, BinaryProtocol>) -> mysql_async::Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(PAGE);
    while rows.len() < PAGE {
        match result.next().await? {
            Some(row) => rows.push(row),
            None => break,
        }
    }
    Ok(rows)
}

fn cells(row: Row, types: &[Column]) -> ForeignRow {
    let values = row.unwrap().into_iter().zip(types);
    values.map(|(value, column)| text(value, column)).collect()
}

fn text(value: Value, column: &Column) -> Option<String> {
    Some(match value {
        Value::NULL => return None,
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            match (column.column_type(), micros) {
                (ColumnType::MYSQL_TYPE_DATE, _) => date,
                (_, 0) => format!("{date} {hour:02}:{minute:02}:{second:02}"),
                _ => format!("{date} {hour:02}:{minute:02}:{second:02}.{micros:06}"),
            }
        }
        Value::Time(is_negative, days, hours, minutes, seconds, _) => {
            let sign = if is_negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
        }
        Value::Bytes(bytes) => match column.column_type() {
            ColumnType::MYSQL_TYPE_BIT => {
                let number = bytes
                    .iter()
                    .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
                number.to_string()
            }
            ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_VARCHAR
                if column.character_set() == BINARY =>
            {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        },
    })
}

/// Why the query was not taken.
fn refused(error: &mysql_async::Error) -> ForeignError {
    match error {
        mysql_async::Error::Server(said) if said.code == READ_ONLY => {
            ForeignError::Writes(said.message.clone())
        }
        // Killed, or a time-out of the server's own.
        mysql_async::Error::Server(said)
            if !matches!(said.code, 1317 | 1969 | 3024 | 1053 | 1927) =>
        {
            ForeignError::Query(said.message.clone())
        }
        other => broke_off(other, 0),
    }
}

fn broke_off(error: &mysql_async::Error, after: u64) -> ForeignError {
    let cause = match error {
        mysql_async::Error::Server(said) if said.code == READ_ONLY => {
            return ForeignError::Writes(said.message.clone());
        }
        mysql_async::Error::Server(said) => said.message.clone(),
        mysql_async::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    ForeignError::Read { after, cause }
}
