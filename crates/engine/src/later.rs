//! Sends at a time: accepted whole, on disk, and sent when the time has come.
//!
//! What is said is written when it is accepted, so that a mistake is found then. Whom it is for is found out
//! when it is sent: the request waits in its timer's body for that, and for whoever wants to change it.

use crate::callout::{asks_first, send_asks_first};
use crate::draft::{Draft, Fired, Plan, draft, leave_out};
use crate::hub::Hub;
use crate::intake::{Ready, answers_for, make};
use crate::list;
use crate::question::find;
use crate::request::{ChangeRefusal, Origin, Refusal, SendItem};
use crate::resolve::read_push_tokens;
use crate::schedule::{name_taken, turn};
use crate::segment::freeze;
use crate::service::Shared;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::body::Body;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::notification::{NotificationChange, NotificationRequest};
use carillon_model::problem::{FieldProblem, first_sentence};
use carillon_model::target::Target;
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::fault::{self, Bug};
use carillon_ports::schedule::ScheduleTurn;
use carillon_ports::store::StoreError;
use carillon_ports::timer::{
    DueSend, DueTimer, FiredTimer, NewTimer, SendChange, TimerClaim, TimerSubject,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// Version of the stored record.
const VERSION: u32 = 1;
/// With so many names in the targets of what is fired together nothing more is taken in: the deliveries are one transaction.
const MAX_ENTRIES: usize = 2_000;
/// A change that others keep coming before is tried so often.
const CHANGE_TRIES: u32 = 5;

/// What a timer keeps of its notification.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record<'r> {
    version: u32,
    request: Cow<'r, NotificationRequest>,
    /// The name of the schedule that somebody ran, where a call-out is to be asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
}

/// What is stored of a request that waits.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) request: NotificationRequest,
    /// The name of the schedule that somebody ran, where a call-out is to be asked for it.
    pub(crate) schedule: Option<String>,
}

/// The stored form of a request that waits.
pub(crate) fn body(request: &NotificationRequest, schedule: Option<String>) -> Bytes {
    let record = Record {
        version: VERSION,
        request: Cow::Borrowed(request),
        schedule,
    };
    // What was read from JSON can be written as JSON.
    serde_json::to_vec(&record).unwrap_or_default().into()
}

/// Reads [`body`]; the error is a sentence.
pub(crate) fn read(body: &[u8]) -> Result<Kept, String> {
    let record: Record<'_> =
        serde_json::from_slice(body).map_err(|error| format!("unreadable body: {error}"))?;
    if record.version != VERSION {
        return Err(format!("a body of version {} is unknown", record.version));
    }
    Ok(Kept {
        request: record.request.into_owned(),
        schedule: record.schedule,
    })
}

