//! Campaigns: stored with their notifications, moved on by pages of their fan-outs, paused and brought back.
//!
//! Work of one that rests is put aside: its time is moved so far ahead that nobody claims it and nothing
//! waits behind it. Whatever becomes due of it meanwhile is put aside by the claim that finds it. When it
//! goes on its work is brought back in slices, which a crash only interrupts.

use super::fanout::audience_json;
use super::{claim, records, resolve, rows, views};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done, corrupt};
use crate::instances;
use crate::queue::Class as Turn;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::event::{DeliveryFailed, FailureCount};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::push_type::Reach;
use carillon_ports::campaign::{
    CampaignHead, CampaignStep, CampaignStore, CampaignView, Chunk, NewCampaign,
};
use carillon_ports::instance::NoticeKind;
use carillon_ports::store::{FanoutPage, Recipient, Result, WorkId};

/// Values of `notifications.campaign`.
pub(super) const GOES: u8 = 1;
pub(super) const RESTS: u8 = 2;

/// What is put aside is due so much later than it says: some 140,000 years.
pub(super) const PARKED: UnixMs = 1 << 52;
/// Work rows that are put aside in one slice.
const SLICE: u32 = 200;

#[async_trait]
impl CampaignStore for SqlStore {
    async fn campaign(&self, app: AppNo, no: NotificationNo) -> Result<Option<CampaignView>> {
        self.read(move |conn| view(conn, app, no)).await
    }

    async fn campaign_named(&self, app: AppNo, name: String) -> Result<Option<NotificationNo>> {
        self.read(move |conn| named(conn, app, &name)).await
    }

    async fn campaign_names(&self, app: AppNo, limit: u32) -> Result<Vec<String>> {
        self.read(move |conn| names(conn, app, limit)).await
    }

    async fn campaigns(
        &self,
        app: AppNo,
        before: Option<NotificationNo>,
        limit: u32,
    ) -> Result<Vec<CampaignView>> {
        self.read(move |conn| list(conn, app, before, limit)).await
    }

    async fn campaign_chunks(
        &self,
        no: NotificationNo,
        wave_at: UnixMs,
        limit: u32,
    ) -> Result<Vec<Chunk>> {
        self.read(move |conn| chunks(conn, no, wave_at, limit))
            .await
    }

    async fn last_device(&self, app: AppNo) -> Result<DeviceNo> {
        self.read(move |conn| {
            let last: Option<i64> = conn
                .prepare_cached("SELECT max(device_no) FROM devices WHERE app_no = ?1")?
                .query_row([app.0], |row| row.get(0))?;
            Ok(DeviceNo(last.unwrap_or(0)))
        })
        .await
    }

    async fn recipients(&self, devices: Vec<DeviceNo>, reach: Reach) -> Result<Vec<Recipient>> {
        self.read(move |conn| resolve::by_number(conn, &devices, reach))
            .await
    }

    async fn time_zones(&self, devices: Vec<DeviceNo>) -> Result<Vec<Option<String>>> {
        self.read(move |conn| {
            let mut zone =
                conn.prepare_cached("SELECT time_zone FROM devices WHERE device_no = ?1")?;
            zone.ahead(devices.iter().map(|device| [device.0]))?;
            let mut zones = Vec::with_capacity(devices.len());
            for device in &devices {
                let found = zone.query_row([device.0], |row| row.get::<_, Option<String>>(0));
                zones.push(found.optional()?.flatten());
            }
            Ok(zones)
        })
        .await
    }

    async fn pause(&self, app: AppNo, no: NotificationNo) -> Result<Option<bool>> {
        // The mark is in the first slice: from then on claims do the same to what is left.
        let is_open = self
            .write(Turn::Settle, SLICE as usize, move |tx| {
                let is_open = mark(tx, app, no)?;
                if is_open == Some(true) {
                    park(tx, no, SLICE)?;
                }
                Ok(is_open)
            })
            .await?;
        while is_open == Some(true) {
            let parked = self
                .write(Turn::Settle, SLICE as usize, move |tx| {
                    if !is_resting(tx.conn, no)? {
                        return Ok(0);
                    }
                    park(tx, no, SLICE)
                })
                .await?;
            if parked < SLICE {
                break;
            }
        }
        Ok(is_open)
    }

