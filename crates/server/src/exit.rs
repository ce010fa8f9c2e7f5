//! Exit codes, and the error that carries one to `main`.
//!
//! Codes follow BSD's `sysexits.h`, so that a script can tell a typing mistake from a full disk. The
//! table for people is `docs/guide/exit-codes.md`; a test holds the two together.

use std::fmt;
use std::process::ExitCode;

/// Why the program ended. The number is the process' exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The command worked, and its answer is no: doctor found something to mend, books disagree.
    Trouble = 1,
    /// Wrong arguments, or a wrong configuration.
    Usage = 64,
    /// Data that cannot be used: a damaged or newer database, a bad import file, a refused request.
    Data = 65,
    /// Something named does not exist: a file, or a record on the server.
    NoInput = 66,
    /// Something needed is not there: the port is taken, the server does not answer.
    Unavailable = 69,
    /// A mistake of ours.
    Software = 70,
    /// A file or directory cannot be made.
    CantCreate = 73,
    /// Reading or writing failed: also a full disk.
    Io = 74,
    /// Try again later: another process has the store, the server is overloaded, a stop was cut short.
    TempFail = 75,
    /// Not allowed: a missing or wrong API key, file permissions.
    NoPermission = 77,
    /// Well-formed settings that do not fit what is stored: another master key.
    Config = 78,
}

impl Exit {
    /// All of them, ascending.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Trouble,
        Self::Usage,
        Self::Data,
        Self::NoInput,
        Self::Unavailable,
        Self::Software,
        Self::CantCreate,
        Self::Io,
        Self::TempFail,
        Self::NoPermission,
        Self::Config,
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error for a person: what happened, what to do about it, and the exit code.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened: one sentence that names the thing.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) mend: Option<String>,
}

impl Failure {
    /// A failure without advice yet.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            mend: None,
        }
    }

    /// Says what to do about it.
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// An IO error at a path, with the code that fits its kind.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let (exit, mend) = match error.kind() {
            ErrorKind::NotFound => (Exit::NoInput, "check the path"),
            ErrorKind::PermissionDenied => (
                Exit::NoPermission,
                "run as the user who owns it, or change its permissions",
            ),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                (Exit::Io, "free some space on that disk")
            }
            ErrorKind::AlreadyExists => (
                Exit::CantCreate,
                "choose another path, or move the old file away",
            ),
            _ => (Exit::Io, "check the disk and the path"),
        };
        Self::new(exit, format!("cannot {doing} {}: {error}", path.display())).mend(mend)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of any error that reached `main`: the one it carries, otherwise "a mistake of ours".
pub(crate) fn code_of(error: &anyhow::Error) -> Exit {
    failure_in(error).map_or(Exit::Software, |failure| failure.exit)
}

/// Writes an error to stderr for a person.
pub(crate) fn report(error: &anyhow::Error) {
    use std::io::Write as _;
    let mut text = format!("carillon: {error:#}\n");
    if let Some(mend) = failure_in(error).and_then(|failure| failure.mend.as_deref()) {
        text.push_str("  what to do: ");
        text.push_str(mend);
        text.push('\n');
    }
    // A closed stderr is nobody's problem.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn failure_in(error: &anyhow::Error) -> Option<&Failure> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_lists_every_code() {
        let guide = include_str!("../../../docs/guide/exit-codes.md");
        for exit in Exit::ALL {
            assert!(
                guide.contains(&format!("| {} |", exit as u8)),
                "docs/guide/exit-codes.md lacks {exit:?}"
            );
        }
    }

    #[test]
    fn the_code_survives_context() {
        let error = anyhow::Error::from(Failure::new(Exit::TempFail, "busy").mend("wait"));
        assert_eq!(code_of(&error.context("opening")), Exit::TempFail);
        assert_eq!(code_of(&anyhow::anyhow!("?")), Exit::Software);
    }
}
