//! Maintenance windows: times at which what is down is down on purpose.

use crate::problem::FieldProblem;
use crate::schedule::clock;
use crate::schedule::cron::CronRule;
use crate::{UnixMs, duration, time_zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Most windows of one monitor.
const MAX_WINDOWS: usize = 20;
/// Longest window that comes again, in milliseconds: what lasts longer is no maintenance.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// A window as it is written: `from` and `until` once, or `cron`, `lasts` and `time_zone` again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaintenanceWindow {
    /// When it begins (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ends (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// When it begins, again and again: `minute hour day month weekday`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// How long it lasts then, e.g. `"2h"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// By the clock of which place: an IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// All windows of a monitor, read.
#[derive(Clone, Debug, Default)]
pub struct Maintenance(Vec<Window>);

#[derive(Clone, Debug)]
enum Window {
    Once(UnixMs, UnixMs),
    Again(Box<CronRule>, TimeZone, i64),
}

impl Maintenance {
    /// Reads windows; problems have pointers into the monitor.
    pub(super) fn read(windows: &[MaintenanceWindow], problems: &mut Vec<FieldProblem>) -> Self {
        if windows.len() > MAX_WINDOWS {
            let message = format!("expected at most {MAX_WINDOWS}, found {}", windows.len());
            problems.push(FieldProblem::new(
                "/maintenance",
                "monitor.too_many",
                message,
            ));
            return Self::default();
        }
        let mut read = Vec::new();
        for (place, window) in windows.iter().enumerate() {
            let mut found = Vec::new();
            read.extend(window.read(&mut found));
            let prefix = format!("/maintenance/{place}");
            problems.extend(found.into_iter().map(|problem| problem.under(&prefix)));
        }
        Self(read)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them holds `now`.
    #[must_use]
    pub fn contains(&self, now: UnixMs) -> bool {
        self.0.iter().any(|window| window.end_around(now).is_some())
    }

    /// When a window next begins or ends after `now`.
    #[must_use]
    pub fn next_change(&self, now: UnixMs) -> Option<UnixMs> {
        let of = |window: &Window| match window.end_around(now) {
            Some(end) => Some(end),
            None => window.next_begin(now),
        };
        self.0.iter().filter_map(of).min()
    }
}

impl Window {
    fn end_around(&self, now: UnixMs) -> Option<UnixMs> {
        match self {
            Self::Once(from, until) => (*from <= now && now < *until).then_some(*until),
            Self::Again(rule, zone, lasts_ms) => {
                let after = now.saturating_sub(*lasts_ms);
                let begin = clock::next(rule, zone, after, |_| true)?.at;
                (begin <= now).then(|| begin.saturating_add(*lasts_ms))
            }
        }
    }

    fn next_begin(&self, now: UnixMs) -> Option<UnixMs> {
        match self {
            Self::Once(from, _) => (*from > now).then_some(*from),
            Self::Again(rule, zone, _) => Some(clock::next(rule, zone, now, |_| true)?.at),
        }
    }
}

impl MaintenanceWindow {
    fn read(&self, problems: &mut Vec<FieldProblem>) -> Option<Window> {
        match (&self.from, &self.until, &self.cron, &self.lasts) {
            (Some(from), Some(until), None, None) if self.time_zone.is_none() => {
                let mut instant = |pointer: &str, text: &String| {
                    let read = text.parse::<Timestamp>();
                    read.map(Timestamp::as_millisecond).map_err(|error| {
                        let message = format!("expected an RFC 3339 time such as \"2026-01-31T12:00:00Z\", found {text:?} ({error})");
                        problems.push(FieldProblem::new(pointer, "monitor.instant", message));
                    })
                };
                let (from, until) = (instant("/from", from).ok()?, instant("/until", until).ok()?);
                if until <= from {
                    problems.push(FieldProblem::new(
                        "/until",
                        "monitor.maintenance",
                        "expected an instant after `from`",
                    ));
                    return None;
                }
                Some(Window::Once(from, until))
            }
            (None, None, Some(cron), Some(lasts)) => self.again(cron, lasts, problems),
            _ => {
                problems.push(FieldProblem::new(
                    "",
                    "monitor.maintenance",
                    "expected either `from` and `until`, or `cron`, `lasts` and `time_zone`",
                ));
                None
            }
        }
    }

    fn again(&self, cron: &str, lasts: &str, problems: &mut Vec<FieldProblem>) -> Option<Window> {
        let rule = CronRule::parse(cron).map_err(|error| {
            let column = error.column;
            let problem = FieldProblem::new("/cron", "schedule.cron", error.message);
            problems.push(problem.at(u32::from(column > 0), column));
        });
        let lasts_ms = duration::parse_ms(lasts).and_then(|ms| match ms {
            1..=LONGEST_MS => Ok(ms),
            _ => Err(format!(
                "expected more than 0s and at most 7d, found {lasts:?}"
            )),
        });
        let lasts_ms = lasts_ms.map_err(|why| {
            problems.push(FieldProblem::new("/lasts", "monitor.duration", why));
        });
        let zone = match &self.time_zone {
            Some(name) => time_zone::parse(name),
            None => Err(
                "expected an IANA time zone such as Asia/Seoul: by whose clock is it?".to_owned(),
            ),
        };
        let zone = zone.map_err(|why| {
            problems.push(FieldProblem::new("/time_zone", "monitor.time_zone", why));
        });
        Some(Window::Again(
            Box::new(rule.ok()?),
            zone.ok()?,
            lasts_ms.ok()?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(windows: Value) -> (Maintenance, Vec<FieldProblem>) {
        let windows: Vec<MaintenanceWindow> = serde_json::from_value(windows).unwrap();
        let mut problems = Vec::new();
        let read = Maintenance::read(&windows, &mut problems);
        (read, problems)
    }

    fn ms(text: &str) -> UnixMs {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn windows_by_the_clock_of_a_place() {
        let (windows, problems) = read(json!([
            {"cron": "0 22 * * FRI", "lasts": "9h", "time_zone": "Europe/Berlin"},
            {"from": "2026-04-01T00:00:00Z", "until": "2026-04-02T00:00:00Z"}
        ]));
        assert_eq!(problems, []);
        for (now, is_in, change) in [
            ("2026-03-27T21:59:59+01", false, "2026-03-27T22:00:00+01"),
            ("2026-03-27T22:00:00+01", true, "2026-03-28T07:00:00+01"),
            ("2026-03-28T06:59:59+01", true, "2026-03-28T07:00:00+01"),
            ("2026-03-28T07:00:00+01", false, "2026-04-01T00:00:00Z"),
            ("2026-04-01T12:00:00Z", true, "2026-04-02T00:00:00Z"),
            // The clock has jumped since: 22:00 is an hour earlier.
            ("2026-04-02T00:00:00Z", false, "2026-04-03T22:00:00+02"),
        ] {
            assert_eq!(windows.contains(ms(now)), is_in, "{now}");
            assert_eq!(windows.next_change(ms(now)), Some(ms(change)), "{now}");
        }
        assert_eq!(Maintenance::default().next_change(0), None);
    }

    #[test]
    fn mistakes_have_their_pointer() {
        for (window, pointer) in [
            (json!({}), "/maintenance/0"),
            (json!({"from": "2026-04-01T00:00:00Z"}), "/maintenance/0"),
            (
                json!({"from": "tomorrow", "until": "2026-04-01T00:00:00Z"}),
                "/maintenance/0/from",
            ),
            (
                json!({"from": "2026-04-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}),
                "/maintenance/0/until",
            ),
            (
                json!({"cron": "0 25 * * *", "lasts": "1h", "time_zone": "UTC"}),
                "/maintenance/0/cron",
            ),
            (
                json!({"cron": "0 2 * * *", "lasts": "8d", "time_zone": "UTC"}),
                "/maintenance/0/lasts",
            ),
            (
                json!({"cron": "0 2 * * *", "lasts": "1h"}),
                "/maintenance/0/time_zone",
            ),
            (
                json!({"cron": "0 2 * * *", "lasts": "1h", "time_zone": "Berlin"}),
                "/maintenance/0/time_zone",
            ),
        ] {
            let (_, problems) = read(json!([window]));
            assert_eq!(problems.len(), 1, "{window}: {problems:?}");
            assert_eq!(problems[0].pointer, pointer, "{window}");
        }
        let many = vec![json!({}); MAX_WINDOWS + 1];
        assert_eq!(read(Value::Array(many)).1[0].pointer, "/maintenance");
    }
}
