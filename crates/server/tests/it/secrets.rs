//! Secrets and push tokens stay out of logs, metrics and the store.

use crate::support::Home;

#[test]
fn nothing_secret_is_logged_measured_or_stored_in_the_clear() {
    for format in ["text", "json"] {
        let mut home = Home::new();
        home.set("LOG__LEVEL", "trace");
        home.set("LOG__FORMAT", format);
        let server = home.serve();
        let push_tokens = home.phones(2);
        server.set_up(&push_tokens);
        let created = server.json(&[
            "keys", "create", "backend", "--app", "shop", "--scope", "send",
        ]);
        let api_key = created["secret"].as_str().unwrap().to_owned();
        server.send_each(2, "a").json();
        server.settle();
        server.json(&["credential", "probe", "shop", "apple"]);
        let metrics = server.get("/metrics");
        let log = server.log();
        assert_eq!(server.stop(), 0);

        let p8 = home.p8();
        let p8_body = p8.lines().nth(1).unwrap();
        let admin_key = std::fs::read_to_string(home.path().join("admin.key")).unwrap();
        let master_key = std::fs::read_to_string(home.path().join("data/master.key")).unwrap();
        let master_key = master_key
            .lines()
            .find(|line| !line.starts_with('#'))
            .unwrap();
        let database = std::fs::read(home.database()).unwrap();
        let secrets = [
            p8_body,
            admin_key.trim(),
            master_key,
            api_key.as_str(),
            "bearer eyJ",
            "eyJhbGciOiJFUzI1Ni",
        ];
        assert!(log.len() > 1_000, "the log is not empty at trace: {log}");
        for secret in secrets {
            assert!(!log.contains(secret), "a secret is in the log ({format})");
            assert!(!metrics.contains(secret), "a secret is in the metrics");
            let stored = database
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!stored, "a secret is in the store in the clear");
        }
        for push_token in &push_tokens {
            assert!(
                !log.contains(push_token.as_str()),
                "a push token is in the log ({format})"
            );
            assert!(
                !metrics.contains(push_token.as_str()),
                "a push token is in the metrics"
            );
        }
        if format == "json" {
            for line in log.lines() {
                assert!(
                    serde_json::from_str::<serde_json::Value>(line).is_ok(),
                    "not JSON: {line}"
                );
            }
        }
        assert!(metrics.contains("carillon_build_info"), "{metrics}");
    }
}
