//! Campaigns on the command line, by the real program: paused, killed, gone on with, followed to the end.

use crate::support::{Home, Server, until};
use serde_json::{Value, json};

/// How many pushes each phone got.
fn received(home: &Home, phones: &[String]) -> Vec<usize> {
    let page = home.simulator.received(&push_sim::ReceivedFilter {
        limit: 10_000,
        ..push_sim::ReceivedFilter::default()
    });
    phones
        .iter()
        .map(|phone| {
            let of_phone = |record: &&push_sim::Received| record.push_token == *phone;
            page.received.iter().filter(of_phone).count()
        })
        .collect()
}

fn campaign(server: &Server<'_>, words: &[&str]) -> Value {
    server.json(&[&["campaign"], words, &["--app", "shop"]].concat())
}

fn accepted(server: &Server<'_>) -> u64 {
    let seen = campaign(server, &["show", "spring"]);
    seen["progress"]["deliveries"]["accepted"].as_u64().unwrap()
}

#[test]
fn a_pause_and_a_kill_in_the_middle_lose_and_double_nothing() {
    let home = Home::new();
    let phones = home.phones(60);
    let server = home.serve();
    server.set_up(&phones);
    let body = json!({
        "audience": {"all": true}, "content": {"body": "Spring"}, "pace": {"per_second": 15},
        "audience_mode": "frozen"
    });
    std::fs::write(home.path().join("spring.json"), body.to_string()).unwrap();
    let tried = server.carillon(&[
        "campaign",
        "create",
        "spring.json",
        "--dry-run",
        "--app",
        "shop",
    ]);
    assert!(
        tried.stdout.contains("60 of 60 devices can be written to"),
        "{tried:?}"
    );
    let made = campaign(&server, &["create", "spring.json"]);
    assert!(made["id"].as_str().unwrap().starts_with("cmp_"));
    until("some of it is accepted", || accepted(&server) > 0);
    let again = server.carillon(&["campaign", "create", "spring.json", "--app", "shop"]);
    assert_eq!(again.code, 65, "{again:?}");
    assert!(
        again.stderr.contains(made["id"].as_str().unwrap()),
        "{again:?}"
    );

    let paused = campaign(&server, &["pause", "spring"]);
    assert_eq!(paused, json!({"status": "paused", "in_flight": 0}));
    let before = received(&home, &phones);
    assert!(before.iter().sum::<usize>() < 60);
    server.kill();
    let server = home.serve();
    assert_eq!(campaign(&server, &["show", "spring"])["status"], "paused");
    assert_eq!(
        received(&home, &phones),
        before,
        "paused means nothing leaves"
    );
    let listed = server.carillon(&["campaign", "list", "--app", "shop"]);
    assert!(
        listed.stdout.contains("spring") && listed.stdout.contains("paused"),
        "{listed:?}"
    );

    campaign(&server, &["resume", "spring"]);
    let count = accepted(&server);
    until("it goes on", || accepted(&server) > count);
    server.kill();
    let server = home.serve();
    let watched = server.carillon(&["--json", "campaign", "watch", "spring", "--app", "shop"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let last: Value = serde_json::from_str(watched.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], "completed");
    assert_eq!(
        (&last["progress"]["audience"], &last["progress"]["left"]),
        (&json!(60), &json!(0))
    );
    assert_eq!(last["progress"]["deliveries"]["accepted"], 60);
    // What was in flight at a kill may have been sent again, under the same id: it replaces itself.
    let all = received(&home, &phones);
    assert!(all.iter().all(|count| (1..=3).contains(count)), "{all:?}");
    let twice = all.iter().filter(|count| **count > 1).count();
    assert!(twice <= 30, "only what was in flight: {twice}");
    let shown = server.carillon(&["campaign", "show", "spring", "--app", "shop"]);
    assert!(shown.stdout.contains("60: accepted 60"), "{shown:?}");
    for what in ["pause", "cancel"] {
        let over = server.carillon(&["campaign", what, "spring", "--app", "shop"]);
        assert_eq!(over.code, 65, "{over:?}");
    }
}

#[test]
fn a_cancel_ends_it() {
    let home = Home::new();
    let phones = home.phones(20);
    let server = home.serve();
    server.set_up(&phones);
    let body = json!({
        "audience": {"all": true}, "content": {"body": "Spring"}, "pace": {"per_second": 1}
    });
    std::fs::write(home.path().join("spring.json"), body.to_string()).unwrap();
    campaign(&server, &["create", "spring.json"]);
    until("some of it is accepted", || accepted(&server) > 0);
    let cancelled = server.carillon(&["campaign", "cancel", "spring", "--app", "shop"]);
    assert!(
        cancelled.stdout.contains("spring is cancelled"),
        "{cancelled:?}"
    );
    let watched = server.carillon(&["campaign", "watch", "spring", "--app", "shop"]);
    assert!(
        watched.stdout.contains("spring is cancelled"),
        "{watched:?}"
    );
    let unknown = server.carillon(&["campaign", "show", "summer", "--app", "shop"]);
    assert_eq!(unknown.code, 66, "{unknown:?}");
}
