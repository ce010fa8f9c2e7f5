//! The two worlds of APNs and the hosts and ports that belong to each.
//!
//! It does not resolve names and opens nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, quoted};

/// Where an app was signed for, and so which of Apple's hosts knows its push tokens.
///
/// TestFlight and App Store builds live in [`Production`](Self::Production), builds run from Xcode in
/// [`Sandbox`](Self::Sandbox) (Apple also says "development"). A push token does not reveal its environment, so a
/// provider has to store it; the wrong host answers `400 BadDeviceToken`.
///
/// Source: Apple, *Sending notification requests to APNs*; *Sending channel management requests to APNs*.
///
/// ```
/// use apns::Environment;
/// assert_eq!(Environment::Sandbox.device_host(), "api.sandbox.push.apple.com");
/// assert_eq!("development".parse(), Ok(Environment::Sandbox));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// App Store, TestFlight, ad hoc and enterprise builds.
    Production,
    /// Builds signed with a development profile.
    #[serde(alias = "development")]
    Sandbox,
}

impl Environment {
    /// Both, in a fixed order.
    pub const ALL: [Self; 2] = [Self::Production, Self::Sandbox];

    /// The usual port of the device and broadcast hosts.
    pub const PORT: u16 = 443;

    /// The other port of the same hosts, for networks whose firewall treats 443 specially.
    pub const ALTERNATIVE_PORT: u16 = 2197;

    /// `production` or `sandbox`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }

    /// The other one: where a push token may live that this one calls `BadDeviceToken`.
    pub const fn other(self) -> Self {
        match self {
            Self::Production => Self::Sandbox,
            Self::Sandbox => Self::Production,
        }
    }

    /// The host for pushes to devices, `POST /3/device/<push token>`, on port [`PORT`](Self::PORT) or
    /// [`ALTERNATIVE_PORT`](Self::ALTERNATIVE_PORT).
    pub const fn device_host(self) -> &'static str {
        match self {
            Self::Production => "api.push.apple.com",
            Self::Sandbox => "api.sandbox.push.apple.com",
        }
    }

    /// The host for broadcasts, `POST /4/broadcasts/apps/<bundle id>`.
    ///
    /// Apple's pages disagree: the text of the broadcast page names the device host, its samples name
    /// [`broadcast_only_host`](Self::broadcast_only_host). This is the device host; keep it configurable.
    pub const fn broadcast_host(self) -> &'static str {
        self.device_host()
    }

    /// The `api-broadcast` host that Apple's samples use for the same request as
    /// [`broadcast_host`](Self::broadcast_host).
    pub const fn broadcast_only_host(self) -> &'static str {
        match self {
            Self::Production => "api-broadcast.push.apple.com",
            Self::Sandbox => "api-broadcast.sandbox.push.apple.com",
        }
    }

    /// The host for creating, reading, listing and deleting broadcast channels, on
    /// [`management_port`](Self::management_port).
    pub const fn management_host(self) -> &'static str {
        match self {
            Self::Production => "api-manage-broadcast.push.apple.com",
            Self::Sandbox => "api-manage-broadcast.sandbox.push.apple.com",
        }
    }

    /// 2196 in production, 2195 in the sandbox.
    pub const fn management_port(self) -> u16 {
        match self {
            Self::Production => 2196,
            Self::Sandbox => 2195,
        }
    }
}

// === impl Environment ===

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "production" => Ok(Self::Production),
            "sandbox" | "development" => Ok(Self::Sandbox),
            other => Err(Invalid::new(
                "environment",
                quoted(other),
                "must be production or sandbox",
                "use sandbox for builds run from Xcode, production for TestFlight and the App Store",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_and_port_of_both_environments() {
        let table = [
            (
                Environment::Production,
                "api.push.apple.com",
                "api-broadcast.push.apple.com",
                "api-manage-broadcast.push.apple.com",
                2196,
            ),
            (
                Environment::Sandbox,
                "api.sandbox.push.apple.com",
                "api-broadcast.sandbox.push.apple.com",
                "api-manage-broadcast.sandbox.push.apple.com",
                2195,
            ),
        ];
        for (environment, device, broadcast, management, port) in table {
            assert_eq!(environment.device_host(), device);
            assert_eq!(environment.broadcast_host(), device);
            assert_eq!(environment.broadcast_only_host(), broadcast);
            assert_eq!(environment.management_host(), management);
            assert_eq!(environment.management_port(), port);
            assert_eq!(environment.other().other(), environment);
            assert_ne!(environment.other(), environment);
            assert_eq!(environment.as_str().parse(), Ok(environment));
        }
    }

    #[test]
    fn a_wrong_word_is_explained() {
        let error = "staging".parse::<Environment>().unwrap_err();
        assert_eq!(error.field(), "environment");
        assert!(error.to_string().contains("\"staging\""), "{error}");
    }

    #[test]
    fn json_takes_the_old_name_too() {
        assert_eq!(
            serde_json::to_string(&Environment::Sandbox).unwrap(),
            r#""sandbox""#
        );
        let read: Environment = serde_json::from_str(r#""development""#).unwrap();
        assert_eq!(read, Environment::Sandbox);
    }
}
