//! Rescue: work that a process held which is gone. What it may have written is recorded as in doubt
//! and sent again, or ends `unknown`, as its notification says; the rest is due.

use super::cancel::open_positions;
use super::ledger::{self, Ledger, Why};
use super::{claim, records, rows};
use crate::db::params;
use crate::error::{Done, Fault};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::id::BatchNo;
use carillon_model::positions::Positions;
use carillon_model::push_type::OnUnknown;
use carillon_ports::fault::{Bug, planted};
use carillon_ports::store::{CountDelta, NewAttempt, StoreError, Work, WorkId};

/// What `explain` shows for a try whose process ended before it was answered.
const REASON: &str = "process_ended";

/// Rows that are only looked at in one slice, for each that may be freed.
const LOOK: u32 = 20;

pub(super) fn rescue(
    tx: &mut Tx<'_>,
    after: Option<WorkId>,
    limit: u32,
    now: UnixMs,
) -> Done<Option<WorkId>> {
    let (stale, last) = stale(tx, after, limit.max(1))?;
    let mut ledger = Ledger::default();
    for id in stale {
        match free(tx, &mut ledger, id, now) {
            Ok(()) => {}
            Err(Fault::Store(StoreError::Corrupt(text))) => {
                tracing::error!(
                    batch = id.batch.0,
                    seq = id.seq,
                    error = text,
                    "cannot rescue work"
                );
            }
            Err(fault) => return Err(fault),
        }
    }
    ledger.close(tx, now)?;
    Ok(last)
}

/// Work held by whoever lives no more, and the last row that was looked at; that is `None` at the end.
fn stale(tx: &Tx<'_>, after: Option<WorkId>, limit: u32) -> Done<(Vec<WorkId>, Option<WorkId>)> {
    let after = after.unwrap_or(WorkId {
        batch: BatchNo(i64::MIN),
        seq: i64::MIN,
    });
    let look = limit.saturating_mul(LOOK);
    let mut statement = tx.conn.prepare_cached(
        "SELECT batch_no, seq, holder IS NOT NULL AND holder <> ?3
             AND holder NOT IN (SELECT epoch FROM instances) FROM work
         WHERE (batch_no, seq) > (?1, ?2) ORDER BY batch_no, seq LIMIT ?4",
    )?;
    let mut found = statement.query(params![after.batch.0, after.seq, tx.epoch, look])?;
    let (mut stale, mut last, mut seen) = (Vec::new(), None, 0);
    while let Some(row) = found.next()? {
        let id = WorkId {
            batch: BatchNo(row.get(0)?),
            seq: row.get(1)?,
        };
        (last, seen) = (Some(id), seen + 1);
        if row.get(2)? {
            stale.push(id);
        }
        if stale.len() == limit as usize {
            return Ok((stale, last));
        }
    }
    Ok((stale, last.filter(|_| seen == look)))
}

fn free(tx: &mut Tx<'_>, ledger: &mut Ledger, id: WorkId, now: UnixMs) -> Done<()> {
    let Some(work) = claim::work(tx.conn, id)? else {
        return Ok(());
    };
    let Some(mut batch) = ledger::batch(tx.conn, id.batch)? else {
        return claim::delete(tx, id);
    };
    let Some(notification) = rows::notification(tx.conn, id.batch.notification())? else {
        return claim::delete(tx, id);
    };
    let mut open = open_positions(&batch, &work);
    if open.is_empty() {
        return claim::delete(tx, id);
    }
    if planted(Bug::NoFence) {
        return due(tx, id, now, work.in_doubt);
    }
    match notification.options.on_unknown {
        OnUnknown::Resend => {
            record(tx, &work, open, now, Some(now))?;
            due(tx, id, now, true)
        }
        OnUnknown::Drop => {
            let rest = open.split_off(open.partition_point(|p| *p < work.watermark));
            if !open.is_empty() {
                let learnt: Vec<_> = open.iter().map(|p| (*p, FinalState::Unknown)).collect();
                let why = Why::All(work.lane.gateway, REASON);
                ledger.learn(tx.conn, &mut batch, &learnt, &why, now)?;
                let delta = CountDelta {
                    app: work.lane.app,
                    gateway: work.lane.gateway,
                    state: FinalState::Unknown,
                    reason: REASON.into(),
                    count: open.len() as i64,
                    at: None,
                };
                records::add_count(tx.conn, &delta, now)?;
                record(tx, &work, open, now, None)?;
            }
            if rest.is_empty() {
                claim::delete(tx, id)
            } else {
                due(tx, id, now, work.in_doubt)
            }
        }
    }
}

fn due(tx: &Tx<'_>, id: WorkId, now: UnixMs, in_doubt: bool) -> Done<()> {
    tx.conn
        .prepare_cached(
            "UPDATE work SET due_at = ?3, holder = NULL, watermark = 0, in_doubt = ?4
             WHERE batch_no = ?1 AND seq = ?2",
        )?
        .run(params![id.batch.0, id.seq, now, in_doubt])?;
    Ok(())
}

fn record(
    tx: &Tx<'_>,
    work: &Work,
    positions: Vec<u16>,
    now: UnixMs,
    next_attempt_at: Option<UnixMs>,
) -> Done<()> {
    let attempt = NewAttempt {
        position: None,
        positions: Some(Positions::new(positions)),
        attempt: work.attempt.saturating_add(1),
        at: now,
        environment: work.lane.environment.known(),
        connection: 0,
        result: "rescued_in_doubt".into(),
        status: 0,
        reason: REASON.into(),
        raw: String::new(),
        elapsed_us: 0,
        next_attempt_at,
    };
    records::add_attempt(tx, work.id.batch, &attempt)
}
