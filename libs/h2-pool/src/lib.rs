//! HTTP/2 client connections to one origin: kept alive, bounded, and honest about what was sent.
//!
//! A [`Pool`] owns a few HTTP/2 connections to one host and a bounded queue in front of them. What is sent, and what an
//! answer means, is the business of a [`Protocol`] above it: Apple's push service, Google's, or a browser vendor's.
//!
//! # What it promises
//! - **Never more streams than the peer allows**, live: the number follows `SETTINGS` up and down, and starts at none
//!   until the first `SETTINGS` frame has arrived.
//! - **What was never processed is sent again, unseen by the caller**: a refused stream, a stream above the last one a
//!   `GOAWAY` names, a request whose last byte never left. Everything else that ends without an answer is *in doubt*,
//!   is reported as such ([`Error::maybe_sent`]), and is never sent again from here.
//! - **Every wait ends**: connecting, waiting for a stream, waiting for an answer, draining, closing. See [`Config`].
//! - **A dead peer is noticed** by PING, not by the first thousand requests that time out.
//!
//! # Why it is not `Send`
//! Everything of a pool lives on one thread, inside a [`tokio::task::LocalSet`]. One task owns one connection and every
//! request in flight on it; there is no channel, task or timer for each request. Handing requests over one by one to
//! connections on other threads costs two to four times the CPU of sending them. A caller on another thread brings
//! batches through a channel of his own.
//!
//! # What it deliberately does not do
//! No redirects, no cookies, no compression, no streaming bodies, no HTTP/1.1, no second origin. No retry of anything
//! that may have been processed.

mod backoff;
mod config;
mod connect;
mod connection;
mod error;
mod observer;
mod permits;
mod ping;
mod pipe;
mod pool;
mod protocol;
mod random;
mod slots;

pub use crate::backoff::Backoff;
pub use crate::config::Config;
pub use crate::connect::{Connect, Connector, Proxy, Resolve, Stream, Tls};
pub use crate::error::{Error, ErrorKind};
pub use crate::observer::{CloseCause, Event, GoAway, NoObserver, Observer};
pub use crate::pool::{Pool, Status};
pub use crate::protocol::{
    Answer, ConnectionId, ConnectionVerdict, End, Judgement, Protocol, RequestVerdict,
};
