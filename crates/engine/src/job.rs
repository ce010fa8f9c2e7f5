//! Work in memory: a held work row with its devices, and where each of its deliveries stands.
//!
//! Jobs live in a slab; a push's tag names the job, the slab entry's generation and the position, so
//! that an outcome finds its delivery without a table of pushes. Holds state only; what an outcome
//! means is in `conclude`.

use crate::gauge::HeldRoom;
use crate::late::Late;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::body::Body;
use carillon_model::delivery::FinalState;
use carillon_model::environment::Environment;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::notification::SendOptions;
use carillon_model::push_type::{OnUnknown, TokenKind};
use carillon_ports::fault::{self, Bug};
use carillon_ports::gateway::Message;
use carillon_ports::store::{CountDelta, Failure, NewAttempt, NotificationHead, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::time::Instant;

/// A notification that has work in memory: one for all its batches.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) no: NotificationNo,
    pub(crate) app: AppNo,
    pub(crate) accepted_at: UnixMs,
    /// Since when it is being sent.
    pub(crate) begins_at: UnixMs,
    /// Its slices begin at other times than it.
    pub(crate) is_campaign: bool,
    pub(crate) expires_at: Option<UnixMs>,
    pub(crate) options: SendOptions,
    /// What it weighs in memory besides its devices.
    pub(crate) bytes: usize,
    pub(crate) says: Says,
    cancelled: Arc<AtomicBool>,
}

/// What a notification says.
#[derive(Debug)]
pub(crate) enum Says {
    /// The same to everybody: a message for each gateway.
    Ready(Vec<(Gateway, Arc<Message>)>),
    /// Something to each device.
    Late(Box<Late>),
    /// What is stored cannot be read: the sentence why.
    Unreadable(String),
}

impl Note {
    pub(crate) fn new(head: NotificationHead) -> Self {
        let expires_at = head
            .expires_at
            .filter(|_| !fault::planted(Bug::IgnoreExpiry));
        let cancelled = Arc::new(AtomicBool::new(head.cancelled));
        let message = |payload| {
            Arc::new(Message {
                options: head.options.clone(),
                payload,
                expires_at,
                cancelled: cancelled.clone(),
            })
        };
        let says = match Body::decode(&head.payload) {
            Ok(Body::Ready(payloads)) => Says::Ready(
                payloads
                    .into_iter()
                    .map(|(gateway, payload)| (gateway, message(payload)))
                    .collect(),
            ),
            Ok(Body::Late(late)) => match serde_json::from_slice(&late.source) {
                Ok(source) => Says::Late(Box::new(Late::new(source))),
                Err(error) => Says::Unreadable(format!("unreadable body: {error}")),
            },
            Err(error) => Says::Unreadable(error.to_string()),
        };
        Self {
            no: head.no,
            app: head.app,
            accepted_at: head.accepted_at,
            begins_at: head.begins_at(),
            is_campaign: head.is_campaign,
            expires_at,
            bytes: head.payload.len(),
            says,
            cancelled,
            options: head.options,
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    /// Nothing more of it is to be written.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// A message of it with its own payload.
    pub(crate) fn message(&self, payload: Bytes) -> Message {
        Message {
            options: self.options.clone(),
            payload,
            expires_at: self.expires_at,
            cancelled: self.cancelled.clone(),
        }
    }

    /// Whether it says something else to each device.
    pub(crate) fn is_late(&self) -> bool {
        !matches!(self.says, Says::Ready(_))
    }

    /// The message for a gateway, where it says the same to everybody.
    pub(crate) fn ready(&self, gateway: Gateway) -> Option<&Arc<Message>> {
        let Says::Ready(messages) = &self.says else {
            return None;
        };
        let of = messages.iter().find(|(of, _)| *of == gateway);
        of.map(|(_, message)| message)
    }

    pub(crate) fn is_expired(&self, now: UnixMs) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn drops_doubt(&self) -> bool {
        self.options.on_unknown == OnUnknown::Drop
    }
}

/// Work that comes into memory.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) work: Work,
    pub(crate) devices: BatchDevices,
    /// Positions still to be sent; `None`: all of the batch.
    pub(crate) positions: Option<Vec<u16>>,
    pub(crate) note: Arc<Note>,
    /// What was reserved for it, until it is counted as it is.
    pub(crate) room: Option<HeldRoom>,
}

/// About what a job weighs in memory.
pub(crate) fn weight(devices: usize, payload: usize) -> usize {
    600 + payload + devices * 16
}

/// Where a delivery of a job stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not part of this work.
    #[default]
    Outside,
    /// Waits in a run of its lane.
    Queued,
    /// Its push token is being read.
    Loading,
    /// A pool has it.
    InFlight,
    /// Ended, or moved to another work row.
    Done,
}

/// One delivery of a job.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    /// Generation of the push token that was used.
    pub(crate) generation: u32,
    /// Its kind.
    pub(crate) kind: TokenKind,
    pub(crate) step: Step,
    /// `NotSent` in a row.
    pub(crate) not_sent: u8,
    /// Environments in which a push token of unknown environment was refused: bits.
    pub(crate) tried: u8,
    /// The push token's environment was unknown when it was read.
    pub(crate) is_auto: bool,
    /// That it waited behind trouble was recorded already.
    pub(crate) is_block_noted: bool,
}

/// The bit of [`Slot::tried`].
pub(crate) fn tried_bit(environment: Environment) -> u8 {
    match environment {
        Environment::Production => 1,
        Environment::Sandbox => 2,
    }
}

/// A delivery that goes on in a work row of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) position: u16,
    pub(crate) due_at: UnixMs,
    pub(crate) delay_ms: i64,
    pub(crate) in_doubt: bool,
    /// It was not tried: it waits for its recipient's quiet hours to end, and no attempt is counted.
    pub(crate) is_held: bool,
}

