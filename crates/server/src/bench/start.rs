//! How long the server takes from start to ready with much in its store: a million devices, and a
//! hundred thousand batches of one that wait for a gateway which is not there.

use super::figures::Figures;
use super::gateway::OwnProcess;
use super::pipeline::{Plan, blind, generate};
use super::server::{Home, push_token};
use crate::exit::{Exit, Failure};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

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
    figures.more.insert("devices".into(), json!(load.devices));
    figures.more.insert("database_bytes".into(), json!(bytes));
    server.stop().await?;
    Ok(figures)
}
