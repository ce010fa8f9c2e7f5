//! New files that nobody else may read: keys.

use crate::exit::Failure;
use std::io::Write as _;
use std::path::Path;

/// Writes one, with a line's end; an existing file is not touched.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .map_err(|error| Failure::io("write", path, &error))
}
