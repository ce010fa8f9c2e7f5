//! Writing new batches with their first work.

use crate::db::params;
use crate::error::Done;
use crate::statements::Statement;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::batch::{BatchDevices, INLINE_BATCH};
use carillon_model::id::{AppNo, BatchNo};
use carillon_ports::fault::{Bug, planted};
use carillon_ports::store::NewBatch;

/// Stores a batch and its first work (seq 0). `sole`: it is its notification's only one.
pub(super) fn insert(
    tx: &mut Tx<'_>,
    app: AppNo,
    batch: &NewBatch,
    sole: bool,
    due_at: UnixMs,
) -> Done<()> {
    let no = batch.no;
    let count = batch.devices.count();
    let large = usize::from(count) > INLINE_BATCH;
    let devices = batch.devices.encode();
    tx.statement(Statement::InsertBatch)?.run(params![
        no.0,
        count,
        sole,
        (!large).then_some(&devices)
    ])?;
    if large {
        insert_devices(tx, app, batch, &devices)?;
    } else if no.0 <= tx.marks.indexed {
        // The cursor of the device index has gone past this number already.
        index(tx, no, &batch.devices)?;
    }
    if batch.hot && planted(Bug::LoseWork) && no.notification().0 % 16 == 0 {
        return Ok(());
    }
    let (due_at, holder) = if batch.hot {
        (None, Some(tx.epoch))
    } else {
        (Some(due_at), None)
    };
    tx.statement(Statement::InsertWork)?.run(params![
        no.0,
        batch.lane.code(),
        batch.class.code(),
        due_at,
        holder
    ])?;
    Ok(())
}

fn insert_devices(tx: &mut Tx<'_>, app: AppNo, batch: &NewBatch, devices: &[u8]) -> Done<()> {
    let numbers = batch.devices.as_slice();
    let notification = batch.no.notification();
    tx.conn
        .prepare_cached(
            "INSERT INTO batch_devices (batch_no, notification_no, lane, first_device, last_device, devices)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .run(params![
            batch.no.0,
            notification.0,
            batch.lane.code(),
            numbers.first().map_or(0, |no| no.0),
            numbers.last().map_or(0, |no| no.0),
            devices
        ])?;
    tx.conn
        .prepare_cached("INSERT OR IGNORE INTO crowds (app_no, notification_no) VALUES (?1, ?2)")?
        .run(params![app.0, notification.0])?;
    Ok(())
}

/// Enters a small batch into the device index.
pub(super) fn index(tx: &Tx<'_>, no: BatchNo, devices: &BatchDevices) -> Done<()> {
    let mut insert = tx.conn.prepare_cached(
        "INSERT OR IGNORE INTO device_batches (device_no, batch_no) VALUES (?1, ?2)",
    )?;
    for device in devices.as_slice() {
        insert.run(params![device.0, no.0])?;
    }
    Ok(())
}
