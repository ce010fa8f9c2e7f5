//! Retention, in slices.
//!
//! Two passes walk the notifications by number behind a cursor in `meta`: one empties payloads, one
//! deletes records. What is not done yet when a cursor passes is noted as a straggler and looked at
//! again later, round robin; so no row is read over and over, and none is forgotten.

use super::records::HOUR;
use super::rows::blob;
use super::{
    activity_sources, badges, callouts, campaigns, lists, live_activities, preferences, schedules,
    timers, watches,
};
use crate::db::{self, OptionalExtension, Row, params};
use crate::error::{Done, corrupt};
use crate::marks::{PRUNED, read_meta, write_meta};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::batch::BatchDevices;
use carillon_model::id::{AppNo, BatchNo, NotificationNo};
use carillon_ports::store::{Retention, StoreError};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Content = 1,
    Records = 2,
}

impl Pass {
    fn cursor(self) -> &'static str {
        match self {
            Self::Content => PRUNED[0],
            Self::Records => PRUNED[1],
        }
    }

    fn round(self) -> &'static str {
        match self {
            Self::Content => "stragglers_content",
            Self::Records => "stragglers_records",
        }
    }
}

/// A notification and since when it is done.
struct Candidate {
    no: NotificationNo,
    accepted_at: UnixMs,
    done_at: Option<UnixMs>,
}

/// What is done one after the other: until nothing is left for one, then the next.
const PHASES: u8 = 6;

/// One slice. Returns how many rows went, at least 1 while there is more to look at.
pub(super) fn prune(tx: &mut Tx<'_>, retention: Retention) -> Done<u64> {
    let slice = retention.slice.max(1);
    while tx.marks.prune_phase < PHASES {
        let rows = match tx.marks.prune_phase {
            0 => walk(tx, Pass::Records, retention.records_before, slice)?,
            1 => deleted_app(tx, slice)?,
            2 => stale_devices(tx, retention.now, slice)?,
            3 => walk(tx, Pass::Content, retention.content_before, slice)?,
            4 => lists::prune(tx, retention.lists_before, slice)?,
            _ => short_lived(tx, retention, slice)?,
        };
        if rows > 0 {
            return Ok(rows);
        }
        tx.marks.prune_phase += 1;
    }
    tx.marks.prune_phase = 0;
    Ok(0)
}

/// A notification's number goes into a row. One that the passes have gone past already, since another
/// process' numbers were higher, is looked at as a straggler.
pub(super) fn is_numbered(tx: &mut Tx<'_>, no: NotificationNo) -> Done<()> {
    if !tx.numbers.is_shared() {
        return tx.marks.notification.used(tx.conn, no.0);
    }
    if !tx.numbers.has(no.0) {
        return Err(StoreError::Overloaded.into());
    }
    for pass in [Pass::Content, Pass::Records] {
        if no.0 <= tx.marks.pruned[pass as usize - 1] {
            straggles(tx, pass, no)?;
        }
    }
    Ok(())
}

fn straggles(tx: &Tx<'_>, pass: Pass, no: NotificationNo) -> Done<()> {
    tx.conn
        .prepare_cached("INSERT OR IGNORE INTO stragglers (pass, notification_no) VALUES (?1, ?2)")?
        .execute(params![pass as i64, no.0])?;
    Ok(())
}

