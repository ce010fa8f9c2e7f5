//! Endpoints that lead inside: nothing is ever connected to.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use webpush::pool::{Config, Resolve};
use webpush::{Client, ConnectionConfig, ErrorKind, Guard, Proxy};

use crate::browser::Browser;
use crate::peer::watched;
use crate::rig::vapid;
use crate::server::Server;

fn impatient() -> ConnectionConfig {
    let pool = Config {
        connect_attempts: 1,
        ..Config::default()
    };
    ConnectionConfig {
        pool,
        ..ConnectionConfig::default()
    }
}

/// A name server under somebody else's hand: it says what it likes, and counts how often it is asked.
struct Names {
    answers: Vec<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Resolve for Names {
    fn resolve<'a>(
        &'a self,
        _host: &'a str,
        _port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + 'a>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[turn.min(self.answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test]
async fn literal_addresses_and_unknown_hosts_are_refused_before_anything_happens() {
    watched(async {
        let server = Server::start(|_| (201, vec![], String::new())).await;
        let port = server.port;
        let known = Client::builder(vapid()).build().unwrap();
        let open = Client::builder(vapid())
            .guard(Guard::public().any_port())
            .build()
            .unwrap();
        for endpoint in [
            format!("https://127.0.0.1:{port}/x"),
            format!("https://[::1]:{port}/x"),
            format!("https://[::ffff:127.0.0.1]:{port}/x"),
            format!("https://[64:ff9b::7f00:1]:{port}/x"),
            format!("https://0.0.0.0:{port}/x"),
            "https://169.254.169.254/latest/meta-data/".to_owned(),
        ] {
            let browser = Browser::subscribe(&endpoint);
            for client in [&known, &open] {
                let error = client.send(&browser.request("x")).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Forbidden, "{endpoint}: {error}");
                let error = client
                    .send_sealed(browser.sealed("x"), None)
                    .await
                    .unwrap_err();
                assert!(
                    error.is_forbidden() && !error.maybe_sent(),
                    "{endpoint}: {error}"
                );
            }
        }
        let browser = Browser::subscribe("https://push.example.net/x");
        assert!(
            known
                .send(&browser.request("x"))
                .await
                .unwrap_err()
                .is_forbidden()
        );
        assert_eq!(server.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_after_the_lookup() {
    watched(async {
        let server = Server::start(|_| (201, vec![], String::new())).await;
        // "localhost" by the operating system's own resolver, and a public name by a resolver that lies.
        let inside: SocketAddr = ([127, 0, 0, 1], server.port).into();
        let names = Names {
            answers: vec![vec![inside]],
            asked: AtomicUsize::new(0),
        };
        let builder = || {
            Client::builder(vapid())
                .guard(Guard::public().any_port())
                .config(impatient())
        };
        let by_system = builder()
            .extra_ca_pem(server.ca_pem.as_bytes())
            .build()
            .unwrap();
        let by_lies = builder().resolver(Arc::new(names)).build().unwrap();
        for (client, host) in [(by_system, "localhost"), (by_lies, "push.example.net")] {
            let browser = Browser::subscribe(&format!("https://{host}:{}/SECRET", server.port));
            let error = client.send(&browser.request("x")).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.maybe_sent()),
                (ErrorKind::Forbidden, false),
                "{error}"
            );
            let text = error.to_string();
            assert!(
                text.contains("loopback") && !text.contains("SECRET"),
                "{text}"
            );
        }
        assert_eq!(server.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    watched(async {
        let server = Server::start(|_| (201, vec![], String::new())).await;
        let inside: SocketAddr = ([127, 0, 0, 1], server.port).into();
        // Nothing at first, so that connecting fails and is tried again; then the inside.
        let names = Arc::new(Names {
            answers: vec![vec![], vec![inside]],
            asked: AtomicUsize::new(0),
        });
        let client = Client::builder(vapid())
            .guard(Guard::public().any_port())
            .resolver(names.clone())
            .config(impatient())
            .build()
            .unwrap();
        let browser = Browser::subscribe(&format!("https://rebind.example:{}/x", server.port));
        let kinds = [ErrorKind::Connect, ErrorKind::Forbidden];
        for kind in kinds {
            let error = client.send(&browser.request("x")).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
        let asked = names.asked.load(Ordering::SeqCst);
        assert_eq!(
            asked, 2,
            "each connection asks once, and is judged by that answer"
        );
        assert_eq!(server.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn redirects_are_reported_and_not_followed() {
    watched(async {
        let inside = Server::start(|_| (201, vec![], String::new())).await;
        let target = inside.endpoint(1);
        let outside =
            Server::start(move |_| (307, vec![("location", target.clone())], String::new())).await;
        let guard = Guard::default().trust(outside.origin());
        let client = Client::builder(vapid())
            .guard(guard)
            .extra_ca_pem(outside.ca_pem.as_bytes())
            .extra_ca_pem(inside.ca_pem.as_bytes())
            .build()
            .unwrap();
        let browser = Browser::subscribe(&outside.endpoint(1));
        let answer = client.send(&browser.request("x")).await.unwrap();
        let rejected = answer.rejected().unwrap();
        assert_eq!(rejected.status, 307);
        assert_eq!(
            rejected.location.as_deref(),
            Some(inside.endpoint(1).as_str())
        );
        assert!(!rejected.retry().is_automatic());
        assert_eq!((outside.seen().len(), inside.connections()), (1, 0));
    })
    .await;
}

#[test]
fn an_open_guard_does_not_build_before_a_proxy() {
    let proxied = |guard| {
        Client::builder(vapid())
            .guard(guard)
            .proxy(Proxy::new("proxy.example", 3128))
            .build()
    };
    assert_eq!(
        proxied(Guard::public()).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert!(proxied(Guard::known_services()).is_ok());
}
