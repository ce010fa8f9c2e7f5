//! The state that dispatch, conclude, settle and cancel work on, under one lock: jobs, lanes, routes,
//! doubts, and the ledger of what is to be settled.
//!
//! Here is what they have in common: taking work in, queueing it, ending deliveries, and handing a
//! job's progress to the ledger. Every method is short: whoever holds the lock does not wait.

use crate::breaker::ProbeRules;
use crate::claim::ClaimTurns;
use crate::flush::held_row;
use crate::hub::Hub;
use crate::job::{Incoming, Job, JobKey, Jobs, Move, Note, Progress, Slot, Step};
use crate::key_ring::KeyRing;
use crate::lanes::{Chunk, Lanes, Run};
use crate::ledger::Ledger;
use crate::live_activity::refused;
use crate::moment::{Moment, ms};
use crate::pools::Routes;
use crate::rates::AppRates;
use crate::repair::{FloodGuard, FloodRules};
use crate::routing::route_for;
use carillon_model::UnixMs;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::event::DeliveryFailed;
use carillon_model::id::{AppNo, BatchNo, DeviceNo, NotificationNo};
use carillon_model::lane::Lane;
use carillon_model::push_type::TokenKind;
use carillon_ports::gateway::OutcomeSink;
use carillon_ports::store::{Failure, NotificationHead};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};
use tokio::time::Instant;

/// See the module's words.
pub(crate) struct Core {
    pub(crate) hub: Arc<Hub>,
    pub(crate) sink: OutcomeSink,
    pub(crate) jobs: Jobs,
    pub(crate) notes: HashMap<NotificationNo, Weak<Note>>,
    pub(crate) lanes: Lanes,
    pub(crate) routes: Routes,
    pub(crate) rates: AppRates,
    pub(crate) ledger: Ledger,
    /// Deliveries in the settlement that is being written.
    pub(crate) settling: usize,
    /// Its notifications.
    pub(crate) settling_notes: Arc<crate::ledger::Notes>,
    /// Deliveries in jobs' progress.
    pub(crate) progressing: usize,
    /// Jobs with progress that is not in the ledger.
    pub(crate) dirty: Vec<JobKey>,
    pub(crate) doubts: Doubts,
    pub(crate) floods: HashMap<(AppNo, Environment), FloodGuard>,
    /// Campaigns that rest: those that were paused since the start.
    pub(crate) paused: HashSet<NotificationNo>,
    /// Notifications cancelled of late: their work may still surface from a commit or a claim.
    pub(crate) tombstones: HashMap<NotificationNo, Tombstone>,
    /// Push token reads under way.
    pub(crate) loads: u32,
    /// Claims under way.
    pub(crate) claims: u32,
    pub(crate) claim_turns: ClaimTurns,
    pub(crate) is_polling: bool,
    /// No reads and claims before this: the store refused.
    pub(crate) store_pause_until: Option<Instant>,
    pub(crate) store_refusals: u32,
    pub(crate) store_problem: Option<String>,
    /// When dispatch wants to look again, at the latest.
    pub(crate) wake_at: Option<Instant>,
    pub(crate) poll_at: Instant,
    pub(crate) backlog_at: Instant,
    pub(crate) tidy_at: Instant,
}

/// A notification that was cancelled of late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    pub(crate) since: Instant,
    /// Jobs of it in memory.
    pub(crate) jobs: usize,
}

/// Deliveries in doubt, of which a late answer may come.
#[derive(Default)]
pub(crate) struct Doubts {
    by_tag: HashMap<u64, Doubt>,
    order: VecDeque<(Instant, u64)>,
    /// Jobs that send again what is in doubt.
    pub(crate) resending: HashMap<BatchNo, Vec<JobKey>>,
    /// Late answers: what the store may not have told a claim under way.
    pub(crate) answered: HashMap<(BatchNo, u16), Instant>,
    /// What ended as unknown, and is counted so.
    pub(crate) unknown: HashMap<(BatchNo, u16), CountedUnknown>,
}

/// What an ending as unknown was counted with.
pub(crate) struct CountedUnknown {
    since: Instant,
    pub(crate) at: UnixMs,
    pub(crate) reason: String,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Doubt {
    pub(crate) batch: BatchNo,
    pub(crate) position: u16,
    pub(crate) device: DeviceNo,
    pub(crate) generation: u32,
    pub(crate) kind: TokenKind,
    pub(crate) app: AppNo,
    pub(crate) accepted_at: UnixMs,
    pub(crate) lane: Lane,
    pub(crate) attempt: u16,
    /// The push token's environment was unknown.
    pub(crate) is_auto: bool,
}

impl Doubts {
    pub(crate) fn add(&mut self, tag: u64, doubt: Doubt, at: Instant, most: u32) {
        while self.order.len() >= most as usize {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.by_tag.remove(&oldest);
            }
        }
        if self.by_tag.insert(tag, doubt).is_none() {
            self.order.push_back((at, tag));
        }
    }

