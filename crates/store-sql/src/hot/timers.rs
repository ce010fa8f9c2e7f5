//! Timers: what is due, fairly; taking one with its effect; what could not fire; changes.

use super::live_activities::{self, DUE, DUE_COLUMNS};
use super::watches::{self, WATCH};
use super::{callouts, ledger, records, rows, schedules, views};
use crate::db::{Connection, OptionalExtension, Row, params};
use crate::error::{At, Done, Fault, corrupt};
use crate::marks::{read_meta, write_meta};
use crate::queue::Class as Turn;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo};
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::fault::{Bug, planted};
use carillon_ports::store::{NotificationHead, NotificationView, Result, StoreError};
use carillon_ports::timer::{
    DueAsk, DueSend, DueTimer, DueTimers, NewTimer, SendChange, SendPlan, SendState, TimerClaim,
    TimerFailure, TimerStore, TimerSubject, WaitingSend,
};

/// In `meta`: 1 while nothing fires, because the database was restored from a backup.
pub(crate) const PAUSED: &str = "scheduler_paused";

const SEND: u8 = 1;

#[async_trait]
impl TimerStore for SqlStore {
    async fn due_timers(&self, ask: DueAsk) -> Result<DueTimers> {
        self.read_hot(move |conn| due(conn, ask)).await
    }

    async fn fail_timers(&self, failures: Vec<TimerFailure>, now: UnixMs) -> Result<()> {
        self.write(Turn::Fanout, failures.len(), move |tx| {
            failures.iter().try_for_each(|one| fail(tx, one, now))
        })
        .await
    }

    async fn waiting_send(&self, app: AppNo, no: NotificationNo) -> Result<Option<WaitingSend>> {
        self.read(move |conn| waiting(conn, app, no)).await
    }

    async fn change_send(&self, change: SendChange) -> Result<bool> {
        self.write(Turn::Intake, 2, move |tx| change_send(tx, &change))
            .await
    }

    async fn scheduled(
        &self,
        app: AppNo,
        set_aside: bool,
        after: Option<(UnixMs, NotificationNo)>,
        limit: u32,
    ) -> Result<Vec<NotificationView>> {
        self.read(move |conn| scheduled(conn, app, set_aside, after, limit))
            .await
    }

    async fn is_scheduler_paused(&self) -> Result<bool> {
        self.read_hot(|conn| Ok(read_meta(conn, PAUSED)?.unwrap_or(0) != 0))
            .await
    }

    async fn resume_scheduler(&self) -> Result<bool> {
        self.write(Turn::Intake, 1, |tx| {
            let was_paused = read_meta(tx.conn, PAUSED)?.unwrap_or(0) != 0;
            if was_paused {
                write_meta(tx.conn, PAUSED, 0)?;
            }
            Ok(was_paused)
        })
        .await
    }
}

/// Jumps from one App to the next in the index, so that the length of one's list costs the others nothing.
fn due(conn: &Connection, ask: DueAsk) -> Done<DueTimers> {
    let mut next_app = conn.prepare_cached(
        "SELECT t.app_no, t.due_at, EXISTS (SELECT 1 FROM apps a WHERE a.app_no = t.app_no)
         FROM timers t INDEXED BY timers_due
         WHERE t.due_at IS NOT NULL AND t.app_no > ?1 ORDER BY t.app_no, t.due_at LIMIT 1",
    )?;
    let mut following = conn.prepare_cached(
        "SELECT min(due_at) FROM timers INDEXED BY timers_due
         WHERE due_at IS NOT NULL AND app_no = ?1 AND due_at > ?2",
    )?;
    let start = ask.after.map_or(i64::MIN, |app| app.0);
    let mut found = DueTimers::default();
    let (mut last, mut has_turned) = (start, false);
    let mut bytes = 0;
    loop {
        let next = next_app
            .query_row([last], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?))
            })
            .optional()?
            // Round to where it began.
            .filter(|(app, ..)| !has_turned || *app <= start);
        let Some((app, mut at, is_there)) = next else {
            if has_turned || ask.after.is_none() {
                return Ok(found);
            }
            (last, has_turned) = (i64::MIN, true);
            continue;
        };
        last = app;
        let is_there: bool = is_there;
        if !is_there {
            continue;
        }
        if at <= ask.now {
            due_of(conn, app, ask, &mut bytes, &mut found)?;
            if found.is_full {
                return Ok(found);
            }
            let later: Option<i64> = following.query_row([app, ask.now], |row| row.get(0))?;
            let Some(later) = later else { continue };
            at = later;
        }
        found.next = Some(found.next.map_or(at, |next: i64| next.min(at)));
    }
}

