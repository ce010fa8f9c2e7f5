//! `[monitors]`.

use super::load::millis;
use super::{Several, Span};
use carillon_engine::watch::WatchConfig;
use carillon_engine::{SelfWatch, outside_plan};
use carillon_model::monitor::RingRules;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// What is watched how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Monitors {
    pub(crate) allow_private: Option<Several<String>>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) name_servers: Option<Several<NameServer>>,
    pub(crate) concurrency: u32,
    pub(crate) gather: Span,
    pub(crate) flush_every: Span,
    pub(crate) beat_pause: Span,
    pub(crate) link_life: Span,
    pub(crate) ring_life: Span,
    pub(crate) ring_most: u16,
    pub(crate) ring_within: Span,
    pub(crate) ring_unanswered: u16,
    pub(crate) watch_server_app: Option<String>,
    pub(crate) watch_server_ladder: Option<String>,
    pub(crate) heartbeat_url: Option<SecretString>,
    pub(crate) heartbeat_every: Span,
}

impl Monitors {
    /// The engine's part.
    pub(super) fn engine(&self) -> WatchConfig {
        WatchConfig {
            concurrency: self.concurrency,
            gather_ms: millis(self.gather),
            flush_ms: millis(self.flush_every),
            beat_pause_ms: millis(self.beat_pause),
            link_life_ms: self.link_life.ms(),
            ring_life_ms: self.ring_life.ms(),
            rings: RingRules {
                most: self.ring_most,
                within_ms: self.ring_within.ms(),
                unanswered: self.ring_unanswered,
            },
        }
    }

    /// How the server watches itself.
    pub(super) fn self_watch(&self) -> SelfWatch {
        let url = self.heartbeat_url.as_ref();
        SelfWatch {
            app: self.watch_server_app.clone().unwrap_or_default(),
            ladder: self.watch_server_ladder.clone().unwrap_or_default(),
            outside_url: url.map_or("", |url| url.expose_secret()).to_owned(),
            outside_every: self.heartbeat_every.duration(),
        }
    }

    /// The first of its own settings that cannot work: its key, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.heartbeat_every.ms() < 1_000 {
            let message = "expected at least 1s".to_owned();
            return Err(("monitors.heartbeat_every", message));
        }
        if self.watch_server_ladder.is_some() && self.watch_server_app.is_none() {
            let message = "expected monitors.watch_server_app beside it: whose ladder it is";
            return Err(("monitors.watch_server_ladder", message.to_owned()));
        }
        match &self.heartbeat_url {
            Some(url) => outside_plan(url.expose_secret())
                .map(|_| ())
                .map_err(|why| ("monitors.heartbeat_url", why)),
            None => Ok(()),
        }
    }
}

/// A name server: an address, with a port unless that is 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NameServer(pub(crate) SocketAddr);

impl FromStr for NameServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_port = text.parse::<SocketAddr>().ok();
        let alone = || text.parse::<IpAddr>().ok();
        let found = with_port.or_else(|| Some(SocketAddr::new(alone()?, 53)));
        found.map(Self).ok_or_else(|| {
            format!("expected addresses such as 192.0.2.53 or [2001:db8::53]:5353, found {text:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_have_a_port_of_their_own_or_the_usual() {
        let read = |text: &str| {
            text.parse::<NameServer>()
                .map(|server| server.0.to_string())
        };
        assert_eq!(read("192.0.2.53").unwrap(), "192.0.2.53:53");
        assert_eq!(read("192.0.2.53:5353").unwrap(), "192.0.2.53:5353");
        assert_eq!(read("2001:db8::53").unwrap(), "[2001:db8::53]:53");
        assert!(read("dns.example").unwrap_err().contains("192.0.2.53"));
    }
}
