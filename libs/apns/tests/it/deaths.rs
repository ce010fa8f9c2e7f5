//! Deadlines and closing, as the engine sees them.

use std::time::Duration;

use apns::{ConnectionConfig, ErrorKind, Response};
use tokio::time::Instant;

use crate::rig::{Rig, local};

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_told_after_the_doubt() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(10).await;
        rig.push([1]);
        let request = peer.request().await;
        let finished = rig.finished().await;
        let error = finished.result.unwrap_err();
        assert_eq!(
            (finished.tag, error.kind(), finished.late),
            (1, ErrorKind::Timeout, false)
        );
        assert!(error.maybe_sent());
        peer.reject(request.stream, 410, "Unregistered").await;
        let finished = rig.finished().await;
        assert_eq!((finished.tag, finished.late), (1, true));
        assert!(matches!(finished.result, Ok(Response::Rejected(_))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_late_complaint_about_the_connection_is_no_reason_to_send_again() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(10).await;
        rig.push([1]);
        let request = peer.request().await;
        assert!(rig.finished().await.result.is_err());
        peer.reject(request.stream, 503, "Shutdown").await;
        let finished = rig.finished().await;
        assert!(finished.late && finished.result.is_ok());
        peer.closed().await;
        assert!(!rig.has_peer());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_its_last_moment() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut push = rig.make(1);
        push.write_by = Some(Instant::now() + Duration::from_secs(1));
        rig.connection.submit(&mut [push].into());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut peer = rig.peer(10).await;
        let finished = rig.finished().await;
        let error = finished.result.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Expired, false)
        );
        assert_eq!(finished.connection, None);
        assert!(peer.no_request().await);
    })
    .await;
}

#[tokio::test]
async fn closing_lets_outcomes_be_taken_meanwhile() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(10).await;
        rig.push(1..=3);
        let served = tokio::task::spawn_local(async move {
            let requests = peer.requests(3).await;
            for request in requests {
                peer.accept_push(request.stream).await;
            }
            peer.closed().await;
        });
        rig.connection
            .close(Instant::now() + Duration::from_secs(30))
            .await;
        assert_eq!(rig.accepted(3).await, [1, 2, 3]);
        served.await.unwrap();
        assert_eq!(rig.connection.free_capacity(), 0);
    })
    .await;
}
