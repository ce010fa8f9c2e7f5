//! Devices and their push tokens: reading, counting, deleting. Registering them is `registration`'s.

use super::audit;
use super::credentials::subject;
use crate::db::{self, Connection, OptionalExtension, Row, params};
use crate::error::{At, Done, corrupt};
use crate::hot::{capabilities, device_id, parse_device_id, registered_at};
use crate::writer::Tx;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_ports::own_device::{OwnDeletion, is_own};
use carillon_ports::registry::{Actor, Device, DeviceFilter, DeviceStats};

/// The number behind a public id.
pub(super) fn number(conn: &Connection, app: AppNo, id: &str) -> Done<Option<DeviceNo>> {
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

const COLUMNS: &str = "d.device_no, id, user_id, locale, time_zone, app_version, tags, created_at, last_seen_at, platform, topics, attributes, capabilities";

fn device(conn: &Connection, row: Row<'_>) -> Done<Device> {
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
            capabilities: capabilities(no, row.get(12)?)?,
            push_tokens: push_tokens
                .iter()
                .map(PushTokenRegistration::from)
                .collect(),
            replaces: Vec::new(),
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
            registered_at: registered_at(row.get(3)?),
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
        "SELECT {COLUMNS} FROM devices d WHERE d.device_no = ?1"
    ))?;
    let mut found = statement.query([no.0])?;
    found.next()?.map(|row| device(conn, row)).transpose()
}

pub(super) fn list(conn: &Connection, app: AppNo, filter: &DeviceFilter) -> Done<Vec<Device>> {
    // A user's or a topic's devices are few beside all; what else is wanted is looked for among them.
    let (table, wanted) = match (&filter.user_id, &filter.topic) {
        (Some(_), _) => (
            "devices d INDEXED BY devices_user",
            "d.app_no = ?1 AND d.device_no > ?2 AND d.user_id = ?4 AND (?5 IS NULL OR EXISTS
                (SELECT 1 FROM topic_devices t WHERE t.app_no = ?1 AND t.topic = ?5 AND t.device_no = d.device_no))",
        ),
        (None, Some(_)) => (
            "topic_devices t CROSS JOIN devices d ON d.device_no = t.device_no",
            "t.app_no = ?1 AND t.topic = ?5 AND t.device_no > ?2 AND ?4 IS NULL",
        ),
        (None, None) => (
            "devices d INDEXED BY devices_app",
            "d.app_no = ?1 AND d.device_no > ?2 AND ?4 IS NULL AND ?5 IS NULL",
        ),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM {table} WHERE {wanted} AND (?6 IS NULL OR platform = ?6)
             AND (?7 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) j WHERE j.value = ?7))
             AND last_seen_at < ?8 AND last_seen_at >= ?9
         ORDER BY d.device_no LIMIT ?3"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut found = statement.query(params![
        app.0,
        filter.after.map_or(i64::MIN, |no| no.0),
        filter.limit,
        filter.user_id,
        filter.topic,
        filter.platform,
        filter.tag,
        filter.seen_before.unwrap_or(i64::MAX),
        filter.seen_since.unwrap_or(i64::MIN),
    ])?;
    let mut devices = Vec::new();
    while let Some(row) = found.next()? {
        devices.push(device(conn, row)?);
    }
    Ok(devices)
}

