//! A provider client for Firebase Cloud Messaging (FCM), HTTP v1.
//!
//! Two faces, one engine:
//! - [`Client`] is for everybody: `Send + Sync + Clone`, [`send`](Client::send) a [`Request`] from anywhere, get a
//!   [`Response`]. It runs its own thread.
//! - [`Connection`] is for servers that push by the million: bound to one thread, takes batches, gives outcomes in bulk.
//!
//! Beneath both: who a message is for ([`Target`]), what is in it ([`Message`]), what an answer means ([`Reason`]), and the
//! access tokens that say who is sending ([`AccessTokens`], [`OAuth`], [`ServiceAccount`]).
//!
//! # Accepted, rejected, unknown
//! `Ok(`[`Response`]`)` is what FCM said: accepted, or rejected with a [`Reason`]. Accepted never means delivered.
//! `Err(`[`Error`]`)` means that there is no answer; [`Error::maybe_sent`] then tells whether the push certainly did not
//! happen or whether that is unknown. FCM has no idempotency key: what is sent twice may arrive twice.
//!
//! # One table
//! FCM spells "the push token is dead" in five ways and hides it behind the same error code as "the message is wrong".
//! [`Reason::of`] is the one place that knows; nothing else needs to read an error body.
//!
//! # What is sent again, and what is not
//! Only what FCM has not processed: a refused stream, a stream above a `GOAWAY`'s last one, a request of which no byte left,
//! or, once, one whose access token FCM did not take. Everything else is the caller's decision; [`Rejected::wait`] says how
//! long to wait at least.

pub mod access_token;
mod client;
mod condition;
pub mod connection;
mod default_credential;
mod endpoint;
mod errand;
mod error;
pub mod error_body;
mod invalid;
pub mod legacy;
pub mod message;
mod metadata;
mod oauth;
mod outbox;
mod own_thread;
mod project_id;
mod push_token;
mod quota;
pub mod reason;
pub mod request;
pub mod response;
pub mod retry;
mod rules;
pub mod service_account;
pub mod signing_key;
pub mod subscription;
mod target;
mod topic;
mod ttl;
mod waiting_room;

pub use self::access_token::{
    AccessToken, AccessTokenError, AccessTokenErrorKind, AccessTokens, Clock, Grant, Moment,
    TokenSource,
};
pub use self::client::{Client, ClientBuilder};
pub use self::condition::Condition;
pub use self::connection::{Connection, ConnectionConfig, Finished, Push, SharedQuota, Status};
pub use self::default_credential::{CredentialFileError, DefaultCredential};
pub use self::endpoint::Endpoint;
pub use self::error::{Error, ErrorKind};
pub use self::error_body::{ApnsError, ErrorBody, ErrorCode};
pub use self::invalid::Invalid;
pub use self::message::{Content, DataRule, Message, MessageError, Problem};
pub use self::metadata::MetadataServer;
pub use self::oauth::OAuth;
pub use self::project_id::ProjectId;
pub use self::push_token::{InstallationId, LiveActivityToken, PushToken};
pub use self::quota::{Quota, QuotaConfig};
pub use self::reason::{Class, Reason, RetryRule, TokenFate, retire_unless_seen_since};
pub use self::request::Request;
pub use self::response::{Accepted, Rejected, Response};
pub use self::service_account::{ServiceAccount, ServiceAccountError};
pub use self::signing_key::{SigningKey, SigningKeyError};
pub use self::subscription::{SubscriptionError, SubscriptionRefusal, Subscriptions};
pub use self::target::Target;
pub use self::topic::FcmTopic;
pub use self::ttl::Ttl;

pub use h2_pool as pool;
pub use h2_pool::Proxy;
