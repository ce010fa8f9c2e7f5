//! `carillon campaign create|list|show|watch|pause|resume|cancel`.

use super::json_file;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// A stream that breaks off is opened again so often in a row.
const RECONNECTS: u32 = 10;
/// The pause before.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

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
    /// Start one
    Create {
        /// A file with the campaign (JSON), or - for stdin
        file: PathBuf,
        /// Its name; without, the one in the file, or the file's
        #[arg(long)]
        name: Option<String>,
        /// The same key within 24 hours is the same campaign
        #[arg(long)]
        idempotency_key: Option<String>,
        /// Store and send nothing: say whom it would reach, and what some of them would get
        #[arg(long, conflicts_with_all = ["watch", "idempotency_key"])]
        dry_run: bool,
        /// Follow it until it is over
        #[arg(long)]
        watch: bool,
    },
    /// The newest campaigns
    List {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// One campaign: how it goes, and how far it is
    Show {
        /// Its name, or its id: cmp_…
        campaign: String,
    },
    /// Follow one until it is over
    Watch {
        /// Its name, or its id: cmp_…
        campaign: String,
    },
    /// Let nothing more of one leave, until it goes on
    Pause {
        /// Its name, or its id: cmp_…
        campaign: String,
    },
    /// Let one go on, where it stopped
    Resume {
        /// Its name, or its id: cmp_…
        campaign: String,
    },
    /// End one: who had no turn yet gets nothing
    Cancel {
        /// Its name, or its id: cmp_…
        campaign: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    match args.command {
        Command::Create {
            file,
            name,
            dry_run: true,
            ..
        } => {
            try_out(&client, app, &file, name, output).await?;
        }
        Command::Create {
            file,
            name,
            idempotency_key,
            dry_run: false,
            watch: is_watched,
        } => {
            let id = create(&client, app, &file, name, idempotency_key, output).await?;
            if is_watched {
                watch(&client, &path(app, &id), output).await?;
            }
        }
        Command::List { limit } => {
            let path = format!("/v1/apps/{}/campaigns", escape(app));
            list(&client.list(&path, limit).await?, output);
        }
        Command::Show { campaign } => {
            let campaign = client.get(&path(app, &campaign)).await?;
            if output.is_json() {
                output.json(&campaign);
            }
            tell(&campaign, output);
        }
        Command::Watch { campaign } => watch(&client, &path(app, &campaign), output).await?,
        Command::Pause { campaign } => {
            let path = format!("{}/pause", path(app, &campaign));
            let paused = client.post(&path, &json!({})).await?.body;
            let in_flight = paused["in_flight"].as_u64().unwrap_or_default();
            output.line(match in_flight {
                0 => format!("{campaign} is paused: nothing of it is in flight"),
                _ => format!("{campaign} is paused: {in_flight} deliveries wait for their gateway's answer, nothing else leaves"),
            });
            if output.is_json() {
                output.json(&paused);
            }
        }
        Command::Resume { campaign } => {
            let path = format!("{}/resume", path(app, &campaign));
            let going = client.post(&path, &json!({})).await?.body;
            output.line(format!("{campaign} goes on"));
            if output.is_json() {
                output.json(&going);
            }
        }
        Command::Cancel { campaign } => {
            let path = format!("{}/cancel", path(app, &campaign));
            let cancelled = client.post(&path, &json!({})).await?.body;
            output.line(format!(
                "{campaign} is {}: {} deliveries were sent, {} made and not sent",
                shown(&cancelled, "/status"),
                shown(&cancelled, "/sent"),
                shown(&cancelled, "/not_sent")
            ));
            if output.is_json() {
                output.json(&cancelled);
            }
        }
    }
    Ok(())
}

fn path(app: &str, campaign: &str) -> String {
    format!("/v1/apps/{}/campaigns/{}", escape(app), escape(campaign))
}

/// The campaign in a file, with its name.
fn read(file: &std::path::Path, name: Option<String>) -> Result<Value, Failure> {
    let mut campaign = json_file::read(file)?;
    if name.is_some() || campaign["name"].is_null() {
        campaign["name"] = json!(json_file::name(name, file)?);
    }
    Ok(campaign)
}

/// Tells what one would be.
async fn try_out(
    client: &ApiClient,
    app: &str,
    file: &std::path::Path,
    name: Option<String>,
    output: Output,
) -> Result<(), Failure> {
    let path = format!("/v1/apps/{}/campaigns?dry_run=true", escape(app));
    let tried = client.post(&path, &read(file, name)?).await?.body;
    if output.is_json() {
        output.json(&tried);
    }
    let of = |pointer: &str| shown(&tried, pointer);
    let audience = match (&*of("/devices"), tried["audience"]["estimate"].as_u64()) {
        ("", Some(estimate)) => format!(
            "about {estimate} devices, {} to {}",
            of("/audience/low"),
            of("/audience/high")
        ),
        ("", None) => "not counted".to_owned(),
        (devices, _) => format!("{devices} devices"),
    };
    output.facts(&[
        ("plan", of("/plan")),
        ("begins", of("/begins_at")),
        ("audience", audience),
        ("source", of("/source")),
        ("first", of("/first")),
        (
            "tried",
            format!(
                "{} of {} devices can be written to",
                of("/renderable"),
                of("/sampled")
            ),
        ),
    ]);
    for (pointer, columns) in [
        ("/unreachable", &["devices", "rule", "examples"][..]),
        (
            "/failures",
            &[
                "devices", "code", "locale", "gateway", "message", "examples",
            ],
        ),
        (
            "/samples",
            &["device", "locale", "gateway", "bytes", "content"],
        ),
    ] {
        let entries = tried.pointer(pointer).and_then(Value::as_array);
        let entries = entries.map_or(&[][..], Vec::as_slice);
        if !entries.is_empty() {
            output.line("");
            let cell = |entry: &Value, column: &str| shown(entry, &format!("/{column}"));
            let row = |entry| columns.iter().map(|column| cell(entry, column)).collect();
            output.table(columns, entries.iter().map(row).collect());
        }
    }
    Ok(())
}

/// What came of reading its audience from a linked database.
fn source(campaign: &Value) -> String {
    let of = |name: &str| shown(campaign, &format!("/progress/source/{name}"));
    match (of("devices").as_str(), of("error").as_str()) {
        ("", "") => String::new(),
        ("", error) => format!("not read ({} times): {error}", of("failures")),
        (devices, _) => format!(
            "{devices} devices by {} rows: {} doubled, {} of nobody here, {} bad",
            of("rows"),
            of("doubled"),
            of("unknown"),
            of("bad")
        ),
    }
}

/// Starts one, and tells its id.
async fn create(
    client: &ApiClient,
    app: &str,
    file: &std::path::Path,
    name: Option<String>,
    idempotency_key: Option<String>,
    output: Output,
) -> Result<String, Failure> {
    let campaign = read(file, name)?;
    let path = format!("/v1/apps/{}/campaigns", escape(app));
    let headers: Vec<_> = idempotency_key
        .map(|key| ("Idempotency-Key", key))
        .into_iter()
        .collect();
    let text = client.post_text(&path, "application/json", &headers, campaign.to_string());
    let made: Value = serde_json::from_str(&text.await?).map_err(|error| {
        Failure::new(
            Exit::Software,
            format!("the server's answer is not JSON: {error}"),
        )
    })?;
    let id = shown(&made, "/id");
    let name = shown(&campaign, "/name");
    output.line(match &*shown(&made, "/send_at") {
        "" => format!("{name} has begun as {id}"),
        at => format!("{name} begins at {at}, as {id}"),
    });
    output.note(format!(
        "how far it is: carillon campaign watch --app {app} {name}"
    ));
    if output.is_json() {
        output.json(&made);
    }
    Ok(id)
}

fn list(all: &[Value], output: Output) {
    if output.is_json() {
        output.json(&json!({ "data": all }));
    }
    let row = |campaign: &Value| {
        [
            "/name",
            "/status",
            "/progress/audience",
            "/progress/deliveries/total",
            "/progress/deliveries/accepted",
            "/progress/time_left",
            "/accepted_at",
            "/id",
        ]
        .map(|pointer| shown(campaign, pointer))
        .to_vec()
    };
    output.table(
        &[
            "name",
            "status",
            "audience",
            "made",
            "accepted",
            "left",
            "accepted at",
            "id",
        ],
        all.iter().map(row).collect(),
    );
}

fn tell(campaign: &Value, output: Output) {
    let of = |pointer: &str| shown(campaign, pointer);
    output.facts(&[
        ("name", of("/name")),
        ("id", of("/id")),
        ("notification", of("/notification")),
        ("status", of("/status")),
        ("halted", of("/progress/halted/message")),
        ("accepted", of("/accepted_at")),
        ("begins", of("/send_at")),
        ("begun", of("/begun_at")),
        ("expires", of("/expires_at")),
        ("completed", of("/completed_at")),
        ("plan", of("/plan")),
        ("audience", of("/progress/audience")),
        ("source", source(campaign)),
        ("had no turn yet", of("/progress/left")),
        ("next slice", of("/progress/next_at")),
        ("time left", of("/progress/time_left")),
        ("deliveries", states(campaign)),
    ]);
    let lists = [
        (
            "/progress/failures",
            &["count", "state", "gateway", "reason"],
        ),
        ("/progress/waves", &["at", "devices", "left", ""]),
    ];
    for (pointer, columns) in lists {
        let entries = campaign.pointer(pointer).and_then(Value::as_array);
        let entries = entries.map_or(&[][..], Vec::as_slice);
        if !entries.is_empty() {
            output.line("");
            let row = |entry: &Value| {
                let cell = |column: &&str| shown(entry, &format!("/{column}"));
                let named = columns.iter().filter(|column| !column.is_empty());
                named.map(cell).collect()
            };
            let head: Vec<_> = columns.iter().copied().filter(|c| !c.is_empty()).collect();
            output.table(&head, entries.iter().map(row).collect());
        }
    }
}

/// `1000: accepted 990, rejected 10`.
fn states(campaign: &Value) -> String {
    let deliveries = &campaign["progress"]["deliveries"];
    let words = [
        "open",
        "accepted",
        "rejected",
        "failed",
        "unknown",
        "expired",
        "cancelled",
        "suppressed",
    ]
    .into_iter()
    .filter_map(|word| {
        let count = deliveries[word].as_u64().filter(|count| *count > 0)?;
        Some(format!("{word} {count}"))
    });
    let words: Vec<_> = words.collect();
    format!("{}: {}", deliveries["total"], words.join(", "))
        .trim_end_matches(": ")
        .to_owned()
}

/// Follows one until it is over: a bar on a terminal, with `--json` each line as it comes.
async fn watch(client: &ApiClient, path: &str, output: Output) -> Result<(), Failure> {
    let stream = format!("{path}/progress");
    let bar = output.progress("", None);
    let mut last = None;
    let mut lost = 0;
    loop {
        let mut has_come = false;
        let followed = client
            .follow(&stream, |data| {
                let Ok(campaign) = serde_json::from_str::<Value>(data) else {
                    return;
                };
                has_come = true;
                if output.is_json() {
                    output.json(&campaign);
                }
                show(&bar, &campaign);
                last = Some(campaign);
            })
            .await;
        lost = if has_come { 0 } else { lost + 1 };
        let is_over = last
            .as_ref()
            .is_some_and(|campaign| !campaign["completed_at"].is_null());
        match followed {
            _ if is_over => break,
            Ok(()) if lost < RECONNECTS => {}
            // A server that is being started again is waited for.
            Err(failure) if failure.exit == Exit::Unavailable && lost < RECONNECTS => {}
            Err(failure) => return Err(failure),
            Ok(()) => {
                return Err(Failure::new(
                    Exit::Unavailable,
                    "the stream keeps breaking off",
                ));
            }
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
    bar.finish_and_clear();
    if let Some(campaign) = last {
        output.line(format!(
            "{} is {}, {}",
            shown(&campaign, "/name"),
            shown(&campaign, "/status"),
            states(&campaign)
        ));
    }
    Ok(())
}

/// Moves the bar.
fn show(bar: &ProgressBar, campaign: &Value) {
    let progress = &campaign["progress"];
    let count = |name: &str| progress["deliveries"][name].as_u64().unwrap_or_default();
    bar.set_prefix(shown(campaign, "/name"));
    if let Some(audience) = progress["audience"].as_u64() {
        bar.set_length(audience);
    } else if progress["deliveries"]["complete"] == json!(true) {
        bar.set_length(count("total"));
    }
    bar.set_position(count("total") - count("open").min(count("total")));
    bar.set_message(message(campaign));
}

/// `sending, 120.5/s, 12m left, 3 failed`.
fn message(campaign: &Value) -> String {
    let progress = &campaign["progress"];
    let count = |name: &str| progress["deliveries"][name].as_u64().unwrap_or_default();
    let failed = count("rejected") + count("failed") + count("unknown") + count("expired");
    let mut words = vec![
        shown(campaign, "/status"),
        format!("{}/s", shown(progress, "/rate_per_second")),
    ];
    if let Some(left) = progress["time_left"].as_str() {
        words.push(format!("{left} left"));
    }
    if failed > 0 {
        words.push(format!("{failed} failed"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_as_people_read_it() {
        let campaign = json!({
            "name": "spring", "status": "sending",
            "progress": {
                "audience": 1000, "rate_per_second": 120.5, "time_left": "12m",
                "deliveries": {"total": 500, "open": 20, "accepted": 470, "rejected": 7, "failed": 3, "suppressed": 0}
            }
        });
        assert_eq!(message(&campaign), "sending, 120.5/s, 12m left, 10 failed");
        assert_eq!(
            states(&campaign),
            "500: open 20, accepted 470, rejected 7, failed 3"
        );
        let bar = ProgressBar::hidden();
        show(&bar, &campaign);
        assert_eq!((bar.position(), bar.length()), (480, Some(1_000)));
        let none = json!({"progress": {"deliveries": {"total": 0}}});
        assert_eq!(states(&none), "0");
    }
}
