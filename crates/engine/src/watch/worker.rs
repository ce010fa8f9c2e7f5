//! Checks: each monitor is checked by one of the processes that live and work, as its number falls to it.
//!
//! What is due is read a second ahead; so many are made at once; results are written together. That a monitor that is up
//! was found up once more stays in memory for a while: until then its record says that a check is due which was made, and a
//! crash costs a check too many. Everything else is on disk before the next check of it begins. Where somebody else wrote a
//! record first, the check is made again.

use super::due::read_due;
use super::plans::Monitor;
use super::telling::{Telling, Turned, read};
use crate::dispatch::pause_ms;
use crate::moment::ms;
use crate::self_watch::SERVER_APP_RULE;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::monitor::{
    Around, CheckPlan, CheckResult, FaultKind, MonitorPlan, Verdict, Watch, WatchEvent, WatchState,
};
use carillon_ports::store::StoreError;
use carillon_ports::watch::{ReadWatch, StoredWatch, WatchClaim, WatchStep};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;

/// So far ahead checks are read.
const AHEAD_MS: i64 = 1_500;
/// How often.
const POLL: Duration = Duration::from_secs(1);
/// However often somebody rings, there is so long between two readings.
const REST: Duration = Duration::from_millis(200);
/// So many more than are known are read at once.
const MOST_READ: usize = 2_000;
/// Most results that are written together.
const MOST_TOGETHER: usize = 500;
/// A check that has not ended so long after its time-out is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A monitor that is about to be checked, is being checked, or was found up and not written yet.
struct Kept {
    stored: StoredWatch,
    watch: Watch,
    /// Of its last turn in memory.
    look_at: Option<UnixMs>,
    /// Its record is behind.
    is_dirty: bool,
    is_busy: bool,
    /// Its record was written since it was read.
    is_stale: bool,
}

/// By place, whether a monitor took its turn; or a sentence why it cannot.
type Looked = (usize, Result<bool, String>);

/// See the module's words.
struct CheckDesk {
    shared: Arc<Shared>,
    kept: HashMap<DefinitionNo, Kept>,
    /// When each is due; what does not fit [`Kept`] any more means nothing.
    due: BinaryHeap<Reverse<(UnixMs, DefinitionNo)>>,
    running: JoinSet<CheckResult>,
    busy: HashMap<task::Id, DefinitionNo>,
    /// Nothing is checked after a restore until somebody says so.
    is_paused: bool,
    poll_at: Instant,
    polled_at: Option<Instant>,
    flush_at: Instant,
    /// Those whose definitions are newer than their records: they take a turn by it.
    behind: Vec<Arc<Monitor>>,
    /// Those whose records cannot be read: it was said of them.
    unreadable: BTreeSet<DefinitionNo>,
    refusals: u32,
}

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let now = Instant::now();
    let mut desk = CheckDesk {
        flush_at: now + ms(shared.hub.parts.config.monitors.flush_ms),
        shared,
        kept: HashMap::new(),
        due: BinaryHeap::new(),
        running: JoinSet::new(),
        busy: HashMap::new(),
        is_paused: false,
        poll_at: now,
        polled_at: None,
        behind: Vec::new(),
        unreadable: BTreeSet::new(),
        refusals: 0,
    };
    let shared = desk.shared.clone();
    let hub = &shared.hub;
    loop {
        let is_stopping = hub.is_stopping();
        if let Err(error) = desk.round(is_stopping).await {
            if !hub.store_refused("checking monitors", &error) {
                return;
            }
            desk.refusals += 1;
            let pause = pause_ms(hub.parts.config.store_retry_max_ms, desk.refusals);
            tokio::time::sleep(ms(pause)).await;
        } else {
            desk.refusals = 0;
        }
        if is_stopping {
            return;
        }
        tokio::select! {
            () = hub.bells.checks.notified() => desk.poll_soon(),
            () = tokio::time::sleep_until(desk.wakes_at()) => {}
            Some(ended) = desk.running.join_next_with_id() => {
                let mut results = vec![desk.ended(ended)];
                let gathers_until = Instant::now() + ms(hub.parts.config.monitors.gather_ms);
                while results.len() < MOST_TOGETHER
                    && let Ok(Some(ended)) =
                        tokio::time::timeout_at(gathers_until, desk.running.join_next_with_id()).await
                {
                    results.push(desk.ended(ended));
                }
                if let Err(error) = desk.conclude(results).await
                    && !hub.store_refused("writing down checks", &error)
                {
                    return;
                }
            }
        }
    }
}

