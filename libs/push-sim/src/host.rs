//! Where a request can arrive: Apple's two environments and the three kinds of host in each, and
//! Google's hosts, and the push services of browsers.
//!
//! Only names live here; what each host answers is decided in [`crate::apns`], [`crate::fcm`] and
//! [`crate::webpush`].

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Whose service a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gateway {
    /// Apple's.
    Apns,
    /// The push services of browsers.
    WebPush,
    /// Google's.
    Fcm,
}

/// One of Apple's two separate worlds. A push token belongs to exactly one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// TestFlight and App Store builds.
    Production,
    /// Builds run from Xcode ("development" in Apple's entitlement).
    Sandbox,
}

impl Environment {
    /// Both environments, production first.
    pub const ALL: [Environment; 2] = [Environment::Production, Environment::Sandbox];

    pub(crate) fn index(self) -> usize {
        match self {
            Environment::Production => 0,
            Environment::Sandbox => 1,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Environment::Production => "production",
            Environment::Sandbox => "sandbox",
        })
    }
}

/// The kind of host, which decides the paths it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// `POST /3/device/<push token>`; also `POST /4/broadcasts/apps/<bundle>`, since Apple's pages
    /// disagree about the host for broadcasts.
    Device,
    /// `POST /4/broadcasts/apps/<bundle>` only.
    Broadcast,
    /// `/1/apps/<bundle>/channels` and `/1/apps/<bundle>/all-channels`.
    Management,
    /// The push services of browsers, all on one listener.
    WebPush,
    /// Google's `fcm.googleapis.com`: `/v1/projects/<project>/messages:send`.
    Fcm,
    /// Google's `oauth2.googleapis.com`: `/token`.
    Oauth,
    /// Google's `iid.googleapis.com`: topic subscriptions.
    Iid,
}

impl Host {
    /// Apple's kinds of host, which stand once in each environment.
    pub const ALL: [Host; 3] = [Host::Device, Host::Broadcast, Host::Management];

    /// Whose host it is.
    ///
    /// ```
    /// use push_sim::{Gateway, Host};
    /// assert_eq!(Host::Device.gateway(), Gateway::Apns);
    /// assert_eq!(Host::WebPush.gateway(), Gateway::WebPush);
    /// assert_eq!(Host::Oauth.gateway(), Gateway::Fcm);
    /// ```
    pub fn gateway(self) -> Gateway {
        match self {
            Host::Device | Host::Broadcast | Host::Management => Gateway::Apns,
            Host::WebPush => Gateway::WebPush,
            Host::Fcm | Host::Oauth | Host::Iid => Gateway::Fcm,
        }
    }
}

/// The three listeners of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HostAddresses {
    /// Address of the device host.
    pub device: SocketAddr,
    /// Address of the broadcast host.
    pub broadcast: SocketAddr,
    /// Address of the channel-management host.
    pub management: SocketAddr,
}

impl HostAddresses {
    /// The address of one of Apple's kinds of host; `None` for another gateway's.
    pub fn get(&self, host: Host) -> Option<SocketAddr> {
        match host {
            Host::Device => Some(self.device),
            Host::Broadcast => Some(self.broadcast),
            Host::Management => Some(self.management),
            Host::Fcm | Host::Oauth | Host::Iid | Host::WebPush => None,
        }
    }
}

/// Every address a running simulator listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// TLS + HTTP/2 listeners of the production environment.
    pub production: HostAddresses,
    /// TLS + HTTP/2 listeners of the sandbox environment.
    pub sandbox: HostAddresses,
    /// TLS listener of the push services of browsers: HTTP/2 and HTTP/1.1.
    pub web_push: SocketAddr,
    /// Google's hosts, all on one listener: TLS with HTTP/2 or HTTP/1.1.
    pub google: SocketAddr,
    /// The admin API: plain HTTP/1.1.
    pub admin: SocketAddr,
}

impl Addresses {
    /// The listeners of one environment.
    pub fn of(&self, environment: Environment) -> &HostAddresses {
        match environment {
            Environment::Production => &self.production,
            Environment::Sandbox => &self.sandbox,
        }
    }

    /// The listener of one kind of host; only Apple's differ by environment.
    pub fn at(&self, environment: Environment, host: Host) -> SocketAddr {
        match host {
            Host::WebPush => self.web_push,
            _ => self.of(environment).get(host).unwrap_or(self.google),
        }
    }
}
