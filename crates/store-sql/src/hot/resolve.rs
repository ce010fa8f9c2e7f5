//! Targets to devices, devices to push tokens.

use super::rows::{device_id, parse_device_id, token_environment};
use super::settle::{push_token, push_tokens_ahead};
use crate::db::{Connection, OptionalExtension, Row, Rows, params};
use crate::error::{At, Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_ports::store::{Person, Recipient, TokenChoice};

pub(super) fn devices(
    conn: &Connection,
    app: AppNo,
    ids: &[String],
    reach: Reach,
) -> Done<Vec<Option<Recipient>>> {
    let mut by_id = conn.prepare_cached(
        "SELECT d.device_no, t.kind, t.environment, t.retired_at IS NOT NULL FROM devices d
         LEFT JOIN push_tokens t ON t.device_no = d.device_no AND (?3 >> t.kind) & 1
         WHERE d.app_no = ?1 AND d.id = ?2",
    )?;
    let mut by_number = conn.prepare_cached(
        "SELECT d.device_no, t.kind, t.environment, t.retired_at IS NOT NULL FROM devices d
         LEFT JOIN push_tokens t ON t.device_no = d.device_no AND (?3 >> t.kind) & 1
         WHERE d.device_no = ?2 AND d.app_no = ?1 AND d.created_at = ?4 AND d.id IS NULL",
    )?;
    ids.iter()
        .map(|id| {
            let found = recipients(by_id.query(params![app.0, id, reach.bits()])?, reach)?;
            if let (true, Some((no, at))) = (found.is_empty(), parse_device_id(id)) {
                let rows = by_number.query(params![app.0, no.0, reach.bits(), at])?;
                return Ok(recipients(rows, reach)?.pop());
            }
            Ok(found.into_iter().next())
        })
        .collect()
}

pub(super) fn user(
    conn: &Connection,
    app: AppNo,
    user: &str,
    reach: Reach,
    limit: usize,
) -> Done<Vec<Recipient>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.device_no, t.kind, t.environment, t.retired_at IS NOT NULL FROM (
             SELECT device_no FROM devices WHERE app_no = ?1 AND user_id = ?2 ORDER BY device_no LIMIT ?4
         ) d LEFT JOIN push_tokens t ON t.device_no = d.device_no AND (?3 >> t.kind) & 1
         ORDER BY d.device_no",
    )?;
    recipients(
        statement.query(params![app.0, user, reach.bits(), limit as i64])?,
        reach,
    )
}

/// Each device in order, also one that is gone.
pub(super) fn by_number(
    conn: &Connection,
    devices: &[DeviceNo],
    reach: Reach,
) -> Done<Vec<Recipient>> {
    let mut push_tokens = conn.prepare_cached(
        "SELECT kind, environment, retired_at IS NOT NULL FROM push_tokens WHERE device_no = ?1",
    )?;
    push_tokens.ahead(devices.iter().map(|device| [device.0]))?;
    let mut found = Vec::with_capacity(devices.len());
    for device in devices {
        let mut rows = push_tokens.query([device.0])?;
        let mut choices = Vec::new();
        while let Some(row) = rows.next()? {
            choices.push(choice(row.get(0)?, row.get(1)?, row.get(2)?, *device)?);
        }
        found.push(Recipient::choose(*device, reach, choices));
    }
    Ok(found)
}

/// Rows of device, kind, environment and whether retired, by device: a recipient of each device.
pub(super) fn recipients(mut rows: Rows<'_>, reach: Reach) -> Done<Vec<Recipient>> {
    let mut recipients = Vec::new();
    let mut of: Option<(DeviceNo, Vec<TokenChoice>)> = None;
    while let Some(row) = rows.next()? {
        let device = DeviceNo(row.get(0)?);
        if of.as_ref().is_none_or(|(no, _)| *no != device)
            && let Some((no, choices)) = of.replace((device, Vec::new()))
        {
            recipients.push(Recipient::choose(no, reach, choices));
        }
        if let (Some(kind), Some((_, choices))) = (row.get::<_, Option<u8>>(1)?, &mut of) {
            choices.push(choice(kind, row.get(2)?, row.get(3)?, device)?);
        }
    }
    let last = of.map(|(no, choices)| Recipient::choose(no, reach, choices));
    recipients.extend(last);
    Ok(recipients)
}

fn choice(kind: u8, environment: u8, is_retired: bool, device: DeviceNo) -> Done<TokenChoice> {
    let kind = TokenKind::from_code(kind).at("push_tokens", "kind", device)?;
    let environment = token_environment(environment, "push_tokens", device.0)?;
    Ok((kind, environment, is_retired))
}

/// Columns of [`person`].
pub(crate) const PERSON: &str = "d.device_no, d.id, d.created_at, d.user_id, d.locale, d.time_zone, d.app_version, d.platform, d.tags, d.attributes, d.topics, d.last_seen_at";

/// What is known of a device; the first columns are [`PERSON`].
pub(crate) fn person(row: Row<'_>) -> Done<Person> {
    let no = DeviceNo(row.get(0)?);
    let list = |column: &'static str, json: Option<String>| -> Done<Vec<String>> {
        let read = json.map(|json| serde_json::from_str(&json)).transpose();
        let read = read.map_err(|error| corrupt("devices", column, no, error))?;
        Ok(read.unwrap_or_default())
    };
    let created_at = row.get(2)?;
    Ok(Person {
        device: no,
        id: device_id(row.get(1)?, no, created_at),
        user_id: row.get(3)?,
        locale: row.get(4)?,
        time_zone: row.get(5)?,
        app_version: row.get(6)?,
        platform: row.get(7)?,
        tags: list("tags", row.get(8)?)?,
        attributes: row.get(9)?,
        topics: list("topics", row.get(10)?)?,
        last_seen_at: row.get(11)?,
        created_at,
    })
}

pub(super) fn people(conn: &Connection, devices: &[DeviceNo]) -> Done<Vec<Person>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {PERSON} FROM devices d WHERE d.device_no = ?1"
    ))?;
    statement.ahead(devices.iter().map(|no| [no.0]))?;
    let mut people = Vec::with_capacity(devices.len());
    for no in devices {
        let mut found = statement.query([no.0])?;
        if let Some(row) = found.next()? {
            people.push(person(row)?);
        }
    }
    Ok(people)
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
                .map(|(no, code)| recipient(no, kind, code))
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
                    .run(params![known.device.0, kind.code(), declared.code()])?;
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
        .run(params![device.0, app.0, now])?;
    tx.conn
        .prepare_cached(
            "INSERT INTO push_tokens (device_no, kind, app_no, environment, generation, registered_at, address)
             VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)",
        )?
        .run(params![
            device.0,
            kind.code(),
            app.0,
            declared.code(),
            now,
            &bytes.0[..]
        ])?;
    Ok(Recipient {
        device,
        gateway: kind.gateway(),
        environment: declared,
    })
}

fn recipient(device: i64, kind: TokenKind, environment: u8) -> Done<Recipient> {
    Ok(Recipient {
        device: DeviceNo(device),
        gateway: kind.gateway(),
        environment: token_environment(environment, "push_tokens", device)?,
    })
}

pub(super) fn read_push_tokens(
    conn: &Connection,
    kind: TokenKind,
    devices: &[DeviceNo],
) -> Done<(Vec<PushToken>, Vec<DeviceNo>)> {
    push_tokens_ahead(conn, devices, kind)?;
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
