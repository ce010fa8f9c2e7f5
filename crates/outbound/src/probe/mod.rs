//! Checks of monitors: each is made once, within a deadline, behind the guard, and comes to a result as
//! `carillon_model::monitor` has it. Failing is a result too.
//!
//! It keeps nothing between checks, follows redirects only as often as a check says and asks the guard for each place
//! anew, asks no proxy of the environment, and reads no more of an answer than is looked at. When checks are made, how
//! many at once, and what becomes of their results is the engine's.

mod config;
mod connect;
mod dns;
mod http;
mod icmp;

pub use self::config::ProbeConfig;

use std::sync::Arc;
use std::time::Duration;

use carillon_model::UnixMs;
use carillon_model::monitor::{
    CheckPlan, CheckResult, FaultKind, MonitorPlan, TlsCheck, judge_tls,
};
use egress_guard::{Guard, Host};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use self::connect::{Place, connected, secured};
use crate::config::ConfigError;

/// Makes checks. Clones share its settings.
#[derive(Clone)]
pub struct Prober(Arc<Inner>);

struct Inner {
    config: ProbeConfig,
    tls: TlsConnector,
    /// Who may keep a thread busy with judging.
    judges: Arc<Semaphore>,
}

/// One check under way: what everything that is waited for has in common.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    inner: &'a Inner,
    guard: &'a Guard,
    started: Instant,
    deadline: Instant,
    limit: Duration,
}

impl Prober {
    /// With these settings; connects to nothing yet.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub fn new(config: ProbeConfig) -> Result<Self, ConfigError> {
        let mut tls = crate::config::tls(&config.extra_ca_pem)?;
        // A session that is resumed shows the certificate of the first time: its renewal, or its end, would not be seen.
        tls.resumption = rustls::client::Resumption::disabled();
        let tls = TlsConnector::from(Arc::new(tls));
        let judges = Arc::new(Semaphore::new(config.judges));
        Ok(Self(Arc::new(Inner {
            config,
            tls,
            judges,
        })))
    }

    /// Whether this check is made at all, as far as its text tells: for whoever defines a monitor, before anything happens.
    /// What a name stands for is judged at each check.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self, plan: &MonitorPlan) -> Result<(), String> {
        let (host, port) = match &plan.check {
            CheckPlan::Http(http) => {
                let url = http::read_url(&http.request.url)?;
                let host = url.host_str().unwrap_or_default().to_owned();
                (host, url.port_or_known_default().unwrap_or(443))
            }
            CheckPlan::Tcp(tcp) => (tcp.host.clone(), tcp.port),
            CheckPlan::Tls(tls) => (tls.host.clone(), tls.port),
            CheckPlan::Icmp(icmp) => (icmp.host.clone(), egress_guard::HTTPS),
            CheckPlan::Dns(dns) => match dns.server_address() {
                Some(server) => (server.ip().to_string(), server.port()),
                None => return Ok(()),
            },
            CheckPlan::Heartbeat(_) | CheckPlan::Server(_) => return Ok(()),
        };
        let host = Host::parse(&host).map_err(|error| error.to_string())?;
        let guard = self.0.config.guard_for(plan.private_target);
        guard
            .check(&host, port)
            .map_err(|forbidden| connect::sentence(&forbidden))
    }

    /// Makes one attempt. `now` is the time, for certificates; `dice` a random number, for what must not be guessed.
    pub async fn probe(&self, plan: &MonitorPlan, now: UnixMs, dice: u64) -> CheckResult {
        let started = Instant::now();
        let limit = Duration::from_millis(plan.timeout_ms.unsigned_abs());
        let attempt = Attempt {
            inner: &self.0,
            guard: self.0.config.guard_for(plan.private_target),
            started,
            deadline: started + limit,
            limit,
        };
        let result = match &plan.check {
            CheckPlan::Http(http) => attempt.http(http, now).await,
            CheckPlan::Tcp(tcp) => attempt.tcp(&tcp.host, tcp.port).await,
            CheckPlan::Tls(tls) => attempt.tls(tls, now).await,
            CheckPlan::Dns(dns) => attempt.dns(dns, dice).await,
            CheckPlan::Icmp(icmp) => attempt.icmp(&icmp.host, dice).await,
            CheckPlan::Heartbeat(_) => Err(CheckResult::unknown(
                FaultKind::Refused,
                "a heartbeat is heard of and never asked",
            )),
            CheckPlan::Server(_) => Err(CheckResult::unknown(
                FaultKind::Refused,
                "what the server knows of itself is not asked of others",
            )),
        };
        result.unwrap_or_else(|failed| failed)
    }
}

impl Attempt<'_> {
    /// How long it has taken so far, in milliseconds.
    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// `what` did not come in time.
    fn too_late(&self, what: &str, place: &dyn std::fmt::Display) -> CheckResult {
        let message = format!("{what} from {place} within {} s", self.limit.as_secs_f32());
        CheckResult::down(FaultKind::Timeout, message).after(self.elapsed_ms())
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<CheckResult, CheckResult> {
        let place = Place::parse(host, port)?;
        connected(self, &place).await?;
        Ok(CheckResult::up(Some(self.elapsed_ms())))
    }

    async fn tls(&self, check: &TlsCheck, now: UnixMs) -> Result<CheckResult, CheckResult> {
        let place = Place::parse(&check.host, check.port)?;
        let stream = connected(self, &place).await?;
        let name = check.server_name.as_deref().unwrap_or(place.host.as_str());
        let (_, certificate_until) = secured(self, &place, name, stream).await?;
        Ok(judge_tls(check, certificate_until, self.elapsed_ms(), now))
    }
}
