//! What a schedule says, as it is written and stored.

use super::SchedulePlan;
use super::clock;
use super::cron::CronRule;
use super::except::{ExceptDates, MAX_EXCEPT};
use crate::callout::ContentFrom;
use crate::campaign::CampaignRequest;
use crate::notification::{NotificationRequest, TemplateUse};
use crate::problem::FieldProblem;
use crate::target::Target;
use crate::timer::MissedRun;
use crate::{UnixMs, time_zone};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What becomes of missed times unless the schedule says otherwise: after an hour, "good morning" is
/// not what was meant.
pub const DEFAULT_MISSED: MissedRun = MissedRun::FireIfLateByUnder(3_600_000);

/// The body of `PUT /v1/apps/{app}/schedules/{name}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDefinition {
    /// When: `minute hour day month weekday`, e.g. `0 9 * * MON`, or a nickname such as `@daily`.
    pub cron: String,
    /// By the clock of which place: an IANA time zone.
    pub time_zone: String,
    /// Dates in that zone on which it does not fire: `2026-12-25`, or `2026-12-24/2026-12-26`, the last
    /// included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_dates: Vec<String>,
    /// Not before this instant (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// Not at this instant or after (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
    /// `true`: it rests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// What becomes of times that passed while nobody looked: at most the latest of them still fires.
    #[serde(default = "default_missed", skip_serializing_if = "is_default")]
    pub missed: MissedRun,
    /// What is sent each time; or a campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<NotificationRequest>,
    /// The campaign that begins each time; its name is followed by the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignRequest>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn default_missed() -> MissedRun {
    DEFAULT_MISSED
}

fn is_default(missed: &MissedRun) -> bool {
    *missed == DEFAULT_MISSED
}

impl ScheduleDefinition {
    /// When a stored schedule is due next after `now`; `None`: it rests, has ended, or cannot be read,
    /// which only happens to what a newer server wrote.
    #[must_use]
    pub fn due_at(body: &str, now: UnixMs) -> Option<UnixMs> {
        let definition: Self = serde_json::from_str(body).ok()?;
        let plan = definition.plan().ok().filter(|_| !definition.paused)?;
        Some(plan.next(now)?.at)
    }

