//! The gatherer of beats: jobs that tell something at the same time are one transaction, and each is answered when that is on
//! disk.
//!
//! While the store takes nothing a beat is refused, and few jobs tell it again. That a job has ended well is remembered here all
//! the same, and told in its place, before what the job tells next, or by itself when the store is back: nobody is to be woken
//! up for a job that ran. A crash forgets it. Where a job was refused anything else, only its record is written then. Whether
//! all jobs have their grace again is for [`super::listening`] to say.

use super::Watching;
use super::doors::BeatRefusal;
use super::plans::Monitor;
use super::telling::{Telling, Turned};
use crate::hub::Hub;
use crate::moment::ms;
use crate::service::Shared;
use crate::tray::Tray;
use carillon_model::UnixMs;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{Beat, Refused, WatchEvent};
use carillon_ports::store::StoreError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Beats that wait; more are refused.
const WAITING: usize = 4_096;
/// Beats of one transaction.
const MOST: usize = 1_000;
/// How often a store that took nothing is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

type Heard = Result<(), BeatRefusal>;

struct Brought {
    /// Its place in the order in which beats came.
    place: u64,
    monitor: Arc<Monitor>,
    beat: Beat,
    /// None: it was refused before, and is remembered.
    answer: Option<oneshot::Sender<Heard>>,
}

/// What a job told was refused.
#[derive(Clone, Copy, Default)]
struct Unwritten {
    /// The place of the last of it.
    place: u64,
    /// Whether the job has ended well, as far as it told.
    has_ended_well: bool,
}

/// Where beats are brought to, with what the store did not take of them.
#[derive(Default)]
pub(super) struct Post {
    tray: Tray<Brought, WAITING>,
    came: AtomicU64,
    /// One for each job.
    unwritten: Mutex<BTreeMap<DefinitionNo, Unwritten>>,
}

impl Watching {
    /// Whether something that this job told was refused, and is not written yet: until then nobody can have heard it.
    pub(super) fn waits_to_be_heard(&self, no: DefinitionNo) -> bool {
        self.post.has_unwritten(no)
    }

    /// Waits until a beat is on disk.
    pub(super) async fn bring(&self, hub: &Hub, monitor: Arc<Monitor>, beat: Beat) -> Heard {
        if hub.is_stopping() {
            return Err(BeatRefusal::Store(StoreError::Closed));
        }
        let post = &self.post;
        let (no, ended_well) = (monitor.no, ended_well(&beat));
        let place = post.came.fetch_add(1, Relaxed);
        let (answer, answered) = oneshot::channel();
        let brought = Brought {
            place,
            monitor,
            beat,
            answer: Some(answer),
        };
        if !post.tray.try_bring(brought) {
            let error = StoreError::Overloaded;
            hub.refused(&error);
            post.remember(no, place, ended_well);
            return Err(BeatRefusal::Store(error));
        }
        // A gatherer that died on it has not answered: nobody knows, and it can be told again.
        let died = |_| {
            hub.listens_anew();
            let why = "hearing beats panicked; the log has the place";
            Err(BeatRefusal::Store(StoreError::Failed(why.into())))
        };
        answered.await.unwrap_or_else(died)
    }
}

impl Post {
    fn is_all_written(&self) -> bool {
        self.unwritten.lock().is_empty()
    }

    fn has_unwritten(&self, no: DefinitionNo) -> bool {
        self.unwritten.lock().contains_key(&no)
    }

    /// What came up to this place was refused. `ended_well`: what the last of it said about that, if anything.
    fn remember(&self, no: DefinitionNo, place: u64, ended_well: Option<bool>) {
        let mut all = self.unwritten.lock();
        let known = all.entry(no).or_default();
        if place >= known.place {
            known.place = place;
            known.has_ended_well = ended_well.unwrap_or(known.has_ended_well);
        }
    }

    /// What came up to this place is written, or never will be.
    fn forget(&self, no: DefinitionNo, place: u64) {
        let mut all = self.unwritten.lock();
        if all.get(&no).is_some_and(|known| known.place <= place) {
            all.remove(&no);
        }
    }

