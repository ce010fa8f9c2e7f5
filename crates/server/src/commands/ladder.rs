//! `carillon ladder list|show|put|delete`.

use super::definition::Definitions;
use crate::client::{ApiClient, ServerOptions};
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
    /// The ladders of an App
    List,
    /// Print one as it was stored: JSON
    #[command(alias = "get")]
    Show {
        /// Its name
        ladder: String,
    },
    /// Make one, or change it
    Put {
        /// A file with its definition (JSON), or - for stdin
        file: PathBuf,
        /// Its name; without, the file's
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete one
    #[command(alias = "remove")]
    Delete {
        /// Its name
        ladder: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let ladders = Definitions {
        client: &client,
        app,
        noun: "ladders",
        output,
    };
    match args.command {
        Command::List => {
            let row = |ladder: &Value| {
                vec![
                    shown(ladder, "/name"),
                    steps(&ladder["definition"]),
                    shown(ladder, "/definition/description"),
                ]
            };
            ladders.list(&["name", "steps", "description"], row).await?;
        }
        Command::Show { ladder } => ladders.show(&ladder, "").await?,
        Command::Put { file, name } => {
            let (_, stored) = ladders.put_file(name, &file).await?;
            output.line(steps(&stored["definition"]));
        }
        Command::Delete { ladder } => ladders.delete(&ladder).await?,
    }
    Ok(())
}

/// `alert on_call web, 2m critical next web, 5m ring users boss`.
fn steps(definition: &Value) -> String {
    let step = |step: &Value| {
        let whom = step["whom"].as_object();
        let whom = whom.and_then(|whom| whom.iter().next());
        let whom = whom.map(|(key, value)| format!("{key} {}", shown(value, "")));
        let how = match shown(step, "/how") {
            how if how.is_empty() => "alert".to_owned(),
            how => how,
        };
        let words = [shown(step, "/after"), how, whom.unwrap_or_default()];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    };
    let all = definition["steps"].as_array().into_iter().flatten();
    all.map(step).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_ladder_in_a_line() {
        let ladder = json!({"steps": [
            {"whom": {"on_call": "web"}},
            {"after": "2m", "whom": {"next": "web"}, "how": "critical"},
            {"after": "5m", "whom": {"users": ["boss", "cto"]}, "how": "ring"}
        ]});
        assert_eq!(
            steps(&ladder),
            "alert on_call web, 2m critical next web, 5m ring users boss, cto"
        );
    }
}
