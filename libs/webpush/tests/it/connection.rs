//! What answers and deaths mean for pushes and connections.

use std::time::Duration;

use tokio::time::Instant;
use webpush::{Class, ConnectionConfig, ErrorKind, Push, RetryRule, SubscriptionFate};

use crate::browser::Browser;
use crate::peer::{INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM};
use crate::rig::{Rig, local};

const APPLE: &str = "https://web.push.apple.com/QGZ2c3Rh";

#[tokio::test]
async fn a_gone_subscription_is_to_be_pruned() {
    local(async {
        let mut rig = Rig::of(
            "https://updates.push.services.mozilla.com/wpush/v2/x",
            ConnectionConfig::default(),
        );
        rig.push([1]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        let body = r#"{"code":410,"errno":106,"error":"","message":"unsubscribed"}"#;
        peer.answer(request.stream, 410, &[], body).await;
        let (tag, rejected) = rig.rejected().await;
        assert_eq!(
            (tag, rejected.errno, rejected.fate()),
            (1, Some(106), SubscriptionFate::Prune)
        );
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_prunes_nothing() {
    local(async {
        let mut rig = Rig::of(APPLE, ConnectionConfig::default());
        rig.push([1]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        peer.reject(request.stream, 400, "VapidPkHashMismatch")
            .await;
        let (_, rejected) = rig.rejected().await;
        assert_eq!(
            (rejected.class(), rejected.fate()),
            (Class::KeyMismatch, SubscriptionFate::Keep)
        );
        assert!(!rejected.retry().is_automatic());
    })
    .await;
}

#[tokio::test]
async fn a_429_keeps_the_origin_quiet_for_as_long_as_it_asks() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push([1, 2]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        peer.answer(request.stream, 429, &[("retry-after", "7200")], "")
            .await;
        let (tag, rejected) = rig.rejected().await;
        assert_eq!((tag, rejected.retry()), (1, RetryRule::BackOff));
        assert_eq!(
            rejected.retry_after,
            Some(Duration::from_secs(7200)),
            "reported whole"
        );
        assert!(peer.no_request().await, "the second one waits");
        let status = rig.connection.status();
        let paused_for = status.paused_for.expect("a pause");
        assert!(
            paused_for <= Duration::from_secs(60),
            "kept within max_pause: {paused_for:?}"
        );
        assert_eq!((status.queued, rig.connection.free_capacity()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_short_pause_ends_and_the_rest_goes_out() {
    local(async {
        let config = ConnectionConfig {
            throttle_pause: Duration::from_millis(20),
            ..ConnectionConfig::default()
        };
        let mut rig = Rig::new(config);
        rig.push([1, 2]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        peer.answer(request.stream, 429, &[], "").await;
        assert_eq!(rig.rejected().await.0, 1);
        let request = peer.request().await;
        assert_eq!(rig.browser.read(&request.body), "2");
        peer.answer(request.stream, 201, &[], "").await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn an_idle_timeout_is_sent_again_on_another_connection() {
    local(async {
        let mut rig = Rig::of(APPLE, ConnectionConfig::default());
        rig.push([1]);
        let mut first = rig.peer(1).await;
        let request = first.request().await;
        first.reject(request.stream, 400, "IdleTimeout").await;
        let mut second = rig.peer(1).await;
        let request = second.request().await;
        assert_eq!(rig.browser.read(&request.body), "1");
        second.answer(request.stream, 201, &[], "").await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn an_idle_timeout_without_end_is_told_in_the_end() {
    local(async {
        let mut rig = Rig::of(APPLE, ConnectionConfig::default());
        rig.push([1]);
        for _ in 0..4 {
            let mut peer = rig.peer(1).await;
            let request = peer.request().await;
            peer.reject(request.stream, 400, "IdleTimeout").await;
            peer.closed().await;
        }
        let (_, rejected) = rig.rejected().await;
        assert_eq!(&*rejected.reason, "IdleTimeout");
    })
    .await;
}

#[tokio::test]
async fn a_server_going_down_is_left_for_another() {
    local(async {
        let mut rig = Rig::of(APPLE, ConnectionConfig::default());
        rig.push([1]);
        let mut first = rig.peer(1).await;
        let request = first.request().await;
        first.reject(request.stream, 503, "Shutdown").await;
        assert_eq!(rig.rejected().await.1.retry(), RetryRule::BackOff);
        rig.push([2]);
        let mut second = rig.peer(1).await;
        let request = second.request().await;
        second.answer(request.stream, 201, &[], "").await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn what_was_never_processed_is_sent_again_unseen() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push([1]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        peer.reset(request.stream, REFUSED_STREAM).await;
        let request = peer.request().await;
        peer.goaway(request.stream - 2, NO_ERROR, b"").await;
        let mut second = rig.peer(1).await;
        let request = second.request().await;
        second.answer(request.stream, 201, &[], "").await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn a_death_between_push_and_answer_is_doubt() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push([1]);
        let mut peer = rig.peer(1).await;
        let _ = peer.request().await;
        drop(peer);
        let error = rig.finished().await.result.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::ConnectionLost, true)
        );
        rig.push([2]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        peer.reset(request.stream, INTERNAL_ERROR).await;
        let error = rig.finished().await.result.unwrap_err();
        assert_eq!((error.kind(), error.maybe_sent()), (ErrorKind::Reset, true));
    })
    .await;
}

#[tokio::test]
async fn what_may_no_longer_be_written_is_not() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut push = rig.make(1);
        push.write_by = Some(Instant::now());
        rig.connection.submit(&mut [push, rig.make(2)].into());
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        assert_eq!(rig.browser.read(&request.body), "2");
        let finished = rig.finished().await;
        assert_eq!(finished.tag, 1);
        assert_eq!(finished.result.unwrap_err().kind(), ErrorKind::Expired);
        peer.answer(request.stream, 201, &[], "").await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn a_push_for_another_origin_is_never_written() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let stranger = Browser::subscribe("https://elsewhere.example/SECRET");
        let push = Push {
            tag: 1,
            sealed: stranger.sealed("x"),
            write_by: None,
        };
        rig.connection.submit(&mut [push].into());
        let mut peer = rig.peer(1).await;
        let error = rig.finished().await.result.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Invalid, false)
        );
        let text = error.to_string();
        assert!(
            text.contains("elsewhere.example") && !text.contains("SECRET"),
            "{text}"
        );
        assert!(peer.no_request().await);
    })
    .await;
}

#[tokio::test]
async fn pushes_that_wait_can_be_taken_back() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push([1, 2, 3]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        let taken = rig.connection.withdraw(|push| push.tag == 3);
        assert_eq!(taken.iter().map(|push| push.tag).collect::<Vec<_>>(), [3]);
        peer.answer(request.stream, 201, &[], "").await;
        let request = peer.request().await;
        peer.answer(request.stream, 201, &[], "").await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
    })
    .await;
}
