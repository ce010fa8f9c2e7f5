//! A Web Push sender: RFC 8030, 8291 and 8292, and what each browser vendor's service does besides.
//!
//! - [`Subscription`] is what the browser hands out; [`content`] encrypts a message for it.
//! - [`Vapid`] holds the keys that say who is pushing, and signs one token for each origin.
//! - [`Request`] is a push in clear; sealed it is what goes on the wire, by the rules of the [`PushService`] behind the
//!   endpoint. [`declarative`] writes messages that the browser shows by itself.
//! - [`Response`] is what the service said, and [`Rule`] what that means: retry or not, keep or prune.
//! - [`Client`] is for everybody: `Send + Sync + Clone`, one call for one push to any service. [`Connection`] is for servers
//!   that push by the million: bound to one thread and one origin, takes batches, gives outcomes in bulk. [`Origins`] holds
//!   one for each origin.
//! - [`Guard`] says where pushes may go at all: an endpoint comes from outside.
//!
//! # Accepted, rejected, unknown
//! `Ok(`[`Response`]`)` is what the service said: accepted, which never means that somebody saw it, or rejected. `404` and
//! `410` end a subscription, `401` and `403` never do: they are about your key. `Err(`[`Error`]`)` means that there is no
//! answer; [`Error::maybe_sent`] then tells whether the push certainly did not happen or whether that is unknown.
//!
//! # What is sent again, and what is not
//! Only what the service has not processed: a refused stream, a stream above a `GOAWAY`'s last one, a request of which no
//! byte left, or one that was turned down because the connection had been idle. Everything else is the caller's decision.
//!
//! Pure parts take time and randomness as arguments. No redirects are ever followed.

mod base64url;
mod client;
pub mod connection;
pub mod content;
pub mod declarative;
mod error;
mod guard;
mod invalid;
mod origin;
mod origins;
mod own_thread;
mod padding;
mod push_endpoint;
mod push_topic;
pub mod request;
pub mod response;
mod retry_after;
mod route;
mod rules;
mod service;
pub mod subscription;
mod ttl;
mod urgency;
pub mod vapid;
mod wire;

pub use self::client::{Client, ClientBuilder};
pub use self::connection::{Clock, Connection, ConnectionConfig, Finished, Push, Status};
pub use self::content::{MessageKey, OpenError, ReceiverKey, Salt, SealError};
pub use self::error::{Error, ErrorKind};
pub use self::guard::{Guard, GuardedResolver};
pub use self::invalid::Invalid;
pub use self::origin::Origin;
pub use self::origins::{Origins, OriginsConfig};
pub use self::padding::Padding;
pub use self::push_endpoint::PushEndpoint;
pub use self::push_topic::PushTopic;
pub use self::request::{Request, RequestBuilder, SealedPush};
pub use self::response::{Accepted, Caveat, Rejected, Response};
pub use self::route::Route;
pub use self::rules::{Class, RetryRule, Rule, SubscriptionFate};
pub use self::service::{PushService, ServiceRules};
pub use self::subscription::{AuthSecret, Subscription, SubscriptionError, UserAgentPublicKey};
pub use self::ttl::Ttl;
pub use self::urgency::Urgency;
pub use self::vapid::{
    Contact, Vapid, VapidError, VapidKey, VapidKeyError, VapidPublicKey, VapidToken,
};

pub use egress_guard::{Forbidden, not_public};
pub use h2_pool as pool;
pub use h2_pool::Proxy;
