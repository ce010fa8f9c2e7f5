//! `carillon store copy`: moves the store from its SQLite file to a database on a server.

use crate::config::{self, Sources};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::store;
use carillon_store_sql::{CopyError, CopyStep, StoreConfig, StoreUrl, copy};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Copy all of a SQLite store into an empty database on a server, and compare row by row
    Copy(Copy),
}

#[derive(Debug, clap::Args)]
struct Copy {
    /// The file to copy, as sqlite:PATH; without it the one that the configuration names
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The database to copy to: postgres://USER@HOST/DATABASE, or mysql:// or mariadb:// likewise. Password, TLS and
    /// time-outs are those of [store] in the configuration
    #[arg(long, value_name = "URL")]
    to: String,
    /// How long to wait for a server that still has the file, e.g. 10m
    #[arg(long, default_value = "0s", value_name = "DURATION")]
    wait: String,
    /// Configuration; without it carillon.toml, if there is one
    #[arg(long, short, env = "CARILLON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Copies.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let Command::Copy(args) = args.command;
    let mut sources = Sources::of_process(args.config.as_deref());
    sources.fixed.push(("store.url", args.to.clone().into()));
    let to = config::load(&sources)?;
    let usage = |why: String| Failure::new(Exit::Usage, why);
    let StoreConfig::Server(target) = store::settings(&to.store) else {
        return Err(usage(format!("--to: expected a database on a server, found {}", args.to))
            .mend("postgres://USER@HOST/DATABASE, for example; a copy of a file is made by `carillon backup`")
            .into());
    };
    let mut source = to.store.clone();
    source.url = match &args.from {
        None => None,
        Some(from) => Some(StoreUrl::parse(from).map_err(|why| usage(format!("--from: {why}")))?),
    };
    let StoreConfig::Sqlite(source) = store::settings(&source) else {
        return Err(usage("--from: expected sqlite:PATH, found a server".into())
            .mend("between servers, use the server's own tools")
            .into());
    };
    let patience = carillon_model::duration::parse_ms(&args.wait)
        .map_err(|why| usage(format!("--wait: {why}")))?;
    let patience = Duration::from_millis(patience.max(0) as u64);
    let (from, place) = (source.path.display().to_string(), to.store.place());

    // Hidden where no terminal is. Every row is copied, and compared.
    let bar = if output.is_json() {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {percent} %  {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let moved = bar.clone();
    let copied = tokio::task::spawn_blocking(move || {
        copy(&source, &target, patience, &mut |step| match step {
            CopyStep::Counted(rows) => moved.set_length(rows * 2),
            CopyStep::Copied(rows) | CopyStep::Compared(rows) => moved.inc(rows),
        })
    })
    .await?
    .map_err(|error| failed(&error))?;
    bar.finish_and_clear();

    let rows: u64 = copied.iter().map(|table| table.rows).sum();
    if output.is_json() {
        let tables: Vec<_> = copied
            .iter()
            .map(|table| {
                json!({ "table": table.name, "rows": table.rows, "hash": format!("{:016x}", table.hash) })
            })
            .collect();
        output.json(&json!({ "from": from, "to": place, "rows": rows, "tables": tables }));
    }
    for table in &copied {
        output.line(format!(
            "{:>12} {:016x} {}",
            table.rows, table.hash, table.name
        ));
    }
    output.line(format!(
        "{rows} rows are in {place}, each compared with {from}"
    ));
    output.note(format!(
        "set store.url to it, and keep the master key ({}): the file is marked as moved, and is not opened any more",
        to.master_key_file().display()
    ));
    Ok(())
}

fn failed(error: &CopyError) -> Failure {
    match error {
        CopyError::Open(error) => store::refused(error),
        CopyError::NotEmpty(_) => Failure::new(Exit::CantCreate, error.to_string()),
        CopyError::Differs { .. } => Failure::new(Exit::Data, error.to_string()),
        _ => Failure::new(Exit::Io, error.to_string()),
    }
}
