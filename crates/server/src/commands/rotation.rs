//! `carillon rotation list|show|put|who|delete`.

use super::definition::Definitions;
use super::monitor::whole_seconds;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::output::{Output, shown};
use serde_json::Value;
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
    /// The rotations of an App, each with who is on call
    List,
    /// Print one as it was stored: JSON
    #[command(alias = "get")]
    Show {
        /// Its name
        rotation: String,
    },
    /// Make one, or change it, and print who is on call when
    Put {
        /// A file with its definition (JSON), or - for stdin
        file: PathBuf,
        /// Its name; without, the file's
        #[arg(long)]
        name: Option<String>,
    },
    /// Say who is on call when: the next two weeks
    Who {
        /// Its name
        rotation: String,
        /// From this instant on (RFC 3339), instead of now
        #[arg(long, value_name = "INSTANT")]
        from: Option<String>,
        /// Until this instant
        #[arg(long, value_name = "INSTANT")]
        until: Option<String>,
    },
    /// Delete one
    #[command(alias = "remove")]
    Delete {
        /// Its name
        rotation: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let rotations = Definitions {
        client: &client,
        app,
        noun: "rotations",
        output,
    };
    match args.command {
        Command::List => {
            let row = |rotation: &Value| {
                vec![
                    shown(rotation, "/name"),
                    on_call(rotation, "/on_call"),
                    shown(rotation, "/definition/time_zone"),
                    shown(rotation, "/definition/description"),
                ]
            };
            let heads = ["name", "on call", "time zone", "description"];
            rotations.list(&heads, row).await?;
        }
        Command::Show { rotation } => rotations.show(&rotation, "").await?,
        Command::Put { file, name } => {
            let (_, stored) = rotations.put_file(name, &file).await?;
            shifts(&stored, output);
        }
        Command::Who {
            rotation,
            from,
            until,
        } => {
            let asked = [("from", from), ("until", until)];
            let asked = asked.into_iter().filter_map(|(name, at)| Some((name, at?)));
            let asked: Vec<_> = asked
                .map(|(name, at)| format!("{name}={}", escape(&at)))
                .collect();
            let path = format!("{}?{}", rotations.one(&rotation), asked.join("&"));
            let stored = client.get(path.trim_end_matches('?')).await?;
            if output.is_json() {
                output.json(&stored);
            }
            shifts(&stored, output);
        }
        Command::Delete { rotation } => rotations.delete(&rotation).await?,
    }
    Ok(())
}

fn on_call(value: &Value, pointer: &str) -> String {
    match shown(value, pointer) {
        nobody if nobody.is_empty() => "nobody".to_owned(),
        user => user,
    }
}

fn shifts(rotation: &Value, output: Output) {
    let shifts = rotation["shifts"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |shift: &Value| {
        vec![
            whole_seconds(&shown(shift, "/from")),
            whole_seconds(&shown(shift, "/until")),
            on_call(shift, "/user"),
        ]
    };
    output.table(
        &["from", "until", "on call"],
        shifts.iter().map(row).collect(),
    );
}
