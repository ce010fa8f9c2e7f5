//! Live Activities: reading them, pushes that reached nobody, and deleting; and by what devices start them.

use super::activity_errands::errands;
use super::activity_phones::{set_startable, startable, urgent_pushes};
use super::activity_steps::{fences_ahead, write_step};
use crate::db::{Connection, OptionalExtension, Row, params};
use crate::error::{At, Done, corrupt};
use crate::queue::Class;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::live_activity::{ActivityState, RefusedPush};
use carillon_model::timer::TimerKind;
use carillon_ports::live_activity::{
    ActivityRecord, ActivityStep, LiveActivityStore, MINUTE_MS, Startable, StoredActivity,
    URGENT_MINUTES,
};
use carillon_ports::store::{RefusedDelivery, Result};

#[async_trait]
impl LiveActivityStore for SqlStore {
    async fn live_activity(&self, app: AppNo, id: String) -> Result<Option<StoredActivity>> {
        self.read(move |conn| named(conn, app, &id)).await
    }

    async fn live_activities(
        &self,
        app: AppNo,
        state: Option<ActivityState>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredActivity>> {
        self.read(move |conn| page(conn, app, state, after.as_deref().unwrap_or(""), limit))
            .await
    }

    async fn live_activities_of(
        &self,
        app: AppNo,
        recipients: Vec<String>,
        attributes_type: String,
        limit: u32,
    ) -> Result<Vec<StoredActivity>> {
        self.read(move |conn| running(conn, app, &recipients, &attributes_type, limit))
            .await
    }

    async fn running_live_activities(
        &self,
        app: AppNo,
        recipients: Vec<String>,
        limit_each: u32,
    ) -> Result<Vec<(String, StoredActivity)>> {
        self.read_hot(move |conn| running_of(conn, app, &recipients, limit_each))
            .await
    }

    async fn live_activity_records(&self, no: i64, limit: u32) -> Result<Vec<ActivityRecord>> {
        self.read(move |conn| records_of(conn, no, limit)).await
    }

    async fn live_activity_sent(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<(String, ActivityRecord)>> {
        self.read(move |conn| sent(conn, app, no)).await
    }

    async fn step_live_activities(&self, steps: Vec<ActivityStep>) -> Result<Vec<bool>> {
        let weight = steps.iter().map(|step| 2 + step.records.len()).sum();
        self.write(Class::Intake, weight, move |tx| {
            fences_ahead(tx.conn, steps.iter())?;
            let written = steps.iter().map(|step| write_step(tx, step, None));
            written.collect()
        })
        .await
    }

    async fn live_activity_errands(&self, limit: u32) -> Result<Vec<(UnixMs, StoredActivity)>> {
        self.read(move |conn| errands(conn, limit)).await
    }

    async fn urgent_pushes(
        &self,
        phones: Vec<DeviceNo>,
        now: UnixMs,
    ) -> Result<Vec<(DeviceNo, u32)>> {
        self.read_hot(move |conn| urgent_pushes(conn, &phones, now))
            .await
    }

    async fn startable(
        &self,
        devices: Vec<DeviceNo>,
        attributes_type: String,
    ) -> Result<Vec<Startable>> {
        self.read_hot(move |conn| startable(conn, &devices, &attributes_type))
            .await
    }

    async fn set_startable(
        &self,
        app: AppNo,
        device: DeviceNo,
        attributes_type: String,
        push_token_of: Option<DeviceNo>,
        now: UnixMs,
    ) -> Result<()> {
        self.write(Class::Intake, 1, move |tx| {
            set_startable(tx, app, device, &attributes_type, push_token_of, now)
        })
        .await
    }
}

/// Columns of [`stored`].
const STORED: &str =
    "activity_no, app_no, id, fence, state, plan, run, created_at, updated_at, refused";

fn stored(row: Row<'_>) -> Done<StoredActivity> {
    stored_at(row, 0)
}

pub(super) fn stored_at(row: Row<'_>, at: usize) -> Done<StoredActivity> {
    let no = row.get(at)?;
    Ok(StoredActivity {
        no,
        app: AppNo(row.get(at + 1)?),
        id: row.get(at + 2)?,
        fence: row.get(at + 3)?,
        state: ActivityState::from_code(row.get(at + 4)?).at("live_activities", "state", no)?,
        plan: row.get(at + 5)?,
        run: row.get(at + 6)?,
        created_at: row.get(at + 7)?,
        updated_at: row.get(at + 8)?,
        refused: refused(no, row.get::<_, Option<String>>(at + 9)?.as_deref())?,
    })
}

/// What is stored of pushes that reached nobody; `None`: of none.
fn refused(no: i64, text: Option<&str>) -> Done<Vec<RefusedPush>> {
    let all = text.map(serde_json::from_str).transpose();
    let all = all.map_err(|error| corrupt("live_activities", "refused", no, error))?;
    Ok(all.unwrap_or_default())
}

fn named(conn: &Connection, app: AppNo, id: &str) -> Done<Option<StoredActivity>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {STORED} FROM live_activities WHERE app_no = ?1 AND id = ?2"
    ))?;
    let mut found = statement.query(params![app.0, id])?;
    found.next()?.map(stored).transpose()
}