/// The oldest of one App, as far as there is room.
fn due_of(
    conn: &Connection,
    app: i64,
    ask: DueAsk,
    bytes: &mut u64,
    into: &mut DueTimers,
) -> Done<()> {
    let room = (ask.most as usize).saturating_sub(into.timers.len());
    let limit = room.min(ask.each as usize);
    into.is_full = room == 0;
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {}, {TIMER}, {DUE}, {WATCH}
         FROM timers t INDEXED BY timers_due {SUBJECTS}
         WHERE t.due_at IS NOT NULL AND t.app_no = ?1 AND t.due_at <= ?2
         ORDER BY t.due_at LIMIT ?3",
        rows::HEAD
    ))?;
    let mut found = statement.query(params![app, ask.now, limit as i64])?;
    while let Some(row) = found.next()? {
        if *bytes >= ask.most_bytes {
            into.is_full = true;
            break;
        }
        let timer = timer(conn, row)?;
        *bytes += timer.subject.as_ref().map_or(0, TimerSubject::bytes);
        into.timers.push(timer);
    }
    Ok(())
}

/// Timers of which a call-out's run is open, that of the oldest run first.
pub(super) fn of_open_callouts(conn: &Connection, limit: u32) -> Done<Vec<DueTimer>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {}, {TIMER}, {DUE}, {WATCH} FROM callout_runs r JOIN timers t ON t.timer_no = r.timer_no {SUBJECTS}
         WHERE r.finished_at IS NULL AND t.due_at IS NOT NULL ORDER BY r.run_no LIMIT ?1",
        rows::HEAD
    ))?;
    let mut found = statement.query([limit])?;
    let mut timers = Vec::new();
    while let Some(row) = found.next()? {
        timers.push(timer(conn, row)?);
    }
    Ok(timers)
}

/// Columns of a timer, after those of a notification's head.
const TIMER: &str =
    "t.timer_no, t.fence, t.due_at, t.attempts, t.kind, t.missed, t.body, t.subject, t.app_no";

/// How many they are.
const TIMER_COLUMNS: usize = 9;

/// What a timer may be about; a schedule is read when it is met.
const SUBJECTS: &str = "LEFT JOIN notifications n ON t.kind = 1 AND n.notification_no = t.subject
         LEFT JOIN live_activities l ON t.kind = 3 AND l.activity_no = t.subject
         LEFT JOIN watches w ON t.kind = 4 AND w.monitor_no = t.subject";

/// Columns: those of a notification's head, [`TIMER`], [`DUE`], [`WATCH`].
fn timer(conn: &Connection, row: Row<'_>) -> Done<DueTimer> {
    let at = rows::HEAD_COLUMNS;
    let tried_at: UnixMs = row.get(at + 2)?;
    let (due_at, subject) = match subject(conn, row, tried_at) {
        Ok((due_at, subject)) => (due_at, Ok(subject)),
        // What cannot be read fails alone.
        Err(Fault::Store(StoreError::Corrupt(what))) => (tried_at, Err(what)),
        Err(fault) => return Err(fault),
    };
    Ok(DueTimer {
        claim: TimerClaim {
            no: row.get(at)?,
            fence: row.get(at + 1)?,
        },
        app: AppNo(row.get(at + 8)?),
        due_at,
        attempts: row.get(at + 3)?,
        kind: TimerKind::from_code(row.get(at + 4)?),
        subject,
    })
}

/// When a row was due, and what it is about: columns as [`timer`] reads them.
fn subject(conn: &Connection, row: Row<'_>, tried_at: UnixMs) -> Done<(UnixMs, TimerSubject)> {
    let at = rows::HEAD_COLUMNS;
    let no: i64 = row.get(at)?;
    let kind = TimerKind::from_code(row.get(at + 4)?).at("timers", "kind", no)?;
    let missed = MissedRun::from_code(row.get(at + 5)?).at("timers", "missed", no)?;
    match kind {
        TimerKind::Send => {
            if row.get::<_, Option<i64>>(0)?.is_none() {
                return Err(corrupt("timers", "subject", no, "no such notification").into());
            }
            let send = DueSend {
                notification: rows::head(row)?,
                missed,
                body: Bytes::copy_from_slice(rows::blob(row.get_ref(at + 6)?)),
            };
            Ok((tried_at, TimerSubject::Send(Box::new(send))))
        }
        TimerKind::Schedule => {
            // Empty unless it is tried again: then it keeps the time that it was due at.
            let body = rows::blob(row.get_ref(at + 6)?);
            let due_at = match <[u8; 8]>::try_from(body) {
                Ok(own) => UnixMs::from_be_bytes(own),
                Err(_) if body.is_empty() => tried_at,
                Err(_) => return Err(corrupt("timers", "body", no, "no instant").into()),
            };
            let schedule = schedules::due(conn, DefinitionNo(row.get(at + 7)?))?;
            Ok((due_at, TimerSubject::Schedule(Box::new(schedule))))
        }
        TimerKind::LiveActivity => {
            let activity = live_activities::due(row, at + TIMER_COLUMNS, no)?;
            Ok((tried_at, TimerSubject::LiveActivity(Box::new(activity))))
        }
        TimerKind::Watch => {
            let watch = watches::due(row, at + TIMER_COLUMNS + DUE_COLUMNS, no)?;
            Ok((tried_at, TimerSubject::Watch(Box::new(watch))))
        }
    }
}

