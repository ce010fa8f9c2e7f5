//! `carillon backup FILE`: a consistent copy of the store, written by the running server.

use crate::client::{ApiClient, ServerOptions};
use crate::exit::Failure;
use crate::output::{Output, shown};
use serde_json::json;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Where to, on the server's disk; nothing may stand there yet
    file: PathBuf,
}

/// Asks the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let file = std::path::absolute(&args.file)
        .map_err(|error| Failure::io("make sense of", &args.file, &error))?;
    let answer = client
        .post_patiently("/v1/server/backup", &json!({ "file": file }))
        .await?
        .body;
    if output.is_json() {
        output.json(&answer);
    }
    output.line(format!(
        "{} ({} bytes)",
        shown(&answer, "/file"),
        shown(&answer, "/bytes")
    ));
    output.note("the master key is not in it: keep a copy of the key file elsewhere");
    Ok(())
}
