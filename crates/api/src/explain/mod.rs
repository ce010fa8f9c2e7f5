//! The story of one delivery in sentences: what happened, the rule behind the verdict, and what a
//! person can do. Pure: everything it tells was read by the caller.

mod live_activity;
pub(crate) mod reasons;

pub(crate) use live_activity::OfActivity;

use crate::instant::rfc3339;
use carillon_model::UnixMs;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::push_type::OnUnknown;
use carillon_ports::store::{Attempt, DeliveryView};
use serde::Serialize;
use utoipa::ToSchema;

/// What is known of a delivery.
pub(crate) struct Facts<'a> {
    pub(crate) delivery: &'a DeliveryView,
    pub(crate) attempts: &'a [Attempt],
    pub(crate) accepted_at: UnixMs,
    /// Of one that waited for its time: when it was to be sent, and when that began.
    pub(crate) waited: Option<(UnixMs, UnixMs)>,
    pub(crate) expires_at: Option<UnixMs>,
    pub(crate) cancelled: bool,
    pub(crate) on_unknown: OnUnknown,
    /// Whose switch keeps its category from the user, as things are now.
    pub(crate) switched_off: SwitchedOff,
    /// Why its lane cannot send just now: reason and mend.
    pub(crate) trouble: Option<(&'a str, &'a str)>,
    /// A rate of its App that holds pushes back just now: the setting, and how many in a second.
    pub(crate) limited: Option<(&'a str, u32)>,
    /// The Live Activity that it belongs to.
    pub(crate) of_activity: Option<&'a OfActivity>,
}

/// Whose switch keeps a category from a user. The verdict does not say, so it is seen when it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SwitchedOff {
    /// His own.
    ByUser,
    /// The App's default; he never chose.
    ByApp,
    /// Neither any more, or nobody knows the device.
    Unknown,
}

/// The story.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Explanation {
    /// What became of it, in one sentence.
    #[schema(example = "Apple refused it for good: Unregistered.")]
    pub(crate) summary: String,
    /// The rule behind that.
    pub(crate) rule: String,
    /// What to do, if anything helps.
    pub(crate) mend: Option<String>,
    /// Every step, oldest first.
    pub(crate) story: Vec<String>,
}

/// Tells it.
pub(crate) fn explain(facts: &Facts<'_>) -> Explanation {
    let last = facts.attempts.last();
    let answered = facts
        .attempts
        .iter()
        .rev()
        .find(|attempt| attempt.status != 0 || !attempt.reason.is_empty());
    let reason = answered.map_or("", |attempt| attempt.reason.as_str());
    let (summary, rule, mend) = match facts.delivery.state {
        Some(state) => ended(facts, state, reason),
        None => open(facts, last, reason),
    };
    let rule = match (facts.of_activity, facts.delivery.state) {
        (Some(_), Some(FinalState::Accepted)) => live_activity::ACCEPTED,
        _ => rule,
    };
    Explanation {
        summary,
        rule: rule.to_owned(),
        mend,
        story: story(facts),
    }
}

/// The reason of what quiet hours did.
const QUIET: &str = "quiet_hours";

