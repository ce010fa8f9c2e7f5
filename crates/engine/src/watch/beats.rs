//! The gatherer of beats: jobs that tell something at the same time are one transaction, and each is answered when that is on
//! disk.
//!
//! While the store takes nothing a beat is refused, and few jobs tell it again. That a job has ended well is remembered here all
//! the same, and written when the store is back: nobody is to be woken up for a job that ran. A crash forgets it.

use super::Watching;
use super::doors::BeatRefusal;
use super::plans::Monitor;
use super::telling::{Telling, Told};
use crate::hub::Hub;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{Beat, Refused, WatchEvent};
use carillon_ports::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Beats that wait; more are refused.
const WAITING: usize = 4_096;
/// Beats of one transaction.
const MOST: usize = 1_000;
/// How often a store that took nothing is tried again, if no beat comes.
const TRY_AGAIN: Duration = Duration::from_secs(5);

type Heard = Result<(), BeatRefusal>;

struct Brought {
    monitor: Arc<Monitor>,
    beat: Beat,
    answer: oneshot::Sender<Heard>,
}

/// Where beats are brought to.
pub(super) struct Post {
    bring: mpsc::Sender<Brought>,
    /// Outlives a gatherer that panics.
    waiting: Mutex<mpsc::Receiver<Brought>>,
}

impl Default for Post {
    fn default() -> Self {
        let (bring, waiting) = mpsc::channel(WAITING);
        Self {
            bring,
            waiting: Mutex::new(waiting),
        }
    }
}

impl Watching {
    /// Waits until a beat is on disk.
    pub(super) async fn bring(&self, hub: &Hub, monitor: Arc<Monitor>, beat: Beat) -> Heard {
        if hub.is_stopping() {
            return Err(BeatRefusal::Store(StoreError::Closed));
        }
        let (answer, answered) = oneshot::channel();
        let brought = Brought {
            monitor,
            beat,
            answer,
        };
        if self.post.bring.try_send(brought).is_err() {
            return Err(BeatRefusal::Store(StoreError::Overloaded));
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

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut waiting = hub.watching.post.waiting.lock().await;
    let mut unwritten = Unwritten::default();
    loop {
        let first = match unwritten.0.is_empty() {
            true => waiting.recv().await,
            false => match tokio::time::timeout(TRY_AGAIN, waiting.recv()).await {
                Ok(first) => first,
                Err(_) => {
                    unwritten.write(&shared).await;
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
        let is_written = hear(&shared, together, &mut unwritten).await;
        if is_written && !unwritten.0.is_empty() {
            unwritten.write(&shared).await;
        }
    }
}

/// Monitors of jobs that ended well while the store took nothing.
#[derive(Default)]
struct Unwritten(BTreeSet<DefinitionNo>);

impl Unwritten {
    /// Tells them, as if their jobs had ended now.
    async fn write(&mut self, shared: &Arc<Shared>) {
        let hub = &shared.hub;
        let some: Vec<DefinitionNo> = self.0.iter().copied().take(MOST).collect();
        let directory = hub.directory.load_full();
        let found = some.iter().filter_map(|no| directory.watch.monitor(*no));
        let monitors: Vec<Arc<Monitor>> = found.cloned().collect();
        let tellings = monitors.iter().map(|monitor| Telling {
            events: vec![WatchEvent::Beat(Beat::Finish)],
            ..Telling::look(monitor.clone())
        });
        let now = hub.parts.clock.now();
        let told = match shared.tell_each(tellings.collect(), now).await {
            Ok(told) => told,
            Err(error) => {
                hub.refused(&error);
                if matches!(error, StoreError::Failed(_) | StoreError::Corrupt(_)) {
                    tracing::error!(%error, "that jobs have ended is not written, and not tried again: {error}");
                    self.0.clear();
                }
                return;
            }
        };
        for no in &some {
            self.0.remove(no);
        }
        let lost = monitors.iter().zip(told);
        let lost = lost.filter(|(_, told)| matches!(told, Told::Lost));
        self.0.extend(lost.map(|(monitor, _)| monitor.no));
    }
}

/// `false`: the store took nothing.
async fn hear(shared: &Arc<Shared>, together: Vec<Brought>, unwritten: &mut Unwritten) -> bool {
    let now = shared.hub.parts.clock.now();
    let mut by_monitor: BTreeMap<DefinitionNo, (Telling, Vec<oneshot::Sender<Heard>>)> =
        BTreeMap::new();
    for Brought {
        monitor,
        beat,
        answer,
    } in together
    {
        let no = monitor.no;
        let entry = by_monitor.entry(no).or_insert_with(|| {
            let telling = Telling {
                events: Vec::new(),
                ..Telling::look(monitor)
            };
            (telling, Vec::new())
        });
        entry.0.events.push(WatchEvent::Beat(beat));
        entry.1.push(answer);
    }
    let (tellings, answers): (Vec<Telling>, Vec<_>) = by_monitor.into_values().unzip();
    let ended_well = |telling: &Telling| {
        let last = telling.events.last();
        matches!(last, Some(WatchEvent::Beat(Beat::Finish)))
    };
    let well = tellings.iter().filter(|telling| ended_well(telling));
    let well: Vec<DefinitionNo> = well.map(|telling| telling.monitor.no).collect();
    let nos: Vec<DefinitionNo> = tellings.iter().map(|telling| telling.monitor.no).collect();
    // What they told before comes before: a job that begins again has ended.
    if nos.iter().any(|no| unwritten.0.contains(no)) {
        unwritten.write(shared).await;
    }
    let told = match shared.tell_each(tellings, now).await {
        Ok(told) => told,
        Err(error) => {
            shared.hub.refused(&error);
            unwritten.0.extend(well);
            for answer in answers.into_iter().flatten() {
                // Whoever went away does not need it.
                let _ = answer.send(Err(BeatRefusal::Store(error.clone())));
            }
            return false;
        }
    };
    for no in nos {
        unwritten.0.remove(&no);
    }
    for (told, answers) in told.into_iter().zip(answers) {
        for (at, answer) in answers.into_iter().enumerate() {
            let _ = answer.send(answered(&told, at));
        }
    }
    true
}

fn answered(told: &Told, at: usize) -> Heard {
    match told {
        Told::Done(done) => match done.refused.get(at).and_then(Option::as_ref) {
            None => Ok(()),
            Some(Refused::NoHeartbeat) => Err(BeatRefusal::Unknown),
            Some(other) => Err(BeatRefusal::NotHeard(other.to_string())),
        },
        Told::Lost => Err(BeatRefusal::Store(StoreError::Busy)),
        Told::Unreadable(why) => Err(BeatRefusal::Store(StoreError::Corrupt(why.clone()))),
    }
}
