//! What only servers have: a lock that lasts as long as a connection, and connections that end.
//!
//! A connection that is gone is renewed, for a bounded time. The process' row among the instances must still be there:
//! otherwise the others have given it up, and it stops. Whether a commit was made whose answer never came is told by a
//! number in that row that every transaction raises.

use crate::address::ServerKind;
use crate::db::driver::{Role, Server};
use crate::db::mysql::Mysql;
use crate::db::postgres::Postgres;
use crate::db::{self, Connection, Dialect, Session};
use crate::error::{Done, Fault};
use crate::instances;
use crate::marks::Marks;
use crate::open_error::OpenErrorKind;
use crate::queue::Queue;
use crate::schema::{Probe, Schema};
use crate::server_config::ServerConfig;
use crate::writer::GIVEN_UP;
use carillon_ports::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Of so many round trips the shortest is told.
const ROUND_TRIPS: u32 = 5;

/// In `meta`: the number of the schema.
const SCHEMA: &str = "schema";

/// A database on a server, as the writer minds it.
pub(crate) struct Place {
    pub(crate) server: Arc<dyn Server>,
    /// How long a group waits for a server that is gone.
    patience: Duration,
    /// The first pause between two tries, and the longest.
    pauses: (Duration, Duration),
    /// It did not come back in time: nobody waits for it any more until it does.
    is_away: bool,
}

/// Why a connection was not regained.
pub(crate) enum Gone {
    /// The server does not answer.
    Away(String),
    /// Nothing may be written any more: it is somebody else's now, or cannot be read.
    ForGood(String),
}

/// What is known again after a connection was renewed.
pub(crate) struct Regained {
    pub(crate) marks: Marks,
    /// How many transactions this process has committed.
    pub(crate) commits: i64,
}

/// The server of a configuration.
pub(crate) fn server(config: ServerConfig) -> Result<Arc<dyn Server>, OpenErrorKind> {
    match config.url.kind {
        ServerKind::Postgres => match Postgres::new(config) {
            Ok(server) => Ok(Arc::new(server)),
            Err(why) => Err(OpenErrorKind::Io(why)),
        },
        ServerKind::Mysql => match Mysql::new(config) {
            Ok(server) => Ok(Arc::new(server)),
            Err(why) => Err(OpenErrorKind::Io(why)),
        },
    }
}

/// The writer's connection: it has the lock, for which it waits as long as for any other, and the newest schema.
pub(crate) fn writer(
    server: &dyn Server,
    config: &ServerConfig,
    may_migrate: bool,
) -> Result<Connection, OpenErrorKind> {
    let session = Session::open(server, Role::Writer).map_err(unreachable)?;
    // One process opens at a time: two must not make the schema. Each try waits for a moment.
    let until = Instant::now() + Duration::from_millis(config.lock_timeout_ms.into());
    while let Some(who) = session.with(|driver| driver.lock())? {
        if Instant::now() >= until {
            return Err(OpenErrorKind::LockedBy(who));
        }
    }
    migrate(&session, server, may_migrate)?;
    Ok(Connection::Server(session))
}

/// The number of the schema that is there (0: none), and of the newest. Changes nothing, and needs no lock.
pub(crate) fn look(server: &dyn Server) -> Result<(i64, i64), OpenErrorKind> {
    let session = Session::open(server, Role::Reader).map_err(unreachable)?;
    compared(&session, server)
}

/// What the server is like: its version, the schema, and how far away it is.
pub(crate) fn probe(server: &dyn Server) -> Result<Probe, OpenErrorKind> {
    let session = Session::open(server, Role::Reader).map_err(unreachable)?;
    let (found, known) = compared(&session, server)?;
    let mut round_trip = Duration::MAX;
    let mut version = String::new();
    for _ in 0..ROUND_TRIPS {
        let asked = Instant::now();
        let rows = session.with(|driver| {
            let ask = driver.prepare("SELECT version()")?;
            driver.query(ask, Vec::new())
        })?;
        round_trip = round_trip.min(asked.elapsed());
        if let Some(rusqlite::types::Value::Text(text)) = rows.first().and_then(|row| row.first()) {
            version.clone_from(text);
        }
    }
    Ok(Probe {
        version,
        schema: Schema { found, known },
        round_trip,
    })
}

/// The writer's process has its row: others may open.
pub(crate) fn opened(conn: &Connection) -> Result<(), OpenErrorKind> {
    if let Some(session) = conn.session() {
        session.with(|driver| driver.unlock())?;
    }
    Ok(())
}

/// A connection that cannot write.
pub(crate) fn reader(server: &dyn Server) -> Result<Connection, OpenErrorKind> {
    let session = Session::open(server, Role::Reader).map_err(unreachable)?;
    Ok(Connection::Server(session))
}

fn unreachable(error: db::Error) -> OpenErrorKind {
    OpenErrorKind::Unreachable(error.to_string())
}

