//! Call-outs of the fake.

use super::MemoryStore;
use super::state::State;
use super::timers::Of;
use crate::callout::{CalloutBegin, CalloutEnd, CalloutRun, CalloutStore, OpenCallout};
use crate::store::Result;
use crate::timer::{DueTimer, TimerClaim};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::callout::CalloutResult;
use carillon_model::id::{DefinitionNo, NotificationNo};

/// A run, with its call-out and its timer.
#[derive(Debug)]
pub(super) struct Run {
    callout: DefinitionNo,
    timer: i64,
    opened_at: UnixMs,
    what: CalloutRun,
}

impl State {
    fn begin_callout(&mut self, begin: &CalloutBegin) -> Option<OpenCallout> {
        let fence = self.number();
        let timer = self.claimed(begin.timer)?;
        (timer.fence, timer.due_at) = (fence, Some(begin.until));
        if let Of::Schedule(_) = timer.of {
            timer.own_due_at = Some(begin.due_at);
        }
        let mut runs = self.callout_runs.values();
        let open = runs
            .find(|run| run.timer == begin.timer.no && run.what.finished_at.is_none())
            .map(|run| run.what.no);
        let no = open.unwrap_or_else(|| {
            let no = self.number();
            let what = CalloutRun {
                no,
                schedule: begin.schedule,
                due_at: begin.due_at,
                started_at: None,
                begun: 0,
                finished_at: None,
                attempts: 0,
                result: CalloutResult::Asking,
                notification: begin.notification,
                failure: None,
            };
            let run = Run {
                callout: begin.callout,
                timer: begin.timer.no,
                opened_at: begin.now,
                what,
            };
            self.callout_runs.insert(no, run);
            no
        });
        let run = &mut self.callout_runs.get_mut(&no)?.what;
        if begin.is_asked {
            run.started_at.get_or_insert(begin.now);
            run.begun += 1;
        }
        Some(OpenCallout {
            run: no,
            timer: TimerClaim {
                no: begin.timer.no,
                fence,
            },
            due_at: run.due_at,
            begun: run.begun,
        })
    }

    /// One that has ended stays as it is.
    pub(super) fn end_callout(&mut self, end: &CalloutEnd, sent: Option<NotificationNo>) {
        let run = self.callout_runs.get_mut(&end.run);
        let Some(run) = run.filter(|run| run.what.finished_at.is_none()) else {
            return;
        };
        let what = &mut run.what;
        (what.finished_at, what.result) = (Some(end.at), end.result);
        what.attempts = end.attempts;
        what.notification = sent.or(what.notification);
        what.failure = end.failure.clone();
    }

    /// Timers of these numbers are set anew, or gone: what is asked for them is asked in vain.
    pub(super) fn overtake_callouts(&mut self, timers: &[i64], now: UnixMs) {
        let runs = self.callout_runs.values_mut();
        for run in runs.filter(|run| timers.contains(&run.timer)) {
            if run.what.finished_at.is_none() {
                (run.what.finished_at, run.what.result) = (Some(now), CalloutResult::Overtaken);
            }
        }
    }

    pub(super) fn prune_callouts(&mut self, before: UnixMs) -> u64 {
        let kept = self.callout_runs.len();
        self.callout_runs.retain(|_, run| run.opened_at >= before);
        (kept - self.callout_runs.len()) as u64
    }
}

#[async_trait]
impl CalloutStore for MemoryStore {
    async fn begin_callout(&self, begin: CalloutBegin) -> Result<Option<OpenCallout>> {
        Ok(self.write()?.begin_callout(&begin))
    }

    async fn open_callouts(&self, limit: u32) -> Result<Vec<DueTimer>> {
        let state = self.read();
        let open = state
            .callout_runs
            .values()
            .filter(|run| run.what.finished_at.is_none());
        let timers = open.filter_map(|run| state.due(run.timer));
        Ok(timers.take(limit as usize).collect())
    }

    async fn end_callout(&self, end: CalloutEnd) -> Result<()> {
        self.write()?.end_callout(&end, None);
        Ok(())
    }

    async fn callout_runs(
        &self,
        callout: DefinitionNo,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<CalloutRun>> {
        let state = self.read();
        let newest_first = state.callout_runs.iter().rev();
        let wanted = newest_first.filter(|(no, run)| {
            run.callout == callout && before.is_none_or(|before| **no < before)
        });
        let runs = wanted.map(|(_, run)| run.what.clone());
        Ok(runs.take(limit as usize).collect())
    }
}
