//! Pausing a campaign, and letting it go on.

use super::json;
use crate::core::Core;
use crate::job::{JobKey, Move, Step};
use crate::moment::{Moment, ms};
use crate::request::{PauseAnswer, ResumeAnswer};
use crate::service::Shared;
use carillon_model::campaign::CampaignState;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_ports::fault::{self, Bug};
use carillon_ports::store::StoreError;
use tokio::time::Instant;

/// Letting one go on that keeps changing is tried so often.
const RESUME_TRIES: u32 = 5;

impl Shared {
    /// See [`crate::Engine::pause_campaign`].
    pub(crate) async fn pause_campaign(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<PauseAnswer>, StoreError> {
        if fault::planted(Bug::IgnorePause) {
            return Ok(Some(PauseAnswer::Paused { in_flight: 0 }));
        }
        let deadline = Instant::now() + ms(self.hub.parts.config.pause_wait_ms);
        match self.hub.parts.store.pause(app, no).await? {
            None => return Ok(None),
            Some(false) => return Ok(Some(PauseAnswer::Over)),
            Some(true) => {}
        }
        self.hub.wake_others();
        fault::stage("pause.marked");
        self.core.lock().pause(no, self.hub.moment());
        self.hub.bells.dispatch.notify_one();
        self.hub.bells.settle.notify_one();
        self.until(deadline, |core| core.in_flight_of(no) == 0)
            .await;
        let elsewhere = self.left_elsewhere(no, deadline).await?;
        let in_flight = self.core.lock().in_flight_of(no) + elsewhere;
        Ok(Some(PauseAnswer::Paused { in_flight }))
    }

    /// See [`crate::Engine::resume_campaign`].
    pub(crate) async fn resume_campaign(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<ResumeAnswer>, StoreError> {
        let store = &self.hub.parts.store;
        for _ in 0..RESUME_TRIES {
            let Some(view) = store.campaign(app, no).await? else {
                return Ok(None);
            };
            let head = &view.notification.head;
            if head.cancelled || view.notification.completed_at.is_some() {
                return Ok(Some(ResumeAnswer::Over));
            }
            if !head.paused {
                return Ok(Some(ResumeAnswer::Going));
            }
            let mut state: CampaignState =
                serde_json::from_str(&view.head.state).map_err(|error| {
                    StoreError::Corrupt(format!("campaigns.state of {no}: {error}"))
                })?;
            state.go_on();
            let now = self.hub.parts.clock.now();
            let fence = view.head.fence;
            if store.resume(app, no, fence, json(&state), now).await? {
                self.hub.wake_others();
                self.core.lock().paused.remove(&no);
                self.hub.bells.fanout.notify_one();
                self.hub.bells.dispatch.notify_one();
                return Ok(Some(ResumeAnswer::Going));
            }
        }
        Ok(Some(ResumeAnswer::Contended))
    }
}

impl Core {
    /// Nothing more of it goes to a pool; what waits in memory steps aside.
    pub(crate) fn pause(&mut self, no: NotificationNo, moment: Moment) {
        self.paused.insert(no);
        for key in self.jobs.keys(|job| job.note.no == no) {
            self.step_aside(key, moment);
        }
    }

    /// Whether a notification rests.
    pub(crate) fn is_paused(&self, no: NotificationNo) -> bool {
        !self.paused.is_empty() && self.paused.contains(&no)
    }

    /// Deliveries of it that are being read for, or that a pool has.
    fn in_flight_of(&self, no: NotificationNo) -> u64 {
        let of_it = self.jobs.iter().filter(|(_, job)| job.note.no == no);
        of_it.map(|(_, job)| u64::from(job.busy)).sum()
    }

    /// What of a job nobody is sending goes back to the store, where it is put aside.
    fn step_aside(&mut self, key: JobKey, moment: Moment) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        if job.busy == 0 {
            return self.give_back(key, moment.now);
        }
        let queued: Vec<u16> = job
            .open_positions()
            .into_iter()
            .filter(|position| job.slot(*position).step == Step::Queued)
            .collect();
        self.put_aside(key, &queued, moment);
    }

    /// These deliveries of a job go on in a work row of their own, which waits until its notification goes
    /// on. No attempt is counted.
    pub(crate) fn put_aside(&mut self, key: JobKey, positions: &[u16], moment: Moment) {
        let Some(in_doubt) = self.jobs.get(key).map(|job| job.work.in_doubt) else {
            return;
        };
        for position in positions {
            let moved = Move {
                position: *position,
                due_at: moment.now,
                delay_ms: 0,
                in_doubt,
                is_held: true,
            };
            self.move_on(key, moved, moment);
        }
    }
}
