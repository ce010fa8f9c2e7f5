//! What is looked at: the kinds of checks, as they are written and as they are read.

use super::heartbeat::{HeartbeatCheck, HeartbeatPlan};
use super::http::{HttpCheck, HttpPlan};
use super::result::{CheckResult, FaultKind};
use super::server::{ServerCheck, ServerPlan};
use crate::UnixMs;
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};

/// Most days that may be asked of a certificate.
const MAX_CERTIFICATE_DAYS: u16 = 365;
/// Most answers that may be expected of a name server.
const MAX_RECORDS: usize = 20;
/// Longest answer that may be expected, in bytes: a TXT record's text.
const MAX_RECORD: usize = 255;
/// Stands for an answer that is not told.
const HIDDEN: &str = "an address that is not public";
/// What is to be done to see it.
const HOW_TO_SEE: &str = " (shown where the setting monitors.allow_private and \"private_target\": true of the monitor let it through)";

/// A check as it is written: exactly one of the keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CheckDefinition {
    /// A request by HTTP.
    Http(Box<HttpCheck>),
    /// A connection.
    Tcp(TcpCheck),
    /// A TLS handshake, and the certificate.
    Tls(TlsCheck),
    /// A question to a name server.
    Dns(DnsCheck),
    /// An echo request (ping), where this machine may send them.
    Icmp(IcmpCheck),
    /// Nothing is asked: it is heard of, or it is not (dead man's switch).
    Heartbeat(HeartbeatCheck),
    /// The server itself.
    Server(ServerCheck),
}

/// A connection by TCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpCheck {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// A TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCheck {
    /// A name or an address.
    pub host: String,
    /// Its port.
    #[serde(default = "https")]
    pub port: u16,
    /// The name that the certificate is to be for; default: `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// How many days the certificate is valid at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<u16>,
}

fn https() -> u16 {
    443
}

/// A question to a name server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsCheck {
    /// The name that is asked for.
    pub name: String,
    /// What is asked for.
    #[serde(default, rename = "type")]
    pub record: RecordType,
    /// The name server that is asked: an address, with a port unless that is 53; default: this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Answers that must be among those that come; without, there must be any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// Whether no other answers may come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exactly: bool,
}

/// Types of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum RecordType {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Txt,
}

impl RecordType {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Txt => "TXT",
        }
    }

    /// Its number on the wire (RFC 1035, RFC 3596).
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
        }
    }
}

/// An echo request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IcmpCheck {
    /// A name or an address.
    pub host: String,
}

/// A check, read.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "as in `CheckDefinition`")]
pub enum CheckPlan {
    Http(Box<HttpPlan>),
    Tcp(TcpCheck),
    Tls(TlsCheck),
    Dns(DnsCheck),
    Icmp(IcmpCheck),
    Heartbeat(HeartbeatPlan),
    Server(ServerPlan),
}

impl CheckDefinition {
    /// The word for its kind, used in JSON and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Tls(_) => "tls",
            Self::Dns(_) => "dns",
            Self::Icmp(_) => "icmp",
            Self::Heartbeat(_) => "heartbeat",
            Self::Server(_) => "server",
        }
    }

    /// Whether it is heard of, and never asked.
    #[must_use]
    pub fn is_heartbeat(&self) -> bool {
        matches!(self, Self::Heartbeat(_))
    }

    /// Whether it is about this server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Reads it. Problems have pointers into the monitor.
    pub(super) fn plan(&self, problems: &mut Vec<FieldProblem>) -> Option<CheckPlan> {
        let mut found = Vec::new();
        let plan = match self {
            Self::Http(check) => check.plan(&mut found).map(Box::new).map(CheckPlan::Http),
            Self::Tcp(check) => {
                found.extend(host_problem(&check.host));
                found.extend(port_problem(check.port));
                Some(CheckPlan::Tcp(check.clone()))
            }
            Self::Tls(check) => {
                check.problems(&mut found);
                Some(CheckPlan::Tls(check.clone()))
            }
            Self::Dns(check) => {
                check.problems(&mut found);
                Some(CheckPlan::Dns(check.clone()))
            }
            Self::Icmp(check) => {
                found.extend(host_problem(&check.host));
                Some(CheckPlan::Icmp(check.clone()))
            }
            Self::Heartbeat(check) => check.plan(&mut found).map(CheckPlan::Heartbeat),
            Self::Server(check) => check.plan(&mut found).map(CheckPlan::Server),
        };
        let is_fine = found.is_empty();
        let prefix = format!("/check/{}", self.kind());
        problems.extend(found.into_iter().map(|problem| problem.under(&prefix)));
        plan.filter(|_| is_fine)
    }
}

