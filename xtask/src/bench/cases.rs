//! What is measured, and what each figure is held against.
//!
//! The limits are the project's promises; docs/performance.md shows what was measured when. A case whose subject has a
//! yardstick is judged by CPU time against it, or against a sibling that is measured in the same rounds; the others by
//! figures of their own.

/// One measurement.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What follows `carillon bench`.
    pub(crate) command: &'static [&'static str],
    /// The same load by h2load, if there is one.
    pub(crate) yardstick: Option<Load>,
    /// Whose blind gateway is sent to, if there is a load.
    pub(crate) gateway: Blind,
    /// Others of ours that take their turns in the same rounds: first a sibling that ours is held against.
    pub(crate) beside: &'static [Beside],
    /// Whose CPU time counts.
    pub(crate) cpu: Cpu,
    pub(crate) limits: &'static [Limit],
}

/// A load as both contestants are given it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) body_bytes: usize,
    pub(crate) in_flight: u32,
    pub(crate) requests: u64,
}

/// Whose success a blind gateway answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blind {
    Apns,
    Fcm,
    WebPush,
}

/// One of ours that a case is measured beside.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) name: &'static str,
    pub(crate) command: &'static [&'static str],
    /// Whose blind gateway it sends the case's load to; `None`: it sends nothing.
    pub(crate) gateway: Option<Blind>,
}

/// Whose CPU time a figure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cpu {
    /// All processes of the contestant from start to end, as for h2load.
    Whole,
    /// What the contestant says itself: without the making of key pairs and devices before, and without other processes.
    Told,
}

/// What a figure may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// CPU time for each notification, over the yardstick's.
    CpuRatioAtMost(f64),
    /// The same over the first beside it, after what the second costs is taken off, if there is a second.
    CpuBesideAtMost(f64),
    /// CPU time of one, where one is all that is measured.
    EachAtMostUs(f64),
    RateAtLeast(f64),
    P99AtMostMs(f64),
    PeakAtMostMb(f64),
    RestAtMostMb(f64),
    ReadyAtMostMs(f64),
}

/// Enough for a second of CPU time in the slower contestant, so that a clock tick is a percent.
const REQUESTS: u64 = 200_000;

/// What the engine's own connection may cost over h2load, and what the client for everybody may.
const SENDER: &[Limit] = &[Limit::CpuRatioAtMost(1.5)];
const CLIENT: &[Limit] = &[Limit::CpuRatioAtMost(3.0)];

const fn load(body_bytes: usize, in_flight: u32) -> Option<Load> {
    Some(Load {
        body_bytes,
        in_flight,
        requests: REQUESTS,
    })
}

/// What most cases have.
const PLAIN: Case = Case {
    name: "",
    command: &[],
    yardstick: None,
    gateway: Blind::Apns,
    beside: &[],
    cpu: Cpu::Whole,
    limits: &[],
};

/// The pool of each gateway, and what encrypting alone costs.
const APNS_POOL: Beside = Beside {
    name: "APNs",
    command: &["pool", "--gateway", "apns"],
    gateway: Some(Blind::Apns),
};
const SEALING: Beside = Beside {
    name: "encryption",
    command: &["seal"],
    gateway: None,
};

