//! Who shares the fake.

use super::state::State;
use super::{MemoryStore, Shared};
use crate::instance::{Instance, InstanceStore, Notice, NoticeKind, Presence, Pulse};
use crate::store::{Result, StoreError};
use async_trait::async_trait;
use carillon_model::id::NotificationNo;
use carillon_model::role::Roles;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// How long a notice is told.
const NOTICE_KEEP: Duration = Duration::from_secs(60);

/// One process, as its own handles know it.
#[derive(Debug, Default)]
pub(super) struct Process {
    epoch: AtomicI64,
    is_joined: AtomicBool,
}

/// What is known of all of them.
#[derive(Debug, Default)]
pub(super) struct Instances {
    last_epoch: i64,
    commits: i64,
    pub(super) directory: i64,
    /// In the order in which they joined.
    living: Vec<Living>,
    notices: BTreeMap<NotificationNo, (Notice, Instant)>,
    /// Numbers notices: the fake's clock stands still at times.
    last_notice: i64,
}

#[derive(Debug)]
struct Living {
    epoch: i64,
    presence: Presence,
    started_at: Instant,
    heartbeat_at: Instant,
    report: String,
}

impl Process {
    pub(super) fn epoch(&self) -> i64 {
        self.epoch.load(Relaxed)
    }

    /// Ends the process, and starts the next one.
    pub(super) fn restart(&self, state: &mut State) {
        let instances = &mut state.instances;
        instances.drop(self.epoch());
        instances.last_epoch += 1;
        self.epoch.store(instances.last_epoch, Relaxed);
        self.is_joined.store(false, Relaxed);
    }

    /// Begins to write. Refused for one that was given up.
    pub(super) fn enter(&self, state: &mut State) -> Result<()> {
        let epoch = self.epoch();
        if self.is_joined.load(Relaxed) && !state.instances.lives(epoch) {
            return Err(StoreError::Failed(format!(
                "process {epoch} was given up by another"
            )));
        }
        state.epoch = epoch;
        state.instances.commits += 1;
        Ok(())
    }
}

impl Instances {
    fn lives(&self, epoch: i64) -> bool {
        self.living.iter().any(|living| living.epoch == epoch)
    }

    fn drop(&mut self, epoch: i64) {
        self.living.retain(|living| living.epoch != epoch);
    }

    /// Others are to hear of what became of a notification.
    pub(super) fn tell(&mut self, no: NotificationNo, what: NoticeKind) {
        self.last_notice += 1;
        let at = self.last_notice;
        let notice = Notice { no, what, at };
        self.notices.insert(no, (notice, Instant::now()));
    }
}

impl State {
    /// Whether a holder of work lives no more.
    pub(super) fn is_gone(&self, holder: i64) -> bool {
        holder != self.epoch && !self.instances.lives(holder)
    }

    /// How many deliveries of a notification others than `epoch` hold.
    pub(super) fn held_elsewhere(&self, epoch: i64, no: NotificationNo) -> u64 {
        let (first, last) = no.batches();
        let elsewhere = self.works.values().filter(|held| {
            let batch = held.work.id.batch;
            let is_of_it = first <= batch && batch <= last;
            is_of_it && held.work.due_at.is_none() && held.holder != epoch
        });
        elsewhere
            .map(|held| match &held.work.positions {
                Some(positions) => positions.as_slice().len() as u64,
                None => {
                    let batch = self.batches.get(&held.work.id.batch);
                    batch.map_or(0, |batch| u64::from(batch.devices.count()))
                }
            })
            .sum()
    }
}

impl MemoryStore {
    pub(super) fn process_of(shared: Arc<Shared>) -> Self {
        let process = Arc::new(Process::default());
        process.restart(&mut shared.state.lock());
        Self { shared, process }
    }

    /// Another process on the same store.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::process_of(self.shared.clone())
    }
}

#[async_trait]
impl InstanceStore for MemoryStore {
    fn is_shared(&self) -> bool {
        self.shared.is_shared
    }

    async fn join(&self, presence: Presence) -> Result<()> {
        let mut state = self.write()?;
        let (epoch, now) = (state.epoch, Instant::now());
        let instances = &mut state.instances;
        instances.drop(epoch);
        instances.living.push(Living {
            epoch,
            presence,
            started_at: now,
            heartbeat_at: now,
            report: String::new(),
        });
        self.process.is_joined.store(true, Relaxed);
        Ok(())
    }

    async fn heartbeat(&self, give_up_after_ms: Option<u32>, report: String) -> Result<()> {
        if !self.process.is_joined.load(Relaxed) {
            return Err(StoreError::Closed);
        }
        let mut state = self.write()?;
        let (epoch, now) = (state.epoch, Instant::now());
        let instances = &mut state.instances;
        let mut before = now;
        for living in &mut instances.living {
            if living.epoch == epoch {
                before = std::mem::replace(&mut living.heartbeat_at, now);
                living.report.clone_from(&report);
            }
        }
        if let Some(most) = give_up_after_ms {
            let most = Duration::from_millis(most.into());
            let was_held_up = (now - before) * 2 > most;
            let by = if was_held_up { before } else { now };
            let is_late = |living: &Living| living.heartbeat_at + most < by;
            instances.living.retain(|living| !is_late(living));
        }
        instances
            .notices
            .retain(|_, (_, told_at)| *told_at + NOTICE_KEEP > now);
        Ok(())
    }

    async fn pulse(&self) -> Result<Pulse> {
        let now = Instant::now();
        let ms = |since: Instant| now.saturating_duration_since(since).as_millis() as i64;
        let state = self.read();
        let instances = &state.instances;
        Ok(Pulse {
            instances: instances
                .living
                .iter()
                .map(|living| Instance {
                    epoch: living.epoch,
                    presence: living.presence.clone(),
                    started_at: -ms(living.started_at),
                    age_ms: ms(living.heartbeat_at),
                })
                .collect(),
            directory: instances.directory,
            commits: instances.commits,
            is_scheduler_paused: state.is_scheduler_paused,
            notices: instances
                .notices
                .values()
                .map(|(notice, _)| *notice)
                .collect(),
        })
    }

    async fn resign(&self) -> Result<()> {
        let mut state = self.write()?;
        let epoch = state.epoch;
        for living in &mut state.instances.living {
            if living.epoch == epoch {
                living.presence.roles = Roles::default();
            }
        }
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        if self.process.is_joined.swap(false, Relaxed) {
            let mut state = self.write()?;
            let epoch = state.epoch;
            state.instances.drop(epoch);
        }
        Ok(())
    }

    async fn directory_no(&self) -> Result<i64> {
        Ok(self.read().instances.directory)
    }

    async fn reports(&self) -> Result<Vec<String>> {
        let own = self.process.epoch();
        let living = &self.read().instances.living;
        let others = living
            .iter()
            .filter(|other| other.epoch != own && !other.report.is_empty());
        Ok(others.map(|other| other.report.clone()).collect())
    }

    async fn held_elsewhere(&self, no: NotificationNo) -> Result<u64> {
        Ok(self.read().held_elsewhere(self.process.epoch(), no))
    }
}