    async fn resume(
        &self,
        app: AppNo,
        no: NotificationNo,
        fence: i64,
        state: String,
        now: UnixMs,
    ) -> Result<bool> {
        self.write(Turn::Settle, 1, move |tx| {
            resume(tx, app, no, fence, &state, now)
        })
        .await
    }

    async fn bring_back(&self, limit: u32) -> Result<u64> {
        let is_any = self.read_hot(|conn| Ok(parked(conn)?.is_some())).await?;
        if !is_any {
            return Ok(0);
        }
        self.write(Turn::Fanout, limit as usize, move |tx| {
            bring_back(tx, limit)
        })
        .await
    }
}

/// Who has this name.
pub(super) fn named(conn: &Connection, app: AppNo, name: &str) -> Done<Option<NotificationNo>> {
    Ok(conn
        .prepare_cached("SELECT notification_no FROM campaigns WHERE app_no = ?1 AND name = ?2")?
        .query_row(params![app.0, name], |row| Ok(NotificationNo(row.get(0)?)))
        .optional()?)
}

fn names(conn: &Connection, app: AppNo, limit: u32) -> Done<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT name FROM campaigns WHERE app_no = ?1 ORDER BY notification_no DESC LIMIT ?2",
    )?;
    let mut found = statement.query(params![app.0, limit])?;
    let mut names = Vec::new();
    while let Some(row) = found.next()? {
        names.push(row.get(0)?);
    }
    Ok(names)
}

/// Whether a notification is one.
pub(super) fn is_one(conn: &Connection, no: NotificationNo) -> Done<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM campaigns WHERE notification_no = ?1")?
        .exists([no.0])?)
}

/// Stores one with its notification, which is stored already.
pub(super) fn insert(
    tx: &Tx<'_>,
    app: AppNo,
    no: NotificationNo,
    campaign: &NewCampaign,
) -> Done<()> {
    tx.conn
        .prepare_cached(
            "INSERT INTO campaigns (notification_no, app_no, fence, parked, retired, name, plan, state)
             VALUES (?1, ?2, 0, 0, 0, ?3, ?4, ?5)",
        )?
        .execute(params![no.0, app.0, campaign.name, campaign.plan, campaign.state])?;
    tx.conn
        .prepare_cached("UPDATE notifications SET campaign = ?2 WHERE notification_no = ?1")?
        .execute(params![no.0, GOES])?;
    Ok(())
}

/// Columns of [`head`].
pub(super) const HEAD: &str = "c.fence, c.name, c.plan, c.state";

/// A campaign whose columns begin at `at`; `None`: the notification is none.
pub(super) fn head(row: crate::db::Row<'_>, at: usize) -> Done<Option<CampaignHead>> {
    let Some(fence) = row.get::<_, Option<i64>>(at)? else {
        return Ok(None);
    };
    Ok(Some(CampaignHead {
        fence,
        name: row.get(at + 1)?,
        plan: row.get(at + 2)?,
        state: row.get(at + 3)?,
    }))
}

/// Moves a campaign on with a page of its fan-out. `false`: it rests, or is not as it was read any more;
/// nothing was changed.
pub(super) fn step(tx: &mut Tx<'_>, page: &FanoutPage, step: &CampaignStep) -> Done<bool> {
    let no = page.notification;
    if is_resting(tx.conn, no)? {
        return Ok(false);
    }
    let moved = tx
        .conn
        .prepare_cached(
            "UPDATE campaigns SET fence = ?3, state = ?4 WHERE notification_no = ?1 AND fence = ?2",
        )?
        .execute(params![no.0, step.fence, step.fence + 1, step.state])?;
    if moved == 0 {
        return Ok(false);
    }
    for chunk in &step.chunks {
        tx.conn
            .prepare_cached(
                "INSERT INTO campaign_chunks (notification_no, wave_at, chunk_no, devices) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![no.0, chunk.wave_at, chunk.no, chunk.devices.encode()])?;
    }
    for taken in &step.taken {
        let key = (taken.wave_at, taken.no);
        let changed = match &taken.left {
            None => tx
                .conn
                .prepare_cached(
                    "DELETE FROM campaign_chunks WHERE notification_no = ?1 AND wave_at = ?2 AND chunk_no = ?3",
                )?
                .execute(params![no.0, key.0, key.1])?,
            Some(left) => tx
                .conn
                .prepare_cached(
                    "UPDATE campaign_chunks SET devices = ?4
                     WHERE notification_no = ?1 AND wave_at = ?2 AND chunk_no = ?3",
                )?
                .execute(params![no.0, key.0, key.1, left.encode()])?,
        };
        if changed == 0 {
            let key = format!("{no}/{}/{}", taken.wave_at, taken.no);
            return Err(corrupt("campaign_chunks", "*", key, "the row is missing").into());
        }
    }
    if let Some(audience) = &step.audience {
        tx.conn
            .prepare_cached("UPDATE fanouts SET target = ?2 WHERE notification_no = ?1")?
            .execute(params![no.0, audience_json(audience)?])?;
    }
    if let Some(event) = &step.halt {
        rest(tx, no)?;
        records::add_event(tx, event, page.now)?;
    }
    Ok(true)
}

fn is_resting(conn: &Connection, no: NotificationNo) -> Done<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM notifications WHERE notification_no = ?1 AND campaign = ?2")?
        .exists(params![no.0, RESTS])?)
}

