//! What a monitor says, as it is written and stored, and as it is read.

use super::check::{CheckDefinition, CheckPlan};
use super::heartbeat::HeartbeatPlan;
use super::maintenance::{Maintenance, MaintenanceWindow};
use super::page::PageHow;
use crate::device::is_plain_name;
use crate::problem::FieldProblem;
use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};

/// Shortest and longest time between two checks, in milliseconds: 1 s to 1 day.
const INTERVAL_MS: std::ops::RangeInclusive<i64> = 1_000..=86_400_000;
/// Shortest and longest time that one attempt may take, in milliseconds.
const TIMEOUT_MS: std::ops::RangeInclusive<i64> = 100..=60_000;
/// Most attempts after the first that a check makes before it counts as failed.
const MAX_RETRIES: u16 = 5;
/// Most checks in a row that a state may hang on.
const MAX_THRESHOLD: u16 = 100;
/// Most changes within a time that flapping may be judged by.
const MAX_CHANGES: u16 = 50;
/// Most tags, and most monitors that one depends on.
const MAX_NAMES: usize = 20;
const MAX_DESCRIPTION: usize = 200;

/// The body of `PUT /v1/apps/{app}/monitors/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorDefinition {
    /// What is looked at.
    pub check: CheckDefinition,
    /// The time from one check to the next; default one minute. Not of heartbeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Each check is later by a random part of this, at most half of the interval; default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// How long one attempt may take; default 10 s, or the interval where that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Attempts after the first before a check counts as failed; default 1, for heartbeats and the server itself 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u16>,
    /// The pause before each of them; default 2 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
    /// Failed checks in a row before an incident is opened; default 2, for heartbeats and the server itself 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u16>,
    /// Good checks in a row before it is resolved; default 2, for heartbeats and the server itself 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoveries: Option<u16>,
    /// When going up and down is an incident of its own; default: eight changes within an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping: Option<FlappingRule>,
    /// When what is down is down on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<MaintenanceWindow>,
    /// For people and filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Monitors without which this one cannot be up: while one of them is down, nobody is paged for this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Whether it may look at addresses that are not public; the server's configuration must let them through as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private_target: bool,
    /// Who is paged, how and when: a ladder's name. Without, nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<String>,
    /// How bad it is.
    #[serde(default, skip_serializing_if = "Severity::is_default")]
    pub severity: Severity,
    /// `true`: it rests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// The app's attributes type of a Live Activity that shows an incident while it lasts, to those who are paged; none: it is
    /// shown by notifications only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_activity: Option<String>,
    /// Which secret of a heartbeat's URL holds: rises when it is changed. Not written by callers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub heartbeat_serial: u32,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(serial: &u32) -> bool {
    *serial == 0
}

/// How bad an incident is, and so how loud it may become.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is written down, and nobody is paged.
    Info,
    /// Alerts that a silent phone keeps silent.
    Warning,
    /// Everything that the ladder says.
    #[default]
    Critical,
}

impl Severity {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The loudest page; `None`: none.
    #[must_use]
    pub fn loudest(self) -> Option<PageHow> {
        match self {
            Self::Info => None,
            Self::Warning => Some(PageHow::Alert),
            Self::Critical => Some(PageHow::Ring),
        }
    }
}

/// When going up and down is flapping: then one incident stays open until it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlappingRule {
    /// So many changes between up and down; 0: never.
    pub changes: u16,
    /// Within this time, e.g. `"1h"`. It is over when there was no change for as long.
    pub within: String,
}

/// A monitor, read.
#[derive(Clone, Debug)]
pub struct MonitorPlan {
    /// What is looked at.
    pub check: CheckPlan,
    /// The time from one check to the next: milliseconds.
    pub interval_ms: i64,
    /// Each check is later by a part of this: milliseconds.
    pub jitter_ms: i64,
    /// How long one attempt may take: milliseconds.
    pub timeout_ms: i64,
    /// Attempts after the first.
    pub retries: u16,
    /// The pause before each of them: milliseconds.
    pub retry_after_ms: i64,
    /// Failed checks in a row before an incident is opened.
    pub failures: u16,
    /// Good checks in a row before it is resolved.
    pub recoveries: u16,
    /// So many changes within so many milliseconds are flapping; none: it never is.
    pub flapping: Option<(u16, i64)>,
    /// When what is down is down on purpose.
    pub maintenance: Maintenance,
    /// Whether it may look at addresses that are not public.
    pub private_target: bool,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it rests.
    pub paused: bool,
}

