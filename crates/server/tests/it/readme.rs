//! The README's walk-through, as printed: every `bash` block, one after the other, in one shell.

use crate::support::program;
use std::net::TcpListener;
use std::process::Command;

const README: &str = include_str!("../../../../README.md");
/// Ports that the walk-through prints: the server's, and the first of the simulator's seven.
const SERVER: u16 = 8600;
const SIMULATOR: u16 = 9700;

#[test]
fn the_walk_through_works_as_printed() {
    let script = on_free_ports(&blocks().join("\n"));
    let directory = tempfile::tempdir().unwrap();
    // A fresh clone has the program in target/release.
    let release = directory.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    std::os::unix::fs::symlink(program(), release.join("carillon")).unwrap();
    let output = Command::new("timeout")
        .args(["120", "bash", "-euo", "pipefail", "-c", &script])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script}\n---\n{said}\n---\n{logged}"
    );
    for part in [
        "\"id\":\"shop\"",
        "ntf_",
        "dlv_",
        "The gateway took it",
        "Your order is on its way",
    ] {
        assert!(
            said.contains(part),
            "{part} is missing:\n{said}\n---\n{logged}"
        );
    }
    assert!(!said.contains("\"errors\""), "{said}");
}

fn blocks() -> Vec<&'static str> {
    let blocks: Vec<&str> = README
        .split("\n```bash\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block))
        .collect();
    assert!(blocks.len() >= 5, "the README has no walk-through");
    blocks
}

/// As printed where its ports are free; otherwise only the ports differ.
fn on_free_ports(script: &str) -> String {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all_free = is_free(SERVER) && (0..7).all(|offset| is_free(SIMULATOR + offset));
    if all_free {
        return script.to_owned();
    }
    let first = (20_000..60_000)
        .step_by(17)
        .skip((std::process::id() % 1_000) as usize)
        .find(|port| (0..8).all(|offset| is_free(port + offset)))
        .unwrap();
    script
        .replace(&SERVER.to_string(), &(first + 7).to_string())
        .replace(&(SIMULATOR + 6).to_string(), &(first + 6).to_string())
        .replace(&SIMULATOR.to_string(), &first.to_string())
}
