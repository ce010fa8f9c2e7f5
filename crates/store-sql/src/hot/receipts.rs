//! Receipts: one row for each batch that has any, written whole each time.

use super::campaigns;
use super::ledger::{owner, tell};
use super::rows::{self, blob};

use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::event::EventKind;
use carillon_model::id::{BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::receipts::{BatchReceipts, DeliveryReceipts, ReceiptKind};
use carillon_ports::news::News;
use carillon_ports::receipt::{NewReceipt, ReceiptAnswer};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A batch that receipts came for: how many deliveries it has, when it was accepted, what it had.
struct Touched {
    count: u16,
    accepted_at: UnixMs,
    receipts: BatchReceipts,
    is_changed: bool,
    /// Of a campaign's its devices: segments ask what they told.
    devices: Option<BatchDevices>,
}

pub(super) fn record(
    tx: &mut Tx<'_>,
    receipts: &[NewReceipt],
    now: UnixMs,
) -> Done<Vec<ReceiptAnswer>> {
    let mut touched: BTreeMap<BatchNo, Option<Touched>> = BTreeMap::new();
    let mut news = News::default();
    let mut answers = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        let id = receipt.delivery;
        let of_batch = match touched.entry(id.batch) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(touch(tx, id.batch)?),
        };
        let of_batch = of_batch.as_mut();
        let of_batch = of_batch.filter(|of_batch| id.position < of_batch.count);
        let Some(of_batch) = of_batch else {
            answers.push(ReceiptAnswer::Gone);
            continue;
        };
        let at = receipt.at.min(now).max(of_batch.accepted_at);
        if !of_batch.receipts.add(receipt.kind, id.position, at) {
            answers.push(ReceiptAnswer::Repeated);
            continue;
        }
        of_batch.is_changed = true;
        let devices = of_batch.devices.as_ref().map(BatchDevices::as_slice);
        if let Some(device) = devices.and_then(|all| all.get(usize::from(id.position))) {
            tell_of(tx.conn, id.batch.notification(), *device, receipt.kind)?;
        }
        let kind = match receipt.kind {
            ReceiptKind::Delivered => EventKind::ReceiptDelivered,
            ReceiptKind::Opened => EventKind::ReceiptOpened,
        };
        news.receipt(kind, id);
        answers.push(ReceiptAnswer::Recorded);
    }
    for (batch, of_batch) in touched {
        if let Some(of_batch) = of_batch.filter(|of_batch| of_batch.is_changed) {
            write(tx.conn, batch, &of_batch.receipts)?;
        }
    }
    tell(tx, news, now)?;
    Ok(answers)
}

/// `None`: the batch is gone.
fn touch(tx: &mut Tx<'_>, no: BatchNo) -> Done<Option<Touched>> {
    let count = tx
        .conn
        .prepare_cached("SELECT count FROM batches WHERE batch_no = ?1")?
        .query_row([no.0], |row| row.get(0))
        .optional()?;
    let (Some(count), Some((_, accepted_at))) = (count, owner(tx, no.notification())?) else {
        return Ok(None);
    };
    let is_campaign = campaigns::is_one(tx.conn, no.notification())?;
    Ok(Some(Touched {
        count,
        accepted_at,
        receipts: of_batch(tx.conn, no)?,
        is_changed: false,
        devices: is_campaign
            .then(|| rows::devices(tx.conn, no))
            .transpose()?,
    }))
}

/// Notes what a device told of a campaign. What says more takes the place of what says less.
fn tell_of(conn: &Connection, no: NotificationNo, device: DeviceNo, kind: ReceiptKind) -> Done<()> {
    let sql = match kind {
        ReceiptKind::Delivered => {
            "INSERT OR IGNORE INTO activity (notification_no, device_no, told) VALUES (?1, ?2, ?3)"
        }
        ReceiptKind::Opened => {
            "INSERT INTO activity (notification_no, device_no, told) VALUES (?1, ?2, ?3)
             ON CONFLICT (notification_no, device_no) DO UPDATE SET told = excluded.told"
        }
    };
    conn.prepare_cached(sql)?
        .run(params![no.0, device.0, kind.code()])?;
    Ok(())
}

fn of_batch(conn: &Connection, no: BatchNo) -> Done<BatchReceipts> {
    let mut statement =
        conn.prepare_cached("SELECT receipts FROM batch_receipts WHERE batch_no = ?1")?;
    let mut found = statement.query([no.0])?;
    match found.next()? {
        None => Ok(BatchReceipts::default()),
        Some(row) => {
            BatchReceipts::decode(blob(row.get_ref(0)?)).at("batch_receipts", "receipts", no)
        }
    }
}

fn write(conn: &Connection, no: BatchNo, receipts: &BatchReceipts) -> Done<()> {
    let (delivered, opened) = receipts.counts();
    conn.prepare_cached(
        "INSERT INTO batch_receipts (batch_no, delivered, opened, receipts) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (batch_no) DO UPDATE SET delivered = excluded.delivered, opened = excluded.opened,
            receipts = excluded.receipts",
    )?
    .run(params![no.0, delivered as i64, opened as i64, receipts.encode()])?;
    Ok(())
}

pub(super) fn of_delivery(conn: &Connection, id: DeliveryId) -> Done<DeliveryReceipts> {
    Ok(of_batch(conn, id.batch)?.get(id.position))
}

pub(super) fn counts(conn: &Connection, no: NotificationNo) -> Done<(u64, u64)> {
    let (first, last) = no.batches();
    let sums = conn
        .prepare_cached(
            "SELECT coalesce(sum(delivered), 0), coalesce(sum(opened), 0) FROM batch_receipts
             WHERE batch_no BETWEEN ?1 AND ?2",
        )?
        .query_row(params![first.0, last.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    Ok((sums.0 as u64, sums.1 as u64))
}
