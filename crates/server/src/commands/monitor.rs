//! `carillon monitor list|show|add|put|test|ack|pause|resume|maintenance|rotate-secret|delete`.

use super::definition::Definitions;
use super::sparkline::sparkline;
use super::{incident, json_file, monitor_change};
use crate::client::{ApiClient, ServerOptions};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Map, Value, json};
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
    /// The monitors of an App: how each is, and how it did
    List {
        /// Only those with this tag
        #[arg(long)]
        tag: Option<String>,
    },
    /// One: how it is, what came of the last check, its incident
    #[command(alias = "get")]
    Show {
        /// Its name
        monitor: String,
    },
    /// Make one from a few words, or replace it; `put` takes everything there is
    Add(Box<Add>),
    /// Make one, or change it, from a file
    Put {
        /// A file with its definition (JSON), or - for stdin
        file: PathBuf,
        /// Its name; without, the file's
        #[arg(long)]
        name: Option<String>,
    },
    /// Make one attempt, and say what came of it; nothing is stored and nobody paged
    Test {
        /// Its name
        #[arg(required_unless_present = "file")]
        monitor: Option<String>,
        /// Instead: a file with a definition (JSON) that is not stored, or - for stdin
        #[arg(long, conflicts_with = "monitor")]
        file: Option<PathBuf>,
    },
    /// Take its open incident in hand: nobody is paged any more
    Ack {
        /// Its name
        monitor: String,
        #[command(flatten)]
        by: incident::By,
    },
    /// Let one rest: nothing is checked, nobody is paged, and an incident that is open is closed
    Pause {
        /// Its name
        monitor: String,
    },
    /// Let one go on
    Resume {
        /// Its name
        monitor: String,
    },
    /// Say when it may be down on purpose: nobody is paged then. With its name alone, print these times
    Maintenance(Box<monitor_change::Maintenance>),
    /// Make another secret address for a heartbeat; the former one ends within a second or so
    RotateSecret {
        /// Its name
        monitor: String,
    },
    /// Delete one, with its incidents
    #[command(alias = "remove")]
    Delete {
        /// Its name
        monitor: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name: 1 to 64 of A-Z a-z 0-9 . _ : @ -
    monitor: String,
    /// What is looked at: https://…, http://…, tcp://HOST:PORT, tls://HOST or tls://HOST:PORT, dns://NAME, ping://HOST; or
    /// heartbeat:PERIOD, e.g. heartbeat:1d
    #[arg(value_parser = check)]
    target: Value,
    /// The time from one check to the next, e.g. 30s
    #[arg(long, value_name = "DURATION")]
    every: Option<String>,
    /// Failed checks in a row before it is an incident
    #[arg(long)]
    failures: Option<u16>,
    /// Who is paged: a ladder's name
    #[arg(long)]
    ladder: Option<String>,
    /// How bad it is: info, warning or critical
    #[arg(long)]
    severity: Option<String>,
    /// For people and filters; may be given again
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// A monitor without which it cannot be up; may be given again
    #[arg(long = "depends-on", value_name = "MONITOR")]
    depends_on: Vec<String>,
    /// It may look at addresses that are not public, where the server's configuration lets it
    #[arg(long)]
    private: bool,
    /// For people
    #[arg(long)]
    description: Option<String>,
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let monitors = Definitions {
        client: &client,
        app,
        noun: "monitors",
        output,
    };
    match args.command {
        Command::List { tag } => list(&client, app, tag.as_deref(), output).await?,
        Command::Show { monitor } => show(&client.get(&monitors.one(&monitor)).await?, output),
        Command::Add(add) => {
            let stored = monitors.put(&add.monitor, &add.definition()).await?;
            address(&client, &stored, output);
        }
        Command::Put { file, name } => {
            let (_, stored) = monitors.put_file(name, &file).await?;
            address(&client, &stored, output);
        }
        Command::Test { monitor, file } => {
            let (path, body) = match (monitor, file) {
                (Some(monitor), _) => (format!("{}/test", monitors.one(&monitor)), json!({})),
                (None, Some(file)) => (format!("{}/test", monitors.all()), json_file::read(&file)?),
                (None, None) => {
                    return Err(Failure::new(Exit::Usage, "which monitor is missing").into());
                }
            };
            tested(&client.post(&path, &body).await?.body, output)?;
        }
        Command::Ack { monitor, by } => {
            let no = open_incident(&client, app, &monitor).await?;
            let incidents = incident::Incidents {
                client: &client,
                app,
                output,
            };
            incidents.acknowledge(&monitor, no, &by).await?;
        }
        Command::Pause { monitor } => monitor_change::pause(&monitors, &monitor).await?,
        Command::Resume { monitor } => monitor_change::resume(&monitors, &monitor).await?,
        Command::Maintenance(asked) => monitor_change::maintenance(&monitors, &asked).await?,
        Command::RotateSecret { monitor } => {
            let path = format!("{}/rotate-secret", monitors.one(&monitor));
            let stored = client.post(&path, &json!({})).await?.body;
            if output.is_json() {
                output.json(&stored);
            }
            address(&client, &stored, output);
        }
        Command::Delete { monitor } => monitors.delete(&monitor).await?,
    }
    Ok(())
}

