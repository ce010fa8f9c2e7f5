//! What the tests share: clients, names under their own hand, and a watch over hanging tests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use carillon_model::webhook::{FailedPhase, WebhookAnswer, WebhookResult};
use carillon_outbound::{Found, Lookup, WebhookClient, WebhookConfig};
use http::HeaderMap;

use crate::receiver::Receiver;

/// How long a test may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails instead of hanging.
pub(crate) async fn watched<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, test)
        .await
        .expect("the test hangs")
}

/// A client that may reach the loopback, and trusts the receiver's certificate.
pub(crate) fn config(receiver: &Receiver) -> WebhookConfig {
    let config = WebhookConfig {
        extra_ca_pem: receiver.ca_pem.clone().into(),
        ..WebhookConfig::default()
    };
    config.allow_private(["127.0.0.1"]).unwrap()
}

/// The same, and tired of waiting very soon.
pub(crate) fn impatient(receiver: &Receiver) -> WebhookConfig {
    WebhookConfig {
        deadline: Duration::from_millis(300),
        ..config(receiver)
    }
}

pub(crate) async fn post(config: WebhookConfig, url: &str) -> WebhookAnswer {
    let client = WebhookClient::new(config).unwrap();
    client
        .post(url, HeaderMap::new(), Bytes::from_static(b"{}"))
        .await
}

/// Phase and sentence of an attempt that has no answer.
pub(crate) fn failed(answer: &WebhookAnswer) -> (FailedPhase, &str) {
    match &answer.result {
        WebhookResult::Failed { phase, message } => {
            assert!(!message.contains("SECRET"), "{message}");
            (*phase, message)
        }
        WebhookResult::Answered { .. } => panic!("{answer:?}"),
    }
}

/// A name server under somebody else's hand: it says what it likes, the last word for ever, and counts how often it is asked.
pub(crate) struct Names {
    answers: Vec<Vec<SocketAddr>>,
    pub(crate) asked: AtomicUsize,
}

impl Names {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |list: &&[&str]| {
            list.iter()
                .map(|ip| SocketAddr::new(ip.parse().unwrap(), 7))
                .collect()
        };
        Arc::new(Self {
            answers: answers.iter().map(addresses).collect(),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Names {
    fn lookup(&self, _host: &str) -> Found {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self
            .answers
            .get(turn.min(self.answers.len().saturating_sub(1)))
            .cloned();
        let none = || io::Error::new(io::ErrorKind::NotFound, "no such name");
        Box::pin(async move { answer.ok_or_else(none) })
    }
}
