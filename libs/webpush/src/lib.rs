//! A Web Push sender: RFC 8030, 8291 and 8292, and what each browser vendor's service does besides.
//!
//! - [`Subscription`] is what the browser hands out; [`content`] encrypts a message for it.
//! - [`Vapid`] holds the keys that say who is pushing, and signs one token for each origin.
//!
//! Pure parts take time and randomness as arguments. No redirects are ever followed.

mod base64url;
pub mod content;
mod invalid;
mod origin;
mod padding;
mod push_endpoint;
pub mod subscription;
pub mod vapid;

pub use self::content::{MessageKey, OpenError, ReceiverKey, Salt, SealError};
pub use self::invalid::Invalid;
pub use self::origin::Origin;
pub use self::padding::Padding;
pub use self::push_endpoint::PushEndpoint;
pub use self::subscription::{AuthSecret, Subscription, SubscriptionError, UserAgentPublicKey};
pub use self::vapid::{
    Contact, Vapid, VapidError, VapidKey, VapidKeyError, VapidPublicKey, VapidToken,
};
