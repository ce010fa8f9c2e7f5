//! What a pool asks of the protocol above it: how a request looks on the wire, and what an answer means for the request
//! and for the connection. Policy lives there, mechanism here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use crate::error::Error;

/// The number of a connection: 1, 2, 3, … in the order in which a pool began them.
pub type ConnectionId = u64;

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as far as [`Config::max_body_bytes`](crate::Config::max_body_bytes); empty if
    /// [`Protocol::wants_body`] said no.
    pub body: Bytes,
}

/// How a request ended.
#[derive(Debug)]
pub struct End {
    /// The answer, or why there is none.
    pub result: Result<Answer, Error>,
    /// The connection that carried it, if one did.
    pub connection: Option<ConnectionId>,
    /// Whether this request was already reported as [`Timeout`](crate::ErrorKind::Timeout), and the truth came after
    /// all.
    pub late: bool,
}

/// What to do with a request after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// Report the answer.
    Report,
    /// Send it again, ahead of what waits. Only for answers which say that the request was not processed.
    Resend,
}

/// What to do with a connection after an answer on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionVerdict {
    /// Nothing.
    Keep,
    /// The peer has accepted who we are: lift [`Config::initial_streams`](crate::Config::initial_streams).
    Trust,
    /// Open no further stream on it; replace it when needed.
    Retire,
}

/// What an answer means.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// For the request.
    pub request: RequestVerdict,
    /// For the connection.
    pub connection: ConnectionVerdict,
    /// For everybody: write nothing for so long.
    pub pause: Option<Duration>,
}

impl Judgement {
    /// Report the answer and go on.
    pub const REPORT: Self = Self {
        request: RequestVerdict::Report,
        connection: ConnectionVerdict::Keep,
        pause: None,
    };
}

/// What a [`Pool`](crate::Pool) asks of the protocol above it.
///
/// All methods are called on the pool's thread and must not block. All but [`write_by`](Self::write_by) may call the
/// pool.
pub trait Protocol: 'static {
    /// One request, in whatever compact form the protocol keeps it. It is encoded again each time it is sent.
    type Request: 'static;

    /// The request as it goes on the wire: scheme, authority, path, headers, and the whole body.
    ///
    /// # Errors
    /// If it cannot be written; it is then reported with this error and never sent.
    fn encode(
        &self,
        request: &mut Self::Request,
        connection: ConnectionId,
    ) -> Result<(http::Request<()>, Bytes), Error>;

    /// Judges an answer, before it is reported. `late` as in [`End`]; a late answer is never resent.
    fn judge(
        &self,
        request: &mut Self::Request,
        connection: ConnectionId,
        answer: &Answer,
        late: bool,
    ) -> Judgement;

    /// The request has ended. Comes once, or twice if the first was a [`Timeout`](crate::ErrorKind::Timeout).
    fn finish(&self, request: &mut Self::Request, end: End);

    /// The pool has done what it could for now: a good moment to pass on, in bulk, what [`finish`](Self::finish) gathered.
    fn turn_ended(&self) {}

    /// Whether the body of an answer with this status is worth keeping.
    fn wants_body(&self, status: StatusCode) -> bool {
        !status.is_success()
    }

    /// The last moment at which the request may still be written.
    fn write_by(&self, request: &Self::Request) -> Option<Instant> {
        let _ = request;
        None
    }

    /// A connection has ended; nothing more will be heard of its number.
    fn disconnected(&self, connection: ConnectionId) {
        let _ = connection;
    }
}
