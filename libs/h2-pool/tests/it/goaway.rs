//! `GOAWAY` in all its dresses: what is above the last stream goes elsewhere, what is below is waited for.

use h2_pool::{Config, ErrorKind};

use crate::peer::{ENHANCE_YOUR_CALM, NO_ERROR};
use crate::rig::{Rig, local};

/// Three streams open, `GOAWAY` names the second.
async fn goaway_in_the_middle(debug_data: &[u8], then_close: bool) {
    let mut rig = Rig::new(Config::default());
    rig.push(1..=3);
    let mut peer = rig.peer(100).await;
    let requests = peer.requests(3).await;
    assert_eq!(
        requests
            .iter()
            .map(|request| request.stream)
            .collect::<Vec<_>>(),
        [1, 3, 5]
    );
    peer.goaway(3, NO_ERROR, debug_data).await;
    let said = format!("goaway 1 0 {}", String::from_utf8_lossy(debug_data));
    rig.until(|rig| rig.noted(&said)).await;
    rig.push([4]);

    // The third and the new one, on another connection; nothing more on the old one.
    let mut second = rig.peer(100).await;
    let moved = second.requests(2).await;
    assert_eq!(moved[0].header("x-tag"), "3");
    assert_eq!(moved[0].body, "body 3");
    assert_eq!(moved[1].header("x-tag"), "4");

    if then_close {
        peer.accept_push(1).await;
        peer.accept_push(3).await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
    } else {
        assert!(peer.no_request().await, "no stream 7");
        peer.accept_push(1).await;
        peer.accept_push(3).await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
        peer.closed().await;
    }
    drop(peer);
    for request in moved {
        second.accept_push(request.stream).await;
    }
    assert_eq!(rig.accepted(2).await, [3, 4]);
    rig.until(|rig| rig.noted("closed 1 ours 3") || rig.noted("closed 1 goaway 3"))
        .await;
    assert!(!rig.has_outcome());
}

#[tokio::test]
async fn with_apples_json() {
    local(goaway_in_the_middle(br#"{"reason":"Shutdown"}"#, false)).await;
}

#[tokio::test]
async fn without_a_word() {
    local(goaway_in_the_middle(b"", false)).await;
}

#[tokio::test]
async fn with_plain_text_and_a_closed_door() {
    local(goaway_in_the_middle(
        b"too many active \"streams\" \x00\xff",
        true,
    ))
    .await;
}

#[tokio::test]
async fn with_apples_json_and_a_closed_door() {
    local(goaway_in_the_middle(br#"{"reason":"IdleTimeout"}"#, true)).await;
}

#[tokio::test]
async fn what_was_promised_an_answer_and_got_none_is_in_doubt() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push(1..=2);
        let mut peer = rig.peer(100).await;
        peer.requests(2).await;
        peer.goaway(1, NO_ERROR, b"").await;
        drop(peer);
        let outcome = rig.outcome().await;
        let error = outcome.result.unwrap_err();
        assert_eq!(
            (outcome.tag, error.kind(), error.maybe_sent()),
            (1, ErrorKind::ConnectionLost, true)
        );
        let mut second = rig.peer(100).await;
        let moved = second.request().await;
        assert_eq!(moved.header("x-tag"), "2");
        second.accept_push(moved.stream).await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn twice_the_second_lower() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push(1..=2);
        let mut peer = rig.peer(100).await;
        peer.requests(2).await;
        peer.goaway(0x7fff_ffff, NO_ERROR, b"").await;
        assert!(peer.no_request().await);
        assert!(!rig.has_outcome());
        peer.goaway(1, NO_ERROR, br#"{"reason":"Shutdown"}"#).await;
        let mut second = rig.peer(100).await;
        assert_eq!(second.request().await.header("x-tag"), "2");
        peer.accept_push(1).await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn on_an_idle_connection_nothing_is_lost_and_the_next_push_goes_elsewhere() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        peer.goaway(1, NO_ERROR, br#"{"reason":"IdleTimeout"}"#)
            .await;
        peer.closed().await;
        rig.until(|rig| rig.pool.status().connections == 0).await;
        assert!(
            rig.noted(r#"goaway 1 0 {"reason":"IdleTimeout"}"#),
            "{:?}",
            rig.diary()
        );
        assert!(!rig.has_pipe(), "no connection without need");
        rig.push([2]);
        let mut second = rig.peer(100).await;
        let request = second.request().await;
        second.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn an_angry_one_makes_the_next_connect_wait() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        peer.goaway(1, ENHANCE_YOUR_CALM, b"").await;
        peer.closed().await;
        rig.until(|rig| rig.pool.status().connections == 0).await;
        assert_eq!(rig.pool.status().connect_failures, 1);
    })
    .await;
}
