//! Moves a store from a SQLite file to a database on a server.
//!
//! Nobody else may use either: the lock of the file, and that of those who open the database, are held all the time. Rows go over table by table in the order of their keys,
//! and then both are read again, side by side. Until the last row was compared the target has a mark by which it is not opened;
//! the file gets its own mark before that one is taken away, so that at no time two stores could be started.

use crate::db::driver::Driver;
use crate::db::{self, Dialect, Step};
use crate::open_error::{OpenError, OpenErrorKind};
use crate::server;
use crate::server_config::ServerConfig;
use crate::sqlite::config::SqliteConfig;
use crate::sqlite::lock::LockFile;
use crate::sqlite::open;
use carillon_ports::fault;
use rusqlite::types::Value;
use std::time::Duration;
use tokio::time::Instant;

/// In `meta` of a file: its rows are in a server's database by now.
pub(crate) const MOVED: &str = "moved";
/// In `meta` of a server's database: not all rows are in it yet.
pub(crate) const UNFINISHED: &str = "unfinished";

/// Rows of one transaction, and bytes of its values.
const ROWS: usize = 5_000;
const BYTES: usize = 8 << 20;
/// Rows of the target that are compared at once.
const COMPARED: usize = 1_000;
/// How often a lock is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Rows of `meta` that are the server's own.
const OWN: [&str; 3] = ["schema", "commit", UNFINISHED];
/// Tables of those who use a store. Nobody does.
const OF_PROCESSES: [&str; 2] = ["instances", "notices"];
/// Tables whose numbers the server gives, with the columns.
const NUMBERED: [(&str, &str); 3] = [
    ("audit", "audit_no"),
    ("idempotency", "idempotency_no"),
    ("digests", "digest_no"),
];

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has, here and there.
    pub rows: u64,
    /// A hash over all of them, the same here and there.
    pub hash: u64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// So many rows are to be copied, and then compared.
    Counted(u64),
    /// So many more are copied.
    Copied(u64),
    /// So many more are compared.
    Compared(u64),
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// One of the two could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There are rows in the target, and they are from no copy that was broken off.
    #[error("there are rows in the target already (table {0}): name an empty database")]
    NotEmpty(String),
    /// A row is not the same here and there.
    #[error(
        "table {table}: row {row} is not the same in both: run the copy again, and report it if it comes back"
    )]
    Differs {
        /// The table.
        table: String,
        /// The row, counted from 1 in the order of its key.
        row: u64,
    },
    /// A statement failed.
    #[error("{0}: the target is unfinished, and can be copied to again")]
    Failed(String),
}

