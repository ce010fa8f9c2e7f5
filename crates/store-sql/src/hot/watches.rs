//! Monitors: steps under their fences, with timer, incidents, events, rings and pages; what is due, and how they did.

use super::{accept, incidents, records, rows};
use crate::db::{self, Connection, OptionalExtension, Row, params};
use crate::error::{At, Done, Fault, corrupt};
use crate::queue::Class;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, DeviceNo, NotificationNo};
use carillon_model::monitor::{Tally, WatchState};
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::store::{Acceptance, Result, StoreError};
use carillon_ports::watch::{
    DueChecks, HOUR_MS, HourTally, IncidentFilter, PagePhone, ReadWatch, StoredEntry,
    StoredIncident, StoredWatch, TALLY_HOURS, UnreadableWatch, WatchClaim, WatchStep, WatchStore,
};
use std::collections::BTreeMap;

#[async_trait]
impl WatchStore for SqlStore {
    async fn watches(&self, monitors: Vec<DefinitionNo>) -> Result<Vec<Option<ReadWatch>>> {
        self.read_hot(move |conn| some(conn, &monitors)).await
    }

    async fn watch_counts(&self) -> Result<Vec<(AppNo, WatchState, u64)>> {
        self.read(counts).await
    }

    async fn due_checks(
        &self,
        until: UnixMs,
        after: Option<(UnixMs, DefinitionNo)>,
        limit: u32,
    ) -> Result<DueChecks> {
        self.read_hot(move |conn| due_checks(conn, until, after, limit))
            .await
    }

    async fn step_watches(&self, steps: Vec<WatchStep>) -> Result<Vec<bool>> {
        let weight = |step: &WatchStep| {
            let pages = step.pages.iter().map(|(_, page)| page);
            1 + step.entries.len() + step.events.len() + accept::weight(pages)
        };
        let weight = steps.iter().map(weight).sum();
        self.write(Class::Intake, weight, move |tx| write_steps(tx, &steps))
            .await
    }

    async fn page_phones(
        &self,
        app: AppNo,
        users: Vec<String>,
        most_each: u32,
    ) -> Result<Vec<PagePhone>> {
        self.read_hot(move |conn| super::rings::phones(conn, app, &users, most_each))
            .await
    }

    async fn heard_of(&self, devices: Vec<DeviceNo>) -> Result<()> {
        // Of nearly every device that is heard of nothing is to be written.
        let changed = self
            .read_hot(move |conn| super::rings::answered(conn, &devices))
            .await?;
        if changed.is_empty() {
            return Ok(());
        }
        self.write(Class::Settle, changed.len(), move |tx| {
            super::rings::answer(tx, &changed)
        })
        .await
    }

    async fn incidents(&self, app: AppNo, filter: IncidentFilter) -> Result<Vec<StoredIncident>> {
        self.read(move |conn| incidents::list(conn, app, &filter))
            .await
    }

    async fn incident(&self, monitor: DefinitionNo, no: u32) -> Result<Option<StoredIncident>> {
        self.read(move |conn| incidents::one(conn, monitor, no))
            .await
    }

    async fn incident_entries(
        &self,
        monitor: DefinitionNo,
        no: u32,
        limit: u32,
    ) -> Result<Vec<StoredEntry>> {
        self.read(move |conn| incidents::entries(conn, monitor, no, limit))
            .await
    }

    async fn incident_of(&self, no: NotificationNo) -> Result<Option<(DefinitionNo, u32)>> {
        self.read_hot(move |conn| incidents::of_notification(conn, no))
            .await
    }

    async fn add_tallies(&self, tallies: Vec<HourTally>) -> Result<()> {
        self.write(Class::Fanout, tallies.len(), move |tx| {
            add_tallies(tx, &tallies)
        })
        .await
    }

    async fn tallies(
        &self,
        monitors: Vec<DefinitionNo>,
        from: i64,
        until: i64,
    ) -> Result<Vec<HourTally>> {
        self.read(move |conn| tallies(conn, &monitors, from, until))
            .await
    }
}

/// Columns of [`stored_at`], of a table `w`.
pub(super) const WATCH: &str =
    "w.monitor_no, w.app_no, w.fence, w.state, w.record, w.version, w.check_at, w.updated_at";
/// The place of `check_at` among them.
const CHECK_AT: usize = 6;