pub(super) fn stats(conn: &Connection, app: AppNo, stale_before: UnixMs) -> Done<DeviceStats> {
    let stale: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM devices INDEXED BY devices_seen WHERE app_no = ?1 AND last_seen_at < ?2",
        )?
        .query_row(params![app.0, stale_before], |row| row.get(0))?;
    let platforms = conn
        .prepare_cached(
            "SELECT platform, count(*) FROM devices WHERE app_no = ?1 GROUP BY platform
             ORDER BY count(*) DESC LIMIT 100",
        )?
        .query_map([app.0], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
        })?
        .collect::<db::Result<_>>()?;
    let mut gateways = Vec::new();
    for gateway in Gateway::ALL {
        let kinds = TokenKind::ALL
            .iter()
            .filter(|kind| kind.gateway() == gateway);
        let kinds: Vec<_> = kinds.map(|kind| kind.code().to_string()).collect();
        let devices: i64 = conn
            .prepare_cached(&format!(
                "SELECT count(DISTINCT device_no) FROM push_tokens INDEXED BY push_tokens_live
                 WHERE app_no = ?1 AND kind IN ({}) AND retired_at IS NULL",
                kinds.join(", ")
            ))?
            .query_row([app.0], |row| row.get(0))?;
        if devices > 0 {
            gateways.push((gateway, devices as u64));
        }
    }
    Ok(DeviceStats {
        total: count(conn, app)?,
        stale: stale as u64,
        platforms,
        gateways,
    })
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

/// SHA-256 of its own secret, if it has one.
pub(super) fn secret(conn: &Connection, no: DeviceNo) -> Done<Option<[u8; 32]>> {
    let found = conn
        .prepare_cached("SELECT secret_hash FROM devices WHERE device_no = ?1")?
        .query_row([no.0], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// The device wishes it itself.
pub(super) fn delete_own(
    tx: &mut Tx<'_>,
    app: AppNo,
    id: &str,
    only: Option<TokenKind>,
    shown: [u8; 32],
) -> Done<OwnDeletion> {
    let Some(no) = number(tx.conn, app, id)? else {
        return Ok(OwnDeletion::Unknown);
    };
    let hash = tx
        .conn
        .prepare_cached("SELECT secret_hash FROM devices WHERE device_no = ?1")?
        .query_row([no.0], |row| row.get(0))?;
    if !is_own((hash, None), Some(shown), None) {
        return Ok(OwnDeletion::NotOwn);
    }
    let Some(kind) = only else {
        delete_device_row(tx.conn, no.0)?;
        return Ok(OwnDeletion::Deleted);
    };
    Ok(match delete_push_token_row(tx.conn, no, kind)? {
        true => OwnDeletion::Deleted,
        false => OwnDeletion::NoPushToken,
    })
}

/// Whether there was one.
fn delete_push_token_row(conn: &Connection, no: DeviceNo, kind: TokenKind) -> Done<bool> {
    let deleted = conn
        .prepare_cached("DELETE FROM push_tokens WHERE device_no = ?1 AND kind = ?2")?
        .execute(params![no.0, kind.code()])?;
    Ok(deleted > 0)
}

/// `None`: no such device; `false`: no such push token.
pub(super) fn delete_push_token(
    tx: &mut Tx<'_>,
    app: AppNo,
    id: &str,
    kind: TokenKind,
    now: UnixMs,
    by: &Actor,
) -> Done<Option<bool>> {
    let Some(no) = number(tx.conn, app, id)? else {
        return Ok(None);
    };
    let deleted = delete_push_token_row(tx.conn, no, kind)?;
    if deleted {
        let name = format!("{id}/{}", kind.as_str());
        audit::note(
            tx,
            now,
            by,
            "push_token.delete",
            &subject(tx.conn, app, &name)?,
        )?;
    }
    Ok(Some(deleted))
}

/// Deletes a device and its push tokens. Returns how many rows went.
pub(crate) fn delete_device_row(conn: &Connection, no: i64) -> Done<u64> {
    let push_tokens = conn
        .prepare_cached("DELETE FROM push_tokens WHERE device_no = ?1")?
        .execute([no])?;
    for sql in [
        "DELETE FROM topic_devices WHERE device_no = ?1",
        "DELETE FROM device_badges WHERE device_no = ?1",
        "DELETE FROM push_to_start WHERE device_no = ?1",
        "DELETE FROM rings WHERE device_no = ?1",
    ] {
        conn.prepare_cached(sql)?.run([no])?;
    }
    let devices = conn
        .prepare_cached("DELETE FROM devices WHERE device_no = ?1")?
        .execute([no])?;
    Ok((push_tokens + devices) as u64)
}
