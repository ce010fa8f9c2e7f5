//! Small numbers that live in memory and in `meta`: the ends of reserved number ranges and the
//! cursors of the chores.
//!
//! Numbers are taken from memory; only the end of a reserved range is written, in the transaction
//! that first goes beyond it. A start begins after the last range, so no number in a committed row
//! is ever given out again. The marks are plain values: a transaction that is rolled back puts the
//! copy from before back.

use crate::db::{Connection, OptionalExtension, params};
use crate::error::Done;
use carillon_ports::store::StoreError;

/// A number that something new is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    name: &'static str,
    block: i64,
    next: i64,
    end: i64,
}

/// All of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// Notifications: given out by an atomic in [`crate::SqlStore`]; here only the reserved end.
    pub(crate) notification: Range,
    pub(crate) app: Range,
    pub(crate) credential: Range,
    pub(crate) definition: Range,
    pub(crate) api_key: Range,
    pub(crate) device: Range,
    pub(crate) event: Range,
    pub(crate) list: Range,
    /// Timers and their fences.
    pub(crate) timer: Range,
    /// Batches up to this number are in `device_batches`.
    pub(crate) indexed: i64,
    /// Where the pruner is; in memory only.
    pub(crate) prune_phase: u8,
}

impl Range {
    fn read(conn: &Connection, name: &'static str, block: i64) -> Done<Self> {
        let end = read_meta(conn, name)?.unwrap_or(1);
        Ok(Self {
            name,
            block,
            next: end,
            end,
        })
    }

    /// Where a fresh start begins.
    pub(crate) fn start(&self) -> i64 {
        self.next
    }

    /// The next number.
    pub(crate) fn take(&mut self, conn: &Connection) -> Done<i64> {
        let number = self.next;
        self.used(conn, number)?;
        self.next = number + 1;
        Ok(number)
    }

    /// `number` goes into a row: keeps the reserved end above it.
    pub(crate) fn used(&mut self, conn: &Connection, number: i64) -> Done<()> {
        if number >= self.end {
            let end = number
                .checked_add(self.block)
                .ok_or_else(|| StoreError::Failed(format!("no {} numbers are left", self.name)))?;
            write_meta(conn, self.name, end)?;
            self.end = end;
        }
        Ok(())
    }
}

impl Marks {
    pub(crate) fn read(conn: &Connection) -> Done<Self> {
        Ok(Self {
            notification: Range::read(conn, "notification", 1 << 16)?,
            app: Range::read(conn, "app", 1)?,
            credential: Range::read(conn, "credential", 1)?,
            definition: Range::read(conn, "definition", 1)?,
            api_key: Range::read(conn, "api_key", 1)?,
            device: Range::read(conn, "device", 1 << 12)?,
            event: Range::read(conn, "event", 1 << 12)?,
            list: Range::read(conn, "list", 1)?,
            timer: Range::read(conn, "timer", 1 << 12)?,
            indexed: read_meta(conn, "indexed")?.unwrap_or(0),
            prune_phase: 0,
        })
    }
}

/// Names of all ranges, for a restore that jumps over what was given out after the backup.
pub(crate) const RANGES: [&str; 9] = [
    "notification",
    "app",
    "credential",
    "definition",
    "api_key",
    "device",
    "event",
    "list",
    "timer",
];

pub(crate) fn read_meta(conn: &Connection, name: &str) -> Done<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT number FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

pub(crate) fn write_meta(conn: &Connection, name: &str, number: i64) -> Done<()> {
    conn.prepare_cached(
        "INSERT INTO meta (name, number) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET number = excluded.number",
    )?
    .run(params![name, number])?;
    Ok(())
}
