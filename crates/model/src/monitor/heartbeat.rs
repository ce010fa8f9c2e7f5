//! Heartbeats: a job tells that it ran, and its silence is the alarm.

use super::result::{CheckResult, FaultKind};
use crate::problem::FieldProblem;
use crate::schedule::clock;
use crate::schedule::cron::CronRule;
use crate::{UnixMs, duration, time_zone};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// What is said again within so long at least is one beginning.
const SAID_TWICE_MS: i64 = 60_000;
/// A clock that is set back by so much at most was ahead by little: what was heard then is of this night, not of the next.
const SET_BACK_MS: i64 = 600_000;
/// Shortest and longest time between two beats, in milliseconds: 10 s to 100 days.
const PERIOD_MS: std::ops::RangeInclusive<i64> = 10_000..=8_640_000_000;

/// How often somebody is to be heard of, as it is written: `period`, or `cron` with `time_zone`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeartbeatCheck {
    /// The time from one beat to the next, e.g. `"1d"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// When the job runs: `minute hour day month weekday`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// By the clock of which place the job runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How much later a beat may come, e.g. `"10m"`; default: one minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
    /// How long the job may run, where it tells when it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_limit: Option<String>,
}

/// The same, read.
#[derive(Clone, Debug)]
pub struct HeartbeatPlan {
    rhythm: Rhythm,
    grace_ms: i64,
    run_limit_ms: Option<i64>,
}

#[derive(Clone, Debug)]
enum Rhythm {
    Period(i64),
    Cron(Box<CronRule>, TimeZone),
}

/// What a job tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beat {
    /// It begins.
    Start,
    /// It has done what it does; also of jobs that tell no beginning.
    Finish,
    /// It failed, with what it has to say.
    Fail(String),
}

/// What is remembered of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// When it was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<UnixMs>,
    /// When it began, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<UnixMs>,
    /// When its silence becomes a fault; `None` until it is first heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<UnixMs>,
}

impl HeartbeatCheck {
    pub(super) fn plan(&self, problems: &mut Vec<FieldProblem>) -> Option<HeartbeatPlan> {
        let before = problems.len();
        let mut span = |pointer: &str, text: Option<&String>| {
            let read = duration::parse_ms(text?);
            let wrong = |why| FieldProblem::new(pointer, "monitor.duration", why);
            read.map_err(|why| problems.push(wrong(why))).ok()
        };
        let period_ms = span("/period", self.period.as_ref());
        let grace_ms = span("/grace", self.grace.as_ref()).unwrap_or(60_000);
        let run_limit_ms = span("/run_limit", self.run_limit.as_ref());
        let mut wrong = |pointer, code, message: String| {
            problems.push(FieldProblem::new(pointer, code, message));
        };
        if !PERIOD_MS.contains(&period_ms.unwrap_or(*PERIOD_MS.start())) {
            wrong(
                "/period",
                "monitor.period",
                "expected 10s to 100d".to_owned(),
            );
        }
        if !(0..=*PERIOD_MS.end()).contains(&grace_ms) {
            wrong("/grace", "monitor.period", "expected 0s to 100d".to_owned());
        }
        if !(1..=*PERIOD_MS.end()).contains(&run_limit_ms.unwrap_or(1)) {
            wrong(
                "/run_limit",
                "monitor.period",
                "expected more than 0s, at most 100d".to_owned(),
            );
        }
        let rhythm = match (&self.period, &self.cron) {
            (Some(_), None) => {
                if self.time_zone.is_some() {
                    let message = "expected it beside `cron` only: a period is the same everywhere";
                    wrong("/time_zone", "monitor.time_zone", message.to_owned());
                }
                period_ms.map(Rhythm::Period)
            }
            (None, Some(cron)) => self.cron_rule(cron, problems),
            (both, _) => {
                let found = if both.is_some() { "both" } else { "neither" };
                let message = format!("expected exactly one of `period` and `cron`, found {found}");
                wrong("/period", "monitor.period", message);
                None
            }
        };
        if problems.len() > before {
            return None;
        }
        Some(HeartbeatPlan {
            rhythm: rhythm?,
            grace_ms,
            run_limit_ms,
        })
    }

