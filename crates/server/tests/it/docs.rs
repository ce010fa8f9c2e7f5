//! What the documents show, done: every `bash` block of a page, one after the other, in one shell.

use crate::certificate::write_certificate;
use crate::support::{BUNDLE_ID, Home, program};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

const README: &str = include_str!("../../../../README.md");
const FIRST_PUSH: &str = include_str!("../../../../docs/guide/first-push.md");
const IMPORTING: &str = include_str!("../../../../docs/guide/importing.md");
const MONITORS: &str = include_str!("../../../../docs/guide/monitor-reference.md");
const METRICS: &str = include_str!("../../../../docs/guide/metrics.md");
/// Where the metrics are named.
const SOURCES: [&str; 3] = [
    include_str!("../../src/gauges.rs"),
    include_str!("../../src/telemetry.rs"),
    include_str!("../../../engine/src/metrics.rs"),
];
/// Ports that the pages print: the server's, the first of the simulator's nine, and that of a service that is watched.
const SERVER: u16 = 8600;
const SIMULATOR: u16 = 9700;
const SERVICE: u16 = 9709;

#[test]
fn the_walk_through_works_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    // A fresh clone has the program in target/release.
    let release = directory.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    std::os::unix::fs::symlink(program(), release.join("carillon")).unwrap();
    let said = shell(README, directory.path(), &[]);
    for part in [
        "\"id\":\"shop\"",
        "ntf_",
        "dlv_",
        "The gateway took it",
        "Your order is on its way",
        "rejected   1",
        "status: active",
        "status: ended",
        "nothing",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert!(
        !said.contains("\"errors\"") && !said.contains("\"status\":4"),
        "{said}"
    );
    // Android phone and browser of the friend; his iPhone; nobody else.
    assert_eq!(
        said.matches("\"title\":\"지수님의 새 댓글\",\"body\":\"사진 좋다!\"")
            .count(),
        2,
        "{said}"
    );
    assert_eq!(
        said.matches("\"title\":\"지수's new comment\"").count(),
        1,
        "{said}"
    );
    assert_eq!(said.matches("\"retired_at\":\"").count(), 1, "{said}");
    // Two phones rang, and no app was killed for it.
    assert!(
        said.contains("\"call\":2") && !said.contains("\"killed\""),
        "{said}"
    );
    // As the phone showed it, and as our record has it.
    assert_eq!(said.matches("status: ending").count(), 2, "{said}");
    let (_, table) = said.rsplit_once("DELIVERY").unwrap();
    assert_eq!(table.matches("phase ending").count(), 2, "{table}");
    let is_told = |line: &&str| line.contains("parents-phone") && line.contains(" accepted ");
    assert_eq!(table.lines().filter(is_told).count(), 5, "{table}");
}

