//! The client against honest servers over TLS, and against peers that do what an honest server never does.

#[path = "../../../h2-pool/tests/it/peer.rs"]
#[allow(
    dead_code,
    reason = "shared with the tests of h2-pool; each uses a part"
)]
mod peer;

mod account;
mod client;
mod connection;
mod metadata;
mod oauth;
mod rig;
mod server;
mod subscription;
