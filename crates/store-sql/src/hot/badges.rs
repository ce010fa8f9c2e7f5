//! Badge counters: changed in the transaction that stores a notification's batches, once for each user
//! (or device that nobody knows the user of), and remembered by the batch as it was then.

use super::rows::blob;
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::body::BadgeChange;
use carillon_model::id::{AppNo, BatchNo, DeviceNo, NotificationNo};
use carillon_ports::store::NewBatch;

/// A notification that changes counters.
#[derive(Clone, Copy)]
pub(super) struct Counting {
    pub(super) no: NotificationNo,
    pub(super) app: AppNo,
    pub(super) change: BadgeChange,
    /// Its batches come in several transactions, between which others may change the counters.
    pub(super) is_fanout: bool,
    pub(super) now: UnixMs,
}

impl Counting {
    /// Changes the counters of a new batch's recipients and stores what they say then.
    pub(super) fn batch(self, tx: &Tx<'_>, batch: &NewBatch) -> Done<()> {
        let mut badges = Vec::with_capacity(batch.devices.as_slice().len());
        for device in batch.devices.as_slice() {
            badges.push(self.device(tx.conn, *device)?);
        }
        tx.conn
            .prepare_cached("INSERT INTO batch_badges (batch_no, badges) VALUES (?1, ?2)")?
            .run(params![batch.no.0, BatchBadges::new(badges).encode()])?;
        Ok(())
    }

    fn device(self, conn: &Connection, device: DeviceNo) -> Done<u32> {
        let user: Option<Option<String>> = conn
            .prepare_cached("SELECT user_id FROM devices WHERE device_no = ?1")?
            .query_row([device.0], |row| row.get(0))
            .optional()?;
        match user {
            Some(Some(user)) => self.user(conn, &user, device),
            // It has no user, or was deleted since it was resolved.
            Some(None) => self.anonymous(conn, device),
            None => Ok(self.change.apply(0)),
        }
    }

    fn user(self, conn: &Connection, user: &str, device: DeviceNo) -> Done<u32> {
        let known: Option<(u32, Option<i64>)> = conn
            .prepare_cached(
                "SELECT badge, notification_no FROM user_badges WHERE app_no = ?1 AND user_id = ?2",
            )?
            .query_row(params![self.app.0, user], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        if let Some((badge, Some(by))) = known
            && by == self.no.0
        {
            return Ok(badge);
        }
        if self.is_fanout
            && let Some(badge) = self.counted(conn, user)?
        {
            return Ok(badge);
        }
        let badge = self.change.apply(known.map_or(0, |(badge, _)| badge));
        conn.prepare_cached(
            "INSERT INTO user_badges (app_no, user_id, badge, notification_no, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (app_no, user_id) DO UPDATE SET badge = excluded.badge,
                notification_no = excluded.notification_no, updated_at = excluded.updated_at",
        )?
        .run(params![self.app.0, user, badge, self.no.0, self.now])?;
        if self.is_fanout && self.has_others(conn, user, device)? {
            conn.prepare_cached(
                "INSERT INTO counted_badges (notification_no, user_id, badge) VALUES (?1, ?2, ?3)",
            )?
            .run(params![self.no.0, user, badge])?;
        }
        Ok(badge)
    }

    /// What an earlier page counted for this user.
    fn counted(self, conn: &Connection, user: &str) -> Done<Option<u32>> {
        Ok(conn
            .prepare_cached(
                "SELECT badge FROM counted_badges WHERE notification_no = ?1 AND user_id = ?2",
            )?
            .query_row(params![self.no.0, user], |row| row.get(0))
            .optional()?)
    }

    fn has_others(self, conn: &Connection, user: &str, device: DeviceNo) -> Done<bool> {
        Ok(conn
            .prepare_cached(
                "SELECT 1 FROM devices WHERE app_no = ?1 AND user_id = ?2 AND device_no <> ?3 LIMIT 1",
            )?
            .exists(params![self.app.0, user, device.0])?)
    }

    fn anonymous(self, conn: &Connection, device: DeviceNo) -> Done<u32> {
        let known: Option<u32> = conn
            .prepare_cached("SELECT badge FROM device_badges WHERE device_no = ?1")?
            .query_row([device.0], |row| row.get(0))
            .optional()?;
        let badge = self.change.apply(known.unwrap_or_default());
        conn.prepare_cached(
            "INSERT INTO device_badges (device_no, badge) VALUES (?1, ?2)
             ON CONFLICT (device_no) DO UPDATE SET badge = excluded.badge",
        )?
        .run(params![device.0, badge])?;
        Ok(badge)
    }
}

/// The numbers of these batches.
pub(super) fn of_batches(
    conn: &Connection,
    batches: &[BatchNo],
) -> Done<Vec<(BatchNo, BatchBadges)>> {
    let mut statement =
        conn.prepare_cached("SELECT badges FROM batch_badges WHERE batch_no = ?1")?;
    let mut found = Vec::with_capacity(batches.len());
    for no in batches {
        let mut rows = statement.query([no.0])?;
        if let Some(row) = rows.next()? {
            let badges = BatchBadges::decode(blob(row.get_ref(0)?));
            found.push((*no, badges.at("batch_badges", "badges", no)?));
        }
    }
    Ok(found)
}

/// Deletes what fan-outs that are over have counted: at most `limit` rows.
pub(super) fn prune(tx: &Tx<'_>, limit: u32) -> Done<u64> {
    let (mut rows, mut after) = (0, i64::MIN);
    while rows < u64::from(limit) {
        let next: Option<(i64, bool)> = tx
            .conn
            .prepare_cached(
                "SELECT c.notification_no, EXISTS (SELECT 1 FROM fanouts f WHERE f.notification_no = c.notification_no)
                 FROM counted_badges c WHERE c.notification_no > ?1 ORDER BY c.notification_no LIMIT 1",
            )?
            .query_row([after], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((no, is_running)) = next else { break };
        if !is_running {
            rows += tx
                .conn
                .prepare_cached(
                    "DELETE FROM counted_badges WHERE notification_no = ?1 AND user_id IN
                        (SELECT user_id FROM counted_badges WHERE notification_no = ?1 LIMIT ?2)",
                )?
                .execute(params![no, limit])? as u64;
        }
        after = no;
    }
    Ok(rows)
}
