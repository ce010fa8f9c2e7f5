//! Cancelling: the mark, then all that waits is settled, in slices.

use super::ledger::{self, Ledger, Tally, Why};
use super::rows;
use super::{callouts, claim, records, timers};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::Done;
use crate::instances;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_ports::instance::NoticeKind;
use carillon_ports::store::{CountDelta, Work};

/// Work rows in one slice: a few milliseconds when they are full batches.
pub(super) const SLICE: usize = 100;

/// What one slice did.
pub(super) struct Slice {
    pub(super) not_sent: u64,
    pub(super) held: bool,
    pub(super) more: bool,
}

pub(super) fn slice(
    tx: &mut Tx<'_>,
    app: AppNo,
    no: NotificationNo,
    now: UnixMs,
) -> Done<Option<Slice>> {
    let known = tx
        .conn
        .prepare_cached("SELECT 1 FROM notifications WHERE notification_no = ?1 AND app_no = ?2")?
        .exists(params![no.0, app.0])?;
    if !known {
        return Ok(None);
    }
    // What had ended before stays as it ended.
    if !is_complete(tx.conn, no)? {
        tx.conn
            .prepare_cached(
                "UPDATE notifications SET cancelled_at = ?2 WHERE notification_no = ?1 AND cancelled_at IS NULL",
            )?
            .run(params![no.0, now])?;
    }
    let mut ledger = Ledger::default();
    if super::fanout::finish(tx, no)? {
        ledger.touch(no);
    }
    callouts::overtake_send(tx, no, now)?;
    if timers::withdraw(tx, no)? {
        timers::complete(tx, &mut ledger, no, now)?;
    }
    let due = due(tx, no)?;
    let chunks = super::campaigns::delete_chunks(tx, no, SLICE as u32)?;
    let more = due.len() == SLICE || chunks == SLICE as u64;
    let mut not_sent = 0;
    for work in due {
        not_sent += withdraw(tx, &mut ledger, &work, now)?;
    }
    ledger.close(tx, now)?;
    let (first, last) = no.batches();
    let held = tx
        .conn
        .prepare_cached(
            "SELECT 1 FROM work WHERE batch_no BETWEEN ?1 AND ?2 AND due_at IS NULL LIMIT 1",
        )?
        .query_row(params![first.0, last.0], |_| Ok(()))
        .optional()?
        .is_some();
    if held && instances::is_held_elsewhere(tx.conn, tx.epoch, no)? {
        instances::tell(tx, no, NoticeKind::Cancelled)?;
    }
    Ok(Some(Slice {
        not_sent,
        held,
        more,
    }))
}

/// Whether every delivery has ended, as a view says it.
fn is_complete(conn: &Connection, no: NotificationNo) -> Done<bool> {
    if let Some(tally) = Tally::read(conn, no)? {
        return Ok(tally.completed_at.is_some());
    }
    let batch = rows::batch(conn, no.batch(0))?;
    Ok(batch.is_some_and(|batch| batch.settled_at.is_some()))
}

fn due(tx: &Tx<'_>, no: NotificationNo) -> Done<Vec<Work>> {
    let (first, last) = no.batches();
    let mut statement = tx.conn.prepare_cached(&format!(
        "SELECT {} FROM work WHERE batch_no BETWEEN ?1 AND ?2 AND due_at IS NOT NULL LIMIT ?3",
        rows::WORK
    ))?;
    let mut found = statement.query(params![first.0, last.0, SLICE as i64])?;
    let mut works = Vec::new();
    while let Some(row) = found.next()? {
        works.push(rows::work(row)?);
    }
    Ok(works)
}

/// Takes a work row of a cancelled notification back: its open deliveries are cancelled, or, where an
/// earlier try is in doubt, unknown. Returns how many were cancelled.
pub(super) fn withdraw(
    tx: &mut Tx<'_>,
    ledger: &mut Ledger,
    work: &Work,
    now: UnixMs,
) -> Done<u64> {
    claim::delete(tx, work.id)?;
    let Some(mut batch) = ledger::batch(tx.conn, work.id.batch)? else {
        return Ok(0);
    };
    let state = if work.in_doubt {
        FinalState::Unknown
    } else {
        FinalState::Cancelled
    };
    let learnt: Vec<_> = open_positions(&batch, work)
        .into_iter()
        .map(|position| (position, state))
        .collect();
    let why = Why::All(work.lane.gateway, "");
    ledger.learn(tx.conn, &mut batch, &learnt, &why, now)?;
    let count = learnt.len() as u64;
    if count > 0 {
        let delta = CountDelta {
            app: work.lane.app,
            gateway: work.lane.gateway,
            state,
            reason: String::new(),
            count: count as i64,
            at: None,
        };
        records::add_count(tx.conn, &delta, now)?;
    }
    Ok(if work.in_doubt { 0 } else { count })
}

/// Positions that a work row is about and that have no final state.
pub(super) fn open_positions(batch: &rows::Batch, work: &Work) -> Vec<u16> {
    match &work.positions {
        None => batch.verdicts.open_positions().collect(),
        Some(positions) => positions
            .as_slice()
            .iter()
            .copied()
            .filter(|position| *position < batch.count && batch.verdicts.get(*position).is_none())
            .collect(),
    }
}
