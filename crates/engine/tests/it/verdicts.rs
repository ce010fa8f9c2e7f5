//! Each verdict of the gateway, and what it means for delivery and push token.

use crate::fake_gateway::{accept, in_doubt, not_sent, outcome, rejected, reply};
use crate::world::{World, to_with};
use carillon_model::delivery::FinalState;
use carillon_model::outcome::{Outcome, TokenFate, Verdict};
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_remembered() {
    let world = World::new().await;
    let device = world.devices(1..2).await[0];
    world
        .gateway
        .script(|_| rejected(TokenFate::Keep, 400, "BadTopic"));
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 1)]);
    let attempts = world.attempts(no, 0).await;
    assert_eq!(attempts.len(), 1);
    let told = &attempts[0];
    assert_eq!(
        (told.attempt, told.status, &*told.result),
        (1, 400, "rejected")
    );
    assert_eq!((&*told.reason, told.next_attempt_at), ("BadTopic", None));
    assert_eq!(told.raw, r#"{"reason":"BadTopic"}"#);
    assert_eq!(world.push_token(device).await.retired_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_dead_push_token_is_retired_by_the_rule() {
    let world = World::new().await;
    let devices = world.devices(1..4).await;
    let registered_at = world.push_token(devices[0]).await.registered_at.unwrap();
    world.gateway.script(move |written| {
        let since = match written.push_token[7] {
            1 => Some(registered_at + 5),
            2 => Some(registered_at - 1),
            _ => None,
        };
        rejected(TokenFate::Retire { since }, 410, "Unregistered")
    });
    let no = world.to(1..4).await;
    world.completed(no).await;
    let mut retired = Vec::new();
    for device in devices {
        retired.push(world.push_token(device).await.retired_at.is_some());
    }
    assert_eq!(
        retired,
        [true, false, true],
        "the app came back after the second"
    );
    let events = world.events("device.retired").await;
    assert_eq!(events.len(), 1, "grouped");
    assert!(events[0].data.contains("Unregistered"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_an_older_registration_retires_nothing() {
    let world = World::new().await;
    let device = world.devices(1..2).await[0];
    world.gateway.script(|_| {
        let verdict = Verdict::Rejected(TokenFate::Retire { since: None });
        vec![(1_000, outcome(verdict, 410, "Unregistered"))]
    });
    let no = world.to(1..2).await;
    world.pass(500).await;
    world.devices(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 1)]);
    assert_eq!(world.push_token(device).await.retired_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_push_token_of_another_topic_is_kept() {
    let world = World::new().await;
    let device = world.devices(1..2).await[0];
    world
        .gateway
        .script(|_| rejected(TokenFate::WrongTopic, 400, "DeviceTokenNotForTopic"));
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Rejected, 1)]);
    world.pass(60_000).await;
    assert_eq!(world.push_token(device).await.retired_at, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_goes_again_at_once_and_is_not_counted() {
    let world = World::new().await;
    world.devices(1..3).await;
    let mut tries = 0;
    world.gateway.script(move |_| {
        tries += 1;
        if tries <= 6 { not_sent() } else { accept() }
    });
    let start = tokio::time::Instant::now();
    let no = world.to(1..3).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)]);
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    assert!(world.attempts(no, 0).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_never_sent_backs_off_and_ends() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| not_sent());
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Failed, 1)]);
    assert_eq!(world.attempts(no, 0).await.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn doubt_is_resent_under_the_same_id_and_recorded_before() {
    let world = World::new().await;
    world.devices(1..2).await;
    world
        .gateway
        .script(|w| if w.before == 0 { in_doubt() } else { accept() });
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let written = world.gateway.written();
    assert_eq!(written.len(), 2);
    assert_eq!(written[0].gateway_id, written[1].gateway_id);
    let attempts = world.attempts(no, 0).await;
    let results: Vec<_> = attempts.iter().map(|a| (a.attempt, &*a.result)).collect();
    assert_eq!(results, [(1, "in_doubt"), (2, "accepted")]);
    assert!(attempts[0].next_attempt_at.is_some());
    assert_eq!(attempts[0].reason, "timeout");
}

#[tokio::test(start_paused = true)]
async fn doubt_that_never_ends_is_unknown_not_failed() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|w| {
        if w.before == 0 {
            in_doubt()
        } else {
            crate::fake_gateway::retry()
        }
    });
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Unknown, 1)]);
    assert_eq!(world.gateway.written().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn doubt_is_dropped_where_the_policy_says_so() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| in_doubt());
    let no = world
        .send(to_with(1..2, json!({ "on_unknown": "drop" })))
        .await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Unknown, 1)]);
    world.pass(3_600_000).await;
    assert_eq!(world.gateway.written().len(), 1, "never again");
    let attempts = world.attempts(no, 0).await;
    assert_eq!((attempts.len(), &*attempts[0].result), (1, "in_doubt"));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_not_thrown_away() {
    for (verdict, state) in [
        (Verdict::Accepted, FinalState::Accepted),
        (Verdict::Rejected(TokenFate::Keep), FinalState::Rejected),
        (Verdict::NotSent, FinalState::Unknown),
    ] {
        let world = World::new().await;
        world.devices(1..2).await;
        world.gateway.script(move |_| {
            vec![
                (10, outcome(Verdict::InDoubt, 0, "timeout")),
                (2_000, outcome(verdict.clone(), 200, "late")),
            ]
        });
        let no = world
            .send(to_with(1..2, json!({ "on_unknown": "drop" })))
            .await;
        let view = world.completed(no).await;
        assert_eq!(view.states, [(FinalState::Unknown, 1)]);
        world.pass(3_000).await;
        assert_eq!(world.view(no).await.states, [(state, 1)]);
        assert_eq!(world.counted().await, [(state, 1)], "it ended once");
        let attempts = world.attempts(no, 0).await;
        let late = attempts.last().unwrap();
        assert_eq!((&*late.result, late.status), ("late_answer", 200));
        assert_eq!(world.gateway.written().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_withdraws_the_resend() {
    let world = World::new().await;
    world.devices(1..21).await;
    // The answer comes before the resend is due (half a second at the earliest).
    world.gateway.script(|w| {
        if w.before > 0 {
            return accept();
        }
        vec![
            (10, outcome(Verdict::InDoubt, 0, "timeout")),
            (200, Outcome::accepted(1, 190_000)),
        ]
    });
    let no = world.to(1..21).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 20)]);
    world.pass(10_000).await;
    assert_eq!(
        world.gateway.written().len(),
        20,
        "nothing known to be sent is sent again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_reaches_a_resend_that_waits_in_memory() {
    let world = World::new().await;
    world.devices(1..3).await;
    // d1 goes in doubt, its resend then waits behind an open breaker; the late answer comes then.
    world.gateway.script(|w| match (w.push_token[7], w.before) {
        (1, 0) => vec![
            (10, outcome(Verdict::InDoubt, 0, "timeout")),
            (2_500, Outcome::accepted(1, 2_490_000)),
        ],
        (1, _) => accept(),
        _ => crate::fake_gateway::blocked(
            carillon_model::outcome::TroubleScope::Gateway,
            "connect_failed",
            None,
        ),
    });
    let doubtful = world.to(1..2).await;
    world.pass(100).await;
    world.to(2..3).await;
    world.pass(1_400).await;
    let lanes = world.engine.status().lanes;
    assert!(lanes[0].queued >= 1, "{lanes:?}");
    let view = world.completed(doubtful).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_gateways_expiry_and_withdrawal_are_final() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| reply(Verdict::Expired, 0, ""));
    let no = world.to(1..2).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Expired, 1)]);
}

#[tokio::test(start_paused = true)]
async fn long_words_of_the_gateway_are_cut() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| {
        let mut told = outcome(Verdict::Rejected(TokenFate::Keep), 400, "BadTopic");
        told.answer.as_mut().unwrap().raw = "ü".repeat(5_000);
        vec![(1, told)]
    });
    let no = world.to(1..2).await;
    world.completed(no).await;
    assert_eq!(world.attempts(no, 0).await[0].raw.len(), 1_024);
}
