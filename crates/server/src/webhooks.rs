//! What calls webhook endpoints, on a thread of its own.

use crate::apart::Apart;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::gateway;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_model::webhook::{FailedPhase, WebhookAnswer};
use carillon_outbound::{WebhookClient, WebhookConfig};
use carillon_ports::callout::{CalloutCall, CalloutReply};
use carillon_ports::store::Event;
use carillon_ports::webhook::{WebhookCall, WebhookSender};
use std::sync::Arc;

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
    Ok(Arc::new(Sender {
        client,
        apart: Apart::start("carillon-hooks")?,
    }))
}

/// The client, and the thread that it runs on.
struct Sender {
    client: WebhookClient,
    apart: Apart,
}

#[async_trait]
impl WebhookSender for Sender {
    fn check(&self, url: &str) -> Result<(), String> {
        self.client.check(url)
    }

    async fn call(&self, call: WebhookCall, now: UnixMs) -> WebhookAnswer {
        let client = self.client.clone();
        let calling = async move { WebhookSender::call(&client, call, now).await };
        self.apart.run(calling).await.unwrap_or_else(|error| {
            let message = format!("the call broke off inside Carillon: {error}");
            WebhookAnswer::failed(FailedPhase::Exchange, message)
        })
    }

    async fn ask(&self, call: CalloutCall, now: UnixMs) -> CalloutReply {
        let client = self.client.clone();
        let asking = async move { WebhookSender::ask(&client, call, now).await };
        self.apart.run(asking).await.unwrap_or_else(|error| {
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
