//! Columns to types and back.

use crate::db::{Connection, OptionalExtension, Row};
use crate::error::{At, Done, corrupt};
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::batch::{BatchDevices, INLINE_BATCH};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, BatchNo, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Lane};
use carillon_model::notification::SendOptions;
use carillon_model::positions::Positions;
use carillon_model::verdicts::Verdicts;
use carillon_ports::store::{NotificationHead, Work, WorkId};
use rusqlite::types::ValueRef;

/// Columns of [`work`].
pub(crate) const WORK: &str =
    "batch_no, seq, lane, class, attempt, due_at, watermark, in_doubt, positions";

/// A work row; the first column is [`WORK`]'s first.
pub(crate) fn work(row: Row<'_>) -> Done<Work> {
    let id = WorkId {
        batch: BatchNo(row.get(0)?),
        seq: row.get(1)?,
    };
    let key = || format!("{}/{}", id.batch, id.seq);
    let positions = match row.get_ref(8)?.as_blob_or_null() {
        Ok(None) => None,
        Ok(Some(bytes)) => Some(Positions::decode(bytes).at("work", "positions", key())?),
        Err(_) => return Err(corrupt("work", "positions", key(), "not a blob").into()),
    };
    Ok(Work {
        id,
        lane: Lane::from_code(row.get(2)?).at("work", "lane", key())?,
        class: Class::from_code(row.get(3)?).at("work", "class", key())?,
        attempt: row.get(4)?,
        due_at: row.get(5)?,
        watermark: row.get(6)?,
        in_doubt: row.get(7)?,
        positions,
    })
}

/// Columns of [`head`].
pub(crate) const HEAD: &str = "n.notification_no, n.app_no, n.accepted_at, n.expires_at, n.cancelled_at IS NOT NULL, n.options, n.payload, n.send_at, n.begun_at, n.campaign";
/// How many columns that are.
pub(crate) const HEAD_COLUMNS: usize = 10;

/// A notification; its columns begin with the first.
pub(crate) fn head(row: Row<'_>) -> Done<NotificationHead> {
    let no = NotificationNo(row.get(0)?);
    let campaign: u8 = row.get(9)?;
    Ok(NotificationHead {
        no,
        app: AppNo(row.get(1)?),
        accepted_at: row.get(2)?,
        send_at: row.get(7)?,
        begun_at: row.get(8)?,
        expires_at: row.get(3)?,
        cancelled: row.get(4)?,
        is_campaign: campaign > 0,
        paused: campaign == super::campaigns::RESTS,
        options: SendOptions::decode(blob(row.get_ref(5)?)).at("notifications", "options", no)?,
        payload: Bytes::copy_from_slice(blob(row.get_ref(6)?)),
    })
}

/// Bytes of a column that is never NULL.
pub(crate) fn blob(value: ValueRef<'_>) -> &[u8] {
    value.as_blob_or_null().ok().flatten().unwrap_or_default()
}

/// A batch's row without its devices.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) no: BatchNo,
    pub(crate) count: u16,
    pub(crate) sole: bool,
    pub(crate) settled_at: Option<UnixMs>,
    pub(crate) verdicts: Verdicts,
}

impl Batch {
    /// Whether it keeps devices and verdicts in rows of their own.
    pub(crate) fn is_large(&self) -> bool {
        usize::from(self.count) > INLINE_BATCH
    }
}

const BATCH: &str = "SELECT b.count, b.sole, b.settled_at, coalesce(b.verdicts, v.verdicts)
     FROM batches b LEFT JOIN batch_verdicts v ON b.count > 16 AND v.batch_no = b.batch_no
     WHERE b.batch_no = ?1";

/// These are about to be read, and each is changed only after it was.
pub(crate) fn batches_ahead(conn: &Connection, all: impl Iterator<Item = BatchNo>) -> Done<()> {
    Ok(conn.prepare_cached(BATCH)?.ahead(all.map(|no| [no.0]))?)
}

