//! The connection behaviour of Apple's servers, row by row: what they do, and what must come of it.

use std::time::Duration;

use apns::pool::Config;
use apns::{ConnectionConfig, ErrorKind, Reason, Response};

use crate::peer::{NO_ERROR, REFUSED_STREAM};
use crate::rig::{Rig, apns_id, local, tag_of, tags_of};

fn pool(pool: Config) -> ConnectionConfig {
    ConnectionConfig {
        pool,
        ..ConnectionConfig::default()
    }
}

fn one_connection() -> ConnectionConfig {
    pool(Config {
        max_connections: 1,
        ..Config::default()
    })
}

#[tokio::test]
async fn one_stream_until_settings_rise_after_the_first_provider_token() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push(1..=50);
        let mut peer = rig.peer(1).await;
        let first = peer.request().await;
        assert!(
            peer.no_request().await,
            "the first must be answered or SETTINGS must rise"
        );
        peer.max_streams(1_000).await;
        assert_eq!(
            tags_of(&peer.requests(49).await),
            (2..=50).collect::<Vec<_>>()
        );
        peer.accept_push(first.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn one_stream_until_the_first_answer_even_if_settings_allow_more() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push(1..=5);
        let mut peer = rig.peer(1_000).await;
        let first = peer.request().await;
        assert!(peer.no_request().await);
        // Not accepted, but who we are was not the reason.
        peer.reject(first.stream, 400, "BadDeviceToken").await;
        assert_eq!(peer.requests(4).await.len(), 4);
        assert_eq!(rig.rejected_for(Reason::BadDeviceToken).await, 1);
    })
    .await;
}

#[tokio::test]
async fn one_stream_while_the_provider_token_is_refused() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push(1..=4);
        let mut peer = rig.peer(1_000).await;
        for tag in 1..=3 {
            let request = peer.request().await;
            assert_eq!(tag_of(&request), tag);
            assert!(peer.no_request().await);
            peer.reject(request.stream, 403, "InvalidProviderToken")
                .await;
            assert_eq!(rig.rejected_for(Reason::InvalidProviderToken).await, tag);
        }
        assert_eq!(rig.signed(), 1);
    })
    .await;
}

#[tokio::test]
async fn streams_shrink_after_a_rejection_and_grow_after_an_acceptance() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(4).await;
        rig.push(1..=12);
        let mut open = peer.requests(4).await;
        peer.max_streams(1).await;
        peer.reject(open[0].stream, 400, "BadDeviceToken").await;
        assert!(peer.no_request().await, "three are open and one is allowed");
        for request in open.drain(1..) {
            peer.accept_push(request.stream).await;
        }
        let single = peer.request().await;
        assert_eq!(tag_of(&single), 5);
        assert!(peer.no_request().await);
        peer.accept_push(single.stream).await;
        peer.max_streams(1_000).await;
        let rest = peer.requests(7).await;
        assert_eq!(
            tags_of(&rest),
            (6..=12).collect::<Vec<_>>(),
            "nothing lost, nothing overtaken"
        );
        for request in rest {
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.rejected_for(Reason::BadDeviceToken).await, 1);
        assert_eq!(rig.accepted(11).await, (2..=12).collect::<Vec<_>>());
    })
    .await;
}

/// Streams 3, 5 and 7 are open (1 was the one that won trust); `GOAWAY` names 5.
async fn goaway(debug_data: &[u8], closes_at_once: bool) {
    let mut rig = Rig::new(ConnectionConfig::default());
    let mut peer = rig.trusted(1_000).await;
    rig.push(1..=3);
    let requests = peer.requests(3).await;
    peer.goaway(requests[1].stream, NO_ERROR, debug_data).await;
    let said = format!("goaway 1 {}", String::from_utf8_lossy(debug_data));
    rig.until(|rig| rig.diary().contains(&said)).await;
    rig.push([4]);
    if closes_at_once {
        drop(peer);
        let mut lost = [rig.finished().await, rig.finished().await];
        lost.sort_by_key(|finished| finished.tag);
        for (finished, tag) in lost.iter().zip([1, 2]) {
            assert_eq!(finished.tag, tag);
            assert!(finished.result.as_ref().unwrap_err().maybe_sent());
        }
    } else {
        assert!(peer.no_request().await, "no further stream here");
        peer.accept_push(requests[0].stream).await;
        peer.accept_push(requests[1].stream).await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
        peer.closed().await;
    }
    let mut second = rig.peer(1_000).await;
    let moved = second.request().await;
    assert_eq!(
        moved.header("apns-id"),
        apns_id(3).to_string(),
        "the same apns-id"
    );
    assert_eq!(moved.body, requests[2].body);
    second.accept_push(moved.stream).await;
    let next = second.request().await;
    assert_eq!(tag_of(&next), 4);
    second.accept_push(next.stream).await;
    assert_eq!(rig.accepted(2).await, [3, 4]);
}

