//! Which deliveries a device had.
//!
//! Three places are searched, newest first, and merged: the index of small batches, which is filled
//! in sorted bulks behind a cursor; the small batches that the cursor has not reached, one by one;
//! and for each notification with large batches, by its sorted ranges. All of it is bounded by
//! retention, and the middle one by how often the cursor is moved.

use super::batches::index;
use super::rows::blob;
use super::views;
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done};
use crate::marks::{read_meta, write_meta};
use crate::writer::Tx;
use carillon_model::batch::BatchDevices;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_ports::store::DeliveryView;
use std::collections::BTreeSet;

pub(super) fn device_deliveries(
    conn: &Connection,
    app: AppNo,
    device: DeviceNo,
    before: Option<DeliveryId>,
    limit: u32,
) -> Done<Vec<DeliveryView>> {
    // A device is in a batch at most once, so the batch alone is the cursor.
    let before = before.map_or(BatchNo(i64::MAX), |id| id.batch);
    let ids = search(conn, app, device, before, limit as usize)?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(views::delivery_view(conn, id)?);
    }
    Ok(found)
}

/// Notifications that went to a device, newest first.
pub(crate) fn notifications_of_device(
    conn: &Connection,
    app: AppNo,
    device: DeviceNo,
) -> Done<BTreeSet<NotificationNo>> {
    let ids = search(conn, app, device, BatchNo(i64::MAX), usize::MAX)?;
    Ok(ids.into_iter().map(|id| id.batch.notification()).collect())
}

fn search(
    conn: &Connection,
    app: AppNo,
    device: DeviceNo,
    before: BatchNo,
    limit: usize,
) -> Done<Vec<DeliveryId>> {
    let mut ids = tail(conn, device, before, limit)?;
    ids.extend(indexed(conn, device, before, limit)?);
    ids.extend(crowds(conn, app, device, before, limit)?);
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    ids.truncate(limit);
    Ok(ids)
}

fn position(devices: &BatchDevices, device: DeviceNo) -> Option<u16> {
    let place = devices.as_slice().binary_search(&device).ok()?;
    u16::try_from(place).ok()
}

/// Small batches that are not in the index yet.
fn tail(
    conn: &Connection,
    device: DeviceNo,
    before: BatchNo,
    limit: usize,
) -> Done<Vec<DeliveryId>> {
    let cursor = read_meta(conn, "indexed")?.unwrap_or(0);
    let mut statement = conn.prepare_cached(
        "SELECT batch_no, devices FROM batches WHERE batch_no > ?1 AND batch_no < ?2 AND devices IS NOT NULL
         ORDER BY batch_no DESC",
    )?;
    let mut found = statement.query(params![cursor, before.0])?;
    let mut ids = Vec::new();
    while ids.len() < limit
        && let Some(row) = found.next()?
    {
        let batch = BatchNo(row.get(0)?);
        let devices =
            BatchDevices::decode(blob(row.get_ref(1)?)).at("batches", "devices", batch)?;
        ids.extend(position(&devices, device).map(|position| DeliveryId { batch, position }));
    }
    Ok(ids)
}

fn indexed(
    conn: &Connection,
    device: DeviceNo,
    before: BatchNo,
    limit: usize,
) -> Done<Vec<DeliveryId>> {
    let mut statement = conn.prepare_cached(
        "SELECT i.batch_no, b.devices FROM device_batches i JOIN batches b ON b.batch_no = i.batch_no
         WHERE i.device_no = ?1 AND i.batch_no < ?2 ORDER BY i.batch_no DESC LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = statement.query(params![device.0, before.0, limit])?;
    let mut ids = Vec::new();
    while let Some(row) = found.next()? {
        let batch = BatchNo(row.get(0)?);
        let devices =
            BatchDevices::decode(blob(row.get_ref(1)?)).at("batches", "devices", batch)?;
        ids.extend(position(&devices, device).map(|position| DeliveryId { batch, position }));
    }
    Ok(ids)
}

/// Large batches: those of one lane of a notification do not overlap when they come from a fan-out, so
/// the one that may hold the device is the last that begins at or before it.
fn crowds(
    conn: &Connection,
    app: AppNo,
    device: DeviceNo,
    before: BatchNo,
    limit: usize,
) -> Done<Vec<DeliveryId>> {
    let mut statement = conn.prepare_cached(
        "SELECT notification_no FROM crowds WHERE app_no = ?1 AND notification_no <= ?2 ORDER BY notification_no DESC",
    )?;
    let mut found = statement.query(params![app.0, before.notification().0])?;
    let mut ids = Vec::new();
    while ids.len() < limit
        && let Some(row) = found.next()?
    {
        let no = NotificationNo(row.get(0)?);
        let mut of_one = crowd(conn, no, device)?;
        of_one.retain(|id| id.batch < before);
        ids.extend(of_one);
    }
    Ok(ids)
}

fn crowd(conn: &Connection, no: NotificationNo, device: DeviceNo) -> Done<Vec<DeliveryId>> {
    let mut next_lane = conn.prepare_cached(
        "SELECT lane FROM batch_devices WHERE notification_no = ?1 AND lane > ?2 ORDER BY lane LIMIT 1",
    )?;
    let mut probe = conn.prepare_cached(
        "SELECT batch_no, devices FROM batch_devices
         WHERE notification_no = ?1 AND lane = ?2 AND first_device <= ?3 AND last_device >= ?3
         ORDER BY first_device DESC LIMIT 1",
    )?;
    let mut ids = Vec::new();
    let mut lane = i64::MIN;
    while let Some(next) = next_lane
        .query_row(params![no.0, lane], |row| row.get(0))
        .optional()?
    {
        lane = next;
        let mut found = probe.query(params![no.0, lane, device.0])?;
        if let Some(row) = found.next()? {
            let batch = BatchNo(row.get(0)?);
            let devices = BatchDevices::decode(blob(row.get_ref(1)?)).at(
                "batch_devices",
                "devices",
                batch,
            )?;
            ids.extend(position(&devices, device).map(|position| DeliveryId { batch, position }));
        }
    }
    Ok(ids)
}

/// Moves the cursor of the index over at most `limit` batches.
pub(super) fn index_devices(tx: &mut Tx<'_>, limit: u32) -> Done<u64> {
    let (mut pairs, mut last) = (Vec::new(), None);
    {
        let mut statement = tx.conn.prepare_cached(
            "SELECT batch_no, devices FROM batches WHERE batch_no > ?1 ORDER BY batch_no LIMIT ?2",
        )?;
        let mut found = statement.query(params![tx.marks.indexed, limit.max(1)])?;
        while let Some(row) = found.next()? {
            let batch = BatchNo(row.get(0)?);
            last = Some(batch.0);
            let bytes = blob(row.get_ref(1)?);
            if bytes.is_empty() {
                continue;
            }
            match BatchDevices::decode(bytes) {
                Ok(devices) => pairs.extend(devices.as_slice().iter().map(|d| (*d, batch))),
                Err(error) => tracing::error!(batch = batch.0, %error, "not indexed"),
            }
        }
    }
    let Some(last) = last else { return Ok(0) };
    pairs.sort_unstable();
    for (device, batch) in &pairs {
        index(tx, *batch, &BatchDevices::new(vec![*device]))?;
    }
    write_meta(tx.conn, "indexed", last)?;
    tx.marks.indexed = last;
    Ok(pairs.len().max(1) as u64)
}
