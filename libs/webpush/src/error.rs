//! Why there is no answer from a push service, and whether the push may have got there all the same.
//!
//! A refusal by the service is not an error: it is a [`Response`](crate::Response). What a caller got wrong before anything
//! was sent is told by the smaller errors of each type, [`Invalid`](crate::Invalid) and its like.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::content::SealError;
use crate::vapid::VapidError;
use egress_guard::Forbidden;

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The guard does not let the endpoint through. Not sent, and not worth another try.
    Forbidden,
    /// The origin's queue is full or it asked to be left alone, or there are too many busy origins. Not sent; see
    /// [`Error::retry_after`].
    Busy,
    /// No connection could be made. Not sent.
    Connect,
    /// No stream became free in time. Not sent.
    QueueTimeout,
    /// Its last moment to be written passed while it waited. Not sent.
    Expired,
    /// The service said, too often, that it did not process the request. Not sent.
    Refused,
    /// The connection or client was closed first. Not sent.
    Closed,
    /// It cannot be encrypted, signed or written as a request, or a setting cannot be used. Not sent.
    Invalid,
    /// No answer came in time. In doubt.
    Timeout,
    /// The connection ended between the request and its answer. In doubt.
    ConnectionLost,
    /// The service reset the stream, with another code than `REFUSED_STREAM`. In doubt.
    Reset,
    /// An error status arrived, but not the whole of its explanation. In doubt.
    Interrupted,
}

/// Why there is no answer.
///
/// The question that matters is [`maybe_sent`](Self::maybe_sent): if not, the push never happened and may simply be
/// sent again; if so, sending it again may show twice what no [`PushTopic`](crate::PushTopic) replaces.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    status: Option<u16>,
    retry_after: Option<Duration>,
    detail: Arc<str>,
}

impl ErrorKind {
    /// Whether the service may have accepted the push.
    pub const fn maybe_sent(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::ConnectionLost | Self::Reset | Self::Interrupted
        )
    }

    /// A short stable name, fit for a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Busy => "busy",
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

    const fn sentence(self) -> &'static str {
        match self {
            Self::Forbidden => "the endpoint is not let through",
            Self::Busy => "there is no room for it now",
            Self::Connect => "no connection to the push service",
            Self::QueueTimeout => "the push service had no stream free in time",
            Self::Expired => "its time ran out before it could be written",
            Self::Refused => "the push service kept refusing to process it",
            Self::Closed => "the client is closed",
            Self::Invalid => "not usable",
            Self::Timeout => "no answer from the push service in time, it may have been accepted",
            Self::ConnectionLost => {
                "the connection to the push service ended before the answer, it may have been accepted"
            }
            Self::Reset => "the push service reset the stream, it may have been accepted",
            Self::Interrupted => "the answer of the push service broke off",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            status: None,
            retry_after: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn busy(detail: impl Into<Arc<str>>, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..Self::new(ErrorKind::Busy, detail)
        }
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the service may have accepted the push: it is in doubt.
    pub fn maybe_sent(&self) -> bool {
        self.kind.maybe_sent()
    }

    /// Whether the guard does not let the endpoint through.
    pub fn is_forbidden(&self) -> bool {
        self.kind == ErrorKind::Forbidden
    }

    /// Whether there was no room for it now.
    pub fn is_busy(&self) -> bool {
        self.kind == ErrorKind::Busy
    }

    /// Whether no connection could be made.
    pub fn is_connect(&self) -> bool {
        self.kind == ErrorKind::Connect
    }

    /// Whether a wait, for a stream or for an answer, took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, ErrorKind::Timeout | ErrorKind::QueueTimeout)
    }

    /// Whether the connection or client was closed.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// The HTTP status, where one arrived ([`ErrorKind::Interrupted`] only).
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How much longer the origin asked to be left alone ([`ErrorKind::Busy`] only, where it did).
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What is known besides the kind, in words for a person. It never holds an endpoint's path.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

// === impl Error ===

impl From<h2_pool::Error> for Error {
    fn from(error: h2_pool::Error) -> Self {
        use h2_pool::ErrorKind as Pool;
        let kind = match error.kind() {
            Pool::Connect => ErrorKind::Connect,
            Pool::QueueTimeout => ErrorKind::QueueTimeout,
            Pool::Expired => ErrorKind::Expired,
            Pool::Refused => ErrorKind::Refused,
            Pool::Closed => ErrorKind::Closed,
            Pool::Invalid => ErrorKind::Invalid,
            Pool::Timeout => ErrorKind::Timeout,
            Pool::Reset => ErrorKind::Reset,
            Pool::Interrupted => ErrorKind::Interrupted,
            Pool::ConnectionLost => ErrorKind::ConnectionLost,
            other if other.maybe_sent() => ErrorKind::ConnectionLost,
            _ => ErrorKind::Connect,
        };
        Self {
            status: error.status().map(|status| status.as_u16()),
            ..Self::new(kind, error.detail())
        }
    }
}

impl From<Forbidden> for Error {
    fn from(forbidden: Forbidden) -> Self {
        Self::new(ErrorKind::Forbidden, forbidden.to_string())
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string())
    }
}

impl From<VapidError> for Error {
    fn from(error: VapidError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.sentence())?;
        if let Some(status) = self.status {
            write!(f, " (after status {status})")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pools_verdict_on_doubt_is_kept() {
        for kind in [
            h2_pool::ErrorKind::Connect,
            h2_pool::ErrorKind::QueueTimeout,
            h2_pool::ErrorKind::Expired,
            h2_pool::ErrorKind::Refused,
            h2_pool::ErrorKind::Closed,
            h2_pool::ErrorKind::Invalid,
            h2_pool::ErrorKind::Timeout,
            h2_pool::ErrorKind::ConnectionLost,
            h2_pool::ErrorKind::Reset,
            h2_pool::ErrorKind::Interrupted,
        ] {
            let error = Error::from(h2_pool::Error::new(kind, "why"));
            assert_eq!(error.maybe_sent(), kind.maybe_sent(), "{kind:?}");
            assert_eq!(error.kind().as_str(), kind.as_str());
            assert!(error.to_string().ends_with(": why"), "{error}");
        }
        assert!(!ErrorKind::Busy.maybe_sent() && !ErrorKind::Forbidden.maybe_sent());
    }
}
