//! Devices and their push tokens.

use super::audit;
use super::credentials::subject;
use crate::error::{At, Done, corrupt};
use crate::hot::{device_id, parse_device_id};
use crate::writer::Tx;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::{Actor, Device, DeviceFilter, Registered};
use carillon_ports::store::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn register(
    tx: &mut Tx<'_>,
    app: AppNo,
    devices: &[DeviceRegistration],
    now: UnixMs,
) -> Done<Vec<Registered>> {
    devices
        .iter()
        .map(|device| register_one(tx, app, device, now))
        .collect()
}

fn register_one(
    tx: &mut Tx<'_>,
    app: AppNo,
    device: &DeviceRegistration,
    now: UnixMs,
) -> Done<Registered> {
    let known = match &device.id {
        Some(id) => number(tx.conn, app, id)?,
        None => anonymous(tx.conn, app, device)?,
    };
    let (tags, topics) = (json_list(&device.tags)?, json_list(&device.topics)?);
    let no = match known {
        Some(no) => no,
        None => DeviceNo(tx.marks.device.take(tx.conn)?),
    };
    // An id that we made is not kept as text: it is told from number and time.
    let (generation, created_at, id): (u32, UnixMs, Option<String>) = tx
        .conn
        .prepare_cached(
            "INSERT INTO devices (device_no, app_no, generation, created_at, last_seen_at, id, user_id, locale,
                time_zone, app_version, tags, platform, topics, attributes)
             VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (device_no) DO UPDATE SET generation = generation + 1, last_seen_at = excluded.last_seen_at,
                user_id = excluded.user_id, locale = excluded.locale, time_zone = excluded.time_zone,
                app_version = excluded.app_version, tags = excluded.tags, platform = excluded.platform,
                topics = excluded.topics, attributes = excluded.attributes
             RETURNING generation, created_at, id",
        )?
        .query_row(
            params![
                no.0,
                app.0,
                now,
                device.id,
                device.user_id,
                device.locale,
                device.time_zone,
                device.app_version,
                tags,
                device.platform,
                topics,
                device.attributes
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
    subscribe(tx, app, no, known.is_some(), &device.topics)?;
    for push_token in &device.push_tokens {
        register_push_token(tx, app, no, generation, push_token, now)?;
    }
    Ok(Registered {
        no,
        id: device_id(id, no, created_at),
        created: known.is_none(),
    })
}

/// A list as it is stored: `None` when it is empty.
fn json_list(entries: &[String]) -> Done<Option<String>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(entries)
        .map_err(|error| StoreError::Failed(format!("cannot write a list: {error}")))?;
    Ok(Some(json))
}

/// The device's subscriptions become these.
fn subscribe(
    tx: &Tx<'_>,
    app: AppNo,
    device: DeviceNo,
    is_known: bool,
    topics: &[String],
) -> Done<()> {
    if is_known {
        tx.conn
            .prepare_cached("DELETE FROM topic_devices WHERE device_no = ?1")?
            .execute([device.0])?;
    }
    for topic in topics {
        tx.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO topic_devices (app_no, topic, device_no) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![app.0, topic, device.0])?;
    }
    Ok(())
}

fn register_push_token(
    tx: &Tx<'_>,
    app: AppNo,
    device: DeviceNo,
    generation: u32,
    push_token: &PushTokenRegistration,
    now: UnixMs,
) -> Done<()> {
    let kind = push_token.kind.code();
    let known: Option<(i64, u8)> = tx
        .conn
        .prepare_cached(
            "SELECT device_no, environment FROM push_tokens WHERE app_no = ?1 AND kind = ?2 AND address = ?3",
        )?
        .query_row(params![app.0, kind, &push_token.bytes.0[..]], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let environment = match (push_token.environment, known) {
        (TokenEnvironment::Auto, Some((_, found))) => found,
        (declared, _) => declared.code(),
    };
    if let Some((other, _)) = known.filter(|(other, _)| *other != device.0) {
        tx.conn
            .prepare_cached("DELETE FROM push_tokens WHERE device_no = ?1 AND kind = ?2")?
            .execute(params![other, kind])?;
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO push_tokens (device_no, kind, app_no, environment, generation, registered_at, address)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (device_no, kind) DO UPDATE SET environment = excluded.environment,
                generation = excluded.generation, registered_at = excluded.registered_at, retired_at = NULL,
                retired_reason = NULL, address = excluded.address",
        )?
        .execute(params![
            device.0,
            kind,
            app.0,
            environment,
            generation,
            now,
            &push_token.bytes.0[..]
        ])?;
    Ok(())
}

/// The number behind a public id.
fn number(conn: &Connection, app: AppNo, id: &str) -> Done<Option<DeviceNo>> {
    let by_id = conn
        .prepare_cached("SELECT device_no FROM devices WHERE app_no = ?1 AND id = ?2")?
        .query_row(params![app.0, id], |row| row.get(0).map(DeviceNo))
        .optional()?;
    match (by_id, parse_device_id(id)) {
        (None, Some((no, at))) => Ok(conn
            .prepare_cached(
                "SELECT device_no FROM devices WHERE device_no = ?1 AND app_no = ?2 AND created_at = ?3 AND id IS NULL",
            )?
            .query_row(params![no.0, app.0, at], |row| row.get(0).map(DeviceNo))
            .optional()?),
        (by_id, _) => Ok(by_id),
    }
}

/// The device without a caller's id that has one of these push tokens: registering it again without an
/// id means the same one.
fn anonymous(conn: &Connection, app: AppNo, device: &DeviceRegistration) -> Done<Option<DeviceNo>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.device_no FROM push_tokens t JOIN devices d ON d.device_no = t.device_no
         WHERE t.app_no = ?1 AND t.kind = ?2 AND t.address = ?3 AND d.id IS NULL",
    )?;
    for push_token in &device.push_tokens {
        let found = statement
            .query_row(
                params![app.0, push_token.kind.code(), &push_token.bytes.0[..]],
                |row| row.get(0).map(DeviceNo),
            )
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

const COLUMNS: &str = "device_no, id, user_id, locale, time_zone, app_version, tags, created_at, last_seen_at, platform, topics, attributes";

fn device(conn: &Connection, row: &Row<'_>) -> Done<Device> {
    let no = DeviceNo(row.get(0)?);
    let own_id: Option<String> = row.get(1)?;
    let created_at = row.get(7)?;
    let read = |column: &'static str, json: Option<String>| -> Done<Vec<String>> {
        let read = json.map(|json| serde_json::from_str(&json)).transpose();
        let read = read.map_err(|error| corrupt("devices", column, no, error))?;
        Ok(read.unwrap_or_default())
    };
    let tags = read("tags", row.get(6)?)?;
    let topics = read("topics", row.get(10)?)?;
    let push_tokens = push_tokens(conn, no)?;
    Ok(Device {
        no,
        id: device_id(own_id.clone(), no, created_at),
        registration: DeviceRegistration {
            id: own_id,
            user_id: row.get(2)?,
            locale: row.get(3)?,
            time_zone: row.get(4)?,
            app_version: row.get(5)?,
            platform: row.get(9)?,
            tags,
            topics,
            attributes: row.get(11)?,
            push_tokens: push_tokens
                .iter()
                .map(|push_token| PushTokenRegistration {
                    kind: push_token.kind,
                    bytes: push_token.bytes.clone(),
                    environment: push_token.environment,
                })
                .collect(),
        },
        push_tokens,
        created_at,
        last_seen_at: row.get(8)?,
    })
}

