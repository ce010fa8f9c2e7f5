//! Call-outs: an App's own code is asked what a notification says, when its time has come.
//!
//! An effect is rows, never I/O. So the timer is put off by one transaction, which opens a run; the
//! question is asked outside of the Scheduler; and what came of it is one transaction again, under the
//! timer's fence: of a schedule the notification, its run and next time; of a notification that waits
//! what it says, with which it then fires as any other. After a crash in between the timer is due again and the
//! same question is asked under the same id. What was changed, paused, cancelled or deleted meanwhile sends
//! nothing: its fence is another.

mod of_schedule;
mod of_send;

use crate::asking::Place;
use crate::hub::Hub;
use crate::later::{self, Kept};
use crate::question::{Asked, AskedFor, Bad, Judged, LONGEST_WAIT_MS, find, judge};
use crate::schedule::{Turn, first, turn};
use crate::service::Shared;
use carillon_model::callout::{
    CalloutAnswer, CalloutResult, CalloutSettings, ContentFrom, Fallback,
};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, DefinitionNo, NotificationNo, numbered_uuid};
use carillon_model::problem::FieldProblem;
use carillon_model::role::Role;
use carillon_model::{UnixMs, campaign};
use carillon_ports::callout::{CalloutBegin, CalloutCall, CalloutEnd, OpenCallout};
use carillon_ports::schedule::DueSchedule;
use carillon_ports::store::{NotificationHead, StoreError};
use carillon_ports::timer::{DueSend, DueTimer, TimerSubject};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::{self, JoinSet};

/// What storing an answer may take, before a timer that was put off is due again.
const MARGIN_MS: i64 = 30_000;

// === asking ===

/// A question that is to be asked, and what for.
pub(crate) struct Errand {
    callout: Definition,
    settings: CalloutSettings,
    from: ContentFrom,
    /// As it is since it was put off, with the time at which it was due.
    timer: DueTimer,
    asker: Asker,
    /// Which of its times it is asked for: of several that were missed, the latest.
    fires: UnixMs,
    /// When it was found due in this process.
    now: UnixMs,
    open: OpenCallout,
}

/// Who asks.
enum Asker {
    /// A schedule that is due.
    Schedule(Box<DueSchedule>),
    /// A notification whose time has come, maybe a campaign.
    Send(Box<AskingSend>),
}

/// See [`Asker::Send`].
struct AskingSend {
    notification: NotificationHead,
    kept: Kept,
}

impl Asker {
    /// As its App knows it.
    fn name(&self) -> String {
        match self {
            Self::Schedule(schedule) => format!("the schedule {}", schedule.name),
            Self::Send(send) => {
                let head = &send.notification;
                format!("the notification {}", head.no.public(head.accepted_at))
            }
        }
    }

    /// The schedule and the notification of its run.
    fn numbers(&self, hub: &Hub, app: AppNo) -> (Option<DefinitionNo>, Option<NotificationNo>) {
        match self {
            Self::Schedule(schedule) => (Some(schedule.no), None),
            Self::Send(send) => {
                let directory = hub.directory.load();
                let name = send.kept.schedule.as_deref();
                let schedule =
                    name.and_then(|name| directory.definition(app, DefinitionKind::Schedule, name));
                (
                    schedule.map(|schedule| schedule.no),
                    Some(send.notification.no),
                )
            }
        }
    }
}

/// One that is due, and asks first.
pub(crate) struct AsksFirst {
    callout: Definition,
    settings: CalloutSettings,
    from: ContentFrom,
    timer: DueTimer,
    asker: Asker,
    now: UnixMs,
}

/// Whether a schedule that is due asks a call-out first, and so does not fire yet.
pub(crate) fn asks_first(
    hub: &Hub,
    timer: &DueTimer,
    schedule: &DueSchedule,
    now: UnixMs,
) -> Option<AsksFirst> {
    let Turn { definition, .. } = turn(hub, timer, schedule, now).ok()?;
    // A campaign of its own asks by itself, when it begins.
    let from = definition.notification?.content_from?;
    // What is wrong is told by whoever drafts it.
    let (callout, settings) = find(hub, timer.app, &from).ok()?;
    Some(AsksFirst {
        callout,
        settings,
        from,
        timer: timer.clone(),
        asker: Asker::Schedule(Box::new(schedule.clone())),
        now,
    })
}

