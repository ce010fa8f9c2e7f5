//! `carillon device put|show|list|stats|delete|import|export`.

mod files;
mod push_token;

pub(crate) use files::{format, import_path};

use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Map, Value, json};

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
        /// What it runs on: ios, android, web, …
        #[arg(long)]
        platform: Option<String>,
        /// Tag (repeat)
        #[arg(long = "tag")]
        tags: Vec<String>,
        /// Topic that it is subscribed to (repeat)
        #[arg(long = "topic")]
        topics: Vec<String>,
        /// Attribute as name=value; a value that is JSON is taken as such, e.g. trips=3 (repeat)
        #[arg(long = "attribute", value_name = "NAME=VALUE")]
        attributes: Vec<String>,
        /// What its app can do, e.g. voip_call_ui: it reports every VoIP push as an incoming call (repeat)
        #[arg(long = "capability", value_name = "NAME")]
        capabilities: Vec<String>,
        /// Push token: Apple's in hex, else as kind=token: voip=00aa, fcm=…, webpush=SUBSCRIPTION (its JSON, or
        /// @ and the file that has it) (repeat)
        #[arg(long = "push-token", value_name = "[KIND=]TOKEN")]
        push_tokens: Vec<String>,
        /// Environment of Apple's push tokens
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
        /// Only those that run on this
        #[arg(long)]
        platform: Option<String>,
        /// Only those with this tag
        #[arg(long)]
        tag: Option<String>,
        /// Only those that are subscribed to this topic
        #[arg(long)]
        topic: Option<String>,
        /// Only those that were not seen for long; --stale=false: only the others
        #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        stale: Option<bool>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// How many there are, by platform and gateway
    Stats,
    /// Delete a device and its push tokens, or only one of these
    Delete {
        /// Its id
        id: String,
        /// Only its push token of this kind, e.g. webpush
        #[arg(long, value_name = "KIND")]
        push_token: Option<String>,
    },
    /// Register many from a CSV or NDJSON file; bad rows are reported by their line's number
    Import(files::Import),
    /// Write all to a CSV or NDJSON file that import reads
    Export(files::Export),
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
            platform,
            tags,
            topics,
            attributes,
            capabilities,
            push_tokens,
            environment,
        } => {
            let push_tokens = push_tokens
                .iter()
                .map(|text| push_token::read(text, &environment))
                .collect::<Result<Vec<_>, _>>()?;
            let mut body = json!({
                "tags": tags, "topics": topics, "capabilities": capabilities, "push_tokens": push_tokens,
            });
            if !attributes.is_empty() {
                body["attributes"] = Value::Object(read_attributes(&attributes)?);
            }
            for (name, value) in [
                ("user_id", user),
                ("locale", locale),
                ("time_zone", time_zone),
                ("app_version", app_version),
                ("platform", platform),
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
        Command::List {
            user,
            platform,
            tag,
            topic,
            stale,
            limit,
        } => {
            let mut list = format!("/v1/apps/{}/devices", escape(app));
            let stale = stale.map(|stale| stale.to_string());
            let mut glue = '?';
            for (name, value) in [
                ("user_id", user),
                ("platform", platform),
                ("tag", tag),
                ("topic", topic),
                ("stale", stale),
            ] {
                if let Some(value) = value {
                    list.push_str(&format!("{glue}{name}={}", escape(&value)));
                    glue = '&';
                }
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
                    shown(device, "/platform"),
                    kinds.join(", "),
                    shown(device, "/last_seen_at"),
                    match device["stale"].as_bool() {
                        Some(true) => "stale".to_owned(),
                        _ => String::new(),
                    },
                ]
            });
            output.table(
                &["device", "user", "platform", "push tokens", "last seen", ""],
                rows.collect(),
            );
        }
        Command::Stats => {
            let stats = client
                .get(&format!("/v1/apps/{}/devices/stats", escape(app)))
                .await?;
            tell_stats(&stats, output);
        }
        Command::Delete { id, push_token } => {
            let (path, what) = match push_token {
                None => (path(app, &id), id),
                Some(kind) => (
                    format!("{}/push-tokens/{}", path(app, &id), escape(&kind)),
                    format!("{id}/{kind}"),
                ),
            };
            client.delete(&path).await?;
            output.line(format!("{what} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": what }));
            }
        }
        Command::Import(args) => files::import(&client, app, args, output).await?,
        Command::Export(args) => files::export(&client, app, args, output).await?,
    }
    Ok(())
}

/// `name=value`, each: JSON where it is a number, a boolean or a list, else text.
fn read_attributes(written: &[String]) -> Result<Map<String, Value>, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            let message = format!("--attribute: expected name=value, found {text:?}");
            Failure::new(Exit::Usage, message)
        })?;
        let value = match serde_json::from_str(value) {
            Ok(json @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::String(_))) => {
                json
            }
            _ => Value::from(value),
        };
        Ok((name.to_owned(), value))
    };
    written.iter().map(read).collect()
}

fn path(app: &str, id: &str) -> String {
    format!("/v1/apps/{}/devices/{}", escape(app), escape(id))
}

fn tell(device: &Value, output: Output) {
    output.facts(&[
        ("device", shown(device, "/id")),
        ("user", shown(device, "/user_id")),
        ("locale", shown(device, "/locale")),
        ("time zone", shown(device, "/time_zone")),
        ("app version", shown(device, "/app_version")),
        ("platform", shown(device, "/platform")),
        ("tags", shown(device, "/tags")),
        ("topics", shown(device, "/topics")),
        (
            "attributes",
            match device["attributes"].as_object() {
                Some(attributes) if !attributes.is_empty() => shown(device, "/attributes"),
                _ => String::new(),
            },
        ),
        ("capabilities", shown(device, "/capabilities")),
        ("registered", shown(device, "/created_at")),
        (
            "last seen",
            match device["stale"].as_bool() {
                Some(true) => format!("{} (stale)", shown(device, "/last_seen_at")),
                _ => shown(device, "/last_seen_at"),
            },
        ),
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

fn tell_stats(stats: &Value, output: Output) {
    if output.is_json() {
        output.json(stats);
        return;
    }
    output.facts(&[
        ("devices", shown(stats, "/total")),
        ("of these stale", shown(stats, "/stale")),
    ]);
    for (title, list, name) in [
        ("platform", "by_platform", "/platform"),
        ("gateway", "by_gateway", "/gateway"),
    ] {
        let rows: Vec<_> = stats[list].as_array().into_iter().flatten().collect();
        if rows.is_empty() {
            continue;
        }
        output.line("");
        let rows = rows.iter().map(|row| {
            let word = match shown(row, name) {
                word if word.is_empty() => "(not said)".to_owned(),
                word => word,
            };
            vec![word, shown(row, "/devices")]
        });
        output.table(&[title, "devices"], rows.collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_json_where_they_are() {
        let written = ["a=3", "b=true", "c=gold", "d=[\"x\"]", "e=a=b", "f="].map(String::from);
        let read = read_attributes(&written).unwrap();
        let expected = json!({"a": 3, "b": true, "c": "gold", "d": ["x"], "e": "a=b", "f": ""});
        assert_eq!(Value::Object(read), expected);
        let error = read_attributes(&["a".to_owned()]).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
    }
}