/// The mark: nothing new of it is sent.
fn rest(tx: &Tx<'_>, no: NotificationNo) -> Done<()> {
    tx.conn
        .prepare_cached("UPDATE notifications SET campaign = ?2 WHERE notification_no = ?1")?
        .execute(params![no.0, RESTS])?;
    tx.conn
        .prepare_cached("UPDATE campaigns SET parked = 1 WHERE notification_no = ?1")?
        .execute([no.0])?;
    instances::tell(tx, no, NoticeKind::Paused)
}

/// Whether an App's campaign is not over; `None`: it has none of this number.
fn is_open(conn: &Connection, app: AppNo, no: NotificationNo) -> Done<Option<bool>> {
    Ok(conn
        .prepare_cached(
            "SELECT n.cancelled_at IS NULL AND t.completed_at IS NULL FROM campaigns c
             JOIN notifications n ON n.notification_no = c.notification_no
             LEFT JOIN tallies t ON t.notification_no = c.notification_no
             WHERE c.notification_no = ?1 AND c.app_no = ?2",
        )?
        .query_row(params![no.0, app.0], |row| row.get(0))
        .optional()?)
}

fn mark(tx: &Tx<'_>, app: AppNo, no: NotificationNo) -> Done<Option<bool>> {
    let is_open = is_open(tx.conn, app, no)?;
    if is_open == Some(true) {
        rest(tx, no)?;
    }
    Ok(is_open)
}

/// Puts waiting work of a campaign aside, at most `limit` rows. Returns how many.
fn park(tx: &mut Tx<'_>, no: NotificationNo, limit: u32) -> Done<u32> {
    let works = works(tx.conn, no, "due_at < ?3", limit)?;
    for id in &works {
        put_aside(tx, *id)?;
    }
    Ok(works.len() as u32)
}

/// Some work of a campaign that waits, or is put aside.
fn works(conn: &Connection, no: NotificationNo, which: &str, limit: u32) -> Done<Vec<WorkId>> {
    let (first, last) = no.batches();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT batch_no, seq FROM work WHERE batch_no BETWEEN ?1 AND ?2 AND {which} LIMIT ?4"
    ))?;
    let mut found = statement.query(params![first.0, last.0, PARKED, limit])?;
    let mut works = Vec::new();
    while let Some(row) = found.next()? {
        works.push(WorkId {
            batch: carillon_model::id::BatchNo(row.get(0)?),
            seq: row.get(1)?,
        });
    }
    Ok(works)
}

/// Puts a work row aside that was due.
pub(super) fn put_aside(tx: &mut Tx<'_>, id: WorkId) -> Done<()> {
    tx.conn
        .prepare_cached("UPDATE work SET due_at = due_at + ?3 WHERE batch_no = ?1 AND seq = ?2")?
        .execute(params![id.batch.0, id.seq, PARKED])?;
    Ok(())
}

