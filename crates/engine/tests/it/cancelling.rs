//! Cancel: only an acknowledged one promises that nothing more is written.

use crate::fake_gateway::{accept, blocked, in_doubt, outcome, retry};
use crate::world::{World, to};
use carillon_model::delivery::FinalState;
use carillon_model::id::NotificationNo;
use carillon_model::outcome::{Outcome, TroubleScope, Verdict};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn what_waits_anywhere_is_cancelled_and_confirmed() {
    let world = World::new().await;
    world.devices(1..101).await;
    world.gateway.window(20);
    // 10 are written and answered soon, 10 wait in the pool, 80 in the lane.
    world.gateway.script(|w| {
        if w.push_token[7] <= 10 {
            vec![(300, Outcome::accepted(1, 300_000))]
        } else {
            Vec::new()
        }
    });
    let no = world.to(1..101).await;
    world.pass(100).await;
    let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
    assert!(answer.confirmed);
    assert_eq!((answer.not_sent, answer.sent), (90, 10));
    let view = world.view(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Accepted, 10), (FinalState::Cancelled, 90)]
    );
    assert!(view.completed_at.is_some());
    world.pass(60_000).await;
    assert_eq!(world.gateway.written().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_confirmed_while_answers_are_missing() {
    let world = World::new().await;
    world.devices(1..3).await;
    world
        .gateway
        .script(|_| vec![(10_000, Outcome::accepted(1, 1))]);
    let no = world.to(1..3).await;
    world.pass(100).await;
    let start = Instant::now();
    let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(
        (answer.confirmed, answer.not_sent, answer.sent),
        (false, 0, 2)
    );
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)], "told as it was");
    assert!(view.head.cancelled, "the cancel came before the answers");
    let again = world.engine.cancel(world.app, no).await.unwrap().unwrap();
    assert_eq!((again.confirmed, again.sent), (true, 2));
}

#[tokio::test(start_paused = true)]
async fn nothing_cancelled_is_tried_again() {
    for (reply, state) in [
        (retry(), FinalState::Cancelled),
        (in_doubt(), FinalState::Unknown),
        (crate::fake_gateway::not_sent(), FinalState::Cancelled),
        (
            blocked(TroubleScope::Gateway, "x", None),
            FinalState::Cancelled,
        ),
        (
            vec![(1, outcome(Verdict::Withdrawn, 0, ""))],
            FinalState::Cancelled,
        ),
    ] {
        let world = World::new().await;
        world.devices(1..2).await;
        let said = reply.clone();
        world
            .gateway
            .script(move |_| vec![(500, said[0].1.clone())]);
        let no = world.to(1..2).await;
        world.pass(100).await;
        let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
        assert!(answer.confirmed);
        assert_eq!(world.view(no).await.states, [(state, 1)], "{reply:?}");
        let before = world.gateway.written().len();
        world.pass(3_600_000).await;
        assert_eq!(world.gateway.written().len(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn retries_in_the_store_are_cancelled() {
    let world = World::new().await;
    world.devices(1..3).await;
    world.gateway.script(|w| {
        if w.push_token[7] == 1 {
            retry()
        } else {
            in_doubt()
        }
    });
    let no = world.to(1..3).await;
    world.pass(300).await;
    let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
    assert!(answer.confirmed);
    let view = world.view(no).await;
    assert_eq!(
        view.states,
        [(FinalState::Unknown, 1), (FinalState::Cancelled, 1)],
        "what may have been sent is not called cancelled"
    );
    world.pass(3_600_000).await;
    assert_eq!(world.gateway.written().len(), 2);
    assert_eq!(world.events("notification.completed").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_right_behind_the_acceptance_wins_or_tells() {
    let world = World::new().await;
    world.devices(1..51).await;
    world.gateway.script(|_| accept());
    for _ in 0..20 {
        let before = world.gateway.written().len();
        let no = world.to(1..51).await;
        let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
        assert!(answer.confirmed);
        assert_eq!(answer.not_sent + answer.sent, 50);
        let written = world.gateway.written().len() - before;
        assert_eq!(answer.sent, written as u64);
        world.pass(2_000).await;
        assert_eq!(world.gateway.written().len() - before, written);
    }
}

#[tokio::test(start_paused = true)]
async fn a_campaign_is_stopped_with_its_fan_out() {
    let world = World::new().await;
    world.devices(1..2001).await;
    world.gateway.window(100);
    world
        .gateway
        .script(|_| vec![(100, Outcome::accepted(1, 1))]);
    let no = world
        .send(json!({ "target": { "all": true }, "content": { "body": "sale" } }))
        .await;
    world.pass(500).await;
    let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
    assert!(answer.confirmed);
    let written = world.gateway.written().len();
    world.pass(60_000).await;
    assert_eq!(world.gateway.written().len(), written);
    let view = world.view(no).await;
    assert_eq!(view.open, 0);
    assert!(view.completed_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_had_ended_before_stays_completed() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.to(1..2).await;
    let before = world.completed(no).await;
    for _ in 0..2 {
        let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
        assert!(answer.confirmed);
        assert_eq!((answer.not_sent, answer.sent), (0, 1));
        let after = world.view(no).await;
        assert!(!after.head.cancelled);
        assert_eq!(after.completed_at, before.completed_at);
    }
}

#[tokio::test(start_paused = true)]
async fn others_cannot_be_cancelled() {
    let world = World::new().await;
    world.devices(1..2).await;
    let other = world.app("other", Default::default()).await;
    let no = world.send(to(1..2)).await;
    assert_eq!(world.engine.cancel(other, no).await.unwrap(), None);
    let missing = NotificationNo(no.0 + 1_000);
    assert_eq!(world.engine.cancel(world.app, missing).await.unwrap(), None);
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 1)]
    );
}
