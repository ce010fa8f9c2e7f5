//! Keys that are files: exchanged under a running server, half written, wrong, and read by one process of several.

use crate::support::{BUNDLE_ID, Home, KEY_ID, Server, TEAM_ID, signal, until};
use carillon_store_sql::testing::Scratch;
use serde_json::{Value, json};
use std::path::Path;

/// A folder as Kubernetes mounts a Secret: what is in it is exchanged by one link.
struct Mount<'h> {
    home: &'h Home,
    version: u32,
}

impl<'h> Mount<'h> {
    fn new(home: &'h Home) -> Self {
        std::fs::create_dir(home.path().join("mount")).unwrap();
        for file in ["credentials.toml", "key.p8"] {
            let at = home.path().join("mount").join(file);
            std::os::unix::fs::symlink(Path::new("..data").join(file), at).unwrap();
        }
        Self { home, version: 0 }
    }

    /// Another key, with its id.
    fn exchange(&mut self, key_id: &str, pem: &str) {
        self.version += 1;
        let mount = self.home.path().join("mount");
        let version = format!("..{}", self.version);
        std::fs::create_dir(mount.join(&version)).unwrap();
        let toml = format!(
            "[shop.apple]\np8 = \"key.p8\"\nkey_id = \"{key_id}\"\nteam_id = \"{TEAM_ID}\"\ntopics = [\"{BUNDLE_ID}\"]\n"
        );
        std::fs::write(mount.join(&version).join("credentials.toml"), toml).unwrap();
        std::fs::write(mount.join(&version).join("key.p8"), pem).unwrap();
        std::os::unix::fs::symlink(&version, mount.join("..new")).unwrap();
        std::fs::rename(mount.join("..new"), mount.join("..data")).unwrap();
    }
}

/// A further key that the simulator knows: its PEM.
fn new_key(home: &Home, key_id: &str) -> String {
    let key = push_sim::NewKey {
        team_id: TEAM_ID.into(),
        key_id: key_id.into(),
        ..push_sim::NewKey::default()
    };
    let made = home.simulator.register_key(key).unwrap();
    made.signing_key_pem.unwrap()
}

fn with_files(home: &mut Home) {
    let file = home.path().join("mount/credentials.toml");
    home.set("CREDENTIALS__FILE", file.display().to_string());
    home.set("CREDENTIALS__POLL_INTERVAL", "50ms");
}

fn credential(server: &Server<'_>) -> Value {
    serde_json::from_str(&server.get("/v1/apps/shop/credentials/apple")).unwrap()
}

fn until_key(server: &Server<'_>, key_id: &str) {
    until(&format!("{key_id} is set"), || {
        credential(server)["key_id"] == *key_id
    });
}

fn problems(server: &Server<'_>) -> Vec<Value> {
    let status: Value = serde_json::from_str(&server.get("/v1/status")).unwrap();
    status["credential_problems"].as_array().unwrap().clone()
}

/// Sends to the phone and waits: what the gateway made of it.
fn push(server: &Server<'_>) -> Value {
    let body = json!({"target": {"devices": ["phone-1"]}, "content": {"body": "hello"}});
    let (status, answer) = server.call("POST", "/v1/apps/shop/notifications", None, &body);
    assert_eq!(status, 202, "{answer}");
    let path = format!(
        "/v1/apps/shop/notifications/{}",
        answer["id"].as_str().unwrap()
    );
    let mut seen = Value::Null;
    until("it is complete", || {
        seen = serde_json::from_str(&server.get(&path)).unwrap();
        !seen["completed_at"].is_null()
    });
    seen["deliveries"].take()
}

