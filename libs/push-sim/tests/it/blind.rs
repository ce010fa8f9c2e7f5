//! The blind gateway: answers everything, looks at nothing, counts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use push_sim::{Authority, BlindAnswer, BlindConfig, BlindServer};

use crate::support::{Peer, Push, finish, soon};

async fn connect(blind: &BlindServer) -> Peer {
    Peer::dial(blind.ca_pem(), blind.address(), None)
        .await
        .expect("connect")
}

#[tokio::test]
async fn answers_everything_with_an_id_of_its_own() {
    let blind = BlindServer::start(BlindConfig::default()).unwrap();
    let mut peer = connect(&blind).await;
    let nonsense = Push::v2().token("nonsense").path("/nowhere");
    let mut waiting = Vec::new();
    for n in 0..900 {
        let body = vec![b'x'; n * 4];
        waiting.push(peer.open(&nonsense.clone().body(body)).unwrap());
    }
    let mut ids = HashSet::new();
    for response in waiting {
        let reply = soon(finish(response)).await.unwrap();
        assert_eq!(reply.status, 200);
        assert!(reply.ended_with_headers);
        ids.insert(uuid::Uuid::parse_str(reply.header("apns-id").unwrap()).unwrap());
    }
    assert_eq!(ids.len(), 900);
    assert_eq!((blind.requests(), blind.connections()), (900, 1));
    blind.shutdown();
    assert!(
        soon(peer.driver).await.is_ok(),
        "the connection ends with the server"
    );
}

#[tokio::test]
async fn web_pushes_are_answered_with_a_location_of_their_own() {
    let config = BlindConfig {
        answer: BlindAnswer::WebPush,
        ..BlindConfig::default()
    };
    let blind = BlindServer::start(config).unwrap();
    let mut peer = connect(&blind).await;
    let mut locations = HashSet::new();
    for _ in 0..20 {
        let reply = peer.push(&Push::v2().path("/wpush/v2/anything")).await;
        assert_eq!(reply.status, 201);
        assert!(reply.ended_with_headers);
        let location = reply.header("location").unwrap();
        assert!(location.starts_with("https://"), "{location}");
        locations.insert(location.to_owned());
    }
    assert_eq!((locations.len(), blind.requests()), (20, 20));
}

#[tokio::test]
async fn more_bodies_than_any_window() {
    let blind = BlindServer::start(BlindConfig::default()).unwrap();
    let mut peer = connect(&blind).await;
    let push = Push::v2().body(vec![b'x'; 64 * 1024]);
    for _ in 0..400 {
        assert_eq!(peer.push(&push).await.status, 200);
    }
    assert_eq!(blind.requests(), 400);
}

#[tokio::test]
async fn answers_come_after_the_delay_and_in_order() {
    for separate_records in [false, true] {
        let delay = Duration::from_millis(50);
        let config = BlindConfig {
            delay,
            separate_records,
            ..BlindConfig::default()
        };
        let blind = BlindServer::start(config).unwrap();
        let mut peer = connect(&blind).await;
        let begun = Instant::now();
        let waiting: Vec<_> = (0..20).map(|_| peer.open(&Push::v2()).unwrap()).collect();
        let mut last = None;
        for response in waiting {
            let reply = soon(finish(response)).await.unwrap();
            assert!(begun.elapsed() >= delay);
            let id = reply.header("apns-id").unwrap().to_owned();
            assert!(last.as_ref() < Some(&id), "{last:?} {id}");
            last = Some(id);
        }
    }
}

#[tokio::test]
async fn answers_pings_and_states_its_limit() {
    let config = BlindConfig {
        max_streams: 7,
        ..BlindConfig::default()
    };
    let blind = BlindServer::start(config).unwrap();
    let mut peer = connect(&blind).await;
    soon(peer.pings.as_mut().unwrap().ping(h2::Ping::opaque()))
        .await
        .unwrap();
    assert_eq!(peer.send.current_max_send_streams(), 7);
}

#[tokio::test]
async fn google_can_be_blind_too() {
    let authority = Arc::new(Authority::generate().unwrap());
    let start = |answer| {
        BlindServer::start(BlindConfig {
            authority: Some(Arc::clone(&authority)),
            answer,
            max_streams: 100,
            ..BlindConfig::default()
        })
        .unwrap()
    };
    let (sends, grants) = (
        start(BlindAnswer::Fcm),
        start(BlindAnswer::AccessToken { length: 300 }),
    );
    assert_eq!(sends.ca_pem(), grants.ca_pem(), "trusted as one");
    let mut peer = connect(&grants).await;
    let grant = peer.push(&Push::v2()).await.json();
    assert_eq!(
        (&grant["token_type"], &grant["expires_in"]),
        (&"Bearer".into(), &3599.into())
    );
    assert_eq!(grant["access_token"].as_str().unwrap().len(), 300);
    let mut peer = connect(&sends).await;
    let waiting: Vec<_> = (0..90).map(|_| peer.open(&Push::v2()).unwrap()).collect();
    let mut names = HashSet::new();
    for response in waiting {
        let reply = soon(finish(response)).await.unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        names.insert(reply.json()["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 90);
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("projects/blind/messages/0:"))
    );
    assert_eq!(sends.requests(), 90);
}
