//! The sender against peers that do what an honest service never does, and against an honest one over TLS.

#[path = "../../../h2-pool/tests/it/peer.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of h2-pool; each uses a part"
)]
mod peer;

mod browser;
mod client;
mod connection;
mod guard;
mod rig;
mod server;
mod wire;