/// Collects what is wrong.
struct Reader<'a>(&'a mut Vec<FieldProblem>);

impl Reader<'_> {
    fn wrong(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.0.push(FieldProblem::new(pointer, code, message));
    }

    /// A duration within bounds; what is wrong or left out is the default.
    fn span(
        &mut self,
        pointer: &str,
        text: Option<&String>,
        bounds: std::ops::RangeInclusive<i64>,
        default_ms: i64,
    ) -> i64 {
        let Some(text) = text else { return default_ms };
        let read = duration::parse_ms(text).and_then(|ms| match bounds.contains(&ms) {
            true => Ok(ms),
            false => {
                let [least, most] =
                    [bounds.start(), bounds.end()].map(|ms| duration::format_ms(*ms));
                Err(format!("expected {least} to {most}, found {text:?}"))
            }
        });
        read.unwrap_or_else(|why| {
            self.wrong(pointer, "monitor.duration", why);
            default_ms
        })
    }

    fn count(&mut self, pointer: &str, found: u16, least: u16, most: u16) {
        if !(least..=most).contains(&found) {
            let message = format!("expected {least} to {most}, found {found}");
            self.wrong(pointer, "monitor.count", message);
        }
    }

    fn names(&mut self, pointer: &str, names: &[String]) {
        if names.len() > MAX_NAMES {
            let message = format!("expected at most {MAX_NAMES}, found {}", names.len());
            self.wrong(pointer, "monitor.too_many", message);
        }
        for (place, name) in names.iter().enumerate() {
            if !is_plain_name(name, 64) {
                let shown: String = name.chars().take(64).collect();
                self.wrong(format!("{pointer}/{place}"), "monitor.name", format!("expected a name of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -, found {shown:?}"));
            } else if names[..place].contains(name) {
                let message = format!("expected each name once, found {name:?} twice");
                self.wrong(format!("{pointer}/{place}"), "monitor.name", message);
            }
        }
    }
}

impl MonitorDefinition {
    /// Reads it. Whether the monitors and the ladder that it names exist is not asked here
    /// ([`super::cycle`] finds circles).
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body.
    pub fn plan(&self) -> Result<MonitorPlan, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let check = self.check.plan(&mut problems);
        let maintenance = Maintenance::read(&self.maintenance, &mut problems);
        let mut reader = Reader(&mut problems);
        let is_heartbeat = self.check.is_heartbeat();
        if is_heartbeat {
            self.no_asking(&mut reader);
        }
        let interval_ms = reader.span("/interval", self.interval.as_ref(), INTERVAL_MS, 60_000);
        let timeout_ms = reader.span(
            "/timeout",
            self.timeout.as_ref(),
            TIMEOUT_MS,
            interval_ms.min(10_000),
        );
        let jitter_ms = reader.span("/jitter", self.jitter.as_ref(), 0..=interval_ms / 2, 0);
        let retry_after_ms = reader.span(
            "/retry_after",
            self.retry_after.as_ref(),
            0..=*INTERVAL_MS.end(),
            2_000,
        );
        // These have a limit of their own.
        let is_patient = is_heartbeat || self.check.is_server();
        let (usual_retries, usual_threshold) = if is_patient { (0, 1) } else { (1, 2) };
        let retries = self.retries.unwrap_or(usual_retries);
        let failures = self.failures.unwrap_or(usual_threshold);
        let recoveries = self.recoveries.unwrap_or(usual_threshold);
        reader.count("/retries", retries, 0, MAX_RETRIES);
        reader.count("/failures", failures, 1, MAX_THRESHOLD);
        reader.count("/recoveries", recoveries, 1, MAX_THRESHOLD);
        let flapping = self.flapping(&mut reader);
        reader.names("/tags", &self.tags);
        reader.names("/depends_on", &self.depends_on);
        if let Some(ladder) = &self.ladder {
            if !is_plain_name(ladder, 64) {
                reader.wrong("/ladder", "monitor.name", "expected a ladder's name");
            } else if self.severity == Severity::Info {
                reader.wrong("/ladder", "monitor.ladder", "expected none: for \"severity\": \"info\" nobody is paged; say \"warning\" or \"critical\"");
            }
        }
        if let Some(name) = &self.live_activity
            && !is_plain_name(name, 64)
        {
            let message = "expected the name of the app's attributes type, of 1 to 64 characters";
            reader.wrong("/live_activity", "monitor.live_activity", message);
        }
        if self.description.chars().count() > MAX_DESCRIPTION
            || self.description.chars().any(char::is_control)
        {
            let message = format!("expected one line of at most {MAX_DESCRIPTION} characters");
            reader.wrong("/description", "monitor.description", message);
        }
        match check {
            Some(check) if problems.is_empty() => Ok(MonitorPlan {
                check,
                interval_ms,
                jitter_ms,
                timeout_ms,
                retries,
                retry_after_ms,
                failures,
                recoveries,
                flapping,
                maintenance,
                private_target: self.private_target,
                severity: self.severity,
                paused: self.paused,
            }),
            _ => Err(problems),
        }
    }

    fn no_asking(&self, reader: &mut Reader<'_>) {
        for (pointer, is_there) in [
            ("/interval", self.interval.is_some()),
            ("/jitter", self.jitter.is_some()),
            ("/timeout", self.timeout.is_some()),
            ("/retries", self.retries.is_some_and(|retries| retries > 0)),
            ("/retry_after", self.retry_after.is_some()),
            ("/private_target", self.private_target),
        ] {
            if is_there {
                let message = "expected none: a heartbeat is heard of and never asked; its rhythm is check.heartbeat.period or .cron";
                reader.wrong(pointer, "monitor.heartbeat", message);
            }
        }
    }

    fn flapping(&self, reader: &mut Reader<'_>) -> Option<(u16, i64)> {
        let Some(rule) = &self.flapping else {
            return Some((8, 3_600_000));
        };
        if rule.changes != 0 {
            reader.count("/flapping/changes", rule.changes, 3, MAX_CHANGES);
        }
        let bounds = 60_000..=7 * 86_400_000;
        let within_ms = reader.span("/flapping/within", Some(&rule.within), bounds, 0);
        (rule.changes != 0).then_some((rule.changes, within_ms))
    }
}

