//! One notification as the caller wrote it, checked against everything that needs no store.

use crate::hub::Hub;
use crate::later;
use crate::list;
use crate::question;
use crate::request::{IdempotencyKey, Origin, SendItem};
use crate::saying::write;
use crate::segment::freeze;
use crate::source;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::body::BadgeChange;
use carillon_model::definition::DefinitionKind;
use carillon_model::duration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::list::FrozenList;
use carillon_model::notification::{NotificationRequest, SendOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::Reach;
use carillon_model::segment::FrozenSegment;
use carillon_model::send_at::IfPast;
use carillon_model::target::Target;
use carillon_model::timer::MissedRun;
use carillon_ports::timer::{FiredTimer, NewTimer};

/// A notification that is in order, and not resolved yet.
pub(crate) struct Draft {
    /// Its place in the request.
    pub(crate) at: usize,
    pub(crate) target: Target,
    pub(crate) except_users: Vec<String>,
    /// What the segment is now, where the target is one.
    pub(crate) segment: Option<FrozenSegment>,
    /// What the list is now, where the target is one.
    pub(crate) list: Option<FrozenList>,
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
    pub(crate) plan: Plan,
}

/// When a draft is sent.
#[derive(Debug)]
pub(crate) enum Plan {
    /// At once.
    Now {
        /// It was to be sent at a time that has passed.
        late: bool,
    },
    /// By this timer.
    Later(NewTimer),
    /// It waited, and its time has come.
    Fired(Fired),
}

/// A notification that was accepted before.
#[derive(Debug)]
pub(crate) struct Fired {
    pub(crate) no: NotificationNo,
    pub(crate) accepted_at: UnixMs,
    pub(crate) send_at: Option<UnixMs>,
    pub(crate) timer: FiredTimer,
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
        mut request,
        idempotency,
        origin,
    } = item;
    let mut problems = request.target.problems();
    problems.extend(except_problem(&request));
    let segment = match &request.target {
        Target::Segment(name) if problems.is_empty() => {
            let frozen = freeze(hub, app, name);
            frozen.map(Some).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            })
        }
        _ => None,
    };
    let list = match &request.target {
        Target::List(name) if problems.is_empty() => {
            let frozen = list::freeze(hub, app, name);
            frozen.map(Some).unwrap_or_else(|problem| {
                problems.push(problem);
                None
            })
        }
        _ => None,
    };
    if let Target::Source(name) = &request.target
        && problems.is_empty()
    {
        problems.extend(source::problem(hub, app, name, origin.campaign.is_some()));
    }
    let schedule = asking_schedule(hub, app, &request, &origin);
    let plan = plan(hub, &request, schedule, now).unwrap_or_else(|problem| {
        problems.push(problem);
        Plan::Now { late: false }
    });
    if let Some(from) = request.content_from.take() {
        match question::problem(hub, app, &request, &from) {
            Ok(()) => problems.extend(say_nothing_yet(hub, app, &mut request, &origin, now)),
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        }
    }
    let begins_at = match &plan {
        Plan::Later(timer) => timer.due_at,
        Plan::Now { .. } | Plan::Fired(_) => now,
    };
    let expires_at = expiry(&request, begins_at).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let written = write(hub, app, &request, &origin, begins_at).unwrap_or_else(|more| {
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
    leave_out(&mut target, &except_users);
    if let Target::Channel(channel) = &target {
        options.channel.get_or_insert_with(|| channel.clone());
    }
    let reach = options.reach(body.gateways());
    Ok(Draft {
        at,
        target,
        except_users,
        segment,
        list,
        declared: asked.environment.unwrap_or_default(),
        options,
        body: body.encode(),
        badge,
        reach,
        expires_at,
        idempotency,
        origin,
        plan,
    })
}

/// A list of users is without those who are left out.
pub(crate) fn leave_out(target: &mut Target, except_users: &[String]) {
    if let Target::Users(users) = target {
        users.retain(|user| !except_users.contains(user));
    }
}

/// The name of the schedule that somebody runs and that asks when it does.
fn asking_schedule(
    hub: &Hub,
    app: AppNo,
    request: &NotificationRequest,
    origin: &Origin,
) -> Option<String> {
    let turn = origin
        .turn
        .as_ref()
        .filter(|_| request.content_from.is_some())?;
    let directory = hub.directory.load();
    let mut all = directory.definitions(app, DefinitionKind::Schedule);
    let (schedule, _) = all.find(|(schedule, _)| schedule.no == turn.schedule)?;
    Some(schedule.name.clone())
}

/// Puts something in the place of what a call-out will answer. Returns what is wrong with its template, but for
/// the variables, which nobody knows yet.
fn say_nothing_yet(
    hub: &Hub,
    app: AppNo,
    request: &mut NotificationRequest,
    origin: &Origin,
    now: UnixMs,
) -> Vec<FieldProblem> {
    let written = request
        .template
        .is_some()
        .then(|| write(hub, app, request, origin, now));
    let mut problems = written.and_then(Result::err).unwrap_or_default();
    problems.retain(|problem| !problem.pointer.starts_with("/template/variables"));
    request.template = None;
    request.content = Some(question::stand_in(request.options.push_type));
    problems
}

/// When it is sent: one that asks a call-out at the earliest when that was asked.
fn plan(
    hub: &Hub,
    request: &NotificationRequest,
    schedule: Option<String>,
    now: UnixMs,
) -> Result<Plan, FieldProblem> {
    match plan_of(hub, request, now)? {
        Plan::Now { .. } if request.content_from.is_some() => Ok(Plan::Later(NewTimer {
            due_at: now,
            missed: MissedRun::Fire,
            body: later::body(request, schedule),
        })),
        plan => Ok(plan),
    }
}

fn plan_of(hub: &Hub, request: &NotificationRequest, now: UnixMs) -> Result<Plan, FieldProblem> {
    let Some(send_at) = &request.send_at else {
        return match request.if_past {
            None => Ok(Plan::Now { late: false }),
            Some(_) => Err(FieldProblem::new(
                "/if_past",
                "send_at.if_past",
                "expected if_past beside send_at only: without send_at it is sent at once",
            )),
        };
    };
    let due_at = send_at.instant()?;
    if due_at <= now {
        return match request.if_past.unwrap_or_default() {
            IfPast::SendNow => Ok(Plan::Now { late: true }),
            IfPast::Refuse => Err(FieldProblem::new(
                "/send_at",
                "send_at.past",
                format!(
                    "expected a time in the future, found {}, which has passed: choose a later one, or say \"if_past\": \"send_now\"",
                    later::shown(due_at)
                ),
            )),
        };
    }
    let most = hub.parts.config.send_ahead_max_ms;
    if due_at - now > most {
        return Err(FieldProblem::new(
            "/send_at",
            "send_at.too_far",
            format!(
                "expected a time at most {} ahead, found {}: choose an earlier one, or have scheduler.send_ahead_max raised",
                duration::format_ms(most),
                later::shown(due_at)
            ),
        ));
    }
    Ok(Plan::Later(NewTimer {
        due_at,
        missed: MissedRun::Fire,
        body: later::body(request, None),
    }))
}

/// Most users that are left out of one notification.
const MAX_EXCEPT: usize = 100;

fn except_problem(request: &NotificationRequest) -> Option<FieldProblem> {
    let except = &request.except_users;
    if except.is_empty() {
        return None;
    }
    let message = match &request.target {
        Target::Users(_)
        | Target::All(_)
        | Target::Topic(_)
        | Target::Tags(_)
        | Target::Segment(_)
        | Target::List(_)
        | Target::Source(_) => {
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
            "expected the target users, topic, tags, segment, list or all: of others leave out what is not meant"
                .to_owned()
        }
    };
    Some(FieldProblem::new(
        "/except_users",
        "target.except_users",
        message,
    ))
}

/// When a notification ends whose sending begins at `begins_at`.
fn expiry(
    request: &NotificationRequest,
    begins_at: UnixMs,
) -> Result<Option<UnixMs>, FieldProblem> {
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
            ("/expires_in", begins_at.saturating_add(after))
        }
    };
    if at <= begins_at {
        let message = match &request.send_at {
            None => "expected a time in the future: this notification would end before it is sent"
                .to_owned(),
            Some(_) => format!(
                "expected a time after the send, which is at {}: this notification would end before",
                later::shown(begins_at)
            ),
        };
        return Err(FieldProblem::new(pointer, "expiry.past", message));
    }
    Ok(Some(at))
}
