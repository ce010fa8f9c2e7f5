//! `carillon notification show|list|scheduled|reschedule|cancel`.

use super::when::When;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::time::Duration;

/// Pause between two looks at a notification that is being waited for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    /// One notification, and how its deliveries stand
    Show {
        /// Its id: ntf_…
        id: String,
        /// Also list its deliveries, at most so many
        #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "100")]
        deliveries: Option<usize>,
        /// Only deliveries in this state, e.g. rejected
        #[arg(long, requires = "deliveries")]
        state: Option<String>,
        /// Wait until every delivery is final
        #[arg(long)]
        wait: bool,
    },
    /// The newest notifications
    List {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// What is coming, the soonest first
    Scheduled {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Instead: those whose time came and that could not be sent
        #[arg(long)]
        set_aside: bool,
    },
    /// Send one that waits for its time at another time
    Reschedule {
        /// Its id: ntf_…
        id: String,
        #[command(flatten)]
        when: When,
    },
    /// Take back what is not sent yet
    Cancel {
        /// Its id: ntf_…
        id: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    match args.command {
        Command::Show {
            id,
            deliveries,
            state,
            wait: is_waiting,
        } => {
            let mut notification = if is_waiting {
                wait(&client, app, &id, output).await?
            } else {
                client.get(&path(app, &id)).await?
            };
            if !output.is_json() {
                tell(&notification, output);
            }
            if let Some(limit) = deliveries {
                let mut list = format!("{}/deliveries", path(app, &id));
                if let Some(state) = state {
                    list.push_str(&format!("?state={}", escape(&state)));
                }
                let all = client.list(&list, limit).await?;
                output.line("");
                tell_deliveries(&all, output);
                notification["delivery_list"] = json!(all);
            }
            if output.is_json() {
                output.json(&notification);
            }
        }
        Command::List { limit } => {
            let all = client
                .list(&format!("/v1/apps/{}/notifications", escape(app)), limit)
                .await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let rows = all.iter().map(|notification| {
                [
                    "/id",
                    "/status",
                    "/options/push_type",
                    "/deliveries/total",
                    "/deliveries/accepted",
                    "/deliveries/open",
                    "/accepted_at",
                ]
                .map(|pointer| shown(notification, pointer))
                .to_vec()
            });
            output.table(
                &[
                    "notification",
                    "status",
                    "push type",
                    "deliveries",
                    "accepted",
                    "open",
                    "accepted at",
                ],
                rows.collect(),
            );
        }
        Command::Scheduled { limit, set_aside } => {
            let status = if set_aside { "set_aside" } else { "scheduled" };
            let list = format!("/v1/apps/{}/notifications?status={status}", escape(app));
            let all = client.list(&list, limit).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let rows = all.iter().map(|notification| {
                [
                    "/id",
                    "/send_at",
                    "/options/push_type",
                    "/trouble/message",
                    "/accepted_at",
                ]
                .map(|pointer| shown(notification, pointer))
                .to_vec()
            });
            let head = [
                "notification",
                "send at",
                "push type",
                "trouble",
                "accepted at",
            ];
            output.table(&head, rows.collect());
        }
        Command::Reschedule { id, when } => {
            let send_at = when.send_at()?.ok_or_else(|| {
                Failure::new(Exit::Usage, "--at or --in is missing")
                    .mend("say when it is to be sent, e.g. --at \"tomorrow 10:00\"")
            })?;
            let mut change = json!({ "send_at": send_at });
            if let Some(if_past) = when.if_past() {
                change["if_past"] = json!(if_past);
            }
            let answer = client
                .call(reqwest::Method::PATCH, &path(app, &id), Some(&change))
                .await?
                .body;
            if output.is_json() {
                output.json(&answer);
            }
            output.line(format!("{id} is sent at {}", shown(&answer, "/send_at")));
        }
        Command::Cancel { id } => {
            let cancel = format!("{}/cancel", path(app, &id));
            let mut answer = client
                .call(reqwest::Method::POST, &cancel, None)
                .await?
                .body;
            // 202: somebody who holds work of it has not confirmed yet. Asking again is harmless.
            for _ in 0..50 {
                if answer["status"] == json!("cancelled") {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
                answer = client
                    .call(reqwest::Method::POST, &cancel, None)
                    .await?
                    .body;
            }
            if output.is_json() {
                output.json(&answer);
                return Ok(());
            }
            // A cancel that came too late is answered like any other: the notification says how it ended.
            let notification = client.get(&path(app, &id)).await?;
            output.line(format!(
                "{id} is {}: {} not sent, {} sent before",
                shown(&notification, "/status"),
                shown(&answer, "/not_sent"),
                shown(&answer, "/sent"),
            ));
        }
    }
    Ok(())
}

fn path(app: &str, id: &str) -> String {
    format!("/v1/apps/{}/notifications/{}", escape(app), escape(id))
}

/// Looks until every delivery is final; a progress bar follows.
pub(crate) async fn wait(
    client: &ApiClient,
    app: &str,
    id: &str,
    output: Output,
) -> Result<Value, Failure> {
    let bar = output.progress("deliveries", Some(0));
    loop {
        let notification = client.get(&path(app, id)).await?;
        let count = |name: &str| notification["deliveries"][name].as_u64().unwrap_or(0);
        bar.set_length(count("total"));
        bar.set_position(count("total") - count("open").min(count("total")));
        if !notification["completed_at"].is_null() {
            bar.finish_and_clear();
            return Ok(notification);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A notification for people.
pub(crate) fn tell(notification: &Value, output: Output) {
    output.facts(&[
        ("notification", shown(notification, "/id")),
        ("status", shown(notification, "/status")),
        ("push type", shown(notification, "/options/push_type")),
        ("accepted at", shown(notification, "/accepted_at")),
        ("send at", shown(notification, "/send_at")),
        ("trouble", shown(notification, "/trouble/message")),
        ("expires at", shown(notification, "/expires_at")),
        ("completed at", shown(notification, "/completed_at")),
        ("deliveries", shown(notification, "/deliveries/total")),
    ]);
    for state in [
        "open",
        "accepted",
        "rejected",
        "failed",
        "unknown",
        "expired",
        "cancelled",
        "suppressed",
    ] {
        let count = shown(&notification["deliveries"], &format!("/{state}"));
        if !count.is_empty() && count != "0" {
            output.line(format!("  {state:10} {count}"));
        }
    }
}

/// Deliveries for people.
pub(crate) fn tell_deliveries(all: &[Value], output: Output) {
    let rows = all.iter().map(|delivery| {
        [
            "/id",
            "/device_id",
            "/state",
            "/suppressed_by",
            "/next_attempt_at",
        ]
        .map(|pointer| shown(delivery, pointer))
        .to_vec()
    });
    output.table(
        &["delivery", "device", "state", "rule", "next try"],
        rows.collect(),
    );
}
