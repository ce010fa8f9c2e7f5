//! `carillon monitor pause|resume|maintenance`: changes of one field of a stored monitor.
//!
//! The API stores whole definitions only, and takes no condition with one. So each of these reads the definition, changes
//! the field and stores it; the version that is stored then tells whether somebody else stored one in between.

use super::definition::Definitions;
use super::when;
use crate::clock::machine_now;
use crate::exit::{Exit, Failure};
use crate::output::shown;
use carillon_model::UnixMs;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// Which maintenance.
#[derive(Debug, clap::Args)]
pub(super) struct Maintenance {
    /// Its name
    monitor: String,
    /// It begins then: "tomorrow 22:00 Asia/Seoul", 2026-12-01T22:00+09:00. Without a zone: this machine's. Without this: now
    #[arg(long, value_name = "TIME", requires = "end", conflicts_with = "cron")]
    from: Option<String>,
    /// It ends then
    #[arg(
        long,
        value_name = "TIME",
        group = "end",
        conflicts_with_all = ["cron", "time_zone"]
    )]
    until: Option<String>,
    /// Or it lasts so long, e.g. 2h
    #[arg(long = "for", value_name = "DURATION", group = "end")]
    time: Option<String>,
    /// It begins again and again: minute hour day month weekday
    #[arg(long, requires = "time", requires = "time_zone")]
    cron: Option<String>,
    /// By the clock of which place that is: an IANA time zone
    #[arg(long, value_name = "ZONE", requires = "cron")]
    time_zone: Option<String>,
    /// Instead: take one away, by the number that is printed
    #[arg(
        long,
        value_name = "NUMBER",
        conflicts_with_all = ["from", "until", "time", "cron", "time_zone"]
    )]
    remove: Option<usize>,
    /// Instead: take all away
    #[arg(
        long,
        conflicts_with_all = ["from", "until", "time", "cron", "time_zone", "remove"]
    )]
    clear: bool,
}

/// What becomes of the windows.
#[derive(Debug, PartialEq)]
enum Change {
    Add(Value),
    /// Counted from 1.
    Remove(usize),
    Clear,
}

/// Lets a monitor rest.
pub(super) async fn pause(monitors: &Definitions<'_>, name: &str) -> Result<(), Failure> {
    let (read, _) = change(monitors, name, |fields| {
        fields.insert("paused".to_owned(), json!(true));
        Ok(())
    })
    .await?;
    monitors.output.line(match &*shown(&read, "/incident/no") {
        "" => format!("{name} rests"),
        no => format!("{name} rests; its incident {no} is closed"),
    });
    Ok(())
}

/// Lets a monitor go on.
pub(super) async fn resume(monitors: &Definitions<'_>, name: &str) -> Result<(), Failure> {
    let (_, stored) = change(monitors, name, |fields| {
        fields.remove("paused");
        Ok(())
    })
    .await?;
    monitors
        .output
        .line(match &*shown(&stored, "/next_check_at") {
            "" => format!("{name} goes on"),
            at => format!("{name} goes on; it is checked next at {at}"),
        });
    Ok(())
}

/// Adds a window or takes some away, and prints those that there are.
pub(super) async fn maintenance(
    monitors: &Definitions<'_>,
    asked: &Maintenance,
) -> Result<(), Failure> {
    let (name, output) = (&*asked.monitor, monitors.output);
    let wanted = asked.change(machine_now(), &when::home())?;
    let monitor = match wanted {
        Some(wanted) => {
            let carried_out = change(monitors, name, |fields| wanted.carry_out(name, fields));
            let (_, stored) = carried_out.await?;
            let version = shown(&stored, "/version");
            output.line(format!("{name} is stored, version {version}"));
            stored
        }
        None => {
            let read = monitors.client.get(&monitors.one(name)).await?;
            if output.is_json() {
                output.json(&read);
            }
            read
        }
    };
    let windows = monitor["definition"]["maintenance"].as_array();
    let windows = windows.map_or(&[][..], Vec::as_slice);
    let heads = ["no", "from", "until", "again", "lasts", "time zone"];
    output.table(&heads, (1..).zip(windows).map(row).collect());
    Ok(())
}