impl TlsCheck {
    fn problems(&self, problems: &mut Vec<FieldProblem>) {
        problems.extend(host_problem(&self.host));
        problems.extend(port_problem(self.port));
        if let Some(name) = &self.server_name
            && host_problem(name).is_some()
        {
            problems.push(FieldProblem::new(
                "/server_name",
                "monitor.host",
                format!("expected a host's name, found {:?}", short(name)),
            ));
        }
        if self
            .certificate_days
            .is_some_and(|days| days > MAX_CERTIFICATE_DAYS)
        {
            problems.push(FieldProblem::new(
                "/certificate_days",
                "monitor.certificate",
                format!("expected at most {MAX_CERTIFICATE_DAYS} days"),
            ));
        }
    }
}

impl DnsCheck {
    fn problems(&self, problems: &mut Vec<FieldProblem>) {
        let mut wrong = |pointer: String, message: String| {
            problems.push(FieldProblem::new(pointer, "monitor.dns", message));
        };
        let name = self.name.strip_suffix('.').unwrap_or(&self.name);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            wrong(
                "/name".into(),
                format!(
                    "expected a name such as shop.example.com, found {:?}",
                    short(&self.name)
                ),
            );
        }
        if let Some(server) = &self.server
            && server_address(server).is_none()
        {
            wrong(
                "/server".into(),
                format!(
                    "expected an address such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53, found {:?}",
                    short(server)
                ),
            );
        }
        if self.expect.len() > MAX_RECORDS {
            wrong(
                "/expect".into(),
                format!(
                    "expected at most {MAX_RECORDS}, found {}",
                    self.expect.len()
                ),
            );
        }
        for (place, text) in self.expect.iter().enumerate() {
            let is_right = match self.record {
                RecordType::A => text.parse::<std::net::Ipv4Addr>().is_ok(),
                RecordType::Aaaa => text.parse::<std::net::Ipv6Addr>().is_ok(),
                _ => (1..=MAX_RECORD).contains(&text.len()),
            };
            if !is_right {
                let message = format!(
                    "expected what a record of type {} says, found {:?}",
                    self.record.as_str(),
                    short(text)
                );
                wrong(format!("/expect/{place}"), message);
            }
        }
        if self.exactly && self.expect.is_empty() {
            wrong(
                "/exactly".into(),
                "expected answers in `expect` beside it".to_owned(),
            );
        }
    }

    /// The name server that is asked, where one is named.
    #[must_use]
    pub fn server_address(&self) -> Option<std::net::SocketAddr> {
        server_address(self.server.as_ref()?)
    }

    /// Judges the answers that came: addresses in their shortest form, names without a last dot, `10 mail.example.com`
    /// for MX. Those that `is_hidden` stand in no sentence: whoever may ask this machine's name server must not learn from it
    /// what is inside.
    #[must_use]
    pub fn judge(
        &self,
        answers: &[String],
        is_hidden: impl Fn(&str) -> bool,
        elapsed_ms: u64,
    ) -> CheckResult {
        let is_same = |one: &str, other: &str| match self.record {
            RecordType::Txt => one == other,
            _ => plain(one) == plain(other),
        };
        let missing = self
            .expect
            .iter()
            .find(|wanted| !answers.iter().any(|found| is_same(found, wanted)));
        let other = answers
            .iter()
            .find(|found| !self.expect.iter().any(|wanted| is_same(found, wanted)));
        let (record, name) = (self.record.as_str(), &self.name);
        let message = match (missing, other) {
            _ if answers.is_empty() => format!("{name} has no record of type {record}"),
            (Some(wanted), _) => {
                let public = answers.iter().filter(|found| !is_hidden(found));
                let mut shown: Vec<&str> = public.map(String::as_str).collect();
                let is_all = shown.len() == answers.len();
                let hint = if is_all { "" } else { HOW_TO_SEE };
                shown.extend((!is_all).then_some(HIDDEN));
                let shown = short(&shown.join(", "));
                format!("{record} of {name}: expected {wanted:?}, found {shown}{hint}")
            }
            (None, Some(found)) if self.exactly && is_hidden(found) => {
                format!("{record} of {name}: {HIDDEN} is not among what is expected{HOW_TO_SEE}")
            }
            (None, Some(found)) if self.exactly => {
                format!("{record} of {name}: {found:?} is not among what is expected")
            }
            _ => return CheckResult::up(Some(elapsed_ms)),
        };
        CheckResult::down(FaultKind::Records, message).after(elapsed_ms)
    }
}