fn stored_at(row: Row<'_>, at: usize) -> Done<StoredWatch> {
    let monitor = DefinitionNo(row.get(at)?);
    Ok(StoredWatch {
        monitor,
        app: AppNo(row.get(at + 1)?),
        fence: row.get(at + 2)?,
        state: WatchState::from_code(row.get(at + 3)?).at("watches", "state", monitor)?,
        record: row.get(at + 4)?,
        version: row.get(at + 5)?,
        check_at: row.get(at + CHECK_AT)?,
        updated_at: row.get(at + 7)?,
    })
}

/// The one that a timer is about, with [`WATCH`] from column `at` on, joined from the outside.
pub(super) fn due(row: Row<'_>, at: usize, timer: i64) -> Done<StoredWatch> {
    match row.get::<_, Option<i64>>(at)? {
        Some(_) => stored_at(row, at),
        None => Err(corrupt("timers", "subject", timer, "no such monitor").into()),
    }
}

/// The columns of [`WATCH`]. A row that is there and cannot be read is told as that.
fn read(row: Row<'_>) -> Done<ReadWatch> {
    match stored_at(row, 0) {
        Ok(stored) => Ok(Ok(stored)),
        Err(Fault::Store(StoreError::Corrupt(what) | StoreError::Failed(what))) => {
            let monitor = DefinitionNo(row.get(0)?);
            let why = format!("the record of monitor {monitor} cannot be read: {what}");
            Ok(Err(UnreadableWatch { monitor, why }))
        }
        Err(fault) => Err(fault),
    }
}

fn some(conn: &Connection, monitors: &[DefinitionNo]) -> Done<Vec<Option<ReadWatch>>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {WATCH} FROM watches w WHERE w.monitor_no = ?1"
    ))?;
    statement.ahead(monitors.iter().map(|no| [no.0]))?;
    let one = |no: &DefinitionNo| {
        let mut found = statement.query([no.0])?;
        found.next()?.map(read).transpose()
    };
    monitors.iter().map(one).collect()
}

fn counts(conn: &Connection) -> Done<Vec<(AppNo, WatchState, u64)>> {
    let mut statement = conn.prepare_cached(
        "SELECT w.app_no, w.state, COUNT(*) FROM watches w
         WHERE EXISTS (SELECT 1 FROM apps a WHERE a.app_no = w.app_no)
         GROUP BY w.app_no, w.state ORDER BY w.app_no, w.state",
    )?;
    let mut found = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let app = AppNo(row.get(0)?);
        let state = WatchState::from_code(row.get(1)?).at("watches", "state", app)?;
        all.push((app, state, row.get::<_, i64>(2)? as u64));
    }
    Ok(all)
}

fn due_checks(
    conn: &Connection,
    until: UnixMs,
    after: Option<(UnixMs, DefinitionNo)>,
    limit: u32,
) -> Done<DueChecks> {
    let limit = limit.max(1);
    let (at, no) = after.map_or((i64::MIN, i64::MIN), |(at, no)| (at, no.0));
    // Not as one comparison of two rows: of those MariaDB makes no range of the index.
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {WATCH} FROM watches w INDEXED BY watches_due
         WHERE w.check_at IS NOT NULL AND w.check_at <= ?1 AND w.check_at >= ?2
             AND (w.check_at > ?2 OR w.monitor_no > ?3)
             AND EXISTS (SELECT 1 FROM apps a WHERE a.app_no = w.app_no)
         ORDER BY w.check_at, w.monitor_no LIMIT ?4"
    ))?;
    let mut found = statement.query(params![until, at, no, limit])?;
    let mut due = DueChecks::default();
    while let Some(row) = found.next()? {
        due.next = Some((row.get(CHECK_AT)?, DefinitionNo(row.get(0)?)));
        due.checks.push(read(row)?);
    }
    if due.checks.len() < limit as usize {
        due.next = None;
    }
    Ok(due)
}

const FENCE: &str = "SELECT fence, look_at FROM watches WHERE monitor_no = ?1";
const DEFINED: &str = "SELECT 1 FROM definitions WHERE definition_no = ?1";

