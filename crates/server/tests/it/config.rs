//! Configuration errors as a person meets them.

use crate::support::run_in;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn the_printed_configuration_is_the_committed_one_and_passes_its_check() {
    let directory = tempfile::tempdir().unwrap();
    let printed = run_in(directory.path(), &["config"], &[]);
    let committed = include_str!("../../../../config.example.toml");
    assert_eq!(printed.stdout, committed);
    std::fs::write(directory.path().join("carillon.toml"), committed).unwrap();
    let checked = run_in(
        directory.path(),
        &["config", "check", "carillon.toml", "--json"],
        &[],
    );
    assert_eq!(checked.json()["ok"], true);
}

#[test]
fn a_wrong_configuration_ends_with_64_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("carillon.toml"),
        "[server]\nlisen = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let ran = run_in(directory.path(), &["serve"], &[]);
    assert_eq!(ran.code, 64, "{ran:?}");
    assert!(
        ran.stderr.contains("server.lisen") && ran.stderr.contains("server.listen"),
        "{ran:?}"
    );
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        1,
        "no store was made"
    );

    let cases: [(&str, &str, &[&str]); 4] = [
        (
            "CARILLON_SERVER__LISTN",
            "x",
            &["CARILLON_SERVER__LISTN", "CARILLON_SERVER__LISTEN"],
        ),
        (
            "CARILLON_SERVER__LISTEN",
            "nowhere",
            &["server.listen", "CARILLON_SERVER__LISTEN"],
        ),
        (
            "CARILLON_CLOCK__SPEED",
            "60",
            &["clock", "production", "development"],
        ),
        (
            "CARILLON_ENGINE__QUANTUM",
            "0",
            &["engine.quantum", "at least 1"],
        ),
    ];
    let empty = tempfile::tempdir().unwrap();
    for (name, value, said) in cases {
        let ran = run_in(empty.path(), &["serve"], &[(name, value)]);
        assert_eq!(ran.code, 64, "{ran:?}");
        for part in said {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn what_serve_refuses_fails_the_check_too_and_makes_nothing() {
    for (section, setting, code) in [
        ("monitors", "allow_private = \"10.0.0.0/99\"", 64),
        ("monitors", "allow_private = \"a:99999\"", 64),
        ("webhooks", "allow_private = \"nonsense/99\"", 64),
        ("secrets", "master_key = \"xx\"", 64),
        ("apns", "ca_file = \"missing.pem\"", 66),
        ("monitors", "ca_file = \"missing.pem\"", 66),
        ("sources", "file = \"missing.toml\"", 66),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\n[{section}]\n{setting}\n");
        std::fs::write(directory.path().join("carillon.toml"), text).unwrap();
        let key = format!("{section}.{}", setting.split(' ').next().unwrap());
        for command in [&["config", "check", "carillon.toml"][..], &["serve"]] {
            let ran = run_in(directory.path(), command, &[]);
            assert_eq!(ran.code, code, "{command:?}, {setting}: {ran:?}");
            assert!(ran.stderr.contains(&key), "{command:?}, {setting}: {ran:?}");
        }
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "{setting}: no store was made");
    }
}

#[test]
fn a_broken_master_key_file_fails_the_check_as_it_fails_serve() {
    let (key, short) = (format!("{}=", "A".repeat(43)), "A".repeat(40));
    let cases: [(&[u8], u32, i32, &str); 5] = [
        (short.as_bytes(), 0o600, 64, "base64 of 30 bytes"),
        (b"hunter2", 0o600, 64, "found 7 characters"),
        (&[0xff; 32], 0o600, 64, "32 bytes that are no text"),
        (b"# nothing else\n", 0o600, 64, "found none"),
        (key.as_bytes(), 0o644, 77, "expected mode 0600, found 0644"),
    ];
    for (text, mode, code, said) in cases {
        for (secrets, file) in [
            ("", "data/master.key"),
            ("[secrets]\nmaster_key_file = \"the.key\"\n", "the.key"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join(name);
            std::fs::create_dir(path("data")).unwrap();
            let settings = format!(
                "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"data/carillon.db\"\n{secrets}"
            );
            std::fs::write(path("carillon.toml"), settings).unwrap();
            std::fs::write(path(file), text).unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path(file), mode).unwrap();
            for command in [&["config", "check", "carillon.toml"][..], &["serve"]] {
                let ran = run_in(directory.path(), command, &[]);
                assert_eq!(ran.code, code, "{command:?}, {said}: {ran:?}");
                for part in ["secrets.master_key_file", file, said] {
                    assert!(ran.stderr.contains(part), "{command:?}, {part}: {ran:?}");
                }
            }
            assert!(!path("data/carillon.db").exists(), "{said}: no store");
            assert_eq!(std::fs::read(path(file)).unwrap(), text, "{said}");
        }
    }
}

#[test]
fn the_check_reads_a_master_key_file_and_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[secrets]\nmaster_key_file = \"the.key\"\n";
    std::fs::write(directory.path().join("carillon.toml"), settings).unwrap();
    let check = || {
        let args = ["config", "check", "carillon.toml"];
        run_in(directory.path(), &args, &[])
    };
    let ran = check();
    assert_eq!(ran.code, 0, "serve makes it: {ran:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

    let file = directory.path().join("the.key");
    std::fs::write(&file, format!("{}=\n", "A".repeat(43))).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let ran = check();
    assert_eq!(ran.code, 0, "{ran:?}");

    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let ran = check();
    assert_eq!(ran.code, 74, "{ran:?}");
    let said = "cannot read secrets.master_key_file, the.key: ";
    assert!(ran.stderr.contains(said), "{ran:?}");
}

#[test]
fn wrong_arguments_end_with_64_and_help_with_0() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run_in(directory.path(), &["srve"], &[]).code, 64);
    assert_eq!(run_in(directory.path(), &["send"], &[]).code, 64);
    let help = run_in(directory.path(), &["--help"], &[]);
    assert!(
        help.code == 0 && help.stdout.contains("carillon demo"),
        "{help:?}"
    );
    assert_eq!(
        run_in(
            directory.path(),
            &["serve", "--config", "missing.toml"],
            &[]
        )
        .code,
        66
    );
}

#[test]
fn completions_and_the_openapi_document_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    let bash = run_in(directory.path(), &["completions", "bash"], &[]);
    assert!(
        bash.code == 0 && bash.stdout.contains("_carillon"),
        "{}",
        bash.stderr
    );
    let openapi = run_in(directory.path(), &["openapi"], &[]).json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(openapi["paths"]["/v1/apps/{app}/notifications"]["post"].is_object());
}