impl From<db::Error> for CopyError {
    fn from(error: db::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A table as SQLite has it.
struct Table {
    name: String,
    columns: Vec<String>,
    /// Places of the key's columns.
    key: Vec<usize>,
}

/// Copies, compares, and marks the file as moved. Waits at most `patience` until whoever has the file ends. Blocks.
///
/// # Errors
/// See [`CopyError`]. The file is as it was; the target can be copied to again.
pub fn copy(
    from: &SqliteConfig,
    to: &ServerConfig,
    patience: Duration,
    watch: &mut (dyn FnMut(CopyStep) + Send),
) -> Result<Vec<CopiedTable>, CopyError> {
    // On a thread of its own: whoever asks may be inside a runtime, and connecting waits on another.
    let done = std::thread::scope(|scope| scope.spawn(|| run(from, to, patience, watch)).join());
    done.unwrap_or_else(|_| Err(CopyError::Failed("copying panicked".into())))
}

fn run(
    from: &SqliteConfig,
    to: &ServerConfig,
    patience: Duration,
    watch: &mut (dyn FnMut(CopyStep) + Send),
) -> Result<Vec<CopiedTable>, CopyError> {
    let source_error = |kind| CopyError::Open(OpenError::new(&from.path, kind));
    let target_error = |kind| CopyError::Open(OpenError::at(to.url.to_string(), kind));
    if !from.path.exists() {
        let missing = OpenErrorKind::Io("there is no such file".into());
        return Err(source_error(missing));
    }
    let _lock = wait_for_lock(from, patience).map_err(source_error)?;
    let found = open::check(&from.path, from.busy_timeout_ms).map_err(source_error)?;
    // Brings it to the newest schema as well: both have the same tables then.
    let file = open::writer(from, found).map_err(source_error)?;
    let place = server::server(to.clone()).map_err(target_error)?;
    let conn = server::writer(place.as_ref(), to, true).map_err(target_error)?;
    let Some(session) = conn.session() else {
        return Err(CopyError::Failed("the target is no server".into()));
    };
    let tables = tables(&file)?;
    let is_moved = "SELECT count(*) FROM meta WHERE name = ?1 AND number = 1";
    let is_moved: i64 = file.query_row(is_moved, [MOVED], |row| row.get(0))?;
    let is_unfinished = session.with(|target| is_unfinished(target))?;
    if is_moved > 0 && !is_unfinished {
        // It is somewhere else, and lives there: a second copy would tell everything once more.
        return Err(source_error(OpenErrorKind::Moved));
    }
    session.with(|target| claim(target, &tables, is_unfinished))?;
    let mut total = 0;
    for table in &tables {
        let count = format!("SELECT count(*) FROM {}", table.name);
        let rows: i64 = file.query_row(&count, [], |row| row.get(0))?;
        total += rows.unsigned_abs();
    }
    watch(CopyStep::Counted(total));
    for table in &tables {
        session.with(|target| table.copy(&file, target, watch))?;
    }
    fault::stage("copy.copied");
    session.with(|target| numbers(target))?;
    let mut copied = Vec::new();
    for table in &tables {
        copied.push(session.with(|target| table.compare(&file, target, watch))?);
    }
    fault::stage("copy.compared");
    file.execute(
        "INSERT INTO meta (name, number) VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET number = 1",
        [MOVED],
    )?;
    fault::stage("copy.file_marked");
    session
        .with(|target| target.script(&format!("DELETE FROM meta WHERE name = '{UNFINISHED}'")))?;
    Ok(copied)
}

fn wait_for_lock(from: &SqliteConfig, patience: Duration) -> Result<LockFile, OpenErrorKind> {
    let begun = Instant::now();
    loop {
        match LockFile::take(&from.path) {
            Err(OpenErrorKind::Locked) if begun.elapsed() < patience => {
                std::thread::park_timeout(PAUSE);
            }
            other => return other,
        }
    }
}

/// Whether a copy into the target was begun and not finished.
fn is_unfinished(target: &mut dyn Driver) -> Result<bool, CopyError> {
    let mark = format!("SELECT number FROM meta WHERE name = '{UNFINISHED}'");
    Ok(!ask(target, &mark, vec![])?.is_empty())
}

/// Marks the target as unfinished, and empties it if it was.
fn claim(target: &mut dyn Driver, tables: &[Table], is_unfinished: bool) -> Result<(), CopyError> {
    let names = tables.iter().map(|table| table.name.as_str());
    for name in names.filter(|name| *name != "meta").chain(OF_PROCESSES) {
        let any = format!("SELECT 1 FROM {name} LIMIT 1");
        if ask(target, &any, vec![])?.is_empty() {
            continue;
        }
        if !is_unfinished {
            return Err(CopyError::NotEmpty(name.to_owned()));
        }
        target.script(&format!("TRUNCATE TABLE {name}"))?;
    }
    let own = OWN.map(|name| format!("'{name}'")).join(", ");
    target.script(&format!("DELETE FROM meta WHERE name NOT IN ({own})"))?;
    if !is_unfinished {
        target.script(&format!(
            "INSERT INTO meta (name, number) VALUES ('{UNFINISHED}', 1)"
        ))?;
    }
    Ok(())
}

/// The next numbers that PostgreSQL gives are above those that came with the rows. MySQL and MariaDB see to it themselves.
fn numbers(target: &mut dyn Driver) -> Result<(), CopyError> {
    if target.dialect() == Dialect::Postgres {
        for (table, column) in NUMBERED {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), coalesce((SELECT max({column}) FROM {table}), 0) + 1, false)"
            );
            ask(target, &sql, vec![])?;
        }
    }
    Ok(())
}

fn ask(target: &mut dyn Driver, sql: &str, values: Vec<Value>) -> db::Result<Vec<Box<[Value]>>> {
    let handle = target.prepare(sql)?;
    let rows = target.query(handle, values);
    target.forget(handle);
    rows
}

/// Tables of the file, in the order in which they were made.
fn tables(file: &rusqlite::Connection) -> Result<Vec<Table>, CopyError> {
    let mut names = file.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid",
    )?;
    let names = names.query_map([], |row| row.get(0))?;
    let mut tables = Vec::new();
    for name in names {
        let name: String = name?;
        if OF_PROCESSES.contains(&name.as_str()) {
            continue;
        }
        let mut info = file.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
        let columns = info.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let columns: Vec<(String, u32)> = columns.collect::<rusqlite::Result<_>>()?;
        let mut key: Vec<(u32, usize)> = columns
            .iter()
            .enumerate()
            .filter(|(_, (_, place))| *place > 0)
            .map(|(at, (_, place))| (*place, at))
            .collect();
        key.sort_unstable();
        tables.push(Table {
            name,
            columns: columns.into_iter().map(|(name, _)| name).collect(),
            key: key.into_iter().map(|(_, at)| at).collect(),
        });
    }
    Ok(tables)
}

impl Table {
    fn keys(&self) -> String {
        let names: Vec<&str> = self
            .key
            .iter()
            .map(|at| self.columns[*at].as_str())
            .collect();
        names.join(", ")
    }

