//! Checks of monitors, played.

use crate::watch::Checker;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::monitor::{CheckPlan, CheckResult, FaultKind, MonitorPlan};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// A checker that finds what a test says. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FakeChecker(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    found: HashMap<String, CheckResult>,
    forbidden: HashMap<String, String>,
    asked: Vec<(String, UnixMs)>,
}

impl FakeChecker {
    /// From now on this place (a URL, `host:port` or a name) is found so; before, and for all others, up within 5 ms.
    pub fn find(&self, place: &str, result: CheckResult) {
        self.0.lock().found.insert(place.to_owned(), result);
    }

    /// From now on this place is down.
    pub fn break_down(&self, place: &str) {
        let down = CheckResult::down(FaultKind::Connect, format!("no connection to {place}"));
        self.find(place, down);
    }

    /// From now on this place is up.
    pub fn mend(&self, place: &str) {
        self.find(place, CheckResult::up(Some(5)));
    }

    /// Checks of this place are refused when they are defined.
    pub fn forbid(&self, place: &str, why: &str) {
        let mut script = self.0.lock();
        script.forbidden.insert(place.to_owned(), why.to_owned());
    }

    /// When this place was asked, in order.
    #[must_use]
    pub fn asked(&self, place: &str) -> Vec<UnixMs> {
        let script = self.0.lock();
        let asked = script.asked.iter().filter(|(of, _)| of == place);
        asked.map(|(_, at)| *at).collect()
    }
}

fn place(plan: &MonitorPlan) -> String {
    match &plan.check {
        CheckPlan::Http(http) => http.request.url.clone(),
        CheckPlan::Tcp(tcp) => format!("{}:{}", tcp.host, tcp.port),
        CheckPlan::Tls(tls) => format!("{}:{}", tls.host, tls.port),
        CheckPlan::Dns(dns) => dns.name.clone(),
        CheckPlan::Icmp(icmp) => icmp.host.clone(),
        CheckPlan::Heartbeat(_) | CheckPlan::Server(_) => String::new(),
    }
}

#[async_trait]
impl Checker for FakeChecker {
    fn check(&self, plan: &MonitorPlan) -> Result<(), String> {
        match self.0.lock().forbidden.get(&place(plan)) {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }

    async fn probe(&self, plan: &MonitorPlan, now: UnixMs, _dice: u64) -> CheckResult {
        let mut script = self.0.lock();
        let place = place(plan);
        let found = script.found.get(&place).cloned();
        script.asked.push((place, now));
        found.unwrap_or_else(|| CheckResult::up(Some(5)))
    }
}
