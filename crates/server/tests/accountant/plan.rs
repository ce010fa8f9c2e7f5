//! The plan of a run: how many lives the process has, how each ends, and what goes wrong meanwhile. All of it from the
//! seed.

pub(crate) mod happening;
pub(crate) mod load;
pub(crate) mod steps;

use std::collections::VecDeque;
use std::time::Duration;

use carillon_ports::fault::{Bug, COPY_STAGES, STAGES};

use crate::dice::Dice;
use crate::store::Store;
use happening::Happening;
pub(crate) use load::Load;
use steps::Step;

/// Deliveries a second where eight processes share the machine with their database: what they have room for, so that what is new
/// after a fault does not wait behind what came before it.
const SPLIT_PER_SECOND: u64 = 90;
/// Stages at which the short run on a server kills.
const BRIEF_STAGES: usize = 5;

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By its own hand, when it reaches a stage (its place in [`STAGES`]) for the count-th time.
    AtStage { stage: usize, count: u64 },
    /// `kill -9` from outside, so long after it was ready.
    AtRandom { after: Duration },
    /// SIGTERM, so long after it was ready.
    Stop { after: Duration },
    /// It may write no larger files than it has, until it refuses or gives up.
    FullDisk,
    /// So long after it was ready, by `kill -9` or SIGTERM; then its store moves to a server. The copying is killed first
    /// at one of its stages, if there is one (its place in [`COPY_STAGES`]).
    Move {
        after: Duration,
        is_killed: bool,
        copy_dies: Option<usize>,
    },
}

/// One life of the process.
#[derive(Clone, Debug)]
pub(crate) struct LifePlan {
    pub(crate) ending: Ending,
    /// What goes wrong while it lives, one after the other.
    pub(crate) faults: Vec<Happening>,
}

/// What a run consists of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Where the store is at the beginning.
    pub(crate) store: Store,
    /// Where it moves to.
    pub(crate) moves_to: Option<Store>,
    /// How the load is shaped.
    pub(crate) load: Load,
    /// Lives that end badly; the last life after them ends when everything is drained.
    pub(crate) lives: VecDeque<LifePlan>,
    /// What happens to processes that share the work, two of each role; empty: one does everything, in lives.
    pub(crate) steps: Vec<Step>,
    /// Faults that happen in the last life, each followed by a probe.
    pub(crate) last_faults: Vec<Happening>,
    /// Bugs planted in every life.
    pub(crate) bugs: Vec<Bug>,
    /// With a length: new lives are dealt until it is over.
    pub(crate) length: Option<Duration>,
    /// The longest that nothing may end while it drains.
    pub(crate) drain_deadline: Duration,
    /// What has to happen: a run without it proves nothing about it.
    pub(crate) musts: Vec<Happening>,
    /// Whether the same holds for everything that is to happen later, and for campaigns.
    pub(crate) is_complete: bool,
}

impl Plan {
    /// The run that is part of the tests. On a file: every stage, every kind of fault, 50,000 deliveries. On a server some of
    /// the stages, by the seed, and every fault of the store.
    pub(crate) fn short(seed: u64, store: Store) -> Self {
        if store.is_server() {
            return Self::brief(seed, store);
        }
        let mut dice = Dice::for_purpose(seed, "plan");
        let mut endings: Vec<Ending> = (0..STAGES.len())
            .map(|stage| at_stage(stage, &mut dice))
            .collect();
        endings.extend((0..3).map(|_| at_random(&mut dice)));
        dice.shuffle(&mut endings);
        // Provider tokens expire once: they are renewed every twenty minutes at most.
        let mut faults = [Happening::of_store(store), &Happening::PASSING].concat();
        faults.retain(|fault| *fault != Happening::ExpiredProviderToken);
        dice.shuffle(&mut faults);
        let mut faults = faults.iter().copied().cycle();
        let (mut googles, mut browsers) =
            (Happening::PASSING_FCM.to_vec(), Happening::PASSING_BROWSERS);
        googles.retain(|fault| *fault != Happening::FcmQuota);
        dice.shuffle(&mut googles);
        dice.shuffle(&mut browsers);
        let (mut googles, mut browsers) = (googles.iter().cycle(), browsers.iter().cycle());
        let mut lives: VecDeque<LifePlan> = endings
            .into_iter()
            .map(|ending| LifePlan {
                ending,
                // One for each gateway: they happen side by side.
                faults: [
                    faults.next(),
                    googles.next().copied(),
                    browsers.next().copied(),
                ]
                .into_iter()
                .flatten()
                .collect(),
            })
            .collect();
        lives.push_back(Self::out_of_quota());
        // A full disk follows a clean stop: then the files are as small as they get.
        let place = dice.index(lives.len());
        for (place, ending) in [(place, stop(&mut dice)), (place + 1, Ending::FullDisk)] {
            lives.insert(
                place,
                LifePlan {
                    ending,
                    faults: Vec::new(),
                },
            );
        }
        Self {
            seed,
            store,
            moves_to: None,
            load: Load::default(),
            lives,
            steps: Vec::new(),
            last_faults: all_but_quota(store),
            bugs: Vec::new(),
            length: None,
            drain_deadline: Duration::from_secs(180),
            musts: Happening::ALL
                .into_iter()
                .filter(|happening| happening.is_of_file())
                .collect(),
            is_complete: true,
        }
    }

