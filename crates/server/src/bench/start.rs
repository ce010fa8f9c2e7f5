//! How long the server takes from start to ready with much in its store: a million devices, a hundred
//! thousand batches of one that wait for a gateway which is not there, and sends at a time.

use super::figures::Figures;
use super::gateway::OwnProcess;
use super::pipeline::{Plan, blind, generate};
use super::server::{Home, push_token};
use super::timers::Sends;
use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
const YEAR_SECS: u64 = 365 * 86_400;
/// After so long the server has looked ahead for its timers more than once.
const SETTLING: Duration = Duration::from_secs(30);
/// Nobody listens there: connecting is refused at once.
const NOBODY: &str = "127.0.0.1:1";

/// What is in the store.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Devices
    #[arg(long, default_value_t = 1_000_000)]
    devices: u64,
    /// Notifications that wait
    #[arg(long, default_value_t = 100_000)]
    pending: u64,
    /// Sends at a time that are due over the year that begins tomorrow
    #[arg(long, default_value_t = 0)]
    timers: u64,
}

/// Fills the store, stops, starts again.
pub(crate) async fn run(load: &Load, data: Option<&Path>) -> Result<Figures, Failure> {
    let gateway = OwnProcess::start(Duration::ZERO).await?;
    let mut gateways = blind(&gateway)?;
    gateways.production = NOBODY.to_owned();
    let mut home = Home::new(data, &gateways)?;
    let server = home.start().await?;
    let app = "start".to_owned();
    server.make_app(&app, None).await?;
    server
        .make_devices(&app, "production", load.devices, |number| {
            push_token(&app, number)
        })
        .await?;
    let plan = Plan {
        devices: load.devices,
        batch: 500,
        requests: load.pending.next_multiple_of(500),
    };
    generate(&server, std::slice::from_ref(&app), &plan, 8).await?;
    let begun_at = machine_now();
    let sends = Sends {
        app: &app,
        devices: load.devices,
        count: load.timers,
        seconds: YEAR_SECS,
        first_at: begun_at + DAY_MS,
    };
    sends.store(&server).await?;
    let storing_ms = (machine_now() - begun_at).max(1);
    let ended: u64 = server
        .totals(&app)
        .await?
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    if ended > 0 {
        return Err(Failure::new(
            Exit::Software,
            format!("{ended} deliveries ended, though the gateway is not there"),
        ));
    }
    server.stop().await?;

    let server = home.start().await?;
    let ready = server.ready_in;
    let mut figures = Figures {
        n: plan.requests,
        ready_ms: Some(ready.as_secs_f64() * 1_000.0),
        rest_rss_bytes: server.rss_bytes(),
        ..Figures::default()
    };
    let bytes = std::fs::metadata(home.path().join("carillon.db")).map_or(0, |meta| meta.len());
    let mut add = |name: &str, value| figures.more.insert(name.to_owned(), value);
    add("devices", json!(load.devices));
    add("database_bytes", json!(bytes));
    if load.timers > 0 {
        tokio::time::sleep(SETTLING).await;
        add("timers", json!(load.timers));
        add(
            "timers_stored_per_sec",
            json!((load.timers as f64 * 1_000.0 / storing_ms as f64).round()),
        );
        add("later_rss_bytes", json!(server.rss_bytes()));
        add("peak_rss_bytes", json!(server.peak_rss_bytes()));
    }
    server.stop().await?;
    Ok(figures)
}
