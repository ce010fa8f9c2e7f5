//! A provider client for the Apple Push Notification service.

pub mod broadcast;
pub mod certificate;
mod collapse_id;
mod environment;
mod expiration;
mod invalid;
pub mod payload;
mod priority;
pub mod provider_token;
mod push_token;
mod push_type;
pub mod reason;
pub mod request;
pub mod response;
pub mod signing_key;
mod topic;

pub use self::broadcast::{BroadcastRequest, Channel, ChannelId, ChannelRequest, StoragePolicy};
pub use self::certificate::{CertificateError, ClientCertificate};
pub use self::collapse_id::CollapseId;
pub use self::environment::Environment;
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
