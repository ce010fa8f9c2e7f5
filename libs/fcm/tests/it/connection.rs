//! The engine's face against a scripted peer: what a push looks like to FCM, and which answers concern more than the push.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fcm::pool::Config;
use fcm::{
    AccessTokenErrorKind, Condition, ConnectionConfig, ErrorKind, Quota, QuotaConfig, Reason,
    Response,
};
use tokio::time::Instant;

use crate::peer::{CANCEL, NO_ERROR, REFUSED_STREAM};
use crate::rig::{Rig, TAKEN, local, refusal, tag_of};

const MINUTE: Duration = Duration::from_secs(60);

fn config(pool: Config) -> ConnectionConfig {
    ConnectionConfig {
        pool,
        ..ConnectionConfig::default()
    }
}

#[tokio::test]
async fn a_push_stands_on_the_wire_as_google_wants_it() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut dry = rig.make(2);
        dry.validate_only = true;
        dry.target = Condition::new("'a' in topics").unwrap().into();
        rig.connection.submit(&mut [rig.make(1), dry].into());
        let mut peer = rig.peer(100).await;
        let first = peer.request().await;
        assert_eq!(first.method, "POST");
        assert_eq!(first.path, "/v1/projects/demo-proj/messages:send");
        assert_eq!(first.header("authorization"), "Bearer t1");
        assert_eq!(first.header("content-type"), "application/json");
        assert_eq!(
            first.body,
            r#"{"message":{"token":"device-1","data":{"k":"v"}}}"#
        );
        let second = peer.request().await;
        let body =
            r#"{"validate_only":true,"message":{"condition":"'a' in topics","data":{"k":"v"}}}"#;
        assert_eq!(second.body, body);

        peer.answer(first.stream, 200, &[], TAKEN).await;
        let finished = rig.finished().await;
        assert_eq!((finished.tag, finished.connection), (1, Some(1)));
        let Ok(Response::Accepted(accepted)) = finished.result else {
            panic!()
        };
        assert_eq!(
            accepted.name.as_deref(),
            Some("projects/demo-proj/messages/1")
        );
        peer.answer(
            second.stream,
            404,
            &[],
            &refusal("NOT_FOUND", "UNREGISTERED"),
        )
        .await;
        let (tag, rejected) = rig.rejected().await;
        assert_eq!((tag, rejected.reason), (2, Reason::Unregistered));
    })
    .await;
}

#[tokio::test]
async fn never_more_than_a_hundred_streams_on_a_connection() {
    local(async {
        let mut rig = Rig::new(config(Config {
            max_streams: 500,
            max_connections: 1,
            ..Config::default()
        }));
        rig.push(0..150);
        let mut peer = rig.peer(1_000).await;
        let requests = peer.requests(100).await;
        let status = rig.connection.status();
        assert_eq!((status.in_flight, status.queued), (100, 50));
        peer.answer(requests[0].stream, 200, &[], TAKEN).await;
        // Its place goes to the next one, and only that.
        let next = peer.request().await;
        assert_eq!(tag_of(&next), 100);
        assert_eq!(rig.connection.status().in_flight, 100);
    })
    .await;
}

#[tokio::test]
async fn pushes_wait_for_the_first_access_token_and_share_it() {
    local(async {
        let mut rig = Rig::without_tokens(ConnectionConfig::default());
        rig.push(1..=5);
        rig.until(|rig| rig.mint.asked() == 1).await;
        rig.push(6..=8);
        assert_eq!(rig.connection.status().waiting_for_access_token, 8);
        assert!(!rig.has_peer(), "nothing is connected for nothing");
        rig.mint.permit(1);
        let mut peer = rig.peer(100).await;
        for (tag, request) in (1..).zip(peer.requests(8).await) {
            assert_eq!(tag_of(&request), tag, "in their order");
            assert_eq!(request.header("authorization"), "Bearer t1");
            peer.answer(request.stream, 200, &[], TAKEN).await;
        }
        assert_eq!(rig.accepted(8).await, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(rig.mint.asked(), 1);
    })
    .await;
}

#[tokio::test]
async fn without_an_access_token_nothing_is_sent_and_the_reason_is_told() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.mint.fail(AccessTokenErrorKind::SigningKey);
        rig.push(1..=2);
        for _ in 0..2 {
            let (_, error) = rig.failed().await;
            assert_eq!(
                (error.kind(), error.maybe_sent()),
                (ErrorKind::AccessToken, false)
            );
            assert!(error.to_string().contains("make a new key"), "{error}");
        }
        // It is not asked for again at once, and who comes is told the same.
        rig.push([3]);
        assert_eq!(rig.failed().await.0, 3);
        assert_eq!(rig.mint.asked(), 1);
        assert!(!rig.has_peer());
        rig.mint.fail(None);
        rig.clock.pass(60);
        rig.push([4]);
        let mut peer = rig.peer(100).await;
        assert_eq!(peer.request().await.header("authorization"), "Bearer t2");
    })
    .await;
}