    /// The end of a job's run that was refused, in its place.
    fn end_of(&self, monitor: &Arc<Monitor>) -> Option<Brought> {
        let all = self.unwritten.lock();
        let known = all.get(&monitor.no).filter(|known| known.has_ended_well)?;
        Some(Brought {
            place: known.place,
            monitor: monitor.clone(),
            beat: Beat::Finish,
            answer: None,
        })
    }

    /// Tells what was refused up to this place: what came later may be about runs whose beginnings still wait. Jobs have
    /// ended as if it were now.
    async fn write(&self, shared: &Arc<Shared>, until: u64) {
        let all = self.unwritten.lock().clone().into_iter();
        let all: Vec<_> = all.filter(|(_, known)| known.place <= until).collect();
        for some in all.chunks(MOST) {
            if !self.write_some(shared, some).await {
                return;
            }
        }
    }

    /// `false`: the store took nothing.
    async fn write_some(&self, shared: &Arc<Shared>, some: &[(DefinitionNo, Unwritten)]) -> bool {
        let directory = shared.hub.directory.load_full();
        let (mut of, mut tellings) = (Vec::new(), Vec::new());
        for (no, unwritten) in some {
            let Some(monitor) = directory.watch.monitor(*no) else {
                self.forget(*no, unwritten.place);
                continue;
            };
            of.push((monitor.clone(), *unwritten));
            let look = Telling::look(monitor.clone());
            tellings.push(match unwritten.has_ended_well {
                true => Telling {
                    events: vec![WatchEvent::Beat(Beat::Finish)],
                    ..look
                },
                false => Telling {
                    must_write: true,
                    ..look
                },
            });
        }
        let now = shared.hub.parts.clock.now();
        let mut is_refused = false;
        for ((monitor, unwritten), told) in of.iter().zip(tell(shared, tellings, now).await) {
            let why = match told {
                Ok(Turned::Lost) if unwritten.has_ended_well => continue,
                Ok(Turned::Done(_) | Turned::Lost) => None,
                Ok(Turned::Unreadable(why)) => Some(why),
                Err(error @ StoreError::Failed(_)) => Some(error.to_string()),
                Err(_) => {
                    is_refused = true;
                    continue;
                }
            };
            if let Some(why) = why {
                let name = &monitor.name;
                tracing::error!(
                    app = %monitor.app,
                    monitor = name,
                    "what the job of monitor {name} told is not written, and not tried again: {why}"
                );
            }
            self.forget(monitor.no, unwritten.place);
        }
        !is_refused
    }
}

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let post = &hub.watching.post;
    let mut waiting = post.tray.waiting().await;
    let mut tried_at = Instant::now();
    let mut heard_until = 0;
    loop {
        let first = match post.is_all_written() {
            true => waiting.recv().await,
            false => match tokio::time::timeout_at(tried_at + TRY_AGAIN, waiting.recv()).await {
                Ok(first) => first,
                // Nothing waits.
                Err(_) => {
                    tried_at = Instant::now();
                    post.write(&shared, u64::MAX).await;
                    continue;
                }
            },
        };
        let Some(first) = first else {
            return;
        };
        let mut together = vec![first];
        // Others come meanwhile.
        tokio::time::sleep(ms(hub.parts.config.monitors.beat_pause_ms)).await;
        while together.len() < MOST
            && let Ok(next) = waiting.try_recv()
        {
            together.push(next);
        }
        let last = together.iter().map(|brought| brought.place).max();
        heard_until = heard_until.max(last.unwrap_or(0));
        if !hear(&shared, together).await {
            tried_at = Instant::now();
        } else if !post.is_all_written() && Instant::now() >= tried_at + TRY_AGAIN {
            tried_at = Instant::now();
            post.write(&shared, heard_until).await;
        }
    }
}

