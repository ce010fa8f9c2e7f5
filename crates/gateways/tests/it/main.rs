//! The adapters against simulated gateways, over real TLS and HTTP/2.

mod answers;
mod channels;
mod doubt;
mod fcm_answers;
mod fcm_bench;
mod fcm_wire;
mod support;
mod trouble;
mod webpush;
mod wire;
