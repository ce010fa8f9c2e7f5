//! `carillon activity put|get|list|phases|update|end`: Live Activities.

use super::definition::Definitions;
use super::json_file;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What nobody can tell of a push that was accepted.
const NOT_TOLD: &str = "accepted: Apple took it. Whether a phone's own budget let it show the push, Apple tells nobody.";

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
    /// Declare one, or declare it anew, and print its plan
    Put {
        /// A file with its plan (JSON), or - for stdin
        file: PathBuf,
        /// Your id of it; without, the file's name
        #[arg(long)]
        id: Option<String>,
    },
    /// How one stands: its plan, what it shows, its phones
    #[command(visible_alias = "show")]
    Get {
        /// Your id of it
        activity: String,
    },
    /// The Live Activities of an App, by id
    List {
        /// Only those in this state: planned, starting, active, ended or cancelled
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// What happened and what is to come: each phase, when it was due and done, what became of each push, and why there was none
    Phases {
        /// Your id of it
        activity: String,
    },
    /// Change what one shows, now, or its plan
    Update {
        /// Your id of it
        activity: String,
        /// A file with what is to be different (JSON), or - for stdin
        file: Option<PathBuf>,
        #[command(flatten)]
        shows: Shows,
        /// It starts at another time
        #[arg(long, value_name = "TIME")]
        starts_at: Option<String>,
        /// It ends at another time, and phases that hang on it move with it: 2026-12-01T17:20:00+09:00
        #[arg(long, value_name = "TIME")]
        ends_at: Option<String>,
    },
    /// End one now; what is left out is as its plan says
    End {
        /// Your id of it
        activity: String,
        #[command(flatten)]
        shows: Shows,
        /// How long it stays on the lock screen, e.g. 5m
        #[arg(long, value_name = "DURATION")]
        dismiss_after: Option<String>,
    },
}

/// What is shown from now on, and how it calls attention.
#[derive(Debug, clap::Args)]
struct Shows {
    /// Merged over what is shown, a JSON object: {"status": "late"}
    #[arg(long, value_name = "JSON")]
    content_state: Option<String>,
    /// Calls attention: the first line
    #[arg(long, requires = "body")]
    title: Option<String>,
    /// The text
    #[arg(long, requires = "title")]
    body: Option<String>,
}

impl Shows {
    fn put_into(&self, change: &mut Map<String, Value>) -> Result<(), Failure> {
        let state = json_file::object("--content-state", self.content_state.as_deref())?;
        if let Some(state) = state {
            change.insert("content_state".to_owned(), state);
        }
        if let (Some(title), Some(body)) = (&self.title, &self.body) {
            change.insert("alert".to_owned(), json!({ "title": title, "body": body }));
        }
        Ok(())
    }
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let activities = Definitions {
        client: &client,
        app,
        noun: "live-activities",
        output,
    };
    let one = |id: &str| activities.one(id);
    let told = match args.command {
        Command::Put { file, id } => {
            let plan = json_file::read(&file)?;
            let path = one(&json_file::name(id, &file)?);
            client.put(&path, &plan).await?.body
        }
        Command::Get { activity } => client.get(&one(&activity)).await?,
        Command::List { state, limit } => {
            let query = state.map_or(String::new(), |state| format!("?state={}", escape(&state)));
            let path = format!("{}{query}", activities.all());
            list(&client.list(&path, limit).await?, output);
            return Ok(());
        }
        Command::Phases { activity } => {
            phases(&client, &one(&activity), output).await?;
            return Ok(());
        }
        Command::Update {
            activity,
            file,
            shows,
            starts_at,
            ends_at,
        } => {
            let mut change = match file.as_deref().map(json_file::read).transpose()? {
                Some(Value::Object(change)) => change,
                _ => Map::new(),
            };
            shows.put_into(&mut change)?;
            for (name, time) in [("starts_at", starts_at), ("ends_at", ends_at)] {
                change.extend(time.map(|time| (name.to_owned(), json!(time))));
            }
            if change.is_empty() {
                let failure = Failure::new(Exit::Usage, "nothing is to be different")
                    .mend("e.g. --content-state '{\"status\": \"late\"}', --ends-at, or a file");
                return Err(failure.into());
            }
            let (path, change) = (one(&activity), Value::Object(change));
            let method = reqwest::Method::PATCH;
            client.call(method, &path, Some(&change)).await?.body
        }
        Command::End {
            activity,
            shows,
            dismiss_after,
        } => {
            let mut end = Map::new();
            shows.put_into(&mut end)?;
            end.extend(dismiss_after.map(|after| ("dismiss_after".to_owned(), json!(after))));
            let path = format!("{}/end", one(&activity));
            client.post(&path, &Value::Object(end)).await?.body
        }
    };
    if output.is_json() {
        output.json(&told);
    }
    tell(&told, output);
    Ok(())
}