#[test]
fn a_key_is_exchanged_under_a_running_server() {
    let mut home = Home::new();
    with_files(&mut home);
    let mut mount = Mount::new(&home);
    mount.exchange(KEY_ID, &home.p8());
    let server = home.serve();

    // Nobody has made the App yet: that is said, and done as soon as it can be.
    until("the App is missed", || {
        problems(&server)
            .iter()
            .any(|it| it["app"] == "shop" && it["problem"].as_str().unwrap().contains("app put"))
    });
    server.json(&["app", "put", "shop"]);
    until_key(&server, KEY_ID);
    server.import(&home.phones(1));
    assert_eq!(push(&server)["accepted"], 1);
    until("nothing is wrong", || problems(&server).is_empty());

    // The new one is used, and not only shown: the gateway knows no other any more.
    let pem = new_key(&home, "TESTKEY002");
    mount.exchange("TESTKEY002", &pem);
    until_key(&server, "TESTKEY002");
    assert!(home.simulator.revoke_key(TEAM_ID, KEY_ID));
    assert_eq!(push(&server)["accepted"], 1);
    assert_eq!(credential(&server)["version"], 2);

    // Half of a file is not taken, and told everywhere.
    let half = &pem[..pem.len() / 2];
    mount.exchange("TESTKEY003", half);
    until("the half is told", || {
        problems(&server)
            .iter()
            .any(|it| it["credential"] == "apple")
    });
    let doctor = server.carillon(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(
        doctor.stdout.contains("BAD credentials.file shop/apple"),
        "{doctor:?}"
    );
    let log = server.log();
    assert!(
        log.contains("what was set before goes on being used"),
        "{log}"
    );
    assert_eq!(credential(&server)["key_id"], "TESTKEY002");
    assert_eq!(push(&server)["accepted"], 1);
    let secret = half.lines().nth(1).unwrap();
    assert!(!log.contains(secret), "a key is in the log");

    // What is set otherwise is set back, and a deleted one comes again.
    let pem = new_key(&home, "TESTKEY003");
    mount.exchange("TESTKEY003", &pem);
    until_key(&server, "TESTKEY003");
    until("nothing is wrong", || problems(&server).is_empty());
    server.json(&["credential", "delete", "shop", "apple"]);
    until_key(&server, "TESTKEY003");
    assert_eq!(push(&server)["accepted"], 1);
    let audit = server.get("/v1/audit");
    assert!(audit.contains("credential.put"), "{audit}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_hangup_has_the_files_looked_at_now() {
    let mut home = Home::new();
    with_files(&mut home);
    home.set("CREDENTIALS__POLL_INTERVAL", "1h");
    let mut mount = Mount::new(&home);
    mount.exchange(KEY_ID, &home.p8());
    let server = home.serve();
    server.json(&["app", "put", "shop"]);
    signal(server.pid(), "HUP");
    until_key(&server, KEY_ID);
    mount.exchange("TESTKEY002", &new_key(&home, "TESTKEY002"));
    signal(server.pid(), "HUP");
    until_key(&server, "TESTKEY002");
    assert_eq!(server.stop(), 0);
}

#[test]
fn one_of_several_processes_reads_the_files_on_postgres() {
    if let Some(scratch) = Scratch::postgres() {
        one_of_several(&scratch);
    }
}

#[test]
fn one_of_several_processes_reads_the_files_on_mariadb() {
    if let Some(scratch) = Scratch::mariadb() {
        one_of_several(&scratch);
    }
}

fn one_of_several(scratch: &Scratch) {
    let mut home = Home::new();
    for (name, value) in scratch.environment() {
        home.set(name.trim_start_matches("CARILLON_"), value);
    }
    let api = home.serve_with(&["--roles", "api"]);
    let sender = home.serve_with(&["--roles", "sender"]);
    api.json(&["app", "put", "shop"]);
    api.import(&home.phones(1));

    // Only workers have the files: the first leads, and the second stands by.
    let mut mount = Mount::new(&home);
    mount.exchange(KEY_ID, &home.p8());
    let file = home.path().join("mount/credentials.toml");
    let worker = || {
        home.serve_by(|command| {
            command
                .args(["--roles", "scheduler,worker"])
                .env("CARILLON_CREDENTIALS__FILE", &file)
                .env("CARILLON_CREDENTIALS__POLL_INTERVAL", "50ms");
        })
    };
    let first = worker();
    until_key(&api, KEY_ID);
    let second = worker();
    assert_eq!(push(&api)["accepted"], 1);
    mount.exchange("TESTKEY002", &new_key(&home, "TESTKEY002"));
    until_key(&api, "TESTKEY002");
    assert!(home.simulator.revoke_key(TEAM_ID, KEY_ID));
    assert_eq!(push(&api)["accepted"], 1);
    assert_eq!(credential(&api)["version"], 2, "one of them set it, once");

    // What is wrong at one process is known where it is asked for, and not any more when it is mended.
    mount.exchange("TESTKEY002", "nothing");
    until("another process tells", || {
        problems(&api).iter().any(|it| it["credential"] == "apple")
    });
    assert_eq!(push(&api)["accepted"], 1);

    // Whoever leads next goes on.
    assert_eq!(first.stop(), 0);
    let pem = new_key(&home, "TESTKEY003");
    mount.exchange("TESTKEY003", &pem);
    until_key(&api, "TESTKEY003");
    until("nothing is wrong", || problems(&api).is_empty());
    assert_eq!(push(&api)["accepted"], 1);
    for server in [second, sender, api] {
        assert_eq!(server.stop(), 0);
    }
}
