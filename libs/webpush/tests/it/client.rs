//! The client for everybody, over real TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use webpush::pool::{Config, Resolve};
use webpush::{
    Client, ClientBuilder, ConnectionConfig, ErrorKind, Guard, Origin, Response, SubscriptionFate,
};

use crate::browser::{Browser, verified};
use crate::peer::watched;
use crate::rig::vapid;
use crate::server::{Answer, Seen, Server};

const MINUTE: Duration = Duration::from_secs(60);

fn accept_all(_: &Seen) -> Answer {
    (201, vec![], String::new())
}

fn builder(servers: &[&Server]) -> ClientBuilder {
    let mut guard = Guard::known_services();
    for server in servers {
        guard = guard.trust(server.origin());
    }
    let mut builder = Client::builder(vapid()).guard(guard);
    for server in servers {
        builder = builder.extra_ca_pem(server.ca_pem.as_bytes());
    }
    builder
}

fn client(server: &Server) -> Client {
    builder(&[server]).build().unwrap()
}

#[tokio::test]
async fn an_acceptance_and_a_rejection_are_both_answers() {
    watched(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/push/1?x=1" => (
                201,
                vec![("location", "https://localhost/m/1".to_owned())],
                String::new(),
            ),
            _ => (410, vec![], "gone".to_owned()),
        })
        .await;
        let client = client(&server);
        let browsers = [1, 2].map(|number| Browser::subscribe(&server.endpoint(number)));
        let Response::Accepted(accepted) =
            client.send(&browsers[0].request("hello")).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (accepted.status, accepted.location.as_deref()),
            (201, Some("https://localhost/m/1"))
        );
        let Response::Rejected(rejected) =
            client.send(&browsers[1].request("hello")).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(
            (rejected.fate(), &*rejected.reason),
            (SubscriptionFate::Prune, "gone")
        );

        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(
            (seen[0].method.as_str(), seen[0].path.as_str()),
            ("POST", "/push/1?x=1")
        );
        assert_eq!(seen[0].authority, format!("localhost:{}", server.port));
        let (claims, _) = verified(seen[0].header("authorization"));
        assert_eq!(claims["aud"], format!("https://localhost:{}", server.port));
        assert_eq!(browsers[0].read(&seen[0].body), "hello");
        client.close(MINUTE).await;
    })
    .await;
}