    /// Reads when it is due. What it sends is not asked here.
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body.
    pub fn plan(&self) -> Result<SchedulePlan, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let rule = CronRule::parse(&self.cron).map_err(|error| {
            FieldProblem::new("/cron", "schedule.cron", error.message)
                .at(u32::from(error.column > 0), error.column)
        });
        let rule = rule.map_err(|problem| problems.push(problem)).ok();
        let zone = time_zone::parse(&self.time_zone).map_err(|why| {
            problems.push(FieldProblem::new("/time_zone", "schedule.time_zone", why));
        });
        let zone = zone.ok();
        let except = self.except(&mut problems);
        let mut instant = |pointer: &str, text: &Option<String>| {
            let read = read_instant(pointer, text.as_deref()?);
            read.map_err(|problem| problems.push(problem)).ok()
        };
        let starts_at = instant("/starts_at", &self.starts_at);
        let ends_at = instant("/ends_at", &self.ends_at);
        if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at)
            && ends_at <= starts_at
        {
            problems.push(FieldProblem::new(
                "/ends_at",
                "schedule.ends_at",
                "expected an instant after starts_at: this schedule would end before it begins",
            ));
        }
        match (&self.notification, &self.campaign) {
            (Some(notification), None) => no_instants(notification, &mut problems),
            (None, Some(campaign)) => {
                let found = campaign.recurring_problems().into_iter();
                problems.extend(found.map(|problem| problem.under("/campaign")));
            }
            (both, _) => {
                let found = if both.is_some() { "both" } else { "neither" };
                problems.push(FieldProblem::new(
                    "/notification",
                    "schedule.notification",
                    format!("expected exactly one of notification and campaign, found {found}"),
                ));
            }
        }
        match (rule, zone) {
            (Some(rule), Some(zone)) if problems.is_empty() => Ok(SchedulePlan {
                rule,
                zone,
                except,
                starts_at,
                ends_at,
                missed: self.missed,
            }),
            _ => Err(problems),
        }
    }

    /// Whom it is for.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        let target = self.notification.as_ref().map(|asked| &asked.target);
        target.or(self.campaign.as_ref().map(|asked| &asked.audience))
    }

    /// The template that says it.
    #[must_use]
    pub fn template(&self) -> Option<&TemplateUse> {
        match (&self.notification, &self.campaign) {
            (Some(asked), _) => asked.template.as_ref(),
            (None, asked) => asked.as_ref()?.template.as_ref(),
        }
    }

    /// The call-out that is asked what it says.
    #[must_use]
    pub fn content_from(&self) -> Option<&ContentFrom> {
        match (&self.notification, &self.campaign) {
            (Some(asked), _) => asked.content_from.as_ref(),
            (None, asked) => asked.as_ref()?.content_from.as_ref(),
        }
    }

    fn except(&self, problems: &mut Vec<FieldProblem>) -> ExceptDates {
        if self.except_dates.len() > MAX_EXCEPT {
            problems.push(FieldProblem::new(
                "/except_dates",
                "schedule.except_dates",
                format!(
                    "expected at most {MAX_EXCEPT} entries, found {}: a range counts once",
                    self.except_dates.len()
                ),
            ));
            return ExceptDates::default();
        }
        ExceptDates::parse(&self.except_dates).unwrap_or_else(|wrong| {
            problems.extend(wrong.into_iter().map(|(at, why)| {
                let pointer = format!("/except_dates/{at}");
                FieldProblem::new(pointer, "schedule.except_dates", why)
            }));
            ExceptDates::default()
        })
    }

    /// Like [`Self::plan`], for one that is to be stored: it must be due some time after `now`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body.
    pub fn plan_after(&self, now: UnixMs) -> Result<SchedulePlan, Vec<FieldProblem>> {
        let plan = self.plan()?;
        if plan.next(now).is_some() {
            return Ok(plan);
        }
        let unbounded = SchedulePlan {
            starts_at: None,
            ends_at: None,
            ..plan.clone()
        };
        let would_come = unbounded.next(now).is_some();
        let (pointer, message) = if plan.ends_at.is_some() && would_come {
            let message =
                "expected a later instant: as it stands the schedule is never due before it ends";
            ("/ends_at", message.to_owned())
        } else if !plan.except.is_empty()
            && clock::next(&plan.rule, &plan.zone, now, |_| true).is_some()
        {
            let message =
                "expected fewer exceptions: they leave out every date on which it would be due";
            ("/except_dates", message.to_owned())
        } else {
            let message = format!(
                "expected a pattern that comes some time, found {:?}: no date of the next 41 years matches it",
                self.cron
            );
            ("/cron", message)
        };
        let problem = FieldProblem::new(pointer, "schedule.never", message);
        Err(vec![problem])
    }
}

/// A notification that is sent again and again says no instants.
fn no_instants(asked: &NotificationRequest, problems: &mut Vec<FieldProblem>) {
    for (is_there, field, instead) in [
        (asked.send_at.is_some(), "send_at", "the schedule says when"),
        (
            asked.if_past.is_some(),
            "if_past",
            "`missed` says what becomes of times that passed",
        ),
        (
            asked.expires_at.is_some(),
            "expires_at",
            "say `expires_in`, which counts from each run",
        ),
    ] {
        if is_there {
            problems.push(FieldProblem::new(
                format!("/notification/{field}"),
                "schedule.notification",
                format!("expected no {field} here: {instead}"),
            ));
        }
    }
}

