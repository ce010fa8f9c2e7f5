//! `carillon segment list|show|put|estimate|count|delete`.

use super::definition::Definitions;
use super::json_file;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
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
    /// The segments of an App
    List,
    /// Print one as it was stored: JSON
    Show {
        /// Its name
        segment: String,
    },
    /// Make one, or change it
    Put {
        /// A file with its definition (JSON), or - for stdin
        #[arg(required_unless_present = "filter", conflicts_with = "filter")]
        file: Option<PathBuf>,
        /// Its filter, instead of a file
        #[arg(long, requires = "name")]
        filter: Option<String>,
        /// Its name; without, the file's
        #[arg(long)]
        name: Option<String>,
    },
    /// Say about how many devices it has, from a sample
    Estimate {
        /// Its name
        #[arg(required_unless_present = "filter", conflicts_with = "filter")]
        segment: Option<String>,
        /// A filter that is not stored, instead of a name
        #[arg(long)]
        filter: Option<String>,
    },
    /// Count its devices one by one
    Count {
        /// Its name
        segment: String,
    },
    /// Delete one
    Delete {
        /// Its name
        segment: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let segments = Definitions {
        client: &client,
        app,
        noun: "segments",
        output,
    };
    match args.command {
        Command::List => list(&segments).await?,
        Command::Show { segment } => segments.show(&segment, "").await?,
        Command::Put { file, filter, name } => {
            let (name, definition) = match (file, filter, name) {
                (Some(file), _, name) => (json_file::name(name, &file)?, json_file::read(&file)?),
                (None, Some(filter), Some(name)) => (name, json!({ "filter": filter })),
                _ => {
                    let message = "neither a file nor a filter with a name";
                    return Err(Failure::new(Exit::Usage, message).into());
                }
            };
            let stored = segments.put(&name, &definition).await?;
            warn(&stored, output);
            output.note(format!(
                "how many it has: carillon segment estimate --app {app} {name}"
            ));
        }
        Command::Estimate { segment, filter } => {
            let estimate = match (segment, filter) {
                (Some(segment), _) => {
                    let path = format!("{}/estimate", segments.one(&segment));
                    client.get(&path).await?
                }
                (None, filter) => {
                    let body = json!({ "filter": filter.unwrap_or_default() });
                    client.post(&segments.one("estimate"), &body).await?.body
                }
            };
            if output.is_json() {
                output.json(&estimate);
            } else {
                output.line(sentence(&estimate));
                warn(&estimate, output);
            }
        }
        Command::Count { segment } => {
            let count = count(&segments, &segment).await?;
            output.line(format!(
                "{segment} has {} of {} devices",
                shown(&count, "/count"),
                shown(&count, "/looked_at")
            ));
            if output.is_json() {
                output.json(&count);
            }
        }
        Command::Delete { segment } => segments.delete(&segment).await?,
    }
    Ok(())
}

async fn list(segments: &Definitions<'_>) -> Result<(), Failure> {
    let row = |segment: &Value| {
        vec![
            shown(segment, "/name"),
            shown(segment, "/definition/filter"),
            shown(segment, "/definition/description"),
            shown(segment, "/version"),
            shown(segment, "/updated_at"),
        ]
    };
    let heads = ["name", "filter", "description", "version", "changed"];
    segments.list(&heads, row).await
}

/// Counts to the end: a call that says how far it came is followed by the next.
async fn count(segments: &Definitions<'_>, segment: &str) -> Result<Value, Failure> {
    let (client, output) = (segments.client, segments.output);
    let path = format!("{}/count", segments.one(segment));
    let mut counted = client.post(&path, &json!({})).await?.body;
    while let Some(next) = counted["next"].as_str() {
        output.note(format!(
            "{} of {} devices so far",
            shown(&counted, "/count"),
            shown(&counted, "/looked_at")
        ));
        let path = format!("{path}?cursor={}", escape(next));
        counted = client.post(&path, &json!({})).await?.body;
    }
    Ok(counted)
}

fn sentence(estimate: &Value) -> String {
    let number = |pointer| shown(estimate, pointer);
    let of = format!("{} devices", number("/devices"));
    if estimate["low"] == estimate["high"] {
        return format!("{} of {of}, counted", number("/estimate"));
    }
    format!(
        "about {} of {of}: {} to {} (95 %, from {})",
        number("/estimate"),
        number("/low"),
        number("/high"),
        number("/sampled")
    )
}

/// Says what may not be meant.
fn warn(answer: &Value, output: Output) {
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        output.note(format!(
            "warning: {} line {}, column {}: {}",
            shown(warning, "/pointer"),
            shown(warning, "/line"),
            shown(warning, "/column"),
            shown(warning, "/message")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_how_sure_it_is() {
        let mut estimate =
            json!({"estimate": 120, "low": 100, "high": 140, "sampled": 50, "devices": 1000});
        assert_eq!(
            sentence(&estimate),
            "about 120 of 1000 devices: 100 to 140 (95 %, from 50)"
        );
        estimate["low"] = json!(120);
        estimate["high"] = json!(120);
        assert_eq!(sentence(&estimate), "120 of 1000 devices, counted");
    }
}
