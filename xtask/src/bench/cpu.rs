//! The CPU time and the peak memory of a program that we started, by the same ruler for every contestant.
//!
//! Linux only: the kernel adds the time of a child to its parent's when the child has been waited for, in
//! `/proc/self/stat`, in clock ticks (ten milliseconds).

use std::{
    fs,
    io::Read,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::process;

/// What a finished program printed and cost.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) stdout: String,
    /// User and system time, its own and its children's, in seconds.
    pub(crate) cpu_secs: f64,
}

/// Runs `command` to its end. While it runs no other child may be waited for, or its time would be counted too.
pub(crate) fn run(command: &mut Command, deadline: Duration) -> Result<Finished> {
    let what = process::line(command);
    let before = children_secs()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("cannot start `{what}`"))?;
    let reader = read_all(&mut child)?;
    let status = process::wait(&mut child, &what, deadline)?;
    let stdout = reader
        .join()
        .map_err(|_| anyhow::anyhow!("reading `{what}` failed"))??;
    ensure!(status.success(), "`{what}` failed: {status}\n{stdout}");
    Ok(Finished {
        stdout,
        cpu_secs: children_secs()? - before,
    })
}

/// Reads beside the waiting, so that a full pipe cannot stop the program.
fn read_all(child: &mut Child) -> Result<std::thread::JoinHandle<std::io::Result<String>>> {
    let mut stdout = child.stdout.take().context("no output to read")?;
    Ok(std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    }))
}

/// User and system time of all children waited for so far, in seconds.
fn children_secs() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")
        .context("CPU time is read from /proc, which only Linux has")?;
    let ticks =
        children_ticks(&stat).with_context(|| format!("cannot read /proc/self/stat: {stat}"))?;
    Ok(ticks as f64 / ticks_per_sec()?)
}

/// Fields 16 and 17. The second field is the program's name in parentheses, which may itself contain spaces.
fn children_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(13);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn ticks_per_sec() -> Result<f64> {
    static TICKS: std::sync::OnceLock<f64> = std::sync::OnceLock::new();
    if let Some(ticks) = TICKS.get() {
        return Ok(*ticks);
    }
    let ticks = process::output(Command::new("getconf").arg("CLK_TCK"))?
        .trim()
        .parse()
        .context("getconf CLK_TCK")?;
    Ok(*TICKS.get_or_init(|| ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_name_with_spaces() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 130 27 20 0 1";
        assert_eq!(children_ticks(stat), Some(157));
        assert_eq!(children_ticks("7 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_works_has_cost_something() {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done";
        let finished = run(
            Command::new("sh").args(["-c", busy]),
            Duration::from_secs(60),
        )
        .unwrap();
        assert_eq!(finished.stdout, "done\n");
        assert!(finished.cpu_secs > 0.0, "{}", finished.cpu_secs);
    }
}