fn read_instant(pointer: &str, text: &str) -> Result<UnixMs, FieldProblem> {
    let read = text.parse::<Timestamp>();
    read.map(Timestamp::as_millisecond).map_err(|error| {
        FieldProblem::new(
            pointer,
            "schedule.instant",
            format!("expected an RFC 3339 time such as \"2026-01-31T12:00:00Z\", found {text:?} ({error})"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(with: serde_json::Value) -> ScheduleDefinition {
        let mut body = json!({
            "cron": "0 9 * * MON", "time_zone": "Asia/Seoul",
            "notification": {"target": {"all": true}, "content": {"body": "Monday"}}
        });
        for (key, value) in with.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn ms(text: &str) -> UnixMs {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// A Saturday.
    const NOW: &str = "2026-11-28T12:00:00Z";

    #[test]
    fn what_is_left_out_has_its_default_and_is_not_written() {
        let read = definition(json!({}));
        assert_eq!(read.missed, DEFAULT_MISSED);
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!({
                "cron": "0 9 * * MON", "time_zone": "Asia/Seoul",
                "notification": {"target": {"all": true}, "content": {"body": "Monday"}, "options": {"push_type": "alert"}}
            })
        );
        let missed = definition(json!({"missed": "skip"}));
        assert_eq!(serde_json::to_value(&missed).unwrap()["missed"], "skip");
        let plan = read.plan_after(ms(NOW)).unwrap();
        assert_eq!(plan.next(ms(NOW)).unwrap().at, ms("2026-11-30T09:00:00+09"));
    }

    #[test]
    fn bounds_hold() {
        let with = json!({
            "cron": "0 9 * * *",
            "except_dates": ["2026-12-03/2026-12-04"],
            "starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-07T00:00:00Z"
        });
        let plan = definition(with).plan().unwrap();
        let times: Vec<UnixMs> = plan
            .preview(ms(NOW), 10)
            .iter()
            .map(|next| next.at)
            .collect();
        let expected = [
            "2026-12-05T09:00:00+09",
            "2026-12-06T09:00:00+09",
            "2026-12-07T09:00:00+09",
        ];
        // The last is 0:00 in UTC, when it has ended; the first day's 9:00 is its start.
        assert_eq!(times[0], ms("2026-12-02T09:00:00+09"));
        assert_eq!(times[1..], [ms(expected[0]), ms(expected[1])]);
    }

    #[test]
    fn mistakes_have_their_pointer_and_code() {
        let many: Vec<String> = vec!["2026-12-25".to_owned(); MAX_EXCEPT + 1];
        for (with, pointer, code) in [
            (json!({"cron": "0 25 * * *"}), "/cron", "schedule.cron"),
            (json!({"cron": "0 0 31 2 *"}), "/cron", "schedule.never"),
            (
                json!({"time_zone": "Asia/Soul"}),
                "/time_zone",
                "schedule.time_zone",
            ),
            (
                json!({"except_dates": ["2026-12-25", "x"]}),
                "/except_dates/1",
                "schedule.except_dates",
            ),
            (
                json!({"except_dates": many}),
                "/except_dates",
                "schedule.except_dates",
            ),
            (
                json!({"except_dates": ["2026-01-01/2099-01-01"]}),
                "/except_dates",
                "schedule.never",
            ),
            (
                json!({"starts_at": "soon"}),
                "/starts_at",
                "schedule.instant",
            ),
            (
                json!({"ends_at": "2026-11-29"}),
                "/ends_at",
                "schedule.instant",
            ),
            (
                json!({"ends_at": "2026-11-29T00:00:00Z"}),
                "/ends_at",
                "schedule.never",
            ),
            (
                json!({"notification": {"target": {"all": true}, "expires_at": "2026-12-02T00:00:00Z"}}),
                "/notification/expires_at",
                "schedule.notification",
            ),
            (
                json!({"notification": {"target": {"all": true}, "send_at": "2026-12-02T00:00:00Z"}}),
                "/notification/send_at",
                "schedule.notification",
            ),
            (
                json!({"notification": null}),
                "/notification",
                "schedule.notification",
            ),
            (
                json!({"campaign": {"name": "news", "audience": {"all": true}}}),
                "/notification",
                "schedule.notification",
            ),
            (
                json!({"notification": null, "campaign": {"name": "a b", "audience": {"all": true}}}),
                "/campaign/name",
                "campaign.name",
            ),
            (
                json!({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-02T00:00:00Z"}),
                "/ends_at",
                "schedule.ends_at",
            ),
        ] {
            let problems = definition(with.clone()).plan_after(ms(NOW)).unwrap_err();
            let found: Vec<_> = problems.iter().map(|p| (&*p.pointer, p.code)).collect();
            assert_eq!(found, [(pointer, code)], "{with}");
        }
        // All at once, and the pattern with its column.
        let all = definition(json!({"cron": "0 25 * * *", "time_zone": "x", "ends_at": "x"}));
        let problems = all.plan_after(ms(NOW)).unwrap_err();
        assert_eq!(problems.len(), 3);
        assert_eq!((problems[0].line, problems[0].column), (Some(1), Some(3)));
    }

    #[test]
    fn what_may_not_be_meant_is_said() {
        let warned = |cron: &str| {
            definition(json!({"cron": cron}))
                .plan()
                .unwrap()
                .warnings()
                .len()
        };
        assert_eq!(warned("0 9 * * MON"), 0);
        assert_eq!(warned("0 9 13 * FRI"), 1);
        assert_eq!(warned("0 9 31 * *"), 1);
    }
}
