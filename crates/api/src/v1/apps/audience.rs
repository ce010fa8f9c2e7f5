//! What an App declares about what its users get: categories, frequency caps, a time zone to fall back
//! on.

use carillon_model::app::{AppSettings, CategoryDefault, CategorySettings};
use carillon_model::duration;
use carillon_model::frequency::{FrequencyCap, MAX_CAPS};
use carillon_model::preferences::category_problems;
use carillon_model::problem::FieldProblem;
use carillon_model::time_zone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A category that users can switch on and off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CategorySettings)]
pub(crate) struct Category {
    /// What holds for a user who has not chosen: `on` or `off`.
    default: Default,
}

/// What holds for a user who has not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CategoryDefault)]
enum Default {
    On,
    Off,
}

/// At most so many notifications for each user in any window of this length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FrequencyCap)]
pub(crate) struct Cap {
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    max: u32,
    /// In how long: `1s` to `30d`.
    #[schema(example = "24h")]
    per: String,
    /// Only these categories count, and only they are kept back; left out: everything.
    #[serde(default)]
    categories: Vec<String>,
}

/// Of an App, as the API writes it.
pub(crate) fn categories(settings: &AppSettings) -> BTreeMap<String, Category> {
    let written = |category: &CategorySettings| Category {
        default: match category.default {
            CategoryDefault::On => Default::On,
            CategoryDefault::Off => Default::Off,
        },
    };
    let all = settings.categories.iter();
    all.map(|(name, category)| (name.clone(), written(category)))
        .collect()
}

/// The same, read. Problems have pointers into the settings.
pub(crate) fn read_categories(
    written: &BTreeMap<String, Category>,
    problems: &mut Vec<FieldProblem>,
) -> BTreeMap<String, CategorySettings> {
    let wrong = category_problems(written.keys(), "app.categories");
    problems.extend(wrong.into_iter().map(|problem| problem.under("/settings")));
    let read = |category: &Category| CategorySettings {
        default: match category.default {
            Default::On => CategoryDefault::On,
            Default::Off => CategoryDefault::Off,
        },
    };
    let all = written.iter();
    all.map(|(name, category)| (name.clone(), read(category)))
        .collect()
}

/// Of an App, as the API writes them.
pub(crate) fn caps(settings: &AppSettings) -> Vec<Cap> {
    let written = |cap: &FrequencyCap| Cap {
        max: cap.max,
        per: duration::format_ms(cap.per),
        categories: cap.categories.clone(),
    };
    settings.frequency_cap.iter().map(written).collect()
}

/// The same, read.
pub(crate) fn read_caps(written: &[Cap], problems: &mut Vec<FieldProblem>) -> Vec<FrequencyCap> {
    if written.len() > MAX_CAPS {
        problems.push(FieldProblem::new(
            "/settings/frequency_cap",
            "app.frequency_cap",
            format!("expected at most {MAX_CAPS} caps, found {}", written.len()),
        ));
    }
    let mut caps = Vec::new();
    for (at, cap) in written.iter().enumerate() {
        let place = format!("/settings/frequency_cap/{at}");
        // What cannot be read is out of range, too.
        let per = duration::parse_ms(&cap.per).unwrap_or_default();
        let cap = FrequencyCap {
            max: cap.max,
            per,
            categories: cap.categories.clone(),
        };
        problems.extend(cap.problems().into_iter().map(|p| p.under(&place)));
        caps.push(cap);
    }
    caps
}

/// A time zone that there is.
pub(crate) fn read_time_zone(written: Option<&str>, problems: &mut Vec<FieldProblem>) {
    if let Some(Err(sentence)) = written.map(time_zone::parse) {
        problems.push(FieldProblem::new(
            "/settings/time_zone",
            "app.time_zone",
            sentence,
        ));
    }
}
