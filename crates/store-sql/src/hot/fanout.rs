//! Fan-out: devices page by page, each page with its checkpoint.

use super::badges::Counting;
use super::ledger::Ledger;
use super::resolve::recipients;
use super::rows::token_environment;
use super::{batches, campaigns, rows};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::push_type::Reach;
use carillon_model::target::Audience;
use carillon_ports::store::{DueFanouts, Fanout, FanoutPage, Recipient, StoreError};
use std::collections::BTreeMap;

pub(super) fn fanouts(conn: &Connection, now: UnixMs, limit: u32) -> Done<DueFanouts> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {}, f.target, f.after_device, f.next_place, {} FROM fanouts f
         JOIN notifications n ON n.notification_no = f.notification_no
         LEFT JOIN campaigns c ON c.notification_no = f.notification_no
         WHERE f.due_at <= ?1 AND n.campaign <> ?2 ORDER BY f.notification_no LIMIT ?3",
        rows::HEAD,
        campaigns::HEAD
    ))?;
    let mut found = statement.query(params![now, campaigns::RESTS, limit])?;
    let mut due = Vec::new();
    while let Some(row) = found.next()? {
        let notification = rows::head(row)?;
        let target: String = row.get(rows::HEAD_COLUMNS)?;
        due.push(Fanout {
            audience: audience(&target)
                .map_err(|error| corrupt("fanouts", "target", notification.no, error))?,
            notification,
            after: DeviceNo(row.get(rows::HEAD_COLUMNS + 1)?),
            next_place: row.get(rows::HEAD_COLUMNS + 2)?,
            campaign: campaigns::head(row, rows::HEAD_COLUMNS + 3)?,
        });
    }
    let next = conn
        .prepare_cached(
            "SELECT min(f.due_at) FROM fanouts f
             JOIN notifications n ON n.notification_no = f.notification_no
             WHERE f.due_at > ?1 AND n.campaign <> ?2",
        )?
        .query_row(params![now, campaigns::RESTS], |row| row.get(0))?;
    Ok(DueFanouts { due, next })
}

/// Schema 1 stored the bare target.
pub(super) fn audience(json: &str) -> serde_json::Result<Audience> {
    serde_json::from_str(json).or_else(|error| {
        let target = serde_json::from_str(json).map_err(|_| error)?;
        Ok(Audience {
            target,
            except_users: Vec::new(),
            segment: None,
            list: None,
            starts: None,
        })
    })
}

/// What [`audience`] reads back.
pub(super) fn audience_json(audience: &Audience) -> Done<String> {
    let json = serde_json::to_string(audience);
    Ok(json.map_err(|error| StoreError::Failed(format!("cannot write an audience: {error}")))?)
}

pub(crate) fn devices(
    conn: &Connection,
    app: AppNo,
    topic: Option<&str>,
    reach: Reach,
    after: DeviceNo,
    limit: u32,
) -> Done<Vec<Recipient>> {
    if let Some(topic) = topic {
        return subscribers(conn, app, topic, reach, after, limit);
    }
    let mut statement = conn.prepare_cached(
        "SELECT device_no, environment FROM push_tokens INDEXED BY push_tokens_live
         WHERE retired_at IS NULL AND app_no = ?1 AND kind = ?2 AND device_no > ?3
         ORDER BY device_no LIMIT ?4",
    )?;
    // Each kind has its own range of the index; a device in several is taken by the first.
    let mut all: BTreeMap<DeviceNo, Recipient> = BTreeMap::new();
    let mut complete_up_to = DeviceNo(i64::MAX);
    for kind in reach.iter() {
        let mut found = statement.query(params![app.0, kind.code(), after.0, limit])?;
        let (mut count, mut last) = (0, DeviceNo(0));
        while let Some(row) = found.next()? {
            let device = DeviceNo(row.get(0)?);
            let environment = token_environment(row.get(1)?, "push_tokens", device.0)?;
            (count, last) = (count + 1, device);
            all.entry(device).or_insert(Recipient {
                device,
                gateway: kind.gateway(),
                environment,
            });
        }
        if count == limit {
            complete_up_to = complete_up_to.min(last);
        }
    }
    let whole = all.into_values();
    Ok(whole
        .take_while(|recipient| recipient.device <= complete_up_to)
        .take(limit as usize)
        .collect())
}

