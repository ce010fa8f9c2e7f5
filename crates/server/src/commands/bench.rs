//! `carillon bench <case>`: measures on this machine, so that every user can repeat our figures.

use crate::bench::{
    activities, events, faces, figures::Figures, latency, memory, monitors, pipeline, pools,
    rendering, sealing, start, timers,
};
use crate::output::Output;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where databases are made: a directory on a disk, not in memory
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    case: Case,
}

#[derive(Debug, clap::Subcommand)]
enum Case {
    /// The engine's connection to the gateway, alone
    Sender(faces::Load),
    /// The client that libs/apns offers to everybody, alone
    Client(faces::Load),
    /// A gateway's adapter with its pool, alone
    Pool(pools::Load),
    /// What encrypting one push to a browser costs, alone
    Seal(sealing::Load),
    /// What writing a template for one device costs, alone
    Template(rendering::Load),
    /// The whole path: HTTP, commit, TLS to the gateway, settled
    Pipeline(pipeline::Load),
    /// Events that become notifications by a trigger, with the server on one core
    Events(events::Load),
    /// From a POST to the gateway, at a steady rate
    Latency(latency::Load),
    /// Memory at rest, and after load
    Memory(memory::Load),
    /// Memory and rate of one notification, or campaign, to a million devices
    FanOut(memory::FanOut),
    /// From start to ready with a full store
    Start(start::Load),
    /// How late sends at a time are, many each second
    Timers(timers::Load),
    /// Live Activities: what planning costs, how late a burst of phases is, how fast plans change
    Activities(activities::Load),
    /// Monitors: what checking many costs, how soon a failing answer is a page, what heartbeats cost
    Monitors(monitors::Load),
}

/// Measures and prints.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let data = args.data.as_deref();
    let figures = match &args.case {
        Case::Sender(load) => faces::sender(load).await?,
        Case::Client(load) => faces::client(load).await?,
        Case::Pool(load) => pools::run(load).await?,
        Case::Seal(load) => sealing::run(load)?,
        Case::Template(load) => rendering::run(load)?,
        Case::Pipeline(load) => pipeline::run(load, data).await?,
        Case::Events(load) => events::run(load, data).await?,
        Case::Latency(load) => latency::run(load, data).await?,
        Case::Memory(load) => memory::run(load, data).await?,
        Case::FanOut(load) => memory::fan_out(load, data).await?,
        Case::Start(load) => start::run(load, data).await?,
        Case::Timers(load) => timers::run(load, data).await?,
        Case::Activities(load) => activities::run(load, data).await?,
        Case::Monitors(load) => monitors::run(load, data).await?,
    };
    tell(&figures, output);
    Ok(())
}

fn tell(figures: &Figures, output: Output) {
    let json = figures.json();
    if output.is_json() {
        output.json(&json);
        return;
    }
    for (name, value) in json.as_object().into_iter().flatten() {
        let value = match (name.ends_with("_bytes"), value.as_f64()) {
            (true, Some(bytes)) => format!("{:.1} MB", bytes / 1_000_000.0),
            _ => value.to_string(),
        };
        output.line(format!("{:26} {value}", name.replace('_', " ")));
    }
}
