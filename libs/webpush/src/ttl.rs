//! How long the push service keeps a push for a browser that is away (RFC 8030 section 5.2).

use std::fmt;
use std::time::Duration;

use crate::service::PushService;

/// The `TTL` header, in whole seconds. Every push has one; a service refuses a push without.
///
/// ```
/// use std::time::Duration;
/// use webpush::{PushService, Ttl};
/// assert_eq!(Ttl::from(Duration::from_millis(90_900)).as_secs(), 90);
/// assert_eq!(Ttl::secs(u32::MAX).at(PushService::Fcm).as_secs(), 28 * 24 * 3600);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ttl(u32);

impl Ttl {
    /// Only if the browser can be reached now. Otherwise the push is gone.
    pub const NOW_OR_NEVER: Self = Self(0);

    /// So many seconds. More than 2³¹ count as 2³¹ (RFC 9111 section 1.2.2).
    pub const fn secs(secs: u32) -> Self {
        const MOST: u32 = 1 << 31;
        Self(if secs > MOST { MOST } else { secs })
    }

    /// The number of seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// What is left of it at this service: a longer life than it gives is cut here as it would be there.
    #[must_use]
    pub const fn at(self, service: PushService) -> Self {
        let most = service.rules().max_ttl_secs;
        Self(if self.0 > most { most } else { self.0 })
    }
}

// === impl Ttl ===

impl From<Duration> for Ttl {
    /// Rounds down.
    fn from(span: Duration) -> Self {
        Self::secs(u32::try_from(span.as_secs()).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_cut_to_what_the_service_gives() {
        let year = Ttl::from(Duration::from_secs(365 * 24 * 3600));
        for (service, days) in [
            (PushService::Apple, 30),
            (PushService::Mozilla, 30),
            (PushService::Fcm, 28),
            (PushService::Wns, 365),
            (PushService::Other, 365),
        ] {
            assert_eq!(year.at(service).as_secs(), days * 24 * 3600, "{service}");
            assert_eq!(Ttl::NOW_OR_NEVER.at(service).to_string(), "0");
            assert_eq!(Ttl::secs(60).at(service).as_secs(), 60);
        }
        assert_eq!(Ttl::from(Duration::MAX).as_secs(), 1 << 31);
    }
}
