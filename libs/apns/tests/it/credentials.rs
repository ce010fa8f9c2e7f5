//! What answers about the provider token lead to, and what they must never lead to.

use std::collections::HashSet;
use std::time::Duration;

use apns::pool::Config;
use apns::{ClientCertificate, ConnectionConfig, Reason};
use rcgen::{CertificateParams, KeyPair};

use crate::rig::{Rig, local, tags_of};

fn one_connection() -> ConnectionConfig {
    let pool = Config {
        max_connections: 1,
        ..Config::default()
    };
    ConnectionConfig {
        pool,
        ..ConnectionConfig::default()
    }
}

#[tokio::test]
async fn an_expired_provider_token_costs_one_new_one_and_one_connection_however_many_complain() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(1_000).await;
        rig.push(1..=100);
        let requests = peer.requests(100).await;
        let old = requests[0].header("authorization").to_owned();
        rig.clock.pass(30);
        for request in &requests {
            peer.reject(request.stream, 403, "ExpiredProviderToken")
                .await;
        }
        peer.closed().await;

        let mut second = rig.peer(1_000).await;
        let first = second.request().await;
        assert!(
            second.no_request().await,
            "a new connection begins with one stream again"
        );
        let new = first.header("authorization").to_owned();
        assert_ne!(new, old);
        second.accept_push(first.stream).await;
        let mut again = second.requests(99).await;
        again.push(first.clone());
        assert!(
            again
                .iter()
                .all(|request| request.header("authorization") == new)
        );
        let tags: HashSet<_> = tags_of(&again).into_iter().collect();
        assert_eq!(tags.len(), 100, "each of them once, with its own apns-id");
        for request in &again[..99] {
            second.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(100).await, (1..=100).collect::<Vec<_>>());
        assert_eq!(
            rig.signed(),
            2,
            "one at the start and one after the complaints"
        );
        assert!(!rig.has_peer());
    })
    .await;
}

#[tokio::test]
async fn a_provider_token_called_expired_too_soon_is_reported_and_not_signed_again() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push([1]);
        let mut peer = rig.peer(1_000).await;
        let request = peer.request().await;
        rig.clock.pass(5);
        peer.reject(request.stream, 403, "ExpiredProviderToken")
            .await;
        assert_eq!(rig.rejected_for(Reason::ExpiredProviderToken).await, 1);
        assert_eq!(rig.signed(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_provider_token_that_stays_expired_is_not_chased_for_ever() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push([1]);
        for round in 0..3 {
            let mut peer = rig.peer(1_000).await;
            let request = peer.request().await;
            rig.clock.pass(30);
            peer.reject(request.stream, 403, "ExpiredProviderToken")
                .await;
            peer.closed().await;
            assert!(rig.signed() <= round + 2);
        }
        assert_eq!(rig.rejected_for(Reason::ExpiredProviderToken).await, 1);
    })
    .await;
}

#[tokio::test]
async fn the_usual_renewal_goes_on_on_the_same_connection() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(1_000).await;
        let mut seen = Vec::new();
        for tag in 1..=3 {
            rig.push([tag]);
            let request = peer.request().await;
            seen.push(request.header("authorization").to_owned());
            peer.accept_push(request.stream).await;
            rig.clock.pass(23);
        }
        assert_eq!(rig.accepted(3).await, [1, 2, 3]);
        assert_eq!(seen[0], seen[1], "23 minutes are no age");
        assert_ne!(seen[1], seen[2], "46 minutes are");
        assert_eq!(rig.connection.status().connections, 1);
    })
    .await;
}

#[tokio::test]
async fn too_many_updates_fall_back_to_the_accepted_provider_token_without_signing() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(1_000).await;
        rig.clock.pass(46);
        rig.push(1..=20);
        let requests = peer.requests(20).await;
        let new = requests[0].header("authorization").to_owned();
        for request in &requests {
            peer.reject(request.stream, 429, "TooManyProviderTokenUpdates")
                .await;
        }
        let again = peer.requests(20).await;
        assert!(
            again
                .iter()
                .all(|request| request.header("authorization") != new)
        );
        let mut tags = tags_of(&again);
        tags.sort_unstable();
        assert_eq!(tags, (1..=20).collect::<Vec<_>>());
        for request in again {
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(20).await, (1..=20).collect::<Vec<_>>());
        assert_eq!(
            rig.signed(),
            2,
            "the first and the renewal, none in reaction"
        );
        assert_eq!(rig.connection.status().paused_for, None);

        // Once the old one is too old, the new one is tried again; refused again, the connection is replaced.
        rig.clock.pass(14);
        rig.push([21]);
        let request = peer.request().await;
        assert_eq!(request.header("authorization"), new);
        peer.reject(request.stream, 429, "TooManyProviderTokenUpdates")
            .await;
        peer.closed().await;
        let mut second = rig.peer(1_000).await;
        let request = second.request().await;
        assert_eq!(request.header("authorization"), new);
        second.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [21]);
        assert_eq!(rig.signed(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn too_many_updates_with_nothing_to_fall_back_to_are_a_pause() {
    local(async {
        let mut rig = Rig::new(one_connection());
        rig.push(1..=2);
        let mut peer = rig.peer(1_000).await;
        let request = peer.request().await;
        peer.reject(request.stream, 429, "TooManyProviderTokenUpdates")
            .await;
        assert_eq!(
            rig.rejected_for(Reason::TooManyProviderTokenUpdates).await,
            1
        );
        let status = rig.connection.status();
        let paused_for = status.paused_for.unwrap();
        assert!(
            paused_for > Duration::from_secs(19 * 60) && paused_for <= Duration::from_secs(20 * 60)
        );
        assert_eq!((status.queued, rig.connection.free_capacity()), (1, 0));
        assert!(peer.no_request().await);
        // What waits is given back when its time in the queue is over, not burnt against a closed door.
        let error = rig.finished().await.result.unwrap_err();
        assert!(error.is_timeout() && !error.maybe_sent(), "{error}");
        assert_eq!(rig.signed(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_unrelated_key_works_on_a_new_connection() {
    local(async {
        let mut rig = Rig::new(one_connection());
        let mut peer = rig.trusted(1_000).await;
        rig.push([1]);
        let request = peer.request().await;
        peer.reject(request.stream, 403, "UnrelatedKeyIdInToken")
            .await;
        peer.closed().await;
        let mut second = rig.peer(1_000).await;
        let again = second.request().await;
        assert_eq!(again.header("apns-id"), request.header("apns-id"));
        second.accept_push(again.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
        assert_eq!(rig.signed(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_certificate_sends_no_provider_token_and_uses_all_streams_at_once() {
    local(async {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["net.example.pager".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let certificate = ClientCertificate::from_pem_pair(
            certificate.pem().as_bytes(),
            key.serialize_pem().as_bytes(),
        )
        .unwrap();
        let mut rig = Rig::with(one_connection(), Some(certificate.into()));
        rig.push(1..=5);
        let mut peer = rig.peer(1_000).await;
        for request in peer.requests(5).await {
            assert!(!request.headers.contains_key("authorization"));
            assert_eq!(request.header("apns-topic"), "net.example.pager");
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(5).await, [1, 2, 3, 4, 5]);
        assert_eq!(rig.signed(), 0);
    })
    .await;
}
