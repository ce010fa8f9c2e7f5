//! What waits for endpoints: one row for each event.

use super::rows;
use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::Done;
use crate::hot::add_event;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_model::webhook::DisabledReason;
use carillon_ports::store::Event;
use carillon_ports::webhook::{EndpointRow, Enqueue, QueuedEvent};

pub(super) fn enqueue(tx: &mut Tx<'_>, step: &Enqueue) -> Done<Option<EndpointRow>> {
    let Some(mut endpoint) = rows::one(tx.conn, step.endpoint.no)? else {
        return Ok(None);
    };
    if endpoint.cursor != step.after || !endpoint.is_enabled() {
        return Ok(None);
    }
    if endpoint.queued + step.events.len() as u64 > step.most {
        let disabled = endpoint.disable(&step.endpoint, DisabledReason::Backlog, step.now);
        rows::write(tx.conn, &endpoint)?;
        if let Some(event) = disabled {
            add_event(tx, &event, step.now)?;
        }
        return Ok(Some(endpoint));
    }
    endpoint.queued += put(tx.conn, endpoint.no, &step.events, step.now)?;
    endpoint.cursor = step.up_to;
    rows::write(tx.conn, &endpoint)?;
    Ok(Some(endpoint))
}

pub(super) fn requeue(
    tx: &mut Tx<'_>,
    no: WebhookNo,
    events: &[i64],
    most: u64,
    now: UnixMs,
) -> Done<Option<u64>> {
    let Some(mut endpoint) = rows::one(tx.conn, no)?.filter(EndpointRow::is_enabled) else {
        return Ok(None);
    };
    let room = usize::try_from(most.saturating_sub(endpoint.queued)).unwrap_or(usize::MAX);
    let events = &events[..events.len().min(room)];
    endpoint.queued += put(tx.conn, no, events, now)?;
    rows::write(tx.conn, &endpoint)?;
    Ok(Some(events.len() as u64))
}

/// Due at once, with all their attempts. Returns how many were not there before.
fn put(conn: &Connection, no: WebhookNo, events: &[i64], now: UnixMs) -> Done<u64> {
    let mut update = conn.prepare_cached(
        "UPDATE webhook_queue SET due_at = ?3, attempts = 0 WHERE webhook_no = ?1 AND event_no = ?2",
    )?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO webhook_queue (webhook_no, event_no, due_at, attempts) VALUES (?1, ?2, ?3, 0)",
    )?;
    let mut added = 0;
    for event in events {
        let row = params![no.0, event, now];
        if update.execute(row)? == 0 {
            insert.run(row)?;
            added += 1;
        }
    }
    Ok(added)
}

pub(super) fn due(
    conn: &Connection,
    no: WebhookNo,
    now: UnixMs,
    limit: u32,
) -> Done<(Vec<QueuedEvent>, Option<UnixMs>)> {
    // CROSS JOIN: the queue decides the order, events are looked up by it.
    let mut due = conn.prepare_cached(
        "SELECT e.event_no, e.at, e.kind, e.subject, e.data, q.attempts, q.due_at
         FROM webhook_queue q CROSS JOIN events e
         ON e.app_no = (SELECT app_no FROM webhook_cursors WHERE webhook_no = ?1) AND e.event_no = q.event_no
         WHERE q.webhook_no = ?1 AND q.due_at <= ?2 ORDER BY q.due_at, q.event_no LIMIT ?3",
    )?;
    let found = due.query_map(params![no.0, now, limit], |row| {
        Ok(QueuedEvent {
            event: Event {
                no: row.get(0)?,
                at: row.get(1)?,
                kind: row.get(2)?,
                subject: row.get(3)?,
                data: row.get(4)?,
            },
            attempts: row.get(5)?,
            due_at: row.get(6)?,
        })
    })?;
    let found = found.collect::<db::Result<_>>()?;
    let next = conn
        .prepare_cached(
            "SELECT due_at FROM webhook_queue WHERE webhook_no = ?1 AND due_at > ?2 ORDER BY due_at LIMIT 1",
        )?
        .query_row(params![no.0, now], |row| row.get(0))
        .optional()?;
    Ok((found, next))
}

pub(super) fn drop_some(tx: &mut Tx<'_>, no: WebhookNo, limit: u32) -> Done<u64> {
    let gone = tx
        .conn
        .prepare_cached(
            "DELETE FROM webhook_queue WHERE webhook_no = ?1 AND event_no IN
                (SELECT event_no FROM webhook_queue WHERE webhook_no = ?1 ORDER BY event_no LIMIT ?2)",
        )?
        .execute(params![no.0, limit])? as u64;
    left(tx.conn, no, gone)?;
    Ok(gone)
}

/// So many left a queue.
pub(super) fn left(conn: &Connection, no: WebhookNo, gone: u64) -> Done<()> {
    if gone > 0 {
        conn.prepare_cached(
            "UPDATE webhook_cursors SET queued = max(0, queued - ?2) WHERE webhook_no = ?1",
        )?
        .run(params![no.0, gone as i64])?;
    }
    Ok(())
}

/// What waits of events that retention took, and what endpoints left that are gone.
pub(super) fn prune(tx: &Tx<'_>, slice: u32) -> Done<u64> {
    let mut next = tx.conn.prepare_cached(
        "SELECT q.webhook_no, c.app_no FROM webhook_queue q LEFT JOIN webhook_cursors c ON c.webhook_no = q.webhook_no
         WHERE q.webhook_no > ?1 ORDER BY q.webhook_no LIMIT 1",
    )?;
    let mut oldest = tx.conn.prepare_cached(
        "SELECT event_no FROM events WHERE app_no = ?1 ORDER BY event_no LIMIT 1",
    )?;
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM webhook_queue WHERE webhook_no = ?1 AND event_no IN
            (SELECT event_no FROM webhook_queue WHERE webhook_no = ?1 AND event_no < ?2 ORDER BY event_no LIMIT ?3)",
    )?;
    let (mut rows, mut last) = (0, i64::MIN);
    while rows < u64::from(slice)
        && let Some((no, app)) = next
            .query_row([last], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
            })
            .optional()?
    {
        last = no;
        let oldest: Option<i64> = oldest.query_row([app], |row| row.get(0)).optional()?;
        let before = oldest.unwrap_or(i64::MAX);
        let gone = delete.execute(params![no, before, slice])? as u64;
        left(tx.conn, WebhookNo(no), gone)?;
        rows += gone;
    }
    Ok(rows)
}