/// Reads one; `None` when it is gone.
pub(crate) fn batch(conn: &Connection, no: BatchNo) -> Done<Option<Batch>> {
    let mut statement = conn.prepare_cached(BATCH)?;
    let mut rows = statement.query([no.0])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let count = row.get(0)?;
    Ok(Some(Batch {
        no,
        count,
        sole: row.get(1)?,
        settled_at: row.get(2)?,
        verdicts: match blob(row.get_ref(3)?) {
            [] => Verdicts::open(count),
            bytes => Verdicts::decode(bytes, count).at("batches", "verdicts", no)?,
        },
    }))
}

const DEVICES: &str = "SELECT coalesce(b.devices, d.devices)
     FROM batches b LEFT JOIN batch_devices d ON b.count > 16 AND d.batch_no = b.batch_no
     WHERE b.batch_no = ?1";

/// The devices of these are about to be read.
pub(crate) fn devices_ahead(conn: &Connection, all: impl Iterator<Item = BatchNo>) -> Done<()> {
    Ok(conn.prepare_cached(DEVICES)?.ahead(all.map(|no| [no.0]))?)
}

/// Devices of a batch.
pub(crate) fn devices(conn: &Connection, no: BatchNo) -> Done<BatchDevices> {
    let mut statement = conn.prepare_cached(DEVICES)?;
    let mut rows = statement.query([no.0])?;
    match rows.next()? {
        Some(row) => BatchDevices::decode(blob(row.get_ref(0)?)).at("batches", "devices", no),
        None => Err(corrupt("batches", "devices", no, "the row is missing").into()),
    }
}

fn one_head() -> String {
    format!("SELECT {HEAD} FROM notifications n WHERE n.notification_no = ?1")
}

/// These are about to be read.
pub(crate) fn notifications_ahead(
    conn: &Connection,
    all: impl Iterator<Item = NotificationNo>,
) -> Done<()> {
    Ok(conn
        .prepare_cached(&one_head())?
        .ahead(all.map(|no| [no.0]))?)
}

/// Reads a notification.
pub(crate) fn notification(
    conn: &Connection,
    no: NotificationNo,
) -> Done<Option<NotificationHead>> {
    let mut statement = conn.prepare_cached(&one_head())?;
    let mut rows = statement.query([no.0])?;
    rows.next()?.map(head).transpose()
}

/// What the column `registered_at` of a push token says: 0 is that nobody knows.
pub(crate) fn registered_at(column: UnixMs) -> Option<UnixMs> {
    (column != 0).then_some(column)
}

/// What is written there.
pub(crate) fn registered_at_column(registered_at: Option<UnixMs>) -> UnixMs {
    registered_at.unwrap_or(0)
}

/// 0 none, 1 production, 2 sandbox.
pub(crate) fn environment_code(environment: Option<Environment>) -> u8 {
    environment.map_or(0, |environment| TokenEnvironment::from(environment).code())
}

pub(crate) fn token_environment(
    code: u8,
    table: &str,
    key: impl std::fmt::Display,
) -> Done<TokenEnvironment> {
    TokenEnvironment::from_code(code).at(table, "environment", key)
}

/// What a device without an id of its caller's is called.
pub(crate) fn device_id(id: Option<String>, no: DeviceNo, created_at: UnixMs) -> String {
    id.unwrap_or_else(|| carillon_model::id::public("dev", created_at, no.0))
}

/// Reads such a name back: the number and the time that its row must show.
pub(crate) fn parse_device_id(id: &str) -> Option<(DeviceNo, UnixMs)> {
    // Read it as a notification's, whose form it shares.
    let uuid = id.strip_prefix("dev_")?;
    let (no, at) = NotificationNo::parse(&format!("ntf_{uuid}"))?;
    Some((DeviceNo(no.0), at))
}

/// Public id of a device; `None`: it was deleted.
pub(crate) fn device_name(conn: &Connection, no: DeviceNo) -> Done<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT id, created_at FROM devices WHERE device_no = ?1")?
        .query_row([no.0], |row| Ok(device_id(row.get(0)?, no, row.get(1)?)))
        .optional()?)
}
