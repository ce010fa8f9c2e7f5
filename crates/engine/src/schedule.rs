//! Schedules: what becomes of one whose time has come, or that somebody asks to run.
//!
//! The notification, the run and the next time are one transaction. What is refused is a failed run with
//! the reason, told by `schedule.failed`; the schedule goes on with its next time.

use crate::draft::{Draft, draft};
use crate::hub::Hub;
use crate::request::{Accepted, IdempotencyKey, Origin, Refusal, SendItem};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::event::{EventKind, ScheduleFailed};
use carillon_model::id::AppNo;
use carillon_model::problem::FieldProblem;
use carillon_model::schedule::{RunCause, RunResult, ScheduleDefinition, SchedulePlan, Skipped};
use carillon_ports::news;
use carillon_ports::schedule::{DueSchedule, NewRun, ScheduleTurn};
use carillon_ports::store::StoreError;
use carillon_ports::timer::DueTimer;
use std::sync::Arc;

/// When a schedule that is to be stored is due; everything that is wrong with it, with what no
/// notification of it could be accepted for now.
pub(crate) fn plan(
    hub: &Hub,
    app: AppNo,
    definition: &ScheduleDefinition,
) -> Result<SchedulePlan, Vec<FieldProblem>> {
    let now = hub.parts.clock.now();
    let (plan, mut problems) = match definition.plan_after(now) {
        Ok(plan) => (Some(plan), Vec::new()),
        Err(problems) => (None, problems),
    };
    let is_instant = |problem: &FieldProblem| problem.code == "schedule.notification";
    // What may not be said at all is not judged besides.
    if !problems.iter().any(is_instant) {
        let item = item(definition, Origin::default());
        let found = draft(hub, app, 0, item, now).err().unwrap_or_default();
        problems.extend(found.into_iter().map(|found| found.under("/notification")));
    }
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems),
    }
}

fn item(definition: &ScheduleDefinition, origin: Origin) -> SendItem {
    SendItem {
        request: definition.notification.clone(),
        idempotency: None,
        origin,
    }
}

fn run(due_at: UnixMs, now: UnixMs, cause: RunCause, result: RunResult) -> NewRun {
    NewRun {
        due_at,
        last_due_at: due_at,
        times: 1,
        fired_at: now,
        cause,
        result,
        notification: None,
        failure: None,
    }
}

fn skipped(skipped: Skipped, now: UnixMs) -> NewRun {
    NewRun {
        last_due_at: skipped.last,
        times: skipped.count,
        ..run(skipped.first, now, RunCause::Due, RunResult::Skipped)
    }
}

/// A stored schedule; the error is a sentence.
fn read(schedule: &DueSchedule) -> Result<ScheduleDefinition, String> {
    serde_json::from_str(&schedule.body).map_err(|error| error.to_string())
}

/// Why it was refused: the first code, and where and why in words.
pub(crate) fn first(problems: &[FieldProblem]) -> (String, String) {
    let first = problems.first();
    first.map_or_else(Default::default, |first| {
        (first.code.to_owned(), first.to_string())
    })
}

/// What a due schedule is to do.
pub(crate) struct Turn {
    pub(crate) definition: ScheduleDefinition,
    /// As it is written down: where it fires, the last run is that, and says that it was sent.
    pub(crate) written: ScheduleTurn,
    /// Which time fires.
    pub(crate) fires: Option<UnixMs>,
}

/// What a schedule is to do whose timer is due; the error is a sentence.
pub(crate) fn turn(
    hub: &Hub,
    timer: &DueTimer,
    schedule: &DueSchedule,
    now: UnixMs,
) -> Result<Turn, String> {
    let definition = read(schedule)?;
    let plan = definition.plan().map_err(|problems| first(&problems).1)?;
    let turn = plan.turn(timer.due_at, now, hub.parts.config.timer_grace_ms);
    let skipped = turn.skipped.map(|times| skipped(times, now));
    let sent = turn
        .fires
        .map(|due_at| run(due_at, now, RunCause::Due, RunResult::Sent));
    let written = ScheduleTurn {
        app: timer.app,
        schedule: schedule.no,
        timer: Some((timer.claim, turn.next.map(|next| next.at))),
        runs: skipped.into_iter().chain(sent).collect(),
        callout: None,
    };
    Ok(Turn {
        definition,
        written,
        fires: turn.fires,
    })
}

