//! `carillon user preferences|badge`.

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

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// What a user wants to get, and when; with options, change it
    Preferences(Preferences),
    /// A user's badge counter
    Badge {
        /// The user, as devices name him
        user: String,
        /// Set it; 0 when he has seen everything
        #[arg(long, value_name = "NUMBER")]
        set: Option<u32>,
    },
}

#[derive(Debug, clap::Args)]
struct Preferences {
    /// The user, as devices name him
    user: String,
    /// Switch a category on (repeat)
    #[arg(long, value_name = "CATEGORY")]
    on: Vec<String>,
    /// Switch a category off (repeat)
    #[arg(long, value_name = "CATEGORY")]
    off: Vec<String>,
    /// Quiet hours, e.g. 22:00-08:00, or none
    #[arg(long, value_name = "FROM-TO")]
    quiet_hours: Option<String>,
    /// What becomes of what comes in quiet hours
    #[arg(long, default_value = "hold", value_parser = ["hold", "suppress"], requires = "quiet_hours")]
    quiet_mode: String,
    /// IANA zone of the quiet hours, e.g. Asia/Seoul; without, the device's
    #[arg(long, requires = "quiet_hours")]
    time_zone: Option<String>,
    /// Nothing until this instant (RFC 3339), or now to end it
    #[arg(long, value_name = "INSTANT")]
    mute_until: Option<String>,
    /// Forget all of it
    #[arg(long, conflicts_with_all = ["on", "off", "quiet_hours", "mute_until"])]
    forget: bool,
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let app = super::required_app(&args.app)?;
    match args.command {
        Command::Preferences(asked) => {
            let path = path(app, &asked.user, "preferences");
            if asked.forget {
                client.delete(&path).await?;
            }
            let mut stored = client.get(&path).await?;
            if let Some(changed) = changed(&stored, &asked)? {
                stored = client.put(&path, &changed).await?.body;
            }
            tell(&stored, output);
        }
        Command::Badge { user, set } => {
            let path = path(app, &user, "badge");
            let badge = match set {
                Some(badge) => client.put(&path, &json!({ "badge": badge })).await?.body,
                None => client.get(&path).await?,
            };
            output.line(shown(&badge, "/badge"));
            if output.is_json() {
                output.json(&badge);
            }
        }
    }
    Ok(())
}

fn path(app: &str, user: &str, what: &str) -> String {
    format!("/v1/apps/{}/users/{}/{what}", escape(app), escape(user))
}

/// What is stored with what was asked for; `None`: nothing was.
fn changed(stored: &Value, asked: &Preferences) -> Result<Option<Value>, Failure> {
    let is_asked = !asked.on.is_empty()
        || !asked.off.is_empty()
        || asked.quiet_hours.is_some()
        || asked.mute_until.is_some();
    if !is_asked {
        return Ok(None);
    }
    let mut body = json!({
        "categories": stored["categories"],
        "quiet_hours": stored["quiet_hours"],
        "muted_until": stored["muted_until"],
    });
    for (categories, is_on) in [(&asked.on, true), (&asked.off, false)] {
        for category in categories {
            body["categories"][category] = json!(is_on);
        }
    }
    match asked.quiet_hours.as_deref() {
        None => {}
        Some("none") => body["quiet_hours"] = Value::Null,
        Some(window) => {
            let (from, to) = window.split_once('-').ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    format!("--quiet-hours {window:?} is no window"),
                )
                .mend("write it as 22:00-08:00, or none to end them")
            })?;
            body["quiet_hours"] = json!({"from": from, "to": to, "mode": asked.quiet_mode});
            if let Some(zone) = &asked.time_zone {
                body["quiet_hours"]["time_zone"] = json!(zone);
            }
        }
    }
    match asked.mute_until.as_deref() {
        None => {}
        Some("now") => body["muted_until"] = Value::Null,
        Some(instant) => body["muted_until"] = json!(instant),
    }
    Ok(Some(body))
}

fn tell(stored: &Value, output: Output) {
    if output.is_json() {
        output.json(stored);
    }
    let quiet = &stored["quiet_hours"];
    let hours = if quiet.is_null() {
        String::new()
    } else {
        let zone = shown(quiet, "/time_zone");
        let zone = if zone.is_empty() {
            "the device's time".to_owned()
        } else {
            zone
        };
        format!(
            "{} to {} ({zone}): {}",
            shown(quiet, "/from"),
            shown(quiet, "/to"),
            shown(quiet, "/mode")
        )
    };
    output.facts(&[
        ("user", shown(stored, "/user_id")),
        ("quiet hours", hours),
        ("muted until", shown(stored, "/muted_until")),
        ("changed", shown(stored, "/updated_at")),
    ]);
    let categories = stored["effective"].as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = categories
        .map(|(name, is_on)| {
            let word = if is_on == &json!(true) { "on" } else { "off" };
            vec![name.clone(), word.to_owned()]
        })
        .collect();
    if !rows.is_empty() {
        output.line("");
        output.table(&["category", "he gets it"], rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Preferences {
        Preferences {
            user: "ann".into(),
            on: vec![],
            off: vec![],
            quiet_hours: None,
            quiet_mode: "hold".into(),
            time_zone: None,
            mute_until: None,
            forget: false,
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        let stored = json!({"user_id": "ann", "categories": {"news": false, "ads": true},
            "quiet_hours": {"from": "22:00", "to": "08:00", "mode": "hold"},
            "muted_until": null, "effective": {}, "updated_at": null});
        assert_eq!(changed(&stored, &asked()).unwrap(), None);
        let some = Preferences {
            on: vec!["news".into()],
            off: vec!["ads".into(), "tips".into()],
            mute_until: Some("2026-08-01T13:00:00Z".into()),
            ..asked()
        };
        assert_eq!(
            changed(&stored, &some).unwrap().unwrap(),
            json!({"categories": {"news": true, "ads": false, "tips": false},
                   "quiet_hours": {"from": "22:00", "to": "08:00", "mode": "hold"},
                   "muted_until": "2026-08-01T13:00:00Z"})
        );
        let quiet = Preferences {
            quiet_hours: Some("23:00-07:30".into()),
            quiet_mode: "suppress".into(),
            time_zone: Some("Asia/Seoul".into()),
            ..asked()
        };
        assert_eq!(
            changed(&stored, &quiet).unwrap().unwrap()["quiet_hours"],
            json!({"from": "23:00", "to": "07:30", "mode": "suppress", "time_zone": "Asia/Seoul"})
        );
        for (window, is_fine) in [("none", true), ("late", false)] {
            let quiet = Preferences {
                quiet_hours: Some(window.into()),
                ..asked()
            };
            assert_eq!(changed(&stored, &quiet).is_ok(), is_fine);
        }
    }
}
