//! Digests and throttles of triggers.

use super::accept::{Remembered, remember_key};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::digest::DigestState;
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo};
use carillon_model::throttle::{ThrottleDecision, ThrottleState};
use carillon_ports::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest, ThrottleClaim};
use carillon_ports::store::StoreError;

pub(super) fn add(tx: &mut Tx<'_>, adds: &[DigestAdd], now: UnixMs) -> Done<Vec<DigestAdded>> {
    adds.iter().map(|add| add_one(tx, add, now)).collect()
}

fn add_one(tx: &mut Tx<'_>, add: &DigestAdd, now: UnixMs) -> Done<DigestAdded> {
    if let Some(idempotency) = &add.idempotency {
        match remember_key(tx, NotificationNo(0), now, idempotency)? {
            Remembered::New => {}
            Remembered::Repeated { .. } => return Ok(DigestAdded::Repeated),
            Remembered::Reused => return Ok(DigestAdded::KeyReused),
        }
    }
    let event = serde_json::to_string(&add.event)
        .map_err(|error| StoreError::Failed(format!("cannot write an event: {error}")))?;
    let open: Option<(i64, Vec<u8>)> = tx
        .conn
        .prepare_cached(
            "SELECT digest_no, state FROM digests WHERE definition_no = ?1 AND user_id = ?2 AND key = ?3",
        )?
        .query_row(params![add.trigger.0, add.user, add.group], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let state = match open {
        Some((no, bytes)) => {
            let mut state = DigestState::decode(&bytes)
                .map_err(|error| corrupt("digests", "state", no, error))?;
            state.add(&add.rule, &add.data);
            tx.conn
                .prepare_cached(
                    "UPDATE digests SET version = version + 1, event = ?2, state = ?3 WHERE digest_no = ?1",
                )?
                .run(params![no, event, state.encode()])?;
            state
        }
        None => {
            let state = DigestState::open(&add.rule, now, &add.data);
            tx.conn
                .prepare_cached(
                    "INSERT INTO digests (app_no, definition_no, user_id, key, version, due_at, event, state)
                     VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7)",
                )?
                .run(params![
                    add.app.0,
                    add.trigger.0,
                    add.user,
                    add.group,
                    state.closes_at(),
                    event,
                    state.encode()
                ])?;
            state
        }
    };
    Ok(DigestAdded::Gathered {
        due_at: state.closes_at(),
        count: state.count(),
    })
}

/// Those due at `now`, and when the next one is.
pub(super) fn due(
    conn: &Connection,
    now: UnixMs,
    limit: u32,
) -> Done<(Vec<DueDigest>, Option<UnixMs>)> {
    let mut statement = conn.prepare_cached(
        "SELECT digest_no, version, app_no, definition_no, user_id, due_at, event, state FROM digests
         WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
    )?;
    let mut found = statement.query(params![now, limit])?;
    let mut due = Vec::new();
    while let Some(row) = found.next()? {
        let no: i64 = row.get(0)?;
        let event: String = row.get(6)?;
        let state: Vec<u8> = row.get(7)?;
        due.push(DueDigest {
            claim: DigestClaim {
                no,
                version: row.get(1)?,
            },
            app: AppNo(row.get(2)?),
            trigger: DefinitionNo(row.get(3)?),
            user: row.get(4)?,
            due_at: row.get(5)?,
            event: serde_json::from_str(&event)
                .map_err(|error| corrupt("digests", "event", no, error))?,
            state: DigestState::decode(&state)
                .map_err(|error| corrupt("digests", "state", no, error))?,
        });
    }
    let next = conn
        .prepare_cached("SELECT min(due_at) FROM digests WHERE due_at > ?1")?
        .query_row([now], |row| row.get(0))?;
    Ok((due, next))
}

/// Deletes a digest as it was read. `false`: an event joined since, or it is gone.
pub(super) fn consume(tx: &Tx<'_>, claim: DigestClaim) -> Done<bool> {
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM digests WHERE digest_no = ?1 AND version = ?2")?
        .execute(params![claim.no, claim.version])?
        == 1)
}

/// Counts one, if the throttle lets it through; else when it will.
pub(super) fn take(
    tx: &Tx<'_>,
    app: AppNo,
    claim: &ThrottleClaim,
    now: UnixMs,
) -> Done<Option<UnixMs>> {
    let known: Option<Vec<u8>> = tx
        .conn
        .prepare_cached("SELECT state FROM throttles WHERE definition_no = ?1 AND user_id = ?2")?
        .query_row(params![claim.trigger.0, claim.user], |row| row.get(0))
        .optional()?;
    let mut state = match known {
        None => ThrottleState::default(),
        Some(bytes) => ThrottleState::decode(&bytes)
            .map_err(|error| corrupt("throttles", "state", claim.trigger, error))?,
    };
    if let ThrottleDecision::Denied { next_allowed_at } = state.take(claim.rule, now) {
        return Ok(Some(next_allowed_at));
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO throttles (definition_no, user_id, app_no, keep_until, state) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (definition_no, user_id) DO UPDATE SET keep_until = excluded.keep_until, state = excluded.state",
        )?
        .run(params![
            claim.trigger.0,
            claim.user,
            app.0,
            state.keep_until(claim.rule),
            state.encode()
        ])?;
    Ok(None)
}

/// What a user's erasure takes along.
pub(crate) fn erase_user(tx: &Tx<'_>, app: AppNo, user: &str) -> Done<()> {
    for sql in [
        "DELETE FROM digests WHERE app_no = ?1 AND user_id = ?2",
        "DELETE FROM throttles WHERE app_no = ?1 AND user_id = ?2",
    ] {
        tx.conn.prepare_cached(sql)?.run(params![app.0, user])?;
    }
    Ok(())
}