/// One, as people read it.
fn tell(activity: &Value, output: Output) {
    let of = |pointer: &str| shown(activity, pointer);
    for warning in list_of(activity, "warnings") {
        output.line(format!(
            "mind: {}: {}",
            shown(warning, "/pointer"),
            shown(warning, "/message")
        ));
    }
    output.facts(&[
        ("id", of("/id")),
        ("state", state(activity)),
        ("starts", of("/starts_at")),
        ("ends", of("/ends_at")),
        ("ended", of("/ended_at")),
        ("shows", of("/shows")),
    ]);
    let planned = list_of(activity, "phases");
    if !planned.is_empty() {
        output.line("");
        let row = |phase: &Value| vec![shown(phase, "/name"), shown(phase, "/at")];
        output.table(&["phase", "due"], planned.iter().map(row).collect());
    }
    let phones = list_of(activity, "phones");
    if !phones.is_empty() {
        output.line("");
        let row = |phone: &Value| {
            vec![
                phone_name(phone),
                shown(phone, "/asked_at"),
                standing(phone).to_owned(),
            ]
        };
        output.table(&["phone", "asked", ""], phones.iter().map(row).collect());
    }
}

fn list_of<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// `ended (silence)`.
fn state(activity: &Value) -> String {
    let state = shown(activity, "/state");
    match &*shown(activity, "/ended_by") {
        "" | "planned" => state,
        why => format!("{state} ({why})"),
    }
}

/// The id of its device.
fn phone_name(phone: &Value) -> String {
    match &*shown(phone, "/device") {
        "" => "(deleted)".to_owned(),
        id => id.to_owned(),
    }
}

/// How a phone stands with an activity.
fn standing(phone: &Value) -> &'static str {
    let is = |name: &str| phone[name] == json!(true);
    match (is("gone"), is("has_update_token"), is("up_to_date")) {
        (true, ..) => "shows it no more",
        (_, false, _) => "was asked to start it, and told no update token yet",
        (_, _, true) => "was told what is shown now",
        (_, _, false) => "is told what is shown when it can be",
    }
}

fn list(all: &[Value], output: Output) {
    if output.is_json() {
        output.json(&json!({ "data": all }));
    }
    let row = |activity: &Value| {
        vec![
            shown(activity, "/id"),
            state(activity),
            shown(activity, "/starts_at"),
            shown(activity, "/ends_at"),
            list_of(activity, "phones").len().to_string(),
            shown(activity, "/shows"),
        ]
    };
    output.table(
        &["id", "state", "starts", "ends", "phones", "shows"],
        all.iter().map(row).collect(),
    );
}

/// What happened and what is to come, with what became of each push.
async fn phases(client: &ApiClient, path: &str, output: Output) -> Result<(), Failure> {
    let activity = client.get(path).await?;
    let records = client.get(&format!("{path}/phases")).await?;
    if output.is_json() {
        output.json(&json!({ "data": records["data"], "activity": activity }));
        return Ok(());
    }
    let told = list_of(&records, "data");
    let mut rows: Vec<_> = told.iter().flat_map(record_rows).collect();
    rows.extend(to_come(&activity, told));
    output.table(&["due", "done", "what", "phone", "push", "delivery"], rows);
    output.line("");
    output.line(NOT_TOLD);
    Ok(())
}

/// One thing that happened: a line for each push, or one that says why there was none.
fn record_rows(record: &Value) -> Vec<Vec<String>> {
    let pushes = list_of(record, "pushes").iter();
    let mut tails: Vec<[String; 3]> = pushes
        .map(|push| {
            let state = match &*shown(push, "/suppressed_by") {
                "" => shown(push, "/state"),
                rule => format!("suppressed: {rule}"),
            };
            [shown(push, "/device"), state, shown(push, "/delivery")]
        })
        .collect();
    let text = String::new;
    let waiting = record["waiting"].as_u64().unwrap_or_default();
    // Who was just asked to start it has no token yet: that is no news.
    if waiting > 0 && record["what"] != "started" {
        let told = format!("{waiting} more are told when their token comes");
        tails.push([text(), told, text()]);
    }
    if tails.is_empty() {
        let reason = match &*shown(record, "/reason") {
            "" => why_none(record).to_owned(),
            reason => reason.to_owned(),
        };
        tails.push([shown(record, "/device"), reason, text()]);
    }
    let rows = tails.into_iter().enumerate().map(|(at, tail)| {
        let mut row = match at {
            0 => vec![shown(record, "/due_at"), shown(record, "/at"), what(record)],
            _ => vec![text(); 3],
        };
        row.extend(tail);
        row
    });
    rows.collect()
}

