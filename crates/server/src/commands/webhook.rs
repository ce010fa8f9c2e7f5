//! `carillon webhook list|show|put|delete|rotate-secret|enable|disable|test|replay|attempts|verify`.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use carillon_outbound::{WebhookSecret, verify};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far a timestamp may be off: what receivers are told to tolerate.
const TOLERANCE: Duration = Duration::from_secs(300);

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
    /// The endpoints of the App, and how they answer
    List,
    /// One endpoint
    Show {
        /// Its name
        name: String,
    },
    /// Make or change an endpoint; a new one's secret is shown once
    Put {
        /// Its name
        name: String,
        /// Where events are posted
        #[arg(value_name = "URL")]
        target: String,
        /// Only these kinds of events (repeat), e.g. "delivery.*"
        #[arg(long = "events", value_name = "KINDS")]
        events: Vec<String>,
        /// A line for people
        #[arg(long)]
        description: Option<String>,
        /// After how many days without any success it is disabled
        #[arg(long, value_name = "N")]
        disable_after_days: Option<u16>,
    },
    /// Delete an endpoint
    Delete {
        /// Its name
        name: String,
    },
    /// Make a new secret; it is shown once
    RotateSecret {
        /// The endpoint's name
        name: String,
        /// How long the old one signs besides, e.g. 24h; 0s for one that got out
        #[arg(long)]
        overlap: Option<String>,
    },
    /// Call it again
    Enable {
        /// Its name
        name: String,
    },
    /// Stop calling it
    Disable {
        /// Its name
        name: String,
    },
    /// Send it a test now, and show its answer
    Test {
        /// Its name
        name: String,
    },
    /// Send it events again
    Replay {
        /// Its name
        name: String,
        /// Those from this instant on, e.g. 2026-08-01T12:00:00Z
        #[arg(long, required_unless_present = "events")]
        from: Option<String>,
        /// Up to this instant
        #[arg(long, requires = "from")]
        to: Option<String>,
        /// These, by their number (repeat)
        #[arg(
            long = "event",
            value_name = "NO",
            id = "events",
            conflicts_with = "from"
        )]
        events: Vec<i64>,
    },
    /// The last calls to it
    Attempts {
        /// Its name
        name: String,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Check a call that you received, here and without a server
    Verify {
        /// File with the secret, whsec_…, in it; or CARILLON_WEBHOOK_SECRET
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// The header webhook-id
        #[arg(long)]
        id: String,
        /// The header webhook-timestamp
        #[arg(long)]
        timestamp: String,
        /// The header webhook-signature
        #[arg(long)]
        signature: String,
        /// The body exactly as it came; - for standard input
        #[arg(value_name = "FILE", default_value = "-")]
        body: PathBuf,
        /// Take it however old it is
        #[arg(long)]
        any_age: bool,
    },
}

/// Talks to the server; `verify` does not.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let command = match args.command {
        Command::Verify {
            secret_file,
            id,
            timestamp,
            signature,
            body,
            any_age,
        } => {
            let secret = read_secret(secret_file.as_deref())?;
            let body = read_body(&body)?;
            let now = machine_now().div_euclid(1_000);
            return verified(
                &secret,
                [&id, &timestamp, &signature],
                &body,
                now,
                any_age,
                output,
            );
        }
        other => other,
    };
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let of = |name: &str| format!("/v1/apps/{}/webhooks/{}", escape(app), escape(name));
    let post =
        async |path: String, body: Option<&Value>| client.call(Method::POST, &path, body).await;
    match command {
        Command::Verify { .. } => {}
        Command::List => {
            let path = format!("/v1/apps/{}/webhooks", escape(app));
            let all = client.list(&path, usize::MAX).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let columns = [
                "/name",
                "/origin",
                "/state",
                "/queued",
                "/failures",
                "/last_failure",
            ];
            let rows = all
                .iter()
                .map(|one| columns.map(|pointer| shown(one, pointer)).to_vec());
            output.table(
                &[
                    "name",
                    "origin",
                    "state",
                    "waiting",
                    "failures",
                    "last failure",
                ],
                rows.collect(),
            );
        }
        Command::Show { name } => tell(&client.get(&of(&name)).await?, output),
        Command::Put {
            name,
            target,
            events,
            description,
            disable_after_days,
        } => {
            let mut body = json!({ "url": target });
            if !events.is_empty() {
                body["events"] = json!(events);
            }
            if let Some(description) = description {
                body["description"] = json!(description);
            }
            if let Some(days) = disable_after_days {
                body["disable_after_days"] = json!(days);
            }
            let answer = client.call(Method::PUT, &of(&name), Some(&body)).await?;
            tell(&answer.body, output);
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
            tell(&post(path, Some(&body)).await?.body, output);
        }
        Command::Enable { name } => {
            tell(
                &post(format!("{}/enable", of(&name)), None).await?.body,
                output,
            );
        }
        Command::Disable { name } => {
            tell(
                &post(format!("{}/disable", of(&name)), None).await?.body,
                output,
            );
        }
        Command::Test { name } => {
            let answer = post(format!("{}/test", of(&name)), None).await?.body;
            if output.is_json() {
                output.json(&answer);
            }
            output.line(format!(
                "{} ({} ms)",
                shown(&answer, "/said"),
                shown(&answer, "/elapsed_ms")
            ));
            if answer["ok"] != json!(true) {
                return Err(Failure::new(Exit::Trouble, "the test was not taken")
                    .mend("what it said is above; `carillon webhook verify` checks a signature")
                    .into());
            }
        }
        Command::Replay {
            name,
            from,
            to,
            events,
        } => {
            let mut body = json!({});
            if let Some(from) = from {
                body["from"] = json!(from);
            }
            if let Some(to) = to {
                body["to"] = json!(to);
            }
            if !events.is_empty() {
                body["events"] = json!(events);
            }
            let answer = post(format!("{}/replay", of(&name)), Some(&body))
                .await?
                .body;
            if output.is_json() {
                output.json(&answer);
            }
            output.line(format!(
                "{} events are sent again",
                shown(&answer, "/queued")
            ));
            if answer["cut"] == json!(true) {
                output.note("there are more: replay again from the instant of the last one");
            }
        }
        Command::Attempts { name, limit } => {
            let path = format!("{}/attempts?limit={limit}", of(&name));
            let answer = client.get(&path).await?;
            if output.is_json() {
                output.json(&answer);
            }
            let columns = [
                "/at",
                "/event",
                "/kind",
                "/attempt",
                "/said",
                "/elapsed_ms",
                "/next_attempt_at",
            ];
            let all = answer["data"].as_array().into_iter().flatten();
            let rows = all.map(|one| columns.map(|pointer| shown(one, pointer)).to_vec());
            output.table(
                &[
                    "at",
                    "event",
                    "kind",
                    "attempt",
                    "what came of it",
                    "ms",
                    "next",
                ],
                rows.collect(),
            );
        }
    }
    Ok(())
}

