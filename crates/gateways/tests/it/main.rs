//! The APNs adapter against a simulated Apple, over real TLS and HTTP/2.

mod answers;
mod channels;
mod doubt;
mod support;
mod trouble;
mod wire;