impl Add {
    fn definition(&self) -> Value {
        let mut definition = Map::new();
        let texts = |texts: &[String]| (!texts.is_empty()).then(|| json!(texts));
        for (key, value) in [
            ("check", Some(self.target.clone())),
            ("interval", self.every.as_ref().map(|text| json!(text))),
            ("failures", self.failures.map(Value::from)),
            ("ladder", self.ladder.as_ref().map(|text| json!(text))),
            ("severity", self.severity.as_ref().map(|text| json!(text))),
            ("tags", texts(&self.tags)),
            ("depends_on", texts(&self.depends_on)),
            ("private_target", self.private.then_some(json!(true))),
            (
                "description",
                self.description.as_ref().map(|text| json!(text)),
            ),
        ] {
            definition.extend(value.map(|value| (key.to_owned(), value)));
        }
        Value::Object(definition)
    }
}

/// A target as people type it, as a check.
fn check(text: &str) -> Result<Value, String> {
    let expected = || {
        format!(
            "expected https://…, http://…, tcp://HOST:PORT, tls://HOST[:PORT], dns://NAME, ping://HOST or heartbeat:PERIOD, found {text:?}"
        )
    };
    if let Some(period) = text.strip_prefix("heartbeat:") {
        return Ok(json!({ "heartbeat": { "period": period } }));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let place = |text: &str| {
        let (host, port) = text.rsplit_once(':')?;
        let is_whole = !host.contains(':') || host.ends_with(']');
        Some((host.to_owned(), port.parse::<u16>().ok()?)).filter(|_| is_whole)
    };
    match scheme {
        "http" | "https" => Ok(json!({ "http": { "url": text } })),
        "tcp" => {
            let (host, port) = place(rest).ok_or_else(expected)?;
            Ok(json!({ "tcp": { "host": host, "port": port } }))
        }
        "tls" => Ok(match place(rest) {
            Some((host, port)) => json!({ "tls": { "host": host, "port": port } }),
            None => json!({ "tls": { "host": rest } }),
        }),
        "dns" => Ok(json!({ "dns": { "name": rest } })),
        "ping" | "icmp" => Ok(json!({ "icmp": { "host": rest } })),
        _ => Err(expected()),
    }
}

async fn list(
    client: &ApiClient,
    app: &str,
    tag: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let tag = tag.map_or_else(String::new, |tag| {
        format!("?tag={}", crate::client::escape(tag))
    });
    let path = format!("/v1/apps/{}/status{tag}", crate::client::escape(app));
    let all = client.list(&path, usize::MAX).await?;
    if output.is_json() {
        output.json(&json!({ "data": all }));
    }
    let heads = [
        "name",
        "state",
        "since",
        "uptime 24h",
        "p95",
        "last 24 h",
        "",
    ];
    output.table(&heads, all.iter().map(row).collect());
    Ok(())
}

fn row(monitor: &Value) -> Vec<String> {
    let windows = monitor["windows"].as_array().map_or(&[][..], Vec::as_slice);
    let day = windows.iter().find(|window| window["name"] == "1d");
    let day = day.unwrap_or(&Value::Null);
    let with = |value: String, unit: &str| match value.is_empty() {
        true => value,
        false => format!("{value} {unit}"),
    };
    let hours = monitor["hours"].as_array().map_or(&[][..], Vec::as_slice);
    vec![
        shown(monitor, "/name"),
        shown(monitor, "/state"),
        whole_seconds(&shown(monitor, "/since")),
        with(shown(day, "/uptime_percent"), "%"),
        with(shown(day, "/p95_ms"), "ms"),
        sparkline(hours),
        match monitor["incident"].is_null() {
            true => shown(monitor, "/description"),
            false => in_hand(&monitor["incident"]),
        },
    ]
}

/// `incident 3: status 503, expected 2xx; ann is on it`.
fn in_hand(incident: &Value) -> String {
    let (no, fault) = (shown(incident, "/no"), shown(incident, "/fault/message"));
    let who = match shown(incident, "/acknowledged/by") {
        by if by.is_empty() => String::new(),
        by => format!("; {by} is on it"),
    };
    format!("incident {no}: {fault}{who}")
}

/// An instant without its milliseconds.
pub(super) fn whole_seconds(at: &str) -> String {
    match at.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => at.to_owned(),
    }
}

