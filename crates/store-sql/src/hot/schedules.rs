//! Schedules: their timers, set with their definitions and by their turns, and their runs.

use super::{callouts, records};
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done, corrupt};
use crate::queue::Class;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::id::{DefinitionNo, NotificationNo};
use carillon_model::schedule::{RunCause, RunResult, ScheduleDefinition, looks_from};
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::schedule::{DueSchedule, NewRun, ScheduleRun, ScheduleStore, ScheduleTurn};
use carillon_ports::store::{NewEvent, Result};

#[async_trait]
impl ScheduleStore for SqlStore {
    async fn record_turn(
        &self,
        turn: ScheduleTurn,
        event: Option<NewEvent>,
        now: UnixMs,
    ) -> Result<bool> {
        self.write(Class::Intake, 1 + turn.runs.len(), move |tx| {
            if !write_turn(tx, &turn, None)? {
                return Ok(false);
            }
            if let Some(event) = &event {
                records::add_event(tx, event, now)?;
            }
            Ok(true)
        })
        .await
    }

    async fn schedule_runs(
        &self,
        schedule: DefinitionNo,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ScheduleRun>> {
        self.read(move |conn| runs(conn, schedule, before, limit))
            .await
    }
}

/// Sets the timer of a schedule by its definition, in the transaction that stores that.
pub(crate) fn plan(tx: &mut Tx<'_>, definition: &Definition) -> Done<()> {
    overtake(tx, definition.no, definition.updated_at)?;
    let last_due_at = tx
        .conn
        .prepare_cached(
            "SELECT last_due_at FROM schedule_runs WHERE definition_no = ?1 AND cause = ?2 ORDER BY run_no DESC LIMIT 1",
        )?
        .query_row(params![definition.no.0, RunCause::Due.code()], |row| row.get(0))
        .optional()?;
    let from = looks_from(definition.updated_at, last_due_at);
    let due_at = ScheduleDefinition::due_at(&definition.body, from);
    let Some(due_at) = due_at else {
        return unplan(tx, definition.no, definition.updated_at);
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
            definition.app.0,
            TimerKind::Schedule.code(),
            definition.no.0,
            due_at,
            // Which time fires is the definition's business.
            MissedRun::Fire.code()
        ])?;
    Ok(())
}

/// Deletes the timer of a schedule that is gone, or rests.
pub(crate) fn unplan(tx: &Tx<'_>, no: DefinitionNo, now: UnixMs) -> Done<()> {
    overtake(tx, no, now)?;
    tx.conn
        .prepare_cached("DELETE FROM timers WHERE kind = ?1 AND subject = ?2")?
        .run(params![TimerKind::Schedule.code(), no.0])?;
    Ok(())
}

/// What is asked for a schedule that changes is asked in vain.
fn overtake(tx: &Tx<'_>, no: DefinitionNo, now: UnixMs) -> Done<()> {
    let timer: Option<i64> = tx
        .conn
        .prepare_cached("SELECT timer_no FROM timers WHERE kind = ?1 AND subject = ?2")?
        .query_row(params![TimerKind::Schedule.code(), no.0], |row| row.get(0))
        .optional()?;
    match timer {
        Some(timer) => callouts::overtake(tx, timer, now),
        None => Ok(()),
    }
}

/// The schedule that a timer is about.
pub(super) fn due(conn: &Connection, no: DefinitionNo) -> Done<DueSchedule> {
    let found = conn
        .prepare_cached("SELECT name, body FROM definitions WHERE definition_no = ?1")?
        .query_row([no.0], |row| {
            Ok(DueSchedule {
                no,
                name: row.get(0)?,
                body: row.get(1)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| corrupt("timers", "subject", no, "no such schedule").into())
}

/// Moves the timer to its next time and writes the runs down. `false`: the timer is another by now, and
/// nothing was written.
pub(super) fn write_turn(
    tx: &mut Tx<'_>,
    turn: &ScheduleTurn,
    sent: Option<NotificationNo>,
) -> Done<bool> {
    if let Some((claim, next)) = turn.timer {
        let changed = match next {
            None => tx
                .conn
                .prepare_cached("DELETE FROM timers WHERE timer_no = ?1 AND fence = ?2")?
                .execute([claim.no, claim.fence])?,
            Some(next) => {
                let fence = tx.marks.timer.take(tx.conn)?;
                tx.conn
                    .prepare_cached(
                        "UPDATE timers SET due_at = ?3, fence = ?4, attempts = 0, last_error = NULL, body = x''
                         WHERE timer_no = ?1 AND fence = ?2",
                    )?
                    .execute([claim.no, claim.fence, next, fence])?
            }
        };
        if changed == 0 {
            return Ok(false);
        }
    }
    let last = turn.runs.len().saturating_sub(1);
    for (at, run) in turn.runs.iter().enumerate() {
        let number = tx.marks.timer.take(tx.conn)?;
        let (code, message) = run
            .failure
            .as_ref()
            .map_or((None, None), |(code, message)| (Some(code), Some(message)));
        tx.conn
            .prepare_cached(
                "INSERT INTO schedule_runs (run_no, definition_no, due_at, last_due_at, times, fired_at, cause,
                    result, notification_no, code, message)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .run(params![
                number,
                turn.schedule.0,
                run.due_at,
                run.last_due_at,
                run.times,
                run.fired_at,
                run.cause.code(),
                run.result.code(),
                sent.filter(|_| at == last).map(|no| no.0),
                code,
                message
            ])?;
    }
    if let Some(end) = &turn.callout {
        callouts::close(tx, end, sent)?;
    }
    Ok(true)
}

fn runs(
    conn: &Connection,
    schedule: DefinitionNo,
    before: Option<i64>,
    limit: u32,
) -> Done<Vec<ScheduleRun>> {
    let mut statement = conn.prepare_cached(
        "SELECT run_no, due_at, last_due_at, times, fired_at, cause, result, notification_no, code, message
         FROM schedule_runs WHERE definition_no = ?1 AND run_no < ?2 ORDER BY run_no DESC LIMIT ?3",
    )?;
    let mut found = statement.query(params![schedule.0, before.unwrap_or(i64::MAX), limit])?;
    let mut runs = Vec::new();
    while let Some(row) = found.next()? {
        let no: i64 = row.get(0)?;
        let code: Option<String> = row.get(8)?;
        let message: Option<String> = row.get(9)?;
        runs.push(ScheduleRun {
            no,
            what: NewRun {
                due_at: row.get(1)?,
                last_due_at: row.get(2)?,
                times: row.get(3)?,
                fired_at: row.get(4)?,
                cause: RunCause::from_code(row.get(5)?).at("schedule_runs", "cause", no)?,
                result: RunResult::from_code(row.get(6)?).at("schedule_runs", "result", no)?,
                notification: row.get::<_, Option<i64>>(7)?.map(NotificationNo),
                failure: code.zip(message),
            },
        });
    }
    Ok(runs)
}

/// Deletes runs older than records are kept, at most `slice`.
pub(super) fn prune(tx: &Tx<'_>, before: UnixMs, slice: u32) -> Done<u64> {
    Ok(tx
        .conn
        .prepare_cached(
            "DELETE FROM schedule_runs WHERE run_no IN
                (SELECT run_no FROM schedule_runs WHERE fired_at < ?1 ORDER BY fired_at LIMIT ?2)",
        )?
        .execute(params![before, slice])? as u64)
}
