//! The lock file that lets only one process open a database. The operating system drops the lock
//! when the process ends, however it ends; the file itself stays.

use crate::open_error::OpenErrorKind;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// Held while it lives.
#[derive(Debug)]
pub(crate) struct LockFile(#[expect(dead_code, reason = "closing the file drops the lock")] File);

impl LockFile {
    /// Takes the lock of the database at `path`, at once or not at all.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenErrorKind> {
        let file = private(OpenOptions::new().create(true).write(true).truncate(false))
            .open(beside(path, ".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenErrorKind::Locked),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// `path` with something appended to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Files that we make are for our user only: push tokens and sealed secrets are in them.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
