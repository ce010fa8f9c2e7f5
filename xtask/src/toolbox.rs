//! What some tests and the benchmark need besides Rust: other people's push clients, the tools that `deploy/` is for, and the
//! yardstick of the benchmark.
//!
//! Everything is fetched by its package's ordinary client, and what can be kept apart goes below the target folder
//! (`test-tools/`). Nothing is installed unless `--setup` asks for it; without it the toolbox only says what is there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{process, workspace::Workspace};

/// The longest that one package client may take.
const INSTALL_DEADLINE: Duration = Duration::from_secs(600);

/// Where the clients by other authors are named, relative to the root.
const CLIENTS: &str = "libs/push-sim/tests/clients";

/// What is there, as tests are told.
#[derive(Debug)]
pub(crate) struct Toolbox {
    tools: Vec<Tool>,
}

/// One thing that tests need.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    /// What cannot be tested without it.
    pub(crate) needed_for: &'static str,
    /// The variable by which tests find it.
    pub(crate) variable: &'static str,
    /// Its place, once it is usable.
    pub(crate) found: Option<PathBuf>,
    /// Why it is not, if it is not.
    pub(crate) missing_because: String,
    /// What a person can do.
    pub(crate) how_to_get: &'static str,
}

// === impl Toolbox ===

impl Toolbox {
    /// Looks for the tools; with `setup`, first installs what is missing. A tool that cannot be installed is missing,
    /// with the reason: whether that is a failure is for the caller to say.
    pub(crate) fn open(workspace: &Workspace, setup: bool) -> Self {
        let place = workspace.target.join("test-tools");
        let clients = workspace.root.join(CLIENTS);
        let python = Tool::new(
            "the Python clients aioapns and firebase-admin against the simulator",
            "PUSH_TEST_PYTHON",
            python(&clients, &place.join("python"), setup),
        );
        let node = Tool::new(
            "the Node clients @parse/node-apn and web-push against the simulator",
            "PUSH_TEST_NODE_MODULES",
            node(&clients, &place.join("node"), setup),
        );
        let kubectl = Tool::new(
            "Kubernetes' manifests by kubectl",
            "PUSH_TEST_KUBECTL",
            program("kubectl", "kubernetes-client", setup),
        );
        let systemd = Tool::new(
            "systemd's units by systemd-analyze",
            "PUSH_TEST_SYSTEMD_ANALYZE",
            program("systemd-analyze", "systemd", setup),
        );
        Self {
            tools: vec![python, node, kubectl, systemd],
        }
    }

    /// The variables that tests are given.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.tools
            .iter()
            .filter_map(|tool| Some((tool.variable, tool.found.as_deref()?)))
    }

    pub(crate) fn missing(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter(|tool| tool.found.is_none())
    }
}

// === impl Tool ===

impl Tool {
    fn new(needed_for: &'static str, variable: &'static str, found: Result<PathBuf>) -> Self {
        let missing_because = found
            .as_ref()
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        let how_to_get = "cargo xtask test --setup";
        Self {
            needed_for,
            variable,
            found: found.ok(),
            missing_because,
            how_to_get,
        }
    }
}

/// A virtual environment with the packages of `requirements.txt`; returns its interpreter.
fn python(clients: &Path, place: &Path, setup: bool) -> Result<PathBuf> {
    let wanted = clients.join("requirements.txt");
    let interpreter = place.join("bin/python");
    let stamp = Stamp::new(place, &[&wanted])?;
    if !interpreter.exists() || !stamp.is_current() {
        ensure!(setup, "it is not set up");
        println!("setup: Python packages of {CLIENTS}/requirements.txt");
        if process::find("python3").is_none() {
            debian(&["python3", "python3-venv"])?;
        }
        let make = || {
            process::run(
                Command::new("python3")
                    .args(["-m", "venv", "--clear"])
                    .arg(place),
                INSTALL_DEADLINE,
            )
        };
        if make().is_err() {
            debian(&["python3-venv"])?;
            make()?;
        }
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(&wanted);
        process::run(&mut pip, INSTALL_DEADLINE)?;
        stamp.set()?;
    }
    Ok(interpreter)
}

