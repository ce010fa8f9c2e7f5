//! The plan of a run: how many lives the process has, how each ends, and what goes wrong meanwhile. All of it from the
//! seed.

pub(crate) mod happening;

use std::collections::VecDeque;
use std::time::Duration;

use carillon_ports::fault::{Bug, STAGES};

use crate::dice::Dice;
use happening::Happening;

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
    /// How the load is shaped.
    pub(crate) load: Load,
    /// Lives that end badly; the last life after them ends when everything is drained.
    pub(crate) lives: VecDeque<LifePlan>,
    /// Faults that happen in the last life, each followed by a probe.
    pub(crate) last_faults: Vec<Happening>,
    /// Bugs planted in every life.
    pub(crate) bugs: Vec<Bug>,
    /// With a length: new lives are dealt until it is over.
    pub(crate) length: Option<Duration>,
    /// The longest that draining may take.
    pub(crate) drain_deadline: Duration,
    /// Whether every kind of fault has to happen.
    pub(crate) is_complete: bool,
}

/// How the load is shaped. Shares are in a thousand.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Deliveries that are accepted over the whole run; a run with a length goes on regardless.
    pub(crate) deliveries: u64,
    /// Most deliveries asked for in a second, until there are so many.
    pub(crate) per_second: u64,
    /// Requests at once.
    pub(crate) callers: usize,
    /// Callers who have campaigns, one after the other.
    pub(crate) campaigners: usize,
    /// iPhones of each App that are there all the time; besides them some Android phones and browsers.
    pub(crate) devices: u32,
    pub(crate) shares: Shares,
}

/// What is asked how often, in a thousand requests. What is left are single notifications to one device.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    /// Notifications to every device of an App.
    pub(crate) fanouts: u64,
    /// Notifications to some people, on all their devices.
    pub(crate) users: u64,
    /// Notifications to several devices.
    pub(crate) lists: u64,
    /// Files of many notifications.
    pub(crate) files: u64,
    /// Of the notifications: calls.
    pub(crate) calls: u64,
    /// Of the alerts: never to be sent in doubt.
    pub(crate) drops: u64,
    /// Of the notifications: cancelled right after.
    pub(crate) cancels: u64,
    /// Of the notifications: expiring within seconds.
    pub(crate) short: u64,
    /// Of the notifications: to the troubled App.
    pub(crate) troubled: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            deliveries: 50_000,
            per_second: 1_000,
            callers: 12,
            campaigners: 3,
            devices: 160,
            shares: Shares {
                fanouts: 14,
                users: 80,
                lists: 110,
                files: 25,
                calls: 120,
                drops: 80,
                cancels: 60,
                short: 100,
                troubled: 120,
            },
        }
    }
}

impl Load {
    /// As many fewer deliveries in a second as there are fewer in all.
    pub(crate) fn shrink(&mut self, deliveries: u64) {
        self.per_second = (self.per_second * deliveries / self.deliveries).max(1);
        self.deliveries = deliveries;
    }
}

impl Plan {
    /// The run that is part of the tests: every stage, every kind of fault, 50,000 deliveries.
    pub(crate) fn short(seed: u64) -> Self {
        let mut dice = Dice::for_purpose(seed, "plan");
        let mut endings: Vec<Ending> = (0..STAGES.len())
            .map(|stage| at_stage(stage, &mut dice))
            .collect();
        endings.extend((0..3).map(|_| at_random(&mut dice)));
        dice.shuffle(&mut endings);
        // Provider tokens expire once: they are renewed every twenty minutes at most.
        let mut faults = Happening::PASSING.to_vec();
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
            load: Load::default(),
            lives,
            last_faults: all_but_quota(),
            bugs: Vec::new(),
            length: None,
            drain_deadline: Duration::from_secs(90),
            is_complete: true,
        }
    }

    /// As long as one likes: the short run's lives first, then more of them.
    pub(crate) fn long(seed: u64, length: Duration) -> Self {
        Self {
            length: Some(length),
            drain_deadline: Duration::from_secs(180),
            ..Self::short(seed)
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
                after: Duration::from_secs(4),
            },
            faults: vec![Happening::FcmQuota],
        }
    }

    /// One more life of a long run.
    pub(crate) fn deal(dice: &mut Dice) -> LifePlan {
        let ending = match dice.below_ten() {
            0..=4 => at_stage(dice.index(STAGES.len()), dice),
            5..=7 => at_random(dice),
            8 => stop(dice),
            _ => Ending::FullDisk,
        };
        if dice.below_ten() == 0 {
            return Self::out_of_quota();
        }
        let passing = all_but_quota();
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
fn all_but_quota() -> Vec<Happening> {
    let mut all = Happening::ALL_PASSING.concat();
    all.retain(|fault| *fault != Happening::FcmQuota);
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
        "campaign.paused" => 5,
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
        let words = |seed| format!("{:?}", Plan::short(seed));
        assert_eq!(words(3), words(3));
        assert_ne!(words(3), words(4));
    }

    #[test]
    fn every_short_plan_kills_ten_times_and_at_every_stage() {
        for seed in 0..50 {
            let plan = Plan::short(seed);
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
}