    pub(crate) fn take(&mut self, tag: u64) -> Option<Doubt> {
        self.by_tag.remove(&tag)
    }

    pub(crate) fn forget_old(&mut self, at: Instant, keep_ms: u32) {
        let keep = ms(keep_ms);
        let is_old = |since: Instant| since + keep <= at;
        while self.order.front().is_some_and(|(since, _)| is_old(*since)) {
            if let Some((_, tag)) = self.order.pop_front() {
                self.by_tag.remove(&tag);
            }
        }
        self.answered.retain(|_, since| !is_old(*since));
        self.unknown.retain(|_, unknown| !is_old(unknown.since));
    }
}

impl Core {
    pub(crate) fn new(hub: Arc<Hub>, sink: OutcomeSink, ring: Arc<KeyRing>) -> Self {
        let at = Instant::now();
        Self {
            hub,
            sink,
            jobs: Jobs::default(),
            notes: HashMap::new(),
            lanes: Lanes::default(),
            routes: Routes::new(ring),
            rates: AppRates::default(),
            ledger: Ledger::default(),
            settling: 0,
            settling_notes: Arc::default(),
            progressing: 0,
            dirty: Vec::new(),
            doubts: Doubts::default(),
            floods: HashMap::new(),
            tombstones: HashMap::new(),
            paused: HashSet::new(),
            loads: 0,
            claims: 0,
            claim_turns: ClaimTurns::default(),
            is_polling: false,
            store_pause_until: None,
            store_refusals: 0,
            store_problem: None,
            wake_at: None,
            poll_at: at,
            backlog_at: at,
            tidy_at: at,
        }
    }

    pub(crate) fn probe_rules(&self) -> ProbeRules {
        let config = &self.hub.parts.config;
        ProbeRules {
            interval_ms: config.probe_interval_ms,
            max_retry_after_ms: config.max_retry_after_ms,
            max_probes: config.max_probes,
        }
    }

    pub(crate) fn flood_rules(&self) -> FloodRules {
        let config = &self.hub.parts.config;
        FloodRules {
            count: config.flood_count,
            window_ms: config.flood_window_ms,
        }
    }

    /// Outcomes that are not on disk.
    pub(crate) fn unsettled(&self) -> usize {
        self.ledger.deliveries() + self.settling + self.progressing
    }

    /// The notification's one place in memory.
    pub(crate) fn note(&mut self, head: NotificationHead) -> Arc<Note> {
        if let Some(note) = self.notes.get(&head.no).and_then(Weak::upgrade) {
            return note;
        }
        let note = Arc::new(Note::new(head));
        self.notes.insert(note.no, Arc::downgrade(&note));
        note
    }

    pub(crate) fn lane_index(&mut self, lane: Lane, at: Instant) -> usize {
        if let Some(index) = self.lanes.find(lane) {
            return index;
        }
        let gauge = self.hub.gauges.lane(lane);
        let index = self.lanes.add(lane, gauge);
        self.set_lane_rules(index, at);
        index
    }

    /// Weight and rates as the App has them now.
    pub(crate) fn set_lane_rules(&mut self, index: usize, at: Instant) {
        let directory = self.hub.directory.load();
        let state = &mut self.lanes.all[index];
        let Some(app) = directory.app_by_no(state.lane.app) else {
            return;
        };
        state.weight = app.settings.weight.clamp(1, 100);
        self.rates.set(state.lane, &app.settings.rates(), at);
    }

    // --- taking work in ---

