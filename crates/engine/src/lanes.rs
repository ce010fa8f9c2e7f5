//! The lanes' queues in memory and who is next: fair between Apps by weight, between classes by weight.
//!
//! A *run* is some positions of a job that wait to go to the same route. A lane has a queue of runs
//! for each route and class. Lanes take turns (deficit round robin, quantum × weight of the App);
//! inside a lane the classes share turns by `Class::weight`. Whether a route has room is not known
//! here: the dispatcher says so.

use crate::gauge::LaneGauge;
use crate::job::JobKey;
use crate::rates::RateLimit;
use carillon_model::UnixMs;
use carillon_model::lane::{Class, Lane};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Positions of one job, taken from the front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// From, to (exclusive).
    Range(u16, u16),
    /// Some.
    List(Vec<u16>),
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range(from, to) => usize::from(*to - *from),
            Self::List(list) => list.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let (range, list) = match self {
            Self::Range(from, to) => (*from..*to, &[][..]),
            Self::List(list) => (0..0, list.as_slice()),
        };
        range.chain(list.iter().copied())
    }

    /// Takes at most `count` from the front.
    fn take(&mut self, count: usize) -> Self {
        match self {
            Self::Range(from, to) => {
                let middle = (usize::from(*from) + count).min(usize::from(*to)) as u16;
                let taken = Self::Range(*from, middle);
                *from = middle;
                taken
            }
            Self::List(list) if list.len() <= count => Self::List(std::mem::take(list)),
            Self::List(list) => {
                let rest = list.split_off(count);
                Self::List(std::mem::replace(list, rest))
            }
        }
    }
}

/// Positions of a job that wait for a route.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) job: JobKey,
    pub(crate) chunk: Chunk,
}

/// The queues of a lane for one route.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) queues: [VecDeque<Run>; 3],
    pub(crate) queued: [u32; 3],
}

impl Flow {
    pub(crate) fn push(&mut self, class: Class, run: Run) {
        let at = usize::from(class.code());
        self.queued[at] += run.chunk.len() as u32;
        self.queues[at].push_back(run);
    }

    /// Puts positions in front; together with the first run, if that is of the same job.
    pub(crate) fn put_back(&mut self, class: Class, job: JobKey, mut positions: Vec<u16>) {
        let at = usize::from(class.code());
        self.queued[at] += positions.len() as u32;
        match self.queues[at].front_mut() {
            Some(first) if first.job == job => {
                positions.extend(first.chunk.iter());
                first.chunk = Chunk::List(positions);
            }
            _ => self.queues[at].push_front(Run {
                job,
                chunk: Chunk::List(positions),
            }),
        }
    }

    /// Takes at most `count` positions of the first run.
    pub(crate) fn take(&mut self, class: Class, count: usize) -> Option<Run> {
        let at = usize::from(class.code());
        let queue = &mut self.queues[at];
        let run = queue.front_mut()?;
        let job = run.job;
        let chunk = run.chunk.take(count);
        if run.chunk.len() == 0 {
            queue.pop_front();
        }
        self.queued[at] -= chunk.len() as u32;
        Some(Run { job, chunk })
    }

    /// Removes runs, from the back to the front.
    pub(crate) fn remove(&mut self, mut is_meant: impl FnMut(&Run) -> bool) -> Vec<(Class, Run)> {
        let mut removed = Vec::new();
        for class in Class::ALL {
            let at = usize::from(class.code());
            if self.queues[at].is_empty() {
                continue;
            }
            let mut kept = VecDeque::new();
            while let Some(run) = self.queues[at].pop_back() {
                if is_meant(&run) {
                    self.queued[at] -= run.chunk.len() as u32;
                    removed.push((class, run));
                } else {
                    kept.push_front(run);
                }
            }
            self.queues[at] = kept;
        }
        removed
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.queued.iter().sum()
    }
}