/// Asks ahead for whatever the steps will ask for. Where a monitor is there twice, its second step asks anew and sees what
/// the first has written.
fn ask_ahead(conn: &Connection, steps: &[WatchStep]) -> Done<()> {
    if steps.len() < 2 {
        return Ok(());
    }
    let monitors = steps.iter().map(|step| [step.monitor.0]);
    conn.prepare_cached(FENCE)?.ahead(monitors)?;
    let new = steps.iter().filter(|step| step.claim == WatchClaim::New);
    let new = new.map(|step| [step.monitor.0]);
    conn.prepare_cached(DEFINED)?.ahead(new)?;
    Ok(())
}

fn write_steps(tx: &mut Tx<'_>, steps: &[WatchStep]) -> Done<Vec<bool>> {
    ask_ahead(tx.conn, steps)?;
    let mut rings = super::rings::Changing::of(tx.conn, steps)?;
    let mut incidents = incidents::Changing::of(tx.conn, steps)?;
    let mut written = Vec::with_capacity(steps.len());
    for step in steps {
        let is_written = write_step(tx, step, &mut rings)?;
        if is_written {
            incidents.write(tx, step)?;
        }
        written.push(is_written);
    }
    rings.store(tx)?;
    incidents.store(tx)?;
    Ok(written)
}

