//! What the engine asks of the world, as traits: the stores, the gateways, the clock. In-memory
//! fakes for the hot ones and the conformance suites that every adapter must pass live here too.
//!
//! Knows no SQL, no HTTP and no TLS. House rules of the traits: a look-up returns
//! `Result<Option<T>>`; time comes in as a parameter; a method that changes something is one
//! transaction, and when it returns `Ok` the change is on disk.

pub mod activity_source;
pub mod callout;
pub mod campaign;
pub mod clock;
pub mod fault;
pub mod gateway;
pub mod gathering;
pub mod instance;
pub mod list;
pub mod live_activity;
pub mod news;
pub mod own_device;
pub mod preferences;
pub mod receipt;
pub mod registry;
pub mod schedule;
pub mod secret;
pub mod segment;
pub mod source;
pub mod store;
pub mod timer;
pub mod upkeep;
pub mod watch;
pub mod webhook;

#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod memory;