impl Maintenance {
    /// What is asked for; `None`: a look.
    fn change(&self, now: UnixMs, zone: &TimeZone) -> Result<Option<Change>, Failure> {
        if self.clear {
            return Ok(Some(Change::Clear));
        }
        if let Some(number) = self.remove {
            return Ok(Some(Change::Remove(number)));
        }
        if let Some(cron) = &self.cron {
            let window = json!({"cron": cron, "lasts": self.time, "time_zone": self.time_zone});
            return Ok(Some(Change::Add(window)));
        }
        let from = match &self.from {
            Some(text) => when::instant("--from", text, now, zone)?,
            None => now - now.rem_euclid(1_000),
        };
        let (flag, until) = match (&self.until, &self.time) {
            (Some(text), _) => ("--until", when::instant("--until", text, now, zone)?),
            (None, Some(text)) => ("--for", when::after("--for", text, from)?),
            (None, None) => return Ok(None),
        };
        let (from, until) = (when::written("--from", from)?, when::written(flag, until)?);
        Ok(Some(Change::Add(json!({"from": from, "until": until}))))
    }
}

impl Change {
    fn carry_out(self, name: &str, fields: &mut Map<String, Value>) -> Result<(), Failure> {
        let windows = fields.entry("maintenance").or_insert_with(|| json!([]));
        let Value::Array(windows) = windows else {
            return Err(no_definition(name));
        };
        match self {
            Self::Add(window) => windows.push(window),
            Self::Remove(number) => {
                if !(1..=windows.len()).contains(&number) {
                    return Err(no_window(name, number, windows.len()));
                }
                windows.remove(number - 1);
            }
            Self::Clear => windows.clear(),
        }
        Ok(())
    }
}

/// Reads a monitor, changes its definition and stores that: what was read and what is stored. What is to be said to
/// programs is said.
async fn change(
    monitors: &Definitions<'_>,
    name: &str,
    edit: impl FnOnce(&mut Map<String, Value>) -> Result<(), Failure>,
) -> Result<(Value, Value), Failure> {
    let path = monitors.one(name);
    let mut read = monitors.client.get(&path).await?;
    let definition = read.get_mut("definition").map(Value::take);
    let Some(Value::Object(mut definition)) = definition else {
        return Err(no_definition(name));
    };
    edit(&mut definition)?;
    // Also when it says so already by what was read: that may have been changed a moment ago.
    let definition = Value::Object(definition);
    let stored = monitors.client.put(&path, &definition).await?.body;
    if monitors.output.is_json() {
        monitors.output.json(&stored);
    }
    overwrote_nothing(name, &read, &stored)?;
    Ok((read, stored))
}

/// A version that is neither the one that was read nor the next one took the place of something that nobody here has seen.
fn overwrote_nothing(name: &str, read: &Value, stored: &Value) -> Result<(), Failure> {
    let version = |monitor: &Value| monitor["version"].as_u64().unwrap_or_default();
    let (before, after) = (version(read), version(stored));
    if read["created_at"] == stored["created_at"] && after <= before.saturating_add(1) {
        return Ok(());
    }
    let message = format!(
        "the change is stored, but somebody else changed or deleted {name} at the same moment: version {before} was read, {after} is stored, and what was stored in between is lost"
    );
    Err(Failure::new(Exit::Data, message).mend(
        "compare `carillon monitor show` with what the other change was to bring, and make that one again",
    ))
}

fn no_definition(name: &str) -> Failure {
    let message = format!("the server's answer about {name} has no definition that can be changed");
    Failure::new(Exit::Software, message).mend("check that --url is a Carillon server")
}

