//! Counted badges, as far as the engine has a say: what a caller may ask for, and that it makes a
//! notification say something else to each device. Counting is the store's.

use carillon_model::body::{BadgeChange, LateSource, MAX_BADGE};
use carillon_model::content::Content;
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use std::borrow::Cow;

/// What is wrong with the change that is asked for. `content` is what it is to be shown with.
pub(crate) fn problem(request: &NotificationRequest, content: &Content) -> Option<FieldProblem> {
    let (BadgeChange::Increment(number) | BadgeChange::Set(number)) = request.badge?;
    let message = if content.badge.is_some() {
        "expected at most one of badge and the content's own badge: leave one out".to_owned()
    } else if matches!(request.target, Target::Channel(_)) {
        "a broadcast channel has no counters: set the content's own badge for it".to_owned()
    } else if number > MAX_BADGE {
        format!("expected at most {MAX_BADGE}, found {number}")
    } else {
        return None;
    };
    Some(FieldProblem::new("/badge", "badge.change", message))
}

/// What is said to each device apart: with the counter if there is one, else what there was.
pub(crate) fn late_source(
    request: &NotificationRequest,
    late: Option<LateSource>,
) -> Option<LateSource> {
    if request.badge.is_none() {
        return late;
    }
    let late = late.unwrap_or_else(|| LateSource {
        content: request.content.clone(),
        ..LateSource::default()
    });
    Some(LateSource {
        badge: request.badge,
        ..late
    })
}

/// The content that is checked when a notification is accepted: with the largest number that a counter
/// can show, so that what passes then fits for everybody.
pub(crate) fn sample<'c>(
    request: &NotificationRequest,
    content: Cow<'c, Content>,
) -> Cow<'c, Content> {
    if request.badge.is_none() {
        return content;
    }
    let mut content = content.into_owned();
    content.badge = Some(MAX_BADGE);
    Cow::Owned(content)
}

/// A problem of the number that stands in for the counter is the counter's.
pub(crate) fn placed(mut problem: FieldProblem, request: &NotificationRequest) -> FieldProblem {
    if request.badge.is_some() && problem.pointer == "/content/badge" {
        "/badge".clone_into(&mut problem.pointer);
    }
    problem
}