fn walk(tx: &mut Tx<'_>, pass: Pass, before: UnixMs, slice: u32) -> Done<u64> {
    let mut budget = i64::from(slice);
    let mut rows = stragglers(tx, pass, before, &mut budget)?;
    let start = read_meta(tx.conn, pass.cursor())?.unwrap_or(0);
    let mut cursor = start;
    for candidate in candidates(tx, cursor, slice)? {
        if candidate.accepted_at >= before || budget <= 0 {
            break;
        }
        if candidate.done_at.is_some_and(|at| at < before) {
            let (went, whole) = apply(tx, pass, candidate.no, &mut budget)?;
            rows += went;
            if !whole {
                break;
            }
        } else {
            tx.conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO stragglers (pass, notification_no) VALUES (?1, ?2)",
                )?
                .run(params![pass as i64, candidate.no.0])?;
            budget -= 1;
        }
        cursor = candidate.no.0;
    }
    if cursor != start {
        write_meta(tx.conn, pass.cursor(), cursor)?;
        tx.marks.pruned[pass as usize - 1] = cursor;
        rows = rows.max(1);
    }
    Ok(rows)
}

const CANDIDATE: &str = "SELECT n.notification_no, n.accepted_at,
        CASE WHEN t.notification_no IS NULL THEN b.settled_at ELSE t.completed_at END
     FROM notifications n
     LEFT JOIN tallies t ON t.notification_no = n.notification_no
     LEFT JOIN batches b ON b.batch_no = n.notification_no << 20 AND b.sole = 1";

fn candidate(row: Row<'_>) -> db::Result<Candidate> {
    Ok(Candidate {
        no: NotificationNo(row.get(0)?),
        accepted_at: row.get(1)?,
        done_at: row.get(2)?,
    })
}

fn candidates(tx: &Tx<'_>, after: i64, limit: u32) -> Done<Vec<Candidate>> {
    let mut statement = tx.conn.prepare_cached(&format!(
        "{CANDIDATE} WHERE n.notification_no > ?1 ORDER BY n.notification_no LIMIT ?2"
    ))?;
    let found = statement.query_map(params![after, limit], candidate)?;
    Ok(found.collect::<db::Result<_>>()?)
}

/// The next stragglers after that number, each with its notification if that is still there. One question for all of them:
/// nobody else writes meanwhile.
fn noted(tx: &Tx<'_>, pass: Pass, after: i64, limit: i64) -> Done<Vec<(i64, Option<Candidate>)>> {
    let mut statement = tx.conn.prepare_cached(
        "SELECT s.notification_no, n.accepted_at,
            CASE WHEN t.notification_no IS NULL THEN b.settled_at ELSE t.completed_at END
         FROM stragglers s
         LEFT JOIN notifications n ON n.notification_no = s.notification_no
         LEFT JOIN tallies t ON t.notification_no = n.notification_no
         LEFT JOIN batches b ON b.batch_no = n.notification_no << 20 AND b.sole = 1
         WHERE s.pass = ?1 AND s.notification_no > ?2 ORDER BY s.notification_no LIMIT ?3",
    )?;
    let found = statement.query_map(params![pass as i64, after, limit], |row| {
        let no: i64 = row.get(0)?;
        let accepted_at: Option<UnixMs> = row.get(1)?;
        let candidate = match accepted_at {
            None => None,
            Some(accepted_at) => Some(Candidate {
                no: NotificationNo(no),
                accepted_at,
                done_at: row.get(2)?,
            }),
        };
        Ok((no, candidate))
    })?;
    Ok(found.collect::<db::Result<_>>()?)
}

/// Looks at some of those that a cursor went past; the round goes on where the last one stopped.
fn stragglers(tx: &mut Tx<'_>, pass: Pass, before: UnixMs, budget: &mut i64) -> Done<u64> {
    let start = read_meta(tx.conn, pass.round())?.unwrap_or(0);
    let noted = noted(tx, pass, start, *budget)?;
    let round_ends = (noted.len() as i64) < *budget;
    let (mut rows, mut last) = (0, start);
    for (no, found) in noted {
        if *budget <= 0 {
            break;
        }
        let gone = match found {
            None => true,
            Some(found) if found.done_at.is_some_and(|at| at < before) => {
                let (went, whole) = apply(tx, pass, found.no, budget)?;
                rows += went;
                whole
            }
            Some(_) => false,
        };
        if gone {
            tx.conn
                .prepare_cached("DELETE FROM stragglers WHERE pass = ?1 AND notification_no = ?2")?
                .run(params![pass as i64, no])?;
        }
        last = no;
    }
    let next = if round_ends { 0 } else { last };
    if next != start {
        write_meta(tx.conn, pass.round(), next)?;
    }
    Ok(if round_ends { rows } else { rows.max(1) })
}

