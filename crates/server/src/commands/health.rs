//! `carillon health`: whether a server takes requests, said by the exit code. What the check of a container runs, where there is
//! no shell and no other program.

use crate::client::{ApiClient, ServerOptions};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use serde_json::json;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
}

/// Asks `/readyz`, which needs no API key.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let ready = client.get("/readyz").await;
    if output.is_json() {
        let said = ready.as_ref().err().map(|failure| failure.message.clone());
        output.json(&json!({ "url": client.base(), "ready": ready.is_ok(), "said": said }));
    }
    match ready {
        Ok(_) => {
            output.line(format!("{} takes requests", client.base()));
            Ok(())
        }
        // Who asks wants a yes or a no, and whatever is wrong is a no.
        Err(failure) => Err(Failure {
            exit: Exit::Trouble,
            ..failure
        }
        .into()),
    }
}
