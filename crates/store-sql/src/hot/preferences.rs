//! What recipients want, and what counts for their frequency caps.
//!
//! A cap is kept because this is the only place that counts: the rows of a user are read and the new one
//! is written in one transaction of the one writer, and no push is handed to a pool before its
//! notification has its row. A notification that has one is let through again, whatever became of it,
//! so a retry, a resend, a rescue and a second device count nothing.

use crate::db::{Connection, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::frequency::{Counted, admits, keep_ms};
use carillon_model::id::DeviceNo;
use carillon_ports::preferences::{DevicePreferences, Reservation};

pub(super) fn of_devices(conn: &Connection, devices: &[DeviceNo]) -> Done<Vec<DevicePreferences>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.user_id, d.time_zone, p.preferences FROM devices d
         LEFT JOIN user_preferences p ON p.app_no = d.app_no AND p.user_id = d.user_id
         WHERE d.device_no = ?1",
    )?;
    statement.ahead(devices.iter().map(|no| [no.0]))?;
    let mut all = Vec::with_capacity(devices.len());
    for device in devices {
        let mut found = statement.query([device.0])?;
        let Some(row) = found.next()? else {
            continue;
        };
        let stored: Option<String> = row.get(2)?;
        let read = stored.map(|json| serde_json::from_str(&json)).transpose();
        all.push(DevicePreferences {
            device: *device,
            user_id: row.get(0)?,
            time_zone: row.get(1)?,
            preferences: read
                .map_err(|error| corrupt("user_preferences", "preferences", device, error))?,
        });
    }
    Ok(all)
}

pub(super) fn reserve(tx: &Tx<'_>, wanted: &[Reservation], now: UnixMs) -> Done<Vec<bool>> {
    wanted
        .iter()
        .map(|wanted| reserve_one(tx, wanted, now))
        .collect()
}

fn reserve_one(tx: &Tx<'_>, wanted: &Reservation, now: UnixMs) -> Done<bool> {
    let category = wanted.category.as_deref();
    let mut before = Vec::new();
    {
        let mut statement = tx.conn.prepare_cached(
            "SELECT notification_no, at, keep_until, category FROM user_sends WHERE app_no = ?1 AND user_id = ?2",
        )?;
        let mut found = statement.query(params![wanted.app.0, wanted.user_id])?;
        while let Some(row) = found.next()? {
            if row.get::<_, i64>(0)? == wanted.notification.0 {
                return Ok(true);
            }
            if row.get::<_, UnixMs>(2)? > now {
                before.push(Counted {
                    at: row.get(1)?,
                    category: row.get(3)?,
                });
            }
        }
    }
    let Some(keep) = keep_ms(&wanted.caps, category) else {
        return Ok(true);
    };
    if !admits(&wanted.caps, category, &before, now) {
        return Ok(false);
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO user_sends (app_no, user_id, notification_no, at, keep_until, category)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .run(params![
            wanted.app.0,
            wanted.user_id,
            wanted.notification.0,
            now,
            now.saturating_add(keep),
            wanted.category
        ])?;
    Ok(true)
}

/// Deletes what no cap counts any more: at most `limit` rows.
pub(super) fn prune(tx: &Tx<'_>, now: UnixMs, limit: u32) -> Done<u64> {
    let gone = tx
        .conn
        .prepare_cached(
            "DELETE FROM user_sends WHERE (app_no, user_id, notification_no) IN
                (SELECT app_no, user_id, notification_no FROM user_sends INDEXED BY user_sends_keep_until
                 WHERE keep_until <= ?1 ORDER BY keep_until LIMIT ?2)",
        )?
        .execute(params![now, limit])?;
    Ok(gone as u64)
}
