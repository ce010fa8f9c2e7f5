//! Where a request can arrive: Apple's two environments and the three kinds of host in each.
//!
//! Only names live here; what each host answers is decided in [`crate::apns`].

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

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
}

impl Host {
    /// All kinds of host.
    pub const ALL: [Host; 3] = [Host::Device, Host::Broadcast, Host::Management];
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
    /// The address of one kind of host.
    pub fn get(&self, host: Host) -> SocketAddr {
        match host {
            Host::Device => self.device,
            Host::Broadcast => self.broadcast,
            Host::Management => self.management,
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
}