#[tokio::test]
async fn many_callers_share_it_over_two_origins_and_each_gets_his_own_answer() {
    watched(async {
        let odd_ones_are_gone = |seen: &Seen| {
            let number: usize = seen
                .path
                .trim_matches(|c: char| !c.is_ascii_digit())
                .split('?')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            (
                if number.is_multiple_of(2) { 201 } else { 410 },
                vec![],
                String::new(),
            )
        };
        let servers = [
            Server::start(odd_ones_are_gone).await,
            Server::start(odd_ones_are_gone).await,
        ];
        let client = builder(&[&servers[0], &servers[1]]).build().unwrap();
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..200_usize {
            let browser = Browser::subscribe(&servers[number / 100].endpoint(number));
            let client = client.clone();
            callers.spawn(async move {
                let answer = client.send(&browser.request("x")).await.unwrap();
                assert_eq!(answer.is_accepted(), number.is_multiple_of(2), "{number}");
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        assert_eq!(
            servers.each_ref().map(|server| server.seen().len()),
            [100, 100]
        );
        client.close(MINUTE).await;
    })
    .await;
}

#[tokio::test]
async fn a_429_closes_one_origin_and_leaves_the_others_alone() {
    watched(async {
        let strict =
            Server::start(|_| (429, vec![("retry-after", "3600".to_owned())], String::new())).await;
        let kind = Server::start(accept_all).await;
        let client = builder(&[&strict, &kind]).build().unwrap();
        let at_strict = Browser::subscribe(&strict.endpoint(1));
        let at_kind = Browser::subscribe(&kind.endpoint(1));
        let Response::Rejected(rejected) = client.send(&at_strict.request("x")).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(rejected.retry_after, Some(Duration::from_secs(3600)));
        let error = client.send(&at_strict.request("x")).await.unwrap_err();
        assert!(error.is_busy() && !error.maybe_sent(), "{error}");
        assert!(
            error.retry_after().is_some_and(|wait| wait <= MINUTE),
            "{error}"
        );
        assert!(
            client
                .send(&at_kind.request("x"))
                .await
                .unwrap()
                .is_accepted()
        );
        assert_eq!((strict.seen().len(), kind.seen().len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn the_origins_are_bounded_and_an_idle_one_makes_room() {
    watched(async {
        let servers = [
            Server::start(accept_all).await,
            Server::start(accept_all).await,
        ];
        let client = builder(&[&servers[0], &servers[1]])
            .max_origins(1)
            .build()
            .unwrap();
        let browsers = servers
            .each_ref()
            .map(|server| Browser::subscribe(&server.endpoint(1)));
        for turn in [0, 1, 0] {
            assert!(
                client
                    .send(&browsers[turn].request("x"))
                    .await
                    .unwrap()
                    .is_accepted()
            );
        }
        assert_eq!(
            servers.each_ref().map(Server::connections),
            [2, 1],
            "each time anew"
        );
    })
    .await;
}

#[tokio::test]
async fn an_origin_that_nobody_pushes_to_is_let_go() {
    watched(async {
        let server = Server::start(accept_all).await;
        let client = builder(&[&server])
            .idle_timeout(Duration::from_millis(20))
            .build()
            .unwrap();
        let browser = Browser::subscribe(&server.endpoint(1));
        assert!(
            client
                .send(&browser.request("x"))
                .await
                .unwrap()
                .is_accepted()
        );
        server.ended.acquire().await.unwrap().forget();
        assert!(
            client
                .send(&browser.request("x"))
                .await
                .unwrap()
                .is_accepted()
        );
        assert_eq!(server.connections(), 2);
    })
    .await;
}

/// Knows this machine and no other.
struct OnlyLocalhost;

impl Resolve for OnlyLocalhost {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>> {
        let here = (host == "localhost").then(|| ([127, 0, 0, 1], port).into());
        Box::pin(async move { Ok(here.into_iter().collect()) })
    }
}

#[tokio::test]
async fn with_every_origin_busy_a_push_is_refused_and_not_lost() {
    watched(async {
        // A peer that takes the connection and never says a word keeps its origin busy.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let kind = Server::start(accept_all).await;
        let guard = Guard::known_services()
            .trust(kind.origin())
            .trust(Origin::new("localhost", port).unwrap());
        let pool = Config {
            connect_attempts: 1,
            ..Config::default()
        };
        let config = ConnectionConfig {
            pool,
            ..ConnectionConfig::default()
        };
        let client = builder(&[&kind])
            .guard(guard)
            .max_origins(1)
            .resolver(Arc::new(OnlyLocalhost))
            .config(config)
            .build()
            .unwrap();
        let stuck = Browser::subscribe(&format!("https://localhost:{port}/x"));
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.send(&stuck.request("x")).await }
        });
        let (held, _) = silent.accept().await.unwrap();
        let browser = Browser::subscribe(&kind.endpoint(1));
        let error = client.send(&browser.request("x")).await.unwrap_err();
        assert!(error.is_busy(), "{error}");
        assert!(error.to_string().contains("1 origins are busy"), "{error}");
        // A known service has a place of its own; nobody is there, but that is another answer.
        let at_apple = Browser::subscribe("https://web.push.apple.com/x");
        let error = client.send(&at_apple.request("x")).await.unwrap_err();
        assert!(error.is_connect(), "{error}");
        client.close(Duration::ZERO).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Closed, false)
        );
        drop(held);
    })
    .await;
}

#[tokio::test]
async fn closing_waits_for_the_answers_owed() {
    watched(async {
        let arrived = Arc::new(Semaphore::new(0));
        let server = Server::start({
            let arrived = arrived.clone();
            move |_| {
                arrived.add_permits(1);
                (201, vec![], String::new())
            }
        })
        .await;
        let client = client(&server);
        let calls: Vec<_> = (0..20)
            .map(|number| {
                let (client, browser) =
                    (client.clone(), Browser::subscribe(&server.endpoint(number)));
                tokio::spawn(async move { client.send(&browser.request("x")).await })
            })
            .collect();
        let _ = arrived.acquire_many(20).await.unwrap();
        client.close(MINUTE).await;
        for call in calls {
            assert!(call.await.unwrap().unwrap().is_accepted());
        }
        let browser = Browser::subscribe(&server.endpoint(1));
        assert!(
            client
                .send(&browser.request("x"))
                .await
                .unwrap_err()
                .is_closed()
        );
        client.close(MINUTE).await;
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
        let config = ConnectionConfig {
            pool,
            ..ConnectionConfig::default()
        };
        let guard = Guard::default().trust(Origin::new("localhost", port).unwrap());
        let client = Client::builder(vapid())
            .guard(guard)
            .config(config)
            .build()
            .unwrap();
        let browser = Browser::subscribe(&format!("https://localhost:{port}/SECRET"));
        let error = client.send(&browser.request("x")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Connect, false)
        );
        assert!(!error.to_string().contains("SECRET"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_stranger_may_use_it_from_many_threads() {
    fn is_for_everybody<T: Send + Sync + Clone>(_: &T) {}
    watched(async {
        let server = Server::start(accept_all).await;
        let client = client(&server);
        is_for_everybody(&client);
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (client, endpoint) = (client.clone(), server.endpoint(thread));
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    let browser = Browser::subscribe(&endpoint);
                    (0..20)
                        .filter(|_| {
                            runtime
                                .block_on(client.send(&browser.request("x")))
                                .unwrap()
                                .is_accepted()
                        })
                        .count()
                })
            })
            .collect();
        let accepted = tokio::task::spawn_blocking(move || {
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum::<usize>()
        })
        .await
        .unwrap();
        assert_eq!(accepted, 80);
    })
    .await;
}
