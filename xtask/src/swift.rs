//! The app's side in Swift, built and tested where a Swift compiler is. Elsewhere its sources are parsed by the tests of
//! `clients/check`, which need none.

use std::{path::Path, process::Command, time::Duration};

use anyhow::Result;

use crate::process;

/// Where the package stands, relative to the root.
const PACKAGE: &str = "clients/swift";

/// The longest that a build of it, or its tests, may take.
const DEADLINE: Duration = Duration::from_secs(1200);

/// Builds the package below `target`, and runs its tests. `None`: there is no Swift compiler.
pub(crate) fn test(root: &Path, target: &Path) -> Option<Result<()>> {
    let version = Command::new("swift").arg("--version").output().ok()?;
    // OpenStack's client of that name is no compiler.
    if !String::from_utf8_lossy(&version.stdout).contains("Swift version") {
        return None;
    }
    let run = |task: &str| {
        let mut swift = Command::new("swift");
        swift.args([task, "--package-path", PACKAGE, "--scratch-path"]);
        swift.arg(target.join("swift")).current_dir(root);
        println!("{}", process::line(&swift));
        process::run(&mut swift, DEADLINE)
    };
    Some(run("build").and_then(|()| run("test")))
}
