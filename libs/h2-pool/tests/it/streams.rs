//! How many streams: never more than allowed, and live.

use std::time::Duration;

use h2_pool::{Config, ConnectionVerdict, ErrorKind, Judgement};
use http::StatusCode;

use crate::peer::{HEADERS, PING, Peer, REFUSED_STREAM};
use crate::rig::{Rig, local};

#[tokio::test]
async fn a_push_goes_there_and_its_answer_comes_back() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([7]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        assert_eq!(
            (
                request.method.as_str(),
                request.path.as_str(),
                request.header("x-tag")
            ),
            ("POST", "/7", "7")
        );
        assert_eq!(request.body, "body 7");
        peer.answer(request.stream, 400, &[("x-why", "no")], "because")
            .await;
        let outcome = rig.outcome().await;
        assert_eq!(
            (outcome.tag, outcome.connection, outcome.late),
            (7, Some(1), false)
        );
        assert_eq!(
            outcome.result.unwrap(),
            (StatusCode::BAD_REQUEST, "because".into())
        );
        assert_eq!(rig.diary(), ["connected 1"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_sent_before_the_first_settings() {
    local(async {
        let config = Config {
            connect_timeout: Duration::from_millis(50),
            ..Config::default()
        };
        let mut rig = Rig::new(Config {
            backoff_min: Duration::from_millis(1),
            ..config
        });
        rig.push([1]);
        let mut peer = Peer::accept(rig.pipe().await).await;
        while let Some(frame) = peer.frame().await {
            assert_ne!(frame.kind, HEADERS, "{frame:?}");
        }
        assert_eq!(rig.diary(), ["failed 1"]);

        let mut peer = Peer::accept(rig.pipe().await).await;
        peer.max_streams(1).await;
        let request = peer.request().await;
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn permits_follow_settings_up_and_down_without_loss() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=20);
        let mut peer = rig.peer(3).await;
        let first = peer.requests(3).await;
        assert!(peer.no_request().await, "three are allowed");

        peer.max_streams(5).await;
        let more = peer.requests(2).await;
        assert!(peer.no_request().await, "five are allowed");

        peer.max_streams(1).await;
        for request in first.iter().chain(&more[..1]) {
            peer.accept_push(request.stream).await;
        }
        assert!(peer.no_request().await, "one is allowed and one is open");
        peer.accept_push(more[1].stream).await;
        let single = peer.request().await;
        assert!(peer.no_request().await, "one is allowed");

        peer.max_streams(1_000).await;
        let rest = peer.requests(14).await;
        for request in rest.iter().chain([&single]) {
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(20).await, (1..=20).collect::<Vec<_>>());
        let order: Vec<u64> = first
            .iter()
            .chain(&more)
            .chain([&single])
            .chain(&rest)
            .map(|request| request.header("x-tag").parse().unwrap())
            .collect();
        assert_eq!(
            order,
            (1..=20).collect::<Vec<_>>(),
            "the queue keeps its order"
        );
    })
    .await;
}

#[tokio::test]
async fn one_stream_until_the_protocol_trusts_the_connection() {
    local(async {
        let mut rig = Rig::new(Config {
            initial_streams: 1,
            max_connections: 1,
            ..Config::default()
        });
        rig.judge(|_, _, answer, _| Judgement {
            connection: if answer.status.is_success() {
                ConnectionVerdict::Trust
            } else {
                ConnectionVerdict::Keep
            },
            ..Judgement::REPORT
        });
        rig.push(1..=5);
        let mut peer = rig.peer(1_000).await;
        let request = peer.request().await;
        assert!(peer.no_request().await);
        peer.answer(request.stream, 403, &[], "").await;
        let request = peer.request().await;
        assert!(peer.no_request().await, "403 proves nothing");
        peer.accept_push(request.stream).await;
        assert_eq!(peer.requests(3).await.len(), 3);
        assert_eq!(rig.outcomes(2).await[0].tag, 1);
    })
    .await;
}

#[tokio::test]
async fn a_rise_of_settings_is_trust_too() {
    local(async {
        let mut rig = Rig::new(Config {
            initial_streams: 1,
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=5);
        let mut peer = rig.peer(1).await;
        peer.request().await;
        assert!(peer.no_request().await);
        peer.max_streams(3).await;
        peer.requests(2).await;
        assert!(peer.no_request().await);
    })
    .await;
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_unseen() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=4);
        let mut peer = rig.peer(100).await;
        let requests = peer.requests(4).await;
        peer.reset(requests[1].stream, REFUSED_STREAM).await;
        peer.accept_push(requests[0].stream).await;
        peer.accept_push(requests[2].stream).await;
        peer.accept_push(requests[3].stream).await;
        let again = peer.request().await;
        assert_eq!(again.header("x-tag"), "2");
        assert_eq!(again.body, "body 2");
        peer.accept_push(again.stream).await;
        assert_eq!(rig.accepted(4).await, [1, 2, 3, 4]);
        assert!(rig.noted("refused 1"));
        assert!(!rig.has_outcome());
    })
    .await;
}

