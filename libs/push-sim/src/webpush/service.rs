//! The push services that are played, told apart by the path of an endpoint as in the world
//! outside. How each of them refuses is in [`super::refusal`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose push service an endpoint belongs to: the manners of its answers.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum WebPushService {
    /// Mozilla's autopush: JSON with an `errno`; VAPID only where the subscription asks for it.
    #[default]
    Mozilla,
    /// Apple's: JSON with a `reason`, an `apns-id`, a strict eye on `sub`.
    Apple,
    /// Google's: plain text.
    Fcm,
    /// Microsoft's: everything in headers, and a rule of its own for TTL 0.
    Wns,
}

impl WebPushService {
    /// All of them.
    pub const ALL: [WebPushService; 4] = [
        WebPushService::Mozilla,
        WebPushService::Apple,
        WebPushService::Fcm,
        WebPushService::Wns,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            WebPushService::Mozilla => "mozilla",
            WebPushService::Apple => "apple",
            WebPushService::Fcm => "fcm",
            WebPushService::Wns => "wns",
        }
    }

    /// Path and query of the endpoint with this subscription id.
    pub(crate) fn endpoint_path(self, id: &str) -> String {
        match self {
            WebPushService::Mozilla => format!("/wpush/v2/{id}"),
            WebPushService::Apple => format!("/Q{id}"),
            WebPushService::Fcm => format!("/fcm/send/{id}"),
            WebPushService::Wns => format!("/w/?token={id}"),
        }
    }

    /// The service and the subscription id that a path with its query names; `None`: there is no
    /// endpoint of that form.
    pub(crate) fn of_path(path_and_query: &str) -> Option<(WebPushService, &str)> {
        let forms = [
            (WebPushService::Mozilla, "/wpush/v2/"),
            (WebPushService::Fcm, "/fcm/send/"),
            (WebPushService::Wns, "/w/?token="),
            (WebPushService::Apple, "/Q"),
        ];
        forms.iter().find_map(|(service, prefix)| {
            let id = path_and_query.strip_prefix(prefix)?;
            (!id.is_empty() && !id.contains(['/', '?', '&'])).then_some((*service, id))
        })
    }

    /// The longest TTL it keeps to, in seconds; a larger one is shortened, not refused.
    pub(crate) fn longest_ttl_secs(self) -> u32 {
        const DAY: u32 = 24 * 3600;
        match self {
            WebPushService::Fcm => 28 * DAY,
            WebPushService::Mozilla | WebPushService::Apple | WebPushService::Wns => 30 * DAY,
        }
    }

    /// Whether a push without VAPID is refused even where the subscription names no key.
    pub(crate) fn demands_vapid(self) -> bool {
        self != WebPushService::Mozilla
    }
}

impl fmt::Display for WebPushService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_back_to_its_service() {
        for service in WebPushService::ALL {
            let path = service.endpoint_path("abc-_9");
            assert_eq!(
                WebPushService::of_path(&path),
                Some((service, "abc-_9")),
                "{path}"
            );
        }
        for path in [
            "/",
            "/wpush/v2/",
            "/wpush/v9/abc",
            "/fcm/send/a/b",
            "/w/?token=",
            "/w/?token=a&x=1",
            "/m/abc",
        ] {
            assert_eq!(WebPushService::of_path(path), None, "{path}");
        }
    }
}