    /// All rows of the file in the order of their key, without what is each database's own.
    fn all(&self) -> String {
        format!(
            "SELECT {} FROM {}{} ORDER BY {}",
            self.columns.join(", "),
            self.name,
            self.only(" WHERE"),
            self.keys()
        )
    }

    fn only(&self, word: &str) -> String {
        if self.name != "meta" {
            return String::new();
        }
        let own = OWN.iter().chain([&MOVED]).map(|name| format!("'{name}'"));
        format!(
            "{word} name NOT IN ({})",
            own.collect::<Vec<_>>().join(", ")
        )
    }

    fn row(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Vec<Value>> {
        (0..self.columns.len()).map(|at| row.get(at)).collect()
    }

    fn copy(
        &self,
        file: &rusqlite::Connection,
        target: &mut dyn Driver,
        watch: &mut (dyn FnMut(CopyStep) + Send),
    ) -> Result<(), CopyError> {
        let values: Vec<String> = (1..=self.columns.len())
            .map(|at| format!("?{at}"))
            .collect();
        let insert = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            self.columns.join(", "),
            values.join(", ")
        );
        let insert = target.prepare(&insert)?;
        let mut statement = file.prepare(&self.all())?;
        let mut rows = statement.query([])?;
        let (mut count, mut bytes) = (0, 0);
        target.step(Step::BeginWriting)?;
        while let Some(row) = rows.next()? {
            let row = self.row(row)?;
            bytes += row.iter().map(size).sum::<usize>();
            count += 1;
            target.queue(insert, row)?;
            if count == ROWS || bytes > BYTES {
                target.step(Step::Commit)?;
                target.step(Step::BeginWriting)?;
                watch(CopyStep::Copied(count as u64));
                (count, bytes) = (0, 0);
            }
        }
        target.step(Step::Commit)?;
        fault::stage("copy.rows_committed");
        watch(CopyStep::Copied(count as u64));
        Ok(())
    }

    /// Reads both side by side.
    fn compare(
        &self,
        file: &rusqlite::Connection,
        target: &mut dyn Driver,
        watch: &mut (dyn FnMut(CopyStep) + Send),
    ) -> Result<CopiedTable, CopyError> {
        let columns = self.columns.join(", ");
        let (name, keys) = (&self.name, self.keys());
        let marks: Vec<String> = (1..=self.key.len()).map(|at| format!("?{at}")).collect();
        let first = format!(
            "SELECT {columns} FROM {name}{} ORDER BY {keys} LIMIT {COMPARED}",
            self.only(" WHERE")
        );
        let after = match self.key.len() {
            1 => format!("{keys} > ?1"),
            _ => format!("({keys}) > ({})", marks.join(", ")),
        };
        let next = format!(
            "SELECT {columns} FROM {name} WHERE {after}{} ORDER BY {keys} LIMIT {COMPARED}",
            self.only(" AND")
        );
        let mut there = ask(target, &first, vec![])?.into_iter();
        let mut statement = file.prepare(&self.all())?;
        let mut rows = statement.query([])?;
        let mut copied = CopiedTable {
            name: name.clone(),
            rows: 0,
            hash: HASH,
        };
        let mut last: Option<Vec<Value>> = None;
        loop {
            let here = rows.next()?.map(|row| self.row(row)).transpose()?;
            let mut other = there.next();
            if let (None, Some(last)) = (&other, &last)
                && copied.rows.is_multiple_of(COMPARED as u64)
            {
                let key = self.key.iter().map(|at| last[*at].clone()).collect();
                there = ask(target, &next, key)?.into_iter();
                other = there.next();
                watch(CopyStep::Compared(COMPARED as u64));
            }
            match (here, other) {
                (None, None) => break,
                (Some(here), Some(other)) if here[..] == other[..] => {
                    copied.rows += 1;
                    for value in &here {
                        copied.hash = hashed(copied.hash, value);
                    }
                    last = Some(here);
                }
                _ => {
                    return Err(CopyError::Differs {
                        table: name.clone(),
                        row: copied.rows + 1,
                    });
                }
            }
        }
        watch(CopyStep::Compared(copied.rows % COMPARED as u64));
        Ok(copied)
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

/// FNV-1a: to show, and to compare with another copy. That rows are the same is told by the rows.
const HASH: u64 = 0xcbf2_9ce4_8422_2325;

fn hashed(hash: u64, value: &Value) -> u64 {
    let add = |hash: u64, bytes: &[u8]| {
        bytes.iter().fold(hash, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    match value {
        Value::Null => add(hash, &[0]),
        Value::Integer(number) => add(add(hash, &[1]), &number.to_be_bytes()),
        Value::Real(number) => add(add(hash, &[2]), &number.to_be_bytes()),
        Value::Text(text) => add(add(add(hash, &[3]), text.as_bytes()), &[0xff]),
        Value::Blob(bytes) => {
            let length = (bytes.len() as u64).to_be_bytes();
            add(add(add(hash, &[4]), &length), bytes)
        }
    }
}