    /// Work comes into memory: from a commit or from a claim.
    pub(crate) fn adopt(&mut self, incoming: Incoming, moment: Moment) {
        let Incoming {
            work,
            devices,
            positions,
            note,
            room,
        } = incoming;
        let lane = self.lane_index(work.lane, moment.at);
        let count = devices.count();
        let batch = work.id.batch;
        let mut slots = vec![Slot::default(); usize::from(count)];
        let mut chunk = match positions {
            None => Chunk::Range(0, count),
            Some(list) => Chunk::List(list),
        };
        if work.in_doubt && !self.doubts.answered.is_empty() {
            let answered = &self.doubts.answered;
            let open = chunk
                .iter()
                .filter(|p| !answered.contains_key(&(batch, *p)));
            chunk = Chunk::List(open.collect());
        }
        for position in chunk.iter() {
            if let Some(slot) = slots.get_mut(usize::from(position)) {
                slot.step = Step::Queued;
            }
        }
        let open = chunk.len() as u32;
        let bytes = crate::job::weight(usize::from(count), note.bytes);
        let gauges = &self.hub.gauges;
        let gauge = &self.lanes.all[lane].gauge;
        gauges.hold(gauge, work.class, open, bytes);
        drop(room);

        let flushes = usize::from(self.hub.parts.config.flushes_per_batch);
        let is_small = open as usize <= carillon_model::batch::INLINE_BATCH;
        let class = work.class;
        let in_doubt = work.in_doubt;
        let work_lane = work.lane;
        let marked = work.watermark;
        let key = self.jobs.insert(Job {
            work,
            devices,
            note: note.clone(),
            lane,
            slots,
            open,
            busy: 0,
            progress: Progress::default(),
            marked,
            flush_at: if is_small {
                usize::MAX
            } else {
                (open as usize / flushes).max(1)
            },
            held: open,
            bytes,
        });
        if let Some(stone) = self.tombstones.get_mut(&note.no) {
            stone.jobs += 1;
        }
        if in_doubt {
            self.doubts.resending.entry(batch).or_default().push(key);
        }
        let directory = self.hub.directory.load();
        let end = if self.tombstones.contains_key(&note.no) || note.is_cancelled() {
            Some(FinalState::Cancelled)
        } else if directory.app_by_no(note.app).is_none() {
            Some(FinalState::Suppressed(Suppression::AppGone))
        } else if note.is_expired(moment.now) {
            Some(FinalState::Expired)
        } else {
            None
        };
        if let Some(state) = end {
            for position in chunk.iter() {
                self.end(key, position, state, end_word(state), moment);
            }
        }
        if open == 0 {
            self.flush(key);
        }
        if end.is_some() || open == 0 {
            return;
        }
        if self.is_paused(note.no) {
            // It goes on by the word of another process that is still on its way: it is not claimed at once again.
            let pause = self.hub.parts.config.poll_interval_ms;
            return self.give_back(key, moment.now + UnixMs::from(pause));
        }
        let options = &note.options;
        let credentials = directory.credentials(note.app);
        if let Some(route) = route_for(credentials, work_lane, work_lane.environment, 0, options) {
            let probing = self.hub.parts.config.probing_per_second;
            let route = self.routes.index(route, probing, moment.at);
            let run = Run { job: key, chunk };
            self.lanes.all[lane].flow(route).push(class, run);
            self.lanes.activate(lane);
        }
    }

