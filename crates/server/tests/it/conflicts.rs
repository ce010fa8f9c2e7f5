//! What is in the way at the start: one clear sentence, a distinct exit code, nothing damaged.

use crate::support::{Home, run_in};

#[test]
fn a_second_process_on_one_store_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let server = home.serve();
    let second = home.fail_to_serve();
    assert_eq!(second.code, 75, "{second:?}");
    assert!(second.stderr.contains("another process"), "{second:?}");
    let restored = run_in(
        home.path(),
        &["restore", "ca.pem"],
        &[("CARILLON_STORE__PATH", home.database().to_str().unwrap())],
    );
    assert_ne!(restored.code, 0, "{restored:?}");
    assert_eq!(server.json(&["app", "put", "shop"])["id"], "shop");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_busy_port_is_said_before_the_store_is_touched() {
    let mut home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    home.set("SERVER__LISTEN", taken.local_addr().unwrap().to_string());
    let ran = home.fail_to_serve();
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(
        ran.stderr.contains("another program listens there"),
        "{ran:?}"
    );
    assert!(!home.database().exists());
}

#[test]
fn a_damaged_a_foreign_and_a_newer_database_are_left_as_they_are() {
    let home = Home::new();
    assert_eq!(home.serve().stop(), 0);
    let good = std::fs::read(home.database()).unwrap();
    let mut newer = good.clone();
    // Bytes 60 to 63 of an SQLite file are its user_version, big-endian.
    newer[60..64].copy_from_slice(&9_999u32.to_be_bytes());
    let mut damaged = good.clone();
    for byte in damaged.iter_mut().skip(100).take(4_000) {
        *byte = 0xaa;
    }
    let foreign = b"this is a shopping list, and no database\n".repeat(200);
    for (bytes, said) in [
        (newer, "newer"),
        (damaged, "damaged"),
        (foreign, "not a Carillon database"),
    ] {
        std::fs::write(home.database(), &bytes).unwrap();
        let ran = home.fail_to_serve();
        assert_eq!(ran.code, 65, "{said}: {ran:?}");
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
        assert_eq!(
            std::fs::read(home.database()).unwrap(),
            bytes,
            "{said}: it was touched"
        );
    }
    std::fs::write(home.database(), &good).unwrap();
    assert_eq!(home.serve().stop(), 0);
}

#[test]
fn another_master_key_is_said_at_the_start() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    assert_eq!(server.stop(), 0);
    let file = home.path().join("data/master.key");
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    let missing = home.fail_to_serve();
    assert_eq!(missing.code, 78, "{missing:?}");
    assert!(
        missing.stderr.contains("master.key") && !file.exists(),
        "{missing:?}"
    );

    let mut elsewhere = Home::new();
    elsewhere.set("STORE__PATH", home.database().display().to_string());
    elsewhere.set("MASTER_KEY", "ab".repeat(32));
    let other = elsewhere.fail_to_serve();
    assert_eq!(other.code, 78, "{other:?}");
    assert!(other.stderr.contains("sealed with master key"), "{other:?}");

    std::fs::rename(&aside, &file).unwrap();
    let server = home.serve();
    assert_eq!(
        server.json(&["credential", "probe", "shop", "apple"])["ok"],
        true
    );
}

#[test]
fn a_disk_without_room_at_the_start_is_one_sentence_and_74() {
    let directory = tempfile::tempdir().unwrap();
    // 8 KiB for each file: too little for an empty store.
    let script = format!(
        "ulimit -f 8; exec {} serve",
        crate::support::program().display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .env("CARILLON_SERVER__LISTEN", "127.0.0.1:0")
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(
        said.starts_with("carillon: ") && said.contains("carillon.db"),
        "{said}"
    );
    assert!(said.lines().count() <= 2, "{said}");
}
