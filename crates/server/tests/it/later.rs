//! Sends at a time, by the real program: killed before it, restored, and on the command line.

use crate::support::{Home, run_in};
use serde_json::{Value, json};

/// Pushes that the simulator was sent for a phone.
fn received(home: &Home, push_token: &str) -> usize {
    let page = home.simulator.received(&push_sim::ReceivedFilter {
        limit: 1_000,
        ..push_sim::ReceivedFilter::default()
    });
    let of_phone = |record: &&push_sim::Received| record.push_token == push_token;
    page.received.iter().filter(of_phone).count()
}

#[test]
fn killed_before_its_time_it_is_sent_once_when_it_has_come() {
    let mut home = Home::new();
    home.set("SERVER__MODE", "development");
    let phones = home.phones(2);
    let server = home.serve();
    server.set_up(&phones);
    let send = |phone: &'static str| {
        [
            "send", "shop", "--device", phone, "--body", "later", "--in", "10m",
        ]
    };
    let sent = server.json(&send("phone-1"));
    let id = sent["id"].as_str().unwrap().to_owned();
    let listed = server.json(&["notification", "scheduled", "--app", "shop"]);
    assert_eq!(listed["data"][0]["id"], sent["id"]);
    assert_eq!(listed["data"][0]["send_at"], sent["send_at"]);
    server.kill();

    // Its time comes a few seconds after this start, or has come.
    home.set("CLOCK__OFFSET", "597s");
    let server = home.serve();
    let show = ["notification", "show", &id, "--app", "shop", "--wait"];
    let seen = server.json(&show);
    assert_eq!(seen["deliveries"]["accepted"], 1, "{seen}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(text(&seen["begun_at"]) >= text(&sent["send_at"]), "{seen}");
    server.kill();

    let server = home.serve();
    let next = server.json(&[
        "send", "shop", "--device", "phone-2", "--body", "x", "--wait",
    ]);
    assert_eq!(next["deliveries"]["accepted"], 1);
    assert_eq!(received(&home, &phones[0]), 1, "once");
}

#[test]
fn rescheduled_and_cancelled_on_the_command_line() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&home.phones(1));
    let at = ["send", "shop", "--device", "phone-1", "--body", "x", "--at"];
    let wrong = server.carillon(&[&at[..], &["tomorow 10:00"]].concat());
    assert_eq!(wrong.code, 64, "{wrong:?}");
    assert!(
        wrong.stderr.contains("did you mean `tomorrow`"),
        "{wrong:?}"
    );
    let past = server.carillon(&[&at[..], &["2020-01-01T09:00Z"]].concat());
    assert!(past.stderr.contains("send_now"), "{past:?}");
    let sent = server.json(&[&at[..], &["tomorrow 10:00 Asia/Seoul"]].concat());
    let id = sent["id"].as_str().unwrap();
    assert!(
        sent["send_at"]
            .as_str()
            .unwrap()
            .ends_with("T01:00:00.000Z")
    );
    let of = |words: &[&str]| server.json(&[&["notification"], words, &["--app", "shop"]].concat());
    let moved = of(&["reschedule", id, "--in", "2h"]);
    assert_eq!(moved["status"], "scheduled");
    assert_ne!(moved["send_at"], sent["send_at"]);
    assert_eq!(of(&["cancel", id])["status"], "cancelled");
    assert_eq!(of(&["scheduled"])["data"], json!([]));
    let late = server.carillon(&[
        "notification",
        "reschedule",
        id,
        "--in",
        "2h",
        "--app",
        "shop",
    ]);
    assert!(late.stderr.contains("does not wait"), "{late:?}");
    assert_eq!(late.code, 65, "another try would find the same: {late:?}");
    assert_eq!(home.simulator.counters().requests, 0);
    let passed = [&at[..], &["2020-01-01T09:00Z", "--if-past", "send_now"]].concat();
    assert_eq!(server.json(&passed)["late"], "sent_now");
}

#[test]
fn a_restored_store_fires_nothing_until_it_is_resumed() {
    let mut home = Home::new();
    home.set("SERVER__MODE", "development");
    let phones = home.phones(1);
    let server = home.serve();
    server.set_up(&phones);
    let send = [
        "send", "shop", "--device", "phone-1", "--body", "x", "--in", "10m",
    ];
    let sent = server.json(&send);
    let id = sent["id"].as_str().unwrap().to_owned();
    let copy = home.path().join("copy.db");
    server.json(&["backup", copy.to_str().unwrap()]);
    assert_eq!(server.stop(), 0);
    let env: Vec<_> = home.env().iter().map(|(k, v)| (&**k, &**v)).collect();
    let restored = run_in(home.path(), &["restore", "copy.db"], &env);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(restored.stderr.contains("carillon resume"), "{restored:?}");

    // Not so far ahead that Apple would find our provider tokens to be from the future.
    home.set("CLOCK__OFFSET", "20m");
    let server = home.serve();
    crate::support::until("the pause", || {
        let status: Value = serde_json::from_str(&server.get("/v1/status")).unwrap();
        status["scheduler_paused"] == true
    });
    let doctor = server.carillon(&["doctor"]);
    assert!(doctor.stdout.contains("carillon resume"), "{doctor:?}");
    assert!(
        doctor.stdout.contains("notification scheduled --app APP"),
        "{doctor:?}"
    );
    assert_eq!(server.json(&["resume"]), json!({"was_paused": true}));
    let show = ["notification", "show", &id, "--app", "shop", "--wait"];
    assert_eq!(server.json(&show)["deliveries"]["accepted"], 1);
    assert_eq!(received(&home, &phones[0]), 1);
    assert_eq!(server.json(&["resume"]), json!({"was_paused": false}));
    let audit = server.get("/v1/audit");
    assert!(audit.contains("scheduler.resume"), "{audit}");
}
