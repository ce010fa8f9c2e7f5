//! What the benchmark prints: a table for a person, one JSON document for a program.

use std::{fmt, process::Command};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    Measured,
    cases::{Case, Limit},
    disk::Disk,
};
use crate::process;

/// Bytes in the MB of the promises.
const MB: f64 = 1_000_000.0;

/// The unit of cost: CPU-seconds for this many notifications.
const UNIT: f64 = 100_000.0;

/// Where the figures come from.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    date: String,
    cores: usize,
    system: String,
    disk: Disk,
}

/// One case with what it showed.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: &'static Case,
    pub(crate) ours: Measured,
    pub(crate) yardstick: Option<Measured>,
    /// What it was measured beside, in the case's order.
    pub(crate) beside: Vec<Measured>,
}

/// Everything of one run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Row>,
}

/// A limit with the figure that it is about; no figure is a limit missed.
struct Verdict {
    limit: Limit,
    found: Option<f64>,
}

// === impl Machine ===

impl Machine {
    pub(crate) fn read(disk: Disk) -> Result<Self> {
        let date = process::output(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))?;
        let system = process::output(Command::new("uname").args(["-srm"]))?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            date: date.trim().to_owned(),
            cores,
            system: system.trim().to_owned(),
            disk,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            cores,
            system,
            disk,
        } = self;
        let Disk {
            file_system,
            fsync_p50_ms,
            fsync_p99_ms,
        } = disk;
        write!(
            f,
            "{date}, {cores} cores, {system}; {file_system}, fsync p50 {fsync_p50_ms:.2} ms, p99 {fsync_p99_ms:.2} ms"
        )
    }
}

// === impl Measured ===

impl Measured {
    fn cpu_per_unit(&self) -> f64 {
        if self.n == 0 {
            0.0
        } else {
            self.cpu_secs / self.n as f64 * UNIT
        }
    }
}

// === impl Row ===

impl Row {
    fn ratio(&self) -> Option<f64> {
        let yardstick = self.yardstick?.cpu_per_unit();
        (yardstick > 0.0).then(|| self.ours.cpu_per_unit() / yardstick)
    }

    /// Ours over the first beside it, after the second's cost is taken off.
    fn ratio_beside(&self) -> Option<f64> {
        let mut beside = self.beside.iter().map(Measured::cpu_per_unit);
        let sibling = beside.next()?;
        let ours = self.ours.cpu_per_unit() - beside.next().unwrap_or_default();
        (sibling > 0.0).then(|| ours / sibling)
    }

    /// The others' cost, in words.
    fn beside(&self) -> String {
        let named = self.case.beside.iter().zip(&self.beside);
        let words: Vec<String> = named
            .map(|(other, measured)| format!("{} {:.3}", other.name, measured.cpu_per_unit()))
            .collect();
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join(", ")
        }
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict> + '_ {
        let in_mb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / MB);
        self.case.limits.iter().map(move |limit| {
            let found = match limit {
                Limit::CpuRatioAtMost(_) => self.ratio(),
                Limit::CpuBesideAtMost(_) => self.ratio_beside(),
                Limit::EachAtMostUs(_) => self.ours.each_us,
                Limit::RateAtLeast(_) => Some(self.ours.rate_per_sec),
                Limit::P99AtMostMs(_) => self.ours.p99_ms,
                Limit::PeakAtMostMb(_) => in_mb(self.ours.peak_rss_bytes),
                Limit::RestAtMostMb(_) => in_mb(self.ours.rest_rss_bytes),
                Limit::ReadyAtMostMs(_) => self.ours.ready_ms,
            };
            Verdict {
                limit: *limit,
                found,
            }
        })
    }
}

// === impl Verdict ===

