//! Programs of other authors that some tests need, and the loud line when one is missing.

use std::path::PathBuf;
use std::process::Command;

/// Says that a test did not run; in CI that is a failure.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn skipped(name: &str, how: &str) {
    eprintln!("SKIPPED: {name}: {how}");
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{name} must not be skipped in CI"
    );
}

/// Whether a program can be run; if not, says so.
pub(crate) fn program(name: &str, how: &str) -> Option<()> {
    match Command::new(name).arg("--version").output() {
        Ok(output) if output.status.success() => Some(()),
        _ => {
            skipped(name, how);
            None
        }
    }
}

/// A path from the environment; if it is not set, says so.
pub(crate) fn path(variable: &str, name: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(path) if !path.is_empty() => Some(path.into()),
        _ => {
            let how = format!("set {variable}, or let `cargo xtask test --setup` do it");
            skipped(name, &how);
            None
        }
    }
}

/// A fresh directory; the test removes it.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
