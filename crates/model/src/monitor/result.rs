//! What came of one check, and why.

use crate::UnixMs;
use serde::{Deserialize, Serialize};

/// Most characters of the sentence that says what was wrong: it stands in notifications.
const MAX_MESSAGE: usize = 300;

/// What a check found. Three answers, never blurred: what could not be asked is neither up nor down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It answered as expected.
    Up,
    /// It did not.
    Down,
    /// It could not be asked, for a reason that lies with us: nothing is concluded from it.
    Unknown,
}

impl Verdict {
    /// The word used in JSON and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// What was found.
    pub verdict: Verdict,
    /// What was wrong, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// How long the answer took in milliseconds, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// When the certificate that was shown is no longer valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_until: Option<UnixMs>,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Of which kind.
    pub kind: FaultKind,
    /// A sentence for people, without a full stop. It names the host and never the path.
    pub message: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The guard does not let it through, or this machine may not do such a check.
    Refused,
    /// The name was not found.
    Resolve,
    /// No connection came about.
    Connect,
    /// TLS did not come about, for another reason than the certificate.
    Tls,
    /// The certificate does not hold: expired, for other names, by an authority that is not trusted.
    Certificate,
    /// The certificate holds, and ends soon.
    CertificateEnds,
    /// There was no whole answer in time.
    Timeout,
    /// The exchange broke off, or what came was not of the protocol.
    Exchange,
    /// It led from one place to the next, more often than is followed.
    Redirects,
    /// Another status than expected.
    Status,
    /// A header is not as expected.
    Header,
    /// The body is not as expected.
    Body,
    /// A value in the body's JSON is not as expected.
    Json,
    /// What a regular expression says of the answer was not known in time.
    Pattern,
    /// The answer took longer than is allowed.
    Latency,
    /// Another answer of the name server than expected.
    Records,
    /// A heartbeat did not come.
    Missing,
    /// A job that began did not end in its time.
    RanTooLong,
    /// A job said itself that it failed.
    Reported,
    /// It went up and down too often.
    Flapping,
    /// Of the server itself: lanes cannot send.
    Lanes,
    /// Credentials end soon, or cannot be used.
    Credentials,
    /// Work waits that is due.
    Waiting,
    /// There is little space where the store is, or it takes no writes.
    Disk,
    /// Timers are late.
    Scheduler,
}

impl FaultKind {
    /// The word used in JSON, events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::CertificateEnds => "certificate_ends",
            Self::Timeout => "timeout",
            Self::Exchange => "exchange",
            Self::Redirects => "redirects",
            Self::Status => "status",
            Self::Header => "header",
            Self::Body => "body",
            Self::Json => "json",
            Self::Pattern => "pattern",
            Self::Latency => "latency",
            Self::Records => "records",
            Self::Missing => "missing",
            Self::RanTooLong => "ran_too_long",
            Self::Reported => "reported",
            Self::Flapping => "flapping",
            Self::Lanes => "lanes",
            Self::Credentials => "credentials",
            Self::Waiting => "waiting",
            Self::Disk => "disk",
            Self::Scheduler => "scheduler",
        }
    }
}

impl Fault {
    /// A fault; what is too long for a notification is cut, and control characters are taken out.
    pub fn new(kind: FaultKind, message: impl AsRef<str>) -> Self {
        let shown = message.as_ref().chars().filter(|c| !c.is_control());
        Self {
            kind,
            message: shown.take(MAX_MESSAGE).collect(),
        }
    }
}

impl CheckResult {
    /// It answered as expected.
    #[must_use]
    pub fn up(elapsed_ms: Option<u64>) -> Self {
        Self {
            verdict: Verdict::Up,
            fault: None,
            elapsed_ms,
            certificate_until: None,
        }
    }

    /// It did not.
    pub fn down(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self {
            verdict: Verdict::Down,
            fault: Some(Fault::new(kind, message)),
            elapsed_ms: None,
            certificate_until: None,
        }
    }

    /// It could not be asked.
    pub fn unknown(kind: FaultKind, message: impl AsRef<str>) -> Self {
        Self {
            verdict: Verdict::Unknown,
            ..Self::down(kind, message)
        }
    }

    /// With how long the answer took.
    #[must_use]
    pub fn after(mut self, elapsed_ms: u64) -> Self {
        self.elapsed_ms = Some(elapsed_ms);
        self
    }

    /// With the end of the certificate, which may be a fault of its own where nothing else was wrong.
    #[must_use]
    pub fn with_certificate(
        mut self,
        until: Option<UnixMs>,
        days: Option<u16>,
        now: UnixMs,
    ) -> Self {
        self.certificate_until = until;
        let (Some(until), Some(days), Verdict::Up) = (until, days, self.verdict) else {
            return self;
        };
        let left_ms = until.saturating_sub(now);
        if left_ms < i64::from(days) * 86_400_000 {
            let left = left_ms.div_euclid(86_400_000);
            self.verdict = Verdict::Down;
            self.fault = Some(Fault::new(
                FaultKind::CertificateEnds,
                format!("the certificate ends in {left} days, expected at least {days}"),
            ));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn a_certificate_that_ends_soon_is_a_fault_where_nothing_else_is() {
        let up = || CheckResult::up(Some(3));
        let fine = up().with_certificate(Some(30 * DAY), Some(14), DAY);
        assert_eq!(
            (fine.verdict, fine.certificate_until),
            (Verdict::Up, Some(30 * DAY))
        );
        let soon = up().with_certificate(Some(14 * DAY), Some(14), DAY);
        let fault = soon.fault.unwrap();
        assert_eq!(
            (soon.verdict, fault.kind),
            (Verdict::Down, FaultKind::CertificateEnds)
        );
        assert!(fault.message.contains("in 13 days"), "{}", fault.message);
        assert_eq!(
            up().with_certificate(Some(0), None, DAY).verdict,
            Verdict::Up
        );
        let down = CheckResult::down(FaultKind::Status, "x").with_certificate(Some(0), Some(1), 0);
        assert_eq!(down.fault.unwrap().kind, FaultKind::Status);
    }

    #[test]
    fn sentences_are_short_and_plain() {
        let fault = Fault::new(
            FaultKind::Reported,
            format!("a\u{1b}[2J\n{}", "é".repeat(400)),
        );
        assert!(fault.message.starts_with("a[2Jé"));
        assert_eq!(fault.message.chars().count(), MAX_MESSAGE);
    }
}