/// An instant in words.
pub(crate) fn shown(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// What of a later send can be checked before its devices are known.
pub(crate) fn checked(hub: &Hub, draft: Draft) -> Result<Draft, Vec<FieldProblem>> {
    if let (Plan::Later(_), Target::PushTokens(tokens)) = (&draft.plan, &draft.target) {
        read_push_tokens(hub, tokens, draft.reach)?;
    }
    Ok(draft)
}

/// A timer that could not fire, and why.
pub(crate) struct Unfired {
    pub(crate) claim: TimerClaim,
    pub(crate) due_at: UnixMs,
    pub(crate) attempts: u16,
    /// What it was for.
    pub(crate) kind: TimerKind,
    /// What it was about, as its App knows it.
    pub(crate) subject: String,
    pub(crate) why: String,
}

impl Unfired {
    pub(crate) fn new(timer: &DueTimer, why: String) -> Self {
        let (subject, due_at) = match &timer.subject {
            Ok(TimerSubject::Send(send)) => {
                let head = &send.notification;
                let due_at = head.send_at.unwrap_or(timer.due_at);
                (head.no.public(head.accepted_at), due_at)
            }
            Ok(TimerSubject::Schedule(schedule)) => (schedule.name.clone(), timer.due_at),
            Ok(TimerSubject::LiveActivity(activity)) => (activity.id.clone(), timer.due_at),
            Ok(TimerSubject::Watch(watch)) => (format!("monitor {}", watch.monitor), timer.due_at),
            // Whose it is cannot be read.
            Err(_) => (format!("timer {}", timer.claim.no), timer.due_at),
        };
        Self {
            claim: timer.claim,
            due_at,
            attempts: timer.attempts,
            kind: kind_of(timer),
            subject,
            why,
        }
    }
}

/// What a timer is for; where not even that can be read, what most are for.
fn kind_of(timer: &DueTimer) -> TimerKind {
    timer.kind.unwrap_or(TimerKind::Send)
}

/// How many devices, users or push tokens a target names.
fn entries_of(target: &Target) -> usize {
    match target {
        Target::Users(list) | Target::Devices(list) | Target::PushTokens(list) => list.len(),
        _ => 1,
    }
}

impl Shared {
    /// Fires timers of one App: sends and schedules in one transaction, Live Activities in some. One that cannot fire holds no
    /// other up, and is among those that are returned.
    pub(crate) async fn fire(
        self: &Arc<Self>,
        app: AppNo,
        due: Arc<[DueTimer]>,
    ) -> Result<Vec<Unfired>, StoreError> {
        let hub = &self.hub;
        let now = hub.parts.clock.now();
        let mut unfired = Vec::new();
        let mut drafts = Vec::with_capacity(due.len());
        let mut entries = 0;
        let mut asking = Vec::new();
        let (mut activities, mut watches) = (Vec::new(), Vec::new());
        for (at, timer) in due.iter().enumerate() {
            let drafted = match &timer.subject {
                Ok(TimerSubject::Send(send)) => match read(&send.body) {
                    Ok(kept) => {
                        if let Some(asks) = send_asks_first(hub, timer, send, &kept, now) {
                            asking.push(asks);
                            continue;
                        }
                        due_draft(hub, at, timer, send, kept.request, now)
                    }
                    Err(why) => Err(why),
                },
                Ok(TimerSubject::Schedule(schedule)) => {
                    if let Some(asks) = asks_first(hub, timer, schedule, now) {
                        asking.push(asks);
                        continue;
                    }
                    match self.schedule_draft(at, timer, schedule, now).await? {
                        Ok(Some(draft)) => Ok(draft),
                        Ok(None) => continue,
                        Err(why) => Err(why),
                    }
                }
                Ok(TimerSubject::LiveActivity(activity)) => {
                    activities.push((at, &**activity));
                    continue;
                }
                Ok(TimerSubject::Watch(watch)) => {
                    watches.push((at, &**watch));
                    continue;
                }
                Err(why) => Err(why.clone()),
            };
            match drafted {
                Ok(draft) => {
                    entries += entries_of(&draft.target);
                    drafts.push(draft);
                    if entries >= MAX_ENTRIES {
                        // What is left is still due: other Apps have their turn before.
                        break;
                    }
                }
                Err(why) => unfired.push(Unfired::new(timer, why)),
            }
        }
        self.begin_asking(asking).await?;
        // Nobody waits for room in a lane here: it would hold up the timers of other Apps. What has none
        // is claimed from the store.
        let resolved = answers_for(hub, app, &mut drafts, now).await?;
        let mut ready = Vec::with_capacity(drafts.len());
        for (draft, recipients) in drafts.into_iter().zip(resolved) {
            match recipients {
                Ok(recipients) => ready.push(make(hub, app, draft, &recipients, now)),
                Err(problems) => {
                    let timer = &due[draft.at];
                    if let (Ok(TimerSubject::Schedule(schedule)), Some(turn)) =
                        (&timer.subject, draft.origin.turn)
                    {
                        self.fail_run(schedule, turn, &problems, now).await?;
                        continue;
                    }
                    let why = first_sentence(&problems);
                    unfired.push(Unfired::new(timer, why));
                }
            }
        }
        for (at, looked) in self.watches_due(watches, now).await? {
            match looked {
                Ok(true) => {
                    let late = (hub.parts.clock.now() - due[at].due_at).max(0);
                    self.fired(&[(TimerKind::Watch, late)]);
                }
                // It was turned since it was read, and its timer with it.
                Ok(false) => {}
                Err(why) => unfired.push(Unfired::new(&due[at], why)),
            }
        }
        self.fire_ready(app, &due, ready, now, &mut unfired).await?;
        self.fire_activities(app, &due, activities, now, &mut unfired)
            .await?;
        Ok(unfired)
    }

    /// Counts timers that fired, each so many milliseconds late. As soon as they are written: what fails after them takes
    /// nothing of that back.
    pub(crate) fn fired(&self, lateness: &[(TimerKind, i64)]) {
        if !lateness.is_empty() {
            self.hub.took();
            self.hub.meters.timers_fired(lateness);
        }
    }

    /// Writes what timers come to, in one transaction with them.
    pub(crate) async fn fire_ready(
        self: &Arc<Self>,
        app: AppNo,
        due: &[DueTimer],
        mut ready: Vec<Ready>,
        now: UnixMs,
        unfired: &mut Vec<Unfired>,
    ) -> Result<(), StoreError> {
        if ready.is_empty() {
            return Ok(());
        }
        let hub = &self.hub;
        let places: Vec<usize> = ready.iter().map(|ready| ready.at).collect();
        let torn = self.tear(&mut ready, now).await?;
        let answers = self.commit(app, ready).await?;
        match torn {
            None => fault::stage("timer.fired"),
            Some(turns) => self.follow(turns, now).await?,
        }
        let stored_at = hub.parts.clock.now();
        let stored = places.iter().zip(&answers).filter(|(_, is)| is.is_ok());
        let late = stored.map(|(at, _)| &due[*at]);
        let late = late.map(|timer| (kind_of(timer), (stored_at - timer.due_at).max(0)));
        let late: Vec<_> = late.collect();
        self.fired(&late);
        if !late.is_empty() {
            // Some may be complete: nobody was there.
            hub.tell();
        }
        for (at, answer) in places.into_iter().zip(answers) {
            match answer {
                // It fired; or it was changed or cancelled since it was read.
                Ok(_) | Err(Refusal::Stale) => {}
                Err(Refusal::NameTaken { no, .. }) => self.name_taken(&due[at], no, now).await?,
                Err(other) => {
                    let why = format!("it was refused: {other:?}");
                    unfired.push(Unfired::new(&due[at], why));
                }
            }
        }
        Ok(())
    }

    /// A schedule's campaign that is there already is a failed run.
    async fn name_taken(
        &self,
        timer: &DueTimer,
        no: NotificationNo,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        if let Ok(TimerSubject::Schedule(schedule)) = &timer.subject
            && let Ok(turn) = turn(&self.hub, timer, schedule, now)
        {
            let problems = [name_taken(no)];
            self.fail_run(schedule, turn.written, &problems, now)
                .await?;
        }
        Ok(())
    }

    /// Where that bug is planted: takes the moves of timers out of what is one transaction with them. What is
    /// returned is to follow it.
    async fn tear(
        &self,
        ready: &mut [Ready],
        now: UnixMs,
    ) -> Result<Option<Vec<ScheduleTurn>>, StoreError> {
        let is_before = fault::planted(Bug::MoveBeforeRun);
        if !is_before && !fault::planted(Bug::MoveAfterRun) {
            return Ok(None);
        }
        let turns = ready.iter_mut().filter_map(Ready::take_timer);
        let turns: Vec<ScheduleTurn> = turns.collect();
        if !is_before {
            return Ok(Some(turns));
        }
        let has_any = !turns.is_empty();
        for turn in turns {
            self.hub.parts.store.record_turn(turn, None, now).await?;
        }
        if has_any {
            fault::stage("timer.fired");
        }
        Ok(Some(Vec::new()))
    }

    /// See [`Self::tear`].
    async fn follow(&self, turns: Vec<ScheduleTurn>, now: UnixMs) -> Result<(), StoreError> {
        if !turns.is_empty() {
            fault::stage("timer.fired");
        }
        for turn in turns {
            self.hub.parts.store.record_turn(turn, None, now).await?;
        }
        Ok(())
    }

    /// See [`crate::Engine::change`].
    pub(crate) async fn change(
        &self,
        app: AppNo,
        no: NotificationNo,
        change: &NotificationChange,
    ) -> Result<Result<(), ChangeRefusal>, StoreError> {
        let hub = &self.hub;
        for _ in 0..CHANGE_TRIES {
            let Some(waiting) = hub.parts.store.waiting_send(app, no).await? else {
                return Ok(Err(ChangeRefusal::NotWaiting));
            };
            let now = hub.parts.clock.now();
            let (draft, timer) = match changed(hub, app, &waiting.body, change, now) {
                Ok(changed) => changed,
                Err(problems) => return Ok(Err(ChangeRefusal::Invalid(problems))),
            };
            let due_at = timer.due_at;
            let step = SendChange {
                no,
                claim: waiting.claim,
                timer,
                expires_at: draft.expires_at,
                options: draft.options,
                payload: draft.body,
                now,
                callout: None,
            };
            match hub.parts.store.change_send(step).await {
                Ok(true) => {
                    hub.timer_set(due_at);
                    return Ok(Ok(()));
                }
                // It fired, was cancelled, or somebody else changed it: look again.
                Ok(false) => {}
                Err(error) => {
                    if matches!(error, StoreError::DiskFull | StoreError::Failed(_)) {
                        hub.store_refused("changing a notification", &error);
                    }
                    return Err(error);
                }
            }
        }
        Ok(Err(ChangeRefusal::Contended))
    }
}

/// The draft of what a waiting notification is after a change, and its timer.
fn changed(
    hub: &Hub,
    app: AppNo,
    stored: &[u8],
    change: &NotificationChange,
    now: UnixMs,
) -> Result<(Draft, NewTimer), Vec<FieldProblem>> {
    let Kept {
        mut request,
        schedule,
    } = read(stored).map_err(|why| {
        vec![FieldProblem::new(
            "",
            "send_at.unreadable",
            format!("what is stored of this notification cannot be read ({why}): cancel it, and send it anew"),
        )]
    })?;
    change.clone().apply(&mut request);
    let kept = body(&request, schedule);
    let item = SendItem {
        request,
        idempotency: None,
        origin: Origin::default(),
    };
    let mut draft = checked(hub, draft(hub, app, 0, item, now)?)?;
    let plan = std::mem::replace(&mut draft.plan, Plan::Now { late: false });
    let timer = match plan {
        Plan::Later(timer) => NewTimer {
            body: kept,
            ..timer
        },
        // Its time has passed, and it is to be sent all the same: the Scheduler does it at once.
        Plan::Now { .. } | Plan::Fired(_) => NewTimer {
            due_at: now,
            missed: MissedRun::Fire,
            body: kept,
        },
    };
    Ok((draft, timer))
}

/// The draft of a notification whose time has come: what it says is as it was stored.
fn due_draft(
    hub: &Hub,
    at: usize,
    timer: &DueTimer,
    send: &DueSend,
    request: NotificationRequest,
    now: UnixMs,
) -> Result<Draft, String> {
    let head = &send.notification;
    let says = Body::decode(&head.payload).map_err(|error| error.to_string())?;
    let reach = head.options.reach(says.gateways());
    let mut target = request.target;
    leave_out(&mut target, &request.except_users);
    let is_over = head.expires_at.is_some_and(|at| at <= now);
    if let Some(from) = request.content_from.as_ref().filter(|_| !is_over) {
        // It was to be asked, and cannot be.
        let why = find(hub, timer.app, from).err();
        return Err(why.map_or_else(
            || "its call-out was changed".to_owned(),
            |why| why.to_string(),
        ));
    }
    let grace_ms = hub.parts.config.timer_grace_ms;
    if request.content_from.is_some() || !send.missed.fires(timer.due_at, now, grace_ms) {
        // It is over without having been sent to anybody.
        target = Target::Users(Vec::new());
    }
    // As it is when it is sent, like the devices.
    let segment = match &target {
        Target::Segment(name) => {
            Some(freeze(hub, timer.app, name).map_err(|problem| problem.to_string())?)
        }
        _ => None,
    };
    let list = match &target {
        Target::List(name) => {
            let frozen = list::freeze(hub, timer.app, name);
            Some(frozen.map_err(|problem| problem.to_string())?)
        }
        _ => None,
    };
    Ok(Draft {
        at,
        target,
        except_users: request.except_users,
        segment,
        list,
        declared: request.options.environment.unwrap_or_default(),
        options: head.options.clone(),
        reach,
        body: head.payload.clone(),
        badge: request.badge,
        expires_at: head.expires_at,
        idempotency: None,
        origin: Origin::default(),
        plan: Plan::Fired(Fired {
            no: head.no,
            accepted_at: head.accepted_at,
            send_at: head.send_at,
            timer: FiredTimer {
                claim: timer.claim,
                at: now,
            },
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_versioned() {
        let stored = r#"{"version":1,"request":{"target":{"users":["kim"]},"content":{"body":"Hi"},"options":{"push_type":"alert"},"send_at":"2026-12-01T09:00:00Z","expires_in":"15m"}}"#;
        let kept = read(stored.as_bytes()).unwrap();
        assert_eq!(body(&kept.request, kept.schedule), stored);
        let run = body(&kept.request, Some("daily".to_owned()));
        assert_eq!(read(&run).unwrap().schedule.as_deref(), Some("daily"));
        let newer = stored.replace("\"version\":1", "\"version\":2");
        assert!(read(newer.as_bytes()).unwrap_err().contains("version 2"));
        assert!(read(b"{}").unwrap_err().contains("unreadable"));
    }
}
