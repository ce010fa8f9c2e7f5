//! Every bound and every deadline of a pool, in one place, each with a default that suits a push gateway.

use std::time::Duration;

/// Bounds and deadlines of a [`Pool`](crate::Pool).
///
/// Zero is never an error: counts are read as at least one, and a zero duration means "at once".
///
/// ```
/// use std::time::Duration;
/// let config = h2_pool::Config { max_connections: 2, request_timeout: Duration::from_secs(5), ..Default::default() };
/// assert_eq!(config.max_streams, 1_000);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Time for name lookup, TCP, proxy, TLS and the first `SETTINGS` frame together. Default 10 s.
    pub connect_timeout: Duration,
    /// After so many failed connects in a row, with no connection alive, whatever is queued is handed back as
    /// [`Connect`](crate::ErrorKind::Connect), not sent. Default 3.
    pub connect_attempts: u32,
    /// Shortest time between the beginnings of two connections, also when nothing failed: a peer that sends everybody
    /// away politely is not stormed either. Default 250 ms.
    pub connect_interval: Duration,
    /// Shortest wait between two connects after a failure. Default 1 s.
    pub backoff_min: Duration,
    /// Longest wait between two connects after failures. Default 60 s.
    pub backoff_max: Duration,

    /// Most connections at a time, not counting those that only drain. Default 4.
    pub max_connections: usize,
    /// A connection is added once every stream of every connection has been taken, with requests waiting, for this
    /// long. About one round trip of the gateway: below it, more connections only make smaller batches. Default 200 ms.
    pub grow_after: Duration,
    /// A connection beyond the first is closed after so long without a request. Default 10 min; Apple may take repeated
    /// opening and closing for an attack.
    pub idle_timeout: Duration,
    /// A connection is replaced at this age. Default 12 h.
    pub max_age: Duration,
    /// A connection is replaced after so many requests. Stream numbers end at 2³⁰ requests, and the pool never goes
    /// beyond that whatever is set here. Default 2²⁹.
    pub max_requests_per_connection: u64,
    /// A connection on which so many requests were given up after their deadline is replaced. Default 200.
    pub max_abandoned: u32,
    /// How long a connection that takes no new requests may wait for the answers it still owes. Default 60 s.
    pub drain_timeout: Duration,
    /// How long saying goodbye on a connection without requests may take. Default 2 s.
    pub close_timeout: Duration,

    /// Most requests in flight on one connection, whatever the peer allows. Default 1,000.
    pub max_streams: usize,
    /// Requests in flight on a connection that its [`Protocol`](crate::Protocol) has not yet come to trust. Apple
    /// allows one until it has seen a valid provider token. Default: no limit.
    pub initial_streams: usize,

    /// Most requests waiting for a stream. Default 10,000.
    pub queue_capacity: usize,
    /// Longest wait for a stream. Default 30 s.
    pub queue_timeout: Duration,
    /// How often one request is silently sent again because the peer did not process it. Default 16.
    pub max_requeues: u8,

    /// Longest wait for an answer, from the moment the request is handed to the connection. Default 20 s.
    pub request_timeout: Duration,
    /// How long after that an answer is still listened for, and reported as late. The stream stays taken. Default 30 s.
    pub late_grace: Duration,
    /// How often deadlines are looked at; they are this coarse. One timer for each connection, none for each request.
    /// Default 100 ms.
    pub sweep_interval: Duration,

    /// With requests in flight, a PING goes out after so long without a byte from the peer. Default 15 s.
    pub ping_busy: Duration,
    /// Without requests in flight, likewise. Short enough that middle boxes keep the flow. Default 60 s.
    pub ping_idle: Duration,
    /// A PING unanswered for so long, with no other byte heard, means that the peer is gone. Default 10 s.
    pub ping_timeout: Duration,

    /// Most bytes kept of an answer's body; the rest is read and dropped. Default 4 KiB.
    pub max_body_bytes: usize,
    /// Receive window of the connection. `h2` counts small unread DATA frames against half of it, so it is much larger
    /// than the bodies need. Default 8 MiB.
    pub connection_window_bytes: u32,
    /// Receive window of one stream. Default 64 KiB.
    pub stream_window_bytes: u32,
    /// `h2`'s budget for small unread DATA frames; a frame of n < 256 bytes costs 256 − n until it is read. Default
    /// 4 MiB.
    pub data_frame_budget: usize,
    /// Bytes gathered before they are handed to TLS and the socket in the middle of a turn. Default 64 KiB.
    pub write_buffer_bytes: usize,

    /// Seed of the jitter and of the order of addresses; `None` takes one from the operating system.
    pub seed: Option<u64>,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            connect_attempts: 3,
            connect_interval: Duration::from_millis(250),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            max_connections: 4,
            grow_after: Duration::from_millis(200),
            idle_timeout: Duration::from_secs(600),
            max_age: Duration::from_secs(12 * 3600),
            max_requests_per_connection: 1 << 29,
            max_abandoned: 200,
            drain_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(2),
            max_streams: 1_000,
            initial_streams: usize::MAX,
            queue_capacity: 10_000,
            queue_timeout: Duration::from_secs(30),
            max_requeues: 16,
            request_timeout: Duration::from_secs(20),
            late_grace: Duration::from_secs(30),
            sweep_interval: Duration::from_millis(100),
            ping_busy: Duration::from_secs(15),
            ping_idle: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(10),
            max_body_bytes: 4 * 1024,
            connection_window_bytes: 8 * 1024 * 1024,
            stream_window_bytes: 64 * 1024,
            data_frame_budget: 4 * 1024 * 1024,
            write_buffer_bytes: 64 * 1024,
            seed: None,
        }
    }
}
