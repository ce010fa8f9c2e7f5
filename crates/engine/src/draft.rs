//! One notification as the caller wrote it, checked against everything that needs no store.

use crate::hub::Hub;
use crate::request::{IdempotencyKey, SendItem};
use carillon_model::UnixMs;
use carillon_model::duration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_ports::gateway::Prepared;

/// A notification that is in order, and not resolved yet.
pub(crate) struct Draft {
    /// Its place in the request.
    pub(crate) at: usize,
    pub(crate) target: Target,
    pub(crate) declared: TokenEnvironment,
    pub(crate) prepared: Prepared,
    pub(crate) expires_at: Option<UnixMs>,
    pub(crate) idempotency: Option<IdempotencyKey>,
}

/// Checks one notification against everything that needs no store.
pub(crate) fn draft(
    hub: &Hub,
    at: usize,
    item: SendItem,
    now: UnixMs,
) -> Result<Draft, Vec<FieldProblem>> {
    let SendItem {
        request,
        idempotency,
    } = item;
    let mut problems = request.target.problems();
    let expires_at = expiry(&request, now).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let NotificationRequest {
        target,
        content,
        options,
        ..
    } = request;
    match hub.parts.apns.prepare(&target, &content, &options, now) {
        Ok(mut prepared) if problems.is_empty() => {
            if let Target::Channel(channel) = &target {
                prepared
                    .options
                    .channel
                    .get_or_insert_with(|| channel.clone());
            }
            Ok(Draft {
                at,
                target,
                declared: options.environment.unwrap_or(TokenEnvironment::Auto),
                prepared,
                expires_at,
                idempotency,
            })
        }
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// When a notification ends.
fn expiry(request: &NotificationRequest, now: UnixMs) -> Result<Option<UnixMs>, FieldProblem> {
    let (pointer, at) = match (&request.expires_at, &request.expires_in) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(FieldProblem::new(
                "/expires_in",
                "expiry.one_of",
                "expected at most one of expires_at and expires_in: leave one out",
            ));
        }
        (Some(text), None) => {
            let read: jiff::Timestamp = text.parse().map_err(|error| {
                FieldProblem::new(
                    "/expires_at",
                    "expiry.time",
                    format!("expected an RFC 3339 time such as \"2026-01-31T12:00:00Z\", found {text:?} ({error})"),
                )
            })?;
            ("/expires_at", read.as_millisecond())
        }
        (None, Some(text)) => {
            let after = duration::parse_ms(text).map_err(|sentence| {
                FieldProblem::new("/expires_in", "expiry.duration", sentence)
            })?;
            ("/expires_in", now.saturating_add(after))
        }
    };
    if at <= now {
        return Err(FieldProblem::new(
            pointer,
            "expiry.past",
            "expected a time in the future: this notification would end before it is sent",
        ));
    }
    Ok(Some(at))
}