    /// The short run on a server: about a minute.
    fn brief(seed: u64, store: Store) -> Self {
        let mut dice = Dice::for_purpose(seed, "plan");
        let mut endings = some_stages(BRIEF_STAGES, &mut dice);
        endings.extend([at_random(&mut dice), stop(&mut dice)]);
        dice.shuffle(&mut endings);
        let mut faults = few_faults(store, endings.len(), &mut dice);
        let last_faults = faults.pop().unwrap_or_default();
        let mut musts = Happening::of_store(store).to_vec();
        musts.extend([Happening::KillAtRandom, Happening::GracefulStop]);
        Self {
            seed,
            store,
            moves_to: None,
            load: Load::brief(),
            lives: endings
                .into_iter()
                .zip(faults)
                .map(|(ending, faults)| LifePlan { ending, faults })
                .collect(),
            steps: Vec::new(),
            last_faults,
            bugs: Vec::new(),
            length: None,
            drain_deadline: Duration::from_secs(180),
            musts,
            is_complete: false,
        }
    }

    /// A run whose store moves from its file to a server in the middle: lives on both sides of that.
    pub(crate) fn moving(seed: u64, to: Store) -> Self {
        let mut dice = Dice::for_purpose(seed, "move");
        let mut before = some_stages(2, &mut dice);
        before.push(at_random(&mut dice));
        let mut after = some_stages(2, &mut dice);
        after.push(at_random(&mut dice));
        let copy_dies = Some(dice.index(COPY_STAGES.len() + 1));
        let copy_dies = copy_dies.filter(|stage| *stage < COPY_STAGES.len());
        let moving = LifePlan {
            ending: Ending::Move {
                after: Duration::from_millis(dice.between(2_000, 5_000)),
                is_killed: dice.permille(500),
                copy_dies,
            },
            faults: Vec::new(),
        };
        let of_file = few_faults(Store::Sqlite, before.len(), &mut dice);
        let mut of_server = few_faults(to, after.len(), &mut dice);
        let last_faults = of_server.pop().unwrap_or_default();
        let with = |endings: Vec<Ending>, faults: Vec<Vec<Happening>>| {
            let lives = endings.into_iter().zip(faults);
            lives.map(|(ending, faults)| LifePlan { ending, faults })
        };
        let mut musts = Happening::of_store(to).to_vec();
        musts.push(Happening::StoreMoved);
        musts.extend(copy_dies.map(|_| Happening::CopyKilled));
        Self {
            moves_to: Some(to),
            lives: with(before, of_file)
                .chain([moving])
                .chain(with(after, of_server))
                .collect(),
            last_faults,
            musts,
            ..Self::brief(seed, Store::Sqlite)
        }
    }

    /// A run on a server whose work many processes share.
    pub(crate) fn split(seed: u64, store: Store) -> Self {
        let mut plan = Self::brief(seed, store);
        plan.load.per_second = SPLIT_PER_SECOND;
        plan.lives.clear();
        plan.steps = steps::deal(&mut Dice::for_purpose(seed, "steps"));
        plan.musts = Happening::of_store(store).to_vec();
        plan.musts.extend(Happening::OF_ROLES);
        plan
    }

    /// As long as one likes: its own lives first, then more of them.
    pub(crate) fn lasting(self, length: Duration) -> Self {
        Self {
            length: Some(length),
            ..self
        }
    }

    /// A life in which the provider tokens expire.
    pub(crate) fn expiring() -> LifePlan {
        LifePlan {
            ending: Ending::AtRandom {
                after: Duration::ZERO,
            },
            faults: vec![Happening::ExpiredProviderToken],
        }
    }

    /// A life in which the quota of a project at Google is used up: its pushes wait for a minute then, or for the next life.
    fn out_of_quota() -> LifePlan {
        LifePlan {
            ending: Ending::AtRandom {
                after: Duration::ZERO,
            },
            faults: vec![Happening::FcmQuota],
        }
    }

    /// One more life of a long run.
    pub(crate) fn deal(dice: &mut Dice, store: Store) -> LifePlan {
        let ending = match dice.below_ten() {
            0..=4 => at_stage(dice.index(STAGES.len()), dice),
            5..=7 => at_random(dice),
            8 => stop(dice),
            _ if store.is_server() => at_random(dice),
            _ => Ending::FullDisk,
        };
        if dice.below_ten() == 0 {
            return Self::out_of_quota();
        }
        let passing = all_but_quota(store);
        let mut faults: Vec<Happening> = (0..dice.between(2, 6))
            .map(|_| passing[dice.index(passing.len())])
            .collect();
        faults.sort();
        faults.dedup();
        dice.shuffle(&mut faults);
        // This one has to be seen through to its end.
        let ending = match faults.contains(&Happening::ExpiredProviderToken) {
            true => at_random(dice),
            false => ending,
        };
        LifePlan { ending, faults }
    }
}

