//! The adapters to the gateways, from our settings.

use crate::config;
use crate::exit::{Exit, Failure};
use carillon_gateways::apns::{ApnsConfig, ApnsGateway};
use carillon_gateways::fcm::{DataRule, FcmConfig, FcmGateway};
use carillon_gateways::webpush::{Services, WebPushConfig, WebPushGateway};
use carillon_gateways::{Host, Proxy};
use carillon_model::lane;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{Gateway, Gateways};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::Path;
use std::sync::Arc;

/// Starts them all; connects to nothing yet.
pub(crate) fn open(config: &config::Config, clock: &Arc<dyn Clock>) -> Result<Gateways, Failure> {
    Ok(Gateways::default()
        .with(lane::Gateway::Apns, apns(&config.apns, clock)?)
        .with(lane::Gateway::Fcm, fcm(&config.fcm, clock)?)
        .with(lane::Gateway::WebPush, webpush(&config.webpush, clock)?))
}

/// Starts the adapter to Apple.
pub(crate) fn apns(
    config: &config::Apns,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Gateway>, Failure> {
    let gateway = ApnsGateway::new(settings(config)?, clock.clone(), crate::memory::UPKEEP)
        .map_err(|why| Failure::new(Exit::Usage, format!("apns.{why}")))?;
    Ok(Arc::new(gateway))
}

/// Starts the adapter to Google.
pub(crate) fn fcm(
    config: &config::Fcm,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Gateway>, Failure> {
    let gateway = FcmGateway::new(fcm_settings(config)?, clock.clone(), crate::memory::UPKEEP)
        .map_err(|why| Failure::new(Exit::Usage, format!("fcm.{why}")))?;
    Ok(Arc::new(gateway))
}

/// Starts the adapter to browsers.
pub(crate) fn webpush(
    config: &config::WebPush,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Gateway>, Failure> {
    let settings = webpush_settings(config)?;
    let gateway = WebPushGateway::new(settings, clock.clone(), crate::memory::UPKEEP)
        .map_err(|why| Failure::new(Exit::Usage, format!("webpush.{why}")))?;
    Ok(Arc::new(gateway))
}

/// Sets what the connections to every gateway have.
macro_rules! set_pool {
    ($pool:expr, $config:expr) => {{
        let (pool, config) = (&mut $pool, $config);
        pool.connect_timeout = config.connect_timeout.duration();
        pool.connect_attempts = config.connect_attempts;
        pool.backoff_min = config.backoff_min.duration();
        pool.backoff_max = config.backoff_max.duration();
        pool.max_connections = config.max_connections;
        pool.grow_after = config.grow_after.duration();
        pool.idle_timeout = config.idle_timeout.duration();
        pool.max_age = config.max_age.duration();
        pool.max_streams = config.max_streams;
        pool.request_timeout = config.request_timeout.duration();
        pool.late_grace = config.late_grace.duration();
        pool.ping_busy = config.ping_busy.duration();
        pool.ping_idle = config.ping_idle.duration();
        pool.ping_timeout = config.ping_timeout.duration();
    }};
}

/// As the adapter to Apple takes them.
pub(crate) fn settings(config: &config::Apns) -> Result<ApnsConfig, Failure> {
    let mut settings = ApnsConfig {
        production: host(&config.production),
        sandbox: host(&config.sandbox),
        production_channels: host(&config.production_channels),
        sandbox_channels: host(&config.sandbox_channels),
        production_broadcasts: config.production_broadcasts.as_ref().map(host),
        sandbox_broadcasts: config.sandbox_broadcasts.as_ref().map(host),
        extra_ca_pem: read_ca("apns.ca_file", config.ca_file.as_deref())?,
        proxy: proxy(&config.proxy, &config.proxy_user, &config.proxy_password),
        io_threads: config.io_threads,
        queue_timeout: config.queue_timeout.duration(),
        probe_timeout: config.probe_timeout.duration(),
        provider_token_pause: config.provider_token_pause.duration(),
        ..ApnsConfig::default()
    };
    set_pool!(settings.pool, config);
    Ok(settings)
}

/// As the adapter to Google takes them.
pub(crate) fn fcm_settings(config: &config::Fcm) -> Result<FcmConfig, Failure> {
    let mut settings = FcmConfig {
        endpoint: host(&config.endpoint),
        token_endpoint: config.token_endpoint.as_ref().map(host),
        extra_ca_pem: read_ca("fcm.ca_file", config.ca_file.as_deref())?,
        proxy: proxy(&config.proxy, &config.proxy_user, &config.proxy_password),
        io_threads: config.io_threads,
        queue_timeout: config.queue_timeout.duration(),
        probe_timeout: config.probe_timeout.duration(),
        access_token_timeout: config.access_token_timeout.duration(),
        quota_per_minute: config.quota_per_minute,
        quota_ramp: config.quota_ramp.duration(),
        data_rule: if config.stringify_data {
            DataRule::Stringify
        } else {
            DataRule::Refuse
        },
        ..FcmConfig::default()
    };
    set_pool!(settings.pool, config);
    Ok(settings)
}

/// As the adapter to browsers takes them.
pub(crate) fn webpush_settings(config: &config::WebPush) -> Result<WebPushConfig, Failure> {
    let origins = config.trusted_origins.iter().flat_map(|several| &several.0);
    let hosts = config.allowed_hosts.iter().flat_map(|several| &several.0);
    let mut settings = WebPushConfig {
        services: match config.services {
            config::Services::Known => Services::Known,
            config::Services::Public => Services::Public,
        },
        allowed_hosts: hosts.cloned().collect(),
        trusted_origins: origins.map(host).collect(),
        extra_ca_pem: read_ca("webpush.ca_file", config.ca_file.as_deref())?,
        proxy: proxy(&config.proxy, &config.proxy_user, &config.proxy_password),
        io_threads: config.io_threads,
        encryption_threads: config.encryption_threads,
        max_origins: config.max_origins,
        origin_idle_timeout: config.origin_idle_timeout.duration(),
        throttle_pause: config.throttle_pause.duration(),
        max_pause: config.max_pause.duration(),
        queue_timeout: config.queue_timeout.duration(),
        probe_timeout: config.probe_timeout.duration(),
        default_ttl: config.default_ttl.duration(),
        max_ttl: config.max_ttl.duration(),
        ..WebPushConfig::default()
    };
    set_pool!(settings.pool, config);
    Ok(settings)
}

fn host(endpoint: &config::Endpoint) -> Host {
    Host {
        host: endpoint.host.clone(),
        port: endpoint.port,
    }
}

fn proxy(
    proxy: &Option<config::Endpoint>,
    user: &Option<String>,
    password: &Option<SecretString>,
) -> Option<Proxy> {
    let proxy = proxy.as_ref()?;
    Some(Proxy {
        host: proxy.host.clone(),
        port: proxy.port,
        user: user.clone(),
        password: password
            .as_ref()
            .map(|password| password.expose_secret().to_owned()),
    })
}

pub(crate) fn read_ca(key: &str, path: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let pem =
        std::fs::read(path).map_err(|error| Failure::io(&format!("read {key},"), path, &error))?;
    if !pem
        .windows(27)
        .any(|window| window == b"-----BEGIN CERTIFICATE-----")
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("{key}: {} holds no certificate in PEM", path.display()),
        )
        .mend("give a file that begins with -----BEGIN CERTIFICATE-----"));
    }
    Ok(Some(pem))
}