const fn pool(
    name: &'static str,
    command: &'static [&'static str],
    gateway: Blind,
    load: Option<Load>,
) -> Case {
    Case {
        name,
        command,
        yardstick: load,
        gateway,
        beside: match gateway {
            Blind::Apns => &[],
            Blind::Fcm => &[APNS_POOL],
            Blind::WebPush => &[APNS_POOL, SEALING],
        },
        cpu: Cpu::Told,
        limits: match gateway {
            // What the engine pays for a pool: hand-over between threads, dressing, judging.
            Blind::Apns => &[Limit::CpuRatioAtMost(3.0)],
            _ => &[Limit::CpuBesideAtMost(1.3)],
        },
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "sender, 200 B, 100 in flight",
        command: &["sender"],
        yardstick: load(200, 100),
        limits: SENDER,
        ..PLAIN
    },
    Case {
        name: "sender, 200 B, 1000 in flight",
        command: &["sender"],
        yardstick: load(200, 1000),
        limits: SENDER,
        ..PLAIN
    },
    Case {
        name: "sender, 600 B, 100 in flight",
        command: &["sender"],
        yardstick: load(600, 100),
        limits: SENDER,
        ..PLAIN
    },
    Case {
        name: "sender, 600 B, 1000 in flight",
        command: &["sender"],
        yardstick: load(600, 1000),
        limits: SENDER,
        ..PLAIN
    },
    Case {
        name: "client, 200 B, 100 in flight",
        command: &["client"],
        yardstick: load(200, 100),
        limits: CLIENT,
        ..PLAIN
    },
    Case {
        name: "client, 200 B, 1000 in flight",
        command: &["client"],
        yardstick: load(200, 1000),
        limits: CLIENT,
        ..PLAIN
    },
    Case {
        name: "client, 600 B, 100 in flight",
        command: &["client"],
        yardstick: load(600, 100),
        limits: CLIENT,
        ..PLAIN
    },
    Case {
        name: "client, 600 B, 1000 in flight",
        command: &["client"],
        yardstick: load(600, 1000),
        limits: CLIENT,
        ..PLAIN
    },
    pool(
        "pool, APNs, 200 B, 1000 in flight",
        &["pool", "--gateway", "apns"],
        Blind::Apns,
        load(200, 1000),
    ),
    pool(
        "pool, FCM, 200 B, 100 in flight",
        &["pool", "--gateway", "fcm"],
        Blind::Fcm,
        load(200, 100),
    ),
    pool(
        "pool, FCM, 200 B, 1000 in flight",
        &["pool", "--gateway", "fcm"],
        Blind::Fcm,
        load(200, 1000),
    ),
    // Not what anybody gets: it tells how much of the others is the length of Google's token.
    pool(
        "pool, FCM, 200 B, 1000 in flight, access token as short as Apple's",
        &["pool", "--gateway", "fcm", "--access-token-length", "190"],
        Blind::Fcm,
        load(200, 1000),
    ),
    pool(
        "pool, FCM, 600 B, 1000 in flight",
        &["pool", "--gateway", "fcm"],
        Blind::Fcm,
        load(600, 1000),
    ),
    pool(
        "pool, Web Push, 200 B, 100 in flight",
        &["pool", "--gateway", "webpush"],
        Blind::WebPush,
        load(200, 100),
    ),
    pool(
        "pool, Web Push, 200 B, 1000 in flight",
        &["pool", "--gateway", "webpush"],
        Blind::WebPush,
        load(200, 1000),
    ),
    Case {
        name: "encrypting one push to a browser",
        command: &["seal"],
        cpu: Cpu::Told,
        limits: &[Limit::EachAtMostUs(80.0)],
        ..PLAIN
    },
    Case {
        name: "template, 5 variables, one device",
        command: &["template"],
        cpu: Cpu::Told,
        limits: &[Limit::EachAtMostUs(5.0)],
        ..PLAIN
    },
    Case {
        name: "events, one trigger each, server on one core",
        command: &["events"],
        cpu: Cpu::Told,
        limits: &[Limit::RateAtLeast(5_000.0)],
        ..PLAIN
    },
    Case {
        name: "events, batches of 100, server on one core",
        command: &["events", "--batch", "100", "--connections", "8"],
        cpu: Cpu::Told,
        limits: &[Limit::RateAtLeast(5_000.0)],
        ..PLAIN
    },
    Case {
        name: "events, 2,500 a second, server on one core",
        command: &["events", "--rate", "2500", "--requests", "25000"],
        cpu: Cpu::Told,
        limits: &[Limit::P99AtMostMs(10.0)],
        ..PLAIN
    },
    Case {
        name: "timers, 10,000 sends at a time a second",
        command: &["timers"],
        cpu: Cpu::Told,
        limits: &[Limit::P99AtMostMs(50.0)],
        ..PLAIN
    },
    Case {
        name: "pipeline, batches of 500, saturated",
        command: &["pipeline", "--batch", "500", "--delay", "0ms"],
        limits: &[Limit::RateAtLeast(60_000.0)],
        ..PLAIN
    },
    Case {
        name: "pipeline, batches of 500, 20 ms gateway",
        command: &["pipeline", "--batch", "500", "--delay", "20ms"],
        limits: &[Limit::RateAtLeast(60_000.0)],
        ..PLAIN
    },
    Case {
        name: "pipeline, single POSTs, saturated",
        command: &["pipeline", "--batch", "1", "--delay", "0ms"],
        limits: &[Limit::RateAtLeast(15_000.0)],
        ..PLAIN
    },
    Case {
        name: "pipeline, single POSTs, 20 ms gateway",
        command: &["pipeline", "--batch", "1", "--delay", "20ms"],
        limits: &[Limit::RateAtLeast(15_000.0)],
        ..PLAIN
    },
    Case {
        name: "latency, 2,000 single POSTs a second",
        command: &["latency", "--rate", "2000"],
        limits: &[Limit::P99AtMostMs(25.0)],
        ..PLAIN
    },
    Case {
        name: "latency, while another App fans out to 1,000,000",
        command: &["latency", "--rate", "2000", "--fan-out", "1000000"],
        limits: &[Limit::P99AtMostMs(100.0)],
        ..PLAIN
    },
    Case {
        name: "memory, at rest before and after load",
        command: &["memory"],
        limits: &[Limit::RestAtMostMb(40.0), Limit::PeakAtMostMb(100.0)],
        ..PLAIN
    },
    Case {
        name: "memory, one notification to 1,000,000 devices",
        command: &["fan-out", "--devices", "1000000"],
        limits: &[Limit::PeakAtMostMb(250.0)],
        ..PLAIN
    },
    Case {
        name: "start, 1,000,000 devices and 100,000 pending",
        command: &["start", "--devices", "1000000", "--pending", "100000"],
        limits: &[Limit::ReadyAtMostMs(300.0)],
        ..PLAIN
    },
];

impl Case {
    /// All of ours that take turns, this one first: command, gateway, and whose CPU time counts.
    pub(crate) fn contestants(
        &self,
    ) -> impl Iterator<Item = (&'static [&'static str], Option<Blind>, Cpu)> {
        let cpu = self.cpu;
        let beside = self.beside.iter();
        std::iter::once((self.command, Some(self.gateway), cpu))
            .chain(beside.map(move |other| (other.command, other.gateway, cpu)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_ratio_has_a_yardstick() {
        for (index, case) in CASES.iter().enumerate() {
            assert!(
                CASES[..index]
                    .iter()
                    .all(|earlier| earlier.name != case.name),
                "{} stands twice",
                case.name
            );
            let has_ratio = case
                .limits
                .iter()
                .any(|limit| matches!(limit, Limit::CpuRatioAtMost(_) | Limit::CpuBesideAtMost(_)));
            assert_eq!(has_ratio, case.yardstick.is_some(), "{}", case.name);
            let has_sibling = case
                .limits
                .iter()
                .any(|limit| matches!(limit, Limit::CpuBesideAtMost(_)));
            assert_eq!(has_sibling, !case.beside.is_empty(), "{}", case.name);
            assert!(!case.limits.is_empty(), "{} promises nothing", case.name);
        }
    }
}
