//! The real server on a database server: migrated before, with another beside it, and nothing lost over a kill.

use crate::support::{Home, run_in};
use carillon_store_sql::testing::Scratch;

#[test]
fn on_postgres() {
    if let Some(scratch) = Scratch::postgres() {
        whole_life(&scratch);
    }
}

#[test]
fn on_mariadb() {
    if let Some(scratch) = Scratch::mariadb() {
        whole_life(&scratch);
    }
}

fn whole_life(scratch: &Scratch) {
    let (mut home, mut strict) = (Home::new(), Home::new());
    let environment = scratch.environment();
    for (name, value) in &environment {
        home.set(name.trim_start_matches("CARILLON_"), value.clone());
        strict.set(name.trim_start_matches("CARILLON_"), value.clone());
    }
    strict.set("STORE__MIGRATE", "false");
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let run = |args: &[&str]| run_in(home.path(), args, &environment);

    // Empty: said by the check, and refused by a server that may not migrate.
    let checked = run(&["migrate", "--check"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.stdout.contains("would be brought"), "{checked:?}");
    let refused = strict.fail_to_serve();
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("carillon migrate"), "{refused:?}");
    let migrated = run(&["--json", "migrate"]).json();
    assert_eq!(migrated["migrated"], true, "{migrated}");
    assert_eq!(run(&["migrate", "--check"]).code, 0);

    let phones = home.phones(20);
    let server = home.serve();
    server.set_up(&phones);
    // Another one may join, and leave.
    let second = home.serve();
    assert_eq!(second.send_each(20, "another").code, 0);
    assert_eq!(second.stop(), 0);
    let sent = server.send_each(20, "first");
    assert_eq!(sent.code, 0, "{sent:?}");
    let restored = run(&["restore", "ca.pem"]);
    assert_eq!(restored.code, 64, "{restored:?}");
    assert!(restored.stderr.contains("on a server"), "{restored:?}");
    let copied = server.carillon(&["backup", "copy.db"]);
    assert_ne!(copied.code, 0, "{copied:?}");
    assert!(copied.stderr.contains("own tools"), "{copied:?}");
    server.kill();

    let server = home.serve();
    let stats = server.settle();
    assert_eq!(stats["accepted"], 40, "{stats}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_file_moves_to_postgres() {
    if let (Some(scratch), Some(other)) = (Scratch::postgres(), Scratch::postgres()) {
        moves(&scratch, &other);
    }
}

#[test]
fn a_file_moves_to_mariadb() {
    if let (Some(scratch), Some(other)) = (Scratch::mariadb(), Scratch::mariadb()) {
        moves(&scratch, &other);
    }
}

/// What was accepted from the file is there afterwards, goes on there, and not in the file.
fn moves(scratch: &Scratch, other: &Scratch) {
    let mut home = Home::new();
    let phones = home.phones(20);
    let server = home.serve();
    server.set_up(&phones);
    assert_eq!(server.send_each(20, "first").code, 0);
    assert_eq!(server.settle()["accepted"], 20);
    let from = format!("sqlite:{}", home.database().display());
    let url = scratch.config().url.to_string();
    let environment = scratch.environment();
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let copy = ["--json", "store", "copy", "--from", &from, "--to", &url];

    // The file is in use, until the server ends.
    let early = run_in(home.path(), &copy, &environment);
    assert_eq!(early.code, 75, "{early:?}");
    server.kill();
    let copied = run_in(home.path(), &copy, &environment).json();
    let rows = |name: &str| {
        let tables = copied["tables"].as_array().unwrap();
        let table = tables.iter().find(|table| table["table"] == name);
        table.unwrap()["rows"].as_u64().unwrap()
    };
    assert_eq!((rows("devices"), rows("push_tokens")), (20, 20), "{copied}");
    assert_eq!(
        (rows("notifications"), rows("batches")),
        (20, 20),
        "{copied}"
    );

    // Not twice, nowhere else either, and not from the file any more.
    let elsewhere = other.environment();
    let elsewhere: Vec<(&str, &str)> = elsewhere
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let (there, mut to) = (other.config().url.to_string(), copy);
    to[6] = &there;
    for (copy, environment) in [(copy, &environment), (to, &elsewhere)] {
        let again = run_in(home.path(), &copy, environment);
        assert_eq!(again.code, 78, "{again:?}");
        assert!(again.stderr.contains("was moved"), "{again:?}");
    }
    let old = home.fail_to_serve();
    assert_eq!(old.code, 78, "{old:?}");
    assert!(old.stderr.contains("was moved"), "{old:?}");

    for (name, value) in &environment {
        home.set(name.trim_start_matches("CARILLON_"), *value);
    }
    let server = home.serve();
    assert_eq!(server.settle()["accepted"], 20);
    // A repeated request is one that it knows.
    assert_eq!(server.send_each(20, "first").code, 0);
    assert_eq!(server.settle()["accepted"], 20);
    assert_eq!(server.send_each(20, "second").code, 0);
    assert_eq!(server.settle()["accepted"], 40);
    assert_eq!(server.stop(), 0);
}