/// With a simulator that knows the key of the page, and the files that Apple and the old backend give.
#[test]
fn the_first_push_works_as_printed() {
    let home = Home::new();
    let key = push_sim::NewKey {
        team_id: "DEF123GHIJ".into(),
        key_id: "ABC123DEFG".into(),
        ..push_sim::NewKey::default()
    };
    let key = home.simulator.register_key(key).unwrap();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    file("AuthKey_ABC123DEFG.p8", &key.signing_key_pem.unwrap());
    write_certificate(&home, 2);
    let columns = "id,user_id,push_token,environment\n";
    assert!(FIRST_PUSH.contains(columns) && FIRST_PUSH.contains(BUNDLE_ID));
    let push_token = home.phones(1).remove(0);
    file(
        "devices.csv",
        &format!("{columns}phone-1,user-1,{push_token},production\n"),
    );

    let said = shell(FIRST_PUSH, home.path(), home.env());
    for part in [
        "BadDeviceToken",
        "1 registered",
        "accepted",
        "The gateway took it",
        "ok  kiosk/apple in production",
        "carillon-copy.db",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert_eq!(
        said.matches("user-1").count(),
        2,
        "before and after: {said}"
    );
    assert!(!said.contains("BAD"), "{said}");
}

/// With the page's own INI file, and the files that it names.
#[test]
fn importing_works_as_printed() {
    let mut home = Home::new();
    let google = home.simulator.google_url();
    home.set("FCM__TOKEN_ENDPOINT", google.trim_start_matches("https://"));
    let key = push_sim::NewKey {
        team_id: "DEF123GHIJ".into(),
        key_id: "ABC123DEFG".into(),
        ..push_sim::NewKey::default()
    };
    let key = home.simulator.register_key(key).unwrap();
    let file = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    let (_, ini) = IMPORTING.split_once("\n```ini\n").unwrap();
    file("push.ini", ini.split_once("\n```").unwrap().0);
    std::fs::create_dir(home.path().join("keys")).unwrap();
    file("keys/AuthKey_ABC123DEFG.p8", &key.signing_key_pem.unwrap());
    let account = home.simulator.service_account_json("shop-android").unwrap();
    file("google.json", &account);
    let mut users = "id,name,mail,locale,plan,age,token\n".to_owned();
    for (n, push_token) in home.phones(3).iter().enumerate() {
        users.push_str(&format!("{n},n,m,ko_KR,gold,1,{push_token}\n"));
    }
    file("users.csv", &users);

    let said = shell(IMPORTING, home.path(), home.env());
    for part in [
        "to be made",
        "a legacy FCM server key; the service account google.json takes its place",
        "ok  production",
        "3 rows: 3 registered",
        "of these stale  0",
        "3 of 3 devices can be written to",
        "completed",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert!(
        !said.contains("AAAAexample") && !said.contains("not-shown"),
        "{said}"
    );
}

/// With nothing but the program.
#[test]
fn monitors_work_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    let said = shell(MONITORS, directory.path(), &[]);
    for part in [
        "cid",
        "2m critical on_call night",
        "its job tells that it ran: curl -fsS http://127.0.0.1:",
        " firing ",
        "incident 1: ",
        "the disk is full",
        "incident 1 of backup is put off",
        "incident 1 of backup is in hand: ann is on it",
        "ann has it in hand",
        "\"state\":\"resolved\"",
        "\"uptime_percent\"",
        "\"title\":\"Shop\"",
        "backup rests\n",
        "backup goes on\n",
        "0 22 * * FRI",
        "still paged",
        "backup is deleted",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
}

#[test]
fn every_metric_is_on_the_page() {
    let named = |text: &str| -> BTreeSet<String> {
        text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
            .filter(|word| word.starts_with("carillon_") || word.starts_with("process_"))
            .map(str::to_owned)
            .collect()
    };
    let on_page: BTreeSet<String> = METRICS
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    server.send_each(1, "a").json();
    server.settle();
    let shown: BTreeSet<String> = server
        .get("/metrics")
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(shown.len() > 15, "{shown:?}");
    let missing: Vec<_> = shown.difference(&on_page).collect();
    assert!(
        missing.is_empty(),
        "not in docs/guide/metrics.md: {missing:?}"
    );
    let known: BTreeSet<String> = SOURCES.into_iter().flat_map(named).collect();
    let stale: Vec<_> = named(METRICS).difference(&known).cloned().collect();
    assert!(stale.is_empty(), "in docs/guide/metrics.md only: {stale:?}");
}

/// The blocks of a page, as one script.
fn script(page: &str) -> String {
    let blocks: Vec<&str> = page
        .split("\n```bash\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block))
        .collect();
    assert!(blocks.len() >= 5, "the page has no walk-through");
    blocks.join("\n")
}

/// Runs a page to its good end, on ports that are free: what it said.
fn shell(page: &str, directory: &Path, env: &[(String, String)]) -> String {
    let first = free_ports();
    let server = first + 9;
    // What a page leaves running ends with it, also when the page fails.
    let script = format!(
        "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}",
        script(page)
    )
    .replace(&SERVER.to_string(), &server.to_string())
    .replace(&SERVICE.to_string(), &(first + 10).to_string())
    .replace(&(SIMULATOR + 6).to_string(), &(first + 6).to_string())
    .replace(&SIMULATOR.to_string(), &first.to_string());
    let programs = program().parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("timeout")
        .args(["300", "bash", "-euo", "pipefail", "-c", &script])
        .env("PATH", format!("{programs}:{path}"))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env("CARILLON_SERVER__LISTEN", format!("127.0.0.1:{server}"))
        .env("CARILLON_URL", format!("http://127.0.0.1:{server}"))
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let logged = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script}\n---\n{said}\n---\n{logged}"
    );
    said
}

/// The first of eleven ports that are free, other ones for each page.
pub(crate) fn free_ports() -> u16 {
    static PAGES: AtomicU16 = AtomicU16::new(0);
    let page = PAGES.fetch_add(1, Ordering::Relaxed);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    // What was put in place of one port must not read as another one that a page prints.
    let is_other = |port: u16| {
        let text = port.to_string();
        !text.contains("970") && !text.contains(&SERVER.to_string())
    };
    // Below the ports that the kernel gives to clients.
    (20_000 + page * 11..32_000)
        .step_by(33)
        .skip((std::process::id() % 350) as usize)
        .find(|port| (0..11).all(|offset| is_other(port + offset) && is_free(port + offset)))
        .unwrap()
}
