//! Deadlines, in paused time over in-memory pipes.

use std::collections::VecDeque;
use std::time::Duration;

use h2_pool::{Config, ErrorKind};
use tokio::time::Instant;

use crate::peer::{NO_ERROR, RST_STREAM};
use crate::rig::{Push, Rig, local};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn no_answer_in_time_is_in_doubt_and_a_late_one_is_still_told() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        let started = Instant::now();
        let outcome = rig.outcome().await;
        let error = outcome.result.unwrap_err();
        assert_eq!(
            (outcome.tag, error.kind(), outcome.late),
            (1, ErrorKind::Timeout, false)
        );
        assert!(error.maybe_sent() && error.is_timeout());
        let waited = started.elapsed();
        assert!(waited >= 20 * SECOND && waited < 21 * SECOND, "{waited:?}");
        assert_eq!(rig.pool.status().in_flight, 1, "the stream is still taken");

        peer.accept_push(request.stream).await;
        let outcome = rig.outcome().await;
        assert_eq!((outcome.tag, outcome.late), (1, true));
        assert_eq!(outcome.result.unwrap().0, 200);
        assert_eq!(rig.pool.status().in_flight, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_the_stream_is_given_up() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        assert!(!rig.outcome().await.late);
        let reset = peer.frame_of(RST_STREAM).await;
        assert_eq!(reset.stream, request.stream);
        assert_eq!(rig.pool.status().in_flight, 0);
        // An answer after that is nobody's, and hurts nobody.
        peer.accept_push(request.stream).await;
        rig.push([2]);
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_given_up_together_make_room_for_as_many() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            queue_timeout: 3_600 * SECOND,
            ..Config::default()
        });
        rig.push([1, 2, 3]);
        let mut peer = rig.peer(3).await;
        for _ in 0..3 {
            peer.request().await;
        }
        rig.push([4, 5, 6]);
        for _ in 0..3 {
            let outcome = rig.outcome().await;
            assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Timeout);
        }
        for _ in 0..3 {
            let request = peer.request().await;
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(3).await, [4, 5, 6]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_owes_too_much_is_replaced() {
    local(async {
        let config = Config {
            max_abandoned: 3,
            max_connections: 1,
            ..Config::default()
        };
        let mut rig = Rig::new(Config {
            drain_timeout: 5 * SECOND,
            ..config
        });
        rig.push(1..=3);
        let mut peer = rig.peer(10).await;
        peer.requests(3).await;
        for _ in 0..3 {
            peer.frame_of(RST_STREAM).await;
        }
        assert_eq!(rig.outcomes(3).await.len(), 3);
        peer.closed().await;
        rig.push([4]);
        let mut second = rig.peer(10).await;
        assert_eq!(second.request().await.header("x-tag"), "4");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn late_news_that_it_was_never_processed_is_told_too() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push(1..=2);
        let mut peer = rig.peer(10).await;
        peer.requests(2).await;
        assert_eq!(rig.outcomes(2).await.len(), 2);
        peer.goaway(1, NO_ERROR, b"").await;
        let outcome = rig.outcome().await;
        let error = outcome.result.unwrap_err();
        assert_eq!(
            (outcome.tag, outcome.late, error.kind()),
            (2, true, ErrorKind::Refused)
        );
        assert!(!error.maybe_sent());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_stream_ends() {
    local(async {
        let config = Config {
            max_connections: 1,
            request_timeout: 3_600 * SECOND,
            ..Config::default()
        };
        let config = Config {
            ping_busy: 3_600 * SECOND,
            ..config
        };
        let mut rig = Rig::new(config);
        rig.push(1..=2);
        let mut peer = rig.peer(1).await;
        peer.request().await;
        let outcome = rig.outcome().await;
        let error = outcome.result.unwrap_err();
        assert_eq!(
            (outcome.tag, error.kind(), error.maybe_sent()),
            (2, ErrorKind::QueueTimeout, false)
        );
        assert_eq!(outcome.connection, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_its_last_moment() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        let push = |tag, seconds| Push {
            tag,
            body: "x".into(),
            write_by: Some(Instant::now() + seconds * SECOND),
        };
        let mut batch = VecDeque::from([push(1, 60), push(2, 2), push(3, 60)]);
        rig.pool.submit(&mut batch);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        let outcome = rig.outcome().await;
        let error = outcome.result.unwrap_err();
        assert_eq!(
            (outcome.tag, error.kind(), error.maybe_sent()),
            (2, ErrorKind::Expired, false)
        );
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        assert_eq!(peer.request().await.header("x-tag"), "3");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn draining_ends() {
    local(async {
        let config = Config {
            request_timeout: 3_600 * SECOND,
            drain_timeout: 5 * SECOND,
            ..Config::default()
        };
        let mut rig = Rig::new(config);
        rig.push([1]);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        peer.goaway(request.stream, NO_ERROR, b"").await;
        let started = Instant::now();
        let outcome = rig.outcome().await;
        assert_eq!(
            outcome.result.unwrap_err().kind(),
            ErrorKind::ConnectionLost
        );
        assert!(started.elapsed() < 7 * SECOND, "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test]
async fn closing_waits_for_what_is_owed() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=3);
        let mut peer = rig.peer(2).await;
        let requests = peer.requests(2).await;
        let deadline = Instant::now() + 20 * SECOND;
        let script = async {
            for request in &requests {
                peer.accept_push(request.stream).await;
            }
            let last = peer.request().await;
            peer.accept_push(last.stream).await;
            peer.closed().await;
        };
        tokio::join!(rig.pool.close(deadline), script);
        assert_eq!(rig.accepted(3).await, [1, 2, 3]);
        assert_eq!(
            (rig.pool.free_capacity(), rig.pool.status().connections),
            (0, 0)
        );
        assert!(rig.noted("closed 1 ours 3"), "{:?}", rig.diary());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_ends_at_its_deadline_and_tells_the_truth() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=2);
        let mut peer = rig.peer(1).await;
        peer.request().await;
        rig.pool.close(Instant::now() + SECOND).await;
        let mut ends: Vec<_> = rig
            .outcomes(2)
            .await
            .into_iter()
            .map(|outcome| (outcome.tag, outcome.result.unwrap_err().kind()))
            .collect();
        ends.sort_unstable_by_key(|(tag, _)| *tag);
        assert_eq!(
            ends,
            [(1, ErrorKind::ConnectionLost), (2, ErrorKind::Closed)]
        );
        assert_eq!(rig.pool.status().connections, 0);
    })
    .await;
}