/// Writes a step, but for its incidents. `false`: it is not as it was read any more, and nothing was written.
fn write_step(tx: &mut Tx<'_>, step: &WatchStep, rings: &mut super::rings::Changing) -> Done<bool> {
    let found: Option<(i64, Option<UnixMs>)> = tx
        .conn
        .prepare_cached(FENCE)?
        .query_row([step.monitor.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_as_read = match (step.claim, found) {
        (WatchClaim::Known(known), Some((fence, _))) => fence == known,
        (WatchClaim::New, None) => tx.conn.prepare_cached(DEFINED)?.exists([step.monitor.0])?,
        _ => false,
    };
    if !is_as_read || !rings.change(tx.conn, &step.rings)? {
        return Ok(false);
    }
    let fence = tx.marks.timer.take(tx.conn)?;
    // Nobody else writes meanwhile: that it is as it was read stands until the commit.
    tx.conn
        .prepare_cached(
            "INSERT INTO watches (monitor_no, app_no, fence, state, record, version, check_at, look_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (monitor_no) DO UPDATE SET fence = excluded.fence, state = excluded.state,
                record = excluded.record, version = excluded.version, check_at = excluded.check_at,
                look_at = excluded.look_at, updated_at = excluded.updated_at",
        )?
        .run(params![
            step.monitor.0,
            step.app.0,
            fence,
            step.state.code(),
            step.record,
            step.version,
            step.check_at,
            step.look_at,
            step.now
        ])?;
    let had_timer = found.is_some_and(|(_, look_at)| look_at.is_some());
    if had_timer || step.look_at.is_some() {
        set_timer(tx, step)?;
    }
    for event in &step.events {
        records::add_event(tx, event, step.now)?;
    }
    for (_, page) in &step.pages {
        match accept::accept_one(tx, page)? {
            Acceptance::New => {}
            other => {
                let what = format!("the page {} was not accepted: {other:?}", page.no);
                return Err(StoreError::Failed(what).into());
            }
        }
    }
    Ok(true)
}

fn set_timer(tx: &mut Tx<'_>, step: &WatchStep) -> Done<()> {
    let kind = TimerKind::Watch.code();
    let Some(look_at) = step.look_at else {
        return unset_timer(tx, step.monitor);
    };
    let number = tx.marks.timer.take(tx.conn)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO timers (timer_no, app_no, kind, subject, due_at, fence, missed, attempts, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?6, 0, x'')
             ON CONFLICT (kind, subject) DO UPDATE SET
                due_at = excluded.due_at, fence = excluded.fence, attempts = 0, last_error = NULL, body = excluded.body",
        )?
        .run(params![
            number,
            step.app.0,
            kind,
            step.monitor.0,
            look_at,
            // What becomes of what was missed is the monitor's business.
            MissedRun::Fire.code()
        ])?;
    Ok(())
}

fn unset_timer(tx: &Tx<'_>, monitor: DefinitionNo) -> Done<()> {
    tx.conn
        .prepare_cached("DELETE FROM timers WHERE kind = ?1 AND subject = ?2")?
        .run(params![TimerKind::Watch.code(), monitor.0])?;
    Ok(())
}

fn add_tallies(tx: &Tx<'_>, tallies: &[HourTally]) -> Done<()> {
    let mut sums: BTreeMap<(i64, i64), Tally> = BTreeMap::new();
    for one in tallies {
        sums.entry((one.monitor.0, one.hour))
            .or_default()
            .add(&one.tally);
    }
    let mut known = tx.conn.prepare_cached(
        "SELECT t.tally FROM watches w
         LEFT JOIN monitor_tallies t ON t.monitor_no = w.monitor_no AND t.hour = ?2
         WHERE w.monitor_no = ?1",
    )?;
    known.ahead(sums.keys().map(|(monitor, hour)| [*monitor, *hour]))?;
    for ((monitor, hour), mut sum) in sums {
        let found: Option<Option<Vec<u8>>> = known
            .query_row([monitor, hour], |row| row.get(0))
            .optional()?;
        let Some(before) = found else {
            continue;
        };
        if let Some(bytes) = before {
            sum.add(&read_tally(&bytes, monitor, hour)?);
        }
        tx.conn
            .prepare_cached(
                "INSERT INTO monitor_tallies (monitor_no, hour, tally) VALUES (?1, ?2, ?3)
                 ON CONFLICT (monitor_no, hour) DO UPDATE SET tally = excluded.tally",
            )?
            .run(params![monitor, hour, sum.encode()])?;
    }
    Ok(())
}

fn read_tally(bytes: &[u8], monitor: i64, hour: i64) -> Done<Tally> {
    Tally::decode(bytes).at("monitor_tallies", "tally", format!("{monitor}/{hour}"))
}

fn tallies(
    conn: &Connection,
    monitors: &[DefinitionNo],
    from: i64,
    until: i64,
) -> Done<Vec<HourTally>> {
    let mut statement = conn.prepare_cached(
        "SELECT hour, tally FROM monitor_tallies
         WHERE monitor_no = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY hour",
    )?;
    statement.ahead(monitors.iter().map(|no| [no.0, from, until]))?;
    let mut all = Vec::new();
    for monitor in monitors {
        let mut found = statement.query([monitor.0, from, until])?;
        while let Some(row) = found.next()? {
            let hour = row.get(0)?;
            let tally = read_tally(rows::blob(row.get_ref(1)?), monitor.0, hour)?;
            all.push(HourTally {
                monitor: *monitor,
                hour,
                tally,
            });
        }
    }
    Ok(all)
}

/// Deletes incidents that were closed before an instant, and what was counted too long ago at `now`; at most `slice` of
/// each.
pub(super) fn prune(tx: &Tx<'_>, before: UnixMs, now: UnixMs, slice: u32) -> Done<u64> {
    let first = now.div_euclid(HOUR_MS) - TALLY_HOURS;
    let rows = tx
        .conn
        .prepare_cached(
            "DELETE FROM monitor_tallies WHERE (monitor_no, hour) IN
                (SELECT monitor_no, hour FROM monitor_tallies WHERE hour < ?1 LIMIT ?2)",
        )?
        .execute(params![first, slice])? as u64;
    Ok(rows + incidents::prune(tx, before, slice)?)
}

/// Deletes some of a deleted App.
pub(super) fn prune_app(tx: &Tx<'_>, app: AppNo, slice: u32) -> Done<u64> {
    let all: Vec<i64> = tx
        .conn
        .prepare_cached("SELECT monitor_no FROM watches WHERE app_no = ?1 LIMIT ?2")?
        .query_map(params![app.0, slice], |row| row.get(0))?
        .collect::<db::Result<_>>()?;
    let mut rows = 0;
    for no in all {
        if rows >= u64::from(slice) {
            break;
        }
        rows += forget(tx, DefinitionNo(no))?;
    }
    Ok(rows)
}

/// Deletes all that is kept of a monitor that is gone. Returns how many rows went.
pub(crate) fn forget(tx: &Tx<'_>, monitor: DefinitionNo) -> Done<u64> {
    unset_timer(tx, monitor)?;
    let mut rows = 0;
    for table in [
        "incident_pages",
        "incident_entries",
        "incidents",
        "monitor_tallies",
        "watches",
    ] {
        let sql = format!("DELETE FROM {table} WHERE monitor_no = ?1");
        rows += tx.conn.prepare_cached(&sql)?.execute([monitor.0])? as u64;
    }
    Ok(rows)
}
