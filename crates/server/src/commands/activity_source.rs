//! `carillon activity-source list|check|run`.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};

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
    /// The tables that Live Activities of an App follow, and what came of reading them
    List,
    /// Read one now, and say what its rows would lead to; nothing is stored or sent
    Check {
        /// Its name in the operator's file
        name: String,
    },
    /// Read one now and do what follows from it, without waiting for its next reading
    Run {
        /// Its name in the operator's file
        name: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let all = format!("/v1/apps/{}/live-activity-sources", escape(app));
    match args.command {
        Command::List => list(&client.get(&all).await?, output),
        Command::Check { name } => {
            let path = format!("{all}/{}/check", escape(&name));
            check(&client.post(&path, &json!({})).await?.body, output)?;
        }
        Command::Run { name } => {
            let path = format!("{all}/{}/run", escape(&name));
            ran(&client.post(&path, &json!({})).await?.body, output)?;
        }
    }
    Ok(())
}

fn list(said: &Value, output: Output) {
    if output.is_json() {
        output.json(said);
    }
    let all = said["data"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |source: &Value| {
        let last = |field: &str| shown(source, &format!("/last/{field}"));
        vec![
            shown(source, "/name"),
            last("complete_at"),
            last("rows"),
            last("changed"),
            last("ended"),
            last("bad"),
            last("failures"),
        ]
    };
    output.table(
        &[
            "name", "read", "rows", "changed", "ended", "bad", "failures",
        ],
        all.iter().map(row).collect(),
    );
    for source in all {
        let name = shown(source, "/name");
        let error = shown(source, "/last/error");
        if !error.is_empty() {
            output.line(format!("{name}: {error}"));
        }
        problems(&name, &source["last"], output);
    }
}

fn problems(name: &str, reading: &Value, output: Output) {
    for problem in reading["problems"].as_array().into_iter().flatten() {
        output.line(format!(
            "{name} {}: {}",
            shown(problem, "/row"),
            shown(problem, "/message")
        ));
    }
}

fn ran(said: &Value, output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(said);
    }
    let last = |field: &str| shown(said, &format!("/last/{field}"));
    let trouble = |sentence: String, mend: &'static str| {
        Err(Failure::new(Exit::Trouble, sentence).mend(mend).into())
    };
    if said["last"].is_null() {
        let sentence = "nothing was read: after a restore everything that happens by itself waits";
        return trouble(sentence.to_owned(), "look, then run carillon resume");
    }
    if !last("error").is_empty() {
        let mend =
            "make its database answer, or correct its section in the file that sources.file names";
        return trouble(last("error"), mend);
    }
    output.facts(&[
        ("rows", last("rows")),
        ("changed", last("changed")),
        ("ended", last("ended")),
        ("over", last("over")),
        ("waiting", last("waiting")),
        ("bad", last("bad")),
    ]);
    problems("row", &said["last"], output);
    Ok(())
}

fn check(said: &Value, output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(said);
    }
    let error = shown(said, "/error");
    if !error.is_empty() {
        return Err(Failure::new(Exit::Trouble, error)
            .mend(
                "correct its section in the file that sources.file names, then restart the server",
            )
            .into());
    }
    let reading = |field: &str| shown(said, &format!("/reading/{field}"));
    output.facts(&[
        ("columns", shown(said, "/columns")),
        ("rows", reading("rows")),
        ("to be followed", reading("changed")),
        ("over", reading("over")),
        ("waiting", reading("waiting")),
        ("bad", reading("bad")),
    ]);
    problems("row", &said["reading"], output);
    if said["example"].is_object() {
        let plan = serde_json::to_string_pretty(&said["example"]["plan"])?;
        output.line(format!("{} becomes", shown(said, "/example/id")));
        output.line(plan);
    }
    Ok(())
}
