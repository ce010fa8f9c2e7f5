//! The engine's port on the client: an event becomes an id, a body and signatures.

use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_model::webhook::WebhookAnswer;
use carillon_ports::store::Event;
use carillon_ports::webhook::{self, WebhookSender};

use crate::body::{webhook_body, webhook_id};
use crate::client::{WebhookCall, WebhookClient};
use crate::failure::refused;
use crate::secret::WebhookSecret;

#[async_trait]
impl WebhookSender for WebhookClient {
    fn check(&self, url: &str) -> Result<(), String> {
        Self::check(self, url)
    }

    async fn call(&self, call: webhook::WebhookCall, now: UnixMs) -> WebhookAnswer {
        let secrets = call
            .secrets
            .live(now)
            .map(|secret| WebhookSecret::parse(&secret.text));
        let secrets: Result<Vec<_>, _> = secrets.collect();
        let secrets = match secrets {
            Ok(secrets) if !secrets.is_empty() => secrets,
            Ok(_) => return refused(&"the endpoint has no secret that is live; rotate its secret"),
            Err(error) => return refused(&error),
        };
        let call = WebhookCall {
            url: &call.endpoint.settings.url,
            id: &webhook_id(&call.event, call.endpoint.no),
            body: webhook_body(&call.event, &call.app),
            secrets: &secrets,
        };
        Self::call(self, &call, now).await
    }

    fn id(&self, event: &Event, endpoint: WebhookNo) -> String {
        webhook_id(event, endpoint)
    }

    fn make_secret(&self, random: &[u8; 32]) -> String {
        // 32 bytes are within what a secret may have.
        WebhookSecret::from_random(random).map_or_else(
            |_| String::new(),
            |secret| secret.reveal().as_str().to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WebhookConfig;

    #[test]
    fn secrets_are_made_as_receivers_read_them() {
        let client = WebhookClient::new(WebhookConfig::default()).unwrap();
        let sender: &dyn WebhookSender = &client;
        let secret = sender.make_secret(&[7; 32]);
        assert!(WebhookSecret::parse(&secret).is_ok(), "{secret}");
        assert!(sender.check("https://10.0.0.1/x").is_err());
        assert!(sender.check("https://hooks.example.net/x").is_ok());
    }
}
