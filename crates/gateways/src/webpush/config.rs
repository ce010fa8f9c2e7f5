//! Where pushes to browsers may go, and how the wire is used. Every deadline and bound is a named setting.

use crate::host::{Host, Proxy};
use std::time::Duration;
use webpush::{Guard, Origin, Route};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Settings of [`WebPushGateway`](super::WebPushGateway).
#[derive(Clone, Debug)]
pub struct WebPushConfig {
    /// Whose push services are spoken to. Default: the known ones.
    pub services: Services,
    /// Hosts that are let through besides the known services; one that begins with a dot stands for every host below it.
    /// Their addresses must be public, their port 443.
    pub allowed_hosts: Vec<String>,
    /// Origins that are let through whatever their address: a push service of one's own, or a simulator.
    pub trusted_origins: Vec<Host>,
    /// PEM of certificate authorities to trust besides the public ones: a simulator's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// HTTP proxy that allows `CONNECT`. It looks names up itself, so it cannot be used with [`Services::Public`].
    pub proxy: Option<Proxy>,
    /// Threads that do the network I/O; a credential's pool lives on one. Default 1.
    pub io_threads: usize,
    /// Threads that encrypt, shared by all pools: some 60 µs a message. Default 2.
    pub encryption_threads: usize,
    /// Most origins with a connection in one pool, known services and others counted apart. Default 64.
    pub max_origins: usize,
    /// How long the connection to an origin is kept without a push. Default 10 min.
    pub origin_idle_timeout: Duration,
    /// Bounds and deadlines of each origin's connections.
    pub pool: webpush::pool::Config,
    /// How long an origin that answered 429 without `Retry-After` is left alone. Default 1 s.
    pub throttle_pause: Duration,
    /// The longest that an origin is left alone, whatever its `Retry-After` says; the push that was answered so waits for
    /// the whole of it. Default 60 s.
    pub max_pause: Duration,
    /// Longest wait of a push for a stream, after which it is tried again later. Default 30 s.
    pub queue_timeout: Duration,
    /// Longest time of a probe, connecting included. Default 15 s.
    pub probe_timeout: Duration,
    /// How long push services keep a push for a browser that is away, if the notification has no end. Default 3 days.
    pub default_ttl: Duration,
    /// The longest that they are asked to keep one. Default 28 days: no service keeps one much longer.
    pub max_ttl: Duration,
}

/// Whose push services are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Services {
    /// Those of Apple, Google, Microsoft and Mozilla, which serve nearly every browser.
    #[default]
    Known,
    /// Any host with a public address: also UnifiedPush and small browsers.
    Public,
}

impl WebPushConfig {
    /// A sentence about the first setting that cannot work.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, count) in [
            ("io_threads", self.io_threads),
            ("encryption_threads", self.encryption_threads),
            ("max_origins", self.max_origins),
        ] {
            if count == 0 {
                return Err(format!("{name}: expected at least 1, found 0"));
            }
        }
        for (name, span) in [
            ("origin_idle_timeout", self.origin_idle_timeout),
            ("queue_timeout", self.queue_timeout),
            ("probe_timeout", self.probe_timeout),
            ("pool.request_timeout", self.pool.request_timeout),
            ("pool.connect_timeout", self.pool.connect_timeout),
            ("default_ttl", self.default_ttl),
        ] {
            if span.is_zero() {
                return Err(format!("{name}: expected more than 0"));
            }
        }
        if self.default_ttl > self.max_ttl {
            return Err(format!(
                "default_ttl: expected at most max_ttl ({} s), found {} s",
                self.max_ttl.as_secs(),
                self.default_ttl.as_secs()
            ));
        }
        self.route()?
            .check()
            .map_err(|error| format!("services, proxy, extra_ca_pem: {}", error.detail()))
    }

    /// What is let through. The error is a sentence that names the setting.
    pub(super) fn guard(&self) -> Result<Guard, String> {
        self.guard_of(match self.services {
            Services::Known => Guard::known_services(),
            Services::Public => Guard::public(),
        })
    }

    /// What is let through by name: known services and those that an operator has listed. Anything else is a stranger.
    pub(super) fn named(&self) -> Result<Guard, String> {
        self.guard_of(Guard::known_services())
    }

    fn guard_of(&self, guard: Guard) -> Result<Guard, String> {
        let mut guard = guard;
        for host in &self.allowed_hosts {
            guard = guard
                .allow(host)
                .map_err(|error| format!("allowed_hosts: {error}"))?;
        }
        for host in &self.trusted_origins {
            host.check("trusted_origins")?;
            let origin = Origin::new(&host.host, host.port)
                .map_err(|error| format!("trusted_origins: {error}"))?;
            guard = guard.trust(origin);
        }
        Ok(guard)
    }

    /// The way to every push service.
    pub(super) fn route(&self) -> Result<Route, String> {
        let mut route = Route::new(self.guard()?);
        if let Some(pem) = &self.extra_ca_pem {
            route = route.extra_ca_pem(pem);
        }
        if let Some(proxy) = &self.proxy {
            route = route.proxy(proxy.way());
        }
        Ok(route)
    }
}

