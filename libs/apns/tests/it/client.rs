//! The client for everybody, over real TLS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apns::pool::Config;
use apns::{
    ApnsTopic, Client, ConnectionConfig, Endpoint, ErrorKind, Payload, ProviderTokens, Proxy,
    PushType, Reason, Request, Response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::peer::watched;
use crate::rig::signing_key;
use crate::server::Server;

const MINUTE: Duration = Duration::from_secs(60);

fn request(number: u64) -> Request {
    let payload = Payload::raw(
        PushType::Alert,
        format!("{{\"aps\":{{\"badge\":{number}}}}}"),
    );
    Request::builder(
        format!("0badc0de{number:056x}").parse().unwrap(),
        ApnsTopic::new("net.example.pager").unwrap(),
        payload.unwrap(),
    )
    .build()
    .unwrap()
}

fn client(server: &Server) -> Client {
    Client::builder(ProviderTokens::new(signing_key()))
        .endpoint(server.endpoint())
        .build()
        .unwrap()
}

fn accept_all(_: &crate::server::Seen) -> crate::server::Answer {
    (200, vec![], String::new())
}

#[tokio::test]
async fn an_acceptance_and_a_rejection_are_both_answers() {
    watched(async {
        let server = Server::start(|seen| match &seen.body[..] {
            br#"{"aps":{"badge":1}}"# => (
                200,
                vec![("apns-id", seen.header("apns-id").to_uppercase())],
                String::new(),
            ),
            _ => (400, vec![], r#"{"reason":"BadDeviceToken"}"#.to_owned()),
        })
        .await;
        let client = client(&server);
        let first = request(1);
        let answer = client.send(first.clone()).await.unwrap();
        assert_eq!(answer.apns_id(), Some(first.apns_id()));
        assert!(answer.is_accepted());
        let Response::Rejected(rejected) = client.send(request(2)).await.unwrap() else {
            panic!()
        };
        assert_eq!(
            (rejected.status, rejected.reason),
            (400, Reason::BadDeviceToken)
        );

        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].method, "POST");
        assert_eq!(seen[0].path, first.path());
        assert_eq!(seen[0].authority, format!("localhost:{}", server.port));
        assert_eq!(seen[0].header("apns-topic"), "net.example.pager");
        assert!(seen[0].header("authorization").starts_with("bearer ey"));
    })
    .await;
}

