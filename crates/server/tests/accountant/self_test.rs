//! The accountant tests itself: each bug is planted alone in a short run that provokes it, and the law that forbids it
//! must be found broken; a run of every such plan without a bug must hold.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Result, ensure};
use carillon_ports::fault::{Bug, STAGES};

use crate::laws::{Breach, Law};
use crate::plan::happening::Happening;
use crate::plan::load::{Load, Shares};
use crate::plan::{Ending, LifePlan, Plan};
use crate::report::line;
use crate::store::Store;

/// Deliveries of one of these runs.
const DELIVERIES: u64 = 3_000;

/// Whether every bug was caught, and a clean run held.
pub(crate) async fn run(seed: u64, only: Option<&str>) -> Result<bool> {
    let bugs: Vec<Bug> = Bug::ALL
        .into_iter()
        .filter(|bug| only.is_none_or(|only| only.split(',').any(|one| bug.as_str() == one)))
        .collect();
    ensure!(
        !bugs.is_empty(),
        "there is no bug called {}",
        only.unwrap_or_default()
    );
    let mut verdicts = Vec::new();
    for bug in bugs {
        line(&format!("\n== planted: {}", bug.as_str()));
        let (outcome, breaches) = crate::audited(provoke(seed, bug), bug.as_str(), false).await?;
        if !judge(bug, &breaches) {
            crate::report::print(&outcome, &breaches);
        }
        verdicts.push((bug.as_str(), judge(bug, &breaches), named(&breaches)));
    }
    line("\n== nothing planted");
    let (outcome, breaches) = crate::audited(control(seed), "control", false).await?;
    if !breaches.is_empty() {
        crate::report::print(&outcome, &breaches);
    }
    let control = if breaches.is_empty() {
        "HELD"
    } else {
        "BROKEN"
    };
    line(&format!(
        "\n{:<22} {:<8} laws found broken",
        "planted", "verdict"
    ));
    for (bug, is_caught, laws) in &verdicts {
        let verdict = if *is_caught { "caught" } else { "MISSED" };
        line(&format!("{bug:<22} {verdict:<8} {laws}"));
    }
    line(&format!(
        "{:<22} {control:<8} {}",
        "(nothing)",
        named(&breaches)
    ));
    Ok(breaches.is_empty() && verdicts.iter().all(|(_, is_caught, _)| *is_caught))
}

/// The law that the bug breaks by its nature. Others may be broken with it.
fn forbids(bug: Bug) -> &'static [Law] {
    match bug {
        Bug::NoFence | Bug::DoubleBatch => &[Law::Doubt],
        Bug::SettleBeforeAnswer => &[Law::Truth],
        Bug::ResendVoip => &[Law::Drop],
        Bug::LoseWork => &[Law::OneFinalState],
        Bug::IgnoreCancel => &[Law::Cancel],
        Bug::OverwriteOutcome => &[Law::OneWay],
        Bug::RetireAgainstRule => &[Law::PushTokens],
        Bug::IgnoreExpiry => &[Law::Expiry],
        Bug::ConsumeBeforeTelling | Bug::ConsumeAfterTelling | Bug::GatherAgain => &[Law::Digests],
        Bug::IgnoreThrottle => &[Law::Throttles],
        Bug::ResendAfterFault => &[Law::Drop],
        Bug::ForgetCall | Bug::ForgetCompletion => &[Law::Webhooks],
        Bug::FireEarly | Bug::ForgetChange => &[Law::Later],
        Bug::LoseTimer => &[Law::OneFinalState],
        Bug::MoveBeforeRun | Bug::MoveAfterRun => &[Law::Schedules],
        Bug::IgnorePause | Bug::LosePiece => &[Law::Campaigns],
        Bug::TakeTwice => &[Law::OneFinalState],
    }
}

fn judge(bug: Bug, breaches: &[Breach]) -> bool {
    breaches
        .iter()
        .any(|breach| forbids(bug).contains(&breach.law))
}

fn named(breaches: &[Breach]) -> String {
    let mut laws: Vec<Law> = breaches.iter().map(|breach| breach.law).collect();
    laws.sort();
    laws.dedup();
    let names: Vec<&str> = laws.into_iter().map(Law::name).collect();
    names.join(", ")
}