/// An endpoint, and its secret where that is shown.
fn tell(endpoint: &Value, output: Output) {
    if output.is_json() {
        output.json(endpoint);
    }
    if endpoint["secret"].is_string() {
        output.line(format!(
            "secret (shown only this once): {}",
            shown(endpoint, "/secret")
        ));
    }
    output.facts(&[
        ("name", shown(endpoint, "/name")),
        ("url", shown(endpoint, "/url")),
        ("events", shown(endpoint, "/events")),
        ("state", shown(endpoint, "/state")),
        ("disabled for", shown(endpoint, "/disabled_reason")),
        ("waiting", shown(endpoint, "/queued")),
        ("failures", shown(endpoint, "/failures")),
        ("last failure", shown(endpoint, "/last_failure")),
        ("last success", shown(endpoint, "/last_success_at")),
    ]);
}

/// Never on the command line, where others see it.
fn read_secret(file: Option<&Path>) -> Result<WebhookSecret, Failure> {
    let text = match file {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| Failure::io("read", file, &error))?
        }
        None => std::env::var("CARILLON_WEBHOOK_SECRET").map_err(|_| {
            Failure::new(Exit::Usage, "there is no secret to check with")
                .mend("set CARILLON_WEBHOOK_SECRET, or name a file with --secret-file")
        })?,
    };
    let text = zeroize::Zeroizing::new(text);
    WebhookSecret::parse(&text).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

fn read_body(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::io("read", file, &error);
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).map_err(failed)?;
        return Ok(body);
    }
    std::fs::read(file).map_err(failed)
}

fn verified(
    secret: &WebhookSecret,
    [id, timestamp, signature]: [&str; 3],
    body: &[u8],
    now: i64,
    any_age: bool,
    output: Output,
) -> anyhow::Result<()> {
    let tolerance = if any_age { Duration::MAX } else { TOLERANCE };
    let secrets = std::slice::from_ref(secret);
    let result = verify(secrets, id, timestamp, signature, body, now, tolerance);
    if output.is_json() {
        let why = result.err().map(|why| why.to_string());
        output.json(&json!({ "ok": result.is_ok(), "why": why, "body_bytes": body.len() }));
    }
    match result {
        Ok(()) => {
            output.line(format!("it fits: {} bytes were signed with this secret", body.len()));
            Ok(())
        }
        Err(why) => Err(Failure::new(Exit::Trouble, why.to_string())
            .mend("the body must be the very bytes that came, before any parser; and the secret that of this endpoint")
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_checked_as_a_receiver_would() {
        let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let secret = WebhookSecret::parse(secret).unwrap();
        let signature = carillon_outbound::sign(&secret, "evt_1", 1_767_323_045, b"{}");
        let check = |body: &[u8], now, any_age| {
            let headers = ["evt_1", "1767323045", &signature];
            verified(&secret, headers, body, now, any_age, Output::new(true)).is_ok()
        };
        assert!(check(b"{}", 1_767_323_100, false));
        assert!(!check(b"{ }", 1_767_323_100, false), "another body");
        assert!(!check(b"{}", 1_767_400_000, false), "too old");
        assert!(check(b"{}", 1_767_400_000, true));
    }
}
