//! Voluntary application server identification (VAPID, RFC 8292): who is pushing.
//!
//! A [`VapidKey`] is made once; its public half is given to the browser when it subscribes, and binds the subscription to
//! it. [`Vapid`] holds the keys of one application server and signs one [`VapidToken`] for each origin, long before the
//! last one ends. It has no clock: callers say what time it is.
//!
//! # Changing the key
//! A subscription lives and dies with the key it was made with: another one gets 403. So [`Vapid::rotate`] keeps the
//! older keys for the subscriptions that name them, and new subscriptions get the new one. A key is dropped with
//! [`Vapid::forget`] when no subscription names it any more.

mod contact;
mod key;
mod token;

pub use self::contact::Contact;
pub use self::key::{VapidKey, VapidKeyError, VapidPublicKey};
pub use self::token::{Vapid, VapidError, VapidToken};
