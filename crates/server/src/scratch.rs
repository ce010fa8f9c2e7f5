//! A directory that is gone when it is dropped: for `demo`, `bench` and tests.

use std::path::{Path, PathBuf};

/// A fresh directory under the system's temporary one.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes it, readable by nobody else.
    pub(crate) fn new(what: &str) -> std::io::Result<Self> {
        Self::under(&std::env::temp_dir(), what)
    }

    /// Makes it under a directory of the caller's choice.
    pub(crate) fn under(parent: &Path, what: &str) -> std::io::Result<Self> {
        let mut random = [0; 6];
        crate::clock::fill_random(&mut random);
        let path = parent.join(format!("carillon-{what}-{}", crate::seal::hex(&random)));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the temporary directory, which the system clears.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