/// Columns of [`due`], of a table `l`.
pub(super) const DUE: &str = "l.activity_no, l.app_no, l.id, l.fence, l.state, l.plan, l.run, l.created_at, l.updated_at, l.refused";

/// How many they are.
pub(super) const DUE_COLUMNS: usize = 10;

/// The one that a timer is about, with [`DUE`] from column `at` on, joined from the outside.
pub(super) fn due(row: Row<'_>, at: usize, timer: i64) -> Done<StoredActivity> {
    match row.get::<_, Option<i64>>(at)? {
        Some(_) => stored_at(row, at),
        None => Err(corrupt("timers", "subject", timer, "no such Live Activity").into()),
    }
}

fn page(
    conn: &Connection,
    app: AppNo,
    state: Option<ActivityState>,
    after: &str,
    limit: u32,
) -> Done<Vec<StoredActivity>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {STORED} FROM live_activities
         WHERE app_no = ?1 AND id > ?2 AND (state = ?3 OR ?3 < 0) ORDER BY id LIMIT ?4"
    ))?;
    let state = state.map_or(-1, |state| i64::from(state.code()));
    let mut found = statement.query(params![app.0, after, state, limit])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(stored(row)?);
    }
    Ok(all)
}

fn running(
    conn: &Connection,
    app: AppNo,
    recipients: &[String],
    attributes_type: &str,
    limit: u32,
) -> Done<Vec<StoredActivity>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {STORED} FROM live_activities
         WHERE app_no = ?1 AND recipient = ?2 AND state IN (1, 2) AND attributes_type = ?3 LIMIT ?4"
    ))?;
    let mut all = Vec::new();
    for recipient in recipients {
        let mut found = statement.query(params![app.0, recipient, attributes_type, limit])?;
        while let Some(row) = found.next()? {
            all.push(stored(row)?);
        }
    }
    all.truncate(limit as usize);
    Ok(all)
}

fn running_of(
    conn: &Connection,
    app: AppNo,
    recipients: &[String],
    limit: u32,
) -> Done<Vec<(String, StoredActivity)>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {STORED} FROM live_activities
         WHERE app_no = ?1 AND recipient = ?2 AND state IN (1, 2) LIMIT ?3"
    ))?;
    let mut all = Vec::new();
    for recipient in recipients {
        let mut found = statement.query(params![app.0, recipient, limit])?;
        while let Some(row) = found.next()? {
            all.push((recipient.clone(), stored(row)?));
        }
    }
    Ok(all)
}

