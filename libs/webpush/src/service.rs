//! The push services behind the browsers, and what each of them does besides the RFCs: one table.
//!
//! Told by the endpoint's host. A host that nobody knows is [`PushService::Other`], with the RFC's own limits.

use egress_guard::is_host;

use crate::content::MAX_PLAINTEXT_BYTES;
use crate::origin::Origin;

/// Whose push service an endpoint belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PushService {
    /// Safari on macOS, iOS and iPadOS.
    Apple,
    /// Firefox (autopush).
    Mozilla,
    /// Chrome and most browsers built on Chromium.
    Fcm,
    /// Edge (WNS).
    Wns,
    /// Any other: a small vendor's, or one of your own.
    Other,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceRules {
    /// A short stable name, fit for a metric label.
    pub name: &'static str,
    /// Its hosts. One that begins with a dot stands for every host below it.
    pub hosts: &'static [&'static str],
    /// The longest message (before encryption, padding included) that the service takes.
    pub max_plaintext_bytes: usize,
    /// The longest message that arrives everywhere. Mozilla hands pushes for phones to another service, base64 around
    /// them, which leaves less.
    pub safe_plaintext_bytes: usize,
    /// Longer lives are cut to this by the service, in seconds.
    pub max_ttl_secs: u32,
    /// Whether it wants `X-WNS-Cache-Policy` to agree with the TTL; it answers 400 otherwise.
    pub wants_cache_policy: bool,
    /// Whether its 404 means a URL that never was, not a subscription that is over.
    pub not_found_is_our_fault: bool,
}

const DAY_SECS: u32 = 24 * 3600;

/// What counts as the longest life where the service names none (RFC 8030 section 5.2: a number of 31 bits).
const ANY_TTL_SECS: u32 = 1 << 31;

const OTHER: ServiceRules = ServiceRules {
    name: "other",
    hosts: &[],
    max_plaintext_bytes: MAX_PLAINTEXT_BYTES,
    safe_plaintext_bytes: MAX_PLAINTEXT_BYTES,
    max_ttl_secs: ANY_TTL_SECS,
    wants_cache_policy: false,
    not_found_is_our_fault: false,
};

// Sources: Apple, "Sending web push notifications in web apps and browsers"; Mozilla autopush, HTTP documentation; the
// behaviour of FCM and WNS as other senders report it.
const APPLE: ServiceRules = ServiceRules {
    name: "apple",
    hosts: &["web.push.apple.com", ".push.apple.com"],
    max_ttl_secs: 30 * DAY_SECS,
    not_found_is_our_fault: true,
    ..OTHER
};

const MOZILLA: ServiceRules = ServiceRules {
    name: "mozilla",
    hosts: &["updates.push.services.mozilla.com"],
    safe_plaintext_bytes: 2640,
    max_ttl_secs: 30 * DAY_SECS,
    ..OTHER
};

const FCM: ServiceRules = ServiceRules {
    name: "fcm",
    hosts: &["fcm.googleapis.com"],
    max_ttl_secs: 28 * DAY_SECS,
    ..OTHER
};

const WNS: ServiceRules = ServiceRules {
    name: "wns",
    hosts: &[".notify.windows.com"],
    wants_cache_policy: true,
    ..OTHER
};

impl PushService {
    /// Those that are known by their hosts.
    pub const KNOWN: [Self; 4] = [Self::Apple, Self::Mozilla, Self::Fcm, Self::Wns];

    /// Whose host this is.
    ///
    /// ```
    /// use webpush::{PushEndpoint, PushService};
    /// let endpoint = PushEndpoint::parse("https://wns2-par02p.notify.windows.com/w/?token=x")?;
    /// assert_eq!(PushService::of(endpoint.origin()), PushService::Wns);
    /// # Ok::<(), webpush::Invalid>(())
    /// ```
    pub fn of(origin: &Origin) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|service| service.serves(origin.host()))
            .unwrap_or(Self::Other)
    }

    /// Its row.
    pub const fn rules(self) -> &'static ServiceRules {
        match self {
            Self::Apple => &APPLE,
            Self::Mozilla => &MOZILLA,
            Self::Fcm => &FCM,
            Self::Wns => &WNS,
            Self::Other => &OTHER,
        }
    }

    /// A short stable name, fit for a metric label.
    pub const fn as_str(self) -> &'static str {
        self.rules().name
    }

    fn serves(self, host: &str) -> bool {
        self.rules().hosts.iter().any(|known| is_host(host, known))
    }
}

// === impl PushService ===

impl std::fmt::Display for PushService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        for (host, service) in [
            ("web.push.apple.com", PushService::Apple),
            ("eu.push.apple.com", PushService::Apple),
            ("push.apple.com", PushService::Other),
            ("web.push.apple.com.evil.example", PushService::Other),
            ("evilpush.apple.com", PushService::Other),
            ("updates.push.services.mozilla.com", PushService::Mozilla),
            ("x.updates.push.services.mozilla.com", PushService::Other),
            ("FCM.googleapis.com", PushService::Fcm),
            ("evil-fcm.googleapis.com", PushService::Other),
            ("db5p.notify.windows.com", PushService::Wns),
            ("evilnotify.windows.com", PushService::Other),
            ("push.example.net", PushService::Other),
        ] {
            let origin = Origin::new(host, 443).unwrap();
            assert_eq!(PushService::of(&origin), service, "{host}");
        }
    }

    #[test]
    fn limits_are_within_the_rfcs() {
        for service in PushService::KNOWN.into_iter().chain([PushService::Other]) {
            let rules = service.rules();
            assert!(
                rules.safe_plaintext_bytes <= rules.max_plaintext_bytes,
                "{service}"
            );
            assert!(
                rules.max_plaintext_bytes <= MAX_PLAINTEXT_BYTES,
                "{service}"
            );
            assert!(
                (28 * DAY_SECS..=ANY_TTL_SECS).contains(&rules.max_ttl_secs),
                "{service}"
            );
            assert_eq!(rules.wants_cache_policy, service == PushService::Wns);
        }
    }
}
