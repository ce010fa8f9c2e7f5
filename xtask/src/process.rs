//! Starting other programs: with a deadline, with an error that names the command, and with the CPU time they took.
//!
//! Nothing here goes through a shell, so no argument is ever split or expanded.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// How often a running program is asked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A command line as a person would type it, for messages: the program without its folder.
pub(crate) fn line(command: &Command) -> String {
    let program = command.get_program();
    let program = Path::new(program).file_name().unwrap_or(program);
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `command` to its end with our own output; an error unless it succeeds within `deadline`.
pub(crate) fn run(command: &mut Command, deadline: Duration) -> Result<()> {
    let what = line(command);
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{what}`"))?;
    let status = wait(&mut child, &what, deadline)?;
    ensure!(status.success(), "`{what}` failed: {status}");
    Ok(())
}

/// Runs `command` to its end and returns its standard output; an error unless it succeeds.
///
/// For commands that end by themselves (`git ls-files`, `cargo metadata`): there is no deadline.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let what = line(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{what}`"))?;
    ensure!(
        output.status.success(),
        "`{what}` failed: {}",
        output.status
    );
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{what}` printed something that is not UTF-8"))
}

/// Waits for `child` until `deadline` has passed, then ends it.
pub(crate) fn wait(child: &mut Child, what: &str, deadline: Duration) -> Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child
            .try_wait()
            .with_context(|| format!("cannot wait for `{what}`"))?
        {
            return Ok(status);
        }
        if started.elapsed() >= deadline {
            let killed = child.kill().and_then(|()| child.wait());
            killed.with_context(|| format!("cannot end `{what}`"))?;
            bail!(
                "`{what}` had not ended after {} s and was ended",
                deadline.as_secs()
            );
        }
        std::thread::park_timeout(POLL_INTERVAL);
    }
}

/// Where `program` stands, looking through `PATH` like a shell.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        file.is_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_arguments() {
        let error = run(Command::new("false").arg("x y"), Duration::from_secs(10)).unwrap_err();
        assert!(error.to_string().contains("`false x y` failed"), "{error}");
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let error = run(Command::new("sleep").arg("600"), Duration::from_millis(30)).unwrap_err();
        assert!(error.to_string().contains("was ended"), "{error}");
    }

    #[test]
    fn output_is_returned() {
        assert_eq!(output(Command::new("echo").arg("one")).unwrap(), "one\n");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-as-this").is_none());
    }
}
