//! Where APNs is and how the wire is used. Every deadline and bound is a named setting.

use crate::host::{Host, Proxy};
use apns::Environment;
use std::time::Duration;

/// Settings of [`ApnsGateway`](super::ApnsGateway).
#[derive(Clone, Debug)]
pub struct ApnsConfig {
    /// Device pushes and broadcasts, production. Default `api.push.apple.com:443`.
    pub production: Host,
    /// Device pushes and broadcasts, sandbox. Default `api.sandbox.push.apple.com:443`.
    pub sandbox: Host,
    /// Channel management, production. Default `api-manage-broadcast.push.apple.com:2196`.
    pub production_channels: Host,
    /// Channel management, sandbox. Default `api-manage-broadcast.sandbox.push.apple.com:2195`.
    pub sandbox_channels: Host,
    /// Broadcasts, production; default: the device host. Apple's pages disagree about it.
    pub production_broadcasts: Option<Host>,
    /// Broadcasts, sandbox; default: the device host.
    pub sandbox_broadcasts: Option<Host>,
    /// PEM of certificate authorities to trust besides the public ones: a simulator's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// HTTP proxy that allows `CONNECT`.
    pub proxy: Option<Proxy>,
    /// Threads that do the network I/O; a credential's pools share one. Default 1.
    pub io_threads: usize,
    /// Bounds and deadlines of the connections.
    pub pool: apns::pool::Config,
    /// Longest wait of a push for a stream, after which the lane is told that the gateway is stuck.
    /// Default 30 s.
    pub queue_timeout: Duration,
    /// Longest time of a probe or a channel call, connecting included. Default 15 s.
    pub probe_timeout: Duration,
    /// How long pushes are held back after `TooManyProviderTokenUpdates`. Default 20 min: Apple's interval.
    pub provider_token_pause: Duration,
}

impl ApnsConfig {
    /// A sentence about the first setting that cannot work.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.io_threads == 0 {
            return Err("io_threads: expected at least 1, found 0".into());
        }
        for (name, span) in [
            ("queue_timeout", self.queue_timeout),
            ("probe_timeout", self.probe_timeout),
            ("pool.request_timeout", self.pool.request_timeout),
            ("pool.connect_timeout", self.pool.connect_timeout),
        ] {
            if span.is_zero() {
                return Err(format!("{name}: expected more than 0"));
            }
        }
        for (name, host) in self.hosts() {
            host.check(name)?;
        }
        Ok(())
    }

    fn hosts(&self) -> impl Iterator<Item = (&'static str, &Host)> {
        let always = [
            ("production", &self.production),
            ("sandbox", &self.sandbox),
            ("production_channels", &self.production_channels),
            ("sandbox_channels", &self.sandbox_channels),
        ];
        let maybe = [
            ("production_broadcasts", &self.production_broadcasts),
            ("sandbox_broadcasts", &self.sandbox_broadcasts),
        ];
        always.into_iter().chain(
            maybe
                .into_iter()
                .filter_map(|(name, host)| Some((name, host.as_ref()?))),
        )
    }

    /// The way to the device host.
    pub(super) fn devices(&self, environment: Environment) -> apns::Endpoint {
        self.endpoint(match environment {
            Environment::Production => &self.production,
            Environment::Sandbox => &self.sandbox,
        })
    }

    /// The way to the broadcast host.
    pub(super) fn broadcasts(&self, environment: Environment) -> apns::Endpoint {
        let (own, device) = match environment {
            Environment::Production => (&self.production_broadcasts, &self.production),
            Environment::Sandbox => (&self.sandbox_broadcasts, &self.sandbox),
        };
        self.endpoint(own.as_ref().unwrap_or(device))
    }

    /// The way to channel management.
    pub(super) fn channels(&self, environment: Environment) -> apns::Endpoint {
        self.endpoint(match environment {
            Environment::Production => &self.production_channels,
            Environment::Sandbox => &self.sandbox_channels,
        })
    }

    fn endpoint(&self, host: &Host) -> apns::Endpoint {
        let mut endpoint = apns::Endpoint::new(host.host.as_str(), host.port);
        if let Some(pem) = &self.extra_ca_pem {
            endpoint = endpoint.extra_ca_pem(pem);
        }
        if let Some(proxy) = &self.proxy {
            endpoint = endpoint.proxy(proxy.way());
        }
        endpoint
    }
}

impl Default for ApnsConfig {
    fn default() -> Self {
        let host = Host::new;
        let (production, sandbox) = (Environment::Production, Environment::Sandbox);
        Self {
            production: host(production.device_host(), Environment::PORT),
            sandbox: host(sandbox.device_host(), Environment::PORT),
            production_channels: host(production.management_host(), production.management_port()),
            sandbox_channels: host(sandbox.management_host(), sandbox.management_port()),
            production_broadcasts: None,
            sandbox_broadcasts: None,
            extra_ca_pem: None,
            proxy: None,
            io_threads: 1,
            pool: apns::pool::Config::default(),
            queue_timeout: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(15),
            provider_token_pause: Duration::from_secs(20 * 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        assert_eq!(ApnsConfig::default().check(), Ok(()));
        let no_threads = ApnsConfig {
            io_threads: 0,
            ..ApnsConfig::default()
        };
        assert!(no_threads.check().unwrap_err().starts_with("io_threads"));
        let no_port = Host {
            host: "x".into(),
            port: 0,
        };
        let bad_host = ApnsConfig {
            sandbox_broadcasts: Some(no_port),
            ..ApnsConfig::default()
        };
        assert!(
            bad_host
                .check()
                .unwrap_err()
                .starts_with("sandbox_broadcasts")
        );
        let no_time = ApnsConfig {
            queue_timeout: Duration::ZERO,
            ..ApnsConfig::default()
        };
        assert!(no_time.check().unwrap_err().starts_with("queue_timeout"));
    }

    #[test]
    fn hosts_are_apples_unless_told_otherwise() {
        let config = ApnsConfig::default();
        let sandbox = Environment::Sandbox;
        assert_eq!(
            config.devices(sandbox).authority(),
            "api.sandbox.push.apple.com"
        );
        assert_eq!(
            config.broadcasts(sandbox).authority(),
            "api.sandbox.push.apple.com"
        );
        assert_eq!(
            config.channels(sandbox).authority(),
            "api-manage-broadcast.sandbox.push.apple.com:2195"
        );
        let production = Environment::Production;
        assert_eq!(
            config.channels(production).authority(),
            "api-manage-broadcast.push.apple.com:2196"
        );
    }
}
