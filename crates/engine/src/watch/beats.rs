//! The gatherer of beats: jobs that tell something at the same time are one transaction, and each is answered when that is on
//! disk.

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
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Beats that wait; more are refused.
const WAITING: usize = 4_096;
/// Beats of one transaction.
const MOST: usize = 1_000;

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
        let bring = self.post.bring.try_send(brought);
        bring.map_err(|_| BeatRefusal::Store(StoreError::Overloaded))?;
        // A gatherer that died on it has not answered: nobody knows, and it can be told again.
        let died = || StoreError::Failed("hearing beats panicked; the log has the place".into());
        answered
            .await
            .unwrap_or_else(|_| Err(BeatRefusal::Store(died())))
    }
}

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut waiting = hub.watching.post.waiting.lock().await;
    while let Some(first) = waiting.recv().await {
        let mut together = vec![first];
        // Others come meanwhile.
        tokio::time::sleep(ms(hub.parts.config.monitors.beat_pause_ms)).await;
        while together.len() < MOST
            && let Ok(next) = waiting.try_recv()
        {
            together.push(next);
        }
        hear(&shared, together).await;
    }
}

async fn hear(shared: &Arc<Shared>, together: Vec<Brought>) {
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
    let (tellings, answers): (Vec<_>, Vec<_>) = by_monitor.into_values().unzip();
    let told = shared.tell_monitors(tellings, now).await;
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            for answer in answers.into_iter().flatten() {
                // Whoever went away does not need it.
                let _ = answer.send(Err(BeatRefusal::Store(error.clone())));
            }
            return;
        }
    };
    for (told, answers) in told.into_iter().zip(answers) {
        for (at, answer) in answers.into_iter().enumerate() {
            let _ = answer.send(answered(&told, at));
        }
    }
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
