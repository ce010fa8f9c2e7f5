//! Campaigns of a schedule: each time another one, with the time in its name.

use super::CampaignRequest;
use crate::UnixMs;
use crate::problem::FieldProblem;
use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// Longest name of a schedule's campaign, in characters: the time comes after it.
pub const MAX_RECURRING_NAME: usize = 39;

impl CampaignRequest {
    /// What is wrong with it as the campaign of a schedule, whenever it is due: the pointers are into it.
    #[must_use]
    pub fn recurring_problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: &str, code: &'static str, message: String| {
            problems.push(FieldProblem::new(pointer, code, message));
        };
        if !crate::device::is_plain_name(&self.name, MAX_RECURRING_NAME) {
            wrong(
                "/name",
                "campaign.name",
                format!(
                    "expected 1 to {MAX_RECURRING_NAME} characters of A-Z a-z 0-9 . _ : @ - (the time comes after it), found {:?}",
                    self.name
                ),
            );
        }
        for (is_there, field, instead) in [
            (self.send_at.is_some(), "send_at", "the schedule says when"),
            (
                self.expires_at.is_some(),
                "expires_at",
                "say `expires_in`, which counts from each run",
            ),
            (
                self.if_past.is_some() && self.local_time.is_none(),
                "if_past",
                "`missed` says what becomes of times that passed",
            ),
        ] {
            if is_there {
                wrong(
                    &format!("/{field}"),
                    "schedule.notification",
                    format!("expected no {field} here: {instead}"),
                );
            }
        }
        if let Some(local) = &self.local_time
            && read_time(&local.at).is_none()
        {
            wrong(
                "/local_time/at",
                "campaign.local_time",
                format!(
                    "expected a time of day such as \"09:00\", found {:?}: the date is the next one on which no clock has shown it yet",
                    local.at
                ),
            );
        }
        problems
    }

    /// The campaign of a schedule that is due at `due_at`: with that time in its name and, by local time, on the
    /// first date that it can still reach everywhere, beginning `lead_ms` before the first clocks show it. `None` where
    /// [`Self::recurring_problems`] has something to say of its local time.
    #[must_use]
    pub fn of_run(&self, due_at: UnixMs, lead_ms: i64) -> Option<Self> {
        let mut campaign = self.clone();
        campaign.name = format!("{}@{}", self.name, stamp(due_at)?);
        if let Some(local) = &mut campaign.local_time {
            let time = read_time(&local.at)?;
            local.at = next_date(time, due_at.saturating_add(lead_ms))?.to_string();
        }
        Some(campaign)
    }
}

/// Whole minutes, or more exactly where somebody asked for it.
fn stamp(at: UnixMs) -> Option<String> {
    let at = Timestamp::from_millisecond(at).ok()?;
    let is_whole = at.as_millisecond() % 60_000 == 0;
    let format = if is_whole {
        "%Y-%m-%dT%H:%MZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%.3fZ"
    };
    Some(at.strftime(format).to_string())
}

fn read_time(text: &str) -> Option<Time> {
    let is_time = text.len() <= 8
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b':');
    is_time.then(|| text.parse().ok()).flatten()
}

/// The first date and time that no clock has shown at `at`: it is latest in UTC+14.
fn next_date(time: Time, at: UnixMs) -> Option<DateTime> {
    let first = TimeZone::fixed(Offset::from_hours(14).ok()?);
    let there = first.to_datetime(Timestamp::from_millisecond(at).ok()?);
    let today = there.date().to_datetime(time);
    if today >= there {
        Some(today)
    } else {
        today.checked_add(1.day()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const LEAD: i64 = 600_000;

    fn campaign(with: Value) -> CampaignRequest {
        let mut body =
            json!({"name": "news", "audience": {"all": true}, "content": {"body": "Hi"}});
        for (key, value) in with.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn ms(text: &str) -> UnixMs {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let body = json!({
            "name": "news", "audience": {"all": true}, "content": {"body": "Hi"},
            "options": {"push_type": "alert"}, "pace": {"over": "30m"}
        });
        let read: CampaignRequest = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), body);
    }

    #[test]
    fn each_run_has_a_name_of_its_own() {
        let named = |at: &str| campaign(json!({})).of_run(ms(at), LEAD).unwrap().name;
        assert_eq!(named("2026-11-30T00:00:00Z"), "news@2026-11-30T00:00Z");
        assert_eq!(
            named("2026-11-30T00:00:12Z"),
            "news@2026-11-30T00:00:12.000Z"
        );
        let longest = campaign(json!({"name": "x".repeat(MAX_RECURRING_NAME)}));
        assert_eq!(longest.recurring_problems(), []);
        let named = longest
            .of_run(ms("2026-11-30T00:00:12.345Z"), LEAD)
            .unwrap();
        assert!(named.check(0, LEAD).is_ok());
    }

    #[test]
    fn by_local_time_it_is_for_the_next_date_everywhere() {
        let local = |time: &str| json!({"local_time": {"at": time, "default_time_zone": "UTC"}});
        for (time, due_at, expected) in [
            // In UTC+14 it is 2:00 on Monday.
            ("09:00", "2026-11-29T12:00:00Z", "2026-11-30T09:00:00"),
            // There it is 8:50: its lead begins.
            ("09:00", "2026-11-29T18:50:00Z", "2026-11-30T09:00:00"),
            ("09:00", "2026-11-29T18:50:01Z", "2026-12-01T09:00:00"),
            ("00:00", "2026-11-29T10:00:00Z", "2026-12-01T00:00:00"),
        ] {
            let of_run = campaign(local(time)).of_run(ms(due_at), LEAD).unwrap();
            assert_eq!(of_run.local_time.as_ref().unwrap().at, expected, "{due_at}");
            let checked = of_run.check(ms(due_at), LEAD).unwrap();
            let begins = checked.notification.send_at.map(|at| at.instant().unwrap());
            assert!(begins.is_none_or(|at| at >= ms(due_at)));
        }
    }

    #[test]
    fn what_says_an_instant_is_refused() {
        for (with, pointer) in [
            (json!({"name": "x".repeat(MAX_RECURRING_NAME + 1)}), "/name"),
            (json!({"send_at": "2026-12-02T00:00:00Z"}), "/send_at"),
            (json!({"expires_at": "2026-12-02T00:00:00Z"}), "/expires_at"),
            (json!({"if_past": "send_now"}), "/if_past"),
            (
                json!({"local_time": {"at": "2026-12-02T09:00", "default_time_zone": "UTC"}}),
                "/local_time/at",
            ),
            (
                json!({"local_time": {"at": "25:00", "default_time_zone": "UTC"}}),
                "/local_time/at",
            ),
        ] {
            let problems = campaign(with.clone()).recurring_problems();
            let found: Vec<_> = problems.iter().map(|problem| &*problem.pointer).collect();
            assert_eq!(found, [pointer], "{with}");
        }
        let fine = json!({"local_time": {"at": "9:00", "default_time_zone": "UTC"}, "if_past": "send_now"});
        let found = campaign(fine).recurring_problems().len();
        assert!(found <= 1, "a time without its zero is read or named");
    }
}
