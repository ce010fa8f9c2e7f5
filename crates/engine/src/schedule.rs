//! Schedules: what becomes of one whose time has come, or that somebody asks to run.
//!
//! The notification, the run and the next time are one transaction. What is refused is a failed run with
//! the reason, told by `schedule.failed`; the schedule goes on with its next time.

use crate::campaign;
use crate::draft::{Draft, draft};
use crate::hub::Hub;
use crate::request::{Accepted, IdempotencyKey, Origin, Refusal, SendItem};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::event::{EventKind, ScheduleFailed};
use carillon_model::id::{AppNo, NotificationNo};
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
    // What may not be said at all is not judged besides.
    let is_unsaid = |problem: &FieldProblem| {
        problem.code == "schedule.notification" || problem.pointer.starts_with("/campaign")
    };
    if !problems.iter().any(is_unsaid) {
        let next = plan.as_ref().and_then(|plan| plan.next(now));
        // As it will be judged then.
        let at = match &definition.campaign {
            Some(_) => next.map_or(now, |next| next.at),
            None => now,
        };
        let found = match item(hub, definition, at, at, Origin::default()) {
            Ok(item) => {
                let found = draft(hub, app, 0, item, at).err().unwrap_or_default();
                placed(definition, found)
            }
            Err(found) => found,
        };
        problems.extend(found);
    }
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(problems),
    }
}

/// What it sends for the time `due_at`; what is wrong with its campaign has pointers into the schedule.
fn item(
    hub: &Hub,
    definition: &ScheduleDefinition,
    due_at: UnixMs,
    now: UnixMs,
    mut origin: Origin,
) -> Result<SendItem, Vec<FieldProblem>> {
    let unsaid = || {
        let message = "expected exactly one of notification and campaign";
        vec![FieldProblem::new(
            "/notification",
            "schedule.notification",
            message,
        )]
    };
    let request = match (&definition.notification, &definition.campaign) {
        (Some(notification), _) => notification.clone(),
        (None, Some(asked)) => {
            let lead_ms = hub.parts.config.campaign_lead_ms.into();
            let campaign = asked.of_run(due_at, lead_ms).ok_or_else(unsaid)?;
            let checked = campaign.check(now, lead_ms).map_err(|found| {
                let found = found.into_iter();
                found
                    .map(|found| found.under("/campaign"))
                    .collect::<Vec<_>>()
            })?;
            origin.campaign = Some(campaign::begun(checked.name, &checked.plan));
            checked.notification
        }
        (None, None) => return Err(unsaid()),
    };
    Ok(SendItem {
        request,
        idempotency: None,
        origin,
    })
}

/// Problems of what it sends, with pointers into the schedule.
fn placed(definition: &ScheduleDefinition, problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    let (problems, prefix) = match &definition.notification {
        Some(_) => (problems, "/notification"),
        None => (campaign::own(problems), "/campaign"),
    };
    let placed = problems.into_iter().map(|found| found.under(prefix));
    placed.collect()
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

/// The campaign of this time is there already.
pub(crate) fn name_taken(no: NotificationNo) -> FieldProblem {
    let message = format!("expected a name that no campaign has: notification {no} has it");
    FieldProblem::new("/campaign/name", "schedule.name_taken", message)
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
        let Some(fires) = fires else {
            hub.parts.store.record_turn(written, None, now).await?;
            return Ok(Ok(None));
        };
        let origin = Origin {
            turn: Some(written.clone()),
            ..Origin::default()
        };
        let drafted = item(hub, &definition, fires, now, origin)
            .and_then(|item| draft(hub, timer.app, at, item, now));
        match drafted {
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
        let hub = &self.hub;
        let now = hub.parts.clock.now();
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
        let answer = match item(hub, &definition, now, now, origin) {
            Ok(item) => {
                let item = SendItem {
                    idempotency,
                    ..item
                };
                let sent = self.send(app, vec![item]).await?;
                sent.into_iter().next().unwrap_or(Err(Refusal::Stale))
            }
            Err(problems) => Err(Refusal::Invalid(problems)),
        };
        let answer = match answer {
            // Somebody asked for the same in the same millisecond, or has made a campaign of that name.
            Err(Refusal::NameTaken { no, .. }) => Err(Refusal::Invalid(vec![name_taken(no)])),
            other => other,
        };
        if let Err(Refusal::Invalid(problems)) = &answer {
            for run in &mut turn.runs {
                (run.result, run.failure) = (RunResult::Failed, Some(first(problems)));
            }
            self.hub.parts.store.record_turn(turn, None, now).await?;
        }
        Ok(answer)
    }
}
