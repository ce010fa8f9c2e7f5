//! An App: a customer application with its credentials, devices and limits.

use crate::UnixMs;
use crate::backoff::RetryPolicy;
use crate::frequency::FrequencyCap;
use crate::id::AppNo;
use crate::lane::Gateway;
use crate::rate::{Rate, RateOf, Rates};
use std::collections::BTreeMap;

/// An App as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Its number.
    pub no: AppNo,
    /// The caller's id: 1 to 64 characters (see [`crate::device::is_plain_name`]).
    pub id: String,
    /// A name for people.
    pub name: String,
    /// What may be set for it.
    pub settings: AppSettings,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

/// What may be set for an App.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppSettings {
    /// Its share of sending when several Apps have work: 1 to 100.
    pub weight: u32,
    /// How many of its pushes may leave in a second.
    #[serde(skip_serializing_if = "Rates::are_none")]
    pub rates: Rates,
    /// Most pushes a second for each of its lanes, as stores hold it that are older than `rates`: a rate
    /// for each gateway that has none. Read, never written.
    #[serde(skip_serializing)]
    pub max_per_second: Option<u32>,
    /// Attempts in all for one delivery; see [`RetryPolicy`].
    pub max_attempts: u16,
    /// Longest time from acceptance to the last attempt, in seconds.
    pub max_age_secs: u32,
    /// Devices that were not seen for so many days are stale; 0: never.
    #[serde(skip_serializing_if = "is_stale_after_days")]
    pub stale_after_days: u32,
    /// Devices that were not seen for so many days are deleted; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_stale_after_days: Option<u32>,
    /// Most devices of one user: one more takes the place of the one that was not seen for longest;
    /// 0: no limit.
    #[serde(skip_serializing_if = "is_max_devices_per_user")]
    pub max_devices_per_user: u32,
    /// Where its users live whose own time zone nobody knows: an IANA name; `None`: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Categories of messages that it declares. One that is not declared is on by default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, CategorySettings>,
    /// How many notifications one user gets; every cap that covers a notification must let it through.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frequency_cap: Vec<FrequencyCap>,
    /// Whether its alerts and background pushes carry receipt tokens, by which the app says that they
    /// arrived and were opened.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub receipts: bool,
    /// What holds for its Live Activities.
    #[serde(skip_serializing_if = "LiveActivitySettings::is_default")]
    pub live_activities: LiveActivitySettings,
    /// What everybody may read of its monitors.
    #[serde(skip_serializing_if = "StatusPageSettings::is_default")]
    pub status_page: StatusPageSettings,
}

/// What everybody may read of the monitors of an App: a page without an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusPageSettings {
    /// Whether there is such a page.
    pub public: bool,
    /// Its heading; empty: the App's name.
    pub title: String,
    /// Only monitors with one of these tags are on it; without, all are.
    pub tags: Vec<String>,
}

impl StatusPageSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What holds for the Live Activities of an App.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveActivitySettings {
    /// Whether one that a phone tells of and nobody declared is carried all the same.
    pub adopt: bool,
}

impl LiveActivitySettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A category of messages that a user can switch on and off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategorySettings {
    /// What holds for a user who has not chosen.
    pub default: CategoryDefault,
}

/// What holds for a user who has not chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoryDefault {
    /// He gets it.
    #[default]
    On,
    /// He does not, until he switches it on.
    Off,
}

impl Default for AppSettings {
    fn default() -> Self {
        let retry = RetryPolicy::default();
        Self {
            weight: 1,
            rates: Rates::default(),
            max_per_second: None,
            max_attempts: retry.max_attempts,
            max_age_secs: (retry.max_age_ms / 1_000) as u32,
            stale_after_days: STALE_AFTER_DAYS,
            delete_stale_after_days: None,
            max_devices_per_user: MAX_DEVICES_PER_USER,
            time_zone: None,
            categories: BTreeMap::new(),
            frequency_cap: Vec::new(),
            receipts: false,
            live_activities: LiveActivitySettings::default(),
            status_page: StatusPageSettings::default(),
        }
    }
}

/// Milliseconds in a day.
const DAY: i64 = 86_400_000;
const STALE_AFTER_DAYS: u32 = 60;
const MAX_DEVICES_PER_USER: u32 = 20;

fn is_stale_after_days(days: &u32) -> bool {
    *days == STALE_AFTER_DAYS
}

fn is_max_devices_per_user(most: &u32) -> bool {
    *most == MAX_DEVICES_PER_USER
}

impl AppSettings {
    /// The policy that retries of this App follow.
    #[must_use]
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.max_attempts,
            max_age_ms: i64::from(self.max_age_secs) * 1_000,
            ..RetryPolicy::default()
        }
    }

    /// Its rates, also where they were stored by another name.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let former = self.max_per_second.map(Rate::per_second);
        let gateway = |gateway| self.rates.get(RateOf::Gateway(gateway)).or(former);
        Rates {
            total: self.rates.total,
            apns: gateway(Gateway::Apns),
            fcm: gateway(Gateway::Fcm),
            webpush: gateway(Gateway::WebPush),
        }
    }

    /// Devices last seen before this instant are stale.
    #[must_use]
    pub fn stale_before(&self, now: UnixMs) -> UnixMs {
        match self.stale_after_days {
            0 => UnixMs::MIN,
            days => now.saturating_sub(i64::from(days) * DAY),
        }
    }

    /// Devices last seen before this instant are deleted; `None`: none is.
    #[must_use]
    pub fn delete_before(&self, now: UnixMs) -> Option<UnixMs> {
        let days = self.delete_stale_after_days.filter(|days| *days > 0)?;
        Some(now.saturating_sub(i64::from(days) * DAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_days_are_never() {
        let now = 1_800_000_000_000;
        let mut settings = AppSettings::default();
        assert_eq!(settings.stale_before(now), now - 60 * DAY);
        assert_eq!(settings.delete_before(now), None);
        settings.stale_after_days = 0;
        settings.delete_stale_after_days = Some(0);
        assert_eq!(settings.stale_before(now), UnixMs::MIN);
        assert_eq!(settings.delete_before(now), None);
        settings.delete_stale_after_days = Some(1);
        assert_eq!(settings.delete_before(now), Some(now - DAY));
    }

    #[test]
    fn settings_of_before_read_as_ever() {
        let before = r#"{"weight":1,"max_per_second":null,"max_attempts":12,"max_age_secs":86400}"#;
        let read: AppSettings = serde_json::from_str(before).unwrap();
        assert_eq!(read, AppSettings::default());
        let now = r#"{"weight":1,"max_attempts":12,"max_age_secs":86400}"#;
        assert_eq!(serde_json::to_string(&read).unwrap(), now);
    }

    #[test]
    fn a_limit_of_before_is_a_rate_for_each_gateway() {
        let read = r#"{"max_per_second":50,"rates":{"fcm":{"per_second":9}}}"#;
        let read: AppSettings = serde_json::from_str(read).unwrap();
        let fifty = Some(Rate::per_second(50));
        let expected = Rates {
            total: None,
            apns: fifty,
            fcm: Some(Rate::per_second(9)),
            webpush: fifty,
        };
        assert_eq!(read.rates(), expected);
    }
}