fn show(monitor: &Value, output: Output) {
    if output.is_json() {
        output.json(monitor);
        return;
    }
    let elapsed = match shown(monitor, "/last/elapsed_ms") {
        ms if ms.is_empty() => ms,
        ms => format!(" in {ms} ms"),
    };
    let fault = match shown(monitor, "/last/fault/message") {
        fault if fault.is_empty() => fault,
        fault => format!(": {fault}"),
    };
    let held = match (
        &*shown(monitor, "/hold/why"),
        shown(monitor, "/hold/monitor"),
    ) {
        ("dependency", name) => format!("nobody is paged: {name} is not up"),
        ("maintenance", _) => "nobody is paged: there is maintenance".to_owned(),
        _ => String::new(),
    };
    let check = monitor["definition"]["check"].as_object();
    let check = check.and_then(|check| check.iter().next());
    let check = check.map(|(kind, what)| format!("{kind} {}", target(what)));
    output.facts(&[
        ("monitor", shown(monitor, "/name")),
        ("check", check.unwrap_or_default()),
        ("ladder", shown(monitor, "/definition/ladder")),
        ("state", shown(monitor, "/state")),
        ("paused", shown(monitor, "/definition/paused")),
        ("since", shown(monitor, "/since")),
        ("last check", shown(monitor, "/last/at")),
        (
            "it said",
            format!("{}{elapsed}{fault}", shown(monitor, "/last/verdict")),
        ),
        ("next check", shown(monitor, "/next_check_at")),
        ("last heard of", shown(monitor, "/heard/at")),
        ("due before", shown(monitor, "/heard/due_at")),
        ("tell it at", shown(monitor, "/heartbeat_url")),
        ("held", held),
        (
            "incident",
            match monitor["incident"].is_null() {
                true => String::new(),
                false => in_hand(&monitor["incident"]),
            },
        ),
        ("next page", shown(monitor, "/incident/next_page_at")),
    ]);
}

