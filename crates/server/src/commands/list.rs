//! `carillon list list|show|put|delete`: uploaded devices, by name.

use super::json_file;
use super::upload;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::commands::device::format;
use crate::exit::Failure;
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The App
    #[arg(long, global = true, default_value = "")]
    app: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The lists of an App
    List,
    /// Say what is known of one
    Show {
        /// Its name
        list: String,
    },
    /// Upload one: it takes the place of what has its name
    Put(Put),
    /// Delete one; its devices stay registered
    Delete {
        /// Its name
        list: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// The file (.csv, .ndjson, .jsonl), or - for NDJSON from stdin
    file: PathBuf,
    /// Its name; without, the file's
    #[arg(long)]
    name: Option<String>,
    /// Read it as this, whatever its name
    #[arg(long, value_parser = ["csv", "ndjson"])]
    format: Option<String>,
    /// What the rows call devices by; without, the column of one of these names
    #[arg(long, value_parser = ["device", "user", "push_token"])]
    by: Option<String>,
    /// The column or field that says it, where it has another name; a number from 1 with --no-header
    #[arg(long, requires = "by")]
    column: Option<String>,
    /// The first row of the CSV file is a row like the others
    #[arg(long, requires = "by")]
    no_header: bool,
    /// The kind of the push tokens: alert when nothing is said
    #[arg(long)]
    kind: Option<String>,
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    match args.command {
        Command::List => list(&client, app, output).await?,
        Command::Show { list } => {
            let list = client.get(&path(app, &list)).await?;
            if output.is_json() {
                output.json(&list);
            } else {
                let (version, devices) = (shown(&list, "/version"), shown(&list, "/devices"));
                let (name, at) = (shown(&list, "/name"), shown(&list, "/updated_at"));
                output.line(format!(
                    "{name}: {devices} devices, version {version} of {at}"
                ));
                output.line(rows(&list));
            }
        }
        Command::Put(args) => put(&client, app, args, output).await?,
        Command::Delete { list } => {
            client.delete(&path(app, &list)).await?;
            output.line(format!("{list} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": list }));
            }
        }
    }
    Ok(())
}

fn path(app: &str, name: &str) -> String {
    format!("/v1/apps/{}/lists/{}", escape(app), escape(name))
}

async fn list(client: &ApiClient, app: &str, output: Output) -> Result<(), Failure> {
    let path = format!("/v1/apps/{}/lists", escape(app));
    let all = client.list(&path, usize::MAX).await?;
    if output.is_json() {
        output.json(&json!({ "data": all }));
    }
    let row = |list: &Value| {
        let columns = ["/name", "/devices", "/version", "/updated_at"];
        columns.map(|pointer| shown(list, pointer)).to_vec()
    };
    output.table(
        &["name", "devices", "version", "uploaded"],
        all.iter().map(row).collect(),
    );
    Ok(())
}

async fn put(client: &ApiClient, app: &str, args: Put, output: Output) -> Result<(), Failure> {
    let content_type = match format(&args.file, args.format.as_deref())? {
        "csv" => "text/csv",
        _ => "application/x-ndjson",
    };
    let name = json_file::name(args.name, &args.file)?;
    let said = [
        ("by", args.by),
        ("column", args.column),
        ("header", args.no_header.then(|| "false".to_owned())),
        ("kind", args.kind),
    ];
    let said = said.into_iter().filter_map(|(key, value)| {
        let value = value?;
        Some(format!("{key}={}", escape(&value)))
    });
    let query = said.collect::<Vec<_>>().join("&");
    let total = std::fs::metadata(&args.file).ok();
    let total = total.filter(std::fs::Metadata::is_file);
    let bar = output.progress("bytes", total.map(|meta| meta.len()));
    let body = upload::body(&args.file, bar.clone())?;
    let path = format!("{}?{query}", path(app, &name));
    let answer = client.put_stream(&path, content_type, body).await;
    bar.finish_and_clear();
    let list = answer?.body;
    if output.is_json() {
        output.json(&list);
        return Ok(());
    }
    let (devices, version) = (shown(&list, "/devices"), shown(&list, "/version"));
    output.line(format!("{name} has {devices} devices, version {version}"));
    output.line(rows(&list));
    for bad in list["upload"]["bad_lines"].as_array().into_iter().flatten() {
        output.note(format!(
            "line {}: {}",
            shown(bad, "/line"),
            shown(bad, "/message")
        ));
    }
    let unknown = list["upload"]["unknown_lines"].as_array();
    let unknown: Vec<_> = unknown
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .collect();
    if !unknown.is_empty() {
        let most = if list["upload"]["unknown"].as_u64() > Some(unknown.len() as u64) {
            ", …"
        } else {
            ""
        };
        output.note(format!("nobody here on lines {}{most}", unknown.join(", ")));
    }
    Ok(())
}

/// What became of the rows of its last upload.
fn rows(list: &Value) -> String {
    let count = |name: &str| shown(list, &format!("/upload/{name}"));
    format!(
        "{} rows: {} taken, {} doubled, {} unknown, {} bad",
        count("rows"),
        count("taken"),
        count("doubled"),
        count("unknown"),
        count("bad")
    )
}
