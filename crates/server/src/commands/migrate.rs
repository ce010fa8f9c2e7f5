//! `carillon migrate`: brings the database's tables to the newest schema, before a new version is started.

use crate::config::{self, Sources};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::store;
use serde_json::json;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration that names the store; without it carillon.toml, if there is one
    #[arg(long, short, env = "CARILLON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say what would change; exit code 1 if something would
    #[arg(long)]
    check: bool,
}

/// Migrates, or says what would change.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let config = config::load(&Sources::of_process(args.config.as_deref()))?;
    let place = config.store.place();
    let is_check = args.check;
    let schema = tokio::task::spawn_blocking(move || {
        if let Some(file) = config.store.file().filter(|_| !is_check) {
            store::make_directory(file)?;
        }
        let settings = store::settings(&config.store);
        let done = match is_check {
            true => carillon_store_sql::schema(&settings),
            false => carillon_store_sql::migrate(&settings),
        };
        done.map_err(|error| store::refused(&error))
    })
    .await??;
    let is_old = schema.found < schema.known;
    if output.is_json() {
        output.json(&json!({
            "store": place, "found": schema.found, "newest": schema.known, "migrated": is_old && !is_check,
        }));
    }
    output.line(match (is_old, is_check) {
        (false, _) => format!("{place} has the newest schema, {}", schema.known),
        (true, true) => format!(
            "{place} has schema {}, and would be brought to {}",
            schema.found, schema.known
        ),
        (true, false) => format!(
            "{place} is brought from schema {} to {}",
            schema.found, schema.known
        ),
    });
    if is_old && is_check {
        return Err(Failure::new(Exit::Trouble, "the schema is not the newest").into());
    }
    Ok(())
}
