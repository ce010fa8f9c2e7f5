//! `carillon schedule list|show|put|preview|pause|resume|run|runs|delete`.

use super::definition::Definitions;
use super::json_file;
use crate::client::{ApiClient, ServerOptions};
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
    /// The schedules of an App, each with its next time
    List,
    /// Print one as it was stored: JSON
    Show {
        /// Its name
        schedule: String,
    },
    /// Make one, or change it, and print its next times
    Put {
        /// A file with its definition (JSON), or - for stdin
        file: PathBuf,
        /// Its name; without, the file's
        #[arg(long)]
        name: Option<String>,
    },
    /// Say when one would be due; nothing is stored
    Preview {
        /// A file with its definition (JSON), or - for stdin
        file: PathBuf,
    },
    /// Let one rest
    Pause {
        /// Its name
        schedule: String,
    },
    /// Let one go on; what it missed is not made up for
    Resume {
        /// Its name
        schedule: String,
    },
    /// Send now what it sends, whenever it is due by itself
    Run {
        /// Its name
        schedule: String,
        /// The same key within 24 hours is the same run
        #[arg(long)]
        idempotency_key: Option<String>,
    },
    /// What came of the times at which it was due, newest first
    Runs {
        /// Its name
        schedule: String,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Delete one
    Delete {
        /// Its name
        schedule: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let schedules = Definitions {
        client: &client,
        app,
        noun: "schedules",
        output,
    };
    match args.command {
        Command::List => list(&schedules).await?,
        Command::Show { schedule } => schedules.show(&schedule, "").await?,
        Command::Put { file, name } => {
            let (_, stored) = schedules.put_file(name, &file).await?;
            times(&stored, output);
        }
        Command::Preview { file } => {
            let definition = json_file::read(&file)?;
            let path = format!("{}/preview", schedules.all());
            let said = client.post(&path, &definition).await?.body;
            if output.is_json() {
                output.json(&said);
            }
            times(&said, output);
        }
        Command::Pause { schedule } => {
            switch(&client, &schedules.one(&schedule), "pause", output).await?;
            output.line(format!("{schedule} rests"));
        }
        Command::Resume { schedule } => {
            let resumed = switch(&client, &schedules.one(&schedule), "resume", output).await?;
            let next = shown(&resumed, "/next/0/local");
            output.line(match &*next {
                "" => format!("{schedule} goes on, but is never due again"),
                next => format!("{schedule} goes on; it is due next at {next}"),
            });
        }
        Command::Run {
            schedule,
            idempotency_key,
        } => {
            let path = format!("{}/run", schedules.one(&schedule));
            let key = idempotency_key.map(|key| ("Idempotency-Key", key));
            let headers: Vec<_> = key.into_iter().collect();
            let text = client.post_text(&path, "application/json", &headers, "{}");
            let sent: Value = serde_json::from_str(&text.await?)?;
            output.line(format!("sent as {}", shown(&sent, "/id")));
            if output.is_json() {
                output.json(&sent);
            }
        }
        Command::Runs { schedule, limit } => {
            let path = format!("{}/runs", schedules.one(&schedule));
            runs(&client.list(&path, limit).await?, output);
        }
        Command::Delete { schedule } => schedules.delete(&schedule).await?,
    }
    Ok(())
}

async fn list(schedules: &Definitions<'_>) -> Result<(), Failure> {
    let row = |schedule: &Value| {
        vec![
            shown(schedule, "/name"),
            shown(schedule, "/definition/cron"),
            shown(schedule, "/definition/time_zone"),
            shown(schedule, "/state"),
            shown(schedule, "/next/0/local"),
            shown(schedule, "/definition/description"),
        ]
    };
    let heads = ["name", "cron", "time zone", "state", "next", "description"];
    schedules.list(&heads, row).await
}

async fn switch(
    client: &ApiClient,
    path: &str,
    word: &str,
    output: Output,
) -> Result<Value, Failure> {
    let path = format!("{path}/{word}");
    let switched = client.post(&path, &json!({})).await?.body;
    if output.is_json() {
        output.json(&switched);
    }
    Ok(switched)
}

/// Tells the next times, and what may not be meant.
fn times(said: &Value, output: Output) {
    for warning in said["warnings"].as_array().into_iter().flatten() {
        output.line(format!("mind: {}", shown(warning, "")));
    }
    let next = said["next"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |time: &Value| {
        vec![
            shown(time, "/local"),
            shown(time, "/at"),
            shown(time, "/note"),
        ]
    };
    output.table(&["due", "UTC", ""], next.iter().map(row).collect());
}

fn runs(all: &[Value], output: Output) {
    if output.is_json() {
        output.json(&json!({ "data": all }));
    }
    let row = |run: &Value| {
        vec![
            shown(run, "/due_at"),
            shown(run, "/fired_at"),
            result(run),
            shown(run, "/deliveries/total"),
            states(run),
            match (run["message"].is_null(), run["campaign"].is_null()) {
                (true, true) => shown(run, "/notification"),
                (true, false) => shown(run, "/campaign"),
                (false, _) => shown(run, "/message"),
            },
        ]
    };
    output.table(
        &["due", "fired", "result", "deliveries", "ended", ""],
        all.iter().map(row).collect(),
    );
}

/// `sent`, `sent (asked)`, `skipped 3 times`.
fn result(run: &Value) -> String {
    let result = shown(run, "/result");
    match (run["cause"] == json!("asked"), run["times"].as_u64()) {
        (true, _) => format!("{result} (asked)"),
        (false, Some(times)) if times > 1 => format!("{result} {times} times"),
        _ => result,
    }
}

/// `accepted 2, rejected 1`.
fn states(run: &Value) -> String {
    let states = run.pointer("/deliveries/states").and_then(Value::as_object);
    let words = states.into_iter().flatten();
    let words: Vec<_> = words
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_as_people_read_them() {
        let mut run = json!({
            "cause": "due", "result": "sent", "times": 1,
            "deliveries": {"total": 3, "open": 0, "states": {"accepted": 2, "rejected": 1}}
        });
        assert_eq!(
            (&*result(&run), &*states(&run)),
            ("sent", "accepted 2, rejected 1")
        );
        run["cause"] = json!("asked");
        assert_eq!(result(&run), "sent (asked)");
        let skipped = json!({"cause": "due", "result": "skipped", "times": 3, "deliveries": null});
        assert_eq!(
            (&*result(&skipped), &*states(&skipped)),
            ("skipped 3 times", "")
        );
    }
}