#[tokio::test]
async fn goaway_with_a_reason() {
    local(goaway(br#"{"reason":"Shutdown"}"#, false)).await;
}

#[tokio::test]
async fn goaway_with_a_reason_and_a_timestamp_then_the_end() {
    local(goaway(
        br#"{"reason":"IdleTimeout","timestamp":1700000000000}"#,
        true,
    ))
    .await;
}

#[tokio::test]
async fn goaway_with_nothing_then_the_end() {
    local(goaway(b"", true)).await;
}

#[tokio::test]
async fn goaway_with_other_text() {
    local(goaway(b"Too many active streams. (b\"\xff\")", false)).await;
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_once_a_slot_is_free() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(2).await;
        rig.push(1..=3);
        let requests = peer.requests(2).await;
        peer.reset(requests[0].stream, REFUSED_STREAM).await;
        assert!(peer.no_request().await, "the streams were halved");
        peer.accept_push(requests[1].stream).await;
        let again = peer.request().await;
        assert_eq!(again.header("apns-id"), apns_id(1).to_string());
        peer.accept_push(again.stream).await;
        let last = peer.request().await;
        peer.accept_push(last.stream).await;
        assert_eq!(rig.accepted(3).await, [1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn a_body_taken_without_an_answer_is_in_doubt_and_not_sent_again() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(10).await;
        rig.push([1]);
        peer.request().await;
        drop(peer);
        let finished = rig.finished().await;
        let error = finished.result.unwrap_err();
        assert_eq!((finished.tag, error.kind()), (1, ErrorKind::ConnectionLost));
        assert!(error.maybe_sent());
        rig.push([2]);
        let mut second = rig.peer(10).await;
        let request = second.request().await;
        assert_eq!(tag_of(&request), 2, "only what is new");
        second.accept_push(request.stream).await;
        assert!(second.no_request().await);
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_server_is_declared_dead_and_the_queue_moves() {
    local(async {
        let mut rig = Rig::new(pool(Config {
            max_connections: 1,
            request_timeout: Duration::from_secs(600),
            queue_timeout: Duration::from_secs(600),
            ..Config::default()
        }));
        let mut peer = rig.trusted(2).await;
        rig.push(1..=3);
        peer.requests(2).await;
        peer.ignore_pings();
        for _ in 0..2 {
            let error = rig.finished().await.result.unwrap_err();
            assert!(error.maybe_sent(), "{error}");
        }
        assert!(
            rig.diary().contains(&"ping 1 2".to_owned()),
            "{:?}",
            rig.diary()
        );
        let mut second = rig.peer(2).await;
        let request = second.request().await;
        assert_eq!(tag_of(&request), 3);
        second.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [3]);
    })
    .await;
}

#[tokio::test]
async fn sixty_bad_device_tokens_and_the_door_are_reported_one_by_one() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(100).await;
        rig.push(1..=61);
        let requests = peer.requests(61).await;
        for request in &requests[..60] {
            peer.reject(request.stream, 400, "BadDeviceToken").await;
        }
        peer.goaway(0, crate::peer::ENHANCE_YOUR_CALM, b"").await;
        drop(peer);
        let mut tags = Vec::new();
        for _ in 0..60 {
            tags.push(rig.rejected_for(Reason::BadDeviceToken).await);
        }
        assert_eq!(tags, (1..=60).collect::<Vec<_>>());
        // The one without an answer was disowned by the GOAWAY, so it waits for the next connection, which waits for a
        // while because the server was cross.
        let status = rig.connection.status();
        assert_eq!((status.queued, status.connect_failures), (1, 1));
        assert_eq!(rig.connection.withdraw(|_| true).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn service_unavailable_is_reported_each_time_and_sent_again_by_nobody_here() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(10).await;
        for _ in 0..3 {
            rig.push([1]);
            let request = peer.request().await;
            assert_eq!(tag_of(&request), 1);
            peer.reject(request.stream, 503, "ServiceUnavailable").await;
            let (tag, rejected) = rig.rejected().await;
            assert_eq!((tag, rejected.reason), (1, Reason::ServiceUnavailable));
            assert!(peer.no_request().await);
        }
        rig.push([1]);
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        assert_eq!(rig.connection.status().connections, 1);
    })
    .await;
}

#[tokio::test]
async fn many_internal_errors_in_a_row_change_the_connection() {
    local(async {
        let config = ConnectionConfig {
            max_internal_errors: 3,
            ..one_connection()
        };
        let mut rig = Rig::new(config);
        let mut peer = rig.trusted(1).await;
        for tag in 1..=4 {
            rig.push([tag]);
            let request = peer.request().await;
            if tag == 1 {
                peer.reject(request.stream, 500, "InternalServerError")
                    .await;
                assert_eq!(rig.rejected_for(Reason::InternalServerError).await, tag);
                // An acceptance in between begins the count anew.
                rig.push([100]);
                let request = peer.request().await;
                peer.accept_push(request.stream).await;
                assert_eq!(rig.accepted(1).await, [100]);
                continue;
            }
            peer.reject(request.stream, 500, "InternalServerError")
                .await;
            assert_eq!(rig.rejected_for(Reason::InternalServerError).await, tag);
        }
        peer.closed().await;
        rig.push([5]);
        let mut second = rig.peer(1).await;
        assert_eq!(tag_of(&second.request().await), 5);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_shuts_down_or_grew_tired_gets_the_push_from_another() {
    for (status, reason) in [(503, "Shutdown"), (400, "IdleTimeout")] {
        local(async {
            let mut rig = Rig::new(one_connection());
            let mut peer = rig.trusted(10).await;
            rig.push([1]);
            let request = peer.request().await;
            peer.reject(request.stream, status, reason).await;
            peer.closed().await;
            let mut second = rig.peer(10).await;
            let again = second.request().await;
            assert_eq!(again.header("apns-id"), request.header("apns-id"));
            second.accept_push(again.stream).await;
            let finished = rig.finished().await;
            assert!(matches!(finished.result, Ok(Response::Accepted(_))));
            assert_eq!((finished.tag, finished.connection), (1, Some(2)));
        })
        .await;
    }
}

#[tokio::test]
async fn a_gateway_that_only_shuts_down_is_believed_in_the_end() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push([1]);
        for _ in 0..3 {
            let mut peer = rig.peer(10).await;
            let request = peer.request().await;
            peer.reject(request.stream, 503, "Shutdown").await;
        }
        assert_eq!(rig.rejected_for(Reason::Shutdown).await, 1);
        assert!(!rig.has_peer());
    })
    .await;
}

#[tokio::test]
async fn hundreds_of_rejections_at_once_do_not_choke_the_connection() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(1_000).await;
        rig.push(1..=500);
        let requests = peer.requests(500).await;
        for request in &requests {
            peer.reject(request.stream, 400, "BadDeviceToken").await;
        }
        for _ in 0..500 {
            rig.rejected_for(Reason::BadDeviceToken).await;
        }
        rig.push([501]);
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [501]);
        assert_eq!(rig.diary(), ["connected 1"]);
    })
    .await;
}

#[tokio::test]
async fn capacity_counts_what_waits_on_either_side() {
    local(async {
        let mut rig = Rig::new(pool(Config {
            queue_capacity: 4,
            max_connections: 1,
            ..Config::default()
        }));
        let mut batch = (1..=6).map(|tag| rig.make(tag)).collect();
        assert_eq!(rig.connection.submit(&mut batch), 4);
        assert_eq!((rig.connection.free_capacity(), batch.len()), (0, 2));
        assert_eq!(batch[0].tag, 5, "what did not fit is still there, in order");
        let mut peer = rig.peer(1_000).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        for request in peer.requests(3).await {
            peer.accept_push(request.stream).await;
        }
        rig.until(|rig| rig.connection.status().in_flight == 0)
            .await;
        assert_eq!(
            rig.connection.free_capacity(),
            0,
            "four outcomes wait to be taken away"
        );
        assert_eq!(rig.accepted(4).await, [1, 2, 3, 4]);
        assert_eq!(rig.connection.free_capacity(), 4);
        let taken = rig.connection.withdraw(|_| true);
        assert!(taken.is_empty());
    })
    .await;
}
