//! The ways in which a connection dies, and what is known afterwards.

use std::time::Duration;

use h2_pool::{Config, ErrorKind};
use http::StatusCode;

use crate::peer::{CANCEL, DATA, END_HEADERS, HEADERS, INTERNAL_ERROR, Peer, header_block};
use crate::rig::{Rig, local};

async fn in_doubt(rig: &mut Rig, tag: u64, kind: ErrorKind) {
    let outcome = rig.outcome().await;
    let error = outcome.result.unwrap_err();
    assert_eq!(
        (outcome.tag, error.kind(), error.maybe_sent()),
        (tag, kind, true),
        "{error}"
    );
    assert_eq!(outcome.connection, Some(1));
    assert!(!rig.has_outcome());
}

#[tokio::test]
async fn after_the_body_without_an_answer_it_is_in_doubt() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        peer.request().await;
        drop(peer);
        in_doubt(&mut rig, 1, ErrorKind::ConnectionLost).await;
    })
    .await;
}

#[tokio::test]
async fn another_reset_is_in_doubt() {
    for code in [INTERNAL_ERROR, CANCEL] {
        local(async {
            let mut rig = Rig::new(Config::default());
            rig.push([1]);
            let mut peer = rig.peer(100).await;
            let request = peer.request().await;
            peer.reset(request.stream, code).await;
            in_doubt(&mut rig, 1, ErrorKind::Reset).await;
            assert_eq!(rig.pool.status().connections, 1, "the connection lives");
        })
        .await;
    }
}

#[tokio::test]
async fn in_the_middle_of_the_answers_headers_it_is_in_doubt() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        let block = header_block(200, &[("apns-id", "x")]);
        let mut frame = vec![0, 0, block.len() as u8, HEADERS, END_HEADERS];
        frame.extend_from_slice(&request.stream.to_be_bytes());
        frame.extend_from_slice(&block[..3]);
        peer.send_raw(&frame).await;
        drop(peer);
        in_doubt(&mut rig, 1, ErrorKind::ConnectionLost).await;
    })
    .await;
}

#[tokio::test]
async fn before_the_end_of_an_error_body_it_is_in_doubt_with_its_status() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        peer.head(request.stream, 410, &[], 0).await;
        peer.send(DATA, 0, request.stream, br#"{"reason":"Unreg"#)
            .await;
        drop(peer);
        let error = rig.outcome().await.result.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Interrupted, true)
        );
        assert_eq!(error.status(), Some(StatusCode::GONE));
    })
    .await;
}

#[tokio::test]
async fn after_a_success_status_it_was_accepted() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        peer.head(request.stream, 200, &[], 0).await;
        drop(peer);
        assert_eq!(rig.accepted(1).await, [1]);
        rig.until(|rig| rig.pool.status().connections == 0).await;
        assert!(!rig.has_outcome());
    })
    .await;
}

