//! The `apns-expiration` header.
//!
//! "No header" is not a value of this type: it is `Option::None` where a request holds one, because leaving the header
//! out and sending 0 mean opposite things to APNs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// Until when APNs stores a notification for a device it cannot reach.
///
/// * [`Expiration::once`]: one attempt, never stored (the header is `0`);
/// * [`Expiration::at`]: stored until that second, at most 30 days;
/// * no header (`None` in a request): stored by APNs' own policy, at most 30 days.
///
/// It is best effort: Apple may deliver a little late, even after `0`. Serialised as Unix **seconds**.
/// Source: Apple, *Sending notification requests to APNs*.
///
/// ```
/// use apns::Expiration;
/// assert_eq!(Expiration::once().as_secs(), 0);
/// assert_eq!(Expiration::at(1_700_003_600).header_value(), "1700003600");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expiration(u64);

impl Expiration {
    /// The longest APNs stores anything.
    pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

    /// One attempt, never stored.
    pub const fn once() -> Self {
        Self(0)
    }

    /// Stored until this Unix second. `at(0)` is the same as [`once`](Self::once): that is how APNs reads it.
    pub const fn at(unix_secs: u64) -> Self {
        Self(unix_secs)
    }

    /// Stored for this long from `now`, rounded up to a whole second so that it never becomes "once" by accident.
    ///
    /// A `now` before 1970 counts as 1970.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    /// assert_eq!(apns::Expiration::after(Duration::from_secs(30), now).as_secs(), 1_700_000_031);
    /// ```
    pub fn after(span: Duration, now: SystemTime) -> Self {
        let until = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_add(span);
        let secs = until
            .as_secs()
            .saturating_add(u64::from(until.subsec_nanos() > 0));
        Self(secs.max(1))
    }

    /// Whether this is the single attempt without storage.
    pub const fn is_once(self) -> bool {
        self.0 == 0
    }

    /// Unix seconds; 0 for [`once`](Self::once).
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The value for `apns-expiration`.
    pub fn header_value(self) -> HeaderValue {
        if self.is_once() {
            return HeaderValue::from_static("0");
        }
        HeaderValue::from(self.0)
    }
}

// === impl Expiration ===

impl fmt::Display for Expiration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_is_expressible_and_is_zero() {
        assert_eq!(Expiration::once().header_value(), "0");
        assert_eq!(Expiration::at(0), Expiration::once());
        assert!(!Expiration::at(1).is_once());
    }

    #[test]
    fn a_span_is_never_once() {
        assert!(!Expiration::after(Duration::ZERO, UNIX_EPOCH).is_once());
        assert!(!Expiration::after(Duration::ZERO, UNIX_EPOCH - Duration::from_secs(9)).is_once());
        assert_eq!(
            Expiration::after(Duration::MAX, SystemTime::now()).as_secs(),
            u64::MAX
        );
    }
}