/// Whether a notification whose time has come asks a call-out first, and so is not sent yet. One that has
/// expired asks nobody any more.
pub(crate) fn send_asks_first(
    hub: &Hub,
    timer: &DueTimer,
    send: &DueSend,
    kept: &Kept,
    now: UnixMs,
) -> Option<AsksFirst> {
    let from = kept.request.content_from.clone()?;
    if send.notification.expires_at.is_some_and(|at| at <= now) {
        return None;
    }
    // What is wrong is told by whoever drafts it.
    let (callout, settings) = find(hub, timer.app, &from).ok()?;
    Some(AsksFirst {
        callout,
        settings,
        from,
        timer: timer.clone(),
        asker: Asker::Send(Box::new(AskingSend {
            notification: send.notification.clone(),
            kept: kept.clone(),
        })),
        now,
    })
}

impl Shared {
    /// Puts the timers of all these off, together: each is a transaction, and the store groups them.
    pub(crate) async fn begin_asking(
        self: &Arc<Self>,
        all: Vec<AsksFirst>,
    ) -> Result<(), StoreError> {
        let config = &self.hub.parts.config;
        let each = config.callout_concurrency;
        let asks_here = self.hub.peers.borrow().leads(Role::Worker);
        let mut without = 0;
        let mut beginning = JoinSet::new();
        for one in all {
            let shared = self.clone();
            let (asking, app) = (&self.hub.asking, one.timer.app);
            let place = asks_here
                .then(|| asking.take(app, each, config.callout_calls))
                .flatten();
            without += u32::from(place.is_none());
            // As many as are asked at once are looked at again at once.
            let turns = without.saturating_sub(1) / each.max(1) + 1;
            let pause_ms = i64::from(config.callout_pause_ms) * i64::from(turns);
            beginning.spawn(async move { shared.begin_one(one, place, pause_ms).await });
        }
        let mut result = Ok(());
        while let Some(begun) = beginning.join_next().await {
            match begun {
                Ok(begun) => result = result.and(begun),
                // One of them is to blame: the Scheduler finds out which.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => return Err(StoreError::Failed(error.to_string())),
            }
        }
        result
    }

    /// Puts one off, until it was asked, or for so long that there may be a place to ask it. Who leads the workers asks;
    /// where that is another process it finds the open run.
    async fn begin_one(
        &self,
        asks: AsksFirst,
        place: Option<Place>,
        pause_ms: i64,
    ) -> Result<(), StoreError> {
        self.begin_at(asks, place, pause_ms).await?;
        self.hub.wake_leader(Role::Worker);
        Ok(())
    }

    async fn begin_at(
        &self,
        asks: AsksFirst,
        place: Option<Place>,
        pause_ms: i64,
    ) -> Result<(), StoreError> {
        let hub = &self.hub;
        let AsksFirst {
            callout,
            settings,
            from,
            timer,
            asker,
            now,
        } = asks;
        let (schedule, notification) = asker.numbers(hub, timer.app);
        let waits = i64::from(settings.attempts) * LONGEST_WAIT_MS;
        let lasts = match &place {
            Some(_) => settings.longest_ms() + waits + MARGIN_MS,
            None => pause_ms,
        };
        let begin = CalloutBegin {
            timer: timer.claim,
            app: timer.app,
            callout: callout.no,
            schedule,
            notification,
            due_at: timer.due_at,
            until: now + lasts,
            is_asked: place.is_some(),
            now,
        };
        let open = hub.parts.store.begin_callout(begin).await?;
        // Without an open run it was changed since it was read.
        let (Some(place), Some(open)) = (place, open) else {
            return Ok(());
        };
        // What is due is the time of its run: its timer was put off since.
        let timer = DueTimer {
            claim: open.timer,
            due_at: open.due_at,
            ..timer
        };
        let fires = match &asker {
            Asker::Schedule(schedule) => turn(hub, &timer, schedule, now)
                .ok()
                .and_then(|turn| turn.fires),
            Asker::Send(_) => Some(open.due_at),
        };
        let errand = Errand {
            callout,
            settings,
            from,
            timer,
            asker,
            fires: fires.unwrap_or(open.due_at),
            now,
            open,
        };
        if fires.is_none() {
            // It was missed, and does not fire any more.
            let end = CalloutEnd {
                run: open.run,
                at: now,
                result: CalloutResult::Skipped,
                attempts: 0,
                failure: None,
            };
            return self.skip(&errand, end).await;
        }
        hub.errands.lock().push((errand, place));
        hub.bells.errands.notify_one();
        Ok(())
    }
}

/// Runs until the engine is dropped, and with it whatever is being asked.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let mut running = JoinSet::new();
    // Their timers.
    let mut asked: HashMap<task::Id, i64> = HashMap::new();
    loop {
        if let Err(error) = take_over(&shared, &asked).await
            && !hub.store_refused("looking for call-outs to ask", &error)
        {
            return;
        }
        let errands = std::mem::take(&mut *hub.errands.lock());
        for (errand, place) in errands {
            let timer = errand.timer.claim.no;
            let task = running.spawn(carry_out(shared.clone(), errand, place));
            asked.insert(task.id(), timer);
        }
        tokio::select! {
            () = hub.bells.errands.notified() => {}
            Some(ended) = running.join_next_with_id() => {
                let id = match &ended {
                    Ok((id, ())) => *id,
                    Err(error) => error.id(),
                };
                asked.remove(&id);
                // Its timer is due again, and so often is it asked anew as one run may be.
                if let Err(error) = ended {
                    hub.meters.part_panicked("asker");
                    tracing::error!("asking a call-out panicked: {error}");
                }
            }
        }
    }
}

