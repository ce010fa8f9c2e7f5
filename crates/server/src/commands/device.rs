//! `carillon device put|show|list|delete|import`.

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
    /// Register a device, or register it again
    Put {
        /// Its id, chosen by you
        id: String,
        /// The person
        #[arg(long)]
        user: Option<String>,
        /// BCP 47 tag, e.g. ko-KR
        #[arg(long)]
        locale: Option<String>,
        /// IANA zone, e.g. Asia/Seoul
        #[arg(long)]
        time_zone: Option<String>,
        /// Version of the app
        #[arg(long)]
        app_version: Option<String>,
        /// Tag (repeat)
        #[arg(long = "tag")]
        tags: Vec<String>,
        /// Push token in hex, for another kind than alerts as kind=hex, e.g. voip=00aa (repeat)
        #[arg(long = "push-token", value_name = "[KIND=]HEX")]
        push_tokens: Vec<String>,
        /// Environment of the push tokens
        #[arg(long, default_value = "auto", value_parser = ["auto", "production", "sandbox"])]
        environment: String,
    },
    /// One device and its newest deliveries
    Show {
        /// Its id
        id: String,
        /// How many deliveries
        #[arg(long, default_value_t = 10)]
        deliveries: usize,
    },
    /// Devices, oldest first
    List {
        /// Only this user's
        #[arg(long)]
        user: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Delete a device and its push tokens
    Delete {
        /// Its id
        id: String,
    },
    /// Register many from a CSV or NDJSON file; bad rows are reported by their line's number
    Import {
        /// The file (.csv, .ndjson, .jsonl), or - for NDJSON from stdin
        file: PathBuf,
        /// Read it as this, whatever its name
        #[arg(long, value_parser = ["csv", "ndjson"])]
        format: Option<String>,
        /// Makes the ids of rows without one, so that the file can be sent again
        #[arg(long)]
        idempotency_key: Option<String>,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    match args.command {
        Command::Put {
            id,
            user,
            locale,
            time_zone,
            app_version,
            tags,
            push_tokens,
            environment,
        } => {
            let push_tokens: Vec<Value> = push_tokens
                .iter()
                .map(|t| push_token(t, &environment))
                .collect();
            let mut body = json!({ "tags": tags, "push_tokens": push_tokens });
            for (name, value) in [
                ("user_id", user),
                ("locale", locale),
                ("time_zone", time_zone),
                ("app_version", app_version),
            ] {
                if let Some(value) = value {
                    body[name] = json!(value);
                }
            }
            let answer = client.put(&path(app, &id), &body).await?;
            let done = if answer.status == 201 {
                "registered"
            } else {
                "registered again"
            };
            output.line(format!("{id} is {done}"));
            tell(&answer.body, output);
            if output.is_json() {
                output.json(&answer.body);
            }
        }
        Command::Show { id, deliveries } => {
            let mut device = client.get(&path(app, &id)).await?;
            let list = client
                .list(&format!("{}/deliveries", path(app, &id)), deliveries)
                .await?;
            tell(&device, output);
            if !list.is_empty() {
                output.line("");
                super::notification::tell_deliveries(&list, output);
            }
            if output.is_json() {
                device["delivery_list"] = json!(list);
                output.json(&device);
            }
        }
        Command::List { user, limit } => {
            let mut list = format!("/v1/apps/{}/devices", escape(app));
            if let Some(user) = user {
                list.push_str(&format!("?user_id={}", escape(&user)));
            }
            let all = client.list(&list, limit).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let rows = all.iter().map(|device| {
                let tokens = device["push_tokens"].as_array().into_iter().flatten();
                let kinds: Vec<String> = tokens.map(|token| shown(token, "/kind")).collect();
                vec![
                    shown(device, "/id"),
                    shown(device, "/user_id"),
                    kinds.join(", "),
                    shown(device, "/last_seen_at"),
                ]
            });
            output.table(
                &["device", "user", "push tokens", "last seen"],
                rows.collect(),
            );
        }
        Command::Delete { id } => {
            client.delete(&path(app, &id)).await?;
            output.line(format!("{id} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": id }));
            }
        }
        Command::Import {
            file,
            format,
            idempotency_key,
        } => {
            let content_type = content_type(&file, format.as_deref())?;
            let total = std::fs::metadata(&file).ok().filter(|meta| meta.is_file());
            let bar = output.progress("bytes", total.map(|meta| meta.len()));
            let body = super::upload::body(&file, bar.clone())?;
            let headers: Vec<_> = idempotency_key
                .map(|key| ("Idempotency-Key", key))
                .into_iter()
                .collect();
            let mut tally = super::upload::Tally::new("registered", output);
            let each = |line: &str| tally.add(line);
            client
                .stream_lines(&import_path(app), content_type, &headers, body, each)
                .await?;
            bar.finish_and_clear();
            tally.tell(output)?;
        }
    }
    Ok(())
}

