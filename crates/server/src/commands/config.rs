//! `carillon config` prints the commented default; `carillon config check FILE` checks one.

use crate::config::{self, Sources};
use crate::exit::Failure;
use crate::listener;
use crate::output::Output;
use crate::prepared::Prepared;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print the table for docs/configuration.md instead
    #[arg(long, hide = true)]
    markdown: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check a file, with the environment over it, without starting anything
    Check {
        /// The file
        file: PathBuf,
    },
}

/// Prints or checks.
pub(crate) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    match &args.command {
        None if args.markdown => output.text(&config::markdown()),
        None => output.text(&config::example()),
        Some(Command::Check { file }) => {
            let config = config::load(&Sources::of_process(Some(file)))?;
            // What `serve` refuses before it opens anything is refused here.
            drop(listener::tls(&config.server)?);
            drop(Prepared::of(&config)?);
            output.line(format!("{} is fine", file.display()));
            if output.is_json() {
                output.json(&serde_json::json!({
                    "ok": true,
                    "listen": config.server.listen.to_string(),
                    "store": config.store.place(),
                }));
            }
        }
    }
    Ok(())
}