    fn cron_rule(&self, cron: &str, problems: &mut Vec<FieldProblem>) -> Option<Rhythm> {
        let rule = CronRule::parse(cron).map_err(|error| {
            let column = error.column;
            let problem = FieldProblem::new("/cron", "schedule.cron", error.message);
            problems.push(problem.at(u32::from(column > 0), column));
        });
        let zone = match &self.time_zone {
            Some(name) => time_zone::parse(name),
            None => Err(
                "expected the time zone of the machine whose cron it is, such as Asia/Seoul or UTC"
                    .to_owned(),
            ),
        };
        let zone = zone.map_err(|why| {
            problems.push(FieldProblem::new("/time_zone", "monitor.time_zone", why));
        });
        Some(Rhythm::Cron(Box::new(rule.ok()?), zone.ok()?))
    }
}

impl HeartbeatPlan {
    /// When silence becomes a fault after a beat, or a missed one, at `from`.
    #[must_use]
    pub fn due_after(&self, from: UnixMs) -> UnixMs {
        let next = match &self.rhythm {
            Rhythm::Period(ms) => from.saturating_add(*ms),
            // What is never due again is never missed.
            Rhythm::Cron(rule, zone) => {
                clock::next(rule, zone, from, |_| true).map_or(UnixMs::MAX, |next| next.at)
            }
        };
        next.saturating_add(self.grace_ms)
    }

    /// How much later a beat may come, in milliseconds.
    #[must_use]
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The furthest that a fault may be away at `now`: what is further was counted by a clock that was ahead.
    fn latest(&self, now: UnixMs) -> UnixMs {
        let limit = now.saturating_add(self.run_limit_ms.unwrap_or(0));
        self.due_after(now).max(limit)
    }
}

impl Pulse {
    /// `now`, or when it was heard of where the clock was set back by little since: of what is due at times of the clock,
    /// the time that was heard of must not come again.
    fn not_before_heard(&self, plan: &HeartbeatPlan, now: UnixMs) -> UnixMs {
        if let Rhythm::Period(_) = plan.rhythm {
            return now;
        }
        let latest = now.saturating_add(SET_BACK_MS);
        let heard_at = self.heard_at.filter(|at| *at <= latest);
        heard_at.map_or(now, |at| at.max(now))
    }

    /// Hears a beat. What it says about the job's health, if anything.
    pub fn hear(&mut self, plan: &HeartbeatPlan, beat: &Beat, now: UnixMs) -> Option<CheckResult> {
        let now = self.not_before_heard(plan, now);
        self.heard_at = Some(now);
        let began_at = self.started_at.filter(|at| *at <= now);
        if *beat == Beat::Start {
            return self.begin(plan, began_at, now);
        }
        self.started_at = None;
        // A job's rhythm is that of its beginnings: one that takes longer each day does not drift.
        let due_at = plan.due_after(began_at.unwrap_or(now));
        self.due_at = Some(if due_at > now {
            due_at
        } else {
            plan.due_after(now)
        });
        let elapsed_ms = began_at.map(|at| now.abs_diff(at));
        let result = match beat {
            Beat::Fail(why) if why.trim().is_empty() => {
                CheckResult::down(FaultKind::Reported, "the job says that it failed")
            }
            Beat::Fail(why) => CheckResult::down(
                FaultKind::Reported,
                format!("the job says that it failed: {}", why.trim()),
            ),
            _ => CheckResult::up(None),
        };
        Some(CheckResult {
            elapsed_ms,
            ..result
        })
    }

    /// It begins. Where it began before and has not ended, that run counts: within its limit it goes on, and what is said
    /// twice within the grace, or a minute, is one beginning; after that it has failed, or a job that always dies would never be missed.
    fn begin(
        &mut self,
        plan: &HeartbeatPlan,
        began_at: Option<UnixMs>,
        now: UnixMs,
    ) -> Option<CheckResult> {
        let ran_ms = began_at.map(|at| now.saturating_sub(at));
        let twice_ms = plan.grace_ms.max(SAID_TWICE_MS);
        let may_run_ms = plan.run_limit_ms.unwrap_or(twice_ms);
        if ran_ms.is_some_and(|ms| ms < may_run_ms) {
            return None;
        }
        self.started_at = Some(now);
        let limit = plan.run_limit_ms.map(|ms| now.saturating_add(ms));
        self.due_at = Some(limit.unwrap_or_else(|| plan.due_after(now)));
        let ran = duration::format_secs(ran_ms?);
        Some(CheckResult::down(
            FaultKind::RanTooLong,
            format!("the job begins again, and the run that began {ran} ago has not ended"),
        ))
    }