/// A push surely reached nobody: the next step of its activity is due, and whoever works on one has read another one.
pub(super) fn refuse(tx: &mut Tx<'_>, refusal: &RefusedDelivery, now: UnixMs) -> Done<()> {
    let sent = refusal.delivery.batch.notification();
    let found: Option<(i64, UnixMs, Option<String>)> = tx
        .conn
        .prepare_cached(
            "SELECT a.activity_no, r.at, a.refused FROM live_activity_records r
             JOIN live_activities a ON a.activity_no = r.activity_no
             WHERE r.notification_no = ?1 AND a.state < ?2 LIMIT 1",
        )?
        .query_row(params![sent.0, ActivityState::Ended.code()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((no, pushed_at, text)) = found else {
        return Ok(());
    };
    let mut all = refused(no, text.as_deref())?;
    all.push(RefusedPush {
        push_token_of: refusal.device.0,
        pushed_at,
        is_start: refusal.is_start,
        reason: refusal.reason.clone(),
    });
    let text = serde_json::to_string(&all)
        .map_err(|error| corrupt("live_activities", "refused", no, error))?;
    let fence = tx.marks.timer.take(tx.conn)?;
    tx.conn
        .prepare_cached(
            "UPDATE live_activities SET refused = ?2, fence = ?3 WHERE activity_no = ?1",
        )?
        .run(params![no, text, fence])?;
    tx.conn
        .prepare_cached(
            "UPDATE timers SET due_at = ?3 WHERE kind = ?1 AND subject = ?2 AND due_at > ?3",
        )?
        .run(params![TimerKind::LiveActivity.code(), no, now])?;
    Ok(())
}

/// Reads number, time, notification and what of a record.
fn record(row: &Row<'_>) -> Done<ActivityRecord> {
    let number: i64 = row.get(0)?;
    let text: String = row.get(3)?;
    Ok(ActivityRecord {
        no: number,
        at: row.get(1)?,
        notification: row.get::<_, Option<i64>>(2)?.map(NotificationNo),
        what: serde_json::from_str(&text)
            .map_err(|error| corrupt("live_activity_records", "what", number, error))?,
    })
}

fn records_of(conn: &Connection, no: i64, limit: u32) -> Done<Vec<ActivityRecord>> {
    let mut statement = conn.prepare_cached(
        "SELECT record_no, at, notification_no, what FROM live_activity_records
         WHERE activity_no = ?1 ORDER BY at DESC, record_no DESC LIMIT ?2",
    )?;
    let mut found = statement.query(params![no, limit])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(record(&row)?);
    }
    all.reverse();
    Ok(all)
}

/// What a notification was sent for.
fn sent(
    conn: &Connection,
    app: AppNo,
    no: NotificationNo,
) -> Done<Option<(String, ActivityRecord)>> {
    let mut statement = conn.prepare_cached(
        "SELECT r.record_no, r.at, r.notification_no, r.what, a.id FROM live_activity_records r
         JOIN live_activities a ON a.activity_no = r.activity_no
         WHERE r.notification_no = ?1 AND a.app_no = ?2 ORDER BY r.record_no DESC LIMIT 1",
    )?;
    let mut found = statement.query(params![no.0, app.0])?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    Ok(Some((row.get(4)?, record(&row)?)))
}

/// Deletes those that ended before an instant, at most `slice`, with what happened to them; and what does not count any
/// more at `now`.
pub(super) fn prune(tx: &Tx<'_>, before: UnixMs, now: UnixMs, slice: u32) -> Done<u64> {
    let first = now.div_euclid(MINUTE_MS) - URGENT_MINUTES + 1;
    let mut rows = tx
        .conn
        .prepare_cached(
            "DELETE FROM live_activity_urgent WHERE (device_no, minute) IN
                (SELECT device_no, minute FROM live_activity_urgent WHERE minute < ?1 LIMIT ?2)",
        )?
        .execute(params![first, slice])? as u64;
    for state in [ActivityState::Ended, ActivityState::Cancelled] {
        let old: Vec<i64> = tx
            .conn
            .prepare_cached(
                "SELECT activity_no FROM live_activities WHERE state = ?1 AND updated_at < ?2
                    AND activity_no NOT IN (SELECT activity_no FROM live_activity_errands)
                 ORDER BY updated_at LIMIT ?3",
            )?
            .query_map(params![state.code(), before, slice], |row| row.get(0))?
            .collect::<crate::db::Result<_>>()?;
        for no in old {
            rows += delete(tx, no)?;
        }
    }
    Ok(rows)
}

/// Deletes some of a deleted App.
pub(super) fn prune_app(tx: &Tx<'_>, app: AppNo, slice: u32) -> Done<u64> {
    let all: Vec<i64> = tx
        .conn
        .prepare_cached("SELECT activity_no FROM live_activities WHERE app_no = ?1 LIMIT ?2")?
        .query_map(params![app.0, slice], |row| row.get(0))?
        .collect::<crate::db::Result<_>>()?;
    let mut rows = 0;
    for no in all {
        rows += delete(tx, no)?;
    }
    rows += tx
        .conn
        .prepare_cached(
            "DELETE FROM push_to_start WHERE app_no = ?1 AND device_no IN
                (SELECT device_no FROM push_to_start WHERE app_no = ?1 ORDER BY device_no LIMIT ?2)",
        )?
        .execute(params![app.0, slice])? as u64;
    Ok(rows)
}

/// Deletes those of an erased user.
pub(crate) fn erase(tx: &Tx<'_>, app: AppNo, user_id: &str) -> Done<()> {
    let all: Vec<i64> = tx
        .conn
        .prepare_cached(
            "SELECT activity_no FROM live_activities WHERE app_no = ?1 AND recipient = ?2",
        )?
        .query_map(params![app.0, format!("user:{user_id}")], |row| row.get(0))?
        .collect::<crate::db::Result<_>>()?;
    for no in all {
        delete(tx, no)?;
    }
    Ok(())
}

fn delete(tx: &Tx<'_>, no: i64) -> Done<u64> {
    let mut rows = 0;
    tx.conn
        .prepare_cached("DELETE FROM timers WHERE kind = ?1 AND subject = ?2")?
        .run(params![TimerKind::LiveActivity.code(), no])?;
    for sql in [
        "DELETE FROM live_activity_errands WHERE activity_no = ?1",
        "DELETE FROM live_activity_records WHERE activity_no = ?1",
        "DELETE FROM live_activities WHERE activity_no = ?1",
    ] {
        rows += tx.conn.prepare_cached(sql)?.execute([no])? as u64;
    }
    Ok(rows)
}
