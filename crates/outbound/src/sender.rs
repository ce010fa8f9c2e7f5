//! The engine's port on the client: an event becomes an id, a body and signatures.

use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::id::WebhookNo;
use carillon_model::webhook::{WebhookAnswer, WebhookSecrets};
use carillon_ports::callout::{CalloutCall, CalloutReply};
use carillon_ports::store::Event;
use carillon_ports::webhook::{self, WebhookSender};

use crate::body::{webhook_body, webhook_id};
use crate::client::{AskBounds, WebhookCall, WebhookClient};
use crate::failure::refused;
use crate::secret::WebhookSecret;

/// Longest answer of a call-out, in bytes.
pub const MAX_ANSWER_BYTES: usize = 65_536;

/// What a call is signed with; or the answer that there is nothing.
fn live(secrets: &WebhookSecrets, now: UnixMs) -> Result<Vec<WebhookSecret>, WebhookAnswer> {
    let secrets = secrets
        .live(now)
        .map(|secret| WebhookSecret::parse(&secret.text));
    match secrets.collect::<Result<Vec<_>, _>>() {
        Ok(secrets) if !secrets.is_empty() => Ok(secrets),
        Ok(_) => Err(refused(
            &"the endpoint has no secret that is live; rotate its secret",
        )),
        Err(error) => Err(refused(&error)),
    }
}

#[async_trait]
impl WebhookSender for WebhookClient {
    fn check(&self, url: &str) -> Result<(), String> {
        Self::check(self, url)
    }

    async fn call(&self, call: webhook::WebhookCall, now: UnixMs) -> WebhookAnswer {
        let secrets = match live(&call.secrets, now) {
            Ok(secrets) => secrets,
            Err(answer) => return answer,
        };
        let call = WebhookCall {
            url: &call.endpoint.settings.url,
            id: &webhook_id(&call.event, call.endpoint.no),
            body: webhook_body(&call.event, &call.app),
            secrets: &secrets,
        };
        Self::call(self, &call, now).await
    }

    async fn ask(&self, call: CalloutCall, now: UnixMs) -> CalloutReply {
        let secrets = match live(&call.secrets, now) {
            Ok(secrets) => secrets,
            Err(answer) => return CalloutReply { answer, body: None },
        };
        let bounds = AskBounds {
            deadline: call.timeout,
            most: MAX_ANSWER_BYTES,
        };
        let call = WebhookCall {
            url: &call.url,
            id: &call.id,
            body: call.body,
            secrets: &secrets,
        };
        let (answer, body) = Self::ask(self, &call, bounds, now).await;
        CalloutReply { answer, body }
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
