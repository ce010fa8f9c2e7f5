//! Erasing a person: devices, push tokens, preferences, counters, and what was sent to nobody else.

use super::audit;
use super::credentials::subject;
use super::devices::delete_device_row;
use crate::db::{self, Connection, params};
use crate::error::Done;
use crate::hot::{
    devices, empty_payload, erase_activities, erase_gathered, notifications_of_device,
};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, BatchNo, DeviceNo, NotificationNo};
use carillon_ports::registry::Actor;
use std::collections::BTreeSet;

/// What there is of a user.
pub(super) struct Found {
    devices: BTreeSet<DeviceNo>,
    notifications: Vec<NotificationNo>,
}

impl Found {
    pub(super) fn weight(&self) -> usize {
        self.devices.len() * 2 + self.notifications.len()
    }
}

pub(super) fn found(conn: &Connection, app: AppNo, user_id: &str) -> Done<Found> {
    let devices = numbers(conn, app, user_id)?;
    Ok(Found {
        notifications: notifications(conn, app, &devices)?,
        devices,
    })
}

fn numbers(conn: &Connection, app: AppNo, user_id: &str) -> Done<BTreeSet<DeviceNo>> {
    let mut statement =
        conn.prepare_cached("SELECT device_no FROM devices WHERE app_no = ?1 AND user_id = ?2")?;
    let found = statement.query_map(params![app.0, user_id], |row| row.get(0).map(DeviceNo))?;
    Ok(found.collect::<db::Result<_>>()?)
}

/// Notifications that went to some of these devices and to no other.
pub(super) fn notifications(
    conn: &Connection,
    app: AppNo,
    of: &BTreeSet<DeviceNo>,
) -> Done<Vec<NotificationNo>> {
    let mut all = BTreeSet::new();
    for device in of {
        all.extend(notifications_of_device(conn, app, *device)?);
    }
    let mut only = Vec::new();
    for no in all {
        if is_only_for(conn, no, of)? {
            only.push(no);
        }
    }
    Ok(only)
}

fn is_only_for(conn: &Connection, no: NotificationNo, of: &BTreeSet<DeviceNo>) -> Done<bool> {
    let (first, last) = no.batches();
    let mut statement = conn.prepare_cached(
        "SELECT batch_no FROM batches WHERE batch_no BETWEEN ?1 AND ?2 ORDER BY batch_no",
    )?;
    let mut found = statement.query(params![first.0, last.0])?;
    while let Some(row) = found.next()? {
        let batch = devices(conn, BatchNo(row.get(0)?))?;
        if !batch.as_slice().iter().all(|device| of.contains(device)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Erases what was found, and devices that came since. Returns the devices, and how many
/// notifications lost their content.
pub(super) fn erase(
    tx: &mut Tx<'_>,
    app: AppNo,
    user_id: &str,
    found: &Found,
    now: UnixMs,
    by: &Actor,
) -> Done<(BTreeSet<DeviceNo>, u64)> {
    let devices = numbers(tx.conn, app, user_id)?;
    for device in &devices {
        delete_device_row(tx.conn, device.0)?;
    }
    erase_gathered(tx, app, user_id)?;
    erase_activities(tx, app, user_id)?;
    super::preferences::erase(tx, app, user_id)?;
    let notifications = erase_content(tx, &found.notifications)?;
    audit::note(tx, now, by, "user.erase", &subject(tx.conn, app, user_id)?)?;
    Ok((&devices | &found.devices, notifications))
}

pub(super) fn erase_content(tx: &mut Tx<'_>, of: &[NotificationNo]) -> Done<u64> {
    of.iter().map(|no| empty_payload(tx, *no)).sum()
}
