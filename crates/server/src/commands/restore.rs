//! `carillon restore FILE`: puts a backup in place of the store, while no server runs.

use crate::config::{self, Sources};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::store;
use serde_json::json;
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup
    file: PathBuf,
    /// Configuration that names the store; without it carillon.toml, if there is one
    #[arg(long, short, env = "CARILLON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Checks the backup and moves it into place; what stood there stays beside it.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<()> {
    let config = config::load(&Sources::of_process(args.config.as_deref()))?;
    let Some(to) = config.store.file() else {
        return Err(Failure::new(
            Exit::Usage,
            format!("the store is on a server ({}), and a backup goes into a SQLite file", config.store.place()),
        )
        .mend("restore the server's own dump with its own tools (psql, mariadb, mysql); then `carillon resume`")
        .into());
    };
    store::make_directory(to)?;
    carillon_store_sql::restore(&args.file, to).map_err(|error| store::refused(&error))?;
    output.line(format!(
        "{} is restored from {}",
        to.display(),
        args.file.display()
    ));
    output.note(format!(
        "it opens with the master key it was used with: {}",
        config.master_key_file().display()
    ));
    output.note("timers do not fire before `carillon resume`: what was due since the backup may have been sent");
    if output.is_json() {
        output.json(&json!({ "restored": to, "from": args.file }));
    }
    Ok(())
}
