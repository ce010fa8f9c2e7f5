//! `cargo xtask bench`: the figures of docs/performance.md, each beside its yardstick in the same run.
//!
//! A machine that is slower today is slower for both, so cost is told as a ratio to h2load in rounds that alternate
//! between the two, and as a median. This is a measurement, not a test: it fails only if it could not measure, or if
//! `--check` asks for the limits. What is measured lives in `carillon bench`; here it is built, fed and read.

mod cases;
mod cpu;
mod disk;
mod h2load;
mod page;
mod report;
mod rounds;
mod subject;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::{
    cases::{Blind, CASES, Case},
    report::{Machine, Report, Row},
    subject::{Gateways, Subject},
};
use crate::{args::Args, process, toolbox, workspace};

/// What one run of one contestant showed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Measured {
    /// Notifications (requests) in the run.
    n: u64,
    /// User and system time of the contestant's process, start-up included, in seconds.
    cpu_secs: f64,
    rate_per_sec: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    peak_rss_bytes: Option<u64>,
    /// What a case measures besides, if it does: memory at rest, time from start to ready.
    rest_rss_bytes: Option<u64>,
    ready_ms: Option<f64>,
    each_us: Option<f64>,
}

/// How the benchmark was called.
#[derive(Debug)]
struct Plan {
    is_json: bool,
    /// Fail if a limit is missed.
    is_check: bool,
    /// Put the figures into docs/performance.md.
    is_write: bool,
    /// Parts of names, of which one must be in a case's; none: all cases.
    only: Vec<String>,
    rounds: usize,
    /// Where databases are made; below the target folder unless told.
    data: PathBuf,
    /// A program to measure instead of a fresh build.
    binary: Option<PathBuf>,
}

/// `cargo xtask bench`.
pub(crate) fn run(args: Args) -> Result<()> {
    let workspace = workspace::Workspace::load()?;
    let plan = Plan::read(args, &workspace)?;
    let cases: Vec<&Case> = CASES
        .iter()
        .filter(|case| {
            plan.only.is_empty() || plan.only.iter().any(|part| case.name.contains(part))
        })
        .collect();
    ensure!(
        !cases.is_empty(),
        "no case has `{}` in its name; they are: {}",
        plan.only.join("`, `"),
        names()
    );

    fs::create_dir_all(&plan.data)
        .with_context(|| format!("cannot make {}", plan.data.display()))?;
    let disk = disk::probe(&plan.data)?;
    let machine = Machine::read(disk)?;
    eprintln!("{machine}");
    let h2load = toolbox::h2load(false)?;
    let subject = Subject::new(binary(&plan, &workspace)?, plan.data.clone());

    let mut rows = Vec::new();
    for case in cases {
        eprintln!("{}: {} rounds", case.name, plan.rounds);
        rows.push(
            measure(case, &subject, &h2load, plan.rounds)
                .with_context(|| format!("case {}", case.name))?,
        );
    }
    let report = Report {
        machine,
        rounds: plan.rounds,
        rows,
    };
    if plan.is_write {
        let page = workspace.root.join("docs/performance.md");
        let old =
            fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        fs::write(&page, page::with(&old, &report)?)
            .with_context(|| format!("cannot write {}", page.display()))?;
    }
    if plan.is_json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        println!("{report}");
    }
    let missed: Vec<&str> = report.missed().collect();
    if plan.is_check && !missed.is_empty() {
        bail!("{} limits missed: {}", missed.len(), missed.join("; "));
    }
    Ok(())
}

/// All rounds of one case: the yardstick, ours, and what it is measured beside, in turn.
fn measure(
    case: &'static Case,
    subject: &Subject,
    h2load: &std::path::Path,
    count: usize,
) -> Result<Row> {
    let mut gateways = Gateways::default();
    let mut contestants: Vec<rounds::Contestant<'_>> = Vec::new();
    if let Some(load) = case.yardstick {
        let url = gateways.of(subject, Blind::Apns)?.url.clone();
        let run = move || h2load::measure(h2load, load, &url, subject.data());
        contestants.push(Box::new(run));
    }
    for (command, gateway, cpu) in case.contestants() {
        let load = match gateway.zip(case.yardstick) {
            Some((gateway, load)) => Some((gateways.of(subject, gateway)?.clone(), load)),
            None => None,
        };
        contestants.push(Box::new(move || {
            subject.measure(command, load.as_ref(), cpu)
        }));
    }
    let mut medians = rounds::interleave(contestants, count)?.into_iter();
    let yardstick = case.yardstick.and_then(|_| medians.next());
    let ours = medians.next().context("no contestant")?;
    Ok(Row {
        case,
        ours,
        yardstick,
        beside: medians.collect(),
    })
}

fn binary(plan: &Plan, workspace: &workspace::Workspace) -> Result<PathBuf> {
    if let Some(binary) = &plan.binary {
        return Ok(binary.clone());
    }
    let mut build = workspace::cargo();
    build.args(["build", "--profile", "dist", "--package", "carillon"]);
    eprintln!("{}", process::line(&build));
    // Fat LTO takes minutes; it ends by itself.
    let status = build.status().context("cannot start cargo")?;
    ensure!(status.success(), "carillon does not build: {status}");
    Ok(workspace.target.join("dist/carillon"))
}

fn names() -> String {
    CASES
        .iter()
        .map(|case| case.name)
        .collect::<Vec<_>>()
        .join(", ")
}

// === impl Plan ===

impl Plan {
    fn read(mut args: Args, workspace: &workspace::Workspace) -> Result<Self> {
        let plan = Self {
            is_json: args.flag("--json"),
            is_check: args.flag("--check"),
            is_write: args.flag("--write"),
            only: args
                .value::<String>("--only")?
                .map(|only| only.split('+').map(str::to_owned).collect())
                .unwrap_or_default(),
            rounds: args.value("--rounds")?.unwrap_or(rounds::DEFAULT),
            data: args
                .value("--data")?
                .unwrap_or_else(|| workspace.target.join("bench-data")),
            binary: args.value("--binary")?,
        };
        args.finish()?;
        ensure!(plan.rounds > 0, "--rounds: expected at least 1");
        Ok(plan)
    }
}