/// Begins to ask what the Scheduler of another process has put off, or what another worker began and did not end, as
/// far as there are places.
async fn take_over(shared: &Arc<Shared>, asked: &HashMap<task::Id, i64>) -> Result<(), StoreError> {
    let hub = &shared.hub;
    // What this process' own Scheduler puts off comes here straight.
    let is_own = hub.peers.borrow().leads(Role::Scheduler);
    if is_own || hub.is_stopping() || hub.is_scheduler_paused.load(Relaxed) {
        return Ok(());
    }
    let config = &hub.parts.config;
    let most = config.callout_calls.saturating_add(asked.len() as u32);
    let open = hub.parts.store.open_callouts(most).await?;
    if !open.is_empty() {
        shared.be_current().await?;
    }
    for timer in open {
        if asked.values().any(|known| *known == timer.claim.no) {
            continue;
        }
        let now = hub.parts.clock.now();
        let (each, all) = (config.callout_concurrency, config.callout_calls);
        let asks = match &timer.subject {
            Ok(TimerSubject::Schedule(schedule)) => asks_first(hub, &timer, schedule, now),
            Ok(TimerSubject::Send(send)) => later::read(&send.body)
                .ok()
                .and_then(|kept| send_asks_first(hub, &timer, send, &kept, now)),
            Ok(TimerSubject::LiveActivity(_) | TimerSubject::Watch(_)) | Err(_) => None,
        };
        let Some(asks) = asks else {
            // It asks nobody any more: it fires when it is due.
            continue;
        };
        let Some(place) = hub.asking.take(timer.app, each, all) else {
            continue;
        };
        // With a place it is put off until it should long be over.
        shared.begin_at(asks, Some(place), 0).await?;
    }
    Ok(())
}

/// Asks, and writes down what came of it.
async fn carry_out(shared: Arc<Shared>, errand: Errand, _place: Place) {
    let hub = &shared.hub;
    let most = hub.parts.config.callout_begins;
    let (judged, attempts) = if errand.open.begun > most {
        let message = format!(
            "it was interrupted {most} times while it was asked (engine.callout_begins); is the server being killed by it?"
        );
        let problem = FieldProblem::new("", "callout.interrupted", message);
        (
            Judged::Bad(Bad {
                problem,
                again: None,
            }),
            0,
        )
    } else {
        ask(hub, &errand).await
    };
    if let Err(error) = shared.conclude_callout(&errand, judged, attempts).await {
        // Its timer is due again, and it is asked anew.
        hub.store_refused("storing what a call-out answered", &error);
    }
}

/// All attempts.
async fn ask(hub: &Hub, errand: &Errand) -> (Judged, u16) {
    let mut attempt = 1;
    loop {
        let call = call(hub, errand);
        let judged = match call {
            Ok(call) => {
                let now = hub.parts.clock.now();
                judge(&hub.parts.webhooks.sender.ask(call, now).await, now)
            }
            Err(why) => Judged::Bad(Bad {
                problem: FieldProblem::new("", "callout.unreachable", why),
                again: None,
            }),
        };
        let Judged::Bad(bad) = &judged else {
            return (judged, attempt);
        };
        let Some(least) = bad.again.filter(|_| attempt < errand.settings.attempts) else {
            return (judged, attempt);
        };
        let pause = CalloutSettings::pause_ms(attempt).max(least as u64);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        attempt += 1;
    }
}

fn call(hub: &Hub, errand: &Errand) -> Result<CalloutCall, String> {
    let open = &errand.open;
    let uuid = numbered_uuid(open.due_at, open.run);
    let (mut notification, mut campaign) = (None, None);
    let schedule = match &errand.asker {
        Asker::Schedule(schedule) => Some(&*schedule.name),
        Asker::Send(send) => {
            let head = &send.notification;
            notification = Some(head.no.public(head.accepted_at));
            campaign = head
                .is_campaign
                .then(|| campaign::public(head.no, head.accepted_at));
            send.kept.schedule.as_deref()
        }
    };
    let asked = Asked {
        app: errand.timer.app,
        callout: &errand.callout.name,
        settings: &errand.settings,
        subject: AskedFor {
            schedule,
            notification: notification.as_deref(),
            campaign: campaign.as_deref(),
        },
        data: errand.from.data.as_deref(),
        at: errand.fires,
    };
    asked.call(hub, format!("ask_{}", uuid.as_simple()))
}

