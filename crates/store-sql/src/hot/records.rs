//! Attempts, counters and events.

use super::rows::{blob, environment_code};
use crate::db::{self, Connection, params};
use crate::error::{At, Done};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, BatchNo, DeliveryId};
use carillon_model::positions::Positions;
use carillon_ports::store::{Attempt, Count, CountDelta, Event, NewAttempt, NewEvent};

/// Milliseconds in an hour.
pub(super) const HOUR: i64 = 3_600_000;

pub(super) fn add_attempt(tx: &Tx<'_>, batch: BatchNo, attempt: &NewAttempt) -> Done<()> {
    tx.conn
        .prepare_cached(
            "INSERT INTO attempts (batch_no, attempt_no, position, attempt, at, environment, connection, status,
                elapsed_us, next_attempt_at, result, reason, raw, positions)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .run(params![
            batch.0,
            tx.next_seq(),
            attempt.position,
            attempt.attempt,
            attempt.at,
            environment_code(attempt.environment),
            attempt.connection,
            attempt.status,
            attempt.elapsed_us,
            attempt.next_attempt_at,
            attempt.result,
            attempt.reason,
            attempt.raw,
            attempt.positions.as_ref().map(Positions::encode)
        ])?;
    Ok(())
}

/// Tries of one delivery, oldest first: its own, and those that several positions share.
pub(super) fn attempts(conn: &Connection, id: DeliveryId) -> Done<Vec<Attempt>> {
    let mut statement = conn.prepare_cached(
        "SELECT position, attempt, at, environment, connection, status, elapsed_us, next_attempt_at,
                result, reason, raw, positions
         FROM attempts WHERE batch_no = ?1 AND (position IS NULL OR position = ?2) ORDER BY attempt_no",
    )?;
    let mut found = statement.query(params![id.batch.0, id.position])?;
    let mut attempts = Vec::new();
    while let Some(row) = found.next()? {
        let positions = match blob(row.get_ref(11)?) {
            [] => None,
            bytes => Some(Positions::decode(bytes).at("attempts", "positions", id)?),
        };
        let position: Option<u16> = row.get(0)?;
        let concerns = position.is_some()
            || positions
                .as_ref()
                .is_none_or(|all| all.as_slice().binary_search(&id.position).is_ok());
        if !concerns {
            continue;
        }
        attempts.push(Attempt {
            position,
            positions,
            attempt: row.get(1)?,
            at: row.get(2)?,
            environment: TokenEnvironment::from_code(row.get(3)?)
                .at("attempts", "environment", id)?
                .known(),
            connection: row.get(4)?,
            status: row.get(5)?,
            elapsed_us: row.get(6)?,
            next_attempt_at: row.get(7)?,
            result: row.get(8)?,
            reason: row.get(9)?,
            raw: row.get(10)?,
        });
    }
    Ok(attempts)
}

/// Longest reason that is counted by itself, in bytes: it stands in a key, which some databases bound.
const MAX_REASON: usize = 255;

pub(super) fn add_count(conn: &Connection, count: &CountDelta, now: UnixMs) -> Done<()> {
    conn.prepare_cached(
        "INSERT INTO counts (app_no, hour, gateway, state, reason, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (app_no, hour, gateway, state, reason) DO UPDATE SET count = counts.count + excluded.count",
    )?
    .run(params![
        count.app.0,
        count.at.unwrap_or(now).div_euclid(HOUR),
        count.gateway.code(),
        count.state.code(),
        &count.reason[..count.reason.floor_char_boundary(MAX_REASON)],
        count.count
    ])?;
    Ok(())
}

/// Summed over gateways, ascending by hour.
pub(super) fn counts(conn: &Connection, app: AppNo, from: UnixMs) -> Done<Vec<Count>> {
    let mut statement = conn.prepare_cached(
        "SELECT hour, state, reason, sum(count) FROM counts WHERE app_no = ?1 AND hour >= ?2
         GROUP BY hour, state, reason ORDER BY hour, state, reason",
    )?;
    let mut found = statement.query(params![app.0, from.div_euclid(HOUR)])?;
    let mut counts = Vec::new();
    while let Some(row) = found.next()? {
        let hour: i64 = row.get(0)?;
        // What ended otherwise after all.
        if row.get::<_, i64>(3)? <= 0 {
            continue;
        }
        counts.push(Count {
            hour: hour * HOUR,
            state: FinalState::from_code(row.get(1)?).at("counts", "state", hour)?,
            reason: row.get(2)?,
            count: row.get::<_, i64>(3)?.max(0) as u64,
        });
    }
    Ok(counts)
}

pub(crate) fn add_event(tx: &mut Tx<'_>, event: &NewEvent, now: UnixMs) -> Done<()> {
    let no = tx.marks.event.take(tx.conn)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO events (app_no, event_no, at, kind, subject, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .run(params![
            event.app.0,
            no,
            now,
            event.kind,
            event.subject,
            event.data
        ])?;
    Ok(())
}

pub(super) fn events(conn: &Connection, app: AppNo, after: i64, limit: u32) -> Done<Vec<Event>> {
    let mut statement = conn.prepare_cached(
        "SELECT event_no, at, kind, subject, data FROM events WHERE app_no = ?1 AND event_no > ?2
         ORDER BY event_no LIMIT ?3",
    )?;
    let found = statement.query_map(params![app.0, after, limit], |row| {
        Ok(Event {
            no: row.get(0)?,
            at: row.get(1)?,
            kind: row.get(2)?,
            subject: row.get(3)?,
            data: row.get(4)?,
        })
    })?;
    Ok(found.collect::<db::Result<_>>()?)
}
