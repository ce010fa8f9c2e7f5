//! A campaign as its caller writes it, and everything that is wrong with it.

use super::{AudienceMode, CampaignPlan, Canary, LocalDelivery, Pace};
use crate::body::BadgeChange;
use crate::callout::ContentFrom;
use crate::content::Content;
use crate::notification::{NotificationRequest, RequestOptions, TemplateUse};
use crate::problem::FieldProblem;
use crate::send_at::{IfPast, SendAt, read_local};
use crate::target::Target;
use crate::{UnixMs, duration, time_zone};
use serde::{Deserialize, Serialize};

/// Longest name, in characters.
pub const MAX_NAME: usize = 64;
/// Devices of a slice, unless the campaign says otherwise.
const SLICE: u32 = 1_000;

/// The body of `POST /v1/apps/{app}/campaigns`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignRequest {
    /// Its name, one of its kind in the App.
    pub name: String,
    /// Whom it is for: a target that is resolved page by page.
    pub audience: Target,
    /// Users whose devices are left out, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_users: Vec<String>,
    /// What it says: exactly one of `content` and `template`, or neither beside `content_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// A template that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateUse>,
    /// A call-out that is asked, before it begins, what it says or for the template's variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_from: Option<ContentFrom>,
    /// What becomes of each recipient's badge counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<BadgeChange>,
    /// How it is sent.
    #[serde(default)]
    pub options: RequestOptions,
    /// When it begins; at once when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<SendAt>,
    /// When it is delivered, by each device's own clock; instead of `send_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time: Option<LocalDelivery>,
    /// What becomes of it, or of the devices, whose time has passed already; default `refuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_past: Option<IfPast>,
    /// After this instant nothing of it is written any more (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The same as a duration from its beginning; with `local_time` from its last wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// Whether the audience is written down when it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience_mode: Option<AudienceMode>,
    /// Most devices of one slice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice_size: Option<u32>,
    /// How fast slices follow each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Who goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// A campaign that is in order, as far as can be seen without a store.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// How it goes.
    pub plan: CampaignPlan,
    /// The notification that it is.
    pub notification: NotificationRequest,
}

