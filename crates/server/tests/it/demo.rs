//! `carillon demo`: the books agree, and what it prints to try next works.

use crate::support::{command, run_in, signal, wait_for_end};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

#[test]
fn the_books_agree_and_one_line_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run_in(
        directory.path(),
        &[
            "demo",
            "--exit",
            "--json",
            "--phones",
            "200",
            "--lesson-seconds",
            "20",
        ],
        &[],
    );
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    let line = ran.json();
    assert_eq!(
        line,
        serde_json::json!({
            "notifications": 2,
            "deliveries": 210,
            "accepted": 202,
            "rejected": 8,
            "unknown": 0,
            "retired_tokens": 8,
            "repaired_environments": 20,
            "shown_on_phones": 192,
            "event_deliveries": 78,
            "event_accepted": 76,
            "event_rejected": 2,
            "shown_on_android": 37,
            "shown_in_browsers": 39,
            "retired_registrations": 2,
            "webhook_retired": 2,
            "incident_pages": 3,
            "incident_rings": 2,
            "incident_apps_killed": 0,
            "lesson_phones": 2,
            "lesson_pushes": 10,
            "lesson_phases": 2,
            "books_agree": true,
        })
    );
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn what_it_prints_to_try_next_works() {
    let mut demo = Ends(
        command()
            .args(["demo", "--phones", "30", "--lesson-seconds", "20"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map(Some)
            .unwrap(),
    );
    let mut lines = BufReader::new(demo.child().stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut to_try = Vec::new();
    let mut has_begun = false;
    for line in lines.by_ref() {
        has_begun |= line.contains("Try in another terminal");
        if line.contains("Ctrl-C") {
            break;
        }
        if has_begun && line.starts_with("  ") {
            to_try.push(line.trim().to_owned());
        }
    }
    assert!(to_try.len() >= 9, "{to_try:?}");
    assert!(
        to_try.iter().any(|line| line.contains(" explain dlv_")),
        "{to_try:?}"
    );
    for line in &to_try {
        let output = Command::new("bash").args(["-ec", line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{line}\n{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            !said.contains("\"code\":") && !said.contains("\"error\":"),
            "{line}\n{said}"
        );
        if line.contains(" explain ") {
            assert!(
                said.contains("Unregistered") && said.contains("What to do"),
                "{said}"
            );
        }
    }
    signal(demo.child().id(), "INT");
    let rest = std::thread::spawn(move || lines.for_each(drop));
    assert_eq!(wait_for_end(demo.0.take().unwrap()), 0);
    rest.join().unwrap();
}

/// A child that does not outlive a failing test.
struct Ends(Option<Child>);

impl Ends {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}
