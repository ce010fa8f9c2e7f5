//! What a user wants to get, and when: categories switched off, quiet hours, a mute. And what follows
//! from that for one delivery at one instant.
//!
//! Rules only: who the user is and what the App declares is looked up elsewhere. They concern what is
//! shown to a person; critical content is exempt, which is the caller's to know.

use crate::app::{AppSettings, CategoryDefault};
use crate::problem::FieldProblem;
use crate::quiet_hours::{QuietHours, QuietMode};
use crate::{UnixMs, time_zone};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most categories that a user's preferences, or an App's settings, name.
pub const MAX_CATEGORIES: usize = 200;
/// Longest name of a category, in bytes.
pub const MAX_CATEGORY: usize = 64;

/// A user's preferences, as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preferences {
    /// Categories that he switched on or off. What is not here is as the App says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub categories: BTreeMap<String, bool>,
    /// When nothing is to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// Nothing until then: as in quiet hours, and held when he has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<UnixMs>,
}

impl Preferences {
    /// What is wrong with them, with pointers into them. Quiet hours are checked when they are read.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        category_problems(self.categories.keys(), "preferences.categories")
    }
}

/// What is wrong with the names of a `categories` object.
pub fn category_problems<'n>(
    names: impl ExactSizeIterator<Item = &'n String>,
    code: &'static str,
) -> Vec<FieldProblem> {
    if names.len() > MAX_CATEGORIES {
        let message = format!(
            "expected at most {MAX_CATEGORIES} categories, found {}",
            names.len()
        );
        return vec![FieldProblem::new("/categories", code, message)];
    }
    let bad = names.filter(|name| name.is_empty() || name.len() > MAX_CATEGORY);
    bad.map(|name| {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        FieldProblem::new(
            format!("/categories/{escaped}"),
            code,
            format!(
                "expected a name of 1 to {MAX_CATEGORY} bytes, found {}",
                name.len()
            ),
        )
    })
    .collect()
}

/// Whether a recipient does not get this category. What has no category is got by everybody.
#[must_use]
pub fn is_opted_out(
    category: Option<&str>,
    wanted: Option<&Preferences>,
    settings: &AppSettings,
) -> bool {
    let Some(category) = category else {
        return false;
    };
    let chosen = wanted.and_then(|wanted| wanted.categories.get(category));
    let declared = || {
        let declared = settings.categories.get(category);
        declared.is_none_or(|category| category.default == CategoryDefault::On)
    };
    !chosen.copied().unwrap_or_else(declared)
}

/// Until when a user wants nothing shown, and what becomes of what comes meanwhile; `None`: he may be
/// shown something now.
#[must_use]
pub fn quiet_until(
    wanted: &Preferences,
    device_zone: Option<&str>,
    app_zone: Option<&str>,
    now: UnixMs,
) -> Option<(UnixMs, QuietMode)> {
    let quiet = wanted.quiet_hours.as_ref();
    let clock = quiet.map(|quiet| {
        let of_app = app_zone.and_then(|name| time_zone::parse(name).ok());
        let zone = quiet.zone(device_zone, &of_app.unwrap_or(TimeZone::UTC));
        (quiet, zone)
    });
    let mut until = now;
    // A mute may end in quiet hours, and those in a mute.
    for _ in 0..STEPS {
        let muted = wanted.muted_until.unwrap_or(until);
        let ends = clock
            .as_ref()
            .map(|(quiet, zone)| quiet.ends_at(zone, until));
        let later = ends.unwrap_or(until).max(muted);
        if later <= until {
            break;
        }
        until = later;
    }
    let mode = quiet.map_or(QuietMode::Hold, QuietHours::mode);
    (until > now).then_some((until, mode))
}

/// A mute begins now: quiet hours, the mute, and quiet hours again.
const STEPS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::CategorySettings;

    const HOUR: i64 = 3_600_000;

    fn read(json: serde_json::Value) -> Preferences {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn categories_are_on_unless_somebody_says_off() {
        let mut settings = AppSettings::default();
        for (name, default) in [("news", CategoryDefault::On), ("ads", CategoryDefault::Off)] {
            let declared = CategorySettings { default };
            settings.categories.insert(name.into(), declared);
        }
        let wanted = read(serde_json::json!({"categories": {"news": false, "tips": false}}));
        let keen = read(serde_json::json!({"categories": {"ads": true}}));
        for (category, wanted, is_out) in [
            (None, Some(&wanted), false),
            (Some("news"), Some(&wanted), true),
            (Some("news"), Some(&keen), false),
            (Some("news"), None, false),
            (Some("ads"), Some(&wanted), true),
            (Some("ads"), None, true),
            (Some("ads"), Some(&keen), false),
            (Some("tips"), Some(&wanted), true),
            (Some("unheard of"), Some(&wanted), false),
        ] {
            assert_eq!(
                is_opted_out(category, wanted, &settings),
                is_out,
                "{category:?}"
            );
        }
    }

    #[test]
    fn quiet_and_muted_until_the_later_one() {
        // 1970-01-01, a Thursday; UTC.
        let quiet = read(serde_json::json!({"quiet_hours": {"from": "22:00", "to": "08:00"}}));
        let until = |wanted: &Preferences, hour: i64| quiet_until(wanted, None, None, hour * HOUR);
        assert_eq!(until(&quiet, 12), None);
        assert_eq!(until(&quiet, 23), Some((32 * HOUR, QuietMode::Hold)));
        let muted = Preferences {
            muted_until: Some(23 * HOUR),
            ..quiet.clone()
        };
        assert_eq!(
            until(&muted, 12),
            Some((32 * HOUR, QuietMode::Hold)),
            "the mute ends in quiet hours"
        );
        assert_eq!(until(&muted, 33), None);
        let only = Preferences {
            quiet_hours: None,
            ..muted
        };
        assert_eq!(until(&only, 12), Some((23 * HOUR, QuietMode::Hold)));
        assert_eq!(until(&only, 23), None);
        let zones = quiet_until(&quiet, Some("Asia/Seoul"), Some("Europe/Berlin"), 14 * HOUR);
        assert_eq!(zones, Some((23 * HOUR, QuietMode::Hold)));
        let of_app = quiet_until(&quiet, None, Some("Asia/Seoul"), 14 * HOUR);
        assert_eq!(of_app, zones);
    }

    #[test]
    fn problems_have_their_place() {
        let long = "x".repeat(65);
        let bad = read(serde_json::json!({
            "categories": {"a/b": true, "": false, long.clone(): false},
        }));
        let pointers: Vec<_> = bad.problems().into_iter().map(|p| p.pointer).collect();
        assert_eq!(
            pointers,
            ["/categories/".to_owned(), format!("/categories/{long}")]
        );
        let many: BTreeMap<_, _> = (0..201).map(|n| (n.to_string(), true)).collect();
        let many = Preferences {
            categories: many,
            ..Preferences::default()
        };
        assert_eq!(many.problems()[0].pointer, "/categories");
        assert!(Preferences::default().problems().is_empty());
    }
}
