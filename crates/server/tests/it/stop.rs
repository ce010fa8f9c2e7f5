//! Stops: graceful, cut, and by pulling the plug.

use crate::support::{Home, Server, signal, until};
use push_sim::FaultKind;
use std::collections::BTreeMap;

/// How often each push was answered with 200 by the simulator, by its id.
fn accepted_by_id(home: &Home) -> BTreeMap<String, u32> {
    let mut times = BTreeMap::new();
    let page = home.simulator.received(&push_sim::ReceivedFilter {
        limit: 10_000,
        ..push_sim::ReceivedFilter::default()
    });
    for record in page.received.iter().filter(|record| record.status == 200) {
        *times
            .entry(record.apns_id.unwrap().to_string())
            .or_default() += 1;
    }
    times
}

/// Waits until the simulator has so many requests.
fn until_received(home: &Home, count: u64) {
    until("the pushes' arrival", || {
        home.simulator.counters().requests >= count
    });
}

fn accepted(totals: &serde_json::Value) -> u64 {
    totals["accepted"].as_u64().unwrap()
}

#[test]
fn a_graceful_stop_cuts_nothing() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(50));
    home.simulator
        .add_fault(FaultKind::Delay {
            ms: 700,
            jitter_ms: 300,
        })
        .unwrap();
    server.send_each(50, "once").json();
    until_received(&home, 10);
    assert_eq!(server.stop(), 0);

    home.simulator.clear_faults();
    let server = home.serve();
    assert_eq!(accepted(&server.settle()), 50);
    let times = accepted_by_id(&home);
    assert_eq!(times.len(), 50);
    assert!(
        times.values().all(|times| *times == 1),
        "sent twice: {times:?}"
    );
}

#[test]
fn a_second_signal_and_the_deadline_stop_at_once() {
    for signals in [2, 1] {
        let mut home = Home::new();
        home.set(
            "SERVER__STOP_DEADLINE",
            if signals == 2 { "10m" } else { "1s" },
        );
        let server = home.serve();
        server.set_up(&home.phones(3));
        home.simulator
            .add_fault(FaultKind::NeverAnswer { processed: true })
            .unwrap();
        server.send_each(3, "once").json();
        until_received(&home, 1);
        for _ in 0..signals {
            signal(server.pid(), "TERM");
            if signals == 2 {
                until_logged(&server, "SIGTERM");
            }
        }
        assert_eq!(server.wait(), 75, "{signals} signals");

        home.simulator.clear_faults();
        let server = home.serve();
        let totals = server.settle();
        assert_eq!(
            accepted(&totals),
            3,
            "alerts in doubt are sent again: {totals}"
        );
    }
}

fn until_logged(server: &Server<'_>, word: &str) {
    let begun = std::time::Instant::now();
    while !server.log().contains(word) {
        assert!(
            begun.elapsed() < crate::support::PATIENCE,
            "{word} never came: {}",
            server.log()
        );
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

#[test]
fn pulling_the_plug_in_the_middle_loses_nothing() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(400));
    home.simulator
        .add_fault(FaultKind::Delay {
            ms: 50,
            jitter_ms: 100,
        })
        .unwrap();
    server.send_each(400, "once").json();
    until_received(&home, 100);
    server.kill();

    let server = home.serve();
    // The same file with the same key is the same notifications.
    let again = server.send_each(400, "once").json();
    assert_eq!(again["accepted"], 400);
    assert_eq!(accepted(&server.settle()), 400);
    let times = accepted_by_id(&home);
    assert_eq!(
        times.len(),
        400,
        "every push arrived, and none under a second id"
    );
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_request_that_is_being_read_is_answered_before_the_stop() {
    use std::io::{Read as _, Write as _};
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    let key = std::fs::read_to_string(home.path().join("admin.key")).unwrap();
    let body = r#"{"target":{"devices":["phone-1"]},"content":{"body":"slow caller"}}"#;
    let mut stream =
        std::net::TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "POST /v1/apps/shop/notifications HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        key.trim(),
        body.len(),
        &body[..20],
    )
    .unwrap();
    // One whole answer on another connection: the server has read what came before.
    server.get("/healthz");
    signal(server.pid(), "TERM");
    until_logged(&server, "SIGTERM");
    stream.write_all(&body.as_bytes()[20..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(server.wait(), 0);
}
