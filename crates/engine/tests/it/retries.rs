//! Trying again: when, how often, and the end.

use crate::fake_gateway::{accept, outcome, reply, retry};
use crate::world::{World, to, to_with};
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::outcome::Verdict;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_refusal_for_now_is_tried_again_after_a_while() {
    let world = World::new().await;
    world.devices(1..2).await;
    world
        .gateway
        .script(|w| if w.before < 2 { retry() } else { accept() });
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let written = world.gateway.written();
    let gaps: Vec<_> = written
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_millis())
        .collect();
    assert!((500..=1_300).contains(&gaps[0]), "{gaps:?}");
    assert!((1_000..=2_300).contains(&gaps[1]), "{gaps:?}");
    let attempts = world.attempts(no, 0).await;
    let told: Vec<_> = attempts.iter().map(|a| (a.attempt, &*a.result)).collect();
    assert_eq!(told, [(1, "retry"), (2, "retry"), (3, "accepted")]);
    assert!(attempts[0].next_attempt_at.is_some() && attempts[2].next_attempt_at.is_none());
}

#[tokio::test(start_paused = true)]
async fn attempts_end() {
    let world = World::new().await;
    let settings = AppSettings {
        max_attempts: 3,
        ..AppSettings::default()
    };
    world.app("shop", settings).await;
    world.devices(1..2).await;
    world.gateway.script(|_| retry());
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Failed, 1)]);
    assert_eq!(world.gateway.written().len(), 3);
    let attempts = world.attempts(no, 0).await;
    assert_eq!(attempts.last().unwrap().next_attempt_at, None);
    assert_eq!(world.counted().await, [(FinalState::Failed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn time_ends_too() {
    let world = World::new().await;
    let settings = AppSettings {
        max_age_secs: 5,
        ..AppSettings::default()
    };
    world.app("shop", settings).await;
    world.devices(1..2).await;
    world.gateway.script(|_| retry());
    let start = tokio::time::Instant::now();
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Failed, 1)]);
    assert!(start.elapsed() < Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn no_retry_is_planned_beyond_the_expiry() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| retry());
    let mut body = to(1..2);
    body["expires_in"] = "2s".into();
    let start = tokio::time::Instant::now();
    let no = world.send(body).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Failed, 1)]);
    assert!(start.elapsed() < Duration::from_secs(3));
    for written in world.gateway.written() {
        assert!(written.at - start < Duration::from_secs(2));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_a_floor() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|w| {
        if w.before > 0 {
            return accept();
        }
        let verdict = Verdict::Retry {
            retry_after_ms: Some(30_000),
        };
        reply(verdict, 429, "TooManyRequests")
    });
    let no = world.to(1..2).await;
    world.completed(no).await;
    let written = world.gateway.written();
    assert!(written[1].at - written[0].at >= Duration::from_secs(30));
    assert!(written[1].at - written[0].at < Duration::from_secs(32));
}

#[tokio::test(start_paused = true)]
async fn some_of_a_batch_are_tried_again_while_the_rest_goes_on() {
    let world = World::new().await;
    world.devices(1..1001).await;
    world.gateway.window(100);
    world.gateway.script(|w| {
        let is_picked = w.push_token[7] % 4 == 0 && w.before == 0;
        let mut answer = if is_picked { retry() } else { accept() };
        answer[0].0 = 50;
        answer
    });
    let no = world.to(1..1001).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1_000)]);
    let mut per_delivery = std::collections::HashMap::new();
    for written in world.gateway.written() {
        *per_delivery.entry(written.gateway_id).or_insert(0) += 1;
    }
    let twice = per_delivery.values().filter(|count| **count == 2).count();
    assert_eq!((per_delivery.len(), twice), (1_000, 250));
    assert!(per_delivery.values().all(|count| *count <= 2));
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_attempts_loses_nothing_and_doubles_nothing_known() {
    let world = World::new().await;
    world.devices(1..101).await;
    world.gateway.script(|w| {
        if w.push_token[7] % 2 == 0 && w.before == 0 {
            retry()
        } else {
            accept()
        }
    });
    let no = world.to(1..101).await;
    world.pass(200).await;
    assert_eq!(world.view(no).await.open, 50);
    let world = world.crash().await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 100)]);
    assert_eq!(world.gateway.written().len(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_flight_resends_with_a_recorded_doubt_or_drops() {
    for (on_unknown, state, written) in [
        ("resend", FinalState::Accepted, 20),
        ("drop", FinalState::Unknown, 10),
    ] {
        let world = World::new().await;
        world.devices(1..11).await;
        world.gateway.script(|w| {
            if w.before == 0 {
                return vec![(60_000, outcome(Verdict::Accepted, 200, ""))];
            }
            accept()
        });
        let no = world
            .send(to_with(1..11, json!({ "on_unknown": on_unknown })))
            .await;
        world.pass(100).await;
        assert_eq!(world.gateway.written().len(), 10);
        let world = world.crash().await;
        let view = world.completed(no).await;
        assert_eq!(view.states, [(state, 10)], "{on_unknown}");
        assert_eq!(world.gateway.written().len(), written);
        let attempts = world.attempts(no, 3).await;
        assert_eq!(attempts[0].result, "rescued_in_doubt");
    }
}

#[tokio::test(start_paused = true)]
async fn the_watermark_tells_what_may_have_been_written() {
    let world = World::new().await;
    world.devices(1..101).await;
    world.gateway.window(30);
    // Nobody answers: 30 are out, 70 wait behind the window.
    world.gateway.script(|w| {
        if w.before == 0 && w.push_token[7] <= 30 {
            vec![(600_000, outcome(Verdict::Accepted, 200, ""))]
        } else {
            accept()
        }
    });
    let no = world
        .send(to_with(1..101, json!({ "on_unknown": "drop" })))
        .await;
    world.pass(100).await;
    assert_eq!(world.gateway.written().len(), 30);
    let world = world.crash().await;
    let view = world.completed(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Accepted, 70), (FinalState::Unknown, 30)]
    );
    let mut ids: Vec<_> = world
        .gateway
        .written()
        .iter()
        .map(|w| w.gateway_id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), world.gateway.written().len(), "never twice");
}
