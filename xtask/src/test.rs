//! `cargo xtask test`: every test of the workspace, documentation tests included, and the sum of what ran.
//!
//! A test that could not run is named at the end with the way to make it run; where the gate runs (`CI` is set) it is
//! a failure. Tests find their tools by the variables that the toolbox sets, never by searching.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    args::Args,
    databases::{Databases, Own},
    faults::ACCOUNTANT,
    process, swift,
    toolbox::Toolbox,
    workspace::{self, Workspace},
};

/// The variable that names the file to which a test that skips itself adds a line.
const SKIPS: &str = "PUSH_TEST_SKIPS";

/// What the runners of all test binaries said, added up.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: Vec<String>,
    failures: Vec<String>,
}

/// `cargo xtask test`.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let setup = args.flag("--setup");
    let filters = args.finish()?;
    let workspace = Workspace::load()?;
    let toolbox = Toolbox::open(&workspace, setup);
    let databases = Databases::start(&workspace, setup);
    let skips = workspace.target.join("test-skips.txt");
    fs::create_dir_all(&workspace.target)
        .and_then(|()| fs::write(&skips, ""))
        .context("cannot write to the target folder")?;

    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    if !filters.is_empty() {
        cargo.arg("--").args(&filters);
    }
    cargo
        .envs(toolbox.variables())
        .envs(databases.variables())
        .env(SKIPS, &skips)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let what = process::line(&cargo);
    println!("{what}");
    // No deadline for the whole: each wait inside a test has its own, and the first build may take long.
    let mut child = cargo
        .spawn()
        .with_context(|| format!("cannot start `{what}`"))?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().context("no output to read")?).lines() {
        let line = line.with_context(|| format!("cannot read what `{what}` prints"))?;
        println!("{line}");
        tally.read(&line);
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{what}`"))?;
    let mut unproven = Vec::new();
    if filters.is_empty() {
        match swift::test(&workspace.root, &workspace.target) {
            None => println!("no Swift compiler: clients/swift was parsed, and not built"),
            Some(result) => tally.count("the Swift package", result),
        }
        accountant(&mut tally, None)?;
        for word in Own::words() {
            match Own::make(&workspace, word, setup) {
                Ok(own) => accountant(&mut tally, Some((word, own)))?,
                Err(error) => unproven.push(format!(
                    "the accountant on {word} ({error:#}; get it by `cargo xtask test --setup`)"
                )),
            }
        }
    }

    let mut skipped: Vec<String> = toolbox
        .missing()
        .map(|tool| {
            format!(
                "{} ({}; get it by `{}`)",
                tool.needed_for, tool.missing_because, tool.how_to_get
            )
        })
        .collect();
    skipped.extend(databases.missing().map(str::to_owned));
    skipped.extend(unproven);
    let by_themselves =
        fs::read_to_string(&skips).with_context(|| format!("cannot read {}", skips.display()))?;
    skipped.extend(by_themselves.lines().map(str::to_owned));
    skipped.extend(
        tally
            .ignored
            .iter()
            .map(|name| format!("{name} (marked as ignored)")),
    );
    report(&tally, &skipped);
    verdict(&tally, &skipped, status.success(), workspace::is_ci())
}

/// The short run of the accountant. The program needs a feature for it that nothing else is built with, so it is a second
/// build. What broke is said again at the end: other runs follow, and print as much.
fn accountant(tally: &mut Tally, server: Option<(&str, Own)>) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(ACCOUNTANT).stdin(Stdio::null());
    if let Some((word, own)) = &server {
        cargo.args(["--", "--store", word]);
        cargo.envs([own.variable()]);
    }
    let what = process::line(&cargo);
    println!("{what}");
    // No deadline here either: the accountant has one for every step.
    let mut child = cargo
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{what}`"))?;
    let errors = child.stderr.take().context("no errors to read")?;
    let errors = std::thread::spawn(move || -> std::io::Result<Vec<String>> {
        let echo = |line: std::io::Result<String>| line.inspect(|line| eprintln!("{line}"));
        BufReader::new(errors).lines().map(echo).collect()
    });
    let mut printed = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output to read")?).lines() {
        let line = line.with_context(|| format!("cannot read what `{what}` prints"))?;
        println!("{line}");
        printed.push(line);
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{what}`"))?;
    let errors = errors
        .join()
        .map_err(|_| anyhow!("reading the errors of `{what}` panicked"))?
        .with_context(|| format!("cannot read the errors of `{what}`"))?;
    let result = if status.success() {
        Ok(())
    } else {
        Err(anyhow!("`{what}`{}", gist(&printed, &errors)))
    };
    tally.count("the accountant", result);
    Ok(())
}

/// Most lines of a failed run of the accountant that are said again, and most characters of each.
const GIST: (usize, usize) = (24, 240);

/// What of the accountant's output tells why it failed: its broken laws, each with the places where it is broken; and its last
/// errors.
fn gist(printed: &[String], errors: &[String]) -> String {
    let (mut told, mut slow) = (Vec::new(), Vec::new());
    let mut is_broken = false;
    for line in printed {
        is_broken = line.contains(" BROKEN ") || (is_broken && line.starts_with("    "));
        if is_broken {
            told.push(line);
        } else if line.trim_start().starts_with("slow: ") {
            slow.push(line);
        }
    }
    told.append(&mut slow);
    let more = told.len().saturating_sub(GIST.0);
    told.truncate(GIST.0);
    let more = (more > 0).then(|| format!("and {more} more lines, see above"));
    told.extend(&more);
    let last = errors.iter().filter(|line| !line.trim().is_empty());
    let last: Vec<&String> = last.rev().take(3).collect();
    told.extend(last.into_iter().rev());
    let cut = |line: &String| {
        let cut: String = line.chars().take(GIST.1).collect();
        format!("\n      {cut}")
    };
    told.into_iter().map(cut).collect()
}

fn report(tally: &Tally, skipped: &[String]) {
    println!();
    if !skipped.is_empty() {
        println!("SKIPPED, and so not proven:");
        for what in skipped {
            println!("  - {what}");
        }
    }
    if !tally.failures.is_empty() {
        println!("FAILED:");
        for name in &tally.failures {
            println!("  - {name}");
        }
    }
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed,
        tally.failed,
        skipped.len()
    );
}

fn verdict(tally: &Tally, skipped: &[String], cargo_succeeded: bool, is_ci: bool) -> Result<()> {
    if !cargo_succeeded {
        bail!("tests failed or did not build (see above)");
    }
    if tally.failed > 0 {
        bail!("{} tests failed (named above)", tally.failed);
    }
    if tally.passed == 0 {
        bail!("no test ran: does the filter name one?");
    }
    if is_ci && !skipped.is_empty() {
        bail!(
            "{} skipped where nothing may be skipped (CI is set); each is named above",
            skipped.len()
        );
    }
    Ok(())
}

// === impl Tally ===

impl Tally {
    /// Takes in what is no test of the standard runner's.
    fn count(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Takes in one line of output of the standard test runner.
    fn read(&mut self, line: &str) {
        if let Some((name, verdict)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            if verdict.starts_with("ignored") {
                self.ignored.push(name.to_owned());
            } else if verdict == "FAILED" {
                self.failures.push(name.to_owned());
            }
        } else if let Some(sums) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let words: Vec<&str> = sums
                    .split([' ', ';', '.'])
                    .filter(|word| !word.is_empty())
                    .collect();
                words
                    .windows(2)
                    .find(|pair| pair[1] == what)
                    .and_then(|pair| pair[0].parse::<u64>().ok())
                    .unwrap_or(0)
            };
            self.passed += count("passed");
            self.failed += count("failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test pool::tests::is_fair ... ok
test pool::tests::ends ... FAILED
test src/lib.rs - Pool (line 12) ... ignored
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 41 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s
";

    fn tally() -> Tally {
        let mut tally = Tally::default();
        OUTPUT.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn the_runners_sums_are_added_up() {
        let expected = Tally {
            passed: 42,
            failed: 1,
            ignored: vec!["src/lib.rs - Pool (line 12)".to_owned()],
            failures: vec!["pool::tests::ends".to_owned()],
        };
        assert_eq!(tally(), expected);
    }

    #[test]
    fn a_failed_run_of_the_accountant_says_again_what_broke() {
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        let printed = lines(
            "   7.0 s  life   2: killed
         slow: notification 7 of App alpha
once             held               nothing that is final is sent again
neighbours       BROKEN 1 times     the trouble of one App does not stop another
    App alpha waited 18000 ms
memory           held               memory stays bounded
    not of a broken law",
        );
        let told = gist(&printed, &lines("warning: x\n\nlaws are broken (seed 1)"));
        let told: Vec<&str> = told.lines().map(str::trim).collect();
        assert_eq!(
            told,
            [
                "",
                "neighbours       BROKEN 1 times     the trouble of one App does not stop another",
                "App alpha waited 18000 ms",
                "slow: notification 7 of App alpha",
                "warning: x",
                "laws are broken (seed 1)",
            ]
        );
        let many = lines(&"law BROKEN 1 times\n".repeat(GIST.0 + 2));
        assert!(gist(&many, &[]).ends_with("and 2 more lines, see above"));
        let long = "x".repeat(GIST.1 * 2);
        assert!(
            gist(&[], &[long]).len() < GIST.1 + 20,
            "the end of a log may be cut"
        );
    }

    #[test]
    fn what_is_skipped_fails_the_gate_and_only_the_gate() {
        let good = Tally {
            passed: 1,
            ..Tally::default()
        };
        let skipped = ["aioapns".to_owned()];
        assert!(verdict(&good, &skipped, true, false).is_ok());
        assert!(
            verdict(&good, &skipped, true, true)
                .unwrap_err()
                .to_string()
                .contains("nothing may be skipped")
        );
        assert!(verdict(&good, &[], true, true).is_ok());
    }

    #[test]
    fn a_run_without_a_test_or_with_a_failure_is_a_failure() {
        assert!(
            verdict(&Tally::default(), &[], true, false)
                .unwrap_err()
                .to_string()
                .contains("no test ran")
        );
        assert!(verdict(&tally(), &[], true, false).is_err());
        assert!(
            verdict(
                &Tally {
                    passed: 1,
                    ..Tally::default()
                },
                &[],
                false,
                false
            )
            .is_err()
        );
    }
}
