//! What happens to processes that share the work: each has one of the roles, and there are two of each.

use std::time::Duration;

use carillon_ports::fault::STAGES;

use super::happening::Happening;
use crate::dice::Dice;

/// What a process does, by the program's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Api,
    Scheduler,
    Worker,
    Sender,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Api, Self::Scheduler, Self::Worker, Self::Sender];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
            Self::Sender => "sender",
        }
    }

    /// Whether one process of the role does the work and the others stand by.
    pub(crate) fn has_leader(self) -> bool {
        matches!(self, Self::Scheduler | Self::Worker)
    }

    pub(crate) fn killed(self) -> Happening {
        match self {
            Self::Api => Happening::ApiKilled,
            Self::Scheduler => Happening::SchedulerKilled,
            Self::Worker => Happening::WorkerKilled,
            Self::Sender => Happening::SenderKilled,
        }
    }

    /// Whose work passes a stage.
    fn of_stage(stage: &str) -> Self {
        match stage {
            "intake.committed" | "campaign.paused" => Self::Api,
            "timer.read" | "timer.in_transaction" | "timer.fired" | "digest.told" => {
                Self::Scheduler
            }
            "fanout.page_committed"
            | "prune.slice_committed"
            | "webhook.enqueued"
            | "webhook.settled" => Self::Worker,
            _ => Self::Sender,
        }
    }
}

/// One thing that happens to one of the processes. Where one of its role leads, it is that one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// `kill -9`; another one is started so long after.
    Kill { role: Role, away: Duration },
    /// SIGTERM, likewise.
    Stop { role: Role, away: Duration },
    /// SIGSTOP, and so long after SIGCONT.
    Freeze { role: Role, lasts: Duration },
    /// It is started anew, and dies when it reaches a stage (its place in [`STAGES`]).
    KillAt { role: Role, stage: usize },
}

/// Each role is killed, at some moment and at one of its stages; schedulers hang, and senders come and go.
pub(super) fn deal(dice: &mut Dice) -> Vec<Step> {
    let mut steps = Vec::new();
    for role in Role::ALL {
        let stages: Vec<usize> = (0..STAGES.len())
            .filter(|stage| Role::of_stage(STAGES[*stage]) == role)
            .collect();
        let stage = stages[dice.index(stages.len())];
        steps.push(Step::Kill {
            role,
            away: pause(dice),
        });
        steps.push(Step::KillAt { role, stage });
    }
    for role in [Role::Sender, Role::Api] {
        let away = pause(dice);
        steps.push(Step::Stop { role, away });
    }
    // Shorter and longer than the others wait before they give it up.
    for (least, most) in [(500, 2_000), (4_000, 6_000)] {
        let lasts = Duration::from_millis(dice.between(least, most));
        let role = Role::Scheduler;
        steps.push(Step::Freeze { role, lasts });
    }
    dice.shuffle(&mut steps);
    steps
}

fn pause(dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.between(100, 5_000))
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_killed_and_has_a_stage() {
        for seed in 0..50 {
            let steps = deal(&mut Dice::for_purpose(seed, "steps"));
            for role in Role::ALL {
                let dies = |step: &Step| matches!(step, Step::Kill { role: of, .. } if *of == role);
                assert!(steps.iter().any(dies), "{seed} {role:?}");
                let dies =
                    |step: &Step| matches!(step, Step::KillAt { role: of, .. } if *of == role);
                assert!(steps.iter().any(dies), "{seed} {role:?}");
            }
        }
    }
}
