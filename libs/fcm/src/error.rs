//! Why there is no answer from FCM, and whether the push may have got there all the same.
//!
//! A refusal by FCM is not an error: it is a [`Response`](crate::Response). What a caller got wrong before anything
//! was sent is told by the smaller errors of each type, [`Invalid`](crate::Invalid) and its like.

use std::fmt;
use std::sync::Arc;

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No connection could be made. Not sent.
    Connect,
    /// No stream became free in time. Not sent.
    QueueTimeout,
    /// Its last moment to be written passed while it waited. Not sent.
    Expired,
    /// FCM said, too often, that it did not process the request. Not sent.
    Refused,
    /// The connection or client was closed first. Not sent.
    Closed,
    /// It cannot be written as a request, or a setting cannot be used. Not sent.
    Invalid,
    /// There is no access token to send it with, and none to be had. Not sent.
    AccessToken,
    /// No answer came in time. In doubt.
    Timeout,
    /// The connection ended between the request and its answer. In doubt.
    ConnectionLost,
    /// FCM reset the stream, with another code than `REFUSED_STREAM`. In doubt.
    Reset,
    /// An error status arrived, but not the whole of its explanation. In doubt.
    Interrupted,
}

/// Why there is no answer.
///
/// The question that matters is [`maybe_sent`](Self::maybe_sent): if not, the push never happened and may simply be
/// sent again; if so, sending it again may reach the device twice, which a collapse key or a tag hides.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    status: Option<u16>,
    detail: Arc<str>,
}

impl ErrorKind {
    /// Whether FCM may have accepted the push.
    pub const fn maybe_sent(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::ConnectionLost | Self::Reset | Self::Interrupted
        )
    }

    /// A short stable name, fit for a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::QueueTimeout => "queue_timeout",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Invalid => "invalid",
            Self::AccessToken => "access_token",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::Reset => "reset",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            status: None,
            detail: detail.into(),
        }
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether FCM may have accepted the push: it is in doubt.
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

    /// Whether the connection or client was closed.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// The HTTP status, where one arrived ([`ErrorKind::Interrupted`] only).
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// What is known besides the kind, in words for a person.
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
            kind,
            status: error.status().map(|status| status.as_u16()),
            detail: error.detail().into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Connect => "no connection to FCM",
            ErrorKind::QueueTimeout => "FCM had no stream free in time",
            ErrorKind::Expired => "its time ran out before it could be written",
            ErrorKind::Refused => "FCM kept refusing to process it",
            ErrorKind::Closed => "the client is closed",
            ErrorKind::Invalid => "not usable",
            ErrorKind::AccessToken => "no access token to send it with",
            ErrorKind::Timeout => "no answer from FCM in time, it may have been accepted",
            ErrorKind::ConnectionLost => {
                "the connection to FCM ended before the answer, it may have been accepted"
            }
            ErrorKind::Reset => "FCM reset the stream, it may have been accepted",
            ErrorKind::Interrupted => "the answer of FCM broke off",
        })?;
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
    }
}