    /// Puts positions of a job back to where they wait; they go first. Their push tokens' environment
    /// is `environment`, as far as it is known.
    pub(crate) fn requeue(
        &mut self,
        key: JobKey,
        positions: Vec<u16>,
        environment: TokenEnvironment,
        moment: Moment,
    ) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let mut by_tried: [Vec<u16>; 4] = Default::default();
        for position in positions {
            let slot = &mut job.slots[usize::from(position)];
            if matches!(slot.step, Step::Loading | Step::InFlight) {
                job.busy -= 1;
            }
            slot.step = Step::Queued;
            by_tried[usize::from(slot.tried & 3)].push(position);
        }
        let (lane, class, app) = (job.lane, job.work.class, job.note.app);
        let of = job.work.lane;
        let note = job.note.clone();
        let directory = self.hub.directory.load();
        let credentials = directory.credentials(app);
        let is_gone = directory.app_by_no(app).is_none();
        for (tried, positions) in (0u8..).zip(by_tried) {
            if positions.is_empty() {
                continue;
            }
            if is_gone {
                let state = FinalState::Suppressed(Suppression::AppGone);
                for position in positions {
                    self.end(key, position, state, "app_gone", moment);
                }
                continue;
            }
            let options = &note.options;
            let route = route_for(credentials, of, environment, tried, options)
                // A credential went away meanwhile: from the beginning.
                .or_else(|| route_for(credentials, of, environment, 0, options));
            let Some(route) = route else {
                continue;
            };
            let probing = self.hub.parts.config.probing_per_second;
            let route = self.routes.index(route, probing, moment.at);
            self.lanes.all[lane]
                .flow(route)
                .put_back(class, key, positions);
            self.lanes.activate(lane);
        }
    }

    /// Whether a job's doubt is dropped and a pool in trouble sent all of it back that it had: then a
    /// new row in the store is better than waiting here below the watermark, because after a crash
    /// what is below it counts as written.
    fn leaves_with(&self, key: JobKey, positions: usize) -> bool {
        self.jobs.get(key).is_some_and(|job| {
            job.note.drops_doubt() && job.work.watermark > 0 && job.busy as usize == positions
        })
    }

    /// Positions that a pool in trouble sent back.
    pub(crate) fn send_back(
        &mut self,
        key: JobKey,
        positions: Vec<u16>,
        environment: TokenEnvironment,
        moment: Moment,
    ) {
        if !self.leaves_with(key, positions.len()) {
            return self.requeue(key, positions, environment, moment);
        }
        if let Some(job) = self.jobs.get_mut(key) {
            for position in positions {
                job.slots[usize::from(position)].step = Step::Queued;
                job.busy -= 1;
            }
        }
        // Runs of it that still wait find no job any more.
        self.give_back(key, moment.now);
    }

    // --- ending deliveries ---

    /// A delivery ended. What was in doubt before does not end by our own conclusion: it is unknown.
    pub(crate) fn end(
        &mut self,
        key: JobKey,
        position: u16,
        state: FinalState,
        reason: &str,
        moment: Moment,
    ) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        if !leave(job, position) {
            return;
        }
        let state = match state {
            FinalState::Accepted | FinalState::Rejected => state,
            _ if job.work.in_doubt => FinalState::Unknown,
            _ => state,
        };
        job.progress.verdicts.push((position, state));
        self.ledger.refuse(refused(job, position, state, reason));
        if DeliveryFailed::tells(state) {
            job.progress.failures.push(Failure {
                position,
                gateway: job.work.lane.gateway,
                reason: reason.to_owned(),
            });
        }
        let gateway = job.work.lane.gateway;
        job.progress.count(job.note.app, gateway, state, reason);
        let most = self.hub.parts.config.max_doubts as usize;
        if state == FinalState::Unknown && self.doubts.unknown.len() < most {
            let unknown = CountedUnknown {
                since: moment.at,
                at: moment.now,
                reason: reason.to_owned(),
            };
            let place = (job.work.id.batch, position);
            self.doubts.unknown.insert(place, unknown);
        }
        self.progressed(key, moment);
    }

    /// A delivery goes on in a work row of its own.
    pub(crate) fn move_on(&mut self, key: JobKey, moved: Move, moment: Moment) {
        if let Some(job) = self.jobs.get_mut(key)
            && leave(job, moved.position)
        {
            job.progress.moves.push(moved);
            self.progressed(key, moment);
        }
    }

    /// The job is done, or given back: it leaves the memory.
    pub(crate) fn forget(&mut self, key: JobKey) {
        let Some(job) = self.jobs.remove(key) else {
            return;
        };
        let gauge = &self.lanes.all[job.lane].gauge;
        self.hub
            .gauges
            .free(gauge, job.work.class, job.held, job.bytes);
        if job.work.in_doubt
            && let Some(keys) = self.doubts.resending.get_mut(&job.work.id.batch)
        {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.doubts.resending.remove(&job.work.id.batch);
            }
        }
        let no = job.note.no;
        if let Some(stone) = self.tombstones.get_mut(&no) {
            stone.jobs = stone.jobs.saturating_sub(1);
        }
        if Arc::strong_count(&job.note) == 1 {
            self.notes.remove(&no);
        }
        drop(job);
    }

    /// Gives a job that nobody is sending back to the store, due then, without charging an attempt.
    pub(crate) fn give_back(&mut self, key: JobKey, due_at: UnixMs) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        if job.busy > 0 || job.open == 0 {
            return;
        }
        let (lane, class, id) = (job.work.lane, job.work.class, job.work.id);
        if job.is_pristine() {
            self.ledger.release(crate::ledger::Release {
                work: id,
                due_at,
                lane,
                class,
            });
            self.hub.bells.settle.notify_one();
        } else {
            // Nothing of it is being written: the new row's watermark starts anew.
            let mut row = held_row(job);
            row.id.seq = self.hub.parts.store.next_seq();
            row.due_at = Some(due_at);
            row.watermark = 0;
            self.ledger.due(lane, class, due_at);
            self.hand_over(key, Some(row));
        }
        self.forget(key);
    }
}

/// A delivery leaves its job. `false`: it had left already.
fn leave(job: &mut Job, position: u16) -> bool {
    let Some(slot) = job.slots.get_mut(usize::from(position)) else {
        return false;
    };
    match slot.step {
        Step::Outside | Step::Done => return false,
        Step::Queued => {}
        Step::Loading | Step::InFlight => job.busy -= 1,
    }
    slot.step = Step::Done;
    job.open -= 1;
    true
}

/// The reason that is counted for what never was sent.
fn end_word(state: FinalState) -> &'static str {
    if state == FinalState::Suppressed(Suppression::AppGone) {
        "app_gone"
    } else {
        ""
    }
}
