//! `carillon app list|put|show|delete`.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::output::{Output, shown};
use serde_json::{Value, json};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All Apps
    List,
    /// Make an App, or replace its name and settings: what is not given gets its default again
    Put {
        /// Its id: 1 to 64 of A-Z a-z 0-9 . _ : @ -
        app: String,
        /// A name for people
        #[arg(long)]
        name: Option<String>,
        /// Its share of sending when several Apps have work: 1 to 100
        #[arg(long)]
        weight: Option<u32>,
        /// How many of its pushes may leave in a second, and at once: total, apns, fcm or webpush; may be
        /// given for each
        #[arg(long = "rate", value_name = "WHICH=PER_SECOND[/BURST]", value_parser = rate)]
        rates: Vec<(String, Value)>,
        /// Attempts in all for one delivery
        #[arg(long)]
        max_attempts: Option<u16>,
        /// Longest time from acceptance to the last attempt, e.g. 1d
        #[arg(long)]
        max_age: Option<String>,
        /// Days until a device that was not seen is stale; 0: never
        #[arg(long, value_name = "DAYS")]
        stale_after_days: Option<u32>,
        /// Days until a device that was not seen is deleted; without it never
        #[arg(long, value_name = "DAYS")]
        delete_stale_after_days: Option<u32>,
        /// Most devices of one user; 0: no limit
        #[arg(long)]
        max_devices_per_user: Option<u32>,
        /// Show everybody, at /status/APP, whether its monitors are up
        #[arg(long)]
        public_status: bool,
    },
    /// One App, and what keeps its pushes from going out
    Show {
        /// Its id
        app: String,
    },
    /// Delete an App with all it has
    Delete {
        /// Its id
        app: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    match args.command {
        Command::List => {
            let apps = client.list("/v1/apps", usize::MAX).await?;
            if output.is_json() {
                output.json(&json!({ "data": apps }));
            }
            let rows = apps.iter().map(|app| {
                let problems = app["problems"].as_array().map_or(0, Vec::len);
                vec![
                    shown(app, "/id"),
                    shown(app, "/name"),
                    if problems == 0 {
                        "fine".into()
                    } else {
                        format!("{problems} problems")
                    },
                    shown(app, "/created_at"),
                ]
            });
            output.table(&["app", "name", "state", "made"], rows.collect());
        }
        Command::Put {
            app,
            name,
            weight,
            rates,
            max_attempts,
            max_age,
            stale_after_days,
            delete_stale_after_days,
            max_devices_per_user,
            public_status,
        } => {
            let mut body = json!({ "name": name.unwrap_or_else(|| app.clone()) });
            let mut settings = serde_json::Map::new();
            for (key, value) in [
                ("weight", weight.map(Value::from)),
                (
                    "rates",
                    (!rates.is_empty()).then(|| rates.into_iter().collect()),
                ),
                ("max_attempts", max_attempts.map(Value::from)),
                ("max_age", max_age.map(Value::from)),
                ("stale_after_days", stale_after_days.map(Value::from)),
                (
                    "delete_stale_after_days",
                    delete_stale_after_days.map(Value::from),
                ),
                (
                    "max_devices_per_user",
                    max_devices_per_user.map(Value::from),
                ),
                (
                    "status_page",
                    public_status.then(|| json!({ "public": true })),
                ),
            ] {
                settings.extend(value.map(|value| (key.to_owned(), value)));
            }
            if !settings.is_empty() {
                body["settings"] = Value::Object(settings);
            }
            let answer = client.put(&path(&app), &body).await?;
            let done = if answer.status == 201 {
                "made"
            } else {
                "changed"
            };
            tell(output, &answer.body, Some(done));
        }
        Command::Show { app } => tell(output, &client.get(&path(&app)).await?, None),
        Command::Delete { app } => {
            client.delete(&path(&app)).await?;
            output.line(format!("{app} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": app }));
            }
        }
    }
    Ok(())
}

fn path(app: &str) -> String {
    format!("/v1/apps/{}", escape(app))
}

/// `total=500/1000`: which, how many in a second, how many at once.
fn rate(text: &str) -> Result<(String, Value), String> {
    let expected = "expected WHICH=PER_SECOND[/BURST], e.g. total=500 or apns=100/20";
    let (which, rate) = text.split_once('=').ok_or(expected)?;
    let (per_second, burst) = match rate.split_once('/') {
        Some((per_second, burst)) => (per_second, Some(burst)),
        None => (rate, None),
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| expected.to_owned());
    let mut rate = json!({ "per_second": number(per_second)? });
    if let Some(burst) = burst {
        rate["burst"] = number(burst)?.into();
    }
    Ok((which.to_owned(), rate))
}

fn shown_rates(rates: &Value) -> String {
    let set = rates.as_object().into_iter().flatten();
    let set = set
        .filter(|(_, rate)| !rate.is_null())
        .map(|(which, rate)| {
            let burst = &rate["burst"];
            let burst = if burst.is_null() {
                String::new()
            } else {
                format!("/{burst}")
            };
            format!("{which}={}{burst}", rate["per_second"])
        });
    let set: Vec<_> = set.collect();
    if set.is_empty() {
        "none".into()
    } else {
        set.join(" ")
    }
}

fn tell(output: Output, app: &Value, done: Option<&str>) {
    if output.is_json() {
        output.json(app);
        return;
    }
    if let Some(done) = done {
        output.line(format!("{} is {done}", shown(app, "/id")));
    }
    output.facts(&[
        ("app", shown(app, "/id")),
        ("name", shown(app, "/name")),
        ("weight", shown(app, "/settings/weight")),
        ("rates", shown_rates(&app["settings"]["rates"])),
        ("max attempts", shown(app, "/settings/max_attempts")),
        ("max age", shown(app, "/settings/max_age")),
        ("stale after days", shown(app, "/settings/stale_after_days")),
        (
            "deleted after days",
            shown(app, "/settings/delete_stale_after_days"),
        ),
        (
            "max devices per user",
            shown(app, "/settings/max_devices_per_user"),
        ),
        ("made", shown(app, "/created_at")),
        ("changed", shown(app, "/updated_at")),
    ]);
    for problem in app["problems"].as_array().into_iter().flatten() {
        output.line(format!(
            "\n{} in {} since {}\n  what to do: {}",
            shown(problem, "/reason"),
            shown(problem, "/environment"),
            shown(problem, "/since"),
            shown(problem, "/mend"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_shown_alike() {
        for (text, read) in [
            ("total=500", json!({"per_second": 500})),
            ("apns=100/20", json!({"per_second": 100, "burst": 20})),
        ] {
            let (which, rate) = rate(text).unwrap();
            assert_eq!(rate, read);
            let mut rates = json!({"total": null, "apns": null});
            rates[which] = rate;
            assert_eq!(shown_rates(&rates), text);
        }
        for bad in ["500", "total", "total=", "total=x", "apns=1/", "apns=-1"] {
            assert!(rate(bad).unwrap_err().contains("apns=100/20"), "{bad}");
        }
        assert_eq!(shown_rates(&json!({"total": null})), "none");
    }
}
