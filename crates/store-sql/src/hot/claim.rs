//! Work that waits: which lanes have some, taking it, giving it back.

use super::campaigns::{self, PARKED};
use super::cancel::withdraw;
use super::ledger::Ledger;
use super::rows;
use crate::db::{self, Connection, Dialect, OptionalExtension, params};
use crate::error::{At, Done, Fault};
use crate::statements::Statement;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::lane::{Class, Lane};
use carillon_ports::fault::{Bug, planted};
use carillon_ports::store::{ClaimedWork, StoreError, Work, WorkId};
use std::collections::BTreeSet;

/// How long a work row that cannot be read is set aside, so that it does not stop its lane.
const SET_ASIDE_MS: i64 = 3_600_000;

/// Jumps from one (lane, class) to the next in the index, so that the length of a lane costs nothing.
pub(super) fn waiting_lanes(conn: &Connection) -> Done<Vec<(Lane, Class, UnixMs)>> {
    type Found = (i64, u8, UnixMs);
    let found = |row: db::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let mut lanes: Vec<Found> = Vec::new();
    if conn.dialect() == Dialect::Mysql {
        // It compares rows by walking through the whole lane, and jumps by itself where it groups.
        let mut all = conn.prepare_cached(
            "SELECT lane, class, min(due_at) FROM work INDEXED BY work_due
             WHERE due_at IS NOT NULL GROUP BY lane, class ORDER BY lane, class",
        )?;
        lanes = all.query_map([], found)?.collect::<db::Result<_>>()?;
    } else {
        let mut next = conn.prepare_cached(
            "SELECT lane, class, due_at FROM work INDEXED BY work_due
             WHERE due_at IS NOT NULL AND (lane, class) > (?1, ?2) ORDER BY lane, class, due_at LIMIT 1",
        )?;
        let mut last = (i64::MIN, 0u8);
        while let Some(one) = next.query_row(params![last.0, last.1], found).optional()? {
            last = (one.0, one.1);
            lanes.push(one);
        }
    }
    let read = |(lane, class, due): Found| {
        Ok((
            Lane::from_code(lane).at("work", "lane", lane)?,
            Class::from_code(class).at("work", "class", class)?,
            due,
        ))
    };
    lanes.into_iter().map(read).collect()
}

