//! What can be done at once to live connections, and how they look from outside.

use serde::{Deserialize, Serialize};

use crate::host::{Environment, Host};
use crate::script::{AfterGoaway, GoawayDebug};

/// Something done at once to live connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// GOAWAY; all streams so far count as processed.
    Goaway {
        /// Debug data.
        #[serde(default)]
        debug: GoawayDebug,
        /// HTTP/2 error code.
        #[serde(default)]
        code: u32,
        /// What follows.
        #[serde(default)]
        then: AfterGoaway,
    },
    /// The TCP connection ends without a word.
    Drop {
        /// With RST instead of FIN.
        #[serde(default)]
        reset: bool,
    },
    /// Stops reading, answering and acknowledging PINGs.
    Freeze,
    /// Ends a freeze.
    Thaw,
    /// SETTINGS with another stream limit.
    LimitStreams {
        /// SETTINGS_MAX_CONCURRENT_STREAMS.
        max: u32,
    },
    /// Every request that waits for its (delayed) answer gets this one now.
    FailInFlight {
        /// HTTP status.
        status: u16,
        /// Apple's reason.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Every provider token the connections have accepted expires now; requests that wait for a
    /// delayed answer get 403 `ExpiredProviderToken`.
    ExpireProviderTokens,
    /// Every access token that Google's token endpoint has given expires now.
    ExpireAccessTokens,
}

/// What an action reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// Connections it was done to.
    pub connections: u64,
    /// Requests waiting for an answer on them.
    pub requests_in_flight: u64,
}

/// A live connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionView {
    /// Its number, from 1.
    pub id: u32,
    /// Environment of the host; another gateway than Apple's has only `production`.
    pub environment: Environment,
    /// Kind of the host.
    pub host: Host,
    /// Requests waiting for an answer.
    pub in_flight: u32,
    /// Stream limit last announced.
    pub stream_limit: u32,
    /// Highest stream the sender opened.
    pub highest_stream: u32,
    /// A client certificate was shown.
    pub certificate: bool,
    /// Frozen by a script.
    pub frozen: bool,
    /// `iat` of the provider token last accepted, in Unix seconds; `None` before the first one, and where there are none.
    pub provider_token_issued_at: Option<i64>,
}
