//! What calls webhook endpoints, on a thread of its own: handshakes with strangers' servers have no
//! business on the thread that sends pushes.

use crate::config;
use crate::exit::{Exit, Failure};
use crate::{gateway, memory};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_model::webhook::{FailedPhase, WebhookAnswer};
use carillon_outbound::{WebhookClient, WebhookConfig};
use carillon_ports::callout::{CalloutCall, CalloutReply};
use carillon_ports::store::Event;
use carillon_ports::webhook::{WebhookCall, WebhookSender};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// Starts it; connects to nothing yet.
pub(crate) fn open(config: &config::Webhooks) -> Result<Arc<dyn WebhookSender>, Failure> {
    let wrong = |error: carillon_outbound::ConfigError| {
        Failure::new(Exit::Usage, format!("webhooks.allow_private: {error}"))
    };
    let places = config.allow_private.iter().flat_map(|several| &several.0);
    let settings = WebhookConfig {
        deadline: config.deadline.duration(),
        connect_deadline: config.connect_timeout.duration(),
        extra_ca_pem: gateway::read_ca("webhooks.ca_file", config.ca_file.as_deref())?
            .unwrap_or_default(),
        ..WebhookConfig::default()
    };
    let settings = settings.allow_private(places).map_err(wrong)?;
    let client = WebhookClient::new(settings)
        .map_err(|error| Failure::new(Exit::Usage, format!("webhooks.ca_file: {error}")))?;
    let broken = |error: std::io::Error| {
        Failure::new(Exit::Software, format!("the webhooks' thread: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    let handle = runtime.handle().clone();
    let (ends, ended) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("carillon-hooks".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    never = memory::UPKEEP.run() => never,
                    // Ends when the sender is dropped.
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        })
        .map_err(broken)?;
    Ok(Arc::new(Sender {
        client,
        handle,
        _thread: ends,
    }))
}

/// The client, and the runtime that it runs on.
struct Sender {
    client: WebhookClient,
    handle: Handle,
    /// Ends the thread when dropped.
    _thread: oneshot::Sender<()>,
}

#[async_trait]
impl WebhookSender for Sender {
    fn check(&self, url: &str) -> Result<(), String> {
        self.client.check(url)
    }

    async fn call(&self, call: WebhookCall, now: UnixMs) -> WebhookAnswer {
        let client = self.client.clone();
        let calling = async move { WebhookSender::call(&client, call, now).await };
        // Whoever does not wait any more does not want it made either.
        let calling = AbortOnDropHandle::new(self.handle.spawn(calling));
        calling.await.unwrap_or_else(|error| {
            let message = format!("the call broke off inside Carillon: {error}");
            WebhookAnswer::failed(FailedPhase::Exchange, message)
        })
    }

    async fn ask(&self, call: CalloutCall, now: UnixMs) -> CalloutReply {
        let client = self.client.clone();
        let asking = async move { WebhookSender::ask(&client, call, now).await };
        let asking = AbortOnDropHandle::new(self.handle.spawn(asking));
        asking.await.unwrap_or_else(|error| {
            let message = format!("the question broke off inside Carillon: {error}");
            CalloutReply {
                answer: WebhookAnswer::failed(FailedPhase::Exchange, message),
                body: None,
            }
        })
    }

    fn id(&self, event: &Event, endpoint: WebhookNo) -> String {
        self.client.id(event, endpoint)
    }

    fn make_secret(&self, random: &[u8; 32]) -> String {
        self.client.make_secret(random)
    }
}
