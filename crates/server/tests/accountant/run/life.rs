//! One life of the plan: how it begins, who ends it, and whether that was as planned.

use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use carillon_ports::fault::STAGES;
use tokio::time::sleep;

use super::{LOOK_INTERVAL, Run};
use crate::instant::now;
use crate::plan::happening::Happening;
use crate::plan::{Ending, LifePlan};
use crate::subject::Wish;

/// The longest that a life may last that is to end at a stage, or by a full disk.
const LIFE_LIMIT: Duration = Duration::from_secs(15);
/// The same of one that is sent to a stage again, and how many of them each stage has: a run must not lack it only because the
/// machine is slow.
const REPEAT_LIMIT: Duration = Duration::from_secs(60);
const MOST_REPEATS: u32 = 3;
/// How one ends, and what it says, whose connection was lost during a commit, where the database stays away for longer than it
/// is waited for: whether the commit was made, only a new start finds out.
const IN_DOUBT: (&str, &str) = ("exit status: 74", "the connection was lost during a commit");
/// Refusals because of the full disk after which its life may end.
const ENOUGH_REFUSALS: u64 = 3;

/// Who ended a life.
enum Ended {
    Itself(ExitStatus),
    Us,
}

impl Run {
    /// One life of the plan, from start to its end.
    pub(super) async fn live(&mut self, plan: &LifePlan) -> Result<()> {
        let before = now();
        self.age_tokens(&plan.faults);
        self.approach_minute();
        let kill_at = match plan.ending {
            Ending::AtStage { stage, count } => Some(format!("{}:{count}", STAGES[stage])),
            _ => None,
        };
        let has_full_disk = plan.ending == Ending::FullDisk;
        let wish = Wish {
            kill_at,
            has_full_disk,
            ..Wish::default()
        };
        let Some(mut alive) = self.start(&wish).await? else {
            return self.note_end(plan, None);
        };
        let limit = match plan.ending {
            Ending::AtRandom { after } | Ending::Stop { after } | Ending::Move { after, .. } => {
                after
            }
            Ending::AtStage { stage, count: 1 } if self.repeats.contains_key(&stage) => {
                REPEAT_LIMIT
            }
            Ending::AtStage { .. } | Ending::FullDisk => LIFE_LIMIT,
        };
        let troubles = self.troubles(&plan.faults, self.dice.clone(), before, false);
        self.dice.roll();
        let refused = self.disk_refusals();
        // Whoever lets provider tokens expire sees to it that they are renewed: not to be ended on the way. And a quota has
        // this life only to be met in.
        let is_patient = plan
            .faults
            .iter()
            .any(|fault| matches!(fault, Happening::ExpiredProviderToken | Happening::FcmQuota));
        let over = async {
            match troubles.await {
                Ok(()) if is_patient => Ok(()),
                Ok(()) => std::future::pending().await,
                Err(error) => Err(error),
            }
        };
        let ended = tokio::select! {
            status = alive.wait() => Ended::Itself(status?),
            () = sleep(limit), if !is_patient => Ended::Us,
            () = self.until_refused(refused + ENOUGH_REFUSALS), if has_full_disk => Ended::Us,
            over = over => {
                over?;
                Ended::Us
            }
        };
        self.up.send_replace(None);
        self.scene.gateway.calm();
        let life = match (&ended, plan.ending) {
            (Ended::Itself(_), _) => alive.ended("by itself").await?,
            (
                Ended::Us,
                Ending::Stop { .. }
                | Ending::Move {
                    is_killed: false, ..
                },
            ) => {
                // It writes down what it knows.
                self.revive_database().await?;
                alive.stop().await?
            }
            (Ended::Us, _) => alive.kill().await?,
        };
        self.lives.push(life);
        if let Ending::Move { copy_dies, .. } = plan.ending {
            self.move_store(copy_dies).await?;
        }
        let status = match ended {
            Ended::Itself(status) => Some(status),
            Ended::Us => None,
        };
        if has_full_disk {
            let refusals = self.disk_refusals() - refused;
            self.scene.gateway.note(
                Happening::FullDisk,
                refusals.max(u64::from(status.is_some())),
            );
        }
        self.note_end(plan, status)
    }

    /// Counts how a life ended, and tells.
    fn note_end(&mut self, plan: &LifePlan, status: Option<ExitStatus>) -> Result<()> {
        let life = self.lives.last().context("no life was noted")?;
        let number = self.lives.len();
        let accepted = self.scene.accepted.load(Ordering::Relaxed);
        self.tell(&format!(
            "life {number:>3}: {:?} {:?}: {}; {accepted} deliveries accepted, peak {} MiB, ready after {} ms",
            plan.ending,
            plan.faults,
            life.ending,
            life.peak_kib / 1024,
            life.ready_after / 1000
        ));
        if self.is_in_doubt(&plan.faults)? {
            // Before what was planned for it could happen: that is for another one.
            self.plan.lives.push_back(LifePlan {
                ending: plan.ending,
                faults: Vec::new(),
            });
            return Ok(());
        }
        let is_killed = life.ending.contains("signal: 9");
        let happening = match plan.ending {
            // What a full disk leaves is counted where it is seen.
            Ending::FullDisk => return Ok(()),
            Ending::Stop { .. }
            | Ending::Move {
                is_killed: false, ..
            } => Happening::GracefulStop,
            Ending::AtStage { stage, .. }
                if status.is_some() || life.ending.starts_with("before it was ready") =>
            {
                Happening::KillAt(stage)
            }
            Ending::AtStage { stage, .. } => {
                // It never got there: killed all the same, and another one is sent there, with less to reach.
                let again = LifePlan {
                    ending: Ending::AtStage { stage, count: 1 },
                    faults: Vec::new(),
                };
                let is_known = self
                    .plan
                    .lives
                    .iter()
                    .any(|life| life.ending == again.ending);
                let repeats = self.repeats.entry(stage).or_default();
                if !is_known && *repeats < MOST_REPEATS {
                    *repeats += 1;
                    self.plan.lives.push_back(again);
                }
                Happening::KillAtRandom
            }
            Ending::AtRandom { .. } | Ending::Move { .. } => Happening::KillAtRandom,
        };
        let is_expected = match happening {
            Happening::GracefulStop => life.ending.starts_with("stopped"),
            _ => is_killed,
        };
        ensure!(
            is_expected,
            "life {number} ended in another way than planned: {}",
            life.ending
        );
        self.scene.gateway.note(happening, 1);
        Ok(())
    }

    /// Whether the newest life, which had these faults, ended because it could not know of its commit. Only where a database
    /// server was hurt is that as it should be.
    pub(super) fn is_in_doubt(&self, faults: &[Happening]) -> Result<bool> {
        let life = self.lives.last().context("no life was noted")?;
        let has_server = faults.iter().any(|fault| !fault.is_of_file());
        let (status, word) = IN_DOUBT;
        Ok(has_server && life.ending.ends_with(status) && self.subject.told()?.contains(word))
    }

    fn disk_refusals(&self) -> u64 {
        self.scene
            .caller
            .refusals()
            .get("507 store.full")
            .copied()
            .unwrap_or(0)
    }

    async fn until_refused(&self, times: u64) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        while self.disk_refusals() < times {
            ticks.tick().await;
        }
    }
}