/// A run that gives the bug its chance.
fn provoke(seed: u64, bug: Bug) -> Plan {
    let mut plan = quiet(seed);
    plan.bugs = vec![bug];
    let dies_at = |stage: &str, count| LifePlan {
        ending: Ending::AtStage {
            stage: stage_place(stage),
            count,
        },
        faults: Vec::new(),
    };
    match bug {
        Bug::NoFence => {
            plan.lives = VecDeque::from([
                dies_at("settle.answered", 20),
                dies_at("dispatch.submitted", 20),
            ]);
        }
        Bug::SettleBeforeAnswer => {
            plan.last_faults = vec![Happening::InternalError, Happening::NoAnswer]
        }
        Bug::ResendVoip => {
            plan.load.shares.calls = 900;
            plan.lives = VecDeque::from([
                dies_at("dispatch.submitted", 20),
                dies_at("settle.answered", 20),
                dies_at("settle.in_transaction", 20),
            ]);
            plan.last_faults = vec![Happening::NoAnswer, Happening::CutConnection];
        }
        Bug::LoseWork
        | Bug::DoubleBatch
        | Bug::RetireAgainstRule
        | Bug::GatherAgain
        | Bug::IgnoreThrottle
        | Bug::ForgetCall
        | Bug::ForgetCompletion
        | Bug::FireEarly
        | Bug::ForgetChange
        | Bug::LoseTimer => {}
        Bug::IgnorePause | Bug::LosePiece | Bug::TakeTwice => {
            // They take their time.
            plan.load.deliveries = 2 * DELIVERIES;
            plan.load.campaigners = 8;
        }
        Bug::MoveBeforeRun | Bug::MoveAfterRun => {
            // Between the two halves: only schedules come by there.
            plan.lives = VecDeque::from([dies_at("timer.fired", 1), dies_at("timer.fired", 2)]);
        }
        Bug::ConsumeBeforeTelling | Bug::ConsumeAfterTelling => {
            plan.lives = VecDeque::from([
                dies_at("digest.told", 3),
                dies_at("digest.told", 5),
                dies_at("digest.told", 8),
            ]);
        }
        Bug::ResendAfterFault => {
            plan.load.shares.drops = 500;
            plan.last_faults = vec![Happening::FcmInternal];
        }
        Bug::IgnoreCancel => {
            plan.load.shares.cancels = 600;
            plan.load.shares.troubled = 700;
            plan.last_faults = vec![Happening::BrokenCredential, Happening::BrokenCredential];
        }
        Bug::OverwriteOutcome => {
            plan.last_faults = vec![Happening::LateYesThenNo, Happening::LateYesThenNo];
        }
        Bug::IgnoreExpiry => {
            plan.load.shares.short = 800;
            plan.load.shares.troubled = 700;
            plan.last_faults = vec![Happening::BrokenCredential, Happening::Unavailable];
        }
    }
    plan
}

/// All of those provocations, and nothing planted.
fn control(seed: u64) -> Plan {
    let plans: Vec<Plan> = Bug::ALL.into_iter().map(|bug| provoke(seed, bug)).collect();
    let mut plan = quiet(seed);
    for each in plans {
        plan.lives.extend(each.lives);
        plan.last_faults.extend(each.last_faults);
    }
    plan.load.deliveries = 4 * DELIVERIES;
    plan.load.shares = Shares {
        calls: 300,
        cancels: 300,
        short: 300,
        troubled: 300,
        ..plan.load.shares
    };
    plan
}

/// One life, a little load, no faults.
fn quiet(seed: u64) -> Plan {
    Plan {
        load: Load {
            deliveries: DELIVERIES,
            per_second: 600,
            devices: 60,
            ..Load::default()
        },
        lives: VecDeque::new(),
        last_faults: Vec::new(),
        musts: Vec::new(),
        is_complete: false,
        drain_deadline: Duration::from_secs(60),
        ..Plan::short(seed, Store::Sqlite)
    }
}

fn stage_place(name: &str) -> usize {
    let place = STAGES.iter().position(|stage| *stage == name);
    place.expect("the self-test names stages that there are")
}