impl Verdict {
    fn holds(&self) -> bool {
        self.found.is_some_and(|found| match self.limit {
            Limit::RateAtLeast(least) => found >= least,
            Limit::CpuRatioAtMost(most)
            | Limit::CpuBesideAtMost(most)
            | Limit::EachAtMostUs(most)
            | Limit::P99AtMostMs(most)
            | Limit::PeakAtMostMb(most)
            | Limit::RestAtMostMb(most)
            | Limit::ReadyAtMostMs(most) => found <= most,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, bound, unit) = match self.limit {
            Limit::CpuRatioAtMost(most) => ("CPU", format!("at most {most}"), "x h2load"),
            Limit::CpuBesideAtMost(most) => ("CPU", format!("at most {most}"), "x beside"),
            Limit::EachAtMostUs(most) => ("each", format!("at most {most}"), " µs"),
            Limit::RateAtLeast(least) => ("rate", format!("at least {least}"), "/s"),
            Limit::P99AtMostMs(most) => ("p99", format!("at most {most}"), " ms"),
            Limit::PeakAtMostMb(most) => ("peak", format!("at most {most}"), " MB"),
            Limit::RestAtMostMb(most) => ("at rest", format!("at most {most}"), " MB"),
            Limit::ReadyAtMostMs(most) => ("ready", format!("at most {most}"), " ms"),
        };
        let found = self
            .found
            .map_or_else(|| "not measured".to_owned(), |found| format!("{found:.2}"));
        let holds = if self.holds() { "holds" } else { "MISSED" };
        write!(f, "{what} {found}{unit}, {bound}: {holds}")
    }
}

// === impl Report ===

impl Report {
    /// The limits that do not hold, in words.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter(|row| row.verdicts().any(|verdict| !verdict.holds()))
            .map(|row| row.case.name)
    }

    /// The figures as one document; units are in the names.
    pub(crate) fn json(&self) -> Value {
        let figures = |measured: &Measured| {
            json!({
                "n": measured.n,
                "cpu_secs_per_100k": measured.cpu_per_unit(),
                "rate_per_sec": measured.rate_per_sec,
                "p50_ms": measured.p50_ms,
                "p99_ms": measured.p99_ms,
                "peak_rss_bytes": measured.peak_rss_bytes,
                "rest_rss_bytes": measured.rest_rss_bytes,
                "ready_ms": measured.ready_ms,
                "each_us": measured.each_us,
            })
        };
        let rows = self.rows.iter().map(|row| {
            json!({
                "case": row.case.name,
                "ours": figures(&row.ours),
                "h2load": row.yardstick.as_ref().map(figures),
                "cpu_ratio": row.ratio(),
                "beside": row.case.beside.iter().zip(&row.beside).map(|(other, measured)| json!({"name": other.name, "figures": figures(measured)})).collect::<Vec<_>>(),
                "cpu_ratio_beside": row.ratio_beside(),
                "limits": row.verdicts().map(|verdict| json!({"text": verdict.to_string(), "holds": verdict.holds()})).collect::<Vec<_>>(),
            })
        });
        let Machine {
            date,
            cores,
            system,
            disk,
        } = &self.machine;
        json!({
            "date": date,
            "cores": cores,
            "system": system,
            "disk": disk,
            "rounds": self.rounds,
            "cases": rows.collect::<Vec<_>>(),
        })
    }
}

impl Report {
    /// Where and how the figures were taken, and the table's head.
    pub(crate) fn head(&self) -> String {
        format!(
            "{}; medians of {}\n\n{COLUMNS}\n{}\n",
            self.machine,
            self.rounds,
            "|---".repeat(COLUMNS.matches(" |").count()) + "|"
        )
    }

    /// The rows of the table with the names of their cases.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let day = self.machine.date.split('T').next().unwrap_or_default();
        self.rows
            .iter()
            .map(move |row| (row.case.name, format!("{} {day} |", row.line())))
    }
}

/// What stands above the rows.
const COLUMNS: &str = "| case | CPU-s per 100k | h2load | ratio | beside, CPU-s per 100k | rate /s | p50 ms | p99 ms | peak MB | limits | day |";

