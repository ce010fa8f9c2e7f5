//! Preferences: what a user wants to get, and when.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod put;

use crate::instant;
use carillon_model::app::App;
use carillon_model::preferences::{Preferences, is_opted_out};
use carillon_model::problem::FieldProblem;
use carillon_model::quiet_hours::QuietHours;
use carillon_ports::preferences::StoredPreferences;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a user wants. What is left out is not set any more.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PutPreferences)]
pub(crate) struct PutPreferences {
    /// Categories switched on (true) or off, by the name that `options.category` of a notification
    /// has: at most 200 names of 1 to 64 bytes. The others are as the App's settings say.
    #[schema(example = json!({"marketing": false}))]
    categories: BTreeMap<String, bool>,
    /// When nothing is to be shown.
    quiet_hours: Option<QuietHoursBody>,
    /// Nothing until then; what comes meanwhile is held, or suppressed when `quiet_hours.mode` says so.
    #[schema(format = DateTime)]
    muted_until: Option<String>,
}

/// Quiet hours: a window of each day, or of some days, by the clock on the user's wall.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuietHours)]
pub(crate) struct QuietHoursBody {
    /// When they begin: `00:00` to `23:59`.
    #[schema(example = "22:00")]
    from: String,
    /// When they are over, up to `24:00`; not later than `from`: on the next day.
    #[schema(example = "08:00")]
    to: String,
    /// Days on which they begin; left out: every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<Day>>,
    /// IANA time zone of the clock; left out: the device's, else the App's, else UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Asia/Seoul")]
    time_zone: Option<String>,
    /// What becomes of what comes meanwhile: `hold` (default) sends it when they are over, `suppress`
    /// does not send it.
    #[serde(default)]
    mode: Mode,
}

/// A day of the week.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// What becomes of a delivery in quiet hours.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuietMode)]
enum Mode {
    #[default]
    Hold,
    Suppress,
}

/// What a user wants, and what follows from it.
#[derive(Serialize, ToSchema)]
#[schema(as = Preferences)]
pub(crate) struct PreferencesView {
    /// The user.
    user_id: String,
    /// Categories that he switched on or off.
    categories: BTreeMap<String, bool>,
    /// Whether he gets them: the categories that the App's settings name and those above.
    effective: BTreeMap<String, bool>,
    /// When nothing is to be shown.
    quiet_hours: Option<QuietHoursBody>,
    /// Nothing until then.
    #[schema(format = DateTime)]
    muted_until: Option<String>,
    /// When he last changed them; null: he never did.
    #[schema(format = DateTime)]
    updated_at: Option<String>,
}

impl PreferencesView {
    pub(crate) fn new(app: &App, user_id: String, stored: Option<StoredPreferences>) -> Self {
        let (wanted, updated_at) = match stored {
            Some(stored) => (stored.preferences, Some(stored.updated_at)),
            None => (Preferences::default(), None),
        };
        let declared = app.settings.categories.keys();
        let named = declared.chain(wanted.categories.keys());
        let gets = |name: &String| !is_opted_out(Some(name), Some(&wanted), &app.settings);
        Self {
            user_id,
            effective: named.map(|name| (name.clone(), gets(name))).collect(),
            quiet_hours: wanted.quiet_hours.as_ref().and_then(QuietHoursBody::of),
            muted_until: instant::optional(wanted.muted_until),
            updated_at: instant::optional(updated_at),
            categories: wanted.categories,
        }
    }
}

impl QuietHoursBody {
    /// As they are written. Both have the same fields: a test holds them together.
    fn of(hours: &QuietHours) -> Option<Self> {
        serde_json::from_value(serde_json::to_value(hours).ok()?).ok()
    }

    fn read(&self) -> Result<QuietHours, FieldProblem> {
        let read = serde_json::to_value(self).and_then(serde_json::from_value);
        read.map_err(|error| {
            let sentence = error.to_string();
            // The model names the field first.
            let (pointer, message) = match sentence.split_once(": ") {
                Some((field @ ("from" | "to" | "days" | "time_zone"), rest)) => {
                    (format!("/quiet_hours/{field}"), rest)
                }
                _ => ("/quiet_hours".to_owned(), &*sentence),
            };
            FieldProblem::new(pointer, "preferences.quiet_hours", message)
        })
    }
}

impl PutPreferences {
    /// Checks them.
    pub(crate) fn read(self) -> Result<Preferences, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let quiet_hours = self.quiet_hours.map(|body| body.read()).transpose();
        let quiet_hours = quiet_hours.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let muted_until = self.muted_until.as_deref().map(instant::parse).transpose();
        let muted_until = muted_until.unwrap_or_else(|sentence| {
            let code = "preferences.muted_until";
            problems.push(FieldProblem::new("/muted_until", code, sentence));
            None
        });
        let preferences = Preferences {
            categories: self.categories,
            quiet_hours,
            muted_until,
        };
        problems.extend(preferences.problems());
        if problems.is_empty() {
            Ok(preferences)
        } else {
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quiet_hours_are_written_as_they_are_stored() {
        for written in [
            json!({"from": "22:00", "to": "08:00", "mode": "hold"}),
            json!({"from": "00:00", "to": "24:00", "days": ["sat", "sun"],
                   "time_zone": "Asia/Seoul", "mode": "suppress"}),
        ] {
            let body: QuietHoursBody = serde_json::from_value(written.clone()).unwrap();
            let shown = QuietHoursBody::of(&body.read().unwrap()).unwrap();
            assert_eq!(serde_json::to_value(shown).unwrap(), written);
        }
    }

    #[test]
    fn each_rule_has_its_pointer_and_code() {
        let quiet = |change: serde_json::Value| {
            let mut quiet = json!({"from": "22:00", "to": "08:00"});
            for (name, value) in change.as_object().unwrap() {
                quiet[name] = value.clone();
            }
            json!({ "quiet_hours": quiet })
        };
        for (body, pointer, code) in [
            (
                quiet(json!({"from": "25:00"})),
                "/quiet_hours/from",
                "preferences.quiet_hours",
            ),
            (
                quiet(json!({"to": "22:00"})),
                "/quiet_hours/to",
                "preferences.quiet_hours",
            ),
            (
                quiet(json!({"days": []})),
                "/quiet_hours/days",
                "preferences.quiet_hours",
            ),
            (
                quiet(json!({"time_zone": "Asia/Soul"})),
                "/quiet_hours/time_zone",
                "preferences.quiet_hours",
            ),
            (
                json!({"muted_until": "tomorrow"}),
                "/muted_until",
                "preferences.muted_until",
            ),
            (
                json!({"categories": {"": true}}),
                "/categories/",
                "preferences.categories",
            ),
        ] {
            let body: PutPreferences = serde_json::from_value(body).unwrap();
            let problems = body.read().unwrap_err();
            assert_eq!((&*problems[0].pointer, problems[0].code), (pointer, code));
            assert_eq!(problems.len(), 1, "{pointer}");
        }
        let all = json!({"categories": {"ads": true}, "quiet_hours": {"from": "22:00", "to": "08:00"},
                         "muted_until": "2026-08-01T12:00:00Z"});
        let read = serde_json::from_value::<PutPreferences>(all)
            .unwrap()
            .read();
        assert_eq!(read.unwrap().muted_until, Some(1_785_585_600_000));
    }
}