/// Sets the timer of a new notification.
pub(super) fn set(tx: &mut Tx<'_>, app: AppNo, no: NotificationNo, timer: &NewTimer) -> Done<()> {
    let number = tx.marks.timer.take(tx.conn)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO timers (timer_no, app_no, kind, subject, due_at, fence, missed, attempts, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?6, 0, ?7)",
        )?
        .run(params![
            number,
            app.0,
            SEND,
            no.0,
            timer.due_at,
            timer.missed.code(),
            &timer.body[..]
        ])?;
    Ok(())
}

/// Deletes a timer as it was read. `false`: it is not like that any more.
pub(super) fn take(tx: &Tx<'_>, claim: TimerClaim) -> Done<bool> {
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM timers WHERE timer_no = ?1 AND fence = ?2")?
        .execute([claim.no, claim.fence])?
        == 1)
}

/// Deletes the timer of a notification that is cancelled. `false`: it had none.
pub(super) fn withdraw(tx: &Tx<'_>, no: NotificationNo) -> Done<bool> {
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM timers WHERE kind = ?1 AND subject = ?2")?
        .execute(params![SEND, no.0])?
        == 1)
}

fn fail(tx: &mut Tx<'_>, failure: &TimerFailure, now: UnixMs) -> Done<()> {
    let fence = tx.marks.timer.take(tx.conn)?;
    let changed = tx
        .conn
        .prepare_cached(
            "UPDATE timers SET due_at = ?3, attempts = ?4, last_error = ?5, fence = ?6,
                body = CASE WHEN kind = ?7 THEN ?8 ELSE body END
             WHERE timer_no = ?1 AND fence = ?2",
        )?
        .execute(params![
            failure.claim.no,
            failure.claim.fence,
            failure.next_try_at,
            failure.attempts,
            failure.error,
            fence,
            TimerKind::Schedule.code(),
            failure.due_at.to_be_bytes()
        ])?;
    if changed == 0 {
        return Ok(());
    }
    if let Some(end) = &failure.callout {
        callouts::close(tx, end, None)?;
    }
    match &failure.event {
        Some(event) => records::add_event(tx, event, now),
        None => Ok(()),
    }
}

fn waiting(conn: &Connection, app: AppNo, no: NotificationNo) -> Done<Option<WaitingSend>> {
    Ok(conn
        .prepare_cached(
            "SELECT timer_no, fence, body FROM timers WHERE kind = ?1 AND subject = ?2 AND app_no = ?3
             AND NOT EXISTS (SELECT 1 FROM campaigns c WHERE c.notification_no = ?2)",
        )?
        .query_row(params![SEND, no.0, app.0], |row| {
            Ok(WaitingSend {
                claim: TimerClaim {
                    no: row.get(0)?,
                    fence: row.get(1)?,
                },
                body: row.get::<_, Vec<u8>>(2)?.into(),
            })
        })
        .optional()?)
}