/// Why nobody was told.
fn why_none(record: &Value) -> &'static str {
    match record["what"].as_str().unwrap_or_default() {
        "passed_over" => "a later phase, or the end, came before it was shown",
        "cancelled" => "it had not started",
        _ if record["notification"].is_null() => "nobody to tell, or nothing changed",
        _ => "its deliveries are gone: older than retention.records",
    }
}

/// The phases that were not done at the time that the plan gives them, as long as it runs.
fn to_come(activity: &Value, records: &[Value]) -> Vec<Vec<String>> {
    let over = ["ended", "cancelled"].contains(&&*shown(activity, "/state"));
    let is_open = |phase: &&Value| {
        let is_it =
            |record: &Value| record["phase"] == phase["name"] && record["due_at"] == phase["at"];
        !over && !records.iter().any(is_it)
    };
    let row = |phase: &Value| {
        let name = format!("phase {}", shown(phase, "/name"));
        let cells = [shown(phase, "/at"), String::new(), name];
        let more = [String::new(), "to come".to_owned(), String::new()];
        cells.into_iter().chain(more).collect()
    };
    let phases = list_of(activity, "phases").iter();
    phases.filter(is_open).map(row).collect()
}

/// `phase ending`, `phase ending, late`.
fn what(record: &Value) -> String {
    let phase = shown(record, "/phase");
    match record["what"].as_str().unwrap_or_default() {
        "phase" => format!("phase {phase}"),
        "late_phase" => format!("phase {phase}, late: without its alert"),
        "passed_over" => format!("phase {phase}, passed over"),
        "caught_up" => "told the present state".to_owned(),
        "start_refused" => "start refused".to_owned(),
        "token_dead" => "update token died".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_as_people_read_it() {
        let mut record = json!({
            "at": "b", "due_at": "a", "what": "phase", "phase": "ending", "phones": 2, "waiting": 1, "notification": "ntf_1",
            "pushes": [
                {"device": "phone-1", "delivery": "dlv_1_0", "state": "accepted", "suppressed_by": null},
                {"device": null, "delivery": "dlv_1_1", "state": "suppressed", "suppressed_by": "push_token_retired"},
            ],
        });
        let rows: Vec<String> = record_rows(&record)
            .iter()
            .map(|row| row.join("|"))
            .collect();
        assert_eq!(
            rows,
            [
                "a|b|phase ending|phone-1|accepted|dlv_1_0",
                "||||suppressed: push_token_retired|dlv_1_1",
                "||||1 more are told when their token comes|",
            ]
        );
        record["what"] = json!("started");
        assert_eq!(record_rows(&record).len(), 2, "who was asked waits");
        record["what"] = json!("phase");
        (record["pushes"], record["waiting"]) = (json!([]), json!(0));
        assert!(record_rows(&record)[0][4].contains("retention.records"));
        record["notification"] = Value::Null;
        assert_eq!(
            record_rows(&record)[0].join("|"),
            "a|b|phase ending||nobody to tell, or nothing changed|"
        );
        record["what"] = json!("start_refused");
        (record["device"], record["reason"]) = (json!("phone-1"), json!("BadDeviceToken"));
        assert_eq!(
            record_rows(&record)[0].join("|"),
            "a|b|start refused|phone-1|BadDeviceToken|"
        );
        (record["device"], record["reason"]) = (Value::Null, Value::Null);
        record["what"] = json!("passed_over");
        let row = record_rows(&record).remove(0).join("|");
        assert!(
            row.contains("passed over") && row.contains("later phase"),
            "{row}"
        );
    }

    #[test]
    fn what_is_to_come_is_what_was_not_done() {
        let records = [
            json!({"what": "phase", "phase": "a", "due_at": "1"}),
            json!({"what": "phase", "phase": "b", "due_at": "1"}),
        ];
        let mut activity = json!({"state": "active", "phases": [
            {"name": "a", "at": "1"}, {"name": "b", "at": "2"}]});
        assert_eq!(
            to_come(&activity, &records),
            [["2", "", "phase b", "", "to come", ""]],
            "it was moved"
        );
        activity["state"] = json!("ended");
        assert!(to_come(&activity, &records).is_empty());
    }

    #[test]
    fn phones_as_people_read_them() {
        let mut phone = json!({"device": "phone-1", "gone": false,
            "has_update_token": false, "up_to_date": true});
        assert_eq!(phone_name(&phone), "phone-1");
        assert!(standing(&phone).contains("no update token"));
        phone["has_update_token"] = json!(true);
        assert!(standing(&phone).contains("shown now"));
        phone["device"] = Value::Null;
        assert_eq!(phone_name(&phone), "(deleted)");
    }
}
