//! Ours: `carillon bench <case> --json`, and the blind gateway that both contestants send to.
//!
//! This file is the whole of what is assumed about the binary:
//!
//! - `carillon bench <case> .. --json` ends with one JSON object on its last line: `n`, `rate_per_sec`, and what
//!   applies of `cpu_secs`, `p50_ms`, `p99_ms`, `peak_rss_bytes`, `rest_rss_bytes`, `ready_ms`, `each_us`;
//! - a case with a yardstick is given `--url`, `--ca`, `--body`, `--in-flight` and `--requests`; the others start what
//!   they need themselves, below `--data`;
//! - `carillon simulate --blind --answers .. --listen 127.0.0.1:0 --json` prints one JSON object when it is ready, `apns_url` and
//!   `ca_file`, and runs until it is ended.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{
    Measured,
    cases::{Blind, Cpu, Load},
    cpu,
};
use crate::process;

/// The longest case makes a million devices first.
const CASE_DEADLINE: Duration = Duration::from_secs(900);
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// The program that is measured.
#[derive(Debug)]
pub(crate) struct Subject {
    binary: PathBuf,
    data: PathBuf,
}

/// Simulated gateways that check nothing, started when they are asked for; ended when dropped.
#[derive(Debug, Default)]
pub(crate) struct Gateways(Vec<(Blind, Way, Running)>);

/// Where a blind gateway is, and what proves it.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) url: String,
    ca: PathBuf,
}

/// A process that is ended when dropped.
#[derive(Debug)]
struct Running(Child);

#[derive(Deserialize)]
struct Printed {
    n: u64,
    rate_per_sec: f64,
    cpu_secs: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    peak_rss_bytes: Option<u64>,
    rest_rss_bytes: Option<u64>,
    ready_ms: Option<f64>,
    each_us: Option<f64>,
}

#[derive(Deserialize)]
struct Ready {
    apns_url: String,
    ca_file: PathBuf,
}

// === impl Subject ===

impl Subject {
    pub(crate) fn new(binary: PathBuf, data: PathBuf) -> Self {
        Self { binary, data }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// One run of a case.
    pub(crate) fn measure(
        &self,
        case: &[&str],
        load: Option<&(Way, Load)>,
        cpu: Cpu,
    ) -> Result<Measured> {
        let mut command = Command::new(&self.binary);
        command.arg("bench").args(case).arg("--json");
        match load {
            Some((way, load)) => {
                command.args(["--url", &way.url]).arg("--ca").arg(&way.ca);
                command.args([
                    "--body",
                    &load.body_bytes.to_string(),
                    "--in-flight",
                    &load.in_flight.to_string(),
                ]);
                command.args(["--requests", &load.requests.to_string()]);
            }
            None => {
                command.arg("--data").arg(&self.data);
            }
        }
        let finished = cpu::run(&mut command, CASE_DEADLINE)?;
        let whole = (cpu == Cpu::Whole).then_some(finished.cpu_secs);
        read(&finished.stdout, whole)
    }

    /// Starts a gateway and waits until it says that it is ready.
    fn simulate(&self, blind: Blind) -> Result<(Way, Running)> {
        let answers = match blind {
            Blind::Apns => "apns",
            Blind::Fcm => "fcm",
            Blind::WebPush => "webpush",
        };
        let mut command = Command::new(&self.binary);
        command.args(["simulate", "--blind", "--answers", answers]);
        command.args(["--listen", "127.0.0.1:0", "--json"]);
        let what = process::line(&command);
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let child = spawned.with_context(|| format!("cannot start `{what}`"))?;
        // Made at once, so that the child is ended on every way out of here.
        let mut running = Running(child);
        let stdout = running.0.stdout.take().context("no output to read")?;
        let (said, hears) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = said.send(lines.next());
            // Whatever it says later is read, so that it never waits for us.
            lines.for_each(drop);
        });
        let first = hears.recv_timeout(READY_DEADLINE).ok().flatten();
        let line = first.with_context(|| {
            format!(
                "`{what}` was not ready after {} s",
                READY_DEADLINE.as_secs()
            )
        })??;
        let ready: Ready =
            serde_json::from_str(&line).with_context(|| format!("`{what}` said: {line}"))?;
        let way = Way {
            url: ready.apns_url.trim_end_matches('/').to_owned(),
            ca: ready.ca_file,
        };
        Ok((way, running))
    }
}

// === impl Gateways ===

impl Gateways {
    /// The way to one; started if it is not there.
    pub(crate) fn of(&mut self, subject: &Subject, blind: Blind) -> Result<&Way> {
        let at = match self.0.iter().position(|(known, ..)| *known == blind) {
            Some(at) => at,
            None => {
                let (way, running) = subject.simulate(blind)?;
                self.0.push((blind, way, running));
                self.0.len() - 1
            }
        };
        Ok(&self.0[at].1)
    }
}

/// `whole_cpu_secs`: of the whole process, if that is what counts; else what it says itself.
fn read(stdout: &str, whole_cpu_secs: Option<f64>) -> Result<Measured> {
    let last = stdout
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .context("it printed nothing")?;
    let printed: Printed = serde_json::from_str(last)
        .with_context(|| format!("its last line is not the result: {last}"))?;
    let Printed {
        n,
        rate_per_sec,
        cpu_secs,
        p50_ms,
        p99_ms,
        peak_rss_bytes,
        rest_rss_bytes,
        ready_ms,
        each_us,
    } = printed;
    let cpu_secs = whole_cpu_secs
        .or(cpu_secs)
        .with_context(|| format!("it says nothing of its CPU time: {last}"))?;
    Ok(Measured {
        n,
        cpu_secs,
        rate_per_sec,
        p50_ms,
        p99_ms,
        peak_rss_bytes,
        rest_rss_bytes,
        ready_ms,
        each_us,
    })
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do about it.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_result() {
        let stdout = "making devices\n{\"n\": 10, \"rate_per_sec\": 5.5, \"p99_ms\": 2.0, \"cpu_secs\": 1}\n\n";
        let measured = read(stdout, Some(0.3)).unwrap();
        assert_eq!(
            (
                measured.n,
                measured.cpu_secs,
                measured.p99_ms,
                measured.p50_ms
            ),
            (10, 0.3, Some(2.0), None)
        );
        assert_eq!(read(stdout, None).unwrap().cpu_secs, 1.0, "as told");
    }

    #[test]
    fn a_subject_that_prints_something_else_is_quoted() {
        assert!(format!("{:#}", read("oh no\n", Some(0.3)).unwrap_err()).contains("oh no"));
        assert!(read("\n", Some(0.3)).is_err());
    }
}
