//! Call-outs: timers that are put off while an App is asked, and the runs of that.

use super::timers;
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done};
use crate::queue::Class;
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::callout::CalloutResult;
use carillon_model::id::{DefinitionNo, NotificationNo};
use carillon_model::timer::TimerKind;
use carillon_ports::callout::{CalloutBegin, CalloutEnd, CalloutRun, CalloutStore, OpenCallout};
use carillon_ports::store::Result;
use carillon_ports::timer::{DueTimer, TimerClaim};

#[async_trait]
impl CalloutStore for SqlStore {
    async fn begin_callout(&self, begin: CalloutBegin) -> Result<Option<OpenCallout>> {
        self.write(Class::Fanout, 2, move |tx| open(tx, &begin))
            .await
    }

    async fn open_callouts(&self, limit: u32) -> Result<Vec<DueTimer>> {
        self.read_hot(move |conn| timers::of_open_callouts(conn, limit))
            .await
    }

    async fn end_callout(&self, end: CalloutEnd) -> Result<()> {
        self.write(Class::Fanout, 1, move |tx| close(tx, &end, None))
            .await
    }

    async fn callout_runs(
        &self,
        callout: DefinitionNo,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<CalloutRun>> {
        self.read(move |conn| runs(conn, callout, before, limit))
            .await
    }
}

fn open(tx: &mut Tx<'_>, begin: &CalloutBegin) -> Done<Option<OpenCallout>> {
    let fence = tx.marks.timer.take(tx.conn)?;
    let TimerClaim { no, fence: former } = begin.timer;
    let changed = tx
        .conn
        .prepare_cached(
            "UPDATE timers SET due_at = ?3, fence = ?4, body = CASE WHEN kind = ?6 THEN ?5 ELSE body END
             WHERE timer_no = ?1 AND fence = ?2",
        )?
        .execute(params![
            no,
            former,
            begin.until,
            fence,
            // A schedule's own time: it is put off, and due at that all the same.
            begin.due_at.to_be_bytes(),
            TimerKind::Schedule.code()
        ])?;
    if changed == 0 {
        return Ok(None);
    }
    let timer = TimerClaim { no, fence };
    let begins = u16::from(begin.is_asked);
    let known: Option<(i64, UnixMs, u16)> = tx
        .conn
        .prepare_cached(
            "SELECT run_no, due_at, begun FROM callout_runs WHERE timer_no = ?1 AND finished_at IS NULL",
        )?
        .query_row([no], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((run, due_at, begun)) = known {
        let begun = begun.saturating_add(begins);
        if begin.is_asked {
            tx.conn
                .prepare_cached(
                    "UPDATE callout_runs SET begun = ?2, started_at = coalesce(started_at, ?3) WHERE run_no = ?1",
                )?
                .run(params![run, begun, begin.now])?;
        }
        return Ok(Some(OpenCallout {
            run,
            timer,
            due_at,
            begun,
        }));
    }
    let run = tx.marks.timer.take(tx.conn)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO callout_runs (run_no, definition_no, schedule_no, timer_no, due_at, opened_at, started_at,
                begun, attempts, result, notification_no)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10)",
        )?
        .run(params![
            run,
            begin.callout.0,
            // 0: none.
            begin.schedule.map_or(0, |schedule| schedule.0),
            no,
            begin.due_at,
            begin.now,
            begin.is_asked.then_some(begin.now),
            begins,
            CalloutResult::Asking.code(),
            begin.notification.map(|no| no.0)
        ])?;
    Ok(Some(OpenCallout {
        run,
        timer,
        due_at: begin.due_at,
        begun: begins,
    }))
}

/// Ends a run. One that has ended stays as it is.
pub(super) fn close(tx: &Tx<'_>, end: &CalloutEnd, sent: Option<NotificationNo>) -> Done<()> {
    let (code, message) = end
        .failure
        .as_ref()
        .map_or((None, None), |(code, message)| (Some(code), Some(message)));
    tx.conn
        .prepare_cached(
            "UPDATE callout_runs SET finished_at = ?2, result = ?3, attempts = ?4,
                notification_no = coalesce(?5, notification_no), code = ?6, message = ?7
             WHERE run_no = ?1 AND finished_at IS NULL",
        )?
        .run(params![
            end.run,
            end.at,
            end.result.code(),
            end.attempts,
            sent.map(|no| no.0),
            code,
            message
        ])?;
    Ok(())
}

/// The timer is set anew, or gone: what is asked for it is asked in vain.
pub(super) fn overtake(tx: &Tx<'_>, timer: i64, now: UnixMs) -> Done<()> {
    tx.conn
        .prepare_cached(
            "UPDATE callout_runs SET finished_at = ?2, result = ?3 WHERE timer_no = ?1 AND finished_at IS NULL",
        )?
        .run(params![timer, now, CalloutResult::Overtaken.code()])?;
    Ok(())
}

/// The same for whatever timer a notification has.
pub(super) fn overtake_send(tx: &Tx<'_>, no: NotificationNo, now: UnixMs) -> Done<()> {
    let timer: Option<i64> = tx
        .conn
        .prepare_cached("SELECT timer_no FROM timers WHERE kind = ?1 AND subject = ?2")?
        .query_row(params![TimerKind::Send.code(), no.0], |row| row.get(0))
        .optional()?;
    timer.map_or(Ok(()), |timer| overtake(tx, timer, now))
}

fn runs(
    conn: &Connection,
    callout: DefinitionNo,
    before: Option<i64>,
    limit: u32,
) -> Done<Vec<CalloutRun>> {
    let mut statement = conn.prepare_cached(
        "SELECT run_no, schedule_no, due_at, started_at, begun, finished_at, attempts, result, notification_no, code,
            message
         FROM callout_runs WHERE definition_no = ?1 AND run_no < ?2 ORDER BY run_no DESC LIMIT ?3",
    )?;
    let mut found = statement.query(params![callout.0, before.unwrap_or(i64::MAX), limit])?;
    let mut runs = Vec::new();
    while let Some(row) = found.next()? {
        let no: i64 = row.get(0)?;
        let code: Option<String> = row.get(9)?;
        let message: Option<String> = row.get(10)?;
        runs.push(CalloutRun {
            no,
            schedule: Some(DefinitionNo(row.get(1)?)).filter(|schedule| schedule.0 != 0),
            due_at: row.get(2)?,
            started_at: row.get(3)?,
            begun: row.get(4)?,
            finished_at: row.get(5)?,
            attempts: row.get(6)?,
            result: CalloutResult::from_code(row.get(7)?).at("callout_runs", "result", no)?,
            notification: row.get::<_, Option<i64>>(8)?.map(NotificationNo),
            failure: code.zip(message),
        });
    }
    Ok(runs)
}

/// Deletes runs older than records are kept, at most `slice`.
pub(super) fn prune(tx: &Tx<'_>, before: UnixMs, slice: u32) -> Done<u64> {
    Ok(tx
        .conn
        .prepare_cached(
            "DELETE FROM callout_runs WHERE run_no IN
                (SELECT run_no FROM callout_runs WHERE opened_at < ?1 ORDER BY opened_at LIMIT ?2)",
        )?
        .execute(params![before, slice])? as u64)
}