impl Default for WebPushConfig {
    fn default() -> Self {
        Self {
            services: Services::Known,
            allowed_hosts: Vec::new(),
            trusted_origins: Vec::new(),
            extra_ca_pem: None,
            proxy: None,
            io_threads: 1,
            encryption_threads: 2,
            max_origins: 64,
            origin_idle_timeout: Duration::from_secs(600),
            pool: webpush::pool::Config::default(),
            throttle_pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(60),
            queue_timeout: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(15),
            default_ttl: 3 * DAY,
            max_ttl: 28 * DAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut WebPushConfig)) -> String {
        let mut config = WebPushConfig::default();
        change(&mut config);
        config.check().unwrap_err()
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        assert_eq!(WebPushConfig::default().check(), Ok(()));
        let local = |port| Host::new("127.0.0.1", port);
        for (name, fault) in [
            ("io_threads", fault(|config| config.io_threads = 0)),
            (
                "encryption_threads",
                fault(|config| config.encryption_threads = 0),
            ),
            ("max_origins", fault(|config| config.max_origins = 0)),
            (
                "queue_timeout",
                fault(|config| config.queue_timeout = Duration::ZERO),
            ),
            ("default_ttl", fault(|config| config.max_ttl = DAY)),
            (
                "allowed_hosts",
                fault(|config| config.allowed_hosts = vec!["https://x".into()]),
            ),
            (
                "trusted_origins",
                fault(|config| config.trusted_origins = vec![local(0)]),
            ),
        ] {
            assert!(fault.starts_with(name), "{fault}");
        }
        let blind = fault(|config| {
            config.services = Services::Public;
            config.proxy = Some(Proxy {
                host: "proxy.example".into(),
                port: 3128,
                user: None,
                password: None,
            });
        });
        assert!(blind.contains("looks names up itself"), "{blind}");
    }

    #[test]
    fn strangers_are_let_through_only_where_everybody_is() {
        let mut config = WebPushConfig {
            allowed_hosts: vec![".push.example.net".into()],
            trusted_origins: vec![Host::new("127.0.0.1", 8443)],
            ..WebPushConfig::default()
        };
        let origin = |host, port| Origin::new(host, port).unwrap();
        let guard = config.guard().unwrap();
        for (host, port) in [
            ("web.push.apple.com", 443),
            ("a.push.example.net", 443),
            ("127.0.0.1", 8443),
        ] {
            assert!(guard.check(&origin(host, port)).is_ok(), "{host}");
        }
        let stranger = origin("push.stranger.example", 443);
        assert!(guard.check(&stranger).is_err());
        config.services = Services::Public;
        assert!(config.guard().unwrap().check(&stranger).is_ok());
        assert!(config.named().unwrap().check(&stranger).is_err());
        assert!(
            config
                .guard()
                .unwrap()
                .check(&origin("127.0.0.1", 8444))
                .is_err()
        );
    }
}