impl MonitorPlan {
    /// When the monitor with this number is next checked after `now`: each has its own place in the interval, so that
    /// thousands are spread evenly, and restarts change nothing. `dice` is a random number.
    #[must_use]
    pub fn next_check(&self, no: i64, dice: u64, now: UnixMs) -> UnixMs {
        // The golden ratio spreads numbers in a row evenly (Knuth's multiplicative hashing).
        let spread = no.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let interval = self.interval_ms.unsigned_abs().max(1);
        let place = (u128::from(spread) * u128::from(interval)) >> 64;
        let place = i64::try_from(place).unwrap_or(0);
        let since = now
            .saturating_sub(place)
            .rem_euclid(self.interval_ms.max(1));
        let next = now.saturating_add(self.interval_ms.max(1) - since);
        next.saturating_add(self.jitter(dice))
    }

    fn jitter(&self, dice: u64) -> i64 {
        let part = (u128::from(dice) * u128::from(self.jitter_ms.unsigned_abs())) >> 64;
        i64::try_from(part).unwrap_or(0)
    }

    /// The longest that a check takes with all its attempts: milliseconds.
    #[must_use]
    pub fn one_check_ms(&self) -> i64 {
        let attempts = i64::from(self.retries) + 1;
        let each = self.timeout_ms.saturating_add(self.retry_after_ms);
        attempts.saturating_mul(each)
    }

    /// The longest time until what is well again has shown it: milliseconds.
    pub(super) fn settle_ms(&self) -> i64 {
        match self.heartbeat() {
            Some(heartbeat) => heartbeat.grace_ms(),
            None => {
                let each = self.interval_ms.saturating_add(self.jitter_ms);
                let checks = each.saturating_mul(i64::from(self.recoveries));
                checks.saturating_add(self.one_check_ms())
            }
        }
    }

