//! The outside dead man's switch with the real program: it posts while the server is well, and only then.

use crate::receiver::Receiver;
use crate::support::{Home, Server, run_in, until};
use serde_json::{Value, json};

/// Turns of the switch with this result so far.
fn turns(server: &Server<'_>, result: &str) -> u64 {
    let name = format!("carillon_heartbeats_posted_total{{result=\"{result}\"}} ");
    let metrics = server.get("/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn heartbeats_are_posted_while_the_server_is_well_and_not_while_it_is_not() {
    let receiver = Receiver::start(&[]);
    let mut home = Home::new();
    home.set("MONITORS__HEARTBEAT_URL", receiver.url());
    home.set("MONITORS__HEARTBEAT_EVERY", "1s");
    let refused = home.fail_to_serve();
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(
        refused.stderr.contains("monitors.heartbeat_url") && refused.stderr.contains("loopback"),
        "checks may not go there: {refused:?}"
    );
    home.set("MONITORS__ALLOW_PRIVATE", "127.0.0.1");
    let server = home.serve();
    let calls = receiver.until(3);
    for call in &calls {
        assert_eq!((&*call.body, &*call.signature), (&b""[..], ""));
    }
    until("the count", || turns(&server, "posted") >= 3);
    assert_eq!(turns(&server, "withheld"), 0);

    // A restored store fires nothing until it is resumed: such a server is not well.
    let copy = home.path().join("copy.db");
    server.json(&["backup", copy.to_str().unwrap()]);
    assert_eq!(server.stop(), 0);
    let env: Vec<_> = home.env().iter().map(|(k, v)| (&**k, &**v)).collect();
    let restored = run_in(home.path(), &["restore", "copy.db"], &env);
    assert_eq!(restored.code, 0, "{restored:?}");
    let before = receiver.calls().len();
    let server = home.serve();
    until("turns without a post", || turns(&server, "withheld") >= 2);
    assert_eq!(receiver.calls().len(), before, "silence is the message");
    assert_eq!(turns(&server, "posted"), 0);
    assert!(
        server.log().contains("no heartbeat is posted") && server.log().contains("carillon resume"),
        "{}",
        server.log()
    );

    assert_eq!(server.json(&["resume"]), json!({"was_paused": true}));
    receiver.until(before + 2);
    until("the log", || server.log().contains("posted again"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_server_makes_its_own_monitors_and_doctor_names_those_that_fire() {
    let mut home = Home::new();
    home.set("MONITORS__WATCH_SERVER_APP", "ops");
    home.set("MONITORS__FLUSH_EVERY", "1s");
    let server = home.serve();
    until("a word about the App", || {
        server
            .log()
            .contains("monitors.watch_server_app names the App")
    });
    server.json(&["app", "put", "ops"]);
    let status = || -> Value { serde_json::from_str(&server.get("/v1/status")).unwrap() };
    until("five monitors", || {
        status()["server_monitors"].as_array().map(Vec::len) == Some(5)
    });
    // A disk that is too small for what is wanted of it.
    let (code, answer) = server.call(
        "PUT",
        "/v1/apps/ops/monitors/carillon-disk",
        None,
        &json!({"check": {"server": {"what": "disk", "limit": "1024TiB"}}, "interval": "1s"}),
    );
    assert_eq!(code, 200, "{answer}");
    until("an incident", || {
        let status = status();
        let mut monitors = status["server_monitors"].as_array().unwrap().iter();
        let disk = monitors.find(|monitor| monitor["what"] == "disk").unwrap();
        disk["state"] == "firing"
    });
    until("the gauges", || {
        let metrics = server.get("/metrics");
        metrics.contains("carillon_incidents_open{app=\"ops\"} 1\n")
            && metrics.contains("carillon_monitors{app=\"ops\",state=\"firing\"} 1\n")
    });
    let doctor = server.carillon(&["doctor"]);
    assert!(
        doctor
            .stdout
            .contains("BAD ops/carillon-disk monitor: is firing")
            && doctor.stdout.contains("expected at least 1024TiB"),
        "{doctor:?}"
    );

    // What they see is of all Apps: others may not have such a monitor.
    server.json(&["app", "put", "shop"]);
    let (code, answer) = server.call(
        "PUT",
        "/v1/apps/shop/monitors/lanes",
        None,
        &json!({"check": {"server": {"what": "lanes"}}}),
    );
    assert_eq!(code, 422, "{answer}");
    assert!(
        answer.to_string().contains("monitors.watch_server_app"),
        "{answer}"
    );
}