impl Shared {
    /// The notification that a due schedule sends now, drafted at the place `at`; `Ok(None)`: none, and
    /// what came of it is written down. An error is a sentence: the schedule cannot be read, which only
    /// happens to what a newer server wrote.
    pub(crate) async fn schedule_draft(
        &self,
        at: usize,
        timer: &DueTimer,
        schedule: &DueSchedule,
        now: UnixMs,
    ) -> Result<Result<Option<Draft>, String>, StoreError> {
        let hub = &self.hub;
        let Turn {
            definition,
            written,
            fires,
        } = match turn(hub, timer, schedule, now) {
            Ok(turn) => turn,
            Err(why) => return Ok(Err(why)),
        };
        if fires.is_none() {
            hub.parts.store.record_turn(written, None, now).await?;
            return Ok(Ok(None));
        }
        let origin = Origin {
            turn: Some(written.clone()),
            ..Origin::default()
        };
        match draft(hub, timer.app, at, item(&definition, origin), now) {
            Ok(draft) => Ok(Ok(Some(draft))),
            Err(problems) => {
                self.fail_run(schedule, written, &problems, now).await?;
                Ok(Ok(None))
            }
        }
    }

    /// Writes down that the last run of a turn failed, and tells it.
    pub(crate) async fn fail_run(
        &self,
        schedule: &DueSchedule,
        mut turn: ScheduleTurn,
        problems: &[FieldProblem],
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let (app, name) = (turn.app, &schedule.name);
        let (code, message) = first(problems);
        let Some(run) = turn.runs.last_mut() else {
            return Ok(());
        };
        let data = ScheduleFailed {
            schedule: name.clone(),
            due_at: run.due_at,
            code: code.clone(),
            message: message.clone(),
        };
        (run.result, run.failure) = (RunResult::Failed, Some((code, message.clone())));
        let event = news::event(app, EventKind::ScheduleFailed, name, &data);
        let store = &self.hub.parts.store;
        if store.record_turn(turn, Some(event), now).await? {
            tracing::warn!(%app, schedule = name, "a run of the schedule {name} failed: {message}");
            self.hub.tell();
        }
        Ok(())
    }

    /// See [`crate::Engine::run_schedule`].
    pub(crate) async fn run_schedule(
        self: &Arc<Self>,
        app: AppNo,
        stored: &Definition,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<Accepted, Refusal>, StoreError> {
        let definition: ScheduleDefinition = serde_json::from_str(&stored.body)
            .map_err(|error| StoreError::Corrupt(format!("definition {}: {error}", stored.no)))?;
        let now = self.hub.parts.clock.now();
        let mut turn = ScheduleTurn {
            app,
            schedule: stored.no,
            timer: None,
            runs: vec![run(now, now, RunCause::Asked, RunResult::Sent)],
            callout: None,
        };
        let origin = Origin {
            turn: Some(turn.clone()),
            ..Origin::default()
        };
        let mut item = item(&definition, origin);
        item.idempotency = idempotency;
        let sent = self.send(app, vec![item]).await?;
        let answer = sent.into_iter().next().unwrap_or(Err(Refusal::Stale));
        if let Err(Refusal::Invalid(problems)) = &answer {
            for run in &mut turn.runs {
                (run.result, run.failure) = (RunResult::Failed, Some(first(problems)));
            }
            self.hub.parts.store.record_turn(turn, None, now).await?;
        }
        Ok(answer)
    }
}