/// What a check looks at, in a word.
fn target(what: &Value) -> String {
    let of = |key: &str| shown(what, &format!("/{key}"));
    let keys = ["url", "host", "name", "period", "cron"];
    keys.into_iter()
        .map(of)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Where a job tells that it ran.
fn address(client: &ApiClient, stored: &Value, output: Output) {
    let path = shown(stored, "/heartbeat_url");
    if !path.is_empty() {
        output.line(format!(
            "its job tells that it ran: curl -fsS {}{path}",
            client.base()
        ));
    }
}

/// The number of a monitor's open incident, asked for where a key that may acknowledge may ask too.
async fn open_incident(client: &ApiClient, app: &str, monitor: &str) -> Result<u64, Failure> {
    let (app, name) = (crate::client::escape(app), crate::client::escape(monitor));
    let path = format!("/v1/apps/{app}/incidents?monitor={name}&open=true");
    let open = client.list(&path, 1).await?;
    let no = open.first().and_then(|incident| incident["no"].as_u64());
    no.ok_or_else(|| {
        let message = format!("{monitor} has no incident that is open");
        Failure::new(Exit::Data, message)
    })
}

/// What came of one attempt; down is an answer, and an exit code.
fn tested(result: &Value, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        output.json(result);
    }
    let verdict = shown(result, "/verdict");
    output.facts(&[
        ("verdict", verdict.clone()),
        ("fault", shown(result, "/fault/message")),
        (
            "took",
            match shown(result, "/elapsed_ms") {
                ms if ms.is_empty() => ms,
                ms => format!("{ms} ms"),
            },
        ),
        ("certificate until", shown(result, "/certificate_until")),
    ]);
    match &*verdict {
        "up" => Ok(()),
        other => Err(Failure::new(Exit::Trouble, format!("it is {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_as_people_type_them() {
        for (text, expected) in [
            (
                "https://shop.example.com/health",
                json!({"http": {"url": "https://shop.example.com/health"}}),
            ),
            (
                "tcp://db:5432",
                json!({"tcp": {"host": "db", "port": 5432}}),
            ),
            (
                "tcp://[2001:db8::1]:22",
                json!({"tcp": {"host": "[2001:db8::1]", "port": 22}}),
            ),
            (
                "tls://mail.example.com:465",
                json!({"tls": {"host": "mail.example.com", "port": 465}}),
            ),
            ("tls://example.com", json!({"tls": {"host": "example.com"}})),
            ("dns://example.com", json!({"dns": {"name": "example.com"}})),
            ("ping://192.0.2.1", json!({"icmp": {"host": "192.0.2.1"}})),
            ("heartbeat:1d", json!({"heartbeat": {"period": "1d"}})),
        ] {
            assert_eq!(check(text), Ok(expected), "{text}");
        }
        for bad in ["shop.example.com", "tcp://db", "tcp://db:x", "ftp://a", ""] {
            assert!(
                check(bad).unwrap_err().contains("expected https://"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_monitor_in_a_row() {
        let monitor = json!({
            "name": "shop", "state": "acknowledged", "since": "2026-11-29T10:00:00.123Z", "description": "the shop",
            "windows": [{"name": "1h", "uptime_percent": 0.0, "p95_ms": null},
                        {"name": "1d", "uptime_percent": 99.1, "p95_ms": 120}],
            "hours": [{"p95_ms": 10, "down_ms": 0, "uptime_percent": 100.0}],
            "incident": {"no": 3, "fault": {"message": "status 503"}, "acknowledged": {"by": "ann"}}
        });
        let expected = [
            "shop",
            "acknowledged",
            "2026-11-29T10:00:00Z",
            "99.1 %",
            "120 ms",
            "▁",
            "incident 3: status 503; ann is on it",
        ];
        assert_eq!(row(&monitor), expected);
        let fresh = json!({"name": "new", "state": "waiting", "since": null, "description": "",
                           "windows": [], "hours": [], "incident": null});
        assert_eq!(row(&fresh), ["new", "waiting", "", "", "", "", ""]);
    }
}