/// The packages of `package.json`; returns the folder of modules.
fn node(clients: &Path, place: &Path, setup: bool) -> Result<PathBuf> {
    let (wanted, lock) = (
        clients.join("package.json"),
        clients.join("package-lock.json"),
    );
    let sources: &[&Path] = if lock.exists() {
        &[&wanted, &lock]
    } else {
        &[&wanted]
    };
    let modules = place.join("node_modules");
    let stamp = Stamp::new(place, sources)?;
    if !modules.is_dir() || !stamp.is_current() {
        ensure!(setup, "it is not set up");
        println!("setup: Node packages of {CLIENTS}/package.json");
        if process::find("npm").is_none() {
            debian(&["nodejs", "npm"])?;
        }
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
        for source in sources {
            let name = source.file_name().unwrap_or_default();
            fs::copy(source, place.join(name))
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
        let mut npm = Command::new("npm");
        npm.arg(if lock.exists() { "ci" } else { "install" });
        npm.args([
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel",
            "error",
        ])
        .current_dir(place);
        process::run(&mut npm, INSTALL_DEADLINE)?;
        stamp.set()?;
    }
    ensure!(process::find("node").is_some(), "`node` is not on the path");
    Ok(modules)
}

/// Where a program of the system stands; its package is installed if `setup`.
fn program(name: &str, package: &str, setup: bool) -> Result<PathBuf> {
    if process::find(name).is_none() && setup {
        debian(&[package])?;
    }
    process::find(name).with_context(|| format!("`{name}` is not on the path"))
}

/// Where h2load stands, the yardstick of the benchmark; installed if `setup`.
pub(crate) fn h2load(setup: bool) -> Result<PathBuf> {
    if process::find("h2load").is_none() && setup {
        debian(&["nghttp2-client"])?;
    }
    process::find("h2load").context("h2load is not on the path: `apt-get install nghttp2-client` (Debian), `brew install nghttp2` (macOS)")
}

/// Installs packages of the system, where that is Debian and we may.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    ensure!(
        Path::new("/etc/debian_version").exists(),
        "install {names} with the package manager of this system"
    );
    let user = process::output(Command::new("id").arg("-u"))?;
    ensure!(
        user.trim() == "0",
        "only root may install: `sudo apt-get install {names}`"
    );
    println!("setup: {names}");
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    process::run(apt().args(["update", "--quiet=2"]), INSTALL_DEADLINE)?;
    let mut install = apt();
    install
        .args(["install", "--quiet=2", "--yes", "--no-install-recommends"])
        .args(packages);
    process::run(&mut install, INSTALL_DEADLINE)
}

/// Remembers from which list of packages a folder was filled, so that a changed list fills it anew.
#[derive(Debug)]
struct Stamp {
    file: PathBuf,
    wanted: String,
}

// === impl Stamp ===

impl Stamp {
    fn new(place: &Path, sources: &[&Path]) -> Result<Self> {
        let mut wanted = String::new();
        for source in sources {
            wanted += &fs::read_to_string(source)
                .with_context(|| format!("cannot read {}", source.display()))?;
        }
        Ok(Self {
            file: place.join("installed-from.txt"),
            wanted,
        })
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|installed| installed == self.wanted)
    }

    fn set(&self) -> Result<()> {
        fs::write(&self.file, &self.wanted)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_changed_list_is_installed_again() {
        let scratch = Scratch::new("stamp");
        let list = scratch.0.join("requirements.txt");
        fs::write(&list, "a==1\n").unwrap();
        let stamp = Stamp::new(&scratch.0, &[&list]).unwrap();
        assert!(!stamp.is_current());
        stamp.set().unwrap();
        assert!(Stamp::new(&scratch.0, &[&list]).unwrap().is_current());
        fs::write(&list, "a==2\n").unwrap();
        assert!(!Stamp::new(&scratch.0, &[&list]).unwrap().is_current());
    }

    #[test]
    fn without_setup_nothing_is_installed_and_the_reason_is_told() {
        let scratch = Scratch::new("bare");
        fs::write(scratch.0.join("requirements.txt"), "").unwrap();
        fs::write(scratch.0.join("package.json"), "{}").unwrap();
        let place = scratch.0.join("tools");
        let tools = [
            Tool::new("x", "X", python(&scratch.0, &place.join("python"), false)),
            Tool::new("y", "Y", node(&scratch.0, &place.join("node"), false)),
        ];
        assert!(
            tools
                .iter()
                .all(|tool| tool.found.is_none() && tool.missing_because == "it is not set up")
        );
        assert!(!place.exists());
    }

    #[test]
    fn a_list_that_is_not_there_is_named() {
        let scratch = Scratch::new("none");
        let error = python(&scratch.0, &scratch.0.join("python"), true).unwrap_err();
        assert!(
            format!("{error:#}").contains("requirements.txt"),
            "{error:#}"
        );
    }
}
