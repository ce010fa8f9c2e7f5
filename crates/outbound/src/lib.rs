//! Calls to places that users name, behind a guard: webhooks, signed by Standard Webhooks 1.0.0, and the checks of monitors.
//!
//! - [`WebhookSecret`], [`sign`] and [`verify`]: the signature, whichever side one is on.
//! - [`webhook_id`] and [`webhook_body`]: an event as it is told, the same at every attempt.
//! - [`WebhookClient`]: one attempt to one URL. Failing is an answer too, and says how far it got. It is the engine's
//!   port `WebhookSender`.
//! - [`Prober`]: one attempt of one check (HTTP, TCP, TLS, DNS, echo), with its result.
//!
//! It does not decide when to try again (`carillon_model::webhook` has the schedule), how many calls run at once, or which
//! endpoints are called; those are the engine's. It keeps nothing between calls but idle connections.

mod body;
mod client;
mod config;
mod failure;
mod lookup;
mod probe;
mod retry_after;
mod secret;
mod sender;
mod signature;

pub use self::body::{MAX_BODY_BYTES, webhook_body, webhook_id};
pub use self::client::{AskBounds, WebhookCall, WebhookClient};
pub use self::config::{ConfigError, WebhookConfig};
pub use self::lookup::{Found, Lookup};
pub use self::probe::{ProbeConfig, Prober};
pub use self::secret::{BadSecret, WebhookSecret};
pub use self::sender::MAX_ANSWER_BYTES;
pub use self::signature::{
    ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, Unverified, sign, sign_with_all, verify,
};

pub use egress_guard as guard;
