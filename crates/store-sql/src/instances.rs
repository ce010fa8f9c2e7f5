//! Who shares the store: a row for each process that lives, and what one must tell the others.
//!
//! All instants here are the database's own: the clocks of two machines need not agree.

use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::{At, Done, corrupt};
use crate::hot::SCHEDULER_PAUSED;
use crate::marks::{read_meta, write_meta};
use crate::queue::Class as Turn;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::NotificationNo;
use carillon_model::positions::Positions;
use carillon_model::role::Roles;
use carillon_ports::instance::{Instance, InstanceStore, Notice, NoticeKind, Presence, Pulse};
use carillon_ports::store::Result;

/// How long a notice is told: long after every process has looked.
const NOTICE_KEEP_MS: i64 = 60_000;

/// A process that opens the store joins within this time, or is given up.
const JOIN_WITHIN_MS: i64 = 60_000;

/// In `meta`: rises with every change of what a directory holds.
const DIRECTORY: &str = "directory";

/// In `meta`: how many transactions were committed, where several processes write. Its row is locked by each
/// of them to its end, so they come one after the other, whoever writes.
const COMMIT: &str = "commit";

#[async_trait]
impl InstanceStore for SqlStore {
    fn is_shared(&self) -> bool {
        self.file().is_none()
    }

    async fn join(&self, presence: Presence) -> Result<()> {
        self.write(Turn::Settle, 1, move |tx| join(tx, &presence))
            .await
    }

    async fn heartbeat(&self, give_up_after_ms: Option<u32>, report: String) -> Result<()> {
        self.write(Turn::Settle, 1, move |tx| {
            heartbeat(tx, give_up_after_ms, &report)
        })
        .await
    }

    async fn pulse(&self) -> Result<Pulse> {
        self.read_hot(pulse).await
    }

    async fn resign(&self) -> Result<()> {
        self.write(Turn::Settle, 1, resign).await
    }

    async fn leave(&self) -> Result<()> {
        self.write(Turn::Settle, 1, leave).await
    }

    async fn directory_no(&self) -> Result<i64> {
        self.read_hot(|conn| Ok(read_meta(conn, DIRECTORY)?.unwrap_or(0)))
            .await
    }

    async fn reports(&self) -> Result<Vec<String>> {
        let epoch = self.epoch_no();
        self.read(move |conn| {
            Ok(conn
                .prepare_cached(
                    "SELECT report FROM instances WHERE epoch <> ?1 AND report <> '' ORDER BY joined_no",
                )?
                .query_map([epoch], |row| row.get(0))?
                .collect::<db::Result<_>>()?)
        })
        .await
    }

    async fn held_elsewhere(&self, no: NotificationNo) -> Result<u64> {
        let epoch = self.epoch_no();
        self.read_hot(move |conn| held_elsewhere(conn, epoch, no))
            .await
    }
}

/// The database's clock.
fn now(conn: &Connection) -> Done<UnixMs> {
    let ask = conn.dialect().clock();
    Ok(conn.prepare_cached(ask)?.query_row([], |row| row.get(0))?)
}

/// A process opens the store, in the transaction in which it takes its epoch. Its row stands from here on.
pub(crate) fn open(conn: &Connection, epoch: i64) -> Done<()> {
    if conn.session().is_none() {
        // The file's lock is ours: whoever was here lives no more.
        conn.prepare("DELETE FROM instances")?.execute([])?;
    }
    let now = now(conn)?;
    conn.prepare(
        "INSERT INTO instances (epoch, joined_no, name, roles, url, wake, version, started_at, heartbeat_at, commit_no, report)
         VALUES (?1, 0, '', '', '', '', '', ?2, ?2, 0, '')",
    )?
    .execute(params![epoch, now])?;
    Ok(())
}

fn join(tx: &mut Tx<'_>, presence: &Presence) -> Done<()> {
    let now = now(tx.conn)?;
    let last: i64 = tx
        .conn
        .prepare_cached("SELECT max(joined_no) FROM instances")?
        .query_row([], |row| row.get(0))?;
    tx.conn
        .prepare_cached(
            "UPDATE instances SET joined_no = ?2, name = ?3, roles = ?4, url = ?5, version = ?6,
                started_at = ?7, heartbeat_at = ?7, wake = ?8
             WHERE epoch = ?1",
        )?
        .execute(params![
            tx.epoch,
            last + 1,
            presence.name,
            presence.roles.to_string(),
            presence.address,
            presence.version,
            now,
            presence.wake_address
        ])?;
    Ok(())
}

