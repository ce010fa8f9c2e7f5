//! A Web Push sender: RFC 8030, 8291 and 8292, and what each browser vendor's service does besides.
//!
//! - [`Subscription`] is what the browser hands out; [`content`] encrypts a message for it.
//!
//! Pure parts take time and randomness as arguments. No redirects are ever followed.

mod base64url;
pub mod content;
mod invalid;
mod origin;
mod padding;
mod push_endpoint;
pub mod subscription;

pub use self::content::{MessageKey, OpenError, ReceiverKey, Salt, SealError};
pub use self::invalid::Invalid;
pub use self::origin::Origin;
pub use self::padding::Padding;
pub use self::push_endpoint::PushEndpoint;
pub use self::subscription::{AuthSecret, Subscription, SubscriptionError, UserAgentPublicKey};