impl CheckDesk {
    /// Writes, reads and begins what is to be.
    async fn round(&mut self, is_stopping: bool) -> Result<(), StoreError> {
        if is_stopping || Instant::now() >= self.flush_at {
            self.flush().await?;
            let every = ms(self.shared.hub.parts.config.monitors.flush_ms);
            self.flush_at = Instant::now() + every;
        }
        if is_stopping {
            return Ok(());
        }
        if Instant::now() >= self.poll_at {
            self.poll().await?;
            self.poll_at = Instant::now() + POLL;
            self.polled_at = Some(Instant::now());
        }
        self.begin();
        self.catch_up().await
    }

    /// Something is to be read that may be due soon.
    fn poll_soon(&mut self) {
        let now = Instant::now();
        self.poll_at = self.polled_at.map_or(now, |at| now.max(at + REST));
    }

    /// Those whose records are of an older definition take a turn by the new one, if nobody has told them of it.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let behind = std::mem::take(&mut self.behind);
        if behind.is_empty() {
            return Ok(());
        }
        let tellings = behind.iter().cloned().map(|monitor| Telling {
            must_write: true,
            ..Telling::look(monitor)
        });
        let now = self.shared.hub.parts.clock.now();
        let told = self.shared.tell_each(tellings.collect(), now).await?;
        let nos = behind.iter().map(|monitor| monitor.no);
        let done = nos
            .zip(&told)
            .filter(|(_, told)| matches!(told, Turned::Done(_)));
        let done = done.map(|(no, _)| no).collect();
        self.read_again(done).await
    }

    fn wakes_at(&self) -> Instant {
        let clock = &self.shared.hub.parts.clock;
        let longest = self.poll_at.min(self.flush_at);
        let is_full = self.running.len() >= self.concurrency();
        match self.due.peek() {
            Some(Reverse((at, _))) if !is_full && !self.is_paused => {
                let wait = clock.lasts(at.saturating_sub(clock.now()));
                longest.min(Instant::now() + wait.max(Duration::from_millis(1)))
            }
            _ => longest,
        }
    }

    fn concurrency(&self) -> usize {
        self.shared.hub.parts.config.monitors.concurrency as usize
    }

    /// Reads what is due soon.
    async fn poll(&mut self) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let hub = &shared.hub;
        let store = &hub.parts.store;
        self.is_paused = store.is_scheduler_paused().await?;
        if self.is_paused {
            return Ok(());
        }
        let until = hub.parts.clock.now() + AHEAD_MS;
        // Those that are known come first, here and in the other processes: they must not keep the others away.
        let known = self.kept.len();
        let limit = known * hub.peers.borrow().workers() + MOST_READ;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let keep = |found| self.keep(found);
        read_due(&**store, until, known + MOST_READ, limit, keep).await?;
        // What others check now, or what is not due soon any more, is let go.
        self.kept.retain(|no, kept| {
            let is_soon = kept.watch.check_at.is_some_and(|at| at <= until);
            kept.is_busy || kept.is_dirty || (is_soon && hub.checks(*no))
        });
        let directory = hub.directory.load();
        let is_own = |no: &DefinitionNo| hub.checks(*no) && directory.watch.monitor(*no).is_some();
        self.unreadable.retain(is_own);
        Ok(())
    }

    /// Reads those that were written a moment ago: of them alone it is known that they are due soon.
    async fn read_again(&mut self, nos: Vec<DefinitionNo>) -> Result<(), StoreError> {
        if nos.is_empty() || self.is_paused {
            return Ok(());
        }
        let until = self.shared.hub.parts.clock.now() + AHEAD_MS;
        let found = self.shared.hub.parts.store.watches(nos).await?;
        for found in found.into_iter().flatten() {
            let is_later = |stored: &StoredWatch| stored.check_at.is_none_or(|at| at > until);
            if !found.as_ref().is_ok_and(is_later) {
                self.keep(found);
            }
        }
        Ok(())
    }

    /// Keeps a record that was read, if it is this process's to check. Returns whether it is and can be read: those
    /// that cannot must not keep others away.
    fn keep(&mut self, found: ReadWatch) -> bool {
        let no = match &found {
            Ok(stored) => stored.monitor,
            Err(unreadable) => unreadable.monitor,
        };
        if !self.shared.hub.checks(no) {
            return false;
        }
        if let Some(kept) = self.kept.get_mut(&no) {
            let fence = kept.stored.fence;
            if found.as_ref().is_ok_and(|stored| stored.fence == fence) {
                return true;
            }
            if kept.is_busy {
                kept.is_stale = true;
                return true;
            }
        }
        let found = found.map_err(|unreadable| unreadable.why);
        match found.and_then(|stored| read(&stored).map(|watch| (stored, watch))) {
            Ok((stored, watch)) => {
                self.unreadable.remove(&no);
                if let Some(at) = stored.check_at {
                    self.due.push(Reverse((at, no)));
                }
                let kept = Kept {
                    stored,
                    watch,
                    look_at: None,
                    is_dirty: false,
                    is_busy: false,
                    is_stale: false,
                };
                self.kept.insert(no, kept);
            }
            Err(why) => {
                self.kept.remove(&no);
                // Once: each reading finds it again.
                if self.unreadable.insert(no) {
                    tracing::error!(monitor = no.0, "a monitor is not checked: {why}");
                }
                return false;
            }
        }
        true
    }

    /// Begins checks that are due, as many as may run at once.
    fn begin(&mut self) {
        if self.is_paused {
            return;
        }
        let hub = &self.shared.hub;
        let now = hub.parts.clock.now();
        let directory = hub.directory.load_full();
        while self.running.len() < self.concurrency() {
            let Some(Reverse((at, no))) = self.due.peek().copied() else {
                return;
            };
            if at > now {
                return;
            }
            self.due.pop();
            let Some(kept) = self.kept.get_mut(&no) else {
                continue;
            };
            if kept.is_busy || kept.watch.check_at != Some(at) || !hub.checks(no) {
                continue;
            }
            let known = directory.watch.monitor(no).cloned();
            let version = kept.stored.version;
            let current = known.clone().filter(|monitor| monitor.version == version);
            let Some(monitor) = current else {
                // It was deleted or changed, or this process does not know that yet: it is read again.
                self.kept.remove(&no);
                let is_behind = |monitor: &Arc<Monitor>| monitor.version > version;
                self.behind.extend(known.filter(is_behind));
                continue;
            };
            kept.is_busy = true;
            let shared = self.shared.clone();
            let task = self
                .running
                .spawn(async move { shared.check(&monitor).await });
            self.busy.insert(task.id(), no);
        }
    }

    fn ended(
        &mut self,
        ended: Result<(task::Id, CheckResult), task::JoinError>,
    ) -> (DefinitionNo, CheckResult) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                self.shared.hub.meters.part_panicked("checks");
                tracing::error!("a check panicked: {error}");
                (error.id(), broke_off("the check broke off inside Carillon"))
            }
        };
        let no = self.busy.remove(&id).unwrap_or(DefinitionNo(0));
        (no, result)
    }

    /// What checks came to: kept in memory, or told and written.
    async fn conclude(
        &mut self,
        results: Vec<(DefinitionNo, CheckResult)>,
    ) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let hub = &shared.hub;
        let now = hub.parts.clock.now();
        let directory = hub.directory.load_full();
        let mut tellings = Vec::new();
        for (no, result) in results {
            hub.meters.checked(result.verdict);
            let Some(mut kept) = self.kept.remove(&no) else {
                continue;
            };
            kept.is_busy = false;
            let Some(monitor) = directory.watch.monitor(no).cloned() else {
                continue;
            };
            if let Some(elapsed_ms) = result.elapsed_ms {
                hub.watching.tallies.answered(no, elapsed_ms, now);
            }
            if self.is_quiet(&monitor, &mut kept, &result, now) {
                if let Some(at) = kept.watch.check_at {
                    self.due.push(Reverse((at, no)));
                }
                self.kept.insert(no, kept);
                continue;
            }
            tellings.push(Telling {
                events: vec![WatchEvent::Checked(result)],
                known: (!kept.is_stale).then_some((kept.stored, kept.watch)),
                again: false,
                ..Telling::look(monitor)
            });
        }
        if tellings.is_empty() {
            return Ok(());
        }
        let nos: Vec<DefinitionNo> = tellings.iter().map(|telling| telling.monitor.no).collect();
        let mut soon = Vec::new();
        for (no, told) in nos.into_iter().zip(shared.tell_each(tellings, now).await?) {
            match told {
                Turned::Done(done) => {
                    let next_at = done.watch.check_at;
                    soon.extend(next_at.filter(|at| *at <= now + AHEAD_MS).map(|_| no));
                }
                // It is checked again.
                Turned::Lost => soon.push(no),
                Turned::Unreadable(why) => tracing::error!("a check was not written down: {why}"),
            }
        }
        self.read_again(soon).await
    }

    /// Whether a monitor that is up was found up, and nothing else is to be said. Then that is kept in memory.
    fn is_quiet(
        &self,
        monitor: &Monitor,
        kept: &mut Kept,
        result: &CheckResult,
        now: UnixMs,
    ) -> bool {
        let is_plain = result.verdict == Verdict::Up
            && kept.watch.state == WatchState::Ok
            && kept.stored.state == WatchState::Ok
            && kept.stored.version == monitor.version
            && !kept.is_stale
            && monitor.definition.depends_on.is_empty();
        if !is_plain {
            return false;
        }
        let hub = &self.shared.hub;
        let around = Around {
            no: monitor.no.0,
            plan: &monitor.plan,
            ladder: None,
            down: None,
            listening_since: now,
            is_paused: false,
            dice: hub.parts.clock.random(),
        };
        let mut watch = kept.watch.clone();
        let turn = watch.turn(&around, WatchEvent::Checked(result.clone()), now);
        let is_quiet =
            turn.entries.is_empty() && turn.refused.is_none() && watch.state == WatchState::Ok;
        if is_quiet {
            (kept.watch, kept.look_at, kept.is_dirty) = (watch, turn.look_at, true);
        }
        is_quiet
    }

    /// Writes what is only in memory. What somebody else wrote since is left: it is read and checked again.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let now = self.shared.hub.parts.clock.now();
        let directory = self.shared.hub.directory.load_full();
        let dirty = self.kept.iter().filter(|(_, kept)| kept.is_dirty);
        let dirty: Vec<DefinitionNo> = dirty.map(|(no, _)| *no).collect();
        for together in dirty.chunks(MOST_TOGETHER) {
            let (mut steps, mut of) = (Vec::new(), Vec::new());
            for no in together {
                if let (Some(kept), Some(monitor)) =
                    (self.kept.get(no), directory.watch.monitor(*no))
                {
                    steps.push(step(kept, now)?);
                    of.push(monitor.clone());
                }
            }
            let written = self.shared.step_watches(steps).await?;
            let tallies = &self.shared.hub.watching.tallies;
            for (monitor, is_written) in of.iter().zip(written) {
                if let (Some(kept), true) = (self.kept.get(&monitor.no), is_written) {
                    tallies.stood(monitor, &kept.stored, now);
                }
            }
            // Their fences are others now.
            for no in together {
                if let Some(kept) = self.kept.get_mut(no).filter(|kept| kept.is_busy) {
                    (kept.is_stale, kept.is_dirty) = (true, false);
                } else {
                    self.kept.remove(no);
                }
            }
        }
        if !dirty.is_empty() {
            self.poll_soon();
        }
        Ok(())
    }
}

