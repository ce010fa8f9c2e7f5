//! Targets to devices, devices to push tokens.

use super::rows::{parse_device_id, token_environment};
use super::settle::push_token;
use crate::error::Done;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_ports::store::Recipient;
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn devices(
    conn: &Connection,
    app: AppNo,
    ids: &[String],
    kind: TokenKind,
) -> Done<Vec<Option<Recipient>>> {
    let mut by_id = conn.prepare_cached(
        "SELECT d.device_no, t.environment FROM devices d
         LEFT JOIN push_tokens t ON t.device_no = d.device_no AND t.kind = ?3
         WHERE d.app_no = ?1 AND d.id = ?2",
    )?;
    let mut by_number = conn.prepare_cached(
        "SELECT d.device_no, t.environment FROM devices d
         LEFT JOIN push_tokens t ON t.device_no = d.device_no AND t.kind = ?3
         WHERE d.device_no = ?2 AND d.app_no = ?1 AND d.created_at = ?4 AND d.id IS NULL",
    )?;
    let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    ids.iter()
        .map(|id| {
            let found = by_id
                .query_row(params![app.0, id, kind.code()], columns)
                .optional()?;
            let found = match (found, parse_device_id(id)) {
                (None, Some((no, at))) => by_number
                    .query_row(params![app.0, no.0, kind.code(), at], columns)
                    .optional()?,
                (found, _) => found,
            };
            found.map(|(no, code)| recipient(no, code)).transpose()
        })
        .collect()
}

pub(super) fn user(
    conn: &Connection,
    app: AppNo,
    user: &str,
    kind: TokenKind,
    limit: usize,
) -> Done<Vec<Recipient>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.device_no, t.environment FROM devices d
         LEFT JOIN push_tokens t ON t.device_no = d.device_no AND t.kind = ?3
         WHERE d.app_no = ?1 AND d.user_id = ?2 ORDER BY d.device_no LIMIT ?4",
    )?;
    let mut found = statement.query(params![app.0, user, kind.code(), limit as i64])?;
    let mut recipients = Vec::new();
    while let Some(row) = found.next()? {
        recipients.push(recipient(row.get(0)?, row.get(1)?)?);
    }
    Ok(recipients)
}

fn recipient(device: i64, environment: Option<u8>) -> Done<Recipient> {
    Ok(Recipient {
        device: DeviceNo(device),
        environment: match environment {
            None => TokenEnvironment::Auto,
            Some(code) => token_environment(code, "push_tokens", device)?,
        },
    })
}

/// Those that are known and need no change, in order.
pub(super) fn known_push_tokens(
    conn: &Connection,
    app: AppNo,
    tokens: &[PushTokenBytes],
    kind: TokenKind,
    declared: TokenEnvironment,
) -> Done<Vec<Option<Recipient>>> {
    let mut by_address = conn.prepare_cached(
        "SELECT device_no, environment FROM push_tokens WHERE app_no = ?1 AND kind = ?2 AND address = ?3",
    )?;
    tokens
        .iter()
        .map(|bytes| {
            let found: Option<(i64, u8)> = by_address
                .query_row(params![app.0, kind.code(), &bytes.0[..]], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let found = found
                .map(|(no, code)| recipient(no, Some(code)))
                .transpose()?;
            Ok(found.filter(|found| declared.known().is_none() || found.environment == declared))
        })
        .collect()
}

/// The same, making those that are missing. A declared environment is written over another one.
pub(super) fn make_push_tokens(
    tx: &mut Tx<'_>,
    app: AppNo,
    tokens: &[PushTokenBytes],
    kind: TokenKind,
    declared: TokenEnvironment,
    now: UnixMs,
) -> Done<Vec<Recipient>> {
    tokens
        .iter()
        .map(|bytes| {
            let one = std::slice::from_ref(bytes);
            let known = known_push_tokens(tx.conn, app, one, kind, TokenEnvironment::Auto)?;
            let Some(Some(mut known)) = known.into_iter().next() else {
                return make(tx, app, bytes, kind, declared, now);
            };
            if declared.known().is_some() && known.environment != declared {
                tx.conn
                    .prepare_cached(
                        "UPDATE push_tokens SET environment = ?3 WHERE device_no = ?1 AND kind = ?2",
                    )?
                    .execute(params![known.device.0, kind.code(), declared.code()])?;
                known.environment = declared;
            }
            Ok(known)
        })
        .collect()
}

fn make(
    tx: &mut Tx<'_>,
    app: AppNo,
    bytes: &PushTokenBytes,
    kind: TokenKind,
    declared: TokenEnvironment,
    now: UnixMs,
) -> Done<Recipient> {
    let device = DeviceNo(tx.marks.device.take(tx.conn)?);
    tx.conn
        .prepare_cached(
            "INSERT INTO devices (device_no, app_no, generation, created_at, last_seen_at) VALUES (?1, ?2, 1, ?3, ?3)",
        )?
        .execute(params![device.0, app.0, now])?;
    tx.conn
        .prepare_cached(
            "INSERT INTO push_tokens (device_no, kind, app_no, environment, generation, registered_at, address)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
        )?
        .execute(params![
            device.0,
            kind.code(),
            app.0,
            declared.code(),
            now,
            &bytes.0[..]
        ])?;
    Ok(Recipient {
        device,
        environment: declared,
    })
}

pub(super) fn read_push_tokens(
    conn: &Connection,
    kind: TokenKind,
    devices: &[DeviceNo],
) -> Done<(Vec<PushToken>, Vec<DeviceNo>)> {
    let mut exists = conn.prepare_cached("SELECT 1 FROM devices WHERE device_no = ?1")?;
    let (mut push_tokens, mut without) = (Vec::with_capacity(devices.len()), Vec::new());
    for device in devices {
        match push_token(conn, *device, kind)? {
            Some(push_token) => push_tokens.push(push_token),
            None if exists.exists([device.0])? => without.push(*device),
            None => {}
        }
    }
    Ok((push_tokens, without))
}
