//! How much memory the server takes: at rest, after load, and while one notification goes to a
//! million devices.

use super::figures::Figures;
use super::gateway::OwnProcess;
use super::pipeline::{Plan, blind, generate, make_apps};
use super::server::{Home, push_token};
use crate::exit::Failure;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest time until everything is settled.
const DEADLINE: Duration = Duration::from_secs(600);
/// How long the server is left alone before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Notifications in all
    #[arg(long, default_value_t = 400_000)]
    requests: u64,
    /// Devices over all Apps
    #[arg(long, default_value_t = 100_000)]
    devices: u64,
}

/// At rest, then load, then at rest again: `peak_rss_bytes` is what is left after the load.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let gateway = OwnProcess::start(Duration::ZERO).await?;
    let mut home = Home::new(data, &blind(&gateway)?)?;
    let server = home.start().await?;
    let apps = make_apps(&server, load.devices).await?;
    server.stop().await?;

    let server = home.start().await?;
    tokio::time::sleep(REST).await;
    let at_rest = server.rss_bytes();
    let plan = Plan {
        devices: (load.devices / apps.len() as u64).max(1),
        batch: 500,
        requests: load.requests.next_multiple_of(500),
    };
    let began = Instant::now();
    let mut latencies = generate(&server, &apps, &plan, 8).await?;
    server
        .until_accepted(&apps, plan.requests, DEADLINE)
        .await?;
    let took = began.elapsed();
    tokio::time::sleep(REST).await;
    let mut figures = Figures {
        n: plan.requests,
        rate_per_sec: plan.requests as f64 / took.as_secs_f64(),
        p50_ms: latencies.percentile_ms(0.5),
        p99_ms: latencies.percentile_ms(0.99),
        rest_rss_bytes: at_rest,
        peak_rss_bytes: server.rss_bytes(),
        ..Figures::default()
    };
    figures
        .more
        .insert("highest_rss_bytes".into(), json!(server.peak_rss_bytes()));
    server.stop().await?;
    Ok(figures)
}

/// One notification to many devices.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FanOut {
    /// How many
    #[arg(long, default_value_t = 1_000_000)]
    devices: u64,
    /// How long the gateway takes to answer, e.g. 20ms
    #[arg(long, default_value = "0ms", value_parser = super::span)]
    delay: Duration,
    /// As a campaign, whose audience is `live` or `frozen`; without, as a notification
    #[arg(long, value_parser = ["live", "frozen"])]
    campaign: Option<String>,
    /// Keep everything in this empty database, e.g. postgres://carillon@127.0.0.1:5432/bench, instead of a file
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
}

/// Registers them, starts afresh, sends once.
pub(crate) async fn fan_out(load: &FanOut, data: Option<&Path>) -> Result<Figures, Failure> {
    let gateway = OwnProcess::start(load.delay).await?;
    let mut home = Home::new(data, &blind(&gateway)?)?;
    if let Some(url) = &load.store_url {
        home.keep_on(url);
    }
    let server = home.start().await?;
    let app = "everybody".to_owned();
    server.make_app(&app, None).await?;
    server
        .make_devices(&app, "production", load.devices, |number| {
            push_token(&app, number)
        })
        .await?;
    server.stop().await?;

    // A fresh process, so that the import is not in its peak.
    let server = home.start().await?;
    let cpu_before = server.cpu_secs();
    let began = Instant::now();
    let content = json!({ "title": "To everybody", "body": "at once" });
    let (noun, body) = match &load.campaign {
        None => (
            "notifications",
            json!({ "target": { "all": true }, "content": content }),
        ),
        Some(mode) => (
            "campaigns",
            json!({ "name": "bench", "audience": { "all": true }, "audience_mode": mode, "content": content }),
        ),
    };
    server
        .client
        .post(&format!("/v1/apps/{app}/{noun}"), &body)
        .await?;
    server
        .until_accepted(&[app], load.devices, DEADLINE)
        .await?;
    let figures = Figures {
        n: load.devices,
        rate_per_sec: load.devices as f64 / began.elapsed().as_secs_f64(),
        cpu_secs: Some(server.cpu_secs() - cpu_before),
        peak_rss_bytes: server.peak_rss_bytes(),
        ..Figures::default()
    };
    server.stop().await?;
    Ok(figures)
}