pub(super) fn backlog(conn: &Connection, limit: u32) -> Done<Vec<(Lane, u32, UnixMs)>> {
    let mut next = conn.prepare_cached(
        "SELECT lane FROM work INDEXED BY work_due WHERE due_at < ?2 AND lane > ?1 ORDER BY lane LIMIT 1",
    )?;
    let mut count = conn.prepare_cached(
        "SELECT count(*), min(batch_no) >> 20, min(due_at) FROM
            (SELECT batch_no, due_at FROM work INDEXED BY work_due WHERE due_at < ?3 AND lane = ?1 LIMIT ?2) waiting",
    )?;
    let mut begun = conn.prepare_cached(
        "SELECT coalesce(begun_at, accepted_at) FROM notifications WHERE notification_no = ?1 AND campaign = 0",
    )?;
    let mut backlog = Vec::new();
    let mut last = i64::MIN;
    while let Some(lane) = next
        .query_row([last, PARKED], |row| row.get(0))
        .optional()?
    {
        last = lane;
        let (count, oldest, due): (u32, Option<i64>, Option<UnixMs>) = count
            .query_row(params![lane, limit.max(1), PARKED], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let oldest: Option<UnixMs> = begun.query_row([oldest], |row| row.get(0)).optional()?;
        // The lowest number need not be the oldest: it may have waited for its time. Work is never due
        // before its notification's sending began.
        let oldest = [oldest, due].into_iter().flatten().min();
        backlog.push((
            Lane::from_code(lane).at("work", "lane", lane)?,
            count,
            oldest.unwrap_or(0),
        ));
    }
    Ok(backlog)
}

pub(super) fn claim(
    tx: &mut Tx<'_>,
    lane: Lane,
    class: Class,
    now: UnixMs,
    batches: u32,
    deliveries: u32,
) -> Done<Vec<ClaimedWork>> {
    let due = due(tx.conn, lane, class, now, batches)?;
    read_ahead(tx.conn, &due)?;
    let mut ledger = Ledger::default();
    let mut claimed = Vec::new();
    let mut taken = 0u32;
    for id in due {
        if taken >= deliveries && !claimed.is_empty() {
            break;
        }
        let claim = match read(tx.conn, id) {
            Ok(claim) => claim,
            Err(Fault::Store(StoreError::Corrupt(text))) => {
                tracing::error!(
                    batch = id.batch.0,
                    seq = id.seq,
                    error = text,
                    "work set aside"
                );
                set_due(tx.conn, id, now + SET_ASIDE_MS)?;
                continue;
            }
            Err(fault) => return Err(fault),
        };
        if claim.notification.cancelled {
            withdraw(tx, &mut ledger, &claim.work, now)?;
            continue;
        }
        if claim.notification.paused {
            campaigns::put_aside(tx, id)?;
            continue;
        }
        if planted(Bug::LoseWork) && id.batch.notification().0 % 16 == 0 {
            delete(tx, id)?;
            continue;
        }
        hold(tx, id)?;
        taken = taken.saturating_add(match &claim.work.positions {
            Some(positions) => positions.as_slice().len() as u32,
            None => claim.devices.count().into(),
        });
        if planted(Bug::DoubleBatch) {
            claimed.push(claim.clone());
        }
        claimed.push(claim);
    }
    ledger.close(tx, now)?;
    Ok(claimed)
}

fn due(
    conn: &Connection,
    lane: Lane,
    class: Class,
    now: UnixMs,
    batches: u32,
) -> Done<Vec<WorkId>> {
    let mut due = conn.prepare_cached(
        "SELECT batch_no, seq FROM work INDEXED BY work_due
         WHERE due_at IS NOT NULL AND lane = ?1 AND class = ?2 AND due_at <= ?3
         ORDER BY due_at, batch_no, seq LIMIT ?4",
    )?;
    let ids = due.query_map(params![lane.code(), class.code(), now, batches], |row| {
        Ok(WorkId {
            batch: carillon_model::id::BatchNo(row.get(0)?),
            seq: row.get(1)?,
        })
    })?;
    Ok(ids.collect::<db::Result<_>>()?)
}

/// Reads a work row with all that sending it needs.
fn read(conn: &Connection, id: WorkId) -> Done<ClaimedWork> {
    let missing = |table: &str| {
        Fault::from(crate::error::corrupt(
            table,
            "*",
            id.batch,
            "the row is missing",
        ))
    };
    let mut work = work(conn, id)?.ok_or_else(|| missing("work"))?;
    work.due_at = None;
    let batch = rows::batch(conn, id.batch)?.ok_or_else(|| missing("batches"))?;
    let devices = rows::devices(conn, id.batch)?;
    if devices.count() != batch.count {
        return Err(
            crate::error::corrupt("batches", "count", id.batch, "not as many devices").into(),
        );
    }
    let notification = rows::notification(conn, id.batch.notification())?
        .ok_or_else(|| missing("notifications"))?;
    Ok(ClaimedWork {
        work,
        devices,
        verdicts: batch.verdicts,
        notification,
    })
}

/// All these are about to be read. Several works of one batch are not: what is read once is not there a second time.
fn read_ahead(conn: &Connection, due: &[WorkId]) -> Done<()> {
    let works = due.iter().map(|id| [id.batch.0, id.seq]);
    conn.prepare_cached(&one_work())?.ahead(works)?;
    let batches: BTreeSet<_> = due.iter().map(|id| id.batch).collect();
    rows::batches_ahead(conn, batches.iter().copied())?;
    rows::devices_ahead(conn, batches.iter().copied())?;
    let notifications: BTreeSet<_> = batches.iter().map(|batch| batch.notification()).collect();
    rows::notifications_ahead(conn, notifications.into_iter())
}

fn one_work() -> String {
    format!(
        "SELECT {} FROM work WHERE batch_no = ?1 AND seq = ?2",
        rows::WORK
    )
}

/// Reads a work row.
pub(super) fn work(conn: &Connection, id: WorkId) -> Done<Option<Work>> {
    let mut statement = conn.prepare_cached(&one_work())?;
    let mut rows = statement.query(params![id.batch.0, id.seq])?;
    rows.next()?.map(rows::work).transpose()
}

fn hold(tx: &Tx<'_>, id: WorkId) -> Done<()> {
    tx.conn
        .prepare_cached(
            "UPDATE work SET due_at = NULL, holder = ?3 WHERE batch_no = ?1 AND seq = ?2",
        )?
        .run(params![id.batch.0, id.seq, tx.epoch])?;
    Ok(())
}

/// Brings back what was put aside.
pub(super) fn set_due_again(tx: &Tx<'_>, id: WorkId, by: UnixMs) -> Done<()> {
    tx.conn
        .prepare_cached("UPDATE work SET due_at = due_at - ?3 WHERE batch_no = ?1 AND seq = ?2")?
        .execute(params![id.batch.0, id.seq, by])?;
    Ok(())
}

fn set_due(conn: &Connection, id: WorkId, due_at: UnixMs) -> Done<()> {
    conn.prepare_cached(
        "UPDATE work SET due_at = ?3, holder = NULL, watermark = 0 WHERE batch_no = ?1 AND seq = ?2",
    )?
    .run(params![id.batch.0, id.seq, due_at])?;
    Ok(())
}

pub(super) fn delete(tx: &mut Tx<'_>, id: WorkId) -> Done<()> {
    tx.statement(Statement::DeleteWork)?
        .run(params![id.batch.0, id.seq])?;
    Ok(())
}

/// Unsent, so nothing of it is in doubt: its watermark goes as well.
pub(super) fn release(tx: &mut Tx<'_>, works: &[(WorkId, UnixMs)]) -> Done<()> {
    works
        .iter()
        .try_for_each(|(id, due_at)| set_due(tx.conn, *id, *due_at))
}

pub(super) fn watermark(tx: &mut Tx<'_>, marks: &[(WorkId, u16)]) -> Done<()> {
    let mut raise = tx.conn.prepare_cached(
        "UPDATE work SET watermark = max(watermark, ?3) WHERE batch_no = ?1 AND seq = ?2",
    )?;
    for (id, watermark) in marks {
        raise.run(params![id.batch.0, id.seq, watermark])?;
    }
    Ok(())
}