fn heartbeat(tx: &mut Tx<'_>, give_up_after_ms: Option<u32>, report: &str) -> Done<()> {
    let now = now(tx.conn)?;
    let before: i64 = tx
        .conn
        .prepare_cached("SELECT heartbeat_at FROM instances WHERE epoch = ?1")?
        .query_row([tx.epoch], |row| row.get(0))?;
    tx.conn
        .prepare_cached("UPDATE instances SET heartbeat_at = ?2, report = ?3 WHERE epoch = ?1")?
        .execute(params![tx.epoch, now, report])?;
    if let Some(most) = give_up_after_ms {
        // Whatever held this one up, as another that hangs in its turn, held the others up as well: they are asked for what they
        // had shown when it last showed that it lives. Under load that is so at each heartbeat.
        let was_held_up = (now - before) * 2 > i64::from(most);
        let by = if was_held_up { before } else { now };
        let given_up = tx
            .conn
            .prepare_cached(
                "DELETE FROM instances WHERE heartbeat_at < CASE WHEN joined_no > 0 THEN ?1 ELSE ?2 END",
            )?
            .execute([by - i64::from(most), by - JOIN_WITHIN_MS])?;
        if given_up > 0 {
            tracing::warn!(
                given_up,
                "{given_up} processes were not heard of for {most} ms and are given up"
            );
        }
    }
    tx.conn
        .prepare_cached("DELETE FROM notices WHERE at < ?1")?
        .execute([now - NOTICE_KEEP_MS])?;
    Ok(())
}

fn resign(tx: &mut Tx<'_>) -> Done<()> {
    tx.conn
        .prepare_cached("UPDATE instances SET roles = '' WHERE epoch = ?1")?
        .execute([tx.epoch])?;
    Ok(())
}

/// Takes the process' row away.
pub(crate) fn leave(tx: &mut Tx<'_>) -> Done<()> {
    *tx.has_left = true;
    tx.conn
        .prepare_cached("DELETE FROM instances WHERE epoch = ?1")?
        .execute([tx.epoch])?;
    Ok(())
}

fn pulse(conn: &Connection) -> Done<Pulse> {
    let now = now(conn)?;
    let mut statement = conn.prepare_cached(
        "SELECT epoch, name, roles, url, version, started_at, heartbeat_at, wake FROM instances
         WHERE joined_no > 0 ORDER BY joined_no",
    )?;
    let mut found = statement.query([])?;
    let mut instances = Vec::new();
    while let Some(row) = found.next()? {
        let epoch = row.get(0)?;
        let roles: String = row.get(2)?;
        instances.push(Instance {
            epoch,
            presence: Presence {
                name: row.get(1)?,
                roles: match roles.as_str() {
                    // It has resigned.
                    "" => Roles::default(),
                    words => Roles::parse(words)
                        .map_err(|problem| corrupt("instances", "roles", epoch, problem))?,
                },
                address: row.get(3)?,
                version: row.get(4)?,
                wake_address: row.get(7)?,
            },
            started_at: row.get(5)?,
            age_ms: now - row.get::<_, i64>(6)?,
        });
    }
    let mut statement = conn
        .prepare_cached("SELECT notification_no, what, at FROM notices ORDER BY notification_no")?;
    let mut found = statement.query([])?;
    let mut notices = Vec::new();
    while let Some(row) = found.next()? {
        // One that this version does not know concerns nothing that it does.
        if let Some(what) = NoticeKind::from_code(row.get(1)?) {
            let no = NotificationNo(row.get(0)?);
            let at = row.get(2)?;
            notices.push(Notice { no, what, at });
        }
    }
    Ok(Pulse {
        instances,
        directory: read_meta(conn, DIRECTORY)?.unwrap_or(0),
        commits: read_meta(conn, COMMIT)?.unwrap_or(0),
        is_scheduler_paused: read_meta(conn, SCHEDULER_PAUSED)?.unwrap_or(0) != 0,
        notices,
    })
}

/// What a directory holds has changed.
pub(crate) fn directory_changed(conn: &Connection) -> Done<()> {
    let number = read_meta(conn, DIRECTORY)?.unwrap_or(0) + 1;
    write_meta(conn, DIRECTORY, number)
}