impl CampaignRequest {
    /// Reads it. One by local time begins `lead_ms` before the first clocks anywhere show its time, so
    /// that its audience is written down by then.
    ///
    /// # Errors
    /// Everything that is wrong with it, with pointers into its own body. What is wrong with the
    /// notification is the engine's to say: see [`Self::pointer`].
    pub fn check(self, now: UnixMs, lead_ms: i64) -> Result<Checked, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut wrong = |pointer: &str, code: &'static str, message: String| {
            problems.push(FieldProblem::new(pointer, code, message));
        };
        if !crate::device::is_plain_name(&self.name, MAX_NAME) || self.name.starts_with("cmp_") {
            wrong(
                "/name",
                "campaign.name",
                format!(
                    "expected 1 to {MAX_NAME} characters of A-Z a-z 0-9 . _ : @ -, not beginning with cmp_, found {:?}",
                    self.name
                ),
            );
        }
        if !self.audience.is_fanned_out() {
            wrong(
                "/audience",
                "campaign.audience",
                "expected all, tags, segment, list, topic or source: to single devices or users send a notification"
                    .to_owned(),
            );
        }
        let slice_size = self.slice_size.unwrap_or(SLICE);
        if !(1..=SLICE).contains(&slice_size) {
            wrong(
                "/slice_size",
                "campaign.slice_size",
                format!("expected 1 to {SLICE} devices, found {slice_size}"),
            );
        }
        let audience_mode = self.mode().unwrap_or_else(|problem| {
            problems.push(problem);
            AudienceMode::Frozen
        });
        problems.extend(self.pace.as_ref().and_then(Pace::problem));
        problems.extend(self.canary.iter().flat_map(Canary::problems));
        let times = self.times(now, lead_ms, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Checked {
            name: self.name,
            plan: CampaignPlan {
                audience: self.audience.clone(),
                audience_mode,
                slice_size,
                pace: self.pace,
                canary: self.canary,
                if_past: self.local_time.as_ref().and(self.if_past),
                local_time: self.local_time,
            },
            notification: NotificationRequest {
                content_from: self.content_from,
                target: self.audience,
                except_users: self.except_users,
                content: self.content,
                template: self.template,
                badge: self.badge,
                options: self.options,
                send_at: times.send_at,
                if_past: times.if_past,
                expires_at: times.expires_at,
                expires_in: times.expires_in,
            },
        })
    }

    /// Where in a campaign's body stands what `pointer` names in its notification's.
    #[must_use]
    pub fn pointer(pointer: &str) -> String {
        match pointer.strip_prefix("/target") {
            Some(rest) => format!("/audience{rest}"),
            None => pointer.to_owned(),
        }
    }

    /// What needs an audience that is written down has one, unless somebody says otherwise.
    fn mode(&self) -> Result<AudienceMode, FieldProblem> {
        let needs = [
            ("local_time", self.local_time.is_some()),
            ("canary", self.canary.is_some()),
            ("pace.over", matches!(self.pace, Some(Pace::Over(_)))),
        ];
        let needed = needs.iter().find(|(_, is_there)| *is_there);
        match (self.audience_mode, needed) {
            (Some(AudienceMode::Live), Some((name, _))) => Err(FieldProblem::new(
                "/audience_mode",
                "campaign.audience_mode",
                format!(
                    "expected frozen beside {name}, which has to know who they are before it begins: leave audience_mode out, or {name}"
                ),
            )),
            (Some(mode), _) => Ok(mode),
            (None, Some(_)) => Ok(AudienceMode::Frozen),
            (None, None) => Ok(AudienceMode::Live),
        }
    }

    fn times(&self, now: UnixMs, lead_ms: i64, problems: &mut Vec<FieldProblem>) -> Times {
        let asked = Times {
            send_at: self.send_at.clone(),
            if_past: self.if_past,
            expires_at: self.expires_at.clone(),
            expires_in: self.expires_in.clone(),
        };
        let Some(local) = &self.local_time else {
            return asked;
        };
        if self.send_at.is_some() {
            problems.push(FieldProblem::new(
                "/send_at",
                "campaign.one_of",
                "expected at most one of send_at and local_time: by local time it begins by itself",
            ));
        }
        let sentence = read_local(&local.at).err();
        problems.extend(
            sentence.map(|why| FieldProblem::new("/local_time/at", "campaign.local_time", why)),
        );
        let sentence = time_zone::parse(&local.default_time_zone).err();
        problems.extend(sentence.map(|why| {
            FieldProblem::new("/local_time/default_time_zone", "campaign.local_time", why)
        }));
        let Some((first, last)) = local.first_and_last() else {
            return asked;
        };
        if last <= now && self.if_past.unwrap_or_default() == IfPast::Refuse {
            problems.push(FieldProblem::new(
                "/local_time/at",
                "campaign.past",
                format!(
                    "expected a time that has not passed everywhere, found {:?}: choose a later one, or say \"if_past\": \"send_now\"",
                    local.at
                ),
            ));
        }
        let begin = first.saturating_sub(lead_ms);
        Times {
            send_at: (begin > now).then(|| SendAt::Instant(shown(begin))),
            if_past: None,
            expires_at: self.expiry(last, now, problems),
            expires_in: None,
        }
    }

    /// The instant at which one by local time ends, which is after its last wave.
    fn expiry(
        &self,
        last: UnixMs,
        now: UnixMs,
        problems: &mut Vec<FieldProblem>,
    ) -> Option<String> {
        let last = last.max(now);
        match (&self.expires_at, &self.expires_in) {
            (Some(text), None) => {
                let at: Option<jiff::Timestamp> = text.parse().ok();
                if at.is_some_and(|at| at.as_millisecond() <= last) {
                    problems.push(FieldProblem::new(
                        "/expires_at",
                        "expiry.past",
                        format!(
                            "expected a time after the last wave, which may be at {}: this campaign would end before",
                            shown(last)
                        ),
                    ));
                }
                // What is no time at all is told with the notification.
                Some(text.clone())
            }
            (None, Some(text)) => match duration::parse_ms(text) {
                Ok(after) => Some(shown(last.saturating_add(after))),
                Err(sentence) => {
                    problems.push(FieldProblem::new(
                        "/expires_in",
                        "expiry.duration",
                        sentence,
                    ));
                    None
                }
            },
            (Some(_), Some(_)) => {
                problems.push(FieldProblem::new(
                    "/expires_in",
                    "expiry.one_of",
                    "expected at most one of expires_at and expires_in: leave one out",
                ));
                None
            }
            (None, None) => None,
        }
    }
}