impl Row {
    /// Its line in the table, but for the day.
    fn line(&self) -> String {
        let or_dash = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let limits: Vec<String> = self.verdicts().map(|verdict| verdict.to_string()).collect();
        format!(
            "| {} | {:.3} | {} | {} | {} | {:.0} | {} | {} | {} | {} |",
            self.case.name,
            self.ours.cpu_per_unit(),
            or_dash(self.yardstick.map(|measured| measured.cpu_per_unit()), 3),
            or_dash(self.ratio(), 2),
            self.beside(),
            self.ours.rate_per_sec,
            or_dash(self.ours.p50_ms, 2),
            or_dash(self.ours.p99_ms, 2),
            or_dash(self.ours.peak_rss_bytes.map(|bytes| bytes as f64 / MB), 1),
            limits.join("; "),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        for (_, row) in self.rows() {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::cases::CASES;

    pub(crate) fn report(
        ours: Measured,
        yardstick: Option<Measured>,
        case: &'static Case,
    ) -> Report {
        let disk = Disk {
            file_system: "ext4".to_owned(),
            fsync_p50_ms: 0.4,
            fsync_p99_ms: 2.0,
        };
        let machine = Machine {
            date: "2026-11-22T12:00:00Z".to_owned(),
            cores: 2,
            system: "Linux".to_owned(),
            disk,
        };
        Report {
            machine,
            rounds: 5,
            rows: vec![Row {
                case,
                ours,
                yardstick,
                beside: Vec::new(),
            }],
        }
    }

    pub(crate) fn with_cpu(cpu_secs: f64, n: u64) -> Measured {
        Measured {
            n,
            cpu_secs,
            rate_per_sec: 1.0,
            ..Measured::default()
        }
    }

    #[test]
    fn cost_is_compared_for_each_notification_not_for_each_run() {
        let report = report(
            with_cpu(1.4, 400_000),
            Some(with_cpu(0.5, 200_000)),
            &CASES[0],
        );
        assert_eq!(report.json()["cases"][0]["cpu_ratio"], 1.4);
        assert_eq!(report.missed().count(), 0);
        assert!(
            report.to_string().contains("| 0.350 | 0.250 | 1.40 |"),
            "{report}"
        );
    }

    #[test]
    fn a_limit_that_is_missed_or_was_not_measured_is_told() {
        let dear = report(
            with_cpu(0.76, 200_000),
            Some(with_cpu(0.5, 200_000)),
            &CASES[0],
        );
        assert_eq!(dear.missed().collect::<Vec<_>>(), [CASES[0].name]);
        assert!(dear.to_string().contains("MISSED"), "{dear}");
        let latency = CASES
            .iter()
            .find(|case| case.name.starts_with("latency"))
            .unwrap();
        let unmeasured = report(with_cpu(1.0, 1), None, latency);
        assert!(
            unmeasured
                .to_string()
                .contains("p99 not measured ms, at most 25: MISSED"),
            "{unmeasured}"
        );
        assert_eq!(unmeasured.json()["cases"][0]["limits"][0]["holds"], false);
    }

    #[test]
    fn a_sibling_is_what_ours_is_held_against_once_encryption_is_taken_off() {
        let case = CASES.iter().find(|case| case.beside.len() == 2).unwrap();
        let mut report = report(with_cpu(8.0, 100_000), Some(with_cpu(0.3, 100_000)), case);
        report.rows[0].beside = vec![with_cpu(1.0, 100_000), with_cpu(3.4, 50_000)];
        assert_eq!(
            report.missed().count(),
            0,
            "(8.0 - 6.8) / 1.0 = 1.2: {report}"
        );
        assert!(
            report
                .to_string()
                .contains("| APNs 1.000, encryption 6.800 |"),
            "{report}"
        );
        report.rows[0].beside[1] = with_cpu(3.3, 50_000);
        assert_eq!(report.missed().count(), 1, "1.4: {report}");
        report.rows[0].beside.clear();
        assert!(report.to_string().contains("CPU not measured"), "{report}");
    }

    #[test]
    fn rates_are_lower_bounds() {
        let pipeline = CASES
            .iter()
            .find(|case| case.name.starts_with("pipeline"))
            .unwrap();
        let fast = Measured {
            rate_per_sec: 61_000.0,
            ..with_cpu(1.0, 1)
        };
        assert_eq!(report(fast, None, pipeline).missed().count(), 0);
        assert_eq!(report(with_cpu(1.0, 1), None, pipeline).missed().count(), 1);
    }
}