#[tokio::test]
async fn a_refusal_halves_the_streams_and_answers_win_them_back() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.push(1..=16);
        let mut peer = rig.peer(8).await;
        let requests = peer.requests(8).await;
        // Three refusals of one flight are one cut: to half of the eight.
        for request in &requests[..3] {
            peer.reset(request.stream, REFUSED_STREAM).await;
        }
        assert!(peer.no_request().await, "five are open, four are allowed");
        for request in &requests[3..] {
            peer.accept_push(request.stream).await;
        }
        let next = peer.requests(4).await;
        let tags: Vec<_> = next
            .iter()
            .map(|request| request.header("x-tag").to_owned())
            .collect();
        assert_eq!(tags[..3], ["1", "2", "3"], "ahead of what waits");
        for request in &next {
            peer.accept_push(request.stream).await;
        }
        let more = peer.requests(5).await;
        for request in &more {
            peer.accept_push(request.stream).await;
        }
        for request in peer.requests(2).await {
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(16).await.len(), 16);
    })
    .await;
}

#[tokio::test]
async fn endless_refusal_has_an_end() {
    local(async {
        let mut rig = Rig::new(Config {
            max_requeues: 3,
            max_connections: 1,
            ..Config::default()
        });
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        for _ in 0..4 {
            let request = peer.request().await;
            peer.reset(request.stream, REFUSED_STREAM).await;
        }
        let error = rig.outcome().await.result.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Refused, false)
        );
    })
    .await;
}

#[tokio::test]
async fn the_queue_has_a_bound_and_can_be_taken_back() {
    local(async {
        let mut rig = Rig::new(Config {
            queue_capacity: 3,
            ..Config::default()
        });
        let mut batch = (1..=5)
            .map(|tag| crate::rig::Push {
                tag,
                body: "x".into(),
                write_by: None,
            })
            .collect();
        assert_eq!(rig.pool.submit(&mut batch), 3);
        assert_eq!((batch.len(), rig.pool.free_capacity()), (2, 0));
        let taken = rig.pool.withdraw(|push| push.tag != 2);
        assert_eq!(
            taken.iter().map(|push| push.tag).collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(rig.pool.free_capacity(), 2);
        let mut peer = rig.peer(10).await;
        let request = peer.request().await;
        assert_eq!(request.header("x-tag"), "2");
        assert!(peer.no_request().await);
        assert_eq!(rig.pool.status().in_flight, 1);
    })
    .await;
}

#[tokio::test]
async fn a_pause_holds_what_waits_but_not_what_is_owed() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.judge(|push, _, _, _| Judgement {
            pause: (push.tag == 1).then_some(Duration::from_millis(50)),
            ..Judgement::REPORT
        });
        rig.push(1..=3);
        let mut peer = rig.peer(2).await;
        let requests = peer.requests(2).await;
        peer.accept_push(requests[0].stream).await;
        peer.accept_push(requests[1].stream).await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
        let status = rig.pool.status();
        if let Some(paused_for) = status.paused_for {
            assert!(paused_for <= Duration::from_millis(50));
            assert_eq!((rig.pool.free_capacity(), status.queued), (0, 1));
        }
        // When the pause is over the queue goes on by itself.
        let request = peer.request().await;
        assert_eq!(request.header("x-tag"), "3");
    })
    .await;
}

#[tokio::test]
async fn a_busy_connection_answers_the_peers_ping() {
    local(async {
        let mut rig = Rig::new(Config::default());
        rig.push([1]);
        let mut peer = rig.peer(2).await;
        peer.request().await;
        peer.send(PING, 0, 0, b"01234567").await;
        loop {
            let frame = peer.frame().await.unwrap();
            if frame.kind == PING {
                assert_eq!(frame.payload, "01234567");
                break;
            }
        }
    })
    .await;
}
