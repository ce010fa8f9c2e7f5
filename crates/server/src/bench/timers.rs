//! How late sends at a time are: many are stored, due one after the other at a steady rate, and the server
//! says itself how late each of its timers fired, from the instant at which it was due to the commit.

use super::figures::Figures;
use super::gateway::OwnProcess;
use super::pipeline::{blind, write_notification};
use super::server::{Home, MeasuredServer, push_token};
use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use carillon_model::UnixMs;
use jiff::Timestamp;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const APP: &str = "timers";
/// What the server calls these timers.
const KIND: &str = "send";
/// Devices that are sent to in turns.
const DEVICES: u64 = 10_000;
/// Notifications in one request.
const LINES: u64 = 5_000;
/// Pause between two looks at how many fired.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time after the last one was due.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Sends at a time
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Due over so many seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The first is due so many seconds after the storing begins: long enough to store them all
    #[arg(long, default_value_t = 30)]
    lead: u64,
}

/// Stores them, waits until all have fired, reads how late they were.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let gateway = OwnProcess::start(Duration::ZERO).await?;
    let mut home = Home::new(data, &blind(&gateway)?)?;
    let server = home.start().await?;
    server.make_app(APP, None).await?;
    server
        .make_devices(APP, "production", DEVICES, |number| push_token(APP, number))
        .await?;
    let begun_at = machine_now();
    let first_at = begun_at + load.lead as i64 * 1_000;
    let sends = Sends {
        app: APP,
        devices: DEVICES,
        count: load.count,
        seconds: load.seconds,
        first_at,
    };
    sends.store(&server).await?;
    let stored_at = machine_now();
    if stored_at >= first_at {
        return Err(Failure::new(
            Exit::Software,
            format!("storing took {} ms", stored_at - begun_at),
        )
        .mend("give a longer --lead"));
    }
    let cpu_before = server.cpu_secs();
    let fired_at = until_fired(&server, load, first_at).await?;
    let cpu_secs = server.cpu_secs() - cpu_before;
    server
        .until_accepted(&[APP.to_owned()], load.count, DEADLINE)
        .await?;
    let lateness = Lateness::read(&server.client.get_text("/metrics").await?, KIND);
    let mut figures = Figures {
        n: load.count,
        rate_per_sec: load.count as f64 * 1_000.0 / (fired_at - first_at).max(1) as f64,
        cpu_secs: Some(cpu_secs),
        p50_ms: lateness.at_most_ms(0.5),
        p99_ms: lateness.at_most_ms(0.99),
        peak_rss_bytes: server.peak_rss_bytes(),
        ..Figures::default()
    };
    let mut add = |name: &str, value| figures.more.insert(name.to_owned(), value);
    add(
        "latency_is",
        json!("due until committed; the upper bound of the histogram's bucket"),
    );
    add("max_ms", json!(lateness.at_most_ms(1.0)));
    add("within_50_ms", json!(lateness.share_within(0.05)));
    add(
        "stored_per_sec",
        json!((load.count as f64 * 1_000.0 / (stored_at - begun_at).max(1) as f64).round()),
    );
    server.stop().await?;
    Ok(figures)
}

/// Sends at a time, due one after the other at a steady rate.
pub(super) struct Sends<'a> {
    pub(super) app: &'a str,
    /// Devices of the App that are sent to in turns.
    pub(super) devices: u64,
    pub(super) count: u64,
    /// Due over so many seconds.
    pub(super) seconds: u64,
    pub(super) first_at: UnixMs,
}

impl Sends<'_> {
    pub(super) async fn store(&self, server: &MeasuredServer) -> Result<(), Failure> {
        let path = format!("/v1/apps/{}/notifications", self.app);
        let mut number = 0;
        while number < self.count {
            let mut body = Vec::new();
            for number in number..(number + LINES).min(self.count) {
                let after = u128::from(number) * u128::from(self.seconds) * 1_000;
                let at = self.first_at + (after / u128::from(self.count)) as i64;
                write_notification(&mut body, number % self.devices, number);
                // The object is opened again.
                body.truncate(body.len() - 2);
                let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX);
                body.extend_from_slice(format!(",\"send_at\":\"{at}\"}}\n").as_bytes());
            }
            number += LINES;
            let answer = server
                .client
                .post_text(&path, "application/x-ndjson", &[], body)
                .await?;
            if let Some(problem) = answer.lines().find(|line| line.contains("\"problem\"")) {
                return Err(Failure::new(
                    Exit::Software,
                    format!("a line was refused: {problem}"),
                ));
            }
        }
        Ok(())
    }
}

/// When the last of them had fired.
async fn until_fired(
    server: &MeasuredServer,
    load: &Load,
    first_at: UnixMs,
) -> Result<UnixMs, Failure> {
    let last_at = first_at + load.seconds as i64 * 1_000;
    loop {
        let lateness = Lateness::read(&server.client.get_text("/metrics").await?, KIND);
        let now = machine_now();
        if lateness.count() >= load.count {
            return Ok(now);
        }
        if now > last_at + DEADLINE.as_millis() as i64 {
            let what = format!("{} of {} fired", lateness.count(), load.count);
            return Err(Failure::new(Exit::Software, what));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The server's histogram: upper bounds in seconds, and how many lie below each.
pub(super) struct Lateness(Vec<(f64, u64)>);

impl Lateness {
    /// Those of one kind of timer.
    pub(super) fn read(metrics: &str, kind: &str) -> Self {
        let kind = format!("kind=\"{kind}\"");
        let bucket = |line: &str| {
            let rest = line.strip_prefix("carillon_timer_lateness_seconds_bucket{")?;
            let (labels, count) = rest.rsplit_once(' ')?;
            if !labels.contains(&kind) {
                return None;
            }
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            let bound = match bound {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().ok()?,
            };
            Some((bound, count.parse().ok()?))
        };
        Self(metrics.lines().filter_map(bucket).collect())
    }

    /// How many fired.
    pub(super) fn count(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// What so large a share of them was late by at most: the upper bound of a bucket.
    pub(super) fn at_most_ms(&self, share: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let bucket = self.0.iter().find(|(_, count)| *count >= wanted.max(1));
        bucket.map(|(bound, _)| bound * 1_000.0)
    }

    fn share_within(&self, seconds: f64) -> f64 {
        let within = self.0.iter().find(|(bound, _)| *bound >= seconds);
        within.map_or(0.0, |(_, count)| *count as f64 / self.count().max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_is_read() {
        let text = "carillon_timer_lateness_seconds_bucket{kind=\"send\",le=\"0.01\"} 50\n\
            carillon_timer_lateness_seconds_bucket{kind=\"schedule\",le=\"0.05\"} 7\n\
            carillon_timer_lateness_seconds_bucket{kind=\"send\",le=\"0.05\"} 99\n\
            carillon_timer_lateness_seconds_bucket{kind=\"send\",le=\"+Inf\"} 100\n";
        let lateness = Lateness::read(text, KIND);
        assert_eq!(lateness.count(), 100);
        assert_eq!(lateness.at_most_ms(0.5), Some(10.0));
        assert_eq!(lateness.at_most_ms(0.99), Some(50.0));
        assert_eq!(lateness.share_within(0.05), 0.99);
    }
}
