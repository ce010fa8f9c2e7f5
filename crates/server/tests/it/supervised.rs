//! Under a supervisor: what it is told, what a check of a container says, and a stop that goes on answering for a while.

use crate::support::{Home, run_in, signal, until};
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;

#[test]
fn the_supervisor_is_told_of_start_life_and_stop() {
    let home = Home::new();
    let path = home.path().join("notify");
    let hears = UnixDatagram::bind(&path).unwrap();
    hears
        .set_read_timeout(Some(crate::support::PATIENCE))
        .unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let length = hears.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let server = home.serve_by(|command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "20000");
    });
    assert_eq!(heard(), format!("READY=1\nSTATUS=serves on {}", server.url));
    for _ in 0..3 {
        assert_eq!(heard(), "WATCHDOG=1");
    }
    signal(server.pid(), "TERM");
    until("the stop is told", || {
        let said = heard();
        assert!(
            said == "WATCHDOG=1" || said == "STOPPING=1\nSTATUS=stops",
            "{said}"
        );
        said.starts_with("STOPPING")
    });
    assert_eq!(server.wait(), 0);
}

#[test]
fn requests_are_answered_until_nobody_sends_any() {
    let mut home = Home::new();
    home.set("SERVER__STOP_DELAY", "5m");
    home.set("SERVER__STOP_DEADLINE", "10m");
    let server = home.serve();
    server.set_up(&home.phones(1));
    let health = |url: &str| {
        let env = [("CARILLON_URL", url)];
        run_in(home.path(), &["health", "--json"], &env)
    };
    assert_eq!(health(&server.url).json()["ready"], true);
    signal(server.pid(), "TERM");
    until("it says that it stops", || {
        server.call("GET", "/readyz", None, &Value::Null).0 == 503
    });
    let unready = health(&server.url);
    assert_eq!(unready.code, 1, "{unready:?}");
    assert!(unready.stdout.contains("stopping"), "{unready:?}");
    let body = json!({"target": {"devices": ["phone-1"]}, "content": {"body": "still"}});
    let (status, answer) = server.call("POST", "/v1/apps/shop/notifications", None, &body);
    assert_eq!(status, 202, "{answer}");
    let path = format!(
        "/v1/apps/shop/notifications/{}",
        answer["id"].as_str().unwrap()
    );
    until("it is sent", || {
        let seen: Value = serde_json::from_str(&server.get(&path)).unwrap();
        !seen["completed_at"].is_null()
    });
    // Whoever does not want to wait says it again.
    let url = server.url.clone();
    signal(server.pid(), "TERM");
    assert_eq!(server.wait(), 75);
    assert_eq!(health(&url).code, 1, "nobody is there");
}

#[test]
fn a_hangup_stops_nothing() {
    let home = Home::new();
    let server = home.serve();
    signal(server.pid(), "HUP");
    until("it is heard", || server.log().contains("SIGHUP"));
    assert_eq!(server.stop(), 0);
}
