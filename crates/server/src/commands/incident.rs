//! `carillon incident list|show|ack|unack|snooze|resolve`.

use super::monitor::whole_seconds;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};

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

/// Who says so.
#[derive(Debug, clap::Args)]
pub(crate) struct By {
    /// Who says so: a user's id; without, who is at this machine
    #[arg(long, env = "USER")]
    by: Option<String>,
}

/// Which incident.
#[derive(Debug, clap::Args)]
struct Which {
    /// Its monitor's name
    monitor: String,
    /// Its number
    no: u64,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Incidents of an App, the latest first
    List {
        /// Only those of this monitor
        #[arg(long)]
        monitor: Option<String>,
        /// Only those that are open
        #[arg(long)]
        open: bool,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// One, with everything that happened to it
    #[command(alias = "get")]
    Show(Which),
    /// Take one in hand: nobody is paged any more
    Ack {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        by: By,
    },
    /// Give one back: the ladder begins anew
    Unack {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        by: By,
    },
    /// Put the next page off
    Snooze {
        #[command(flatten)]
        which: Which,
        /// For how long: 1m to 1d
        #[arg(long = "for", value_name = "DURATION")]
        time: String,
        #[command(flatten)]
        by: By,
    },
    /// Close one
    Resolve {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        by: By,
    },
}

/// The incidents of an App, at its server.
pub(super) struct Incidents<'a> {
    pub(super) client: &'a ApiClient,
    pub(super) app: &'a str,
    pub(super) output: Output,
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    let incidents = Incidents {
        client: &client,
        app,
        output,
    };
    match args.command {
        Command::List {
            monitor,
            open,
            limit,
        } => incidents.list(monitor.as_deref(), open, limit).await?,
        Command::Show(which) => {
            let path = incidents.one(&which.monitor, which.no);
            story(&client.get(&path).await?, output);
        }
        Command::Ack { which, by } => {
            incidents.acknowledge(&which.monitor, which.no, &by).await?;
        }
        Command::Unack { which, by } => {
            let body = json!({ "by": by.name()? });
            incidents
                .go(&which, "unacknowledge", &body, "given back")
                .await?;
        }
        Command::Snooze { which, time, by } => {
            let body = json!({ "by": by.name()?, "for": time });
            incidents.go(&which, "snooze", &body, "put off").await?;
        }
        Command::Resolve { which, by } => {
            let body = json!({ "by": by.name()? });
            incidents.go(&which, "resolve", &body, "closed").await?;
        }
    }
    Ok(())
}

impl By {
    fn name(&self) -> Result<&str, Failure> {
        let name = self.by.as_deref().filter(|name| !name.is_empty());
        name.ok_or_else(|| {
            Failure::new(Exit::Usage, "who says so is missing").mend("say it with --by")
        })
    }
}

impl Incidents<'_> {
    fn all(&self) -> String {
        format!("/v1/apps/{}/incidents", escape(self.app))
    }

    fn one(&self, monitor: &str, no: u64) -> String {
        format!("{}/{}/{no}", self.all(), escape(monitor))
    }

    /// Takes one in hand.
    pub(super) async fn acknowledge(&self, monitor: &str, no: u64, by: &By) -> Result<(), Failure> {
        let by = by.name()?;
        let path = format!("{}/acknowledge", self.one(monitor, no));
        let moved = self.client.post(&path, &json!({ "by": by })).await?.body;
        let line = format!("incident {no} of {monitor} is in hand: {by} is on it");
        self.tell(&moved, &line);
        Ok(())
    }

    async fn go(&self, which: &Which, word: &str, body: &Value, done: &str) -> Result<(), Failure> {
        let path = format!("{}/{word}", self.one(&which.monitor, which.no));
        let moved = self.client.post(&path, body).await?.body;
        let line = format!("incident {} of {} is {done}", which.no, which.monitor);
        self.tell(&moved, &line);
        Ok(())
    }

    fn tell(&self, moved: &Value, line: &str) {
        self.output.line(line);
        if self.output.is_json() {
            self.output.json(moved);
        }
    }

    async fn list(&self, monitor: Option<&str>, open: bool, limit: usize) -> Result<(), Failure> {
        let mut filters = Vec::new();
        filters.extend(monitor.map(|monitor| format!("monitor={}", escape(monitor))));
        filters.extend(open.then(|| "open=true".to_owned()));
        let path = match filters.is_empty() {
            true => self.all(),
            false => format!("{}?{}", self.all(), filters.join("&")),
        };
        let all = self.client.list(&path, limit).await?;
        if self.output.is_json() {
            self.output.json(&json!({ "data": all }));
        }
        let row = |incident: &Value| {
            vec![
                shown(incident, "/monitor"),
                shown(incident, "/no"),
                state(incident),
                whole_seconds(&shown(incident, "/opened_at")),
                shown(incident, "/resolved/lasted"),
                shown(incident, "/pages"),
                shown(incident, "/acknowledged/by"),
                shown(incident, "/fault/message"),
            ]
        };
        let heads = [
            "monitor", "no", "state", "opened", "lasted", "pages", "in hand", "fault",
        ];
        self.output.table(&heads, all.iter().map(row).collect());
        Ok(())
    }
}

fn state(incident: &Value) -> String {
    let state = shown(incident, "/state");
    match incident["is_given_up"] == json!(true) && state == "firing" {
        true => "given up".to_owned(),
        false => state,
    }
}

/// An incident with its entries.
fn story(incident: &Value, output: Output) {
    if output.is_json() {
        output.json(incident);
        return;
    }
    output.facts(&[
        ("monitor", shown(incident, "/monitor")),
        ("incident", shown(incident, "/no")),
        ("state", state(incident)),
        ("opened", shown(incident, "/opened_at")),
        ("fault", shown(incident, "/fault/message")),
        ("in hand", shown(incident, "/acknowledged/by")),
        ("lasted", shown(incident, "/resolved/lasted")),
    ]);
    let entries = incident["entries"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let mut rows = Vec::new();
    for entry in entries {
        rows.push(vec![
            shown(entry, "/at"),
            shown(entry, "/said"),
            String::new(),
            String::new(),
        ]);
        let told = entry["told"].as_array().into_iter().flatten();
        rows.extend(told.map(|told| {
            vec![
                String::new(),
                format!("  {}", shown(told, "/user")),
                match shown(told, "/device") {
                    device if device.is_empty() => "has no device".to_owned(),
                    device => device,
                },
                means(told),
            ]
        }));
    }
    output.table(&["when", "what", "device", "how"], rows);
}

/// `critical (not rung: it has no VoIP push token)`.
fn means(told: &Value) -> String {
    let how = shown(told, "/how");
    let why = [shown(told, "/instead"), shown(told, "/detour")];
    let why: Vec<String> = why.into_iter().filter(|why| !why.is_empty()).collect();
    match why.join("; ") {
        why if why.is_empty() => how,
        why => format!("{how} ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_an_incident() {
        let told = json!({"user": "ann", "how": "critical", "instead": "not rung: it has no VoIP push token"});
        assert_eq!(
            means(&told),
            "critical (not rung: it has no VoIP push token)"
        );
        assert_eq!(
            means(&json!({"user": "ann", "how": "ring", "instead": null})),
            "ring"
        );
        assert_eq!(
            state(&json!({"state": "firing", "is_given_up": true})),
            "given up"
        );
        assert_eq!(
            state(&json!({"state": "resolved", "is_given_up": true})),
            "resolved"
        );
        let nobody = By {
            by: Some(String::new()),
        };
        assert_eq!(nobody.name().unwrap_err().exit, Exit::Usage);
    }
}