/// Brings the schema to the newest. Refuses what is not ours, or newer, without changing it.
fn migrate(session: &Session, server: &dyn Server, may_migrate: bool) -> Result<(), OpenErrorKind> {
    let (found, known) = compared(session, server)?;
    if found < known && !may_migrate {
        return Err(OpenErrorKind::Older { found, known });
    }
    for (number, sql) in server.migrations() {
        if *number > found {
            // One statement, since MySQL and MariaDB have no transaction around all of it.
            let sql = format!("{sql};\nUPDATE meta SET number = {number} WHERE name = '{SCHEMA}'");
            session.with(|driver| driver.script(&sql))?;
        }
    }
    Ok(())
}

/// Which schema is there, and which is the newest.
fn compared(session: &Session, server: &dyn Server) -> Result<(i64, i64), OpenErrorKind> {
    let tables = session.with(|driver| driver.tables())?;
    let is_ours = tables.iter().any(|table| table == "meta");
    if !is_ours && !tables.is_empty() {
        return Err(OpenErrorKind::NotADatabase);
    }
    let found = match is_ours {
        true => schema(session)?,
        false => Some(0),
    };
    // The very first statement of making it was the last that was done.
    let found = found.or_else(|| (tables.len() == 1).then_some(0));
    let found = found.ok_or(OpenErrorKind::NotADatabase)?;
    let known = server.migrations().last().map_or(0, |(number, _)| *number);
    if found > known {
        return Err(OpenErrorKind::Newer { found, known });
    }
    Ok((found, known))
}

fn schema(session: &Session) -> Result<Option<i64>, OpenErrorKind> {
    let sql = format!("SELECT number FROM meta WHERE name = '{SCHEMA}'");
    let rows = session.with(|driver| {
        let ask = driver.prepare(&sql)?;
        driver.query(ask, Vec::new())
    })?;
    match rows.first().and_then(|row| row.first()) {
        Some(rusqlite::types::Value::Integer(number)) => Ok(Some(*number)),
        Some(_) => Err(OpenErrorKind::NotADatabase),
        None => Ok(None),
    }
}

/// Bytes of the database, and what is free: nobody can tell, which is said by the largest number.
pub(crate) fn usage(conn: &Connection) -> Done<(u64, u64)> {
    let ask = match conn.dialect() {
        Dialect::Postgres => "SELECT pg_database_size(current_database())",
        Dialect::Mysql => {
            "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
        }
        Dialect::Sqlite => return Ok((0, u64::MAX)),
    };
    let used: i64 = conn.prepare_cached(ask)?.query_row([], |row| row.get(0))?;
    Ok((used.max(0) as u64, u64::MAX))
}

/// Why there is no backup of a server's database by us.
pub(crate) fn no_backup() -> StoreError {
    StoreError::Failed(
        "a database on a server is backed up with the server's own tools: `pg_dump` for PostgreSQL, `mariadb-dump` or `mysqldump` for MariaDB and MySQL"
            .into(),
    )
}

impl Place {
    pub(crate) fn new(server: Arc<dyn Server>, config: &ServerConfig) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Self {
            server,
            patience: ms(config.reconnect_patience_ms),
            pauses: (
                ms(config.reconnect_min_ms.max(1)),
                ms(config.reconnect_max_ms.max(1)),
            ),
            is_away: false,
        }
    }

    /// Renews the writer's connection. Waits for the server as long as it may, or until the queue is closed.
    pub(crate) fn regain(
        &mut self,
        conn: &Connection,
        epoch: i64,
        queue: &Queue,
    ) -> Result<Regained, Gone> {
        let until = Instant::now()
            + if self.is_away {
                Duration::ZERO
            } else {
                self.patience
            };
        let mut pause = self.pauses.0;
        loop {
            let text = match self.try_once(conn, epoch) {
                Ok(regained) => {
                    tracing::info!("the database is back");
                    self.is_away = false;
                    return Ok(regained);
                }
                Err(Gone::Away(text)) => text,
                Err(gone) => return Err(gone),
            };
            if Instant::now() + pause > until || queue.is_closed_after(pause) {
                if !self.is_away {
                    tracing::error!(error = text, "the database does not come back");
                }
                self.is_away = true;
                return Err(Gone::Away(text));
            }
            pause = (pause * 2).min(self.pauses.1);
        }
    }

    fn try_once(&self, conn: &Connection, epoch: i64) -> Result<Regained, Gone> {
        let Some(session) = conn.session() else {
            return Err(Gone::ForGood("there is no server".into()));
        };
        let away = |error: db::Error| Gone::Away(error.to_string());
        session.renew(self.server.as_ref()).map_err(away)?;
        let read = || -> Done<(Option<i64>, Marks)> {
            Ok((instances::committed(conn, epoch)?, Marks::read(conn)?))
        };
        match read() {
            Ok((Some(commits), marks)) => Ok(Regained { marks, commits }),
            Ok((None, _)) => Err(Gone::ForGood(GIVEN_UP.into())),
            Err(Fault::Lost(text)) => Err(Gone::Away(text)),
            Err(fault) => Err(Gone::Away(StoreError::from(fault).to_string())),
        }
    }
}
