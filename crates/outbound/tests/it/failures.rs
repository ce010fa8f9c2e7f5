//! Receivers that do not answer: each failure is told by how far the call got.

use std::sync::Arc;
use std::time::Duration;

use carillon_model::webhook::FailedPhase;
use carillon_outbound::{Found, Lookup, WebhookConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::receiver::{Receiver, Script, answer};
use crate::rig::{Names, config, failed, impatient, post, watched};

#[tokio::test]
async fn a_receiver_that_keeps_silent_is_given_up_at_the_deadline() {
    watched(async {
        for says in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
            let receiver = Receiver::plain(Script::SayAndStall(says)).await;
            let answer = post(impatient(&receiver), &receiver.url("http", "127.0.0.1")).await;
            let (phase, message) = failed(&answer);
            assert_eq!(phase, FailedPhase::Timeout, "{message}");
            assert_eq!(message, "no answer from 127.0.0.1 within 0.3 s");
            assert!(answer.elapsed_ms >= 300, "{answer:?}");
            receiver.left.acquire().await.unwrap().forget();
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_an_exchange_that_broke_off() {
    watched(async {
        for script in [
            Script::HangUp,
            Script::Say("+OK POP3 server ready\r\n\r\n".into()),
            Script::SayFirstThenForever(
                "HTTP/1.1 200 OK\r\n",
                "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
            ),
            Script::SayFirstThenForever(
                "HTTP/1.1 200 OK\r\nx: ",
                "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
            ),
        ] {
            let receiver = Receiver::plain(script.clone()).await;
            let answer = post(config(&receiver), &receiver.url("http", "127.0.0.1")).await;
            let (phase, message) = failed(&answer);
            assert_eq!(phase, FailedPhase::Exchange, "{script:?}: {message}");
            assert!(
                message.starts_with("the exchange with 127.0.0.1 broke off: "),
                "{message}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_there() {
    watched(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let own = WebhookConfig::default()
            .allow_private(["127.0.0.1"])
            .unwrap();
        let answer = post(own, &format!("https://127.0.0.1:{port}/SECRET")).await;
        let (phase, message) = failed(&answer);
        assert_eq!(phase, FailedPhase::Connect, "{message}");
        assert!(
            message.starts_with("127.0.0.1 could not be connected to: "),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn certificates_that_do_not_hold() {
    watched(async {
        let receiver = Receiver::tls(answer(200, "", "")).await;
        let other = Receiver::tls_for(&["elsewhere.example"], answer(200, "", "")).await;
        let untrusting = WebhookConfig {
            extra_ca_pem: Vec::new(),
            ..config(&receiver)
        };
        for (config, receiver, words) in [
            (untrusting, &receiver, "authority that is not trusted"),
            (config(&other), &other, "for other names"),
        ] {
            let answer = post(config, &receiver.url("https", "localhost")).await;
            let (phase, message) = failed(&answer);
            assert_eq!(phase, FailedPhase::Tls, "{message}");
            assert!(message.contains(words), "{message}");
            assert_eq!(receiver.seen().len(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_tls() {
    watched(async {
        for (says, words) in [
            ("", "does it speak HTTPS"),
            (
                "HTTP/1.1 400 Bad Request\r\n\r\n",
                "TLS with 127.0.0.1 did not come about",
            ),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let peer = tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.read_u8().await.unwrap();
                socket.write_all(says.as_bytes()).await.unwrap();
                socket.shutdown().await.unwrap();
                // Unread bytes at close would be a reset, which is another story.
                while socket.read_u8().await.is_ok() {}
            });
            let own = WebhookConfig::default()
                .allow_private(["127.0.0.1"])
                .unwrap();
            let answer = post(own, &format!("https://127.0.0.1:{port}/SECRET")).await;
            let (phase, message) = failed(&answer);
            assert_eq!(phase, FailedPhase::Tls, "{message}");
            assert!(message.contains(words), "{message}");
            peer.await.unwrap();
        }
    })
    .await;
}

/// A name server that never answers.
struct Silence;

impl Lookup for Silence {
    fn lookup(&self, _host: &str) -> Found {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn names_that_lead_nowhere() {
    watched(async {
        let url = "https://hooks.example.net/SECRET";
        for (lookup, words) in [
            (Names::new(&[]), "no such name"),
            (Names::new(&[&[]]), "it has no address"),
        ] {
            let config = WebhookConfig {
                lookup,
                ..WebhookConfig::default()
            };
            let answer = post(config, url).await;
            let (phase, message) = failed(&answer);
            assert_eq!(phase, FailedPhase::Resolve, "{message}");
            assert_eq!(
                message,
                format!("the name hooks.example.net was not found: {words}")
            );
        }
        let silent = WebhookConfig {
            lookup: Arc::new(Silence),
            connect_deadline: Duration::from_millis(200),
            ..WebhookConfig::default()
        };
        let answer = post(silent, url).await;
        assert_eq!(
            failed(&answer),
            (
                FailedPhase::Timeout,
                "no connection from hooks.example.net within 0.2 s"
            )
        );
    })
    .await;
}
