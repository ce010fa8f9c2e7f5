//! `carillon trigger list|show|put|delete|test`.

use super::definition::Definitions;
use super::event::EventArgs;
use crate::client::{ApiClient, ServerOptions};
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
    /// The triggers of an App
    List,
    /// Print one as it was stored: JSON
    Show {
        /// Its name
        trigger: String,
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
    Delete {
        /// Its name
        trigger: String,
    },
    /// Say what it would make of an event; nothing is sent
    Test {
        /// Its name
        trigger: String,
        #[command(flatten)]
        event: EventArgs,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let triggers = Definitions {
        client: &client,
        app,
        noun: "triggers",
        output,
    };
    match args.command {
        Command::List => list(&triggers).await?,
        Command::Show { trigger } => triggers.show(&trigger, "").await?,
        Command::Put { file, name } => {
            let (name, stored) = triggers.put_file(name, &file).await?;
            output.note(format!(
                "try it with: carillon trigger test --app {app} {name} {} --to USER --data '{{…}}'",
                shown(&stored, "/definition/event")
            ));
        }
        Command::Delete { trigger } => triggers.delete(&trigger).await?,
        Command::Test { trigger, event } => {
            let path = format!("{}/test", triggers.one(&trigger));
            let body = json!({ "event": event.body()? });
            let trial = client.post(&path, &body).await?.body;
            if output.is_json() {
                output.json(&trial);
            }
            if !tell(&trial, output) {
                let message = format!("{trigger} would send nothing");
                return Err(Failure::new(Exit::Trouble, message).into());
            }
        }
    }
    Ok(())
}

async fn list(triggers: &Definitions<'_>) -> Result<(), Failure> {
    let row = |trigger: &Value| {
        let is_resting = trigger["definition"]["enabled"] == json!(false);
        vec![
            shown(trigger, "/name"),
            shown(trigger, "/definition/event"),
            shown(trigger, "/definition/condition"),
            shown(trigger, "/definition/template"),
            shown(trigger, "/definition/digest/window"),
            if is_resting { "rests" } else { "on" }.to_owned(),
            shown(trigger, "/updated_at"),
        ]
    };
    let heads = [
        "name",
        "event",
        "condition",
        "template",
        "digest",
        "state",
        "changed",
    ];
    triggers.list(&heads, row).await
}

/// Tells a trial to a person. `false`: nothing would be sent.
fn tell(trial: &Value, output: Output) -> bool {
    for (pointer, why_not) in [
        ("enabled", "it rests: store it with \"enabled\": true"),
        ("name_fits", "it is for events of another name"),
        ("condition_holds", "its condition does not hold"),
    ] {
        if trial[pointer] != json!(true) {
            output.line(why_not);
        }
    }
    if trial["audience"].is_null() {
        return false;
    }
    output.facts(&[
        ("users", shown(trial, "/audience/users")),
        ("first of them", shown(trial, "/audience/first_users")),
        ("target", shown(trial, "/audience/target")),
        ("nobody", shown(trial, "/audience/nobody")),
        ("devices", shown(trial, "/would_send/devices")),
        ("first of them", shown(trial, "/would_send/first")),
    ]);
    for problem in trial["problems"].as_array().into_iter().flatten() {
        output.line(format!(
            "{}: {}",
            shown(problem, "/pointer"),
            shown(problem, "/message")
        ));
    }
    let would_send = &trial["would_send"];
    if would_send.is_null() {
        return false;
    }
    super::template::findings(would_send, output);
    trial["matches"] == json!(true) && would_send["renderable"] != json!(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_would_send_is_a_yes() {
        let output = Output::new(true);
        let mut trial = json!({
            "enabled": true, "name_fits": true, "condition_holds": true, "matches": true,
            "audience": {"users": 1}, "problems": [],
            "would_send": {"sampled": 1, "renderable": 1, "failures": [], "samples": []}
        });
        assert!(tell(&trial, output));
        trial["would_send"]["renderable"] = json!(0);
        assert!(!tell(&trial, output));
        trial["would_send"] = json!(null);
        assert!(!tell(&trial, output));
        trial["audience"] = json!(null);
        assert!(!tell(&trial, output));
    }
}
