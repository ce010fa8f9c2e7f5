//! A schedule over crashes: what is due once is sent once.

use crate::support::{Home, until};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;
use std::time::Duration;

/// The next Monday at nine in Seoul.
fn monday_at_nine() -> Timestamp {
    let seoul = TimeZone::get("Asia/Seoul").unwrap();
    let now = Timestamp::now();
    let today = seoul.to_datetime(now).date();
    let monday = today.nth_weekday(1, Weekday::Monday).unwrap();
    let nine = monday.to_datetime(Time::constant(9, 0, 0, 0));
    seoul.to_timestamp(nine).unwrap()
}

/// So far ahead of the machine's time that is.
fn ahead(at: Timestamp) -> Duration {
    at.duration_since(Timestamp::now()).unsigned_abs()
}

#[test]
fn every_monday_at_nine_is_sent_once_over_crashes() {
    // Its clock goes with the server's: a provider token from another day would be refused.
    let clock = push_sim::Clock::real();
    let nine = monday_at_nine();
    clock.advance(ahead(nine));
    let mut home = Home::with(push_sim::Config {
        clock,
        ..push_sim::Config::default()
    });
    let offset = |before: i64| format!("{}ms", ahead(nine - before.seconds()).as_millis());
    home.set("SERVER__MODE", "development");
    // An hour before.
    home.set("CLOCK__OFFSET", offset(3_600));
    let phones = home.phones(2);
    let definition = json!({
        "cron": "0 9 * * MON", "time_zone": "Asia/Seoul",
        "notification": {"target": {"all": true}, "content": {"title": "News", "body": "It is Monday"}}
    });
    std::fs::write(home.path().join("news.json"), definition.to_string()).unwrap();
    let server = home.serve();
    server.set_up(&phones);
    let preview = server.carillon(&["schedule", "preview", "news.json", "--app", "shop"]);
    assert!(preview.stdout.contains("T09:00:00+09:00"), "{preview:?}");
    let stored = server.json(&["schedule", "put", "news.json", "--app", "shop"]);
    let next: Timestamp = stored["next"][0]["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(next, nine);
    let listed = server.carillon(&["schedule", "list", "--app", "shop"]);
    assert!(listed.stdout.contains("0 9 * * MON") && listed.stdout.contains("active"));
    server.kill();

    // Two seconds before it; or after it, if starting takes longer: both are one run.
    home.set("CLOCK__OFFSET", offset(2));
    let server = home.serve();
    let runs = |server: &crate::support::Server<'_>| {
        let runs = server.json(&["schedule", "runs", "news", "--app", "shop"]);
        runs["data"].as_array().unwrap().clone()
    };
    until("the run", || !runs(&server).is_empty());
    server.kill();

    let server = home.serve();
    server.settle();
    let again = server.json(&["schedule", "run", "news", "--app", "shop"]);
    server.settle();
    let seen = runs(&server);
    assert_eq!(seen.len(), 2, "{seen:?}");
    let (asked, due) = (&seen[0], &seen[1]);
    assert_eq!(
        (&asked["cause"], &asked["notification"]),
        (&json!("asked"), &again["id"])
    );
    assert_eq!(
        (&due["cause"], &due["result"]),
        (&json!("due"), &json!("sent"))
    );
    let due_at: Timestamp = due["due_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(due_at, nine);
    for run in [asked, due] {
        let expected = json!({"total": 2, "open": 0, "states": {"accepted": 2}});
        assert_eq!(run["deliveries"], expected);
    }
    let next = server.json(&["schedule", "show", "news", "--app", "shop"]);
    let next: Timestamp = next["next"][0]["at"].as_str().unwrap().parse().unwrap();
    // Seoul has no changes of the clock.
    assert_eq!(next, nine.checked_add((7 * 24).hours()).unwrap());
    let pause = server.json(&["schedule", "pause", "news", "--app", "shop"]);
    assert_eq!(pause["state"], "paused");
    let resume = server.carillon(&["schedule", "resume", "news", "--app", "shop"]);
    assert!(resume.stdout.contains("it is due next at"), "{resume:?}");
    server.json(&["schedule", "delete", "news", "--app", "shop"]);
    assert_eq!(server.stop(), 0);
}