// === what came of it ===

impl Shared {
    async fn conclude_callout(
        self: &Arc<Self>,
        errand: &Errand,
        judged: Judged,
        attempts: u16,
    ) -> Result<(), StoreError> {
        let end = |result, problem: Option<&FieldProblem>| CalloutEnd {
            run: errand.open.run,
            at: self.hub.parts.clock.now(),
            result,
            attempts,
            failure: problem.map(|problem| first(std::slice::from_ref(problem))),
        };
        let problem = match judged {
            Judged::Nothing => {
                return self.skip(errand, end(CalloutResult::Skipped, None)).await;
            }
            Judged::Says(says) => {
                let ending = end(CalloutResult::Answered, None);
                match self.send_answer(errand, *says, ending).await? {
                    Ok(()) => return Ok(()),
                    Err(problem) => problem,
                }
            }
            Judged::Bad(bad) => bad.problem,
        };
        let instead = match &errand.settings.fallback {
            Fallback::Skip => {
                let ending = end(CalloutResult::Skipped, Some(&problem));
                return self.skip(errand, ending).await;
            }
            Fallback::Fail => Err(problem),
            fallback => {
                let says = match fallback.clone() {
                    Fallback::Content(content) => CalloutAnswer {
                        content: Some(*content),
                        variables: None,
                    },
                    Fallback::Variables(variables) => CalloutAnswer {
                        content: None,
                        variables: Some(variables),
                    },
                    Fallback::Fail | Fallback::Skip => CalloutAnswer::default(),
                };
                let ending = end(CalloutResult::Fallback, Some(&problem));
                self.send_answer(errand, says, ending).await?
            }
        };
        match instead {
            Ok(()) => Ok(()),
            Err(problem) => {
                let ending = end(CalloutResult::Failed, Some(&problem));
                self.fail_asked(errand, &problem, ending).await
            }
        }
    }

    /// Sends what was answered. The inner error is what is wrong with it; its pointer is into the answer.
    async fn send_answer(
        self: &Arc<Self>,
        errand: &Errand,
        says: CalloutAnswer,
        end: CalloutEnd,
    ) -> Result<Result<(), FieldProblem>, StoreError> {
        match &errand.asker {
            Asker::Schedule(schedule) => self.schedule_says(errand, schedule, says, end).await,
            Asker::Send(send) => self.send_says(errand, send, says, end).await,
        }
    }

    /// Nothing is sent this time.
    async fn skip(&self, errand: &Errand, end: CalloutEnd) -> Result<(), StoreError> {
        match &errand.asker {
            Asker::Schedule(schedule) => self.skip_run(errand, schedule, end).await,
            Asker::Send(send) => self.send_to_nobody(errand, send, end).await,
        }
    }

    /// Nothing is sent, which is told.
    async fn fail_asked(
        &self,
        errand: &Errand,
        problem: &FieldProblem,
        end: CalloutEnd,
    ) -> Result<(), StoreError> {
        match &errand.asker {
            Asker::Schedule(schedule) => {
                self.fail_asked_run(errand, schedule, problem, &end).await?;
            }
            Asker::Send(_) => self.set_asked_aside(errand, problem, &end).await?,
        }
        let result = end.result;
        // If the timer is another by now nothing was written, and this is.
        self.overtaken(errand, end).await?;
        self.told_callout(errand, result);
        Ok(())
    }

    /// Whoever asked is another by now. A run that has ended stays as it is.
    async fn overtaken(&self, errand: &Errand, mut end: CalloutEnd) -> Result<(), StoreError> {
        end.result = CalloutResult::Overtaken;
        tracing::debug!(
            "what came of a call-out is not needed any more if {} changed while it was asked",
            errand.asker.name()
        );
        self.hub.parts.store.end_callout(end).await
    }

    fn told_callout(&self, errand: &Errand, result: CalloutResult) {
        let directory = self.hub.directory.load();
        let app = directory.app_by_no(errand.timer.app);
        self.hub.meters.asked(app.map_or("", |app| &app.id), result);
        self.hub.tell();
    }
}

/// The first of the problems of a notification that says what was answered: with its pointer into the answer,
/// where it is about that.
fn of_answer(mut problems: Vec<FieldProblem>) -> FieldProblem {
    if problems.is_empty() {
        return FieldProblem::new("", "callout.answer", "it was refused");
    }
    let mut first = problems.swap_remove(0);
    if let Some(inner) = first.pointer.strip_prefix("/template/variables") {
        first.pointer = format!("/variables{inner}");
    }
    first
}