/// Letter case and a last dot mean nothing in names, and addresses can be written in several ways.
fn plain(text: &str) -> String {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => text,
    }
}

fn server_address(text: &str) -> Option<std::net::SocketAddr> {
    let with_port = text.parse::<std::net::SocketAddr>().ok();
    let bare = || {
        let address = text.trim_matches(['[', ']']).parse().ok()?;
        Some(std::net::SocketAddr::new(address, 53))
    };
    with_port.or_else(bare)
}

fn port_problem(port: u16) -> Option<FieldProblem> {
    (port == 0).then(|| FieldProblem::new("/port", "monitor.port", "expected 1 to 65535, found 0"))
}

/// What is certainly no host. The guard says the rest.
fn host_problem(host: &str) -> Option<FieldProblem> {
    let is_host = (1..=253).contains(&host.len())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b));
    (!is_host).then(|| {
        let message = format!(
            "expected a host's name or an address, without scheme and path, found {:?}",
            short(host)
        );
        FieldProblem::new("/host", "monitor.host", message)
    })
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

impl CheckPlan {
    /// Of a heartbeat, how often it is to be heard of.
    pub(super) fn heartbeat(&self) -> Option<&HeartbeatPlan> {
        match self {
            Self::Heartbeat(plan) => Some(plan),
            _ => None,
        }
    }
}

/// The result of a TLS handshake that came about.
#[must_use]
pub fn judge_tls(
    check: &TlsCheck,
    certificate_until: Option<UnixMs>,
    elapsed_ms: u64,
    now: UnixMs,
) -> CheckResult {
    CheckResult::up(Some(elapsed_ms)).with_certificate(
        certificate_until,
        check.certificate_days,
        now,
    )
}

#[cfg(test)]
mod tests {
    use super::super::result::Verdict;
    use super::*;
    use serde_json::{Value, json};

    fn problems(check: Value) -> Vec<FieldProblem> {
        let check: CheckDefinition = serde_json::from_value(check).unwrap();
        let mut problems = Vec::new();
        let plan = check.plan(&mut problems);
        assert_eq!(plan.is_some(), problems.is_empty());
        problems
    }

    #[test]
    fn mistakes_have_their_pointer() {
        for fine in [
            json!({"tcp": {"host": "db.internal", "port": 5432}}),
            json!({"tls": {"host": "mail.example.com", "port": 465, "certificate_days": 20}}),
            json!({"dns": {"name": "_dmarc.example.com.", "type": "TXT", "expect": ["v=DMARC1; p=none"]}}),
            json!({"dns": {"name": "a.example", "type": "AAAA", "server": "[2001:db8::53]:5353", "expect": ["2001:DB8::1"], "exactly": true}}),
            json!({"icmp": {"host": "[2001:db8::1]"}}),
            json!({"server": {"what": "disk", "limit": "5GiB"}}),
        ] {
            assert_eq!(problems(fine.clone()), [], "{fine}");
        }
        for (check, pointer) in [
            (
                json!({"tcp": {"host": "http://db", "port": 1}}),
                "/check/tcp/host",
            ),
            (json!({"tcp": {"host": "db", "port": 0}}), "/check/tcp/port"),
            (json!({"tls": {"host": "a b"}}), "/check/tls/host"),
            (
                json!({"tls": {"host": "a", "server_name": "a/b"}}),
                "/check/tls/server_name",
            ),
            (
                json!({"tls": {"host": "a", "certificate_days": 400}}),
                "/check/tls/certificate_days",
            ),
            (json!({"dns": {"name": "a..b"}}), "/check/dns/name"),
            (
                json!({"dns": {"name": "a.b", "server": "ns.example.com"}}),
                "/check/dns/server",
            ),
            (
                json!({"dns": {"name": "a.b", "expect": ["::1"]}}),
                "/check/dns/expect/0",
            ),
            (
                json!({"dns": {"name": "a.b", "exactly": true}}),
                "/check/dns/exactly",
            ),
            (json!({"icmp": {"host": ""}}), "/check/icmp/host"),
            (
                json!({"server": {"what": "lanes", "limit": "1GiB"}}),
                "/check/server/limit",
            ),
        ] {
            let found = problems(check.clone());
            assert_eq!(found.len(), 1, "{check}: {found:?}");
            assert_eq!(found[0].pointer, pointer);
        }
        for unknown in [
            json!({"udp": {}}),
            json!({"tcp": {"host": "a", "port": 1, "x": 1}}),
            json!({"tcp": {"host": "a", "port": 70_000}}),
        ] {
            assert!(serde_json::from_value::<CheckDefinition>(unknown).is_err());
        }
    }

