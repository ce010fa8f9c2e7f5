//! A handful of events for metrics and logs. Nothing here steers the pool.

use std::borrow::Cow;
use std::time::Duration;

use crate::error::Error;
use crate::protocol::ConnectionId;

/// Hears what happens to the connections of a pool. Called on the pool's thread; must not block.
pub trait Observer {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}

/// An observer that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

/// What an [`Observer`] hears.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection is ready: its first `SETTINGS` frame has arrived.
    Connected {
        /// Its number.
        connection: ConnectionId,
        /// From the start of the name lookup.
        took: Duration,
    },
    /// A connect failed, or a connection ended before it was of any use.
    ConnectFailed {
        /// Why.
        error: &'a Error,
        /// How many in a row.
        failures: u32,
        /// The next one starts no sooner than this.
        retry_in: Duration,
    },
    /// The peer said goodbye; the connection drains.
    GoAway {
        /// Its number.
        connection: ConnectionId,
        /// What the peer said.
        frame: &'a GoAway,
    },
    /// The peer refused a stream (`REFUSED_STREAM`); the request is sent again.
    Refused {
        /// Its connection.
        connection: ConnectionId,
    },
    /// A PING went unanswered; the connection is given up.
    PingTimedOut {
        /// Its number.
        connection: ConnectionId,
        /// Requests then in flight.
        in_flight: usize,
    },
    /// A connection that was ready has ended.
    Closed {
        /// Its number.
        connection: ConnectionId,
        /// Why.
        cause: CloseCause,
        /// Requests it carried in its life.
        requests: u64,
    },
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// We closed it: idle, too old, replaced, or the pool was closed.
    Ours,
    /// The peer said `GOAWAY`.
    GoAway,
    /// The peer, or the network, ended it without a word.
    Lost,
    /// A PING went unanswered.
    Ping,
    /// It would not finish draining in time.
    DrainTimeout,
    /// The peer broke HTTP/2's rules, or ran into one of our guards.
    Protocol,
}

impl CloseCause {
    /// A short stable name, fit for a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::GoAway => "goaway",
            Self::Lost => "lost",
            Self::Ping => "ping",
            Self::DrainTimeout => "drain_timeout",
            Self::Protocol => "protocol",
        }
    }
}

/// What a peer's `GOAWAY` frame said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The error code of RFC 9113 section 7; 0 is `NO_ERROR`.
    pub code: u32,
    /// The debug data. Apple puts `{"reason":"Shutdown"}` there; it may be empty or any other text.
    pub debug_data: Vec<u8>,
}

impl GoAway {
    /// The debug data as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.debug_data)
    }

    pub(crate) fn from_h2(error: &h2::Error) -> Option<Self> {
        if !(error.is_go_away() && error.is_remote()) {
            return None;
        }
        let code = error.reason().map_or(0, u32::from);
        Some(Self {
            code,
            debug_data: debug_data_of(&error.to_string()),
        })
    }
}

/// Digs the debug data out of an `h2::Error`'s `Display`.
///
/// `h2` 0.4 keeps the bytes to itself and shows them only at the end of that text, as ` (b"…")` with the escapes of
/// `bytes::Bytes`' `Debug`. Whatever does not look like that yields nothing: the data is for people, never for a decision.
fn debug_data_of(display: &str) -> Vec<u8> {
    let Some(quoted) = display
        .split_once(" (b\"")
        .and_then(|(_, rest)| rest.strip_suffix("\")"))
    else {
        return Vec::new();
    };
    let mut data = Vec::with_capacity(quoted.len());
    let mut rest = quoted.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            data.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => data.push(b'\n'),
            Some(b'r') => data.push(b'\r'),
            Some(b't') => data.push(b'\t'),
            Some(b'0') => data.push(0),
            Some(b'x') => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let text = std::str::from_utf8(&digits).unwrap_or("00");
                data.push(u8::from_str_radix(text, 16).unwrap_or(0));
            }
            Some(escaped) => data.push(escaped),
            None => {}
        }
    }
    data
}

// === impl Observer ===

impl Observer for NoObserver {
    fn observe(&self, _event: &Event<'_>) {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn debug_data_survives_the_way_through_display() {
        let all: Vec<u8> = (0..=255).collect();
        for data in [
            &b"{\"reason\":\"Shutdown\",\"timestamp\":1}"[..],
            b"too many (b\"active\") streams \\",
            b"\n\r\t\0",
            &all,
        ] {
            let display = format!(
                "connection error received: not a result of an error ({:?})",
                Bytes::copy_from_slice(data)
            );
            assert_eq!(debug_data_of(&display), data, "{display}");
        }
    }

    #[test]
    fn anything_else_yields_nothing() {
        for display in [
            "",
            "connection error received: not a result of an error",
            "broken pipe",
            "x (b\"open",
            "(b\"a\")",
        ] {
            assert_eq!(debug_data_of(display), b"", "{display}");
        }
    }
}