/// What happened to a job's deliveries and was not handed to settle yet.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) verdicts: Vec<(u16, FinalState)>,
    pub(crate) failures: Vec<Failure>,
    /// How many of the verdicts are of which state, and why.
    pub(crate) counts: Vec<CountDelta>,
    pub(crate) attempts: Vec<NewAttempt>,
    pub(crate) moves: Vec<Move>,
    pub(crate) since: Option<Instant>,
}

impl Progress {
    pub(crate) fn is_empty(&self) -> bool {
        self.verdicts.is_empty() && self.attempts.is_empty() && self.moves.is_empty()
    }

    /// Counts one that ended.
    pub(crate) fn count(&mut self, app: AppNo, gateway: Gateway, state: FinalState, reason: &str) {
        // A handful of ways to end, mostly one.
        let known = self
            .counts
            .iter_mut()
            .find(|known| known.state == state && known.reason == reason);
        match known {
            Some(known) => known.count += 1,
            None => self.counts.push(CountDelta {
                app,
                gateway,
                state,
                reason: reason.to_owned(),
                count: 1,
                at: None,
            }),
        }
    }
}

/// A held work row in memory.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) devices: BatchDevices,
    pub(crate) note: Arc<Note>,
    /// Index of its lane.
    pub(crate) lane: usize,
    pub(crate) slots: Vec<Slot>,
    /// Deliveries without an end.
    pub(crate) open: u32,
    /// Of these: loading or in flight.
    pub(crate) busy: u32,
    pub(crate) progress: Progress,
    /// Positions below this may be written: the watermark as it surely is on disk. The row's own may
    /// be there, too.
    pub(crate) marked: u16,
    /// So much progress is worth writing.
    pub(crate) flush_at: usize,
    pub(crate) held: u32,
    pub(crate) bytes: usize,
}

impl Job {
    /// The gateway that it goes to.
    pub(crate) fn gateway(&self) -> Gateway {
        self.work.lane.gateway
    }

    /// The kind of push token that its devices are reached by.
    pub(crate) fn token_kind(&self) -> TokenKind {
        self.note.options.token_kind_at(self.gateway())
    }

    /// Positions that have no end yet.
    pub(crate) fn open_positions(&self) -> Vec<u16> {
        (0u16..)
            .zip(&self.slots)
            .filter(|(_, slot)| matches!(slot.step, Step::Queued | Step::Loading | Step::InFlight))
            .map(|(position, _)| position)
            .collect()
    }

    pub(crate) fn slot(&self, position: u16) -> Slot {
        self.slots
            .get(usize::from(position))
            .copied()
            .unwrap_or_default()
    }

    /// Nothing happened to it that the store does not know.
    pub(crate) fn is_pristine(&self) -> bool {
        self.progress.is_empty() && self.work.watermark == 0
    }
}

/// Names a job in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct JobKey {
    index: u32,
    generation: u32,
}

const GENERATIONS: u32 = 1 << 24;

impl JobKey {
    /// The tag of the push at `position`.
    pub(crate) fn tag(self, position: u16) -> u64 {
        u64::from(self.index) << 40 | u64::from(self.generation) << 16 | u64::from(position)
    }

    pub(crate) fn from_tag(tag: u64) -> (Self, u16) {
        let key = Self {
            index: (tag >> 40) as u32,
            generation: (tag >> 16) as u32 & (GENERATIONS - 1),
        };
        (key, tag as u16)
    }
}

/// All jobs.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    entries: Vec<(u32, Option<Job>)>,
    free: Vec<u32>,
}

impl Jobs {
    pub(crate) fn insert(&mut self, job: Job) -> JobKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            (self.entries.len() - 1) as u32
        });
        let (generation, entry) = &mut self.entries[index as usize];
        *entry = Some(job);
        JobKey {
            index,
            generation: *generation,
        }
    }

    pub(crate) fn get(&self, key: JobKey) -> Option<&Job> {
        let (generation, job) = self.entries.get(key.index as usize)?;
        job.as_ref().filter(|_| *generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: JobKey) -> Option<&mut Job> {
        let (generation, job) = self.entries.get_mut(key.index as usize)?;
        job.as_mut().filter(|_| *generation == key.generation)
    }

    pub(crate) fn remove(&mut self, key: JobKey) -> Option<Job> {
        self.get(key)?;
        let (generation, job) = &mut self.entries[key.index as usize];
        *generation = (*generation + 1) % GENERATIONS;
        self.free.push(key.index);
        job.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (JobKey, &Job)> {
        (0u32..)
            .zip(&self.entries)
            .filter_map(|(index, (generation, job))| {
                let key = JobKey {
                    index,
                    generation: *generation,
                };
                job.as_ref().map(|job| (key, job))
            })
    }

    pub(crate) fn keys(&self, is_meant: impl Fn(&Job) -> bool) -> Vec<JobKey> {
        self.iter()
            .filter(|(_, job)| is_meant(job))
            .map(|(key, _)| key)
            .collect()
    }

    /// Gives memory back after a peak. Generations start anew then: only while no push is out.
    pub(crate) fn shrink(&mut self) {
        if self.len() == 0 && self.entries.capacity() > 1_024 {
            let highest = self.entries.iter().map(|(generation, _)| *generation).max();
            let next = highest.map_or(0, |generation| (generation + 1) % GENERATIONS);
            self.entries = vec![(next, None)];
            self.free = vec![0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_back() {
        for (index, generation, position) in [(0, 0, 0), (70_000, 1, 999), (9, GENERATIONS - 1, 7)]
        {
            let key = JobKey { index, generation };
            assert_eq!(JobKey::from_tag(key.tag(position)), (key, position));
        }
    }
}
