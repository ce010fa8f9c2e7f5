//! Apps: customer applications, each with its credentials, devices and share of sending.

pub(crate) mod audience;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
pub(crate) mod rates;
mod status_page;

use crate::instant;
use audience::{Cap, Category};
use carillon_engine::EngineStatus;
use carillon_model::app::{self, App};
use carillon_model::problem::FieldProblem;
use rates::Rates;
use serde::{Deserialize, Serialize};
use status_page::StatusPage;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Longest name for people, in bytes.
pub(crate) const MAX_NAME: usize = 200;

/// An App.
#[derive(Serialize, ToSchema)]
#[schema(as = App)]
pub(crate) struct AppView {
    /// Its id, chosen by the caller.
    #[schema(example = "shop")]
    id: String,
    /// A name for people.
    name: String,
    /// What was set for it.
    settings: Settings,
    /// Why its pushes cannot go out just now, and what to do; empty when they can.
    problems: Vec<LaneTrouble>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What may be set for an App.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = AppSettings)]
pub(crate) struct Settings {
    /// Its share of sending when several Apps have work.
    #[schema(minimum = 1, maximum = 100, default = 1)]
    weight: u32,
    /// How fast its pushes may leave.
    rates: Rates,
    /// Attempts in all for one delivery.
    #[schema(minimum = 1, maximum = 100, default = 12)]
    max_attempts: u16,
    /// Longest time from acceptance to the last attempt: `1s` to `30d`.
    #[schema(default = "1d")]
    max_age: String,
    /// Devices that were not seen for so many days are shown as stale; 0: none ever is.
    #[schema(maximum = 3650, default = 60)]
    stale_after_days: u32,
    /// Devices that were not seen for so many days are deleted; null (the default) for never.
    #[schema(minimum = 1, maximum = 3650)]
    delete_stale_after_days: Option<u32>,
    /// Most devices of one user; one more takes the place of the one that was not seen for longest,
    /// which is deleted. 0: no limit.
    #[schema(maximum = 10000, default = 20)]
    max_devices_per_user: u32,
    /// Where users live whose own time zone nobody knows: an IANA name; null for UTC.
    #[schema(example = "Asia/Seoul")]
    time_zone: Option<String>,
    /// Categories that users can switch on and off. One that is not named here is on by default.
    categories: BTreeMap<String, Category>,
    /// How many notifications one user gets: at most 10 caps, and all that cover a notification must let
    /// it through.
    frequency_cap: Vec<Cap>,
    /// Whether its alerts and background pushes carry a receipt token, by which the app says that they
    /// arrived and were opened.
    receipts: bool,
    /// What holds for its Live Activities.
    live_activities: LiveActivitySettings,
    /// What everybody may read of its monitors, at `/status/{app}`.
    status_page: StatusPage,
}

/// What holds for the Live Activities of an App.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LiveActivitySettings {
    /// Whether one that a phone tells of and nobody declared is carried all the same: for the phone's user, or the phone, until
    /// your back end declares it under the same id.
    adopt: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&app::AppSettings::default())
    }
}

impl From<&app::AppSettings> for Settings {
    fn from(settings: &app::AppSettings) -> Self {
        Self {
            weight: settings.weight,
            rates: settings.rates().into(),
            max_attempts: settings.max_attempts,
            max_age: instant::duration(settings.max_age_secs.into()),
            stale_after_days: settings.stale_after_days,
            delete_stale_after_days: settings.delete_stale_after_days,
            max_devices_per_user: settings.max_devices_per_user,
            time_zone: settings.time_zone.clone(),
            categories: audience::categories(settings),
            frequency_cap: audience::caps(settings),
            receipts: settings.receipts,
            live_activities: LiveActivitySettings {
                adopt: settings.live_activities.adopt,
            },
            status_page: StatusPage::of(settings),
        }
    }
}