type Verdict = (String, &'static str, Option<String>);

fn ended(facts: &Facts<'_>, state: FinalState, reason: &str) -> Verdict {
    let doubted = facts
        .attempts
        .iter()
        .any(|attempt| is_doubt(&attempt.result));
    match state {
        FinalState::Accepted if doubted => (
            "The gateway took it; at least one attempt before had no answer.".into(),
            "What the gateway said yes to is accepted, also when the answer came late. Because a try in doubt was sent again, the phone may have got it twice; the same gateway id and collapse id make the second replace the first.",
            None,
        ),
        FinalState::Accepted => (
            "The gateway took it.".into(),
            "Accepted means that the gateway answered 200. It does not say that the phone showed it: the phone may be off, or its owner may have switched notifications off.",
            None,
        ),
        FinalState::Rejected => (
            format!("The gateway refused it for good: {}.", or_unnamed(reason)),
            "What a gateway refuses because of the push or its address is not tried again: it would be refused again.",
            mend(reason),
        ),
        FinalState::Failed => (
            format!("It was given up after {}: {}.", tries(facts.attempts), or_unnamed(reason)),
            "A delivery is tried until it has used up the App's `max_attempts` or `max_age`, and none of its attempts was in doubt.",
            mend(reason),
        ),
        FinalState::Unknown => (
            "It was written and never answered, and it must not be sent twice.".into(),
            "`on_unknown: drop` (the default for VoIP, push-to-talk and the start of a Live Activity): nobody knows whether the gateway took it, and a second one would do harm.",
            Some("Ask the device, or send a new notification if a second one does no harm.".into()),
        ),
        FinalState::Expired if facts.attempts.last().is_some_and(|last| last.reason == QUIET) => (
            format!("Its time was over before the user's quiet hours were{}.", at(" (", facts.expires_at, ")")),
            "Quiet hours, and a mute, hold what is not critical until they are over; what expires before that is not sent.",
            Some("Give it more time with `expires_in`, or mark what cannot wait with the urgency `critical`.".into()),
        ),
        FinalState::Expired => (
            format!("Its time was over before it could be sent{}.", at(" (", facts.expires_at, ")")),
            "After `expires_at` nothing of a notification is written.",
            mend(reason).or_else(|| Some("Give it more time with `expires_in`, or find out in the story what it waited for.".into())),
        ),
        FinalState::Cancelled => (
            "It was cancelled before it was sent.".into(),
            "A cancel takes back what is not written yet.",
            None,
        ),
        FinalState::Suppressed(Suppression::OptedOut) => opted_out(facts.switched_off),
        FinalState::Suppressed(rule) => suppressed(rule),
    }
}

fn suppressed(rule: Suppression) -> Verdict {
    let (summary, rule, mend) = match rule {
        Suppression::DeviceGone => (
            "It was not sent: the device was deleted before its turn came.",
            "Devices are looked up when a batch is sent, not when it is made.",
            None,
        ),
        Suppression::NoPushToken => (
            "It was not sent: the device has no push token of the kind that this push type needs.",
            "Each push type goes to its own kind of push token: `alert` and `background` to `alert`, `voip` to `voip`, and so on.",
            Some("Register a push token of this kind for the device."),
        ),
        Suppression::PushTokenRetired => (
            "It was not sent: the gateway had said before that the push token is dead.",
            "A push token that the gateway declared dead is retired until the app registers it again.",
            Some("Nothing on the server: the app registers its push token when it starts next."),
        ),
        Suppression::AppGone => (
            "It was not sent: the App was deleted.",
            "With an App everything that waits for it goes.",
            None,
        ),
        Suppression::OptedOut => return opted_out(SwitchedOff::Unknown),
        Suppression::QuietHours => (
            "It was not sent: these are the user's quiet hours.",
            "Quiet hours count in the user's own time zone; critical content is exempt.",
            Some("Send it later, or mark what cannot wait with the urgency `critical`."),
        ),
        Suppression::FrequencyCap => (
            "It was not sent: the user has got as many as this App lets one get.",
            "An App's frequency cap counts a user's notifications in a sliding window; critical content is exempt.",
            Some("Send less, or raise the App's `frequency_cap`."),
        ),
        Suppression::Unrenderable => (
            "It was not sent: what it says could not be written for this device.",
            "A template is rendered for each device when its batch is sent; what cannot be rendered for one fails that delivery and no other.",
            Some(
                "The story names the variable or the rule: give the template a default for it, or send the variable.",
            ),
        ),
    };
    (summary.into(), rule, mend.map(str::to_owned))
}

fn opted_out(by: SwitchedOff) -> Verdict {
    let (summary, mend) = match by {
        SwitchedOff::ByUser => (
            "It was not sent: the user has switched its category off.",
            "Nothing, unless the user is wrong: his preferences are at GET /v1/apps/{app}/users/{id}/preferences.",
        ),
        SwitchedOff::ByApp => (
            "It was not sent: the App's default for its category is `off`, and the user has not switched it on.",
            "Let the user switch it on (PUT /v1/apps/{app}/users/{id}/preferences), or change its default: `categories` in the App's settings.",
        ),
        SwitchedOff::Unknown => (
            "It was not sent: its category was off, by the user's choice or by the App's default. What is set now does not tell which.",
            "Compare the user's preferences (GET /v1/apps/{app}/users/{id}/preferences) with `categories` in the App's settings.",
        ),
    };
    (
        summary.into(),
        "A notification's `options.category` is looked up in its recipient's preferences when its batch is sent, and where he chose nothing, in the App's settings; critical content is exempt.",
        Some(mend.to_owned()),
    )
}

fn open(facts: &Facts<'_>, last: Option<&Attempt>, reason: &str) -> Verdict {
    if facts.cancelled {
        return (
            "It is being cancelled: whoever sends it has not confirmed yet.".into(),
            "A cancel is acknowledged only when nothing more can be written.",
            None,
        );
    }
    if let Some((reason, mend)) = facts.trouble {
        return (
            format!("It waits: nothing can be sent in its lane just now ({reason})."),
            "While a credential or the gateway as a whole is in trouble, work waits and its attempts are not used up; one delivery at a time tries whether it is over.",
            Some(mend.to_owned()),
        );
    }
    let is_tried_later = last.is_some() && facts.delivery.next_attempt_at.is_some();
    if let Some((setting, per_second)) = facts.limited
        && !is_tried_later
    {
        return (
            format!(
                "It waits for its turn: a rate of its App holds pushes back just now, `{setting}` with {per_second} in a second."
            ),
            "What waits for a rate is not tried, so no attempt is used up. Of what waits in one lane urgent work goes first, and bulk work keeps a share.",
            Some("Raise that rate in the App's settings, or give what cannot wait the class `urgent`.".into()),
        );
    }
    match (facts.delivery.next_attempt_at, last) {
        (Some(at), Some(last)) if last.result == "held" => (
            format!(
                "It is held until {}: these are the user's quiet hours.",
                rfc3339(at)
            ),
            "Quiet hours, and a mute, hold what is not critical until they are over; no attempt is counted. What expires before that is not sent.",
            Some("Nothing; what cannot wait is marked with the urgency `critical`.".into()),
        ),
        (Some(at), Some(_)) => (
            format!(
                "It is tried again at {}: {}.",
                rfc3339(at),
                or_unnamed(reason)
            ),
            "After a failed attempt the delay doubles, from one second up to 15 minutes; the gateway's Retry-After is a floor under it.",
            mend(reason),
        ),
        (Some(at), None) => (
            format!("It waits for its turn since {}.", rfc3339(at)),
            "Work goes out in the order of its class and age, fairly between Apps.",
            None,
        ),
        (None, _) => (
            "It is being sent.".into(),
            "It is in memory, in flight, or waiting for its answer.",
            None,
        ),
    }
}

fn story(facts: &Facts<'_>) -> Vec<String> {
    let mut story = vec![format!(
        "{}: accepted by Carillon.",
        rfc3339(facts.accepted_at)
    )];
    story.extend(facts.of_activity.into_iter().flat_map(OfActivity::story));
    story.extend(facts.waited.map(|(send_at, begun_at)| {
        format!(
            "{}: its time had come; it was to be sent at {}.",
            rfc3339(begun_at),
            rfc3339(send_at)
        )
    }));
    story.extend(
        facts
            .attempts
            .iter()
            .map(|attempt| sentence(attempt, facts.on_unknown)),
    );
    match facts.delivery.state {
        Some(FinalState::Accepted)
            if !facts
                .attempts
                .iter()
                .any(|a| matches!(a.result.as_str(), "accepted" | "late_answer")) =>
        {
            let which = if facts.attempts.is_empty() {
                "the first attempt"
            } else {
                "the next attempt"
            };
            story.push(format!("The gateway took it at {which}."));
        }
        Some(state) => story.push(match crate::words::suppressed_by(state) {
            Some(rule) => format!("Ended: suppressed ({rule})."),
            None => format!("Ended: {}.", state.as_str()),
        }),
        None => story.push("Still open.".into()),
    }
    story
}

/// One attempt as a sentence.
fn sentence(attempt: &Attempt, on_unknown: OnUnknown) -> String {
    let number = attempt.attempt;
    let place = attempt
        .environment
        .map_or(String::new(), |e| format!(" in {}", e.as_str()));
    let words = match (attempt.status, attempt.reason.as_str()) {
        (0, "") => String::new(),
        (0, reason) => format!(" ({reason})"),
        (status, "") => format!(" ({status})"),
        (status, reason) => format!(" ({status} {reason})"),
    };
    let happened = match attempt.result.as_str() {
        "accepted" => format!("the gateway took it{words}"),
        "rejected" => format!("the gateway refused it{words}"),
        "retry" => format!("the gateway refused it for now{words}"),
        "blocked" => format!("nothing could be sent{words}; the attempt is not counted"),
        "not_sent" => format!("it was certainly not processed{words}; the attempt is not counted"),
        "in_doubt" => match on_unknown {
            OnUnknown::Resend => format!("it was written and not answered{words}; it is sent again under the same gateway id"),
            OnUnknown::Drop => format!("it was written and not answered{words}; it is not sent again"),
        },
        "rescued_in_doubt" => match on_unknown {
            OnUnknown::Resend => format!("Carillon stopped while it may have been in flight, and whether it was sent is not known; it is not counted, so the next is attempt {number} again"),
            OnUnknown::Drop => "Carillon stopped while it may have been in flight, and whether it was sent is not known; it is not sent again".into(),
        },
        "expired" if attempt.reason == QUIET => "its time would have been over before the user's quiet hours are".into(),
        "expired" => "its time was over before it was written".into(),
        "held" => "it was held, in the user's quiet hours; the attempt is not counted".into(),
        "late_answer" => format!("the answer came late{words}"),
        other => format!("{other}{words}"),
    };
    let next = at("; next attempt at ", attempt.next_attempt_at, "");
    let raw = if attempt.raw.is_empty() || attempt.raw == attempt.reason {
        String::new()
    } else {
        format!(" The gateway's words: {}", attempt.raw)
    };
    format!(
        "{}: attempt {number}{place}: {happened}{next}.{raw}",
        rfc3339(attempt.at)
    )
}

fn is_doubt(result: &str) -> bool {
    matches!(result, "in_doubt" | "rescued_in_doubt")
}

/// What to do about a reason, beginning with what it means.
fn mend(reason: &str) -> Option<String> {
    let known = reasons::find(reason)?;
    Some(
        format!("{} {}", known.meaning, known.mend)
            .trim_end()
            .to_owned(),
    )
}

fn or_unnamed(reason: &str) -> &str {
    if reason.is_empty() {
        "no reason given"
    } else {
        reason
    }
}

fn tries(attempts: &[Attempt]) -> String {
    match attempts.iter().map(|attempt| attempt.attempt).max() {
        None | Some(1) => "one attempt".into(),
        Some(many) => format!("{many} attempts"),
    }
}

fn at(before: &str, at: Option<UnixMs>, after: &str) -> String {
    at.map_or(String::new(), |at| {
        format!("{before}{}{after}", rfc3339(at))
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