/// What happens while the process lives, and is over soon after it has ended.
fn all_but_quota(store: Store) -> Vec<Happening> {
    let mut all = Happening::of_store(store).to_vec();
    all.extend(Happening::ALL_PASSING.concat());
    all.retain(|fault| *fault != Happening::FcmQuota);
    all
}

/// Ends at some of the stages, chosen by chance.
fn some_stages(count: usize, dice: &mut Dice) -> Vec<Ending> {
    let mut stages: Vec<usize> = (0..STAGES.len()).collect();
    dice.shuffle(&mut stages);
    stages.truncate(count);
    let at = stages.into_iter().map(|stage| at_stage(stage, dice));
    at.collect()
}

/// Faults of so many lives, one of the store and one of a gateway in each; and those of the last life: all of the store's, and
/// one of each gateway.
fn few_faults(store: Store, lives: usize, dice: &mut Dice) -> Vec<Vec<Happening>> {
    let mut of_store = Happening::of_store(store).to_vec();
    dice.shuffle(&mut of_store);
    let of_gateways = [
        &Happening::PASSING[..],
        &Happening::PASSING_FCM,
        &Happening::PASSING_BROWSERS,
    ];
    let any = |list: &[Happening], dice: &mut Dice| loop {
        let one = list[dice.index(list.len())];
        // These take their time.
        if !matches!(one, Happening::ExpiredProviderToken | Happening::FcmQuota) {
            return one;
        }
    };
    let mut all: Vec<Vec<Happening>> = (0..lives)
        .map(|life| {
            let of_store = of_store[life % of_store.len()];
            let side = of_gateways[dice.index(of_gateways.len())];
            vec![of_store, any(side, dice)]
        })
        .collect();
    of_store.extend(of_gateways.map(|side| any(side, dice)));
    all.push(of_store);
    all
}

impl Dice {
    fn below_ten(&mut self) -> u64 {
        self.between(0, 9)
    }
}

/// Dies at a stage, early or late in its life: rare stages after fewer times.
fn at_stage(stage: usize, dice: &mut Dice) -> Ending {
    let most = match STAGES[stage] {
        "fanout.page_committed" => 30,
        "dispatch.watermark_committed" => 40,
        "digest.told" | "webhook.enqueued" | "webhook.settled" => 20,
        "timer.read" | "timer.in_transaction" | "timer.fired" => 20,
        "prune.slice_committed" => 6,
        "pause.marked" => 5,
        _ => 300,
    };
    Ending::AtStage {
        stage,
        count: dice.between(1, most),
    }
}

fn at_random(dice: &mut Dice) -> Ending {
    Ending::AtRandom {
        after: Duration::from_millis(dice.between(200, 5_000)),
    }
}

fn stop(dice: &mut Dice) -> Ending {
    Ending::Stop {
        after: Duration::from_millis(dice.between(1_000, 4_000)),
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_plan() {
        let words = |seed| format!("{:?}", Plan::short(seed, Store::Sqlite));
        assert_eq!(words(3), words(3));
        assert_ne!(words(3), words(4));
    }

    #[test]
    fn every_short_plan_kills_ten_times_and_at_every_stage() {
        for seed in 0..50 {
            let plan = Plan::short(seed, Store::Sqlite);
            let kills = plan.lives.iter().filter(|life| {
                matches!(
                    life.ending,
                    Ending::AtStage { .. } | Ending::AtRandom { .. }
                )
            });
            assert!(kills.count() >= 10, "{seed}");
            for (place, stage) in STAGES.iter().enumerate() {
                let dies_there = |life: &LifePlan| matches!(life.ending, Ending::AtStage { stage, .. } if stage == place);
                assert!(plan.lives.iter().any(dies_there), "{seed}: {stage}");
            }
            let full = plan
                .lives
                .iter()
                .position(|life| life.ending == Ending::FullDisk)
                .unwrap();
            assert!(
                matches!(plan.lives[full - 1].ending, Ending::Stop { .. }),
                "{seed}"
            );
            assert!(plan.load.deliveries >= 50_000 && plan.is_complete);
        }
    }

    #[test]
    fn every_plan_on_a_server_hurts_the_server() {
        for (seed, store) in (0..50).zip([Store::Postgres, Store::Mariadb].into_iter().cycle()) {
            for plan in [Plan::short(seed, store), Plan::moving(seed, store)] {
                for fault in Happening::of_store(store) {
                    assert!(plan.last_faults.contains(fault) && plan.musts.contains(fault));
                }
                let mut faults = plan.lives.iter().flat_map(|life| &life.faults);
                let is_moving = plan.moves_to.is_some();
                assert_eq!(faults.any(|f| *f == Happening::LockedDatabase), is_moving);
                let is_move = |life: &&LifePlan| matches!(life.ending, Ending::Move { .. });
                let moves = plan.lives.iter().filter(is_move).count();
                assert_eq!(moves, usize::from(is_moving), "{seed}");
                assert!(
                    !plan
                        .lives
                        .iter()
                        .any(|life| life.ending == Ending::FullDisk)
                );
            }
        }
    }
}
