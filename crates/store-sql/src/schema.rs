//! How old a database's schema is, and bringing it to the newest without opening the store.

use crate::open_error::{OpenError, OpenErrorKind};
use crate::server;
use crate::server_config::ServerConfig;
use crate::sqlite::config::SqliteConfig;
use crate::sqlite::lock::LockFile;
use crate::sqlite::open;
use crate::store::StoreConfig;
use std::time::Duration;

/// Numbers of a schema. They rise by one with each change of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// What the database had; 0: nothing yet.
    pub found: i64,
    /// The newest that this program knows.
    pub known: i64,
}

/// Looks, and changes nothing; the store may be open elsewhere. Blocks.
///
/// # Errors
/// A database that cannot be reached, is not ours, or is newer than this program.
pub fn schema(config: &StoreConfig) -> Result<Schema, OpenError> {
    apart(config, |config| match config {
        StoreConfig::Sqlite(file) => look(file),
        StoreConfig::Server(config) => {
            let (found, known) = server::look(server::server(config.clone())?.as_ref())?;
            Ok(Schema { found, known })
        }
    })
}

/// What a database on a server is like for whoever asks from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What the server calls itself.
    pub version: String,
    /// The schema.
    pub schema: Schema,
    /// The shortest of some round trips.
    pub round_trip: Duration,
}

/// Connects and asks, and changes nothing. Blocks.
///
/// # Errors
/// A database that cannot be reached, is not ours, or is newer than this program.
pub fn probe(config: &ServerConfig) -> Result<Probe, OpenError> {
    apart(&StoreConfig::Server(config.clone()), |_| {
        server::probe(server::server(config.clone())?.as_ref())
    })
}

/// Brings the schema to the newest, if it is older. A file must be used by nobody else. A database on a server is opened by
/// nobody meanwhile; who has it open goes on, since each version can live with the schema after its own. Blocks.
///
/// # Errors
/// As [`schema`], or that another process has the database.
pub fn migrate(config: &StoreConfig) -> Result<Schema, OpenError> {
    apart(config, |config| match config {
        StoreConfig::Sqlite(file) => {
            let _lock = LockFile::take(&file.path)?;
            let schema = look(file)?;
            open::writer(file, schema.found)?;
            Ok(schema)
        }
        StoreConfig::Server(config) => {
            let place = server::server(config.clone())?;
            let (found, known) = server::look(place.as_ref())?;
            if found < known {
                drop(server::writer(place.as_ref(), config, true)?);
            }
            Ok(Schema { found, known })
        }
    })
}

fn look(file: &SqliteConfig) -> Result<Schema, OpenErrorKind> {
    Ok(Schema {
        found: open::check(&file.path, file.busy_timeout_ms)?,
        known: crate::migrate::KNOWN,
    })
}

/// On a thread of its own: whoever asks may be inside a runtime, and connecting waits on another.
fn apart<T: Send>(
    config: &StoreConfig,
    run: impl Fn(&StoreConfig) -> Result<T, OpenErrorKind> + Sync,
) -> Result<T, OpenError> {
    let done = std::thread::scope(|scope| scope.spawn(|| run(config)).join());
    let done = done.unwrap_or_else(|_| {
        Err(OpenErrorKind::Io(
            "it panicked; the log has the place".into(),
        ))
    });
    done.map_err(|kind| match config {
        StoreConfig::Sqlite(file) => OpenError::new(&file.path, kind),
        StoreConfig::Server(config) => OpenError::at(config.url.to_string(), kind),
    })
}