#[tokio::test]
async fn the_next_access_token_is_fetched_while_the_old_one_serves() {
    local(async {
        let mut rig = Rig::without_tokens(ConnectionConfig::default());
        rig.mint.permit(1);
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        assert_eq!(peer.request().await.header("authorization"), "Bearer t1");
        rig.clock.pass(3_500);
        rig.push([2]);
        assert_eq!(peer.request().await.header("authorization"), "Bearer t1");
        rig.until(|rig| rig.mint.asked() == 2).await;
        rig.push([3]);
        assert_eq!(peer.request().await.header("authorization"), "Bearer t1");
        rig.mint.permit(1);
        // From some push on it is the new one.
        for tag in 4.. {
            rig.push([tag]);
            let request = peer.request().await;
            let is_new = request.header("authorization") == "Bearer t2";
            peer.answer(request.stream, 200, &[], TAKEN).await;
            rig.accepted(1).await;
            if is_new {
                break;
            }
        }
        assert_eq!(rig.mint.asked(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_pause_does_not_outlast_those_who_wait_for_the_pool() {
    local(async {
        let mut rig = Rig::new(config(Config {
            queue_timeout: Duration::from_millis(50),
            sweep_interval: Duration::from_millis(5),
            ..Config::default()
        }));
        rig.push([1]);
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        // One more waits for the only stream when the project's quota is found used up.
        rig.push([2]);
        let body = r#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
            "reason":"RATE_LIMIT_EXCEEDED"}]}}"#;
        peer.answer(request.stream, 429, &[], body).await;
        // On a slow machine the second may have waited long enough before the first is answered.
        let mut ends = [rig.finished().await, rig.finished().await];
        ends.sort_by_key(|finished| finished.tag);
        let [first, second] = ends.map(|finished| finished.result);
        let first = first.unwrap().rejected().map(|rejected| rejected.reason);
        assert_eq!(first, Some(Reason::ProjectQuotaExceeded));
        let error = second.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::QueueTimeout, false)
        );
    })
    .await;
}

