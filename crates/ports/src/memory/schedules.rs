//! Schedules of the fake.

use super::MemoryStore;
use super::state::State;
use super::timers::{Of, Timer};
use crate::schedule::{DueSchedule, ScheduleRun, ScheduleStore, ScheduleTurn};
use crate::store::{NewEvent, Result};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::id::{DefinitionNo, NotificationNo};
use carillon_model::schedule::{RunCause, ScheduleDefinition, looks_from};
use carillon_model::timer::MissedRun;

impl State {
    /// Sets the timer of a schedule by its definition.
    pub(super) fn plan_schedule(&mut self, definition: &Definition, now: UnixMs) {
        self.unplan_schedule(definition.no, now);
        let runs = self.schedule_runs.values().rev();
        let last_due_at = runs
            .filter(|(of, run)| *of == definition.no && run.cause == RunCause::Due)
            .map(|(_, run)| run.last_due_at)
            .next();
        let from = looks_from(now, last_due_at);
        let Some(due_at) = ScheduleDefinition::due_at(&definition.body, from) else {
            return;
        };
        let (number, fence) = (self.number(), self.number());
        let timer = Timer {
            app: definition.app,
            of: Of::Schedule(definition.no),
            due_at: Some(due_at),
            own_due_at: None,
            fence,
            missed: MissedRun::Fire,
            attempts: 0,
            last_error: None,
            body: Bytes::new(),
        };
        self.timers.insert(number, timer);
    }

    pub(super) fn unplan_schedule(&mut self, no: DefinitionNo, now: UnixMs) {
        let timers = self.timers.iter();
        let its: Vec<i64> = timers
            .filter(|(_, timer)| timer.of == Of::Schedule(no))
            .map(|(number, _)| *number)
            .collect();
        self.overtake_callouts(&its, now);
        self.timers.retain(|_, timer| timer.of != Of::Schedule(no));
    }

    pub(super) fn due_schedule(&self, no: DefinitionNo) -> Option<DueSchedule> {
        let mut all = self.definitions.values();
        let (found, _) = all.find(|(definition, _)| definition.no == no)?;
        Some(DueSchedule {
            no,
            name: found.name.clone(),
            body: found.body.clone(),
        })
    }

    /// Writes down what came of a time. `false`: its timer is another by now.
    pub(super) fn write_turn(&mut self, turn: &ScheduleTurn, sent: Option<NotificationNo>) -> bool {
        if let Some((claim, next)) = turn.timer {
            let fence = self.number();
            let Some(timer) = self.claimed(claim) else {
                return false;
            };
            (timer.fence, timer.due_at, timer.attempts) = (fence, next, 0);
            (timer.last_error, timer.own_due_at) = (None, None);
            if next.is_none() {
                self.timers.remove(&claim.no);
            }
        }
        let last = turn.runs.len().saturating_sub(1);
        for (at, run) in turn.runs.iter().enumerate() {
            let mut run = run.clone();
            run.notification = sent.filter(|_| at == last);
            let no = self.number();
            self.schedule_runs.insert(no, (turn.schedule, run));
        }
        if let Some(end) = &turn.callout {
            self.end_callout(end, sent);
        }
        true
    }

    pub(super) fn prune_runs(&mut self, before: UnixMs) -> u64 {
        let kept = self.schedule_runs.len();
        self.schedule_runs
            .retain(|_, (_, run)| run.fired_at >= before);
        (kept - self.schedule_runs.len()) as u64
    }
}

#[async_trait]
impl ScheduleStore for MemoryStore {
    async fn record_turn(
        &self,
        turn: ScheduleTurn,
        event: Option<NewEvent>,
        now: UnixMs,
    ) -> Result<bool> {
        let mut state = self.write()?;
        if !state.write_turn(&turn, None) {
            return Ok(false);
        }
        if let Some(event) = event {
            state.append(event, now);
        }
        Ok(true)
    }

    async fn schedule_runs(
        &self,
        schedule: DefinitionNo,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ScheduleRun>> {
        let state = self.read();
        let newest_first = state.schedule_runs.iter().rev();
        let wanted = newest_first
            .filter(|(no, (of, _))| *of == schedule && before.is_none_or(|before| **no < before));
        let runs = wanted.map(|(no, (_, what))| ScheduleRun {
            no: *no,
            what: what.clone(),
        });
        Ok(runs.take(limit as usize).collect())
    }
}
