//! Activities whose moment has come. Those of an App are written in portions, each in one transaction, and the next portion is
//! worked out meanwhile: ten thousand that are due in the same second keep the writer and this task busy at once.

use super::OpenActivity;
use super::round::{Answers, Moved, ToMove};
use crate::later::{Firing, Unfired};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::live_activity::ActivityState;
use carillon_model::problem::first_sentence;
use carillon_model::timer::TimerKind;
use carillon_ports::live_activity::StoredActivity;
use carillon_ports::store::StoreError;
use carillon_ports::timer::DueTimer;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Most activities that are written in one transaction. What phones got before is looked up once for all that are due
/// together, so that a phone's budget holds over portions.
const PORTION: usize = 125;

impl Shared {
    /// Fires timers of activities of one App; each has its place in `due`.
    pub(crate) async fn fire_activities(
        self: &Arc<Self>,
        app: AppNo,
        due: &Arc<[DueTimer]>,
        activities: Vec<(usize, &StoredActivity)>,
        now: UnixMs,
        firing: &mut Firing,
    ) -> Result<(), StoreError> {
        let mut all = VecDeque::with_capacity(activities.len());
        for (at, stored) in activities {
            match OpenActivity::read(stored) {
                Ok(mut open) => {
                    open.unchanged = Some(open.run.state);
                    let looks = open.run.state == ActivityState::Planned;
                    all.push_back(ToMove { at, open, looks });
                }
                Err(why) => firing.unfired.push(Unfired::new(&due[at], why)),
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        let mut known = self.known_of(app, all.make_contiguous(), now).await?;
        let mut writing = None;
        while !all.is_empty() {
            let next = all.drain(..all.len().min(PORTION)).collect();
            let moved = self.worked_out(app, next, &mut known, now).await;
            // Also where this one fails: nothing is written behind the back of whoever tries again.
            written(&mut writing, firing).await?;
            let (shared, due, moved) = (self.clone(), due.clone(), moved?);
            let write = async move { shared.write_activities(app, &due, moved, now).await };
            writing = Some(tokio::spawn(write));
        }
        written(&mut writing, firing).await
    }

    /// Writes a portion.
    async fn write_activities(
        self: &Arc<Self>,
        app: AppNo,
        due: &[DueTimer],
        moved: Answers,
        now: UnixMs,
    ) -> Result<Firing, StoreError> {
        let mut firing = Firing::default();
        let mut ready = Vec::with_capacity(moved.len());
        let (mut places, mut steps) = (Vec::new(), Vec::new());
        for (at, moved) in moved {
            match moved {
                Ok(Moved::Push(push)) => ready.push(*push),
                Ok(Moved::Quiet(step)) => {
                    places.push(at);
                    steps.push(*step);
                }
                Err(problems) => {
                    let why = first_sentence(&problems);
                    firing.unfired.push(Unfired::new(&due[at], why));
                }
            }
        }
        let written = self.activities_quiet(steps).await?;
        let quiet_at = self.hub.parts.clock.now();
        let quiet = places.into_iter().zip(written).filter(|(_, is)| *is);
        let late = quiet.map(|(at, _)| (quiet_at - due[at].due_at).max(0));
        let late = late.map(|late| (TimerKind::LiveActivity, late));
        firing.lateness.extend(late);
        self.fire_ready(app, due, ready, now, &mut firing).await?;
        Ok(firing)
    }
}

/// Waits for the portion that is being written, if one is.
async fn written(
    writing: &mut Option<JoinHandle<Result<Firing, StoreError>>>,
    firing: &mut Firing,
) -> Result<(), StoreError> {
    let Some(writing) = writing.take() else {
        return Ok(());
    };
    let of_it = match writing.await {
        Ok(of_it) => of_it?,
        // Whoever tries the timers tells of it, and looks for the one that is to blame.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return Err(StoreError::Closed),
    };
    firing.lateness.extend(of_it.lateness);
    firing.unfired.extend(of_it.unfired);
    Ok(())
}