#[tokio::test]
async fn a_refused_access_token_is_replaced_and_the_push_sent_again_once() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push(1..=3);
        let mut peer = rig.peer(100).await;
        for request in peer.requests(3).await {
            assert_eq!(request.header("authorization"), "Bearer t1");
            peer.answer(request.stream, 401, &[], &refusal("UNAUTHENTICATED", ""))
                .await;
        }
        let again = peer.requests(3).await;
        for request in &again {
            assert_eq!(request.header("authorization"), "Bearer t2");
        }
        assert_eq!(rig.mint.asked(), 2, "one new one for all of them");
        peer.answer(again[0].stream, 200, &[], TAKEN).await;
        assert_eq!(rig.accepted(1).await.len(), 1);
        // The new one is refused too: it is the credential, and that is told.
        peer.answer(again[1].stream, 401, &[], &refusal("UNAUTHENTICATED", ""))
            .await;
        let (_, rejected) = rig.rejected().await;
        assert_eq!(rejected.reason, Reason::Unauthenticated);
        // A new push does not wear out the token endpoint either.
        rig.push([4]);
        let request = peer.request().await;
        peer.answer(request.stream, 401, &[], &refusal("UNAUTHENTICATED", ""))
            .await;
        let (tag, rejected) = rig.rejected().await;
        assert_eq!((tag, rejected.reason), (4, Reason::Unauthenticated));
        assert_eq!(rig.mint.asked(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_401_about_apples_key_is_not_about_ours() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        let body = refusal("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR");
        peer.answer(request.stream, 401, &[], &body).await;
        assert_eq!(rig.rejected().await.1.reason, Reason::ThirdPartyAuth);
        assert_eq!(rig.mint.asked(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_access_token_that_ends_in_the_queue_is_not_written() {
    local(async {
        let mut rig = Rig::without_tokens(ConnectionConfig::default());
        rig.mint.permit(1);
        rig.push([1]);
        rig.until(Rig::has_peer).await;
        // An hour passes before the peer says how many streams it takes.
        rig.clock.pass(3_600);
        let mut peer = rig.peer(100).await;
        rig.until(|rig| rig.mint.asked() == 2).await;
        rig.mint.permit(1);
        let request = peer.request().await;
        assert_eq!(request.header("authorization"), "Bearer t2");
        peer.answer(request.stream, 200, &[], TAKEN).await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn the_projects_quota_pauses_everything_and_a_devices_quota_nothing() {
    local(async {
        let quota = Arc::new(Mutex::new(Quota::new(QuotaConfig::default(), std::time::Instant::now())));
        let mut rig = Rig::new(ConnectionConfig {
            quota: Some(quota.clone()),
            ..ConnectionConfig::default()
        });
        rig.push(1..=2);
        let mut peer = rig.peer(100).await;
        let requests = peer.requests(2).await;
        let body = refusal("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED");
        peer.answer(requests[0].stream, 429, &[("retry-after", "7")], &body).await;
        let (_, rejected) = rig.rejected().await;
        assert_eq!((rejected.reason, rejected.wait()), (Reason::QuotaExceeded, Some(MINUTE)));
        assert_eq!(rig.connection.status().paused_for, None);

        let body = r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
            "reason":"RATE_LIMIT_EXCEEDED","metadata":{"quota_limit":"SendsPerMinutePerProject"}}]}}"#;
        peer.answer(requests[1].stream, 429, &[], body).await;
        let (_, rejected) = rig.rejected().await;
        assert_eq!(rejected.reason, Reason::ProjectQuotaExceeded);
        let pause = rig.connection.status().paused_for.unwrap();
        assert!(pause > MINUTE - Duration::from_secs(5) && pause <= MINUTE + Duration::from_secs(6), "{pause:?}");
        assert_eq!(rig.connection.free_capacity(), 0);
        assert_eq!(quota.lock().unwrap().available(rig.clock.now().monotonic), 0);
    })
    .await;
}

#[tokio::test]
async fn no_more_is_taken_than_the_quota_has() {
    local(async {
        let rig = Rig::new(ConnectionConfig::default());
        let settings = QuotaConfig {
            per_minute: 610,
            start: 1.0,
            ..QuotaConfig::default()
        };
        let quota = Quota::new(settings, rig.clock.now().monotonic);
        let rig = Rig::new(ConnectionConfig {
            quota: Some(Arc::new(Mutex::new(quota))),
            ..ConnectionConfig::default()
        });
        assert_eq!(rig.connection.free_capacity(), 10);
        let mut batch = (0..25).map(|tag| rig.make(tag)).collect();
        assert_eq!(rig.connection.submit(&mut batch), 10);
        assert_eq!((batch.len(), rig.connection.free_capacity()), (15, 0));
        rig.clock.pass(1);
        assert_eq!(rig.connection.submit(&mut batch), 10);
    })
    .await;
}

#[tokio::test]
async fn what_fcm_never_processed_is_sent_again_unseen() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push(1..=3);
        let mut peer = rig.peer(100).await;
        let requests = peer.requests(3).await;
        peer.reset(requests[0].stream, REFUSED_STREAM).await;
        for request in &requests[1..] {
            peer.answer(request.stream, 200, &[], TAKEN).await;
        }
        let again = peer.request().await;
        assert_eq!(tag_of(&again), 1);
        peer.answer(again.stream, 200, &[], TAKEN).await;
        assert_eq!(rig.accepted(3).await, [1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn what_is_above_a_goaway_goes_to_another_connection() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push(1..=2);
        let mut peer = rig.peer(100).await;
        let requests = peer.requests(2).await;
        // What Google does when a connection has too many streams.
        peer.goaway(
            requests[0].stream,
            NO_ERROR,
            b"exceeded_max_concurrent_streams",
        )
        .await;
        let mut fresh = rig.peer(100).await;
        let again = fresh.request().await;
        assert_eq!(tag_of(&again), 2);
        fresh.answer(again.stream, 200, &[], TAKEN).await;
        peer.answer(requests[0].stream, 200, &[], TAKEN).await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn what_may_have_been_processed_is_told_and_not_sent_again() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push(1..=2);
        let mut peer = rig.peer(100).await;
        let requests = peer.requests(2).await;
        peer.reset(requests[0].stream, CANCEL).await;
        let (tag, error) = rig.failed().await;
        assert_eq!(
            (tag, error.kind(), error.maybe_sent()),
            (1, ErrorKind::Reset, true)
        );
        drop(peer);
        let (tag, error) = rig.failed().await;
        assert_eq!(
            (tag, error.kind(), error.maybe_sent()),
            (2, ErrorKind::ConnectionLost, true)
        );
        assert_eq!(rig.connection.status().queued, 0);
    })
    .await;
}

#[tokio::test]
async fn closing_waits_for_the_answers_still_owed() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        let request = peer.request().await;
        tokio::join!(
            rig.connection.close(Instant::now() + MINUTE),
            peer.answer(request.stream, 200, &[], TAKEN)
        );
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn closing_tells_everybody() {
    local(async {
        let mut rig = Rig::without_tokens(ConnectionConfig::default());
        rig.mint.permit(1);
        rig.push([1]);
        let mut peer = rig.peer(100).await;
        peer.request().await;
        // The next one waits for an access token that never comes.
        rig.clock.pass(3_600);
        rig.push([2]);
        rig.until(|rig| rig.mint.asked() == 2).await;
        rig.connection.close(Instant::now()).await;
        assert_eq!(rig.connection.free_capacity(), 0);
        let mut ends = [rig.failed().await, rig.failed().await];
        ends.sort_by_key(|(tag, _)| *tag);
        let kinds: Vec<_> = ends
            .iter()
            .map(|(tag, error)| (*tag, error.kind()))
            .collect();
        assert_eq!(
            kinds,
            [(1, ErrorKind::ConnectionLost), (2, ErrorKind::Closed)]
        );
    })
    .await;
}

#[tokio::test]
async fn waiting_pushes_can_be_taken_back_and_have_their_last_moment() {
    local(async {
        let mut rig = Rig::without_tokens(ConnectionConfig::default());
        rig.push(1..=4);
        let mut late = rig.make(5);
        late.write_by = Some(Instant::now());
        rig.connection.submit(&mut [late].into());
        let back = rig.connection.withdraw(|push| push.tag % 2 == 0);
        assert_eq!(back.iter().map(|push| push.tag).collect::<Vec<_>>(), [2, 4]);
        rig.until(|rig| rig.mint.asked() == 1).await;
        rig.mint.permit(1);
        let mut peer = rig.peer(100).await;
        let requests = peer.requests(2).await;
        assert_eq!(requests.iter().map(tag_of).collect::<Vec<_>>(), [1, 3]);
        let (tag, error) = rig.failed().await;
        assert_eq!((tag, error.kind()), (5, ErrorKind::Expired));
    })
    .await;
}

#[tokio::test]
async fn an_access_token_that_takes_too_long_ends_the_wait() {
    local(async {
        let mut rig = Rig::without_tokens(ConnectionConfig {
            access_token_timeout: Duration::from_millis(20),
            ..ConnectionConfig::default()
        });
        rig.push([1]);
        let (tag, error) = rig.failed().await;
        assert_eq!(
            (tag, error.kind(), error.maybe_sent()),
            (1, ErrorKind::AccessToken, false)
        );
        assert!(error.to_string().contains("too long"), "{error}");
    })
    .await;
}
