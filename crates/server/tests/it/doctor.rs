//! `carillon doctor`: what is well, what is not, and what to do.

use crate::support::{Home, KEY_ID, TEAM_ID, run_in};

#[test]
fn a_healthy_server_passes_and_a_revoked_key_is_named_with_its_mend() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let well = server.carillon(&["doctor"]);
    assert_eq!(well.code, 0, "{well:?}");
    for part in [
        "ok  server",
        "ok  store",
        "ok  shop/apple in production",
        "ok  shop/apple in sandbox",
        "BadDeviceToken",
    ] {
        assert!(well.stdout.contains(part), "{part}: {well:?}");
    }

    assert!(home.simulator.revoke_key(TEAM_ID, KEY_ID));
    let ill = server.carillon(&["doctor"]);
    assert_eq!(ill.code, 1, "{ill:?}");
    assert!(
        ill.stdout.contains("BAD shop/apple in production"),
        "{ill:?}"
    );
    assert!(
        ill.stdout.contains("InvalidProviderToken") && ill.stdout.contains("what to do"),
        "{ill:?}"
    );
    let json = server.carillon(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(json.stdout.trim()).unwrap();
    assert_eq!(report["ok"], false);
    assert!(
        report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["ok"] == false && c["mend"].is_string())
    );
}

#[test]
fn without_a_server_it_says_how_to_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run_in(
        directory.path(),
        &["doctor", "--url", "http://127.0.0.1:1"],
        &[],
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains("BAD server") && ran.stdout.contains("carillon serve"),
        "{ran:?}"
    );
}

#[test]
fn a_signing_key_is_judged_offline() {
    let home = Home::new();
    let args = [
        "doctor",
        "--p8",
        "key.p8",
        "--key-id",
        KEY_ID,
        "--team-id",
        TEAM_ID,
    ];
    let good = run_in(home.path(), &args, &[]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.stdout.contains("P-256"), "{good:?}");
    // An RSA key's algorithm instead of an elliptic curve's.
    std::fs::write(home.path().join("key.p8"), "-----BEGIN PRIVATE KEY-----\nMBQCAQAwDQYJKoZIhvcNAQEBBQAEAA==\n-----END PRIVATE KEY-----\n").unwrap();
    let bad = run_in(home.path(), &args, &[]);
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.stdout.contains("developer portal"), "{bad:?}");
}
