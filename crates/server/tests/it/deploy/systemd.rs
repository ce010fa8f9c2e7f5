//! The units: read by systemd itself, and their environment by the program.

use super::{check_config, example, folder, run, seconds, text, tool};
use crate::support::program;
use std::collections::BTreeMap;

const UNITS: [&str; 3] = ["carillon.service", "carillon@.service", "carillon.target"];

#[test]
fn systemd_takes_the_units_and_finds_little_exposed() {
    let Some(mut verify) = tool("PUSH_TEST_SYSTEMD_ANALYZE", "systemd's units") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let installed = program().display().to_string();
    for unit in UNITS {
        let text = text(format!("systemd/{unit}"));
        // Where the program is installed, it is not yet.
        let text = text.replace("/usr/bin/carillon", &installed);
        std::fs::write(directory.path().join(unit), text).unwrap();
    }
    verify
        .args(["verify", "--man=no"])
        .args(UNITS)
        .current_dir(directory.path());
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    for unit in &UNITS[..2] {
        let mut security = tool("PUSH_TEST_SYSTEMD_ANALYZE", "systemd's units").unwrap();
        security
            .args(["security", "--offline=true", "--no-pager", "--threshold=20"])
            .arg(unit)
            .current_dir(directory.path());
        assert!(run(&mut security).contains("Overall exposure level"));
    }
}

/// The values of a key, in order.
fn values<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    let line = |line: &'t str| line.strip_prefix(key)?.strip_prefix('=');
    unit.lines().filter_map(line).collect()
}

#[test]
fn the_program_takes_what_the_units_give_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let shown = directory.path().display().to_string();
    std::fs::write(at("store.password"), "secret").unwrap();
    let server = "[store]\nurl = \"mariadb://carillon@127.0.0.1/carillon\"\n";
    std::fs::write(at("server.toml"), server).unwrap();
    std::fs::write(at("file.toml"), "").unwrap();
    let deadline = seconds(&example()["server"]["stop_deadline"]);
    let mut ports = Vec::new();
    for instance in ["", "api", "scheduler", "worker", "sender"] {
        let unit = match instance {
            "" => text("systemd/carillon.service"),
            _ => text("systemd/carillon@.service"),
        };
        let mut env = BTreeMap::new();
        let own = (!instance.is_empty()).then(|| text(format!("systemd/{instance}.env")));
        let lines = own.iter().flat_map(|own| own.lines());
        let lines = lines.filter(|line| !line.starts_with('#'));
        for pair in values(&unit, "Environment").into_iter().chain(lines) {
            let (name, value) = pair.split_once('=').unwrap();
            let value = value.replace("%i", instance);
            let value = value.replace("%S", &shown).replace("%d", &shown);
            env.insert(name.to_owned(), value);
        }
        ports.push(env.get("CARILLON_SERVER__LISTEN").cloned());
        let config = if instance.is_empty() {
            "file.toml"
        } else {
            "server.toml"
        };
        let checked = check_config(&at(config), &env);
        assert_eq!(checked.code, 0, "{instance}: {checked:?}");

        let stop: u64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
        assert!(
            stop > deadline,
            "systemd kills after {stop} s, and a stop may take {deadline} s"
        );
        let start = values(&unit, "ExecStart")[0];
        let words: Vec<&str> = start.split(' ').skip(1).collect();
        let asked =
            crate::support::run_in(directory.path(), &[&words[..], &["--help"]].concat(), &[]);
        assert_eq!(asked.code, 0, "{start}: {asked:?}");
    }
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 5, "each has a port of its own: {ports:?}");
    assert!(folder().join("systemd/carillon.sysusers").exists());
}
