//! Where FCM is and how the wire is used. Every deadline and bound is a named setting.

use crate::host::{Host, Proxy};
use fcm::{DataRule, QuotaConfig};
use std::time::Duration;

/// Settings of [`FcmGateway`](super::FcmGateway).
#[derive(Clone, Debug)]
pub struct FcmConfig {
    /// Where messages go. Default `fcm.googleapis.com:443`.
    pub endpoint: Host,
    /// Where access tokens come from. Default: what the service account names, one of Google's own hosts.
    pub token_endpoint: Option<Host>,
    /// PEM of certificate authorities to trust besides the public ones: a simulator's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// HTTP proxy that allows `CONNECT`.
    pub proxy: Option<Proxy>,
    /// Threads that do the network I/O; a credential's pools share one. Default 1.
    pub io_threads: usize,
    /// Bounds and deadlines of the connections. Never more than 100 streams are used on one: FCM closes it else. FCM
    /// asks for at least 10 s before a request is given up.
    pub pool: fcm::pool::Config,
    /// Longest wait of a push for a stream or a place in the quota, after which the lane is told that the gateway is
    /// stuck. Default 30 s.
    pub queue_timeout: Duration,
    /// Longest time of a probe, access token and connecting included. Default 20 s.
    pub probe_timeout: Duration,
    /// Longest wait of pushes for an access token. Default 30 s.
    pub access_token_timeout: Duration,
    /// Most messages a minute for each Firebase project, whatever credentials and Apps send for it. Default 600,000,
    /// what Google gives.
    pub quota_per_minute: u32,
    /// How long sending takes from a slow start to all of it: Google asks for a minute at least. Default 60 s; 0: all at
    /// once.
    pub quota_ramp: Duration,
    /// What becomes of values in `data` that are not strings. Default: their JSON text.
    pub data_rule: DataRule,
}

impl FcmConfig {
    /// A sentence about the first setting that cannot work.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.io_threads == 0 {
            return Err("io_threads: expected at least 1, found 0".into());
        }
        if self.quota_per_minute == 0 {
            return Err("quota_per_minute: expected at least 1, found 0".into());
        }
        for (name, span) in [
            ("queue_timeout", self.queue_timeout),
            ("probe_timeout", self.probe_timeout),
            ("access_token_timeout", self.access_token_timeout),
            ("pool.request_timeout", self.pool.request_timeout),
            ("pool.connect_timeout", self.pool.connect_timeout),
        ] {
            if span.is_zero() {
                return Err(format!("{name}: expected more than 0"));
            }
        }
        self.endpoint.check("endpoint")?;
        match &self.token_endpoint {
            Some(host) => host.check("token_endpoint"),
            None => Ok(()),
        }
    }

    /// The way to FCM.
    pub(super) fn messages(&self) -> fcm::Endpoint {
        self.way(&self.endpoint)
    }

    /// The way to the token endpoint of an account that names `uri`.
    pub(super) fn tokens(&self, uri: &http::Uri) -> fcm::Endpoint {
        let own = || {
            let port = uri.port_u16().unwrap_or(fcm::Endpoint::PORT);
            Host::new(uri.host().unwrap_or_default(), port)
        };
        self.way(&self.token_endpoint.clone().unwrap_or_else(own))
    }

    /// The bucket of a project.
    pub(super) fn quota(&self) -> QuotaConfig {
        let whole = QuotaConfig::default();
        QuotaConfig {
            per_minute: self.quota_per_minute,
            ramp: self.quota_ramp,
            start: if self.quota_ramp.is_zero() {
                1.0
            } else {
                whole.start
            },
            ..whole
        }
    }

    fn way(&self, host: &Host) -> fcm::Endpoint {
        let mut endpoint = fcm::Endpoint::new(host.host.as_str(), host.port);
        if let Some(pem) = &self.extra_ca_pem {
            endpoint = endpoint.extra_ca_pem(pem);
        }
        if let Some(proxy) = &self.proxy {
            endpoint = endpoint.proxy(proxy.way());
        }
        endpoint
    }
}

impl Default for FcmConfig {
    fn default() -> Self {
        let wire = fcm::ConnectionConfig::default();
        Self {
            endpoint: Host::new("fcm.googleapis.com", fcm::Endpoint::PORT),
            token_endpoint: None,
            extra_ca_pem: None,
            proxy: None,
            io_threads: 1,
            pool: wire.pool,
            queue_timeout: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(20),
            access_token_timeout: wire.access_token_timeout,
            quota_per_minute: QuotaConfig::default().per_minute,
            quota_ramp: QuotaConfig::default().ramp,
            data_rule: DataRule::Stringify,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        assert_eq!(FcmConfig::default().check(), Ok(()));
        let broken = |change: fn(&mut FcmConfig)| {
            let mut config = FcmConfig::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        for (change, name) in [
            (
                (|config| config.io_threads = 0) as fn(&mut FcmConfig),
                "io_threads",
            ),
            (|config| config.quota_per_minute = 0, "quota_per_minute"),
            (|config| config.endpoint.port = 0, "endpoint"),
            (
                |config| config.token_endpoint = Some(Host::new("", 1)),
                "token_endpoint",
            ),
            (
                |config| config.access_token_timeout = Duration::ZERO,
                "access_token_timeout",
            ),
        ] {
            assert!(broken(change).starts_with(name), "{name}");
        }
    }

    #[test]
    fn hosts_are_googles_unless_told_otherwise() {
        let account = "https://oauth2.googleapis.com/token".parse().unwrap();
        let mut config = FcmConfig::default();
        assert_eq!(config.messages().authority(), "fcm.googleapis.com");
        assert_eq!(config.tokens(&account).authority(), "oauth2.googleapis.com");
        config.token_endpoint = Some(Host::new("127.0.0.1", 8443));
        assert_eq!(config.tokens(&account).authority(), "127.0.0.1:8443");
    }

    #[test]
    fn without_a_ramp_all_of_the_quota_is_there_at_once() {
        let start = std::time::Duration::ZERO;
        let config = FcmConfig {
            quota_ramp: start,
            ..FcmConfig::default()
        };
        assert!((config.quota().start - 1.0).abs() < f64::EPSILON);
        assert!(FcmConfig::default().quota().start < 0.1);
    }
}