struct Times {
    send_at: Option<SendAt>,
    if_past: Option<IfPast>,
    expires_at: Option<String>,
    expires_in: Option<String>,
}

fn shown(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = 1_800_000_000_000;

    fn check(json: serde_json::Value) -> Result<Checked, Vec<FieldProblem>> {
        let mut body = serde_json::json!({
            "name": "news", "audience": {"all": true}, "content": {"body": "Hi"}
        });
        for (key, value) in json.as_object().unwrap() {
            body[key] = value.clone();
        }
        let request: CampaignRequest = serde_json::from_value(body).unwrap();
        request.check(NOW, 600_000)
    }

    #[test]
    fn defaults_are_filled_in() {
        let checked = check(serde_json::json!({})).unwrap();
        assert_eq!(checked.plan.slice_size, 1_000);
        assert_eq!(checked.plan.audience_mode, AudienceMode::Live);
        assert_eq!(checked.notification.target, Target::All(true));
        let json = serde_json::to_string(&checked.plan).unwrap();
        assert_eq!(
            json,
            r#"{"audience":{"all":true},"audience_mode":"live","slice_size":1000}"#
        );
        let over = check(serde_json::json!({"pace": {"over": "30m"}})).unwrap();
        assert_eq!(over.plan.audience_mode, AudienceMode::Frozen);
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let problems = check(serde_json::json!({
            "name": "a b", "audience": {"users": ["u1"]}, "slice_size": 1001, "pace": {"per_second": 0},
            "canary": {"size": 0, "hold": "1m", "halt_if": {"failed": 0.1}}, "audience_mode": "live"
        }))
        .unwrap_err();
        let pointers: Vec<_> = problems.iter().map(|problem| &*problem.pointer).collect();
        assert_eq!(
            pointers,
            [
                "/name",
                "/audience",
                "/slice_size",
                "/audience_mode",
                "/pace/per_second",
                "/canary/size"
            ]
        );
        assert!(check(serde_json::json!({"name": "cmp_x"})).is_err());
    }

    #[test]
    fn by_local_time_it_begins_before_the_first_clocks() {
        // NOW is 2027-01-15T08:00:00Z.
        let local = |at: &str, more: serde_json::Value| {
            let mut json =
                serde_json::json!({"local_time": {"at": at, "default_time_zone": "Europe/Berlin"}});
            for (key, value) in more.as_object().unwrap() {
                json[key] = value.clone();
            }
            check(json)
        };
        let checked = local("2027-01-20T09:00", serde_json::json!({"expires_in": "1h"})).unwrap();
        let asked = &checked.notification;
        assert_eq!(
            asked.send_at,
            Some(SendAt::Instant("2027-01-19T18:50:00Z".into()))
        );
        assert_eq!(asked.expires_at.as_deref(), Some("2027-01-20T22:00:00Z"));
        assert_eq!(checked.plan.audience_mode, AudienceMode::Frozen);
        let begun = local("2027-01-15T09:00", serde_json::json!({})).unwrap();
        assert_eq!(
            begun.notification.send_at, None,
            "it is nine somewhere already"
        );
        let first = |at: &str, more| local(at, more).unwrap_err().remove(0);
        let past = first("2027-01-14T09:00", serde_json::json!({}));
        assert_eq!(
            (&*past.pointer, past.code),
            ("/local_time/at", "campaign.past")
        );
        assert!(
            local(
                "2027-01-14T09:00",
                serde_json::json!({"if_past": "send_now"})
            )
            .is_ok()
        );
        assert_eq!(
            first("2027-02-31T09:00", serde_json::json!({})).code,
            "campaign.local_time"
        );
        assert_eq!(
            first(
                "2027-01-20T09:00",
                serde_json::json!({"send_at": "2027-01-20T09:00:00Z"})
            )
            .code,
            "campaign.one_of"
        );
        let ends = first(
            "2027-01-20T09:00",
            serde_json::json!({"expires_at": "2027-01-20T09:00:00Z"}),
        );
        assert_eq!((&*ends.pointer, ends.code), ("/expires_at", "expiry.past"));
    }

    #[test]
    fn pointers_of_the_notification_are_the_campaigns() {
        assert_eq!(
            CampaignRequest::pointer("/target/segment"),
            "/audience/segment"
        );
        assert_eq!(CampaignRequest::pointer("/content/badge"), "/content/badge");
    }
}