impl Settings {
    /// Checks them.
    fn read(&self) -> Result<app::AppSettings, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut check = |holds: bool, field: &str, code, expected: &str| {
            if !holds {
                problems.push(FieldProblem::new(
                    format!("/settings/{field}"),
                    code,
                    expected,
                ));
            }
        };
        check(
            (1..=100).contains(&self.weight),
            "weight",
            "app.weight",
            "expected 1 to 100",
        );
        check(
            (1..=100).contains(&self.max_attempts),
            "max_attempts",
            "app.max_attempts",
            "expected 1 to 100",
        );
        check(
            self.stale_after_days <= 3_650,
            "stale_after_days",
            "app.stale_after_days",
            "expected 0 (never) to 3650",
        );
        check(
            self.delete_stale_after_days
                .is_none_or(|days| (1..=3_650).contains(&days)),
            "delete_stale_after_days",
            "app.delete_stale_after_days",
            "expected 1 to 3650, or null for never",
        );
        check(
            self.max_devices_per_user <= 10_000,
            "max_devices_per_user",
            "app.max_devices_per_user",
            "expected 0 (no limit) to 10000",
        );
        let max_age = carillon_model::duration::parse_ms(&self.max_age);
        let in_range = max_age
            .as_ref()
            .is_ok_and(|ms| (1_000..=30 * 86_400_000).contains(ms));
        let expected = max_age
            .as_ref()
            .err()
            .map_or("expected 1s to 30d", String::as_str);
        check(in_range, "max_age", "app.max_age", expected);
        let rates = self.rates.read(&mut problems);
        audience::read_time_zone(self.time_zone.as_deref(), &mut problems);
        let categories = audience::read_categories(&self.categories, &mut problems);
        let frequency_cap = audience::read_caps(&self.frequency_cap, &mut problems);
        let status_page = self.status_page.read(&mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(app::AppSettings {
            weight: self.weight,
            rates,
            max_per_second: None,
            max_attempts: self.max_attempts,
            max_age_secs: (max_age.unwrap_or_default() / 1_000) as u32,
            stale_after_days: self.stale_after_days,
            delete_stale_after_days: self.delete_stale_after_days,
            max_devices_per_user: self.max_devices_per_user,
            time_zone: self.time_zone.clone(),
            categories,
            frequency_cap,
            receipts: self.receipts,
            live_activities: app::LiveActivitySettings {
                adopt: self.live_activities.adopt,
            },
            status_page,
        })
    }
}

/// Why a lane of the App cannot send.
#[derive(Serialize, ToSchema)]
pub(crate) struct LaneTrouble {
    /// The gateway.
    gateway: &'static str,
    /// The environment; `auto` for push tokens whose environment is not known yet.
    environment: &'static str,
    /// The gateway's reason, or our word.
    #[schema(example = "InvalidProviderToken")]
    reason: String,
    /// What to do.
    mend: String,
    /// Whether a person must mend the credential (true), or time mends the gateway.
    is_credential: bool,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
}

impl AppView {
    pub(crate) fn new(app: &App, status: &EngineStatus) -> Self {
        let of_app = status.all_lanes().filter(|lane| lane.lane.app == app.no);
        let problems = of_app.filter_map(|lane| {
            let problem = lane.problem.as_ref()?;
            Some(LaneTrouble {
                gateway: lane.lane.gateway.as_str(),
                environment: lane.lane.environment.as_str(),
                reason: problem.reason.clone(),
                mend: problem.mend.clone(),
                is_credential: problem.is_credential,
                since: instant::rfc3339(problem.since),
            })
        });
        Self {
            id: app.id.clone(),
            name: app.name.clone(),
            settings: (&app.settings).into(),
            problems: problems.collect(),
            created_at: instant::rfc3339(app.created_at),
            updated_at: instant::rfc3339(app.updated_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back_and_are_bounded() {
        assert_eq!(
            Settings::default().read().unwrap(),
            app::AppSettings::default()
        );
        for (json, pointer) in [
            (r#"{"weight":0}"#, "/settings/weight"),
            (r#"{"weight":101}"#, "/settings/weight"),
            (
                r#"{"rates":{"fcm":{"per_second":0}}}"#,
                "/settings/rates/fcm/per_second",
            ),
            (
                r#"{"rates":{"total":{"per_second":1000001}}}"#,
                "/settings/rates/total/per_second",
            ),
            (
                r#"{"rates":{"apns":{"per_second":1000,"burst":9}}}"#,
                "/settings/rates/apns/burst",
            ),
            (r#"{"max_attempts":0}"#, "/settings/max_attempts"),
            (r#"{"max_age":"31d"}"#, "/settings/max_age"),
            (r#"{"max_age":"999ms"}"#, "/settings/max_age"),
            (r#"{"max_age":"soon"}"#, "/settings/max_age"),
            (r#"{"stale_after_days":3651}"#, "/settings/stale_after_days"),
            (
                r#"{"delete_stale_after_days":0}"#,
                "/settings/delete_stale_after_days",
            ),
            (
                r#"{"max_devices_per_user":10001}"#,
                "/settings/max_devices_per_user",
            ),
            (r#"{"time_zone":"Asia/Soul"}"#, "/settings/time_zone"),
            (
                r#"{"status_page":{"title":"a\nb"}}"#,
                "/settings/status_page/title",
            ),
            (
                r#"{"status_page":{"tags":["web","a b"]}}"#,
                "/settings/status_page/tags/1",
            ),
            (
                r#"{"categories":{"":{"default":"on"}}}"#,
                "/settings/categories/",
            ),
            (
                r#"{"frequency_cap":[{"max":0,"per":"1d"}]}"#,
                "/settings/frequency_cap/0/max",
            ),
            (
                r#"{"frequency_cap":[{"max":1,"per":"1d"},{"max":1,"per":"soon"}]}"#,
                "/settings/frequency_cap/1/per",
            ),
        ] {
            let settings: Settings = serde_json::from_str(json).unwrap();
            assert_eq!(settings.read().unwrap_err()[0].pointer, pointer, "{json}");
        }
    }
}
