//! Why a request ended without an answer, and whether the peer may have seen it all the same.
//!
//! An answer with an error status is not an [`Error`]: the peer spoke, and its [`Protocol`](crate::Protocol) judges it.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No connection could be made. Not sent.
    Connect,
    /// No stream became free in time. Not sent.
    QueueTimeout,
    /// The request's own last moment to be written passed while it waited. Not sent.
    Expired,
    /// The peer said, too often, that it did not process the request. Not processed.
    Refused,
    /// The pool was closed first. Not sent.
    Closed,
    /// The request cannot be written as HTTP/2, or a setting cannot be used. Not sent.
    Invalid,
    /// No answer came in time. In doubt.
    Timeout,
    /// The connection ended between the request and its answer. In doubt.
    ConnectionLost,
    /// The peer reset the stream, with another code than `REFUSED_STREAM`. In doubt.
    Reset,
    /// The peer's error status arrived, but not the whole of its explanation. In doubt; see [`Error::status`].
    Interrupted,
}

/// Why a request ended without an answer.
///
/// ```
/// # fn decide(error: &h2_pool::Error) -> &'static str {
/// if error.maybe_sent() { "resend only what tolerates a duplicate" } else { "send again, it never happened" }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    status: Option<StatusCode>,
    detail: Arc<str>,
}

impl ErrorKind {
    /// A short stable name, fit for a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::QueueTimeout => "queue_timeout",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Invalid => "invalid",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::Reset => "reset",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the peer may have processed the request.
    pub const fn maybe_sent(self) -> bool {
        match self {
            Self::Connect
            | Self::QueueTimeout
            | Self::Expired
            | Self::Refused
            | Self::Closed
            | Self::Invalid => false,
            Self::Timeout | Self::ConnectionLost | Self::Reset | Self::Interrupted => true,
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Connect => "could not connect",
            Self::QueueTimeout => "no stream became free in time",
            Self::Expired => "its time ran out before it could be written",
            Self::Refused => "the peer kept refusing to process it",
            Self::Closed => "the pool is closed",
            Self::Invalid => "not usable",
            Self::Timeout => "no answer in time",
            Self::ConnectionLost => "the connection ended before the answer",
            Self::Reset => "the peer reset the stream",
            Self::Interrupted => "the answer broke off",
        }
    }
}

impl Error {
    /// An error of this kind, with what is known besides. `detail` may be empty; it must not hold secrets.
    pub fn new(kind: ErrorKind, detail: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            status: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the peer may have processed the request: then sending it again may happen twice.
    pub fn maybe_sent(&self) -> bool {
        self.kind.maybe_sent()
    }

    /// Whether no connection could be made.
    pub fn is_connect(&self) -> bool {
        self.kind == ErrorKind::Connect
    }

    /// Whether a wait, for a stream or for an answer, took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, ErrorKind::Timeout | ErrorKind::QueueTimeout)
    }

    /// Whether the pool was closed.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// The peer's status, where one arrived ([`ErrorKind::Interrupted`] only).
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// What is known besides the kind, in words for a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

// === impl Error ===

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.sentence())?;
        if let Some(status) = self.status {
            write!(f, " (after status {})", status.as_u16())?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind)
    }
}

impl std::error::Error for Error {}
