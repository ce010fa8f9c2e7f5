//! The pool against peers that do what an honest server never does.

mod bodies;
mod chaos;
mod connect;
mod deadlines;
mod death;
mod goaway;
mod growth;
#[allow(dead_code, reason = "shared with the tests of apns; each uses a part")]
mod peer;
mod rig;
mod streams;
