//! `carillon resume`: timers fire again after a restore.

use crate::client::{ApiClient, ServerOptions};
use crate::output::Output;
use serde_json::json;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
}

/// Asks the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let answer = client.post("/v1/scheduler/resume", &json!({})).await?.body;
    if output.is_json() {
        output.json(&answer);
    }
    output.line(if answer["was_paused"] == json!(true) {
        "timers fire again"
    } else {
        "timers were not paused"
    });
    Ok(())
}
