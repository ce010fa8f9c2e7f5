//! What a configuration names outside of itself: read and put together before anything is opened. `serve` goes on with
//! it, `config check` throws it away.

use crate::clock::{ServerClock, machine_now};
use crate::config::Config;
use crate::exit::Failure;
use crate::seal::MasterKeys;
use crate::{checks, gateway, sources, webhooks};
use carillon_ports::clock::Clock;
use carillon_ports::gateway::Gateways;
use carillon_ports::source::Sources;
use carillon_ports::watch::Checker;
use carillon_ports::webhook::WebhookSender;
use secrecy::ExposeSecret as _;
use std::fs::File;
use std::sync::Arc;

/// The parts that need no store.
pub(crate) struct Prepared {
    pub(crate) clock: Arc<dyn Clock>,
    /// `None`: their file is not there yet, and the first start makes it.
    pub(crate) master_keys: Option<MasterKeys>,
    pub(crate) gateways: Gateways,
    pub(crate) webhooks: Arc<dyn WebhookSender>,
    pub(crate) checker: Arc<dyn Checker>,
    pub(crate) sources: Arc<dyn Sources>,
}

impl Prepared {
    /// Writes nothing, connects to nothing.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        let master_keys = match &config.secrets.master_key {
            Some(text) => Some(MasterKeys::from_setting(text.expose_secret())?),
            None => MasterKeys::existing(&config.master_key_file())?,
        };
        let store = &config.store;
        for (key, file) in [
            ("store.ca_file", &store.ca_file),
            ("store.certificate_file", &store.certificate_file),
            ("store.key_file", &store.key_file),
        ] {
            if let Some(file) = file {
                File::open(file)
                    .map_err(|error| Failure::io(&format!("read {key},"), file, &error))?;
            }
        }
        let clock: Arc<dyn Clock> = Arc::new(if config.is_clock_moved() {
            let at = config.clock.at.unwrap_or_else(machine_now);
            ServerClock::moved(at + config.clock.offset.ms(), config.clock.speed)
        } else {
            ServerClock::system()
        });
        Ok(Self {
            gateways: gateway::open(config, &clock)?,
            clock,
            master_keys,
            webhooks: webhooks::open(&config.webhooks)?,
            checker: checks::open(&config.monitors)?,
            sources: sources::open(config.sources.file.as_deref())?,
        })
    }
}
