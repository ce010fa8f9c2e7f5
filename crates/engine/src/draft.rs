//! One notification as the caller wrote it, checked against everything that needs no store.

use crate::hub::Hub;
use crate::request::{IdempotencyKey, Origin, SendItem};
use crate::saying::write;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::body::BadgeChange;
use carillon_model::duration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::AppNo;
use carillon_model::notification::{NotificationRequest, SendOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::Reach;
use carillon_model::target::Target;

/// A notification that is in order, and not resolved yet.
pub(crate) struct Draft {
    /// Its place in the request.
    pub(crate) at: usize,
    pub(crate) target: Target,
    pub(crate) except_users: Vec<String>,
    pub(crate) declared: TokenEnvironment,
    pub(crate) options: SendOptions,
    /// What it says, as it is stored.
    pub(crate) body: Bytes,
    /// What becomes of its recipients' badge counters.
    pub(crate) badge: Option<BadgeChange>,
    /// By what its devices are reached.
    pub(crate) reach: Reach,
    pub(crate) expires_at: Option<UnixMs>,
    pub(crate) idempotency: Option<IdempotencyKey>,
    pub(crate) origin: Origin,
}

/// Checks one notification against everything that needs no store.
pub(crate) fn draft(
    hub: &Hub,
    app: AppNo,
    at: usize,
    item: SendItem,
    now: UnixMs,
) -> Result<Draft, Vec<FieldProblem>> {
    let SendItem {
        request,
        idempotency,
        origin,
    } = item;
    let mut problems = request.target.problems();
    problems.extend(except_problem(&request));
    let expires_at = expiry(&request, now).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let written = write(hub, app, &request, &origin, now).unwrap_or_else(|more| {
        problems.extend(more);
        None
    });
    let Some((mut options, body)) = written.filter(|_| problems.is_empty()) else {
        return Err(problems);
    };
    let NotificationRequest {
        mut target,
        except_users,
        options: asked,
        badge,
        ..
    } = request;
    if let Target::Users(users) = &mut target {
        users.retain(|user| !except_users.contains(user));
    }
    if let Target::Channel(channel) = &target {
        options.channel.get_or_insert_with(|| channel.clone());
    }
    let kinds = body
        .gateways()
        .map(|gateway| options.token_kind_at(gateway));
    let reach = Reach::any(kinds);
    Ok(Draft {
        at,
        target,
        except_users,
        declared: asked.environment.unwrap_or(TokenEnvironment::Auto),
        options,
        body: body.encode(),
        badge,
        reach,
        expires_at,
        idempotency,
        origin,
    })
}

/// Most users that are left out of one notification.
const MAX_EXCEPT: usize = 100;

fn except_problem(request: &NotificationRequest) -> Option<FieldProblem> {
    let except = &request.except_users;
    if except.is_empty() {
        return None;
    }
    let message = match &request.target {
        Target::Users(_) | Target::All(_) | Target::Topic(_) | Target::Tags(_) => {
            let is_fine = |user: &String| (1..=128).contains(&user.len());
            if except.len() <= MAX_EXCEPT && except.iter().all(is_fine) {
                return None;
            }
            format!(
                "expected at most {MAX_EXCEPT} users of 1 to 128 bytes, found {}",
                except.len()
            )
        }
        Target::Devices(_) | Target::PushTokens(_) | Target::Channel(_) => {
            "expected the target users, topic, tags or all: of others leave out what is not meant"
                .to_owned()
        }
    };
    Some(FieldProblem::new(
        "/except_users",
        "target.except_users",
        message,
    ))
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
