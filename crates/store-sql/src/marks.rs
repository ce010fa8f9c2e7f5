//! Small numbers that live in memory and in `meta`: the ends of reserved number ranges and the
//! cursors of the chores.
//!
//! Numbers are taken from memory; only the end of a reserved range is written, in the transaction
//! that first goes beyond it. A start begins after the last range, so no number in a committed row
//! is ever given out again. Where several processes share the store, each reserves ranges of its own; but
//! events and devices are numbered as they are committed, whoever writes them: a log is read in that order, and a
//! campaign's audience ends with the last device that was there when it began. The marks are plain values: a
//! transaction that is rolled back puts the copy from before back.

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
    /// Notifications up to these numbers were looked at by the pruner: for their content, their records.
    pub(crate) pruned: [i64; 2],
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
        if self.next >= self.end {
            (self.next, self.end) = self.reserve(conn)?;
        }
        let number = self.next;
        self.next += 1;
        Ok(number)
    }

    /// Reserves a range after all that anybody has reserved.
    pub(crate) fn reserve(&mut self, conn: &Connection) -> Done<(i64, i64)> {
        let from = read_meta(conn, self.name)?.unwrap_or(1).max(self.next);
        let end = self.beyond(from)?;
        write_meta(conn, self.name, end)?;
        Ok((from, end))
    }

    fn beyond(&self, number: i64) -> Done<i64> {
        let end = number.checked_add(self.block);
        Ok(end.ok_or_else(|| StoreError::Failed(format!("no {} numbers are left", self.name)))?)
    }

    /// `number` goes into a row: keeps the reserved end above it.
    pub(crate) fn used(&mut self, conn: &Connection, number: i64) -> Done<()> {
        if number >= self.end {
            let end = self.beyond(number)?;
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
            pruned: [
                read_meta(conn, PRUNED[0])?.unwrap_or(0),
                read_meta(conn, PRUNED[1])?.unwrap_or(0),
            ],
            prune_phase: 0,
        })
    }

    /// Others have committed since this process did: goes on behind them.
    pub(crate) fn catch_up(&mut self, conn: &Connection) -> Done<()> {
        let mut statement = conn.prepare_cached(
            "SELECT name, number FROM meta WHERE name IN
                (?1, ?2, 'indexed', 'event', 'last_event', 'device', 'last_device')",
        )?;
        let mut found = statement.query(PRUNED)?;
        while let Some(row) = found.next()? {
            let (name, number): (String, i64) = (row.get(0)?, row.get(1)?);
            match name.as_str() {
                "indexed" => self.indexed = number,
                "event" => self.event.end = number,
                LAST_EVENT => self.event.next = self.event.next.max(number + 1),
                "device" => self.device.end = number,
                LAST_DEVICE => self.device.next = self.device.next.max(number + 1),
                name if name == PRUNED[0] => self.pruned[0] = number,
                _ => self.pruned[1] = number,
            }
        }
        Ok(())
    }

    /// Events were written, or devices, since `before`: the others go on behind them.
    pub(crate) fn tell_last(&self, conn: &Connection, before: &Self) -> Done<()> {
        if self.event.next != before.event.next {
            write_meta(conn, LAST_EVENT, self.event.next - 1)?;
        }
        if self.device.next != before.device.next {
            write_meta(conn, LAST_DEVICE, self.device.next - 1)?;
        }
        Ok(())
    }
}

/// In `meta`: where the pruner's two passes are.
pub(crate) const PRUNED: [&str; 2] = ["prune_content", "prune_records"];

/// In `meta`, where several processes write: the number of the last event.
const LAST_EVENT: &str = "last_event";

/// The same of devices.
const LAST_DEVICE: &str = "last_device";

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