    pub(super) fn heartbeat(&self) -> Option<&HeartbeatPlan> {
        self.check.heartbeat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn definition(with: Value) -> MonitorDefinition {
        let mut body = json!({"check": {"http": {"url": "https://shop.example.com/health"}}});
        for (name, value) in with.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn what_is_left_out_has_its_default_and_is_not_written() {
        let read = definition(json!({}));
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            r#"{"check":{"http":{"url":"https://shop.example.com/health","expect":{}}}}"#
        );
        let plan = read.plan().unwrap();
        assert_eq!((plan.interval_ms, plan.timeout_ms), (60_000, 10_000));
        assert_eq!((plan.retries, plan.failures, plan.recoveries), (1, 2, 2));
        assert_eq!(plan.flapping, Some((8, 3_600_000)));
        assert_eq!(plan.severity.loudest(), Some(PageHow::Ring));
        let beat = json!({"check": {"heartbeat": {"period": "1d"}}});
        let plan = definition(beat).plan().unwrap();
        assert_eq!((plan.retries, plan.failures, plan.recoveries), (0, 1, 1));
        let own = json!({"check": {"server": {"what": "lanes"}}});
        let plan = definition(own).plan().unwrap();
        assert_eq!((plan.retries, plan.failures, plan.recoveries), (0, 1, 1));
        let never = json!({"flapping": {"changes": 0, "within": "1h"}, "interval": "2s"});
        let plan = definition(never).plan().unwrap();
        assert_eq!((plan.flapping, plan.timeout_ms), (None, 2_000));
    }

    #[test]
    fn mistakes_have_their_pointer_and_say_what_was_expected() {
        let beat = json!({"heartbeat": {"period": "1d"}});
        for (with, pointer, part) in [
            (json!({"interval": "500ms"}), "/interval", "1s to 1d"),
            (json!({"interval": "2d"}), "/interval", "1s to 1d"),
            (json!({"interval": "1"}), "/interval", "\"90s\""),
            (json!({"timeout": "5m"}), "/timeout", "100ms to 1m"),
            (json!({"jitter": "40s"}), "/jitter", "0s to 30s"),
            (json!({"retries": 6}), "/retries", "0 to 5"),
            (json!({"failures": 0}), "/failures", "1 to 100"),
            (json!({"recoveries": 101}), "/recoveries", "1 to 100"),
            (
                json!({"flapping": {"changes": 2, "within": "1h"}}),
                "/flapping/changes",
                "3 to 50",
            ),
            (
                json!({"flapping": {"changes": 4, "within": "1s"}}),
                "/flapping/within",
                "1m to 7d",
            ),
            (json!({"tags": ["a b"]}), "/tags/0", "a name"),
            (json!({"depends_on": ["a", "a"]}), "/depends_on/1", "twice"),
            (json!({"ladder": ""}), "/ladder", "name"),
            (
                json!({"ladder": "night", "severity": "info"}),
                "/ladder",
                "nobody is paged",
            ),
            (json!({"description": "a\nb"}), "/description", "one line"),
            (json!({"maintenance": [{}]}), "/maintenance/0", "either"),
            (
                json!({"check": beat, "interval": "1m"}),
                "/interval",
                "never asked",
            ),
            (
                json!({"check": {"http": {"url": "x"}}}),
                "/check/http/url",
                "https://",
            ),
        ] {
            let problems = definition(with.clone()).plan().unwrap_err();
            assert_eq!(problems.len(), 1, "{with}: {problems:?}");
            assert_eq!(problems[0].pointer, pointer, "{with}");
            assert!(
                problems[0].message.contains(part),
                "{with}: {}",
                problems[0]
            );
        }
    }

    #[test]
    fn many_monitors_are_spread_evenly() {
        let plan = definition(json!({"interval": "1m"})).plan().unwrap();
        let mut seconds = [0; 60];
        for no in 1..=6_000 {
            let at = plan.next_check(no, 0, 0);
            seconds[usize::try_from(at / 1_000 % 60).unwrap()] += 1;
        }
        assert!(
            seconds.iter().all(|count| (95..=105).contains(count)),
            "{seconds:?}"
        );
    }

    proptest! {
        #[test]
        fn the_next_check_is_within_an_interval_and_its_jitter(no in 0..i64::MAX, dice in any::<u64>(), now in 0..4_000_000_000_000i64) {
            let plan = definition(json!({"interval": "10s", "jitter": "3s"})).plan().unwrap();
            let next = plan.next_check(no, dice, now);
            prop_assert!(next > now && next <= now + 13_000, "{}", next - now);
            let again = plan.next_check(no, 0, now);
            prop_assert_eq!(plan.next_check(no, 0, again), again + 10_000);
        }
    }
}