/// `false`: the store took nothing.
async fn hear(shared: &Arc<Shared>, together: Vec<Brought>) -> bool {
    let post = &shared.hub.watching.post;
    let now = shared.hub.parts.clock.now();
    let mut by_monitor: BTreeMap<DefinitionNo, Vec<Brought>> = BTreeMap::new();
    for one in together {
        by_monitor.entry(one.monitor.no).or_default().push(one);
    }
    let (mut jobs, mut tellings) = (Vec::new(), Vec::new());
    for (no, mut beats) in by_monitor {
        let Some(monitor) = beats.first().map(|first| first.monitor.clone()) else {
            continue;
        };
        // In one step with what was refused of it: a job that begins again has ended.
        beats.extend(post.end_of(&monitor));
        beats.sort_by_key(|one| one.place);
        let events = beats.iter().map(|one| WatchEvent::Beat(one.beat.clone()));
        tellings.push(Telling {
            events: events.collect(),
            ..Telling::look(monitor)
        });
        jobs.push((no, beats));
    }
    let all = tell(shared, tellings, now).await;
    let is_heard = all.iter().any(Result::is_ok);
    for ((no, beats), told) in jobs.into_iter().zip(all) {
        let place = beats.last().map_or(0, |last| last.place);
        let ended_well = beats.iter().rev().find_map(|one| ended_well(&one.beat));
        match &told {
            Ok(Turned::Done(_) | Turned::Unreadable(_)) => post.forget(no, place),
            Ok(Turned::Lost) if ended_well.is_none() => {}
            Ok(Turned::Lost) | Err(_) => post.remember(no, place, ended_well),
        }
        for (at, one) in beats.into_iter().enumerate() {
            if let Some(answer) = one.answer {
                // Whoever went away does not need it.
                let _ = answer.send(answered(&told, at));
            }
        }
    }
    is_heard
}

/// Tells them. Of each, in order: what came of it, or why the store did not do it.
async fn tell(
    shared: &Arc<Shared>,
    tellings: Vec<Telling>,
    now: UnixMs,
) -> Vec<Result<Turned, StoreError>> {
    let all = try_to_tell(shared, tellings, now).await;
    if all.iter().all(Result::is_err) {
        for error in all.iter().filter_map(|told| told.as_ref().err()) {
            shared.hub.refused(error);
        }
    }
    all
}

/// Tells them together; where that fails, each alone, for one of them may be at fault.
async fn try_to_tell(
    shared: &Arc<Shared>,
    tellings: Vec<Telling>,
    now: UnixMs,
) -> Vec<Result<Turned, StoreError>> {
    let error = match shared.tell_each(tellings.clone(), now).await {
        Ok(told) => return told.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    let is_one_at_fault = matches!(error, StoreError::Failed(_)) && tellings.len() > 1;
    let mut all = Vec::with_capacity(tellings.len());
    for telling in tellings {
        all.push(match is_one_at_fault {
            true => {
                let told = shared.tell_each(vec![telling], now).await;
                told.map(|told| told.into_iter().next().unwrap_or(Turned::Lost))
            }
            false => Err(error.clone()),
        });
    }
    all
}

/// What a beat says about the end of its job's run, if anything.
fn ended_well(beat: &Beat) -> Option<bool> {
    match beat {
        Beat::Start => None,
        Beat::Finish => Some(true),
        Beat::Fail(_) => Some(false),
    }
}

fn answered(told: &Result<Turned, StoreError>, at: usize) -> Heard {
    match told {
        Ok(Turned::Done(done)) => match done.refused.get(at).and_then(Option::as_ref) {
            None => Ok(()),
            Some(Refused::NoHeartbeat) => Err(BeatRefusal::Unknown),
            Some(other) => Err(BeatRefusal::NotHeard(other.to_string())),
        },
        Ok(Turned::Lost) => Err(BeatRefusal::Store(StoreError::Busy)),
        Ok(Turned::Unreadable(why)) => Err(BeatRefusal::Store(StoreError::Corrupt(why.clone()))),
        Err(error) => Err(BeatRefusal::Store(error.clone())),
    }
}
