//! Tasks of the workspace: `cargo xtask tidy | test | bench | faults | databases`.
//!
//! Everything that checks, tests or measures the project as a whole is started here, so that a laptop and the gate
//! run the same thing. It builds with the standard library and four small crates on purpose: it is compiled before
//! every check. It contains no test of the product and no benchmark's inside; it only starts them and reads what
//! they print.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its caller"
)]

mod args;
mod bench;
mod databases;
mod faults;
mod process;
mod swift;
mod test;
mod tidy;
mod toolbox;
mod workspace;

use std::process::ExitCode;

use args::Args;

const USAGE: &str = "\
usage: cargo xtask <task>

  tidy                              house rules that no compiler checks: who imports whom, names, docs
  test   [--setup] [-- <filter>..]  all tests of the workspace, documentation tests included, then the accountant's
                                    short run; with a filter only tests whose names contain it
                                    --setup first installs what tests need besides Rust
  bench  [--json] [--check] [--write] [--only <text>[+<text>..]] [--rounds <n>] [--data <folder>] [--binary <file>]
                                    the figures of docs/performance.md, beside h2load in the same run
                                    --write puts them there; --only takes cases whose names contain a text
  faults [--minutes <n>] [--seed <n>] [--store <name>] [--roles split] [--move-to <name>] [--self-test] [--release] [--setup]
                                    the accountant: the real binary under faults, then three books compared
  databases [--setup] -- <command>  runs a command while a PostgreSQL and a MariaDB for tests do, with the variables
                                    by which tests find them
";

fn main() -> ExitCode {
    let mut args = Args::new(std::env::args().skip(1));
    let result = match args.word().as_deref() {
        Some("tidy") => tidy::run(args),
        Some("test") => test::run(args),
        Some("bench") => bench::run(args),
        Some("faults") => faults::run(args),
        Some("databases") => databases::run(args),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(other) => Err(anyhow::anyhow!("no task is called `{other}`\n\n{USAGE}")),
        None => Err(anyhow::anyhow!("no task given\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