fn change_send(tx: &mut Tx<'_>, change: &SendChange) -> Done<bool> {
    let fence = tx.marks.timer.take(tx.conn)?;
    let timer = &change.timer;
    let changed = tx
        .conn
        .prepare_cached(
            "UPDATE timers SET due_at = ?3, missed = ?4, body = ?5, fence = ?6, attempts = 0, last_error = NULL
             WHERE timer_no = ?1 AND fence = ?2",
        )?
        .execute(params![
            change.claim.no,
            change.claim.fence,
            timer.due_at,
            timer.missed.code(),
            &timer.body[..],
            fence
        ])?;
    if changed == 0 {
        return Ok(false);
    }
    match &change.callout {
        Some(end) => callouts::close(tx, end, Some(change.no))?,
        None => callouts::overtake(tx, change.claim.no, change.now)?,
    }
    if planted(Bug::ForgetChange) {
        return Ok(true);
    }
    tx.conn
        .prepare_cached(
            "UPDATE notifications SET send_at = ?2, expires_at = ?3, options = ?4, payload = ?5
             WHERE notification_no = ?1",
        )?
        .run(params![
            change.no.0,
            timer.due_at,
            change.expires_at,
            change.options.encode(),
            &change.payload[..]
        ])?;
    Ok(true)
}

fn scheduled(
    conn: &Connection,
    app: AppNo,
    set_aside: bool,
    after: Option<(UnixMs, NotificationNo)>,
    limit: u32,
) -> Done<Vec<NotificationView>> {
    let (from, wanted) = match set_aside {
        false => (
            "timers t INDEXED BY timers_due",
            "t.due_at IS NOT NULL AND (t.due_at, t.subject) > (?2, ?3) ORDER BY t.due_at, t.subject",
        ),
        true => (
            "timers t INDEXED BY timers_set_aside",
            "t.due_at IS NULL AND (0, t.subject) > (?2, ?3) ORDER BY t.subject",
        ),
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {} FROM {from} JOIN notifications n ON n.notification_no = t.subject
         WHERE t.app_no = ?1 AND t.kind = 1 AND {wanted} LIMIT ?4",
        rows::HEAD
    ))?;
    let (at, no) = after.map_or((i64::MIN, i64::MIN), |(at, no)| (at, no.0));
    let mut found = statement.query(params![app.0, at, no, limit])?;
    let mut views = Vec::new();
    while let Some(row) = found.next()? {
        views.push(views::view(conn, rows::head(row)?)?);
    }
    Ok(views)
}

/// How far the plan of a notification is; `None`: it is sent with its acceptance.
pub(super) fn plan(conn: &Connection, head: &NotificationHead) -> Done<Option<SendPlan>> {
    let Some(send_at) = head.send_at else {
        return Ok(None);
    };
    let state = match head.begun_at {
        Some(at) => SendState::Begun { at },
        None => conn
            .prepare_cached(
                "SELECT due_at, attempts, last_error FROM timers WHERE kind = ?1 AND subject = ?2",
            )?
            .query_row(params![SEND, head.no.0], |row| {
                let (attempts, last_error) = (row.get(1)?, row.get(2)?);
                Ok(match row.get(0)? {
                    Some(next_try_at) => SendState::Waiting {
                        next_try_at,
                        attempts,
                        last_error,
                    },
                    None => SendState::SetAside {
                        attempts,
                        last_error,
                    },
                })
            })
            .optional()?
            .unwrap_or(SendState::Withdrawn),
    };
    Ok(Some(SendPlan { send_at, state }))
}

/// One that was to be sent later is complete without deliveries: it was cancelled before.
pub(super) fn complete(
    tx: &Tx<'_>,
    ledger: &mut ledger::Ledger,
    no: NotificationNo,
    now: UnixMs,
) -> Done<()> {
    ledger::open_tally(tx, no, 0, Some(now))?;
    ledger.completed_at_once(no);
    Ok(())
}

/// Timers of a deleted App, at most so many of each sort, and the notifications that they would have sent.
pub(super) fn of_app(
    tx: &Tx<'_>,
    app: AppNo,
    limit: u32,
) -> Done<Vec<(i64, Option<NotificationNo>)>> {
    let mut all = Vec::new();
    for index in ["timers_due", "timers_set_aside"] {
        let is_due = if index == "timers_due" {
            "NOT NULL"
        } else {
            "NULL"
        };
        let mut statement = tx.conn.prepare_cached(&format!(
            "SELECT timer_no, CASE kind WHEN 1 THEN subject END FROM timers INDEXED BY {index}
             WHERE app_no = ?1 AND due_at IS {is_due} LIMIT ?2"
        ))?;
        let found = statement.query_map(params![app.0, limit], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, Option<i64>>(1)?.map(NotificationNo),
            ))
        })?;
        for one in found {
            all.push(one?);
        }
    }
    Ok(all)
}

/// Deletes a timer whatever became of it.
pub(super) fn delete(tx: &Tx<'_>, no: i64) -> Done<u64> {
    Ok(tx
        .conn
        .prepare_cached("DELETE FROM timers WHERE timer_no = ?1")?
        .execute([no])? as u64)
}
