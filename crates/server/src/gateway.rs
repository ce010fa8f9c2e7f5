//! The adapters to the gateways, from our settings.

use crate::config;
use crate::exit::{Exit, Failure};
use carillon_gateways::apns::{ApnsConfig, ApnsGateway, Host, Proxy};
use carillon_model::lane;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{Gateway, Gateways};
use secrecy::ExposeSecret as _;
use std::sync::Arc;

/// Starts them all; connects to nothing yet.
pub(crate) fn open(config: &config::Config, clock: &Arc<dyn Clock>) -> Result<Gateways, Failure> {
    Ok(Gateways::default().with(lane::Gateway::Apns, apns(&config.apns, clock)?))
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

/// As the adapter takes them.
pub(crate) fn settings(config: &config::Apns) -> Result<ApnsConfig, Failure> {
    let host = |endpoint: &config::Endpoint| Host {
        host: endpoint.host.clone(),
        port: endpoint.port,
    };
    let mut settings = ApnsConfig {
        production: host(&config.production),
        sandbox: host(&config.sandbox),
        production_channels: host(&config.production_channels),
        sandbox_channels: host(&config.sandbox_channels),
        production_broadcasts: config.production_broadcasts.as_ref().map(host),
        sandbox_broadcasts: config.sandbox_broadcasts.as_ref().map(host),
        extra_ca_pem: None,
        proxy: config.proxy.as_ref().map(|proxy| Proxy {
            host: proxy.host.clone(),
            port: proxy.port,
            user: config.proxy_user.clone(),
            password: config
                .proxy_password
                .as_ref()
                .map(|password| password.expose_secret().to_owned()),
        }),
        io_threads: config.io_threads,
        queue_timeout: config.queue_timeout.duration(),
        probe_timeout: config.probe_timeout.duration(),
        provider_token_pause: config.provider_token_pause.duration(),
        ..ApnsConfig::default()
    };
    let pool = &mut settings.pool;
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
    if let Some(path) = &config.ca_file {
        let pem =
            std::fs::read(path).map_err(|error| Failure::io("read apns.ca_file,", path, &error))?;
        if !pem
            .windows(27)
            .any(|window| window == b"-----BEGIN CERTIFICATE-----")
        {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "apns.ca_file: {} holds no certificate in PEM",
                    path.display()
                ),
            )
            .mend("give a file that begins with -----BEGIN CERTIFICATE-----"));
        }
        settings.extra_ca_pem = Some(pem);
    }
    Ok(settings)
}