/// Subscribers of a topic that have a living push token within reach. Those who have none are passed
/// over within one call, so that only a short page means the end.
fn subscribers(
    conn: &Connection,
    app: AppNo,
    topic: &str,
    reach: Reach,
    after: DeviceNo,
    limit: u32,
) -> Done<Vec<Recipient>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.device_no, t.kind, t.environment, 0 FROM (
             SELECT device_no FROM topic_devices s WHERE app_no = ?1 AND topic = ?2 AND device_no > ?4
             AND EXISTS (SELECT 1 FROM push_tokens t WHERE t.device_no = s.device_no
                 AND t.retired_at IS NULL AND (?3 >> t.kind) & 1)
             ORDER BY device_no LIMIT ?5
         ) s JOIN push_tokens t ON t.device_no = s.device_no AND t.retired_at IS NULL AND (?3 >> t.kind) & 1
         ORDER BY s.device_no",
    )?;
    let rows = statement.query(params![app.0, topic, reach.bits(), after.0, limit])?;
    recipients(rows, reach)
}

/// About how many rows a page is.
pub(super) fn weight(page: &FanoutPage) -> usize {
    let devices = page.batches.iter().map(|b| usize::from(b.devices.count()));
    let counters = page.badge.map_or(0, |_| devices.sum());
    let chunks = page
        .campaign
        .as_ref()
        .map_or(0, |step| step.chunks.len() + step.taken.len());
    page.batches.len() * 20 + counters + chunks
}

pub(super) fn store_page(tx: &mut Tx<'_>, page: &FanoutPage) -> Done<bool> {
    let head = tx
        .conn
        .prepare_cached(
            "SELECT n.app_no, coalesce(n.begun_at, n.accepted_at), f.next_place FROM notifications n
             JOIN fanouts f ON f.notification_no = n.notification_no
             WHERE n.notification_no = ?1 AND n.cancelled_at IS NULL",
        )?
        .query_row([page.notification.0], |row| {
            Ok((AppNo(row.get(0)?), row.get(1)?, row.get::<_, u32>(2)?))
        })
        .optional()?;
    let Some((app, begins_at, mut next_place)) = head else {
        return Ok(false);
    };
    if let Some(step) = &page.campaign
        && !campaigns::step(tx, page, step)?
    {
        return Ok(false);
    }
    // A slice waits since it was made, not since the campaign began.
    let due_at = page.campaign.as_ref().map_or(begins_at, |_| page.now);
    let mut ledger = Ledger::default();
    for batch in &page.batches {
        batches::insert(tx, app, batch, false, due_at)?;
        if let Some(change) = page.badge {
            let counting = Counting {
                no: page.notification,
                app,
                change,
                is_fanout: true,
                now: begins_at,
            };
            counting.batch(tx, batch)?;
        }
        ledger.more(page.notification, batch.devices.count().into());
        next_place = next_place.max(batch.no.place() + 1);
    }
    if page.finished {
        finish(tx, page.notification)?;
        ledger.touch(page.notification);
    } else {
        tx.conn
            .prepare_cached(
                "UPDATE fanouts SET after_device = ?2, next_place = ?3, due_at = ?4 WHERE notification_no = ?1",
            )?
            .run(params![
                page.notification.0,
                page.after.0,
                next_place,
                page.campaign.as_ref().map_or(0, |step| step.due_at)
            ])?;
    }
    ledger.close(tx, page.now)?;
    Ok(true)
}

/// Ends a fan-out. `false`: there was none.
pub(super) fn finish(tx: &Tx<'_>, no: NotificationNo) -> Done<bool> {
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM fanouts WHERE notification_no = ?1")?
        .execute([no.0])?
        == 1)
}
