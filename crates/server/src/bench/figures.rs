//! What a measurement prints.

use serde_json::{Map, Value, json};
use std::time::Duration;

/// Figures of one run; what does not apply is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Notifications (or requests) in the run.
    pub(crate) n: u64,
    /// User and system time of what was measured, in seconds.
    pub(crate) cpu_secs: Option<f64>,
    /// Notifications a second.
    pub(crate) rate_per_sec: f64,
    /// Median latency.
    pub(crate) p50_ms: Option<f64>,
    /// 99th percentile of the latency.
    pub(crate) p99_ms: Option<f64>,
    /// Highest memory of the measured process.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// Its memory at rest.
    pub(crate) rest_rss_bytes: Option<u64>,
    /// From start to ready.
    pub(crate) ready_ms: Option<f64>,
    /// CPU time of one, where one is all that is measured, in microseconds.
    pub(crate) each_us: Option<f64>,
    /// What else there is to say.
    pub(crate) more: Map<String, Value>,
}

impl Figures {
    /// One JSON object.
    pub(crate) fn json(&self) -> Value {
        let mut out = Map::new();
        out.insert("n".into(), json!(self.n));
        out.insert("rate_per_sec".into(), json!(rounded(self.rate_per_sec)));
        for (name, value) in [
            ("cpu_secs", self.cpu_secs),
            ("p50_ms", self.p50_ms),
            ("p99_ms", self.p99_ms),
            ("ready_ms", self.ready_ms),
            ("each_us", self.each_us),
        ] {
            out.extend(value.map(|value| (name.to_owned(), json!(rounded(value)))));
        }
        for (name, value) in [
            ("peak_rss_bytes", self.peak_rss_bytes),
            ("rest_rss_bytes", self.rest_rss_bytes),
        ] {
            out.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        if let (Some(cpu), true) = (self.cpu_secs, self.n > 0) {
            let per_100k = cpu / self.n as f64 * 100_000.0;
            out.insert("cpu_secs_per_100k".into(), json!(rounded(per_100k)));
        }
        out.extend(self.more.clone());
        Value::Object(out)
    }
}

/// To a thousandth: what is beyond it is noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Latencies of a run, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of both.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The latency below which the given share of all lies, in milliseconds.
    pub(crate) fn percentile_ms(&mut self, share: f64) -> Option<f64> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_unstable();
        let rank = (share * self.0.len() as f64).ceil() as usize;
        let at = rank.clamp(1, self.0.len()) - 1;
        Some(f64::from(self.0[at]) / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_ms(0.5), None);
        for ms in (1..=100).rev() {
            latencies.add(Duration::from_millis(ms));
        }
        assert_eq!(latencies.percentile_ms(0.5), Some(50.0));
        assert_eq!(latencies.percentile_ms(0.99), Some(99.0));
        assert_eq!(latencies.percentile_ms(1.0), Some(100.0));
    }

    #[test]
    fn what_does_not_apply_is_left_out() {
        let figures = Figures {
            n: 200_000,
            cpu_secs: Some(1.0),
            ..Figures::default()
        };
        let json = figures.json();
        assert_eq!(json["cpu_secs_per_100k"], json!(0.5));
        assert!(json.get("p50_ms").is_none());
    }
}
