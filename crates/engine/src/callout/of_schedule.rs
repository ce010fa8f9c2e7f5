//! What comes of asking for a schedule: one transaction with its turn.

use super::{Errand, of_answer};
use crate::draft::draft;
use crate::intake::{answers_for, make};
use crate::request::{Origin, Refusal, SendItem};
use crate::schedule::{Turn, turn};
use crate::service::Shared;
use carillon_model::callout::CalloutAnswer;
use carillon_model::problem::FieldProblem;
use carillon_model::schedule::RunResult;
use carillon_model::timer::TimerKind;
use carillon_ports::callout::CalloutEnd;
use carillon_ports::schedule::{DueSchedule, ScheduleTurn};
use carillon_ports::store::StoreError;
use std::sync::Arc;

impl Shared {
    /// The schedule's turn, with the end of this run.
    fn asked_turn(
        &self,
        errand: &Errand,
        schedule: &DueSchedule,
        end: CalloutEnd,
    ) -> Result<Turn, String> {
        let mut turn = turn(&self.hub, &errand.timer, schedule, errand.now)?;
        turn.written.callout = Some(end);
        Ok(turn)
    }

    /// See [`Shared::send_answer`].
    pub(super) async fn schedule_says(
        self: &Arc<Self>,
        errand: &Errand,
        schedule: &DueSchedule,
        says: CalloutAnswer,
        end: CalloutEnd,
    ) -> Result<Result<(), FieldProblem>, StoreError> {
        let hub = &self.hub;
        let app = errand.timer.app;
        let unreadable = |why| FieldProblem::new("", "schedule.unreadable", why);
        let turn = match self.asked_turn(errand, schedule, end.clone()) {
            Ok(turn) => turn,
            Err(why) => return Ok(Err(unreadable(why))),
        };
        let Some(mut request) = turn.definition.notification else {
            return Ok(Err(unreadable("it sends no notification".to_owned())));
        };
        if let Err(problem) = request.say(says) {
            return Ok(Err(problem));
        }
        let item = SendItem {
            request,
            idempotency: None,
            origin: Origin {
                turn: Some(turn.written),
                ..Origin::default()
            },
        };
        let now = hub.parts.clock.now();
        let draft = match draft(hub, app, 0, item, now) {
            Ok(draft) => draft,
            Err(problems) => return Ok(Err(of_answer(problems))),
        };
        let mut drafts = [draft];
        let mut resolved = answers_for(hub, app, &mut drafts, now).await?;
        let [draft] = drafts;
        let recipients = match resolved.pop() {
            Some(Ok(recipients)) => recipients,
            Some(Err(problems)) => return Ok(Err(of_answer(problems))),
            None => Vec::new(),
        };
        let ready = make(hub, app, draft, &recipients, now);
        let answers = self.commit(app, vec![ready]).await?;
        match answers.into_iter().next() {
            Some(Ok(_)) => {
                let late = (hub.parts.clock.now() - errand.open.due_at).max(0);
                hub.meters.timers_fired(&[(TimerKind::Schedule, late)]);
                self.told_callout(errand, end.result);
                Ok(Ok(()))
            }
            // It was changed, paused or deleted while it was asked.
            Some(Err(Refusal::Stale)) | None => {
                self.overtaken(errand, end).await?;
                Ok(Ok(()))
            }
            Some(Err(other)) => {
                let message = format!("it was refused: {other:?}");
                Ok(Err(FieldProblem::new("", "callout.refused", message)))
            }
        }
    }

    /// See [`Shared::skip`].
    pub(super) async fn skip_run(
        &self,
        errand: &Errand,
        schedule: &DueSchedule,
        end: CalloutEnd,
    ) -> Result<(), StoreError> {
        let (result, now) = (end.result, end.at);
        let store = &self.hub.parts.store;
        let is_written = match self.written(errand, schedule, &end, RunResult::Skipped) {
            Some(written) => store.record_turn(written, None, now).await?,
            None => false,
        };
        if !is_written {
            return self.overtaken(errand, end).await;
        }
        self.told_callout(errand, result);
        Ok(())
    }

    /// The run fails, which is told. Nothing is written if the schedule is another by now.
    pub(super) async fn fail_asked_run(
        &self,
        errand: &Errand,
        schedule: &DueSchedule,
        problem: &FieldProblem,
        end: &CalloutEnd,
    ) -> Result<(), StoreError> {
        let Some(written) = self.written(errand, schedule, end, RunResult::Failed) else {
            return Ok(());
        };
        let problems = std::slice::from_ref(problem);
        self.fail_run(schedule, written, problems, end.at).await
    }

    /// The schedule's turn with another result; `None`: it cannot be read.
    fn written(
        &self,
        errand: &Errand,
        schedule: &DueSchedule,
        end: &CalloutEnd,
        result: RunResult,
    ) -> Option<ScheduleTurn> {
        let turn = self.asked_turn(errand, schedule, end.clone()).ok()?;
        let mut written = turn.written;
        if let Some(run) = written.runs.last_mut() {
            run.result = result;
        }
        Some(written)
    }
}