/// Does what the pass does to a notification that is done; whether all of it.
fn apply(tx: &mut Tx<'_>, pass: Pass, no: NotificationNo, budget: &mut i64) -> Done<(u64, bool)> {
    match pass {
        Pass::Content => {
            *budget -= 1;
            Ok((empty_payload(tx, no)?, true))
        }
        Pass::Records => delete_notification(tx, no, budget),
    }
}

/// Deletes the content of a notification. Returns how many rows changed.
pub(crate) fn empty_payload(tx: &Tx<'_>, no: NotificationNo) -> Done<u64> {
    let changed = tx
        .conn
        .prepare_cached(
            "UPDATE notifications SET payload = x'' WHERE notification_no = ?1 AND length(payload) > 0",
        )?
        .execute([no.0])?;
    Ok(changed as u64)
}

/// Deletes a notification with all that hangs on it: its batches as far as the budget goes, the rest
/// only after the last of them.
fn delete_notification(tx: &mut Tx<'_>, no: NotificationNo, budget: &mut i64) -> Done<(u64, bool)> {
    let (first, last) = no.batches();
    let batches: Vec<(i64, u16)> = tx
        .conn
        .prepare_cached(
            "SELECT batch_no, count FROM batches WHERE batch_no BETWEEN ?1 AND ?2 ORDER BY batch_no LIMIT ?3",
        )?
        .query_map(params![first.0, last.0, *budget + 1], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<db::Result<_>>()?;
    let mut rows = 0;
    for (batch, count) in batches {
        if *budget <= 0 {
            return Ok((rows, false));
        }
        *budget -= 1 + i64::from(count) / 100;
        rows += delete_batch(tx, BatchNo(batch))?;
    }
    let chunks = campaigns::delete_chunks(tx, no, u32::try_from(*budget).unwrap_or(0).max(1))?;
    rows += chunks;
    *budget -= chunks as i64;
    if chunks > 0 && *budget <= 0 {
        return Ok((rows, false));
    }
    if campaigns::is_one(tx.conn, no)? {
        let told = campaigns::delete_activity(tx, no, u32::try_from(*budget).unwrap_or(0).max(1))?;
        rows += told;
        *budget -= told as i64;
        if told > 0 && *budget <= 0 {
            return Ok((rows, false));
        }
    }
    *budget -= 1;
    for sql in [
        "DELETE FROM campaign_failures WHERE notification_no = ?1",
        "DELETE FROM campaigns WHERE notification_no = ?1",
        "DELETE FROM tallies WHERE notification_no = ?1",
        "DELETE FROM fanouts WHERE notification_no = ?1",
        "DELETE FROM crowds WHERE app_no = (SELECT app_no FROM notifications WHERE notification_no = ?1)
            AND notification_no = ?1",
        "DELETE FROM stragglers WHERE pass = 1 AND notification_no = ?1",
        "DELETE FROM notifications WHERE notification_no = ?1",
    ] {
        rows += tx.conn.prepare_cached(sql)?.execute([no.0])? as u64;
    }
    Ok((rows, true))
}

fn delete_batch(tx: &mut Tx<'_>, no: BatchNo) -> Done<u64> {
    let mut rows = 0;
    {
        let mut statement = tx
            .conn
            .prepare_cached("SELECT devices FROM batches WHERE batch_no = ?1")?;
        let mut found = statement.query([no.0])?;
        // An unreadable list leaves its index entries behind, which lead nowhere and are passed over.
        if let Some(row) = found.next()?
            && let Ok(devices) = BatchDevices::decode(blob(row.get_ref(0)?))
        {
            let mut delete = tx.conn.prepare_cached(
                "DELETE FROM device_batches WHERE device_no = ?1 AND batch_no = ?2",
            )?;
            for device in devices.as_slice() {
                rows += delete.execute(params![device.0, no.0])? as u64;
            }
        }
    }
    for sql in [
        "DELETE FROM work WHERE batch_no = ?1",
        "DELETE FROM attempts WHERE batch_no = ?1",
        "DELETE FROM batch_devices WHERE batch_no = ?1",
        "DELETE FROM batch_verdicts WHERE batch_no = ?1",
        "DELETE FROM batch_receipts WHERE batch_no = ?1",
        "DELETE FROM batch_badges WHERE batch_no = ?1",
        "DELETE FROM batches WHERE batch_no = ?1",
    ] {
        rows += tx.conn.prepare_cached(sql)?.execute([no.0])? as u64;
    }
    Ok(rows)
}

/// What a deleted App left: devices, then notifications that are done, then the rest.
fn deleted_app(tx: &mut Tx<'_>, slice: u32) -> Done<u64> {
    let app: Option<i64> = tx
        .conn
        .prepare_cached("SELECT app_no FROM deleted_apps ORDER BY app_no LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(app) = app.map(AppNo) else {
        return Ok(0);
    };
    // What waits for its time would never be done.
    let mut rows = campaigns::hurry(tx, app)?;
    let mut budget = i64::from(slice);
    for (timer, notification) in timers::of_app(tx, app, slice)? {
        rows += timers::delete(tx, timer)?;
        if let Some(no) = notification {
            rows += delete_notification(tx, no, &mut budget)?.0;
        }
    }
    if rows > 0 {
        return Ok(rows);
    }
    let devices: Vec<i64> = tx
        .conn
        .prepare_cached("SELECT device_no FROM devices WHERE app_no = ?1 LIMIT ?2")?
        .query_map(params![app.0, slice], |row| row.get(0))?
        .collect::<db::Result<_>>()?;
    for device in devices {
        rows += crate::registry::delete_device_row(tx.conn, device)?;
    }
    rows += crate::registry::prune_app(tx, app, slice)?;
    rows += live_activities::prune_app(tx, app, slice)?;
    rows += watches::prune_app(tx, app, slice)?;
    rows += activity_sources::prune_app(tx, app, slice)?;
    if rows > 0 {
        return Ok(rows);
    }
    let left: Vec<Candidate> = tx
        .conn
        .prepare_cached(&format!("{CANDIDATE} WHERE n.app_no = ?1 LIMIT ?2"))?
        .query_map(params![app.0, slice], candidate)?
        .collect::<db::Result<_>>()?;
    let any_left = !left.is_empty();
    let mut budget = i64::from(slice);
    for candidate in left {
        if candidate.done_at.is_some() && budget > 0 {
            rows += delete_notification(tx, candidate.no, &mut budget)?.0;
        }
    }
    if rows > 0 || any_left {
        return Ok(rows);
    }
    rows += tx
        .conn
        .prepare_cached(
            "DELETE FROM events WHERE app_no = ?1 AND event_no IN
                (SELECT event_no FROM events WHERE app_no = ?1 ORDER BY event_no LIMIT ?2)",
        )?
        .execute(params![app.0, slice])? as u64;
    if rows == 0 {
        for sql in [
            "DELETE FROM counts WHERE app_no = ?1",
            "DELETE FROM deleted_apps WHERE app_no = ?1",
        ] {
            rows += tx.conn.prepare_cached(sql)?.execute([app.0])? as u64;
        }
    }
    Ok(rows)
}

/// Devices that were not seen for as long as their App says.
fn stale_devices(tx: &Tx<'_>, now: UnixMs, slice: u32) -> Done<u64> {
    let apps: Vec<(i64, String)> = tx
        .conn
        .prepare_cached(
            "SELECT app_no, settings FROM apps WHERE settings LIKE '%delete_stale_after_days%'",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<db::Result<_>>()?;
    for (app, settings) in apps {
        let settings: AppSettings = serde_json::from_str(&settings)
            .map_err(|error| corrupt("apps", "settings", app, error))?;
        let Some(before) = settings.delete_before(now) else {
            continue;
        };
        let devices: Vec<i64> = tx
            .conn
            .prepare_cached(
                "SELECT device_no FROM devices INDEXED BY devices_seen
                 WHERE app_no = ?1 AND last_seen_at < ?2 LIMIT ?3",
            )?
            .query_map(params![app, before, slice], |row| row.get(0))?
            .collect::<db::Result<_>>()?;
        let mut rows = 0;
        for device in devices {
            rows += crate::registry::delete_device_row(tx.conn, device)?;
        }
        if rows > 0 {
            return Ok(rows);
        }
    }
    Ok(0)
}

/// Idempotency keys, what counted for caps, what fan-outs counted, events and counters: the oldest are
/// the first in their tables.
fn short_lived(tx: &mut Tx<'_>, retention: Retention, slice: u32) -> Done<u64> {
    let mut rows = tx
        .conn
        .prepare_cached(
            "DELETE FROM idempotency WHERE keep_until <= ?1 AND idempotency_no IN
                (SELECT idempotency_no FROM idempotency ORDER BY idempotency_no LIMIT ?2)",
        )?
        .execute(params![retention.now, slice])? as u64;
    rows += preferences::prune(tx, retention.now, slice)?;
    rows += badges::prune(tx, slice)?;
    let mut app = i64::MIN;
    while rows < u64::from(slice)
        && let Some(next) = next_app(tx, "events", app)?
    {
        app = next;
        rows += tx
            .conn
            .prepare_cached(
                "DELETE FROM events WHERE app_no = ?1 AND at < ?2 AND event_no IN
                    (SELECT event_no FROM events WHERE app_no = ?1 ORDER BY event_no LIMIT ?3)",
            )?
            .execute(params![app, retention.records_before, slice])? as u64;
    }
    rows += crate::webhook::prune(tx, slice)?;
    rows += schedules::prune(tx, retention.records_before, slice)?;
    rows += callouts::prune(tx, retention.records_before, slice)?;
    rows += live_activities::prune(tx, retention.records_before, retention.now, slice)?;
    rows += watches::prune(tx, retention.records_before, retention.now, slice)?;
    rows += tx
        .conn
        .prepare_cached(
            "DELETE FROM throttles WHERE (definition_no, user_id) IN
                (SELECT definition_no, user_id FROM throttles WHERE keep_until <= ?1 LIMIT ?2)",
        )?
        .execute(params![retention.now, slice])? as u64;
    rows += tx
        .conn
        .prepare_cached(
            "DELETE FROM definition_versions WHERE (definition_no, version) IN
                (SELECT definition_no, version FROM definition_versions WHERE replaced_at < ?1 LIMIT ?2)",
        )?
        .execute(params![retention.versions_before, slice])? as u64;
    app = i64::MIN;
    while let Some(next) = next_app(tx, "counts", app)? {
        app = next;
        rows += tx
            .conn
            .prepare_cached("DELETE FROM counts WHERE app_no = ?1 AND hour < ?2")?
            .execute(params![app, retention.records_before.div_euclid(HOUR)])?
            as u64;
    }
    Ok(rows)
}

fn next_app(tx: &Tx<'_>, table: &str, after: i64) -> Done<Option<i64>> {
    Ok(tx
        .conn
        .prepare_cached(&format!(
            "SELECT app_no FROM {table} WHERE app_no > ?1 ORDER BY app_no LIMIT 1"
        ))?
        .query_row([after], |row| row.get(0))
        .optional()?)
}