fn resume(
    tx: &mut Tx<'_>,
    app: AppNo,
    no: NotificationNo,
    fence: i64,
    state: &str,
    now: UnixMs,
) -> Done<bool> {
    if is_open(tx.conn, app, no)? != Some(true) {
        return Ok(false);
    }
    let moved = tx
        .conn
        .prepare_cached(
            "UPDATE campaigns SET fence = ?3, state = ?4 WHERE notification_no = ?1 AND fence = ?2",
        )?
        .execute(params![no.0, fence, fence + 1, state])?;
    if moved == 0 {
        return Ok(false);
    }
    tx.conn
        .prepare_cached("UPDATE notifications SET campaign = ?2 WHERE notification_no = ?1")?
        .execute(params![no.0, GOES])?;
    // The next step looks what is due.
    tx.conn
        .prepare_cached("UPDATE fanouts SET due_at = ?2 WHERE notification_no = ?1")?
        .execute([no.0, now])?;
    instances::tell(tx, no, NoticeKind::Resumed)?;
    Ok(true)
}

/// A campaign that goes and of which work may be put aside.
fn parked(conn: &Connection) -> Done<Option<NotificationNo>> {
    Ok(conn
        .prepare_cached(
            "SELECT c.notification_no FROM campaigns c
             JOIN notifications n ON n.notification_no = c.notification_no
             WHERE c.parked = 1 AND n.campaign = ?1 ORDER BY c.notification_no LIMIT 1",
        )?
        .query_row([GOES], |row| Ok(NotificationNo(row.get(0)?)))
        .optional()?)
}

fn bring_back(tx: &mut Tx<'_>, limit: u32) -> Done<u64> {
    let Some(no) = parked(tx.conn)? else {
        return Ok(0);
    };
    let works = works(tx.conn, no, "due_at >= ?3", limit)?;
    for id in &works {
        claim::set_due_again(tx, *id, PARKED)?;
    }
    if (works.len() as u32) < limit {
        tx.conn
            .prepare_cached("UPDATE campaigns SET parked = 0 WHERE notification_no = ?1")?
            .execute([no.0])?;
    }
    Ok(works.len().max(1) as u64)
}

fn chunks(conn: &Connection, no: NotificationNo, wave_at: UnixMs, limit: u32) -> Done<Vec<Chunk>> {
    let mut statement = conn.prepare_cached(
        "SELECT chunk_no, devices FROM campaign_chunks
         WHERE notification_no = ?1 AND wave_at = ?2 ORDER BY chunk_no LIMIT ?3",
    )?;
    let mut found = statement.query(params![no.0, wave_at, limit])?;
    let mut chunks = Vec::new();
    while let Some(row) = found.next()? {
        let chunk_no: u32 = row.get(0)?;
        let key = || format!("{no}/{wave_at}/{chunk_no}");
        let devices = BatchDevices::decode(rows::blob(row.get_ref(1)?));
        chunks.push(Chunk {
            wave_at,
            no: chunk_no,
            devices: devices.at("campaign_chunks", "devices", key())?,
        });
    }
    Ok(chunks)
}

fn view(conn: &Connection, app: AppNo, no: NotificationNo) -> Done<Option<CampaignView>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {HEAD}, c.retired, f.due_at FROM campaigns c
         LEFT JOIN fanouts f ON f.notification_no = c.notification_no
         WHERE c.notification_no = ?1 AND c.app_no = ?2"
    ))?;
    let mut found = statement.query(params![no.0, app.0])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    let (Some(head), Some(notification)) = (head(row, 0)?, views::notification(conn, app, no)?)
    else {
        return Ok(None);
    };
    Ok(Some(CampaignView {
        head,
        notification,
        retired: row.get::<_, i64>(4)? as u64,
        next_step_at: row.get(5)?,
        failures: failures(conn, no)?,
    }))
}

fn list(
    conn: &Connection,
    app: AppNo,
    before: Option<NotificationNo>,
    limit: u32,
) -> Done<Vec<CampaignView>> {
    let mut statement = conn.prepare_cached(
        "SELECT notification_no FROM campaigns
         WHERE app_no = ?1 AND notification_no < ?2 ORDER BY notification_no DESC LIMIT ?3",
    )?;
    let before = before.map_or(i64::MAX, |no| no.0);
    let mut found = statement.query(params![app.0, before, limit])?;
    let mut views = Vec::new();
    while let Some(row) = found.next()? {
        views.extend(view(conn, app, NotificationNo(row.get(0)?))?);
    }
    Ok(views)
}

