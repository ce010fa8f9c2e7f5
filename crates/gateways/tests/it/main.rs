//! The adapters against a simulated Apple and Google, over real TLS and HTTP/2.

mod answers;
mod channels;
mod doubt;
mod fcm_answers;
mod fcm_bench;
mod fcm_wire;
mod support;
mod trouble;
mod wire;
