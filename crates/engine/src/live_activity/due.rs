//! Activities whose moment has come. Those of an App are written in portions, each in one transaction, and the next portion is
//! worked out meanwhile: ten thousand that are due in the same second keep the writer and this task busy at once.

use super::OpenActivity;
use super::round::{Answers, Moved, ToMove};
use crate::later::Unfired;
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
use tokio::task::{JoinError, JoinHandle};

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
        unfired: &mut Vec<Unfired>,
    ) -> Result<(), StoreError> {
        let mut all = VecDeque::with_capacity(activities.len());
        for (at, stored) in activities {
            match OpenActivity::read(stored) {
                Ok(mut open) => {
                    open.unchanged = Some(open.run.state);
                    let looks = open.run.state == ActivityState::Planned;
                    all.push_back(ToMove { at, open, looks });
                }
                Err(why) => unfired.push(Unfired::new(&due[at], why)),
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        let mut known = self.known_of(app, all.make_contiguous(), now).await?;
        let mut writing = None;
        while !all.is_empty() {
            let next: Vec<ToMove> = all.drain(..all.len().min(PORTION)).collect();
            let shared = self.clone();
            let work = async move {
                let moved = shared.worked_out(app, next, &mut known, now).await;
                (moved, known)
            };
            let worked = tokio::spawn(work).await;
            // Also where this one failed or panicked: nothing is written behind the back of whoever tries again.
            written(writing.take(), unfired).await?;
            let (moved, left) = ended(worked)?;
            known = left;
            let (shared, due, moved) = (self.clone(), due.clone(), moved?);
            let write = async move { shared.write_activities(app, &due, moved, now).await };
            writing = Some(tokio::spawn(write));
        }
        written(writing, unfired).await
    }

    /// Writes a portion. Returns what of it cannot fire.
    async fn write_activities(
        self: &Arc<Self>,
        app: AppNo,
        due: &[DueTimer],
        moved: Answers,
        now: UnixMs,
    ) -> Result<Vec<Unfired>, StoreError> {
        let mut unfired = Vec::new();
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
                    unfired.push(Unfired::new(&due[at], why));
                }
            }
        }
        // First: as long as they are not stored they hold room.
        self.fire_ready(app, due, ready, now, &mut unfired).await?;
        let written = self.activities_quiet(steps).await?;
        let quiet_at = self.hub.parts.clock.now();
        let quiet = places.into_iter().zip(written).filter(|(_, is)| *is);
        let late = quiet.map(|(at, _)| (quiet_at - due[at].due_at).max(0));
        let late: Vec<_> = late.map(|late| (TimerKind::LiveActivity, late)).collect();
        self.fired(&late);
        Ok(unfired)
    }
}

/// Waits for the portion that is being written, if one is.
async fn written(
    writing: Option<JoinHandle<Result<Vec<Unfired>, StoreError>>>,
    unfired: &mut Vec<Unfired>,
) -> Result<(), StoreError> {
    if let Some(writing) = writing {
        unfired.extend(ended(writing.await)??);
    }
    Ok(())
}

/// What a task came to. A panic goes on: whoever tries the timers tells of it, and looks for the one that is to blame.
fn ended<T>(task: Result<T, JoinError>) -> Result<T, StoreError> {
    task.map_err(|error| match error.is_panic() {
        true => std::panic::resume_unwind(error.into_panic()),
        false => StoreError::Closed,
    })
}
