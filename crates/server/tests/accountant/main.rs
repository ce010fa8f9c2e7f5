//! The accountant: the real program under faults, then three books held against each other.
//!
//! It runs `carillon serve` as a process, life after life, against the simulator, kills it at every stage and at random,
//! hurts the gateway, the disk and the database by a seeded plan, and sends load through the API meanwhile. At the end it
//! compares what the API accepted, what the store says and what the simulator received, by the laws in `laws.rs`.
//!
//! It proves nothing about speed, and knows nothing of the program's inside but the names of its stages and of the bugs
//! that it may plant to test itself.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that reports to whoever started it"
)]
mod activities;
mod arguments;
mod audience;
mod audit;
mod books;
mod caller;
mod campaigns;
mod database;
mod dice;
mod events;
mod gateway;
mod handset;
mod hooks;
mod instant;
mod later;
mod laws;
mod load;
mod lock;
mod monitors;
mod place;
mod plan;
mod probe;
mod receiver;
mod report;
mod run;
mod scene;
mod schedules;
mod self_test;
mod store;
mod subject;
mod telling;
mod trouble;
mod way;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use arguments::{Arguments, Task, USAGE};
use laws::Breach;
use plan::Plan;
use run::Outcome;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("accountant: {error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let result = runtime
        .context("cannot start a runtime")
        .and_then(|runtime| {
            let result = runtime.block_on(work(&arguments));
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!(
                "\nlaws are broken (seed {}); again: {}",
                arguments.seed,
                arguments.repeat()
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("\naccountant: {error:#}");
            eprintln!("seed {}; again: {}", arguments.seed, arguments.repeat());
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
async fn work(arguments: &Arguments) -> Result<bool> {
    let plan = match arguments.move_to {
        Some(to) => Plan::moving(arguments.seed, to),
        None if arguments.is_split => Plan::split(arguments.seed, arguments.store),
        None => Plan::short(arguments.seed, arguments.store),
    };
    let mut plan = match &arguments.task {
        Task::Short => plan,
        Task::Long(length) => plan.lasting(*length),
        Task::SelfTest { only } => return self_test::run(arguments.seed, only.as_deref()).await,
    };
    if let Some(deliveries) = arguments.deliveries {
        plan.load.shrink(deliveries);
    }
    let (outcome, breaches) = audited(plan, "run", arguments.keeps_folder).await?;
    report::print(&outcome, &breaches);
    if breaches.is_empty() {
        report::line("\nall laws held");
    }
    Ok(breaches.is_empty())
}

/// Carries out a plan and checks the laws. The folder stays when something was wrong.
async fn audited(plan: Plan, name: &str, keeps_folder: bool) -> Result<(Outcome, Vec<Breach>)> {
    let folder = Folder::make(name)?;
    report::line(&format!(
        "seed {}, data in {}",
        plan.seed,
        folder.0.display()
    ));
    let outcome = run::run(plan, &folder.0)
        .await
        .with_context(|| format!("data and logs are kept in {}", folder.0.display()))?;
    let breaches = laws::check(&outcome.books);
    if breaches.is_empty() && !keeps_folder {
        folder.remove()?;
    } else {
        report::line(&format!("data and logs are kept in {}", folder.0.display()));
    }
    Ok((outcome, breaches))
}

/// A folder of one run, on a real disk: below the target folder.
struct Folder(PathBuf);

impl Folder {
    fn make(name: &str) -> Result<Self> {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = parent.join(format!("accountant-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn remove(self) -> Result<()> {
        std::fs::remove_dir_all(&self.0)
            .with_context(|| format!("cannot remove {}", self.0.display()))
    }
}