/// A lane in memory.
#[derive(Debug)]
pub(crate) struct LaneState {
    pub(crate) lane: Lane,
    pub(crate) gauge: Arc<LaneGauge>,
    /// By route.
    pub(crate) flows: Vec<(usize, Flow)>,
    pub(crate) weight: u32,
    /// What held it back at its last turn but for which it could have sent, and when.
    pub(crate) limited: Option<(RateLimit, Instant)>,
    /// What is left of its turn.
    pub(crate) deficit: usize,
    /// What is left of each class' turns.
    credits: [u32; 3],
    /// Whether it stands in the ring.
    is_active: bool,
    pub(crate) in_flight: u32,
    /// Earliest known due work in the store, by class.
    pub(crate) due: [Option<UnixMs>; 3],
    pub(crate) is_claiming: [bool; 3],
    /// Answers since the rate was last taken, and the rate: answers in a second.
    pub(crate) answers: u32,
    pub(crate) rate: f64,
    /// Age of the oldest in the store, from the last look.
    pub(crate) oldest_stored: Option<UnixMs>,
}

impl LaneState {
    pub(crate) fn flow(&mut self, route: usize) -> &mut Flow {
        let at = self.flows.iter().position(|(of, _)| *of == route);
        let at = at.unwrap_or_else(|| {
            self.flows.push((route, Flow::default()));
            self.flows.len() - 1
        });
        &mut self.flows[at].1
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.flows.iter().map(|(_, flow)| flow.waiting()).sum()
    }

    /// Which rate of its App it waits for. With one permit after the other it may just have got one, so
    /// what held it back a moment ago still does.
    pub(crate) fn limited(&self, at: Instant) -> Option<RateLimit> {
        let (limit, since) = self.limited?;
        (self.waiting() > 0 && at < since + LIMITED_SHOWN).then_some(limit)
    }

    /// The classes in the order in which they may go now: those with credit first. Refills when none
    /// of those that have work has credit left.
    pub(crate) fn class_order(&mut self) -> impl Iterator<Item = (Class, u32)> + use<> {
        let has_work = Class::ALL.map(|class| {
            let at = usize::from(class.code());
            self.flows.iter().any(|(_, flow)| flow.queued[at] > 0)
        });
        let is_spent = Class::ALL
            .into_iter()
            .zip(has_work)
            .all(|(class, has_work)| !has_work || self.credits[usize::from(class.code())] == 0);
        if is_spent {
            self.credits = Class::ALL.map(|class| class.weight() * CLASS_TURN);
        }
        let credits = self.credits;
        let with_credit = Class::ALL.into_iter().filter(move |class| {
            let at = usize::from(class.code());
            has_work[at] && credits[at] > 0
        });
        let without = Class::ALL.into_iter().filter(move |class| {
            let at = usize::from(class.code());
            has_work[at] && credits[at] == 0
        });
        with_credit
            .map(move |class| (class, credits[usize::from(class.code())]))
            // Work without credit may still use room that the others cannot use.
            .chain(without.map(|class| (class, NO_CREDIT)))
    }

    pub(crate) fn spend(&mut self, class: Class, count: u32) {
        let credit = &mut self.credits[usize::from(class.code())];
        *credit = credit.saturating_sub(count);
    }

    /// It is sent by another process: what waits in the store is not ours to claim.
    pub(crate) fn disown(&mut self) {
        if self.due.iter().any(Option::is_some) {
            self.due = [None; 3];
            for class in Class::ALL {
                self.gauge.clear_stored(class, self.gauge.stored(class));
            }
        }
    }

    /// A claim found less than there was room for. What was put into the store since `seen` may or may not have been among
    /// it: only another claim tells, and nothing else would ask for one before the next look.
    pub(crate) fn claimed_all(&mut self, class: Class, seen: u32) {
        if self.gauge.clear_stored(class, seen) {
            self.due[usize::from(class.code())] = None;
        }
    }

