//! Steps of Live Activities: each under its fence, with its timer, what happened and what is told.

use super::activity_errands::set_errand;
use super::records;
use crate::db::{Connection, OptionalExtension, Params, Statement, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::live_activity::{ActivityClaim, ActivityStep, MINUTE_MS};
use std::collections::BTreeSet;

const FENCE: &str = "SELECT fence FROM live_activities WHERE activity_no = ?1";
/// A step that changes what is declared, or the state.
const STEP_AND_PLAN: &str =
    "UPDATE live_activities SET fence = ?3, run = ?4, updated_at = ?5, state = ?6,
        recipient = ?7, attributes_type = ?8, plan = ?9, refused = NULL
     WHERE activity_no = ?1 AND fence = ?2";
/// Any other. What stands in an index stays as it is.
const STEP: &str =
    "UPDATE live_activities SET fence = ?3, run = ?4, updated_at = ?5, refused = NULL
     WHERE activity_no = ?1 AND fence = ?2";

/// Steps are about to be written: asks for all their fences at once.
pub(super) fn fences_ahead<'s>(
    conn: &Connection,
    steps: impl Iterator<Item = &'s ActivityStep>,
) -> Done<()> {
    let known = steps.filter_map(|step| match step.claim {
        ActivityClaim::Known { no, .. } => Some(no),
        ActivityClaim::New => None,
    });
    // Where one is there twice, the second must see what the first has written.
    let known: BTreeSet<i64> = known.collect();
    if known.len() > 1 {
        conn.prepare_cached(FENCE)?
            .ahead(known.into_iter().map(|no| [no]))?;
    }
    Ok(())
}

/// Writes a step: the activity, its timer, what happened, what is told. `false`: it is not as it was read any more, and
/// nothing was written.
pub(super) fn write_step(
    tx: &mut Tx<'_>,
    step: &ActivityStep,
    sent: Option<NotificationNo>,
) -> Done<bool> {
    let fence = tx.marks.timer.take(tx.conn)?;
    let (no, changed) = match step.claim {
        // The number of a new one is its first fence.
        ActivityClaim::New => {
            let changed = tx
                .conn
                .prepare_cached(
                    "INSERT INTO live_activities (activity_no, app_no, id, fence, state, recipient, attributes_type,
                        plan, run, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?1, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT (app_no, id) DO NOTHING",
                )?
                .execute(params![
                    fence,
                    step.app.0,
                    step.id,
                    step.state.code(),
                    step.recipient,
                    step.attributes_type,
                    step.plan,
                    step.run,
                    step.now
                ])?;
            (fence, changed)
        }
        ActivityClaim::Known { no, fence: known } => {
            // A server is asked first, for all steps at once; then nothing of what follows is waited for.
            if tx.conn.session().is_some() {
                let mut statement = tx.conn.prepare_cached(FENCE)?;
                let found = statement.query_row([no], |row| row.get(0)).optional()?;
                if found != Some(known) {
                    return Ok(false);
                }
            }
            let mut statement = tx.conn.prepare_cached(match &step.plan {
                Some(_) => STEP_AND_PLAN,
                None => STEP,
            })?;
            let (run, now) = (&step.run, step.now);
            let changed = match &step.plan {
                Some(plan) => changed_by(
                    tx.conn,
                    &mut statement,
                    params![
                        no,
                        known,
                        fence,
                        run,
                        now,
                        step.state.code(),
                        step.recipient,
                        step.attributes_type,
                        plan
                    ],
                )?,
                None => {
                    let values = params![no, known, fence, run, now];
                    changed_by(tx.conn, &mut statement, values)?
                }
            };
            (no, changed)
        }
    };
    if changed == 0 {
        return Ok(false);
    }
    set_timer(tx, step.app, no, step.next_at)?;
    set_errand(tx, no, step.errand)?;
    for what in &step.records {
        let number = tx.marks.timer.take(tx.conn)?;
        let text = serde_json::to_string(what)
            .map_err(|error| corrupt("live_activity_records", "what", number, error))?;
        tx.conn
            .prepare_cached(
                "INSERT INTO live_activity_records (record_no, activity_no, at, notification_no, what)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .run(params![number, no, step.now, sent.map(|no| no.0), text])?;
    }
    for event in &step.events {
        records::add_event(tx, event, step.now)?;
    }
    let minute = step.now.div_euclid(MINUTE_MS);
    for phone in &step.urgent {
        tx.conn
            .prepare_cached(
                "INSERT INTO live_activity_urgent (device_no, minute, pushes) VALUES (?1, ?2, 1)
                 ON CONFLICT (device_no, minute) DO UPDATE SET pushes = live_activity_urgent.pushes + 1",
            )?
            .run(params![phone.0, minute])?;
    }
    Ok(true)
}

/// How many rows it changes. A server is not waited for: its answer is known, as nobody else writes meanwhile.
fn changed_by(
    conn: &Connection,
    statement: &mut Statement<'_>,
    values: impl Params,
) -> Done<usize> {
    if conn.session().is_some() {
        statement.run(values)?;
        return Ok(1);
    }
    Ok(statement.execute(values)?)
}

fn set_timer(tx: &mut Tx<'_>, app: AppNo, no: i64, next_at: Option<UnixMs>) -> Done<()> {
    let kind = TimerKind::LiveActivity.code();
    let Some(next_at) = next_at else {
        tx.conn
            .prepare_cached("DELETE FROM timers WHERE kind = ?1 AND subject = ?2")?
            .run(params![kind, no])?;
        return Ok(());
    };
    let number = tx.marks.timer.take(tx.conn)?;
    // It nearly always has one; a server would have to be asked.
    if tx.conn.session().is_none()
        && tx
            .conn
            .prepare_cached(
                "UPDATE timers SET due_at = ?1, fence = ?2, attempts = 0, last_error = NULL, body = x''
                 WHERE kind = ?3 AND subject = ?4",
            )?
            .execute(params![next_at, number, kind, no])?
            == 1
    {
        return Ok(());
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO timers (timer_no, app_no, kind, subject, due_at, fence, missed, attempts, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?1, ?6, 0, x'')
             ON CONFLICT (kind, subject) DO UPDATE SET
                due_at = excluded.due_at, fence = excluded.fence, attempts = 0, last_error = NULL, body = excluded.body",
        )?
        .run(params![
            number,
            app.0,
            kind,
            no,
            next_at,
            // What becomes of what was missed is the plan's business.
            MissedRun::Fire.code()
        ])?;
    Ok(())
}
