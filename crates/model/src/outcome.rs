//! What came of one attempt, in words that hold for every gateway.
//!
//! The gateway's adapter decides; the engine obeys. Whoever makes an outcome says what is to become
//! of the delivery, of the push token and of the lane: nobody parses messages.

use crate::UnixMs;

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// The gateway's answer; `None` for a plain acceptance and when there was none.
    pub answer: Option<Box<Answer>>,
    /// Number of the connection that served it, 0 when none did. For `explain`.
    pub connection: u32,
    /// From write to answer, in microseconds; 0 when not written.
    pub elapsed_us: u32,
}

/// What an outcome means for the delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The gateway took it. Final.
    Accepted,
    /// The gateway refused it for good. Final.
    Rejected(TokenFate),
    /// Refused for now, and this push is the reason (too many to one device, an internal error for
    /// it): tried again later, counted as an attempt.
    Retry {
        /// Floor under the delay, in milliseconds.
        retry_after_ms: Option<u32>,
    },
    /// Refused for now because of the credential or the gateway as a whole. The work waits behind
    /// the lane's breaker; not counted as an attempt.
    Blocked(Trouble),
    /// Certainly never processed (not written, refused stream, above the last stream id). Sent again
    /// at once; not counted.
    NotSent,
    /// Its time was over before the bytes were written. Final.
    Expired,
    /// Taken back before the bytes were written. Final.
    Withdrawn,
    /// Written, and no answer: nobody knows.
    InDoubt,
}

/// Why a whole pool cannot send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whose trouble it is.
    pub scope: TroubleScope,
    /// Stable word, e.g. `InvalidProviderToken`, `connect_failed`.
    pub reason: String,
    /// What a person should do about it.
    pub mend: String,
    /// Floor under the time to the next probe, in milliseconds.
    pub retry_after_ms: Option<u32>,
}

/// Whose trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TroubleScope {
    /// The App's credential: a person must mend it.
    Credential,
    /// The gateway or the network: time will mend it.
    Gateway,
}

/// What the answer means for the push token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFate {
    /// Nothing: the push was at fault.
    Keep,
    /// The gateway says it is dead since `since` (milliseconds); it is retired unless the app has
    /// registered it again after that. Without a time: if this registration is still the current one.
    Retire {
        /// When the gateway learnt of it.
        since: Option<UnixMs>,
    },
    /// `BadDeviceToken`: malformed, or of the other environment. With an unknown environment the
    /// other one is tried; with a declared one it is rejected, and many at once raise an alarm.
    WrongEnvironment,
    /// `DeviceTokenNotForTopic`: of another app or kind. Kept, reported.
    WrongTopic,
}

/// The gateway's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// The gateway's reason, in its spelling; or our word for a failure without an answer, such as
    /// `timeout` or `connection_lost`.
    pub reason: String,
    /// Raw body, at most 1 kB.
    pub raw: String,
    /// The gateway's time stamp, if it gave one.
    pub timestamp: Option<UnixMs>,
}

impl Outcome {
    /// A plain acceptance.
    #[must_use]
    pub fn accepted(connection: u32, elapsed_us: u32) -> Self {
        Self {
            verdict: Verdict::Accepted,
            answer: None,
            connection,
            elapsed_us,
        }
    }
}
