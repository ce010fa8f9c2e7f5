//! What makes the checks of monitors, on a thread of its own.

use crate::apart::Apart;
use crate::config;
use crate::exit::{Exit, Failure};
use crate::gateway;
use async_trait::async_trait;
use carillon_engine::outside_plan;
use carillon_model::UnixMs;
use carillon_model::monitor::{CheckResult, FaultKind, MonitorPlan};
use carillon_outbound::{ProbeConfig, Prober};
use carillon_ports::watch::Checker;
use secrecy::ExposeSecret as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// Where the operating system says which name servers it asks.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS: u16 = 53;

/// Starts it; asks nobody yet.
pub(crate) fn open(config: &config::Monitors) -> Result<Arc<dyn Checker>, Failure> {
    let wrong = |error: carillon_outbound::ConfigError| {
        Failure::new(Exit::Usage, format!("monitors.allow_private: {error}"))
    };
    let places = config.allow_private.iter().flat_map(|several| &several.0);
    let settings = ProbeConfig {
        name_servers: match &config.name_servers {
            Some(servers) => servers.0.iter().map(|server| server.0).collect(),
            None => of_this_machine(Path::new(RESOLV_CONF)),
        },
        extra_ca_pem: gateway::read_ca("monitors.ca_file", config.ca_file.as_deref())?
            .unwrap_or_default(),
        ..ProbeConfig::default()
    };
    let settings = settings.allow_private(places).map_err(wrong)?;
    let prober = Prober::new(settings)
        .map_err(|error| Failure::new(Exit::Usage, format!("monitors.ca_file: {error}")))?;
    if let Some(url) = &config.heartbeat_url {
        let plan = outside_plan(url.expose_secret());
        plan.and_then(|plan| prober.check(&plan)).map_err(|why| {
            Failure::new(Exit::Usage, format!("monitors.heartbeat_url: {why}"))
                .mend("name the host in monitors.allow_private, if it is your own")
        })?;
    }
    Ok(Arc::new(Checks {
        prober,
        apart: Apart::start("carillon-checks")?,
    }))
}

struct Checks {
    prober: Prober,
    apart: Apart,
}

#[async_trait]
impl Checker for Checks {
    fn check(&self, plan: &MonitorPlan) -> Result<(), String> {
        self.prober.check(plan)
    }

    async fn probe(&self, plan: &MonitorPlan, now: UnixMs, dice: u64) -> CheckResult {
        let (prober, plan) = (self.prober.clone(), plan.clone());
        let probing = async move { prober.probe(&plan, now, dice).await };
        self.apart.run(probing).await.unwrap_or_else(|error| {
            let message = format!("the check broke off inside Carillon: {error}");
            CheckResult::unknown(FaultKind::Exchange, message)
        })
    }
}

/// The name servers that this machine asks; none where it does not say. Checks that name one need none.
fn of_this_machine(file: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    name_servers(&text)
}

fn name_servers(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver");
        address.and_then(|_| words.next()?.parse::<IpAddr>().ok())
    });
    addresses
        .map(|address| SocketAddr::new(address, DNS))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_the_machine() {
        let text = "# made by hand\nsearch example.internal\nnameserver 192.0.2.53\n nameserver 2001:db8::53 # second\nnameserver fe80::1%eth0\nnameservers 192.0.2.1\n";
        let found: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53:53", "[2001:db8::53]:53"]);
        assert_eq!(of_this_machine(Path::new("/nowhere/at/all")), []);
    }
}
