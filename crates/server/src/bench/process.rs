//! A child process that says one line of JSON when it is ready, and what the kernel says of it.

use super::cores::Core;
use crate::exit::{Exit, Failure};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Clock ticks of `/proc/<pid>/stat` in a second; Linux has had 100 for ever.
const TICKS: f64 = 100.0;

/// This program, run as another process; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// What it said when it was ready.
    pub(super) said: Value,
}

impl Process {
    /// Starts it with these arguments and waits until it is ready.
    pub(super) async fn start(
        args: &[&str],
        env: &[(String, String)],
        within: Duration,
    ) -> Result<Self, Failure> {
        Self::start_on(None, args, env, within).await
    }

    /// The same, on one core.
    pub(super) async fn start_on(
        core: Option<Core>,
        args: &[&str],
        env: &[(String, String)],
        within: Duration,
    ) -> Result<Self, Failure> {
        let what = format!("carillon {}", args.join(" "));
        let failed = |why: String| Failure::new(Exit::Unavailable, format!("`{what}`: {why}"));
        let program: PathBuf =
            std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        command
            .args(args)
            .arg("--json")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let spawned = match core {
            None => command.spawn(),
            Some(core) => core.start(|| command.spawn())?,
        };
        let mut child = spawned.map_err(|error| failed(error.to_string()))?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| failed("no output".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let first = tokio::time::timeout(within, lines.next_line())
            .await
            .map_err(|_| failed(format!("not ready after {within:?}")))?
            .map_err(|error| failed(error.to_string()))?
            .ok_or_else(|| {
                failed("it ended before it was ready; its own words are above".into())
            })?;
        // What it says later is read, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let said = serde_json::from_str(&first).map_err(|_| failed(format!("it said: {first}")))?;
        Ok(Self { child, said })
    }

    fn pid(&self) -> String {
        self.child
            .id()
            .map_or_else(String::new, |id| id.to_string())
    }

    /// User and system time so far, in seconds.
    pub(super) fn cpu_secs(&self) -> f64 {
        cpu_secs_of(&self.pid())
    }

    /// Memory now.
    pub(super) fn rss_bytes(&self) -> Option<u64> {
        crate::telemetry::resident_bytes_of(&self.pid(), "VmRSS:")
    }

    /// Highest memory so far.
    pub(super) fn peak_rss_bytes(&self) -> Option<u64> {
        crate::telemetry::resident_bytes_of(&self.pid(), "VmHWM:")
    }

    /// Asks it to stop, and waits until it did.
    pub(super) async fn stop(mut self, within: Duration) -> Result<(), Failure> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(id as i32))
        {
            // It may have ended by itself, which is what is wanted.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::new(
                Exit::Software,
                format!("a measured process ended with {status}"),
            )),
            Ok(Err(error)) => Err(Failure::new(Exit::Software, error.to_string())),
            Err(_) => Err(Failure::new(
                Exit::Software,
                "a measured process did not stop in time",
            )),
        }
    }
}

/// User and system time of this process so far, in seconds.
pub(super) fn own_cpu_secs() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// User and system time of the calling thread so far.
pub(super) fn thread_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

/// User and system time of a process, in seconds; 0 when the kernel does not say.
pub(super) fn cpu_secs_of(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything, so count from behind it: utime and stime are the
    // 14th and 15th field of all, the 12th and 13th behind the name.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS
}
