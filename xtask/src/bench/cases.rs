//! What is measured, and what each figure is held against.
//!
//! The limits are the project's promises; docs/performance.md shows what was measured when. A case whose subject has a
//! yardstick is judged by CPU time against it; the others by figures of their own.

/// One measurement.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What follows `carillon bench`.
    pub(crate) command: &'static [&'static str],
    /// The same load by h2load, if there is one.
    pub(crate) yardstick: Option<Load>,
    pub(crate) limits: &'static [Limit],
}

/// A load as both contestants are given it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) body_bytes: usize,
    pub(crate) in_flight: u32,
    pub(crate) requests: u64,
}

/// What a figure may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// CPU time for each notification, over the yardstick's.
    CpuRatioAtMost(f64),
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

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "sender, 200 B, 100 in flight",
        command: &["sender"],
        yardstick: load(200, 100),
        limits: SENDER,
    },
    Case {
        name: "sender, 200 B, 1000 in flight",
        command: &["sender"],
        yardstick: load(200, 1000),
        limits: SENDER,
    },
    Case {
        name: "sender, 600 B, 100 in flight",
        command: &["sender"],
        yardstick: load(600, 100),
        limits: SENDER,
    },
    Case {
        name: "sender, 600 B, 1000 in flight",
        command: &["sender"],
        yardstick: load(600, 1000),
        limits: SENDER,
    },
    Case {
        name: "client, 200 B, 100 in flight",
        command: &["client"],
        yardstick: load(200, 100),
        limits: CLIENT,
    },
    Case {
        name: "client, 200 B, 1000 in flight",
        command: &["client"],
        yardstick: load(200, 1000),
        limits: CLIENT,
    },
    Case {
        name: "client, 600 B, 100 in flight",
        command: &["client"],
        yardstick: load(600, 100),
        limits: CLIENT,
    },
    Case {
        name: "client, 600 B, 1000 in flight",
        command: &["client"],
        yardstick: load(600, 1000),
        limits: CLIENT,
    },
    Case {
        name: "pipeline, batches of 500, saturated",
        command: &["pipeline", "--batch", "500", "--delay", "0ms"],
        yardstick: None,
        limits: &[Limit::RateAtLeast(60_000.0)],
    },
    Case {
        name: "pipeline, batches of 500, 20 ms gateway",
        command: &["pipeline", "--batch", "500", "--delay", "20ms"],
        yardstick: None,
        limits: &[Limit::RateAtLeast(60_000.0)],
    },
    Case {
        name: "pipeline, single POSTs, saturated",
        command: &["pipeline", "--batch", "1", "--delay", "0ms"],
        yardstick: None,
        limits: &[Limit::RateAtLeast(15_000.0)],
    },
    Case {
        name: "pipeline, single POSTs, 20 ms gateway",
        command: &["pipeline", "--batch", "1", "--delay", "20ms"],
        yardstick: None,
        limits: &[Limit::RateAtLeast(15_000.0)],
    },
    Case {
        name: "latency, 2,000 single POSTs a second",
        command: &["latency", "--rate", "2000"],
        yardstick: None,
        limits: &[Limit::P99AtMostMs(25.0)],
    },
    Case {
        name: "latency, while another App fans out to 1,000,000",
        command: &["latency", "--rate", "2000", "--fan-out", "1000000"],
        yardstick: None,
        limits: &[Limit::P99AtMostMs(100.0)],
    },
    Case {
        name: "memory, at rest before and after load",
        command: &["memory"],
        yardstick: None,
        limits: &[Limit::RestAtMostMb(40.0), Limit::PeakAtMostMb(100.0)],
    },
    Case {
        name: "memory, one notification to 1,000,000 devices",
        command: &["fan-out", "--devices", "1000000"],
        yardstick: None,
        limits: &[Limit::PeakAtMostMb(250.0)],
    },
    Case {
        name: "start, 1,000,000 devices and 100,000 pending",
        command: &["start", "--devices", "1000000", "--pending", "100000"],
        yardstick: None,
        limits: &[Limit::ReadyAtMostMs(300.0)],
    },
];

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
                .any(|limit| matches!(limit, Limit::CpuRatioAtMost(_)));
            assert_eq!(has_ratio, case.yardstick.is_some(), "{}", case.name);
            assert!(!case.limits.is_empty(), "{} promises nothing", case.name);
        }
    }
}
