//! A provider client for the Apple Push Notification service (APNs).
//!
//! Two faces, one engine:
//! - [`Client`] is for everybody: `Send + Sync + Clone`, [`send`](Client::send) a [`Request`] from anywhere, get a
//!   [`Response`]. It runs its own thread.
//! - [`Connection`] is for servers that push by the million: bound to one thread, takes batches, gives outcomes in bulk.
//!
//! [`BroadcastClient`] publishes to broadcast channels and manages them.
//!
//! # Accepted, rejected, unknown
//! `Ok(`[`Response`]`)` is what APNs said: accepted, or rejected with a [`Reason`]. Accepted never means delivered.
//! `Err(`[`Error`]`)` means that there is no answer; [`Error::maybe_sent`] then tells whether the push certainly did
//! not happen or whether that is unknown.
//!
//! # What is sent again, and what is not
//! Only what APNs has not processed: a refused stream, a stream above a `GOAWAY`'s last one, a request of which no byte
//! left, or one that APNs turned down because of the connection or the provider token. Everything else is the
//! caller's decision.

pub mod broadcast;
mod broadcast_client;

pub mod certificate;
mod client;
mod collapse_id;
pub mod connection;
mod endpoint;
mod environment;
mod error;
mod expiration;
mod invalid;
mod own_thread;
pub mod payload;
mod priority;
pub mod provider_token;
mod push_token;
mod push_type;
pub mod reason;
pub mod request;
pub mod response;
mod rules;
pub mod signing_key;
mod topic;
mod wire;

pub use self::broadcast::{BroadcastRequest, Channel, ChannelId, ChannelRequest, StoragePolicy};

pub use self::broadcast_client::{BroadcastClient, BroadcastClientBuilder, ChannelResponse};
pub use self::certificate::{CertificateError, ClientCertificate};
pub use self::client::{Client, ClientBuilder};
pub use self::collapse_id::CollapseId;
pub use self::connection::{Clock, Connection, ConnectionConfig, Finished, Push, Status, Template};
pub use self::endpoint::{Credential, Endpoint};
pub use self::environment::Environment;
pub use self::error::{Error, ErrorKind};
pub use self::expiration::Expiration;
pub use self::invalid::Invalid;
pub use self::payload::{Payload, PayloadError, Problem};
pub use self::priority::Priority;
pub use self::provider_token::{ProviderToken, ProviderTokenError, ProviderTokens};
pub use self::push_token::PushToken;
pub use self::push_type::{AuthRule, PushType};
pub use self::reason::{Class, Reason, RetryRule, TokenFate, retire_by_timestamp};
pub use self::request::{Request, RequestBuilder, RequestError};
pub use self::response::{Accepted, ErrorBody, Rejected, Response};
pub use self::signing_key::{KeyId, SigningKey, SigningKeyError, TeamId};
pub use self::topic::{ApnsTopic, BundleId};

pub use h2_pool as pool;
pub use h2_pool::Proxy;