fn failures(conn: &Connection, no: NotificationNo) -> Done<Vec<FailureCount>> {
    let mut statement = conn.prepare_cached(
        "SELECT gateway, state, reason, count FROM campaign_failures WHERE notification_no = ?1
         ORDER BY count DESC, gateway, state, reason",
    )?;
    let mut found = statement.query([no.0])?;
    let mut failures = Vec::new();
    while let Some(row) = found.next()? {
        failures.push(FailureCount {
            gateway: Gateway::from_code(row.get(0)?).at("campaign_failures", "gateway", no)?,
            state: row.get(1)?,
            reason: row.get(2)?,
            count: row.get::<_, i64>(3)? as u64,
        });
    }
    Ok(failures)
}

/// Counts deliveries that ended without reaching anybody, where they are a campaign's.
pub(super) fn count_failures(
    conn: &Connection,
    no: NotificationNo,
    failed: &DeliveryFailed,
) -> Done<()> {
    let is_one = conn
        .prepare_cached("SELECT 1 FROM campaigns WHERE notification_no = ?1")?
        .exists([no.0])?;
    if !is_one {
        return Ok(());
    }
    let mut add = conn.prepare_cached(
        "INSERT INTO campaign_failures (notification_no, gateway, state, reason, count) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (notification_no, gateway, state, reason) DO UPDATE SET count = campaign_failures.count + excluded.count",
    )?;
    for one in &failed.reasons {
        add.execute(params![
            no.0,
            one.gateway.code(),
            one.state,
            one.reason,
            one.count as i64
        ])?;
    }
    Ok(())
}

/// A push token died by an answer to this notification.
pub(super) fn retired(conn: &Connection, no: NotificationNo) -> Done<()> {
    conn.prepare_cached("UPDATE campaigns SET retired = retired + 1 WHERE notification_no = ?1")?
        .execute([no.0])?;
    Ok(())
}

/// Deletes pieces of its audience, at most `limit`. Returns how many.
pub(super) fn delete_chunks(tx: &Tx<'_>, no: NotificationNo, limit: u32) -> Done<u64> {
    let mut statement = tx.conn.prepare_cached(
        "SELECT wave_at, chunk_no FROM campaign_chunks WHERE notification_no = ?1 LIMIT ?2",
    )?;
    let mut found = statement.query(params![no.0, limit])?;
    let mut keys: Vec<(i64, i64)> = Vec::new();
    while let Some(row) = found.next()? {
        keys.push((row.get(0)?, row.get(1)?));
    }
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM campaign_chunks WHERE notification_no = ?1 AND wave_at = ?2 AND chunk_no = ?3",
    )?;
    for (wave_at, chunk_no) in &keys {
        delete.execute([no.0, *wave_at, *chunk_no])?;
    }
    Ok(keys.len() as u64)
}

/// Deletes what devices told of a campaign, at most so many rows.
pub(super) fn delete_activity(tx: &Tx<'_>, no: NotificationNo, limit: u32) -> Done<u64> {
    // Up to this device; all where fewer are left.
    let last: Option<i64> = tx
        .conn
        .prepare_cached(
            "SELECT device_no FROM activity WHERE notification_no = ?1 ORDER BY device_no LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![no.0, limit.saturating_sub(1)], |row| row.get(0))
        .optional()?;
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM activity WHERE notification_no = ?1 AND device_no <= ?2")?
        .execute([no.0, last.unwrap_or(i64::MAX)])? as u64)
}

/// Campaigns of a deleted App go on at once, so that they come to an end. Returns how many rested or waited.
pub(super) fn hurry(tx: &Tx<'_>, app: AppNo) -> Done<u64> {
    let waited = tx
        .conn
        .prepare_cached(
            "UPDATE fanouts SET due_at = 0 WHERE due_at > 0 AND notification_no IN
                (SELECT notification_no FROM campaigns WHERE app_no = ?1)",
        )?
        .execute([app.0])?;
    let rested = tx
        .conn
        .prepare_cached(
            "UPDATE notifications SET campaign = ?2 WHERE campaign = ?3 AND notification_no IN
                (SELECT notification_no FROM campaigns WHERE app_no = ?1)",
        )?
        .execute(params![app.0, GOES, RESTS])?;
    Ok((waited + rested) as u64)
}
