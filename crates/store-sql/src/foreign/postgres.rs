//! PostgreSQL: a cursor in a read-only transaction. Every value comes as the server's own text.

use super::{ForeignError, ForeignRow, PAGE, slow};
use crate::db::postgres::Postgres;
use crate::server_config::ServerConfig;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// Beyond its own time-out the server is given so long to tell of it, in milliseconds.
const GRACE_MS: u32 = 5_000;
/// How PostgreSQL's hexadecimal digits begin.
const HEX: &str = "\\x";

pub(super) fn read(
    config: &ServerConfig,
    query: &str,
    columns: impl FnOnce(Vec<String>) -> ControlFlow<()>,
    mut each: impl FnMut(ForeignRow) -> ControlFlow<()>,
) -> Result<(), ForeignError> {
    let connect = ForeignError::Connect;
    let server = Postgres::new(config.clone()).map_err(connect)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| connect(format!("no runtime: {error}")))?;
    let client = server
        .connect_foreign(&runtime)
        .map_err(|error| connect(error.to_string()))?;
    let mut reading = Reading {
        runtime,
        client,
        limit_ms: config.statement_timeout_ms,
        after: 0,
    };
    let names_and_types = reading.begin(query)?;
    let (names, is_binary): (Vec<_>, Vec<_>) = names_and_types.into_iter().unzip();
    if columns(names).is_break() {
        return Ok(());
    }
    loop {
        let page = reading.page(&is_binary)?;
        let is_last = page.len() < PAGE;
        for row in page {
            if each(row).is_break() {
                return Ok(());
            }
            reading.after += 1;
        }
        if is_last {
            return Ok(());
        }
    }
}

struct Reading {
    runtime: Runtime,
    client: Client,
    limit_ms: u32,
    after: u64,
}

impl Reading {
    /// Waits for an answer, a little longer than the server lets a statement run.
    fn wait<T>(
        &self,
        what: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, Option<Error>> {
        let limit = Duration::from_millis(u64::from(self.limit_ms) + u64::from(GRACE_MS));
        self.runtime
            .block_on(async { timeout(limit, what(&self.client)).await })
            .map_err(|_| None)?
            .map_err(Some)
    }

    /// Opens the cursor. The query is prepared first, which the server does for a single statement only: so it cannot
    /// end the transaction. Returns names, and whether a column is binary.
    fn begin(&self, query: &str) -> Result<Vec<(String, bool)>, ForeignError> {
        self.wait(async |client| {
            client
                .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
        })
        .map_err(|error| self.broke_off(error))?;
        let statement = self
            .wait(async |client| client.prepare(query).await)
            .map_err(|error| self.refused(error, false))?;
        if !statement.params().is_empty() {
            return Err(ForeignError::Query(
                "it has a parameter such as $1, and there is no value for it".into(),
            ));
        }
        let columns = statement.columns();
        if columns.is_empty() {
            return Err(ForeignError::Writes(
                "it gives no columns: only a SELECT is taken".into(),
            ));
        }
        // On a line of its own: the query may begin or end with a comment.
        let declare = format!("DECLARE carillon_rows NO SCROLL CURSOR FOR\n{query}\n");
        self.wait(async |client| client.batch_execute(&declare).await)
            .map_err(|error| self.refused(error, true))?;
        let column = |column: &tokio_postgres::Column| {
            (column.name().to_owned(), *column.type_() == Type::BYTEA)
        };
        Ok(columns.iter().map(column).collect())
    }

    fn page(&self, is_binary: &[bool]) -> Result<Vec<ForeignRow>, ForeignError> {
        let fetch = format!("FETCH {PAGE} FROM carillon_rows");
        let messages = self
            .wait(async |client| client.simple_query(&fetch).await)
            .map_err(|error| self.broke_off(error))?;
        let row = |message: SimpleQueryMessage| {
            let SimpleQueryMessage::Row(row) = message else {
                return None;
            };
            let cell = |(at, is_binary): (usize, &bool)| {
                let text = row.get(at)?;
                let digits = text.strip_prefix(HEX).filter(|_| *is_binary);
                Some(digits.unwrap_or(text).to_owned())
            };
            Some(is_binary.iter().enumerate().map(cell).collect())
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// Why the query was not taken. What the server prepared and refuses as a cursor, or in a transaction that only
    /// reads, does something else than read.
    fn refused(&self, error: Option<Error>, is_prepared: bool) -> ForeignError {
        let Some(error) = error else {
            return self.broke_off(None);
        };
        let Some(said) = error.as_db_error() else {
            return self.broke_off(Some(error));
        };
        let code = said.code();
        let is_of_the_query = matches!(&code.code()[..2], "42" | "0A");
        if is_read_only(&error) || (is_prepared && is_of_the_query) {
            ForeignError::Writes(words(&error))
        } else if is_slow(&error) {
            self.broke_off(Some(error))
        } else {
            ForeignError::Query(words(&error))
        }
    }

    fn broke_off(&self, error: Option<Error>) -> ForeignError {
        match error {
            Some(error) if is_read_only(&error) => ForeignError::Writes(words(&error)),
            Some(error) if !is_slow(&error) => ForeignError::Read {
                after: self.after,
                cause: words(&error),
            },
            _ => ForeignError::Read {
                after: self.after,
                cause: slow(self.limit_ms),
            },
        }
    }
}

/// It would write, or have the transaction write.
fn is_read_only(error: &Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
        || code == Some(&SqlState::ACTIVE_SQL_TRANSACTION)
}

/// The server ended it because of its time-out.
fn is_slow(error: &Error) -> bool {
    error.code() == Some(&SqlState::QUERY_CANCELED)
}

/// The server's own words, or the client's.
fn words(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} [{}]", said.message(), said.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}
