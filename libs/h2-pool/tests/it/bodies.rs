//! Bodies of answers: read at once, bounded, and harmless to flow control.

use h2_pool::Config;
use http::StatusCode;

use crate::peer::{DATA, END_STREAM, NO_ERROR, RST_STREAM, WINDOW_UPDATE};
use crate::rig::{Rig, local};

#[tokio::test]
async fn six_hundred_small_error_bodies_at_once_do_no_harm() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=600);
        let mut peer = rig.peer(1_000).await;
        let requests = peer.requests(600).await;
        // All of them in one go, and none of them finished: unread, 135 would be the end of the connection.
        for request in &requests {
            peer.head(request.stream, 400, &[], 0).await;
            peer.send(DATA, 0, request.stream, br#"{"reason":"BadDevice"#)
                .await;
        }
        for request in &requests {
            peer.send(DATA, END_STREAM, request.stream, br#"Token"}"#)
                .await;
        }
        for outcome in rig.outcomes(600).await {
            let (status, body) = outcome.result.unwrap();
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert_eq!(body, r#"{"reason":"BadDeviceToken"}"#);
        }
        rig.push([601]);
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [601]);
        assert_eq!(rig.diary(), ["connected 1"]);
    })
    .await;
}

#[tokio::test]
async fn more_than_a_hundred_empty_frames_cost_a_connection_and_nothing_else() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=2);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        let request = peer.request().await;
        peer.head(request.stream, 400, &[], 0).await;
        for _ in 0..101 {
            if peer.try_send(DATA, 0, request.stream, b"").await.is_err() {
                break;
            }
        }
        let error = rig.outcome().await.result.unwrap_err();
        assert!(error.maybe_sent(), "{error}");
        rig.until(|rig| rig.noted("closed 1 protocol 2")).await;
        rig.push([3]);
        let mut second = rig.peer(1).await;
        let request = second.request().await;
        second.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [3]);
    })
    .await;
}

#[tokio::test]
async fn a_long_error_body_is_kept_up_to_the_bound() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        peer.head(request.stream, 500, &[], 0).await;
        for _ in 0..5 {
            peer.send(DATA, 0, request.stream, &[b'x'; 1_000]).await;
        }
        peer.send(DATA, END_STREAM, request.stream, b"").await;
        let (status, body) = rig.outcome().await.result.unwrap();
        assert_eq!((status.as_u16(), body.len()), (500, 4 * 1024));
    })
    .await;
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        peer.head(request.stream, 500, &[], 0).await;
        for _ in 0..5 {
            peer.send(DATA, 0, request.stream, &[b'x'; 8_000]).await;
        }
        while peer.frame_of(WINDOW_UPDATE).await.stream != request.stream {}
        for _ in 0..4 {
            peer.send(DATA, 0, request.stream, &[b'x'; 8_000]).await;
        }
        let (status, body) = rig.outcome().await.result.unwrap();
        assert_eq!((status.as_u16(), body.len()), (500, 4 * 1024));
        assert_eq!(peer.frame_of(RST_STREAM).await.stream, request.stream);
        assert_eq!(rig.pool.status().in_flight, 0);
    })
    .await;
}

#[tokio::test]
async fn the_body_of_a_success_is_not_waited_for_and_not_cut_off() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        peer.head(request.stream, 200, &[], 0).await;
        peer.send(DATA, 0, request.stream, b"{").await;
        let (status, body) = rig.outcome().await.result.unwrap();
        assert_eq!((status, body.len()), (StatusCode::OK, 0));
        assert_eq!(rig.pool.status().in_flight, 1, "the stream is still open");
        peer.send(DATA, END_STREAM, request.stream, b"}").await;
        rig.until(|rig| rig.pool.status().in_flight == 0).await;
        assert!(!rig.has_outcome());
        assert!(peer.no_request().await, "and nothing was reset");
    })
    .await;
}

#[tokio::test]
async fn a_reset_after_the_whole_answer_takes_nothing_back() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        peer.answer(request.stream, 413, &[], "too large").await;
        peer.reset(request.stream, NO_ERROR).await;
        let (status, body) = rig.outcome().await.result.unwrap();
        assert_eq!((status.as_u16(), &body[..]), (413, &b"too large"[..]));
    })
    .await;
}
