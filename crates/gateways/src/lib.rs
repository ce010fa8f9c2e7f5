//! The adapters between Carillon's model and the gateways: what a notification looks like on the
//! wire, and what a gateway's answer means. The only crate that knows both sides.
//!
//! One module for each gateway; beside them what all share: threads, the driver of a pool, outcomes that
//! no answer gave.
//!
//! No policy lives here: which pool to use, when to try again and what becomes of a push token are
//! the engine's to decide, by the outcomes it is given.

pub mod apns;
mod driver;
pub mod fcm;
mod gauge;
mod host;
mod inbox;
mod io;
mod json;
mod object;
mod outcome;
mod pool;
mod tags;
mod wall;
pub mod webpush;
mod wire;

pub use host::{Host, Proxy};
