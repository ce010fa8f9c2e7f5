//! What `deploy/` has: judged by the tools it is for, where they are, and held against what the program knows.

mod docker;
mod kubernetes;
mod systemd;

use crate::support::{Ran, command};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that stand for a key, or belong to the command line.
const OTHER_NAMES: [&str; 3] = [
    "CARILLON_CONFIG",
    "CARILLON_MASTER_KEY",
    "CARILLON_MASTER_KEY_FILE",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn text(path: impl AsRef<Path>) -> String {
    let path = folder().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A tool by the variable that `cargo xtask test` sets; without it, it is told what was not proven.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn tool(variable: &str, what: &str) -> Option<Command> {
    if let Some(program) = std::env::var_os(variable) {
        return Some(Command::new(program));
    }
    let said = format!("{what} ({variable} is not set; get it by `cargo xtask test --setup`)");
    eprintln!("SKIPPED: {said}");
    if let Some(file) = std::env::var_os("PUSH_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        writeln!(file, "{said}").unwrap();
    }
    None
}

/// Runs a tool to its good end: what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The default configuration.
fn example() -> toml::Table {
    include_str!("../../../../../config.example.toml")
        .parse()
        .unwrap()
}

/// Seconds of a setting such as `"25s"`.
fn seconds(value: &toml::Value) -> u64 {
    let text = value.as_str().unwrap();
    text.strip_suffix('s').unwrap().parse().unwrap()
}

/// Checks a configuration as the program does, with an environment over it.
fn check_config(file: &Path, env: &BTreeMap<String, String>) -> Ran {
    let output = command()
        .args(["config", "check"])
        .arg(file)
        .envs(env)
        .output()
        .unwrap();
    Ran::of(&output)
}

#[test]
fn every_setting_that_is_named_exists() {
    let mut known: Vec<String> = OTHER_NAMES.map(str::to_owned).to_vec();
    for (section, keys) in &example() {
        for key in keys.as_table().unwrap().keys() {
            let name = format!("CARILLON_{section}__{key}").to_uppercase();
            known.push(format!("{name}_FILE"));
            known.push(name);
        }
    }
    let mut files = vec![folder()];
    let mut found = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(path).unwrap();
            files.extend(inside.map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let is_part =
            |char: char| char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_';
        for word in text.split(|char| !is_part(char)) {
            if word.starts_with("CARILLON_") {
                found += 1;
                assert!(
                    known.iter().any(|name| name == word),
                    "{}: there is no {word}",
                    path.display()
                );
            }
        }
    }
    assert!(found > 30, "{found}");
}