#[tokio::test]
async fn an_idle_death_costs_nothing() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        drop(peer);
        rig.until(|rig| rig.noted("closed 1 lost 1")).await;
        rig.push([2]);
        let second = rig.peer(100).await;
        let served = tokio::task::spawn_local(second.accept_all());
        assert_eq!(rig.accepted(1).await, [2]);
        drop(rig);
        assert_eq!(served.await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_never_left_is_sent_elsewhere() {
    local(async {
        // The pipe takes 4 KiB and the peer stops reading after its greeting: most of the requests stay with us.
        let config = Config {
            max_connections: 1,
            write_buffer_bytes: 2_048,
            ..Config::default()
        };
        let config = Config {
            backoff_min: Duration::from_millis(1),
            ..config
        };
        let mut rig = Rig::with_pipes(config, 4_096);
        let mut body = (1..=100).map(|tag| crate::rig::Push {
            tag,
            body: vec![b'x'; 500].into(),
            write_by: None,
        });
        rig.pool.submit(&mut body.by_ref().collect());
        let peer = rig.peer(1_000).await;
        rig.until(|rig| rig.pool.status().in_flight == 100).await;
        drop(peer);
        let mut second = rig.peer(1_000).await;
        let mut moved = Vec::new();
        let mut doubtful = Vec::new();
        while moved.len() + doubtful.len() < 100 {
            while rig.has_outcome() {
                let outcome = rig.outcome().await;
                assert!(outcome.result.unwrap_err().maybe_sent());
                doubtful.push(outcome.tag);
            }
            if moved.len() + doubtful.len() < 100 {
                let request = second.request().await;
                moved.push(request.header("x-tag").parse::<u64>().unwrap());
            }
        }
        assert!(!doubtful.is_empty() && doubtful.len() <= 20, "{doubtful:?}");
        let mut all: Vec<_> = doubtful.iter().chain(&moved).copied().collect();
        all.sort_unstable();
        assert_eq!(all, (1..=100).collect::<Vec<_>>());
        assert!(moved.is_sorted(), "the queue keeps its order");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_half_dead_peer_is_found_by_ping() {
    local(async {
        let config = Config {
            request_timeout: Duration::from_secs(3_600),
            ..Config::default()
        };
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..config
        });
        rig.push(1..=3);
        let mut peer = rig.peer(2).await;
        peer.ignore_pings();
        peer.requests(2).await;
        let started = tokio::time::Instant::now();
        // In memory no system call ever fails, so only the PING can tell.
        let mut doubtful: Vec<_> = rig
            .outcomes(2)
            .await
            .into_iter()
            .map(|outcome| {
                let error = outcome.result.unwrap_err();
                assert_eq!(
                    (error.kind(), error.maybe_sent()),
                    (ErrorKind::ConnectionLost, true)
                );
                assert!(error.to_string().contains("PING"), "{error}");
                outcome.tag
            })
            .collect();
        doubtful.sort_unstable();
        assert_eq!(doubtful, [1, 2]);
        let waited = started.elapsed().as_secs();
        assert!(
            (24..=27).contains(&waited),
            "15 s of silence and 10 s for the answer, not {waited}"
        );
        assert!(rig.noted("ping 1 2"), "{:?}", rig.diary());

        // The queue moves on.
        let mut second = rig.peer(2).await;
        let request = second.request().await;
        assert_eq!(request.header("x-tag"), "3");
        second.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [3]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_living_peer_is_kept_by_ping() {
    local(async {
        let mut rig = Rig::new(Config {
            request_timeout: Duration::from_secs(3_600),
            ..Config::default()
        });
        rig.push([1]);
        let mut peer = rig.peer(2).await;
        let request = peer.request().await;
        for _ in 0..5 {
            peer.frame_of(crate::peer::PING).await;
        }
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        assert_eq!(rig.pool.status().connections, 1);
    })
    .await;
}

#[tokio::test]
async fn garbage_is_the_peers_fault_and_ours_to_survive() {
    local(async {
        let mut rig = Rig::new(Config {
            backoff_min: Duration::from_millis(1),
            ..Config::default()
        });
        rig.push([1]);
        let mut peer = Peer::accept(rig.pipe().await).await;
        peer.send_raw(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            .await;
        peer.closed().await;
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        assert!(rig.noted("failed 1"), "{:?}", rig.diary());
    })
    .await;
}

#[tokio::test]
async fn a_panic_is_a_doubt_and_not_a_silence() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.judge(|push, _, _, _| {
            assert!(push.tag != 2, "a bug in the protocol");
            h2_pool::Judgement::REPORT
        });
        rig.push(1..=4);
        let mut peer = rig.peer(3).await;
        let requests = peer.requests(3).await;
        peer.accept_push(requests[0].stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        peer.accept_push(requests[1].stream).await;
        let mut doubtful = Vec::new();
        for _ in 0..3 {
            let outcome = rig.outcome().await;
            assert!(outcome.result.unwrap_err().maybe_sent());
            doubtful.push(outcome.tag);
        }
        doubtful.sort_unstable();
        assert_eq!(doubtful, [2, 3, 4]);
        rig.push([5]);
        let mut second = rig.peer(3).await;
        let request = second.request().await;
        second.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [5]);
    })
    .await;
}
