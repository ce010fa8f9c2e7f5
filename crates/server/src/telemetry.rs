//! Log lines and metrics.
//!
//! Logs go to stderr, as text or JSON; each line carries its ids in the text and as fields, and
//! neither secrets nor push tokens. Metrics are recorded through the `metrics` facade and rendered
//! as Prometheus text; nothing here opens a port.

use crate::config::{Log, LogFormat};
use crate::exit::{Exit, Failure};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Upper bounds of all histograms of seconds: from a fast answer on one machine to a long wait.
const SECONDS_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// Sends log lines to stderr. Called once, before anything logs.
pub(crate) fn start_logs(log: &Log) {
    let filter = EnvFilter::new(&log.level);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second subscriber in the same process (tests) is refused, and the first one stays.
    let _ = match log.format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            builder
                .with_ansi(
                    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
                )
                .try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Logs and counts panics: a part that panics is not allowed to vanish silently.
pub(crate) fn watch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics::counter!("carillon_panics_total").increment(1);
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "a part of the process panicked at {place}");
        before(panic);
    }));
}

/// The recorder behind `metrics`' macros.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder for this process, or finds the one that is installed.
    pub(crate) fn install() -> Result<Self, Failure> {
        static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
        if let Some(handle) = INSTALLED.get() {
            return Ok(Self(handle.clone()));
        }
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Software, format!("the metrics recorder: {error}"))
        };
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .map_err(|error| broken(&error))?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| broken(&error))?;
        describe();
        Ok(Self(INSTALLED.get_or_init(|| handle).clone()))
    }

    /// Everything as Prometheus text.
    pub(crate) fn render(&self) -> String {
        record_process();
        self.0.render()
    }

    /// Folds raw samples into histograms; every few seconds, so that they do not pile up between
    /// scrapes.
    pub(crate) fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    crate::gauges::describe();
    metrics::describe_counter!(
        "carillon_panics_total",
        "Panics in any part of the process."
    );
    metrics::describe_gauge!(
        "process_resident_memory_bytes",
        "Memory that the process holds in RAM."
    );
    metrics::describe_gauge!("process_open_fds", "Open files and sockets.");
    metrics::describe_gauge!("carillon_build_info", "Always 1; the version is its label.");
    metrics::gauge!("carillon_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::counter!("carillon_panics_total").increment(0);
}

/// What the kernel says about us; left out where it does not say.
fn record_process() {
    if let Some(bytes) = resident_bytes("VmRSS:") {
        metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(open.count() as f64);
    }
}

/// A memory figure of this process in bytes: `VmRSS:` for now, `VmHWM:` for the highest so far.
pub(crate) fn resident_bytes(line: &str) -> Option<u64> {
    resident_bytes_of("self", line)
}

/// The same of another process.
pub(crate) fn resident_bytes_of(pid: &str, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rest = status.lines().find_map(|l| l.strip_prefix(line))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_what_was_recorded() {
        let metrics = Metrics::install().unwrap();
        metrics::counter!("carillon_test_total", "app" => "a").increment(3);
        metrics::histogram!("carillon_test_seconds").record(0.02);
        let text = metrics.render();
        assert!(text.contains("carillon_test_total{app=\"a\"} 3"), "{text}");
        assert!(
            text.contains("carillon_test_seconds_bucket{le=\"0.025\"} 1"),
            "{text}"
        );
        assert!(text.contains("carillon_build_info{version="), "{text}");
        Metrics::install().unwrap();
    }
}