fn step(kept: &Kept, now: UnixMs) -> Result<WatchStep, StoreError> {
    let record = serde_json::to_string(&kept.watch);
    Ok(WatchStep {
        monitor: kept.stored.monitor,
        app: kept.stored.app,
        claim: WatchClaim::Known(kept.stored.fence),
        state: kept.watch.state,
        record: record.map_err(|error| StoreError::Failed(error.to_string()))?,
        version: kept.stored.version,
        check_at: kept.watch.check_at,
        look_at: kept.look_at,
        entries: Vec::new(),
        events: Vec::new(),
        rings: Vec::new(),
        pages: Vec::new(),
        now,
    })
}

/// What is said where a check did not end although its time was over, or broke off inside.
fn broke_off(why: &str) -> CheckResult {
    CheckResult::unknown(FaultKind::Exchange, why)
}

impl Shared {
    async fn check(&self, monitor: &Monitor) -> CheckResult {
        match monitor.opened(&*self.hub.parts.secrets) {
            Ok(plan) => self.attempt(monitor.app, &plan).await,
            Err(why) => CheckResult::unknown(FaultKind::Refused, why),
        }
    }

    /// One attempt of a check of an App's; what does not end by itself is given up.
    pub(super) async fn attempt(&self, app: AppNo, plan: &MonitorPlan) -> CheckResult {
        let parts = &self.hub.parts;
        let (now, dice) = (parts.clock.now(), parts.clock.random());
        let within = Duration::from_millis(plan.timeout_ms.unsigned_abs());
        if let CheckPlan::Server(server) = &plan.check {
            // What it sees is of all Apps, and the setting may name another one since it was stored.
            if !self.is_server_app(app) {
                return CheckResult::unknown(FaultKind::Refused, SERVER_APP_RULE);
            }
            return self.check_server(server, within, now).await;
        }
        let limit = within + PATIENCE;
        let probe = tokio::time::timeout(limit, parts.checker.probe(plan, now, dice));
        probe
            .await
            .unwrap_or_else(|_| broke_off("the check did not end in its time"))
    }