    #[test]
    fn records_are_judged() {
        for (check, answers, expected) in [
            (json!({"name": "a.b"}), vec!["192.0.2.1"], None),
            (json!({"name": "a.b"}), vec![], Some("no record of type A")),
            (
                json!({"name": "a.b", "expect": ["192.0.2.1"]}),
                vec!["192.0.2.2", "192.0.2.1"],
                None,
            ),
            (
                json!({"name": "a.b", "expect": ["192.0.2.1"]}),
                vec!["192.0.2.2"],
                Some("expected \"192.0.2.1\", found 192.0.2.2"),
            ),
            (
                json!({"name": "a.b", "expect": ["192.0.2.1"], "exactly": true}),
                vec!["192.0.2.1", "192.0.2.9"],
                Some("\"192.0.2.9\" is not among"),
            ),
            (
                json!({"name": "a.b", "type": "AAAA", "expect": ["2001:db8:0::1"]}),
                vec!["2001:db8::1"],
                None,
            ),
            (
                json!({"name": "a.b", "type": "MX", "expect": ["10 Mail.Example.com."]}),
                vec!["10 mail.example.com"],
                None,
            ),
            (
                json!({"name": "a.b", "type": "TXT", "expect": ["V=1"]}),
                vec!["v=1"],
                Some("expected \"V=1\""),
            ),
        ] {
            let dns: DnsCheck = serde_json::from_value(check.clone()).unwrap();
            let answers: Vec<String> = answers.into_iter().map(str::to_owned).collect();
            let found = dns.judge(&answers, |_| false, 5);
            assert_eq!(found.elapsed_ms, Some(5));
            match expected {
                None => assert_eq!(found.verdict, Verdict::Up, "{check}"),
                Some(part) => {
                    let message = found.fault.unwrap().message;
                    assert!(message.contains(part), "{check}: {message}");
                }
            }
        }
    }

    #[test]
    fn what_is_hidden_is_judged_and_not_told() {
        let is_hidden = |answer: &str| answer.starts_with("10.");
        for (check, answers, expected) in [
            (
                json!({"name": "a.b", "expect": ["10.1.2.3"]}),
                vec!["10.1.2.3"],
                None,
            ),
            (
                json!({"name": "a.b", "expect": ["192.0.2.1"]}),
                vec!["10.1.2.3"],
                Some("expected \"192.0.2.1\", found an address that is not public (shown"),
            ),
            (
                json!({"name": "a.b", "expect": ["192.0.2.1"]}),
                vec!["10.1.2.3", "192.0.2.9", "10.1.2.4"],
                Some("found 192.0.2.9, an address that is not public (shown"),
            ),
            (
                json!({"name": "a.b", "expect": ["192.0.2.1"], "exactly": true}),
                vec!["192.0.2.1", "10.1.2.3"],
                Some("an address that is not public is not among what is expected (shown"),
            ),
        ] {
            let dns: DnsCheck = serde_json::from_value(check.clone()).unwrap();
            let answers: Vec<String> = answers.into_iter().map(str::to_owned).collect();
            let fault = dns.judge(&answers, is_hidden, 5).fault;
            assert_eq!(fault.is_some(), expected.is_some(), "{check}: {fault:?}");
            let (Some(fault), Some(part)) = (fault, expected) else {
                continue;
            };
            let message = fault.message;
            assert!(message.contains(part), "{check}: {message}");
            assert!(message.contains("monitors.allow_private"), "{message}");
            assert!(!message.contains("10.1.2"), "{message}");
        }
    }

    #[test]
    fn name_servers_have_their_port() {
        for (text, expected) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]", Some("[2001:db8::53]:53")),
            ("localhost", None),
        ] {
            let found = server_address(text).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
