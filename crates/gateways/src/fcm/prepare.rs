//! A notification as FCM takes it: options completed by the push type's defaults, message rendered, both checked.

use super::parts::{Parts, read_raw};
use super::{lint, render};
use bytes::Bytes;
use carillon_model::content::Content;
use carillon_model::notification::{Defaults, Priority, RequestOptions, SendOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{PushType, TokenKind};
use carillon_model::target::Target;
use carillon_ports::gateway::Prepared;
use fcm::DataRule;
use serde_json::Value;

/// Longest collapse id, in bytes: Apple's limit, for iPhones behind FCM.
const COLLAPSE_ID_BYTES: usize = 64;

/// See [`carillon_ports::gateway::Gateway::prepare`].
pub(super) fn prepare(
    target: &Target,
    content: &Content,
    options: &RequestOptions,
    rule: DataRule,
) -> Result<Prepared, Vec<FieldProblem>> {
    let mut problems = check_options(target, content, options);
    let push_type = options.push_type;
    let starts = push_type == PushType::LiveActivity && starts_activity(content);
    let defaults = Defaults {
        token_kind: if starts {
            TokenKind::LiveActivityStart
        } else {
            push_type.token_kind()
        },
        priority: match push_type {
            PushType::Background => Priority::Normal,
            _ => Priority::High,
        },
        store_offline: true,
        on_unknown: push_type.default_on_unknown(starts),
    };
    let options = SendOptions::complete(options, target, content.urgency, defaults);
    match written(content, &options, rule) {
        Ok(payload) if problems.is_empty() => Ok(Prepared { options, payload }),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more.into_iter().filter(|problem| problem.code != PUSH_TYPE));
            Err(problems)
        }
    }
}

/// See [`carillon_ports::gateway::Gateway::render`].
pub(super) fn written(
    content: &Content,
    options: &SendOptions,
    rule: DataRule,
) -> Result<Bytes, Vec<FieldProblem>> {
    if let Some(problem) = push_type_problem(options.push_type, content) {
        return Err(vec![problem]);
    }
    let raw = read_raw(content, rule)?;
    let parts = Parts::open(content, raw.as_deref())?;
    let problems = misplaced(&parts, options.push_type);
    if !problems.is_empty() {
        return Err(problems);
    }
    let message = render::render(&parts, options, rule);
    let problems = lint::lint(&parts, &message);
    if problems.is_empty() {
        Ok(message.into())
    } else {
        Err(problems)
    }
}

/// Whether it starts a Live Activity, as its timeline wrote it: for iPhones, or for Android phones.
fn starts_activity(content: &Content) -> bool {
    let raw = content.fcm.as_ref().map(|raw| raw.get());
    let message: Option<Value> = raw.and_then(|raw| serde_json::from_str(raw).ok());
    let events = ["/apns/payload/aps/event", "/android/data/event"];
    let is_start = |at: &str| {
        message
            .as_ref()?
            .pointer(at)?
            .as_str()
            .map(|it| it == "start")
    };
    events.into_iter().any(|at| is_start(at) == Some(true))
}

const PUSH_TYPE: &str = "fcm.push_type";

fn push_type_problem(push_type: PushType, content: &Content) -> Option<FieldProblem> {
    let message = match push_type {
        PushType::Alert | PushType::Background => return None,
        // What its timeline wrote: data for Android phones, Apple's payload for iPhones.
        PushType::LiveActivity if content.fcm.is_some() && !content.has_portable() => return None,
        PushType::Voip => "FCM cannot send VoIP pushes: reach the device by a push token of Apple's, of kind voip".into(),
        PushType::LiveActivity => "a Live Activity goes to Apple directly, by its own push token; through FCM write it in content.fcm.apns of an alert".into(),
        other => format!(
            "a push of type {} is Apple's alone: FCM carries alert and background",
            other.as_str()
        ),
    };
    Some(FieldProblem::new("/options/push_type", PUSH_TYPE, message))
}

fn check_options(
    target: &Target,
    content: &Content,
    options: &RequestOptions,
) -> Vec<FieldProblem> {
    let problem = push_type_problem(options.push_type, content);
    let mut problems: Vec<_> = problem.into_iter().collect();
    if matches!(target, Target::Channel(_)) {
        problems.push(FieldProblem::new(
            "/target/channel",
            "fcm.channel",
            "FCM has no broadcast channels: they are Apple's",
        ));
    }
    if let Some(id) = &options.collapse_id {
        let is_visible = |c: char| !c.is_control();
        if id.is_empty() || id.len() > COLLAPSE_ID_BYTES || !id.chars().all(is_visible) {
            let message = format!(
                "found {} bytes; 1 to {COLLAPSE_ID_BYTES} bytes without control characters are taken; shorten it",
                id.len()
            );
            problems.push(FieldProblem::new(
                "/options/collapse_id",
                "fcm.collapse_id",
                message,
            ));
        }
    }
    problems
}

/// What means nothing in a push that shows nothing.
fn misplaced(parts: &Parts<'_>, push_type: PushType) -> Vec<FieldProblem> {
    if !matches!(push_type, PushType::Background | PushType::LiveActivity) {
        return Vec::new();
    }
    let content = parts.content;
    let portable = [
        ("title", content.title.is_some()),
        ("subtitle", content.subtitle.is_some()),
        ("body", content.body.is_some()),
        ("badge", content.badge.is_some()),
        ("sound", content.sound.is_some()),
        ("image", content.image.is_some()),
        ("link", content.link.is_some()),
        ("thread", content.thread.is_some()),
        ("category", content.category.is_some()),
        ("urgency", content.urgency.is_some()),
        ("fcm/notification", parts.raw.has("notification")),
        (
            "fcm/android/notification",
            parts.raw_android.has("notification"),
        ),
    ];
    portable
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(field, _)| {
            FieldProblem::new(
                format!("/content/{field}"),
                "fcm.field_for_push_type",
                "a background push shows nothing: leave it out, or send an alert",
            )
        })
        .collect()
}

#[cfg(test)]
#[path = "prepare_tests.rs"]
mod tests;
