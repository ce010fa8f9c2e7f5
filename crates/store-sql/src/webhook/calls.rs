//! What came of calls: health, the queue, and the calls that are remembered.

use super::{queue, rows};
use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::Done;
use crate::hot::add_event;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_ports::webhook::{CallSettlement, EndpointRow, KEPT_ATTEMPTS, WebhookAttempt};
use std::collections::BTreeMap;

pub(super) fn settle(
    tx: &mut Tx<'_>,
    calls: &[CallSettlement],
    now: UnixMs,
) -> Done<Vec<EndpointRow>> {
    let mut touched: BTreeMap<i64, ()> = BTreeMap::new();
    for call in calls {
        let no = call.endpoint.no;
        // Deleted meanwhile: nobody asks any more.
        let Some(mut endpoint) = rows::one(tx.conn, no)? else {
            continue;
        };
        touched.insert(no.0, ());
        if let Some(event) = call.event {
            let disabled = endpoint.record(&call.endpoint, &call.answer, now);
            rows::write(tx.conn, &endpoint)?;
            if let Some(disabled) = disabled {
                add_event(tx, &disabled, now)?;
            }
            leave(tx.conn, no, event, call)?;
        }
        remember(tx, no, call, now)?;
    }
    let mut found = Vec::new();
    for no in touched.into_keys() {
        found.extend(rows::one(tx.conn, WebhookNo(no))?);
    }
    Ok(found)
}

/// The event leaves the queue, or waits for its next attempt.
fn leave(conn: &Connection, no: WebhookNo, event: i64, call: &CallSettlement) -> Done<()> {
    match call.next_attempt_at {
        Some(due_at) => {
            conn.prepare_cached(
                "UPDATE webhook_queue SET due_at = ?3, attempts = ?4 WHERE webhook_no = ?1 AND event_no = ?2",
            )?
            .run(params![no.0, event, due_at, call.attempt])?;
        }
        None => {
            let gone = conn
                .prepare_cached(
                    "DELETE FROM webhook_queue WHERE webhook_no = ?1 AND event_no = ?2",
                )?
                .execute(params![no.0, event])?;
            queue::left(conn, no, gone as u64)?;
        }
    }
    Ok(())
}

fn remember(tx: &Tx<'_>, no: WebhookNo, call: &CallSettlement, now: UnixMs) -> Done<()> {
    let attempt = call.attempt(tx.next_seq(), now);
    tx.conn
        .prepare_cached(
            "INSERT INTO webhook_attempts (webhook_no, attempt_no, event_no, attempt, at, status, elapsed_ms,
                next_attempt_at, kind, result, sentence, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .run(params![
            no.0,
            attempt.no,
            attempt.event,
            attempt.attempt,
            attempt.at,
            attempt.status,
            attempt.elapsed_ms as i64,
            attempt.next_attempt_at,
            attempt.kind,
            attempt.result,
            attempt.sentence,
            attempt.body
        ])?;
    tx.conn
        .prepare_cached(
            "DELETE FROM webhook_attempts WHERE webhook_no = ?1 AND attempt_no <=
                (SELECT attempt_no FROM webhook_attempts WHERE webhook_no = ?1 ORDER BY attempt_no DESC LIMIT 1 OFFSET ?2)",
        )?
        .run(params![no.0, KEPT_ATTEMPTS])?;
    Ok(())
}

pub(super) fn attempts(conn: &Connection, no: WebhookNo, limit: u32) -> Done<Vec<WebhookAttempt>> {
    let mut statement = conn.prepare_cached(
        "SELECT attempt_no, event_no, kind, attempt, at, result, status, sentence, body, elapsed_ms, next_attempt_at
         FROM webhook_attempts WHERE webhook_no = ?1 ORDER BY attempt_no DESC LIMIT ?2",
    )?;
    let found = statement.query_map(params![no.0, limit], |row| {
        Ok(WebhookAttempt {
            no: row.get(0)?,
            event: row.get(1)?,
            kind: row.get(2)?,
            attempt: row.get(3)?,
            at: row.get(4)?,
            result: row.get(5)?,
            status: row.get(6)?,
            sentence: row.get(7)?,
            body: row.get(8)?,
            elapsed_ms: row.get::<_, i64>(9)?.max(0) as u64,
            next_attempt_at: row.get(10)?,
        })
    })?;
    Ok(found.collect::<db::Result<_>>()?)
}

/// Calls of endpoints that are gone.
pub(super) fn prune(tx: &Tx<'_>, slice: u32) -> Done<u64> {
    let mut next = tx.conn.prepare_cached(
        "SELECT a.webhook_no, EXISTS (SELECT 1 FROM webhook_cursors c WHERE c.webhook_no = a.webhook_no)
         FROM webhook_attempts a WHERE a.webhook_no > ?1 ORDER BY a.webhook_no LIMIT 1",
    )?;
    let (mut rows, mut last) = (0, i64::MIN);
    while rows < u64::from(slice)
        && let Some((no, is_known)) = next
            .query_row([last], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
            })
            .optional()?
    {
        last = no;
        if !is_known {
            // At most as many as are kept.
            rows += tx
                .conn
                .prepare_cached("DELETE FROM webhook_attempts WHERE webhook_no = ?1")?
                .execute([no])? as u64;
        }
    }
    Ok(rows)
}