fn no_window(name: &str, number: usize, count: usize) -> Failure {
    let expected = match count {
        0 => format!("{name} has no maintenance"),
        1 => format!("expected 1, the only one that {name} has"),
        count => format!("expected 1 to {count}, as {name} has"),
    };
    let message = format!("--remove: {expected}, found {number}");
    Failure::new(Exit::NoInput, message)
        .mend("`carillon monitor maintenance` with the name alone prints them with their numbers")
}

fn row((no, window): (usize, &Value)) -> Vec<String> {
    vec![
        no.to_string(),
        shown(window, "/from"),
        shown(window, "/until"),
        shown(window, "/cron"),
        shown(window, "/lasts"),
        shown(window, "/time_zone"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    /// Saturday, 28 November 2026, 11:00 UTC, and a part of a second.
    const NOW: UnixMs = 1_795_863_600_123;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        asked: Maintenance,
    }

    fn asked(args: &[&str]) -> Result<Maintenance, clap::Error> {
        let args = [&["maintenance", "web"][..], args].concat();
        Line::try_parse_from(args).map(|line| line.asked)
    }

    fn change(args: &[&str]) -> Result<Option<Change>, Failure> {
        asked(args).unwrap().change(NOW, &TimeZone::UTC)
    }

    #[test]
    fn flags_become_a_change() {
        let once = |from: &str, until: &str| Change::Add(json!({"from": from, "until": until}));
        let zone = "--time-zone=Europe/Berlin";
        let weekly = json!({"cron": "0 22 * * FRI", "lasts": "9h", "time_zone": "Europe/Berlin"});
        for (args, expected) in [
            (vec![], None),
            (vec!["--clear"], Some(Change::Clear)),
            (vec!["--remove", "2"], Some(Change::Remove(2))),
            (
                vec!["--for", "90m"],
                Some(once("2026-11-28T11:00:00Z", "2026-11-28T12:30:00Z")),
            ),
            (
                vec!["--until", "12:00"],
                Some(once("2026-11-28T11:00:00Z", "2026-11-28T12:00:00Z")),
            ),
            (
                vec!["--from", "tomorrow 22:00", "--for", "2h"],
                Some(once("2026-11-29T22:00:00Z", "2026-11-30T00:00:00Z")),
            ),
            (
                vec!["--from", "tomorrow 22:00", "--until", "monday 6:00"],
                Some(once("2026-11-29T22:00:00Z", "2026-11-30T06:00:00Z")),
            ),
            (
                vec!["--cron", "0 22 * * FRI", "--for", "9h", zone],
                Some(Change::Add(weekly)),
            ),
        ] {
            assert_eq!(change(&args).unwrap(), expected, "{args:?}");
        }
        let failure = change(&["--from", "tomorow 22:00", "--for", "2h"]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("--from: "), "{failure}");
        let failure = change(&["--for", "soon"]).unwrap_err();
        assert!(failure.message.contains("--for: expected"), "{failure}");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for args in [
            &["--from", "tomorrow 22:00"][..],
            &["--until", "12:00", "--for", "2h"],
            &["--cron", "0 22 * * FRI", "--for", "9h"],
            &["--cron", "0 22 * * FRI", "--time-zone", "UTC"],
            &["--time-zone", "UTC", "--for", "2h"],
            &["--clear", "--remove", "1"],
            &["--clear", "--for", "2h"],
            &["--remove", "1", "--until", "12:00"],
        ] {
            assert!(asked(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn what_somebody_else_stored_in_between_is_told() {
        let monitor = |version: u32, made: &str| json!({"version": version, "created_at": made});
        let read = monitor(3, "a");
        for fine in [monitor(3, "a"), monitor(4, "a")] {
            overwrote_nothing("web", &read, &fine).unwrap();
        }
        for lost in [monitor(5, "a"), monitor(1, "b"), monitor(4, "b")] {
            let failure = overwrote_nothing("web", &read, &lost).unwrap_err();
            assert_eq!(failure.exit, Exit::Data, "{lost}");
            assert!(failure.message.contains("version 3 was read"), "{failure}");
        }
    }
}