    /// Monitors whose timers are due. `true`: that one took its turn; an error is a sentence.
    pub(crate) async fn watches_due(
        self: &Arc<Self>,
        due: Vec<(usize, &StoredWatch)>,
        now: UnixMs,
    ) -> Result<Vec<Looked>, StoreError> {
        let directory = self.hub.directory.load_full();
        let (mut answers, mut places, mut tellings) = (Vec::new(), Vec::new(), Vec::new());
        for (at, stored) in due {
            let Some(monitor) = directory.watch.monitor(stored.monitor).cloned() else {
                let why = format!("monitor {} cannot be read, or is gone", stored.monitor);
                answers.push((at, Err(why)));
                continue;
            };
            match read(stored) {
                Ok(watch) => {
                    places.push(at);
                    tellings.push(Telling {
                        known: Some((stored.clone(), watch)),
                        again: false,
                        must_write: true,
                        ..Telling::look(monitor)
                    });
                }
                Err(why) => answers.push((at, Err(why))),
            }
        }
        let told = self.tell_monitors(tellings, now).await?;
        let told = told.into_iter().map(|told| match told {
            Turned::Done(_) => Ok(true),
            Turned::Lost => Ok(false),
            Turned::Unreadable(why) => Err(why),
        });
        answers.extend(places.into_iter().zip(told));
        Ok(answers)
    }
}
