//! `carillon event send`.

use super::json_file;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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
    /// Report that something has happened; triggers send what is to be sent
    Send(Send),
}

#[derive(Debug, clap::Args)]
struct Send {
    #[command(flatten)]
    event: EventArgs,
    /// The same key and event twice is one event
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Many events: a file with one JSON body on each line, or - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    ndjson: Option<PathBuf>,
}

/// An event.
#[derive(Debug, clap::Args)]
pub(super) struct EventArgs {
    /// What happened, e.g. comment.created
    name: Option<String>,
    /// What it happened to, e.g. post_7
    #[arg(long)]
    subject: Option<String>,
    /// The user who did it
    #[arg(long)]
    actor: Option<String>,
    /// A user whom it concerns (repeat)
    #[arg(long = "to", value_name = "USER")]
    recipients: Vec<String>,
    /// What triggers and templates may use: a JSON object
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

impl EventArgs {
    /// The event's body.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let name = self.name.as_ref().ok_or_else(|| {
            Failure::new(Exit::Usage, "nothing has happened")
                .mend("name the event, e.g. comment.created")
        })?;
        let mut body = json!({ "name": name });
        if let Some(subject) = &self.subject {
            body["subject"] = json!(subject);
        }
        if let Some(actor) = &self.actor {
            body["actor"] = json!(actor);
        }
        if !self.recipients.is_empty() {
            body["recipients"] = json!(self.recipients);
        }
        if let Some(data) = json_file::object("--data", self.data.as_deref())? {
            body["data"] = data;
        }
        Ok(body)
    }
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let Command::Send(send) = args.command;
    let path = format!("/v1/apps/{}/events", escape(app));
    let headers: Vec<_> = send
        .idempotency_key
        .iter()
        .map(|key| ("Idempotency-Key", key.clone()))
        .collect();
    if let Some(file) = &send.ndjson {
        return many(&client, &path, file, &headers, output).await;
    }
    let body = send.event.body()?.to_string();
    let text = client
        .post_text(&path, "application/json", &headers, body)
        .await?;
    let answer: Value = serde_json::from_str(&text)?;
    if output.is_json() {
        output.json(&answer);
    }
    let outcomes = answer["triggers"].as_array().into_iter().flatten();
    let mut refused = 0;
    let mut rows = Vec::new();
    for outcome in outcomes {
        refused += u32::from(outcome["result"] == "refused");
        rows.push(vec![
            shown(outcome, "/trigger"),
            shown(outcome, "/result"),
            story(outcome),
        ]);
    }
    if rows.is_empty() {
        output.line("no trigger is for this event");
    } else {
        output.table(&["trigger", "result", ""], rows);
    }
    if refused > 0 {
        let message = format!("{refused} triggers cannot tell it");
        return Err(Failure::new(Exit::Trouble, message).into());
    }
    Ok(())
}

/// What a trigger made of it, beyond the word.
fn story(outcome: &Value) -> String {
    let mut parts = Vec::new();
    let mut say = |what: &str, pointer: &str| {
        let value = shown(outcome, pointer);
        if !value.is_empty() {
            parts.push(format!("{what}{value}"));
        }
    };
    say("", "/notifications");
    say("", "/nobody");
    say("throttled ", "/throttled");
    say("due ", "/due_at");
    let problems = super::upload::problems_in(outcome, "/problems");
    parts.extend((!problems.is_empty()).then_some(problems));
    parts.join("; ")
}

async fn many(
    client: &ApiClient,
    path: &str,
    file: &Path,
    headers: &[(&'static str, String)],
    output: Output,
) -> anyhow::Result<()> {
    let total = std::fs::metadata(file).ok().map(|meta| meta.len());
    let bar = output.progress("sent bytes", total.filter(|_| file.as_os_str() != "-"));
    let body = super::upload::body(file, bar.clone())?;
    let mut tally = super::upload::Tally::new("taken", output);
    client
        .stream_lines(path, "application/x-ndjson", headers, body, |line| {
            tally.add(line)
        })
        .await?;
    bar.finish_and_clear();
    tally.tell(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: EventArgs,
    }

    #[test]
    fn flags_become_an_event() {
        let words = [
            "x",
            "comment.created",
            "--actor",
            "ann",
            "--to",
            "bob",
            "--to",
            "cat",
            "--data",
            "{\"n\":1}",
            "--subject",
            "post_7",
        ];
        assert_eq!(
            Only::parse_from(words).args.body().unwrap(),
            json!({"name": "comment.created", "actor": "ann", "recipients": ["bob", "cat"],
                   "data": {"n": 1}, "subject": "post_7"})
        );
        let nothing = Only::parse_from(["x"]).args.body().unwrap_err();
        assert_eq!(nothing.exit, Exit::Usage);
    }

    #[test]
    fn outcomes_as_people_read_them() {
        let sent =
            json!({"trigger": "c", "result": "sent", "notifications": ["ntf_1"], "throttled": 2});
        assert_eq!(story(&sent), "ntf_1; throttled 2");
        let refused = json!({"problems": [{"pointer": "/data/name", "message": "is missing"}]});
        assert_eq!(story(&refused), "/data/name: is missing");
    }
}