    /// Looks whether it was missed. `listening_since` is when beats could first be heard again after nobody listened: what
    /// could not be heard is not missing.
    pub fn look(
        &mut self,
        plan: &HeartbeatPlan,
        listening_since: UnixMs,
        now: UnixMs,
    ) -> Option<CheckResult> {
        let due_at = self
            .due_at?
            .min(plan.latest(self.not_before_heard(plan, now)));
        self.due_at = Some(due_at);
        if due_at > now {
            return None;
        }
        let patience = listening_since.saturating_add(plan.grace_ms.max(60_000));
        if self.heard_at.is_none_or(|at| at < listening_since)
            && due_at < patience
            && now < patience
        {
            self.due_at = Some(patience);
            return None;
        }
        let is_running = self.started_at.take();
        self.due_at = Some(plan.due_after(now));
        Some(match (is_running, plan.run_limit_ms) {
            (Some(began_at), Some(limit_ms)) => CheckResult::down(
                FaultKind::RanTooLong,
                format!(
                    "the job began {} ago and has not ended, expected at most {}",
                    duration::format_secs(now.saturating_sub(began_at)),
                    duration::format_ms(limit_ms)
                ),
            ),
            _ => {
                let since = self.heard_at.map_or_else(String::new, |at| {
                    let silent_ms = now.saturating_sub(at);
                    format!(" for {}", duration::format_secs(silent_ms))
                });
                CheckResult::down(FaultKind::Missing, format!("not heard of{since}"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const MIN: i64 = 60_000;

    fn plan(check: Value) -> HeartbeatPlan {
        let check: HeartbeatCheck = serde_json::from_value(check).unwrap();
        let mut problems = Vec::new();
        let plan = check.plan(&mut problems);
        assert_eq!(problems, []);
        plan.unwrap()
    }

    fn kind(result: Option<CheckResult>) -> Option<FaultKind> {
        result
            .and_then(|result| result.fault)
            .map(|fault| fault.kind)
    }

    #[test]
    fn silence_is_a_fault_once_for_each_beat_that_is_missed() {
        let plan = plan(json!({"period": "10m", "grace": "1m"}));
        let mut pulse = Pulse::default();
        assert_eq!(pulse.look(&plan, 0, 99 * MIN), None, "never heard of");
        let up = pulse.hear(&plan, &Beat::Finish, 100 * MIN).unwrap();
        assert_eq!((up.fault, pulse.due_at), (None, Some(111 * MIN)));
        assert_eq!(pulse.look(&plan, 0, 111 * MIN - 1), None);
        let missing = pulse.look(&plan, 0, 111 * MIN).unwrap();
        assert_eq!(missing.fault.unwrap().message, "not heard of for 11m");
        assert_eq!(pulse.look(&plan, 0, 111 * MIN), None, "once");
        assert_eq!(
            kind(pulse.look(&plan, 0, 122 * MIN)),
            Some(FaultKind::Missing)
        );
        let failed = pulse.hear(&plan, &Beat::Fail(" disk full\n".into()), 123 * MIN);
        let fault = failed.unwrap().fault.unwrap();
        assert_eq!(fault.message, "the job says that it failed: disk full");
        assert_eq!(pulse.due_at, Some(134 * MIN));
    }

    #[test]
    fn runs_have_a_limit_and_their_rhythm_is_that_of_their_beginnings() {
        let plan = plan(json!({"period": "1h", "grace": "5m", "run_limit": "20m"}));
        let mut pulse = Pulse::default();
        assert_eq!(pulse.hear(&plan, &Beat::Start, 0), None);
        assert_eq!(pulse.due_at, Some(20 * MIN));
        let up = pulse.hear(&plan, &Beat::Finish, 15 * MIN).unwrap();
        assert_eq!(up.elapsed_ms, Some(900_000));
        assert_eq!(pulse.due_at, Some(65 * MIN), "an hour after it began");
        pulse.hear(&plan, &Beat::Start, 60 * MIN);
        let long = pulse.look(&plan, 0, 80 * MIN).unwrap().fault.unwrap();
        assert_eq!(long.kind, FaultKind::RanTooLong);
        assert!(long.message.contains("began 20m ago"), "{}", long.message);
    }

    #[test]
    fn a_job_that_begins_and_never_ends_has_failed_when_it_begins_again() {
        let day = 24 * 60 * MIN;
        let nightly = plan(json!({"cron": "0 2 * * *", "time_zone": "UTC", "grace": "30m"}));
        let daily = plan(json!({"period": "1d", "grace": "30m"}));
        for plan in [nightly, daily] {
            let mut pulse = Pulse::default();
            let two = |night: i64| night * day + 120 * MIN;
            pulse.hear(&plan, &Beat::Start, two(0));
            pulse.hear(&plan, &Beat::Finish, two(0) + MIN);
            assert_eq!(pulse.hear(&plan, &Beat::Start, two(1)), None);
            // It takes as long as it takes, and may say twice that it begins.
            assert_eq!(pulse.hear(&plan, &Beat::Start, two(1) + MIN), None);
            assert_eq!(pulse.started_at, Some(two(1)));
            assert_eq!(pulse.look(&plan, 0, two(1) + day / 2), None);
            for night in 2..5 {
                let fault = pulse.hear(&plan, &Beat::Start, two(night));
                let fault = fault.unwrap().fault.unwrap();
                assert_eq!(fault.kind, FaultKind::RanTooLong);
                assert_eq!(
                    fault.message,
                    "the job begins again, and the run that began 1d ago has not ended"
                );
            }
            let up = pulse.hear(&plan, &Beat::Finish, two(4) + 9 * MIN).unwrap();
            assert_eq!((up.fault, up.elapsed_ms), (None, Some(540_000)));
            assert_eq!(pulse.hear(&plan, &Beat::Start, two(5)), None);
        }
    }

    #[test]
    fn what_is_said_twice_is_one_beginning_also_without_a_grace() {
        let plan = plan(json!({"period": "1d", "grace": "0s"}));
        let mut pulse = Pulse::default();
        for at in [0, 0, 30_000] {
            assert_eq!(pulse.hear(&plan, &Beat::Start, at), None);
        }
        assert_eq!(
            kind(pulse.hear(&plan, &Beat::Start, MIN)),
            Some(FaultKind::RanTooLong)
        );
    }

    #[test]
    fn runs_that_overlap_end_within_the_limit_of_the_first() {
        let plan = plan(json!({"period": "5m", "run_limit": "12m"}));
        let mut pulse = Pulse::default();
        for at in [0, 5, 10] {
            assert_eq!(pulse.hear(&plan, &Beat::Start, at * MIN), None);
            assert_eq!(pulse.due_at, Some(12 * MIN));
        }
        let up = pulse.hear(&plan, &Beat::Finish, 11 * MIN).unwrap();
        assert_eq!(up.elapsed_ms, Some(660_000));
        pulse.hear(&plan, &Beat::Start, 15 * MIN);
        pulse.hear(&plan, &Beat::Start, 20 * MIN);
        let long = pulse.look(&plan, 0, 27 * MIN);
        assert_eq!(kind(long), Some(FaultKind::RanTooLong));
    }

    proptest! {
        /// However often it begins: it is a fault each time that a run without an end has had its time.
        #[test]
        fn a_job_that_only_begins_is_never_well(
            gaps in proptest::collection::vec(1..4_000i64, 1..60), has_limit in any::<bool>()
        ) {
            let mut check = json!({"period": "10m", "grace": "7m"});
            if has_limit {
                check["run_limit"] = json!("25m");
            }
            let plan = plan(check);
            let may_run_ms = if has_limit { 25 * MIN } else { 7 * MIN };
            let (mut pulse, mut now) = (Pulse::default(), 60 * MIN);
            let mut began_at: Option<UnixMs> = None;
            for secs in gaps {
                now += secs * 1_000;
                let missed = pulse.look(&plan, 0, now);
                let heard = pulse.hear(&plan, &Beat::Start, now);
                let is_over = began_at.is_none_or(|at| now - at >= may_run_ms);
                let found = [missed, heard].into_iter().flatten();
                let is_expected = usize::from(is_over && began_at.is_some());
                prop_assert_eq!(found.filter(|result| result.fault.is_some()).count(), is_expected);
                if is_over {
                    began_at = Some(now);
                }
            }
        }
    }

    #[test]
    fn jobs_by_the_clock_of_their_place() {
        let plan =
            plan(json!({"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "grace": "30m"}));
        let ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let due = plan.due_after(ms("2026-03-28T02:31:00+01:00"));
        assert_eq!(
            due,
            ms("2026-03-29T03:30:00+02:00"),
            "the jump, and half an hour"
        );
    }

    #[test]
    fn what_could_not_be_heard_is_not_missing() {
        let plan = plan(json!({"period": "10m", "grace": "2m"}));
        let mut pulse = Pulse::default();
        pulse.hear(&plan, &Beat::Finish, 0);
        // The server was down from 5 to 60.
        assert_eq!(pulse.look(&plan, 60 * MIN, 60 * MIN), None);
        assert_eq!(pulse.due_at, Some(62 * MIN));
        let missing = pulse.look(&plan, 60 * MIN, 62 * MIN);
        assert_eq!(kind(missing), Some(FaultKind::Missing));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_deaf() {
        let plan = plan(json!({"period": "10m", "grace": "1m"}));
        let mut pulse = Pulse::default();
        pulse.hear(&plan, &Beat::Finish, 10_000 * MIN);
        assert_eq!(pulse.look(&plan, 0, 100 * MIN), None);
        assert_eq!(pulse.due_at, Some(111 * MIN));
    }

    #[test]
    fn a_clock_that_is_set_back_by_little_makes_no_period_longer() {
        let plan = plan(json!({"period": "10s", "grace": "10s"}));
        let mut pulse = Pulse::default();
        pulse.hear(&plan, &Beat::Finish, 20 * MIN);
        pulse.hear(&plan, &Beat::Finish, 11 * MIN);
        let missing = pulse.look(&plan, 0, 11 * MIN + 20_000);
        assert_eq!(kind(missing), Some(FaultKind::Missing));
    }

    #[test]
    fn a_clock_that_is_set_back_skips_no_night() {
        let plan = plan(json!({"cron": "0 2 * * *", "time_zone": "UTC", "grace": "30m"}));
        let night = |night: i64| (night * 24 + 2) * 60 * MIN;
        let mut pulse = Pulse::default();
        // It was nine hours ahead.
        pulse.hear(&plan, &Beat::Finish, night(1) + 4 * 60 * MIN);
        assert_eq!(pulse.due_at, Some(night(2) + 30 * MIN));
        assert_eq!(pulse.look(&plan, 0, night(1) - 5 * 60 * MIN), None);
        assert_eq!(pulse.due_at, Some(night(1) + 30 * MIN));
        assert_eq!(pulse.look(&plan, 0, night(1)), None);
        assert_eq!(pulse.due_at, Some(night(1) + 30 * MIN));
    }

    #[test]
    fn a_clock_that_is_set_back_by_little_asks_for_no_night_twice() {
        const SEC: i64 = 1_000;
        let plan = plan(json!({"cron": "0 3 * * *", "time_zone": "UTC", "grace": "30m"}));
        let night = |night: i64| (night * 24 + 3) * 60 * MIN;
        let ran = || {
            let mut pulse = Pulse::default();
            pulse.hear(&plan, &Beat::Start, night(1) + SEC);
            pulse.hear(&plan, &Beat::Finish, night(1) + 4 * SEC);
            pulse
        };
        let is_of_the_next = |pulse: &mut Pulse| {
            for at in [night(1) - 5 * SEC, night(1), night(1) + 31 * MIN] {
                assert_eq!(pulse.look(&plan, 0, at), None);
                assert_eq!(pulse.due_at, Some(night(2) + 30 * MIN));
            }
        };
        is_of_the_next(&mut ran());
        // It is told once more.
        let mut pulse = ran();
        pulse.hear(&plan, &Beat::Finish, night(1) - 6 * SEC);
        is_of_the_next(&mut pulse);
        // It ends after the clock was set back.
        let mut pulse = Pulse::default();
        pulse.hear(&plan, &Beat::Start, night(1) + SEC);
        let up = pulse.hear(&plan, &Beat::Finish, night(1) - 6 * SEC);
        assert_eq!(up.unwrap().elapsed_ms, Some(0));
        is_of_the_next(&mut pulse);
        assert_eq!(
            kind(pulse.look(&plan, 0, night(2) + 30 * MIN)),
            Some(FaultKind::Missing)
        );
    }

    #[test]
    fn mistakes_have_their_pointer() {
        for (check, pointer) in [
            (json!({}), "/period"),
            (json!({"period": "1h", "cron": "0 * * * *"}), "/period"),
            (json!({"period": "5s"}), "/period"),
            (json!({"period": "1h", "grace": "soon"}), "/grace"),
            (json!({"period": "1h", "run_limit": "0s"}), "/run_limit"),
            (json!({"period": "1h", "time_zone": "UTC"}), "/time_zone"),
            (json!({"cron": "0 9 * * *"}), "/time_zone"),
            (json!({"cron": "0 25 * * *", "time_zone": "UTC"}), "/cron"),
        ] {
            let read: HeartbeatCheck = serde_json::from_value(check.clone()).unwrap();
            let mut problems = Vec::new();
            assert!(read.plan(&mut problems).is_none());
            assert_eq!(problems.len(), 1, "{check}: {problems:?}");
            assert_eq!(problems[0].pointer, pointer, "{check}");
        }
    }
}