/// Where imports go.
pub(crate) fn import_path(app: &str) -> String {
    format!("/v1/apps/{}/devices/import", escape(app))
}

fn path(app: &str, id: &str) -> String {
    format!("/v1/apps/{}/devices/{}", escape(app), escape(id))
}

fn push_token(text: &str, environment: &str) -> Value {
    let (kind, token) = text.split_once('=').unwrap_or(("alert", text));
    json!({ "kind": kind, "token": token, "environment": environment })
}

fn content_type(file: &Path, format: Option<&str>) -> Result<&'static str, Failure> {
    let extension = file.extension().and_then(|ext| ext.to_str());
    match format.or(extension).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok("text/csv"),
        Some("ndjson" | "jsonl") => Ok("application/x-ndjson"),
        _ if file.as_os_str() == "-" => Ok("application/x-ndjson"),
        _ => Err(Failure::new(
            Exit::Usage,
            format!(
                "{} does not tell by its name whether it is CSV or NDJSON",
                file.display()
            ),
        )
        .mend("give --format csv or --format ndjson")),
    }
}

fn tell(device: &Value, output: Output) {
    output.facts(&[
        ("device", shown(device, "/id")),
        ("user", shown(device, "/user_id")),
        ("locale", shown(device, "/locale")),
        ("time zone", shown(device, "/time_zone")),
        ("app version", shown(device, "/app_version")),
        ("tags", shown(device, "/tags")),
        ("registered", shown(device, "/created_at")),
        ("last seen", shown(device, "/last_seen_at")),
    ]);
    let tokens = device["push_tokens"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = tokens
        .map(|token| {
            let state = match shown(token, "/retired_at") {
                at if at.is_empty() => "in use".to_owned(),
                at => format!("retired at {at}"),
            };
            vec![
                shown(token, "/kind"),
                shown(token, "/fingerprint"),
                shown(token, "/environment"),
                state,
            ]
        })
        .collect();
    if !rows.is_empty() {
        output.line("");
        output.table(&["kind", "push token", "environment", "state"], rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_tokens_may_name_their_kind() {
        assert_eq!(
            push_token("voip=00aa", "auto"),
            json!({"kind": "voip", "token": "00aa", "environment": "auto"})
        );
        assert_eq!(push_token("00aa", "sandbox")["kind"], json!("alert"));
    }

    #[test]
    fn the_format_comes_from_the_name_or_the_flag() {
        assert_eq!(content_type(Path::new("a.CSV"), None).unwrap(), "text/csv");
        assert_eq!(
            content_type(Path::new("a.jsonl"), None).unwrap(),
            "application/x-ndjson"
        );
        assert_eq!(
            content_type(Path::new("-"), None).unwrap(),
            "application/x-ndjson"
        );
        assert_eq!(
            content_type(Path::new("a.txt"), Some("csv")).unwrap(),
            "text/csv"
        );
        assert_eq!(
            content_type(Path::new("a.txt"), None).unwrap_err().exit,
            Exit::Usage
        );
    }
}
