//! A provider client for Firebase Cloud Messaging (FCM), HTTP v1.
//!
//! This is the protocol as types and rules: who a message is for ([`Target`]), what is in it ([`Message`]), what an answer
//! means ([`Response`], [`Reason`]), and the access tokens that say who is sending ([`AccessTokens`], [`OAuth`],
//! [`ServiceAccount`]).
//!
//! # Accepted, rejected
//! [`Response`] is what FCM said: accepted, or rejected with a [`Reason`]. Accepted never means delivered. Each reason says
//! whether to try again, how long to wait at least, and what becomes of the push token.
//!
//! # One table
//! FCM spells "the push token is dead" in five ways and hides it behind the same error code as "the message is wrong".
//! [`Reason::of`] is the one place that knows; nothing else needs to read an error body.

pub mod access_token;
mod condition;
mod endpoint;
mod errand;
mod error;
pub mod error_body;
mod invalid;
pub mod legacy;
pub mod message;
mod oauth;
mod own_thread;
mod project_id;
mod push_token;
pub mod reason;
pub mod request;
pub mod response;
pub mod retry;
pub mod service_account;
pub mod signing_key;
mod target;
mod topic;
mod ttl;

pub use self::access_token::{
    AccessToken, AccessTokenError, AccessTokenErrorKind, AccessTokens, Clock, Grant, Moment,
    TokenSource,
};
pub use self::condition::Condition;
pub use self::endpoint::Endpoint;
pub use self::error::{Error, ErrorKind};
pub use self::error_body::{ApnsError, ErrorBody, ErrorCode};
pub use self::invalid::Invalid;
pub use self::message::{Content, DataRule, Message, MessageError, Problem};
pub use self::oauth::OAuth;
pub use self::project_id::ProjectId;
pub use self::push_token::{InstallationId, LiveActivityToken, PushToken};
pub use self::reason::{Class, Reason, RetryRule, TokenFate, retire_unless_seen_since};
pub use self::request::Request;
pub use self::response::{Accepted, Rejected, Response};
pub use self::service_account::{ServiceAccount, ServiceAccountError};
pub use self::signing_key::{SigningKey, SigningKeyError};
pub use self::target::Target;
pub use self::topic::FcmTopic;
pub use self::ttl::Ttl;

pub use h2_pool as pool;
pub use h2_pool::Proxy;