fn push_tokens(conn: &Connection, no: DeviceNo) -> Done<Vec<PushToken>> {
    let mut statement = conn.prepare_cached(
        "SELECT kind, environment, generation, registered_at, retired_at, address FROM push_tokens
         WHERE device_no = ?1 ORDER BY kind",
    )?;
    let mut found = statement.query([no.0])?;
    let mut push_tokens = Vec::new();
    while let Some(row) = found.next()? {
        let address: Vec<u8> = row.get(5)?;
        push_tokens.push(PushToken {
            device: no,
            kind: TokenKind::from_code(row.get(0)?).at("push_tokens", "kind", no)?,
            environment: TokenEnvironment::from_code(row.get(1)?).at(
                "push_tokens",
                "environment",
                no,
            )?,
            generation: row.get(2)?,
            registered_at: row.get(3)?,
            retired_at: row.get(4)?,
            bytes: PushTokenBytes(Bytes::from(address)),
        });
    }
    Ok(push_tokens)
}

pub(super) fn one(conn: &Connection, app: AppNo, id: &str) -> Done<Option<Device>> {
    let Some(no) = number(conn, app, id)? else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM devices WHERE device_no = ?1"
    ))?;
    let mut found = statement.query([no.0])?;
    found.next()?.map(|row| device(conn, row)).transpose()
}

pub(super) fn list(conn: &Connection, app: AppNo, filter: &DeviceFilter) -> Done<Vec<Device>> {
    let sql = match filter.user_id {
        None => format!(
            "SELECT {COLUMNS} FROM devices INDEXED BY devices_app
             WHERE app_no = ?1 AND device_no > ?2 AND ?4 IS NULL ORDER BY device_no LIMIT ?3"
        ),
        Some(_) => format!(
            "SELECT {COLUMNS} FROM devices INDEXED BY devices_user
             WHERE app_no = ?1 AND device_no > ?2 AND user_id = ?4 ORDER BY device_no LIMIT ?3"
        ),
    };
    let mut statement = conn.prepare_cached(&sql)?;
    let mut found = statement.query(params![
        app.0,
        filter.after.map_or(i64::MIN, |no| no.0),
        filter.limit,
        filter.user_id
    ])?;
    let mut devices = Vec::new();
    while let Some(row) = found.next()? {
        devices.push(device(conn, row)?);
    }
    Ok(devices)
}

pub(super) fn count(conn: &Connection, app: AppNo) -> Done<u64> {
    let count: i64 = conn
        .prepare_cached("SELECT count(*) FROM devices WHERE app_no = ?1")?
        .query_row([app.0], |row| row.get(0))?;
    Ok(count as u64)
}

pub(super) fn delete(tx: &mut Tx<'_>, app: AppNo, id: &str, now: UnixMs, by: &Actor) -> Done<bool> {
    let Some(no) = number(tx.conn, app, id)? else {
        return Ok(false);
    };
    delete_device_row(tx.conn, no.0)?;
    audit::note(tx, now, by, "device.delete", &subject(tx.conn, app, id)?)?;
    Ok(true)
}

/// Deletes a device and its push tokens. Returns how many rows went.
pub(crate) fn delete_device_row(conn: &Connection, no: i64) -> Done<u64> {
    let push_tokens = conn
        .prepare_cached("DELETE FROM push_tokens WHERE device_no = ?1")?
        .execute([no])?;
    for sql in [
        "DELETE FROM topic_devices WHERE device_no = ?1",
        "DELETE FROM device_badges WHERE device_no = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([no])?;
    }
    let devices = conn
        .prepare_cached("DELETE FROM devices WHERE device_no = ?1")?
        .execute([no])?;
    Ok((push_tokens + devices) as u64)
}
