//! When there is more than one connection, and when there is one less.

use std::time::Duration;

use h2_pool::{Config, ConnectionVerdict, Judgement};

use crate::peer::{Peer, Request};
use crate::rig::{Rig, local};

const SECOND: Duration = Duration::from_secs(1);

async fn accept(peer: &mut Peer, requests: &[Request]) {
    for request in requests {
        peer.accept_push(request.stream).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_added_only_when_streams_stay_full() {
    local(async {
        let config = Config {
            max_connections: 2,
            ping_busy: 3_600 * SECOND,
            ..Config::default()
        };
        let mut rig = Rig::new(Config {
            idle_timeout: 60 * SECOND,
            ..config
        });
        rig.push(1..=4);
        let mut first = rig.peer(2).await;
        let requests = first.requests(2).await;
        assert!(!rig.has_pipe(), "full, but not for long");
        let before = tokio::time::Instant::now();
        let mut second = rig.peer(2).await;
        assert!(
            before.elapsed() >= Duration::from_millis(190),
            "{:?}",
            before.elapsed()
        );
        let more = second.requests(2).await;
        rig.push(5..=6);
        tokio::time::sleep(2 * SECOND).await;
        assert!(!rig.has_pipe(), "two are allowed");
        accept(&mut first, &requests).await;
        accept(&mut second, &more).await;
        // Idle for long, one of the two goes, and politely.
        let served = [first, second].map(|peer| tokio::task::spawn_local(peer.accept_all()));
        assert_eq!(rig.accepted(6).await, [1, 2, 3, 4, 5, 6]);
        let [mut first, mut second] = served;
        tokio::select! {
            _ = &mut first => assert!(!second.is_finished()),
            _ = &mut second => assert!(!first.is_finished()),
        }
        rig.until(|rig| rig.pool.status().connections == 1).await;
        assert!(
            rig.diary().last().unwrap().contains(" ours "),
            "{:?}",
            rig.diary()
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_untrusted_connection_is_no_reason_for_another() {
    local(async {
        let config = Config {
            initial_streams: 1,
            ping_busy: 3_600 * SECOND,
            ..Config::default()
        };
        let mut rig = Rig::new(Config {
            request_timeout: 3_600 * SECOND,
            ..config
        });
        rig.push(1..=9);
        let mut peer = rig.peer(1_000).await;
        peer.request().await;
        tokio::time::sleep(10 * SECOND).await;
        assert!(!rig.has_pipe());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_replaced_before_it_is_left() {
    local(async {
        let mut rig = Rig::new(Config {
            max_age: 600 * SECOND,
            ..Config::default()
        });
        rig.push([1]);
        let mut first = rig.peer(10).await;
        let requests = first.requests(1).await;
        accept(&mut first, &requests).await;
        assert_eq!(rig.accepted(1).await, [1]);
        let keep_answering = tokio::task::spawn_local(first.accept_all());
        let mut second = rig.peer(10).await;
        assert_eq!(
            keep_answering.await.unwrap(),
            0,
            "it is left without a word lost"
        );
        rig.push([2]);
        let requests = second.requests(1).await;
        accept(&mut second, &requests).await;
        assert_eq!(rig.accepted(1).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn after_so_many_requests_a_connection_is_replaced() {
    local(async {
        let mut rig = Rig::new(Config {
            max_requests_per_connection: 3,
            ..Config::default()
        });
        rig.push(1..=3);
        let mut first = rig.peer(10).await;
        let requests = first.requests(3).await;
        let mut second = rig.peer(10).await;
        rig.until(|rig| rig.noted("connected 2")).await;
        rig.push([4]);
        let more = second.requests(1).await;
        assert_eq!(more[0].header("x-tag"), "4");
        accept(&mut first, &requests).await;
        first.closed().await;
        accept(&mut second, &more).await;
        assert_eq!(rig.accepted(4).await, [1, 2, 3, 4]);
    })
    .await;
}

#[tokio::test]
async fn a_retired_connection_gives_its_answers_and_takes_no_more() {
    local(async {
        let mut rig = Rig::new(Config {
            max_connections: 1,
            ..Config::default()
        });
        rig.judge(|push, _, _, _| Judgement {
            connection: if push.tag == 1 {
                ConnectionVerdict::Retire
            } else {
                ConnectionVerdict::Keep
            },
            ..Judgement::REPORT
        });
        rig.push(1..=4);
        let mut first = rig.peer(3).await;
        let requests = first.requests(3).await;
        accept(&mut first, &requests[..1]).await;
        let mut second = rig.peer(3).await;
        let moved = second.requests(1).await;
        assert_eq!(moved[0].header("x-tag"), "4");
        assert!(first.no_request().await);
        accept(&mut first, &requests[1..]).await;
        first.closed().await;
        accept(&mut second, &moved).await;
        assert_eq!(rig.accepted(4).await, [1, 2, 3, 4]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failed_connects_back_off_and_give_the_queue_back_in_the_end() {
    local(async {
        let mut rig = Rig::new(Config {
            seed: Some(1),
            ..Config::default()
        });
        rig.refuse.set(4);
        rig.push([1]);
        let started = tokio::time::Instant::now();
        let error = rig.outcome().await.result.unwrap_err();
        assert!(error.is_connect() && !error.maybe_sent(), "{error}");
        assert!(error.to_string().contains("refused by the test"), "{error}");
        // Three tries: at once, after 1 to 2 s, after another 2 to 4 s.
        let waited = started.elapsed();
        assert!(waited >= 3 * SECOND && waited < 7 * SECOND, "{waited:?}");
        assert_eq!(rig.diary(), ["failed 1", "failed 2", "failed 3"]);

        // What comes next waits for the next try, is handed back by it, and the one after that succeeds.
        rig.push([2]);
        assert!(rig.outcome().await.result.unwrap_err().is_connect());
        rig.push([3]);
        let mut peer = rig.peer(10).await;
        let requests = peer.requests(1).await;
        accept(&mut peer, &requests).await;
        assert_eq!(rig.accepted(1).await, [3]);
        assert_eq!(rig.pool.status().connect_failures, 0);
        assert!(started.elapsed() >= 14 * SECOND, "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_on_everybody_is_not_stormed() {
    local(async {
        let mut rig = Rig::new(Config {
            max_requeues: 3,
            ..Config::default()
        });
        rig.push([1]);
        let started = tokio::time::Instant::now();
        for _ in 0..3 {
            let peer = rig.peer(10).await;
            drop(peer);
        }
        assert!(started.elapsed() >= 3 * SECOND, "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_everybody_away_politely_is_not_stormed_either() {
    local(async {
        let config = Config {
            connect_interval: 2 * SECOND,
            ..Config::default()
        };
        let mut rig = Rig::new(config);
        rig.judge(|_, _, _, _| Judgement {
            connection: ConnectionVerdict::Retire,
            ..Judgement::REPORT
        });
        let mut began = Vec::new();
        for tag in 1..=4 {
            rig.push([tag]);
            let mut peer = rig.peer(10).await;
            began.push(tokio::time::Instant::now());
            let requests = peer.requests(1).await;
            accept(&mut peer, &requests).await;
            assert_eq!(rig.accepted(1).await, [tag]);
            peer.closed().await;
        }
        for pair in began.windows(2) {
            assert!(pair[1] - pair[0] >= 2 * SECOND - SECOND / 10, "{began:?}");
        }
    })
    .await;
}
