//! Frequency caps: how many notifications an App lets one user get in a while.
//!
//! A sliding window over what was reserved: the rule looks at the instants of a user's notifications
//! and says whether one more may come. Which notifications those are, each once, is the store's to
//! remember; this file remembers nothing.

use crate::UnixMs;
use crate::duration;
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};

/// Most caps of one App.
pub const MAX_CAPS: usize = 10;
/// Most notifications that a cap lets through in its window.
pub const MAX_COUNT: u32 = 1_000;
/// Longest window.
pub const MAX_PER_MS: i64 = 30 * 86_400_000;
/// Shortest window.
pub const MIN_PER_MS: i64 = 1_000;
/// Most categories that a cap names.
pub const MAX_CATEGORIES: usize = 100;

/// At most `max` notifications in any window of length `per`, for each user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrequencyCap {
    /// How many: 1 to [`MAX_COUNT`].
    pub max: u32,
    /// In how long, e.g. `24h`: [`MIN_PER_MS`] to [`MAX_PER_MS`].
    #[serde(with = "per")]
    pub per: i64,
    /// Only these categories count, and only they are kept back; empty: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// A notification that a user got, or will get: when, and of which category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// When it was reserved.
    pub at: UnixMs,
    /// Its category.
    pub category: Option<String>,
}

impl FrequencyCap {
    /// Whether notifications of this category count for it.
    #[must_use]
    pub fn covers(&self, category: Option<&str>) -> bool {
        self.categories.is_empty()
            || category.is_some_and(|of| self.categories.iter().any(|covered| covered == of))
    }

    /// What is wrong with it, with pointers into it.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        if !(1..=MAX_COUNT).contains(&self.max) {
            problems.push(FieldProblem::new(
                "/max",
                "app.frequency_cap",
                format!("expected 1 to {MAX_COUNT}, found {}", self.max),
            ));
        }
        if !(MIN_PER_MS..=MAX_PER_MS).contains(&self.per) {
            problems.push(FieldProblem::new(
                "/per",
                "app.frequency_cap",
                "expected a duration from 1s to 30d",
            ));
        }
        if self.categories.len() > MAX_CATEGORIES {
            problems.push(FieldProblem::new(
                "/categories",
                "app.frequency_cap",
                format!(
                    "expected at most {MAX_CATEGORIES} categories, found {}",
                    self.categories.len()
                ),
            ));
        }
        problems
    }
}

/// Whether a user who got `before` may get one more of this category now.
#[must_use]
pub fn admits(
    caps: &[FrequencyCap],
    category: Option<&str>,
    before: &[Counted],
    now: UnixMs,
) -> bool {
    caps.iter().filter(|cap| cap.covers(category)).all(|cap| {
        let counts = |counted: &&Counted| {
            counted.at > now.saturating_sub(cap.per) && cap.covers(counted.category.as_deref())
        };
        before.iter().filter(counts).count() < cap.max as usize
    })
}

/// How long a notification of this category, reserved now, is to be remembered; `None`: no cap
/// counts it.
#[must_use]
pub fn keep_ms(caps: &[FrequencyCap], category: Option<&str>) -> Option<i64> {
    let covering = caps.iter().filter(|cap| cap.covers(category));
    covering.map(|cap| cap.per).max()
}

/// A duration as people write it.
mod per {
    use super::duration;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's signature of `with`"
    )]
    pub(super) fn serialize<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration::format_ms(*ms))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration::parse_ms(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    fn cap(max: u32, per: i64, categories: &[&str]) -> FrequencyCap {
        FrequencyCap {
            max,
            per,
            categories: categories.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn counted(at: UnixMs, category: Option<&str>) -> Counted {
        Counted {
            at,
            category: category.map(str::to_owned),
        }
    }

    #[test]
    fn windows_slide() {
        let caps = [cap(2, HOUR, &[])];
        let before = [counted(0, None), counted(10, None)];
        assert!(!admits(&caps, None, &before, HOUR - 1));
        assert!(admits(&caps, None, &before, HOUR), "the first one is out");
        assert!(admits(&caps, None, &before[..1], 20));
        assert!(admits(&[], None, &before, 20));
    }

    #[test]
    fn categories_count_for_themselves() {
        let caps = [cap(1, HOUR, &["marketing"]), cap(3, HOUR, &[])];
        let one = [counted(0, Some("marketing"))];
        assert!(!admits(&caps, Some("marketing"), &one, 1));
        assert!(admits(&caps, Some("orders"), &one, 1));
        assert!(admits(&caps, None, &one, 1));
        let three = [
            counted(0, Some("orders")),
            counted(0, None),
            counted(0, None),
        ];
        assert!(!admits(&caps, Some("orders"), &three, 1));
        assert!(
            !admits(&caps, Some("marketing"), &three, 1),
            "every cap that covers it must let it through"
        );
        assert_eq!(keep_ms(&caps, None), Some(HOUR));
        assert_eq!(keep_ms(&caps[..1], None), None);
    }

    #[test]
    fn reads_and_writes_as_people_do() {
        let json = r#"{"max":3,"per":"1d","categories":["marketing"]}"#;
        let read: FrequencyCap = serde_json::from_str(json).unwrap();
        assert_eq!(read, cap(3, 24 * HOUR, &["marketing"]));
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert!(serde_json::from_str::<FrequencyCap>(r#"{"max":3,"per":"soon"}"#).is_err());
        assert!(read.problems().is_empty());
        let bad = cap(0, 31 * 24 * HOUR, &["a"; 101]).problems();
        let pointers: Vec<_> = bad.iter().map(|problem| &*problem.pointer).collect();
        assert_eq!(pointers, ["/max", "/per", "/categories"]);
    }

    proptest! {
        /// Whoever asks before each and counts what was let through never has more than `max` in any
        /// window.
        #[test]
        fn never_more_than_the_cap(steps in proptest::collection::vec(0i64..2_000, 1..80), max in 1u32..5) {
            let caps = [cap(max, 3_000, &[])];
            let (mut now, mut sent): (i64, Vec<Counted>) = (0, Vec::new());
            for step in steps {
                now += step;
                if admits(&caps, None, &sent, now) {
                    sent.push(counted(now, None));
                }
                let window = sent.iter().filter(|one| one.at > now - 3_000).count();
                prop_assert!(window <= max as usize);
            }
        }
    }
}