    pub(crate) fn note_due(&mut self, class: Class, due_at: UnixMs) {
        let due = &mut self.due[usize::from(class.code())];
        *due = Some(due.map_or(due_at, |known| known.min(due_at)));
    }
}

/// How long a lane that was held back by a rate still counts as such: longer than the slowest rate takes
/// for one push.
const LIMITED_SHOWN: Duration = Duration::from_secs(2);

/// Stands for the credit of a class that has none: it may take what the others cannot.
pub(crate) const NO_CREDIT: u32 = u32::MAX;

/// Deliveries of one unit of `Class::weight` in a round of the classes.
const CLASS_TURN: u32 = 8;

/// All lanes that had work since the start.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    pub(crate) all: Vec<LaneState>,
    index: HashMap<Lane, usize>,
    /// Lanes with queued work, whose turn comes from the front.
    pub(crate) ring: VecDeque<usize>,
}

impl Lanes {
    pub(crate) fn find(&self, lane: Lane) -> Option<usize> {
        self.index.get(&lane).copied()
    }

    pub(crate) fn add(&mut self, lane: Lane, gauge: Arc<LaneGauge>) -> usize {
        let at = self.all.len();
        self.index.insert(lane, at);
        self.all.push(LaneState {
            lane,
            gauge,
            flows: Vec::new(),
            weight: 1,
            limited: None,
            deficit: 0,
            credits: [0; 3],
            is_active: false,
            in_flight: 0,
            due: [None; 3],
            is_claiming: [false; 3],
            answers: 0,
            rate: 0.0,
            oldest_stored: None,
        });
        at
    }

    /// Puts a lane into the ring, if it is not there.
    pub(crate) fn activate(&mut self, lane: usize) {
        let state = &mut self.all[lane];
        if !state.is_active {
            state.is_active = true;
            self.ring.push_back(lane);
        }
    }

    /// Its turn is over: to the back of the ring, or out when it has nothing.
    pub(crate) fn turn_over(&mut self) {
        let Some(lane) = self.ring.pop_front() else {
            return;
        };
        let state = &mut self.all[lane];
        if state.waiting() == 0 {
            state.is_active = false;
            state.deficit = 0;
        } else {
            self.ring.push_back(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EngineConfig;
    use crate::gauge::Gauges;
    use carillon_model::environment::TokenEnvironment;
    use carillon_model::id::AppNo;
    use carillon_model::lane::Gateway;

    #[test]
    fn what_is_stored_during_a_claim_asks_for_another() {
        let lane = Lane {
            app: AppNo(1),
            gateway: Gateway::Apns,
            environment: TokenEnvironment::Production,
        };
        let gauges = Gauges::new(&EngineConfig::default());
        let mut lanes = Lanes::default();
        let at = lanes.add(lane, gauges.lane(lane));
        let state = &mut lanes.all[at];
        let normal = usize::from(Class::Normal.code());
        state.gauge.mark_spilled(Class::Normal, 3);
        state.note_due(Class::Normal, 7);
        let seen = state.gauge.stored(Class::Normal);
        state.gauge.mark_spilled(Class::Normal, 1);
        state.note_due(Class::Normal, 8);
        state.claimed_all(Class::Normal, seen);
        assert!(state.due[normal].is_some() && state.gauge.has_stored());
        state.claimed_all(Class::Normal, state.gauge.stored(Class::Normal));
        assert!(state.due[normal].is_none() && !state.gauge.has_stored());
    }

    #[test]
    fn chunks_come_from_the_front() {
        let mut range = Chunk::Range(3, 9);
        assert_eq!(range.take(4), Chunk::Range(3, 7));
        assert_eq!(range.take(4).iter().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(range.len(), 0);
        let mut list = Chunk::List(vec![1, 5, 9]);
        assert_eq!(list.take(2), Chunk::List(vec![1, 5]));
        assert_eq!(list.take(2), Chunk::List(vec![9]));
        assert_eq!(list.len(), 0);
    }
}