#[tokio::test]
async fn many_callers_share_it_and_each_gets_his_own_answer() {
    watched(async {
        let server = Server::start(|seen| {
            let badge: u64 = std::str::from_utf8(&seen.body)
                .unwrap()
                .trim_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap();
            if badge.is_multiple_of(3) {
                return (
                    410,
                    vec![],
                    format!("{{\"reason\":\"Unregistered\",\"timestamp\":{badge}}}"),
                );
            }
            (200, vec![], String::new())
        })
        .await;
        let client = client(&server);
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..500_u64 {
            let client = client.clone();
            callers.spawn(async move {
                match client.send(request(number)).await.unwrap() {
                    Response::Accepted(_) => assert!(!number.is_multiple_of(3)),
                    Response::Rejected(rejected) => {
                        assert_eq!(rejected.timestamp_ms, Some(number));
                        assert!(number.is_multiple_of(3));
                    }
                }
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        assert_eq!(server.seen().len(), 500);
        client.close(MINUTE).await;
    })
    .await;
}

#[tokio::test]
async fn closing_waits_for_answers_and_then_refuses() {
    watched(async {
        let gate = Arc::new(Semaphore::new(0));
        let arrived = Arc::new(Semaphore::new(0));
        let server = Server::start(accept_all).await;
        let slow = SlowPeer::start(gate.clone(), arrived.clone()).await;
        // Through a peer that holds the answer back until it is told.
        let proxied = server.endpoint().proxy(Proxy::new("127.0.0.1", slow.port));
        let client = Client::builder(ProviderTokens::new(signing_key()))
            .endpoint(proxied)
            .max_waiting(4)
            .build()
            .unwrap();
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.send(request(1)).await }
        });
        arrived.acquire().await.unwrap().forget();
        let closing = tokio::spawn({
            let client = client.clone();
            async move { client.close(MINUTE).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.add_permits(1);
        assert!(waiting.await.unwrap().unwrap().is_accepted());
        closing.await.unwrap();
        let error = client.send(request(2)).await.unwrap_err();
        assert!(error.is_closed() && !error.maybe_sent(), "{error}");
        client.close(MINUTE).await;
    })
    .await;
}

/// A proxy that says when the tunnel is asked for, and grants it when told to.
struct SlowPeer {
    port: u16,
}

impl SlowPeer {
    async fn start(gate: Arc<Semaphore>, arrived: Arc<Semaphore>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(client.read_u8().await.unwrap());
            }
            arrived.add_permits(1);
            gate.acquire().await.unwrap().forget();
            let asked = String::from_utf8(asked).unwrap();
            let target = asked
                .split(' ')
                .nth(1)
                .unwrap()
                .replace("localhost", "127.0.0.1");
            let mut server = TcpStream::connect(target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            // The client ends the conversation in its own way.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        Self { port }
    }
}

#[tokio::test]
async fn the_last_clone_dropped_ends_the_thread_after_the_answers() {
    watched(async {
        let server = Server::start(accept_all).await;
        let client = client(&server);
        let sent = tokio::spawn({
            let client = client.clone();
            async move { client.send(request(1)).await }
        });
        drop(client);
        assert!(sent.await.unwrap().unwrap().is_accepted());
    })
    .await;
}

#[tokio::test]
async fn nobody_there_is_certainly_not_sent() {
    watched(async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let pool = Config {
            backoff_min: Duration::from_millis(1),
            backoff_max: Duration::from_millis(2),
            ..Config::default()
        };
        let client = Client::builder(ProviderTokens::new(signing_key()))
            .endpoint(Endpoint::new("127.0.0.1", port))
            .config(ConnectionConfig {
                pool,
                ..ConnectionConfig::default()
            })
            .build()
            .unwrap();
        let error = client.send(request(1)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Connect, false)
        );
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_stranger_with_another_certificate_gets_nothing() {
    watched(async {
        let server = Server::start(accept_all).await;
        let pool = Config {
            connect_attempts: 1,
            ..Config::default()
        };
        let client = Client::builder(ProviderTokens::new(signing_key()))
            .endpoint(Endpoint::new("localhost", server.port))
            .config(ConnectionConfig {
                pool,
                ..ConnectionConfig::default()
            })
            .build()
            .unwrap();
        let error = client.send(request(1)).await.unwrap_err();
        assert!(error.is_connect(), "{error}");
        assert!(server.seen().is_empty());
    })
    .await;
}

#[test]
fn what_cannot_work_is_said_at_once() {
    let builder = || Client::builder(ProviderTokens::new(signing_key()));
    let error = builder()
        .endpoint(Endpoint::new("not a host", 443))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error = builder()
        .extra_ca_pem(b"no certificate")
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("extra CA"), "{error}");
}

#[tokio::test]
async fn a_stranger_may_use_it_from_many_threads() {
    watched(async {
        let server = Server::start(accept_all).await;
        let client = client(&server);
        let results = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (client, results) = (client.clone(), results.clone());
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    for number in 0..20 {
                        let answer = runtime.block_on(client.send(request(thread * 100 + number)));
                        results.lock().unwrap().push(answer.unwrap().is_accepted());
                    }
                })
            })
            .collect();
        tokio::task::spawn_blocking(move || {
            for thread in threads {
                thread.join().unwrap();
            }
        })
        .await
        .unwrap();
        assert_eq!(*results.lock().unwrap(), [true; 80]);
    })
    .await;
}
