//! Ours: `carillon bench <case> --json`, and the blind gateway that both contestants send to.
//!
//! This file is the whole of what is assumed about the binary:
//!
//! - `carillon bench <case> .. --json` ends with one JSON object on its last line: `n`, `rate_per_sec`, and what
//!   applies of `p50_ms`, `p99_ms`, `peak_rss_bytes`, `rest_rss_bytes`, `ready_ms`;
//! - a case with a yardstick is given `--url`, `--ca`, `--body`, `--in-flight` and `--requests`; the others start what
//!   they need themselves, below `--data`;
//! - `carillon simulate --blind --listen 127.0.0.1:0 --json` prints one JSON object when it is ready, `apns_url` and
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

use super::{Measured, cases::Case, cpu};
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

/// A simulated gateway that checks nothing; ended when dropped.
#[derive(Debug)]
pub(crate) struct BlindGateway {
    pub(crate) url: String,
    ca: PathBuf,
    child: Child,
}

#[derive(Deserialize)]
struct Printed {
    n: u64,
    rate_per_sec: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    peak_rss_bytes: Option<u64>,
    rest_rss_bytes: Option<u64>,
    ready_ms: Option<f64>,
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

    /// One run of `case`.
    pub(crate) fn measure(&self, case: &Case, gateway: Option<&BlindGateway>) -> Result<Measured> {
        let mut command = Command::new(&self.binary);
        command.arg("bench").args(case.command).arg("--json");
        match (case.yardstick, gateway) {
            (Some(load), Some(gateway)) => {
                command
                    .args(["--url", &gateway.url])
                    .arg("--ca")
                    .arg(&gateway.ca);
                command.args([
                    "--body",
                    &load.body_bytes.to_string(),
                    "--in-flight",
                    &load.in_flight.to_string(),
                ]);
                command.args(["--requests", &load.requests.to_string()]);
            }
            _ => {
                command.arg("--data").arg(&self.data);
            }
        }
        let finished = cpu::run(&mut command, CASE_DEADLINE)?;
        read(&finished.stdout, finished.cpu_secs)
    }

    /// Starts the gateway and waits until it says that it is ready.
    pub(crate) fn simulate(&self) -> Result<BlindGateway> {
        let mut command = Command::new(&self.binary);
        command.args(["simulate", "--blind", "--listen", "127.0.0.1:0", "--json"]);
        let what = process::line(&command);
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let child = spawned.with_context(|| format!("cannot start `{what}`"))?;
        // Made at once, so that the child is ended on every way out of here.
        let mut gateway = BlindGateway {
            url: String::new(),
            ca: PathBuf::new(),
            child,
        };
        let stdout = gateway.child.stdout.take().context("no output to read")?;
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
        (gateway.url, gateway.ca) = (
            ready.apns_url.trim_end_matches('/').to_owned(),
            ready.ca_file,
        );
        Ok(gateway)
    }
}

fn read(stdout: &str, cpu_secs: f64) -> Result<Measured> {
    let last = stdout
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .context("it printed nothing")?;
    let printed: Printed = serde_json::from_str(last)
        .with_context(|| format!("its last line is not the result: {last}"))?;
    let Printed {
        n,
        rate_per_sec,
        p50_ms,
        p99_ms,
        peak_rss_bytes,
        rest_rss_bytes,
        ready_ms,
    } = printed;
    Ok(Measured {
        n,
        cpu_secs,
        rate_per_sec,
        p50_ms,
        p99_ms,
        peak_rss_bytes,
        rest_rss_bytes,
        ready_ms,
    })
}

// === impl BlindGateway ===

impl Drop for BlindGateway {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do about it.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_result() {
        let stdout = "making devices\n{\"n\": 10, \"rate_per_sec\": 5.5, \"p99_ms\": 2.0, \"cpu_secs\": 1}\n\n";
        let measured = read(stdout, 0.3).unwrap();
        assert_eq!(
            (
                measured.n,
                measured.cpu_secs,
                measured.p99_ms,
                measured.p50_ms
            ),
            (10, 0.3, Some(2.0), None)
        );
    }

    #[test]
    fn a_subject_that_prints_something_else_is_quoted() {
        assert!(format!("{:#}", read("oh no\n", 0.3).unwrap_err()).contains("oh no"));
        assert!(read("\n", 0.3).is_err());
    }
}
