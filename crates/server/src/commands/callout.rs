//! `carillon callout list|show|put|delete|rotate-secret|test|runs`.

use super::json_file;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use reqwest::Method;
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
    /// The call-outs of the App
    List,
    /// One call-out
    Show {
        /// Its name
        name: String,
    },
    /// Make or change a call-out; a new one's secret is shown once. What is not given gets its default again
    Put {
        /// Its name
        name: String,
        /// Where your code is asked
        #[arg(value_name = "URL")]
        target: String,
        /// Longest time for one attempt, e.g. 5s
        #[arg(long, value_name = "DURATION")]
        answer_within: Option<String>,
        /// Attempts in all: 1 to 5
        #[arg(long)]
        attempts: Option<u16>,
        /// What becomes of a notification without a good answer: fail, skip, or a JSON file with content or variables
        #[arg(long, value_name = "fail|skip|FILE")]
        fallback: Option<String>,
        /// A line for people
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete a call-out that no schedule asks
    Delete {
        /// Its name
        name: String,
    },
    /// Make a new secret; it is shown once
    RotateSecret {
        /// The call-out's name
        name: String,
        /// How long the old one signs besides, e.g. 24h; 0s for one that got out
        #[arg(long)]
        overlap: Option<String>,
    },
    /// Ask it now, and show its answer; nothing is sent
    Test {
        /// Its name
        name: String,
        /// JSON file with what it is told besides; - for standard input
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
    },
    /// What came of asking it, newest first
    Runs {
        /// Its name
        name: String,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let of = |name: &str| format!("/v1/apps/{}/callouts/{}", escape(app), escape(name));
    match args.command {
        Command::List => {
            let path = format!("/v1/apps/{}/callouts", escape(app));
            let all = client.list(&path, usize::MAX).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let columns = ["/name", "/origin", "/timeout", "/attempts", "/description"];
            let rows = all
                .iter()
                .map(|one| columns.map(|pointer| shown(one, pointer)).to_vec());
            let heads = ["name", "origin", "timeout", "attempts", "description"];
            output.table(&heads, rows.collect());
        }
        Command::Show { name } => tell(&client.get(&of(&name)).await?, output),
        Command::Put {
            name,
            target,
            answer_within,
            attempts,
            fallback,
            description,
        } => {
            let mut body = json!({ "url": target });
            for (key, value) in [
                ("timeout", answer_within.map(Value::from)),
                ("attempts", attempts.map(Value::from)),
                ("description", description.map(Value::from)),
                (
                    "fallback",
                    fallback.as_deref().map(read_fallback).transpose()?,
                ),
            ] {
                if let Some(value) = value {
                    body[key] = value;
                }
            }
            tell(&client.put(&of(&name), &body).await?.body, output);
        }
        Command::Delete { name } => {
            client.delete(&of(&name)).await?;
            output.line(format!("{name} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": name }));
            }
        }
        Command::RotateSecret { name, overlap } => {
            let body = overlap.map_or_else(|| json!({}), |overlap| json!({ "overlap": overlap }));
            let path = format!("{}/rotate-secret", of(&name));
            let answer = client.call(Method::POST, &path, Some(&body)).await?;
            tell(&answer.body, output);
        }
        Command::Test { name, data } => {
            let body = match data {
                Some(file) => json!({ "data": json_file::read(&file)? }),
                None => json!({}),
            };
            let path = format!("{}/test", of(&name));
            let answer = client.call(Method::POST, &path, Some(&body)).await?.body;
            if output.is_json() {
                output.json(&answer);
            }
            output.line(format!(
                "{} ({} ms)\n{}",
                shown(&answer, "/said"),
                shown(&answer, "/elapsed_ms"),
                shown(&answer, "/body"),
            ));
            if answer["ok"] != json!(true) {
                let problem = answer["problem"].as_str().unwrap_or("it was not answered");
                return Err(Failure::new(Exit::Trouble, problem.to_owned())
                    .mend("a pointer is into the answer; `carillon webhook verify` checks a signature")
                    .into());
            }
        }
        Command::Runs { name, limit } => {
            let path = format!("{}/runs?limit={limit}", of(&name));
            let answer = client.get(&path).await?;
            if output.is_json() {
                output.json(&answer);
            }
            let columns = [
                "/due_at",
                "/schedule",
                "/notification",
                "/result",
                "/attempts",
                "/finished_at",
                "/deliveries",
                "/message",
            ];
            let all = answer["data"].as_array().into_iter().flatten();
            let rows = all.map(|one| columns.map(|pointer| shown(one, pointer)).to_vec());
            let heads = [
                "due",
                "schedule",
                "notification",
                "result",
                "attempts",
                "finished",
                "deliveries",
                "what was wrong",
            ];
            output.table(&heads, rows.collect());
        }
    }
    Ok(())
}

/// A word, or what a file says.
fn read_fallback(text: &str) -> anyhow::Result<Value> {
    match text {
        "fail" | "skip" => Ok(json!(text)),
        file => Ok(json_file::read(&PathBuf::from(file))?),
    }
}

/// A call-out, and its secret where that is shown.
fn tell(callout: &Value, output: Output) {
    if output.is_json() {
        output.json(callout);
    }
    if callout["secret"].is_string() {
        output.line(format!(
            "secret (shown only this once): {}",
            shown(callout, "/secret")
        ));
    }
    output.facts(&[
        ("name", shown(callout, "/name")),
        ("url", shown(callout, "/url")),
        ("timeout", shown(callout, "/timeout")),
        ("attempts", shown(callout, "/attempts")),
        ("fallback", shown(callout, "/fallback")),
        ("description", shown(callout, "/description")),
        ("changed", shown(callout, "/updated_at")),
    ]);
}
