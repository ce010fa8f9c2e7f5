//! The demo's webhook receiver: listens on this machine, checks signatures, and remembers what it was
//! told. What a real one should do besides is in docs/guide/webhooks.md.

use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use carillon_outbound::{WebhookSecret, verify};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Calls that may wait to be read; the next one is answered when there is room.
const QUEUE: usize = 256;
/// Longest wait for the next call.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far a call's time may be off.
const TOLERANCE: Duration = Duration::from_secs(300);

/// A call as it came.
struct Call {
    headers: HeaderMap,
    body: Bytes,
}

/// It listens until it is dropped.
pub(super) struct Receiver {
    address: SocketAddr,
    calls: mpsc::Receiver<Call>,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a free port.
    pub(super) async fn start() -> Result<Self, Failure> {
        let io = |error: std::io::Error| {
            Failure::new(
                Exit::Unavailable,
                format!("the webhook receiver cannot listen: {error}"),
            )
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let (came, calls) = mpsc::channel(QUEUE);
        let take = move |headers: HeaderMap, body: Bytes| {
            let came = came.clone();
            async move {
                match came.send(Call { headers, body }).await {
                    Ok(()) => StatusCode::NO_CONTENT,
                    Err(_) => StatusCode::GONE,
                }
            }
        };
        let router = Router::new().route("/", post(take));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!("the webhook receiver stopped: {error}");
            }
        });
        Ok(Self {
            address,
            calls,
            serving,
        })
    }

    /// Where it is called.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The next call: what it says, if the signature is right. `None`: nobody calls any more.
    pub(super) async fn next(&mut self, secret: &WebhookSecret) -> Result<Option<Value>, Failure> {
        let Ok(Some(call)) = tokio::time::timeout(PATIENCE, self.calls.recv()).await else {
            return Ok(None);
        };
        let header = |name: &str| {
            let value = call.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        verify(
            std::slice::from_ref(secret),
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
            &call.body,
            machine_now() / 1000,
            TOLERANCE,
        )
        .map_err(|why| {
            Failure::new(Exit::Trouble, format!("a webhook is not Carillon's: {why}"))
        })?;
        let said = serde_json::from_slice(&call.body)
            .map_err(|why| Failure::new(Exit::Trouble, format!("a webhook is not JSON: {why}")))?;
        Ok(Some(said))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