/// Others are to hear of what became of a notification, where there are others.
pub(crate) fn tell(tx: &Tx<'_>, no: NotificationNo, what: NoticeKind) -> Done<()> {
    if !tx.numbers.is_shared() {
        return Ok(());
    }
    let now = now(tx.conn)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO notices (notification_no, what, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (notification_no) DO UPDATE SET what = excluded.what, at = excluded.at",
        )?
        .execute(params![no.0, what.code(), now])?;
    Ok(())
}

/// Whether others than `epoch` hold work of a notification.
pub(crate) fn is_held_elsewhere(conn: &Connection, epoch: i64, no: NotificationNo) -> Done<bool> {
    let (first, last) = no.batches();
    let found: Option<i64> = conn
        .prepare_cached(
            "SELECT 1 FROM work WHERE batch_no BETWEEN ?1 AND ?2 AND due_at IS NULL AND holder <> ?3 LIMIT 1",
        )?
        .query_row(params![first.0, last.0, epoch], |row| row.get(0))
        .optional()?;
    Ok(found.is_some())
}

/// How many deliveries of a notification others than `epoch` hold.
fn held_elsewhere(conn: &Connection, epoch: i64, no: NotificationNo) -> Done<u64> {
    let (first, last) = no.batches();
    let mut statement = conn.prepare_cached(
        "SELECT w.positions, b.count, w.batch_no FROM work w JOIN batches b ON b.batch_no = w.batch_no
         WHERE w.batch_no BETWEEN ?1 AND ?2 AND w.due_at IS NULL AND w.holder <> ?3",
    )?;
    let mut found = statement.query(params![first.0, last.0, epoch])?;
    let mut held = 0;
    while let Some(row) = found.next()? {
        let positions: Option<Vec<u8>> = row.get(0)?;
        held += match positions {
            None => row.get::<_, u32>(1)?.into(),
            Some(bytes) => {
                let batch: i64 = row.get(2)?;
                let positions = Positions::decode(&bytes).at("work", "positions", batch)?;
                positions.as_slice().len() as u64
            }
        };
    }
    Ok(held)
}

/// A transaction's turn, on a server: waits until no other is open.
pub(crate) struct Turned {
    /// Its number among those of all processes.
    pub(crate) number: i64,
    /// Whether this process is still counted among them.
    pub(crate) lives: bool,
}

/// The first turn of a process that has no row yet. Returns its number.
pub(crate) fn first_turn(conn: &Connection) -> Done<i64> {
    // Not first inserted and then counted up: on MySQL whoever inserts what is there shares its lock, and gets it alone only
    // before those who wait for it. That is a deadlock, and the one who is refused may be a request of another process.
    let counted = conn
        .prepare("UPDATE meta SET number = number + 1 WHERE name = 'commit'")?
        .execute([])?;
    if counted == 0 {
        conn.prepare(
            "INSERT INTO meta (name, number) VALUES ('commit', 0) ON CONFLICT (name) DO NOTHING",
        )?
        .execute([])?;
    }
    Ok(turn(conn, 0)?.number)
}

/// Takes a turn. What is read after it is what the turn before left.
pub(crate) fn turn(conn: &Connection, epoch: i64) -> Done<Turned> {
    conn.prepare_cached("UPDATE meta SET number = number + 1 WHERE name = 'commit'")?
        .run([])?;
    let turned = conn
        .prepare_cached(
            "SELECT number, (SELECT count(*) FROM instances WHERE epoch = ?1) FROM meta WHERE name = 'commit'",
        )?
        .query_row([epoch], |row| {
            Ok(Turned {
                number: row.get(0)?,
                lives: row.get::<_, i64>(1)? == 1,
            })
        })?;
    Ok(turned)
}

/// A process is about to commit, for the `count`th time.
pub(crate) fn commits(conn: &Connection, epoch: i64, count: i64) -> Done<()> {
    conn.prepare_cached("UPDATE instances SET commit_no = ?2 WHERE epoch = ?1")?
        .run(params![epoch, count])?;
    Ok(())
}

/// How many times a process has committed. `None`: it was given up.
pub(crate) fn committed(conn: &Connection, epoch: i64) -> Done<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT commit_no FROM instances WHERE epoch = ?1")?
        .query_row([epoch], |row| row.get(0))
        .optional()?)
}
