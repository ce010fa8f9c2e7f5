//! The Scheduler: fires timers whose time has come.
//!
//! A timer and its effect are one transaction, and the effect is rows: after a crash it fired once or is
//! still due. Many of one App are fired together, Apps take turns, and each has its share of what is read
//! at once, so that one App's hundred thousand delay nobody. What cannot fire fails alone: it is tried again
//! with growing pauses, then set aside, told by an event, until somebody changes it. A monitor's is told as well, and
//! tried on: nobody would change it, and its silence is what it is there to notice.
//!
//! There is no wheel in memory. The store's index finds what is due in a few seeks, a timer that is changed
//! or cancelled has nowhere to be forgotten, and ten million that wait cost no memory (docs/adr/0005).

use crate::dispatch::pause_ms;
use crate::later::Unfired;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::event::{EventKind, TimerFailed};
use carillon_model::id::AppNo;
use carillon_model::timer::{TimerKind, TimerPatience};
use carillon_ports::fault::{self, Bug};
use carillon_ports::news;
use carillon_ports::store::{NewEvent, StoreError};
use carillon_ports::timer::{DueAsk, DueTimer, TimerFailure};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Longest time without a look: a clock that was moved, either way, is seen then.
const LONGEST_SLEEP_MS: i64 = 1_000;
/// How much too early timers fire where that bug is planted.
const PLANTED_EARLY_MS: i64 = 2_000;
/// Most bytes of an error that are kept.
const MAX_ERROR_BYTES: usize = 1_024;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut refusals = 0;
    let mut turn = None;
    loop {
        if shared.hub.is_stopping() {
            return;
        }
        match round(&shared, &mut turn).await {
            Ok(Some(sleep)) => {
                refusals = 0;
                tokio::select! {
                    () = shared.hub.bells.timers.notified() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
            }
            Ok(None) => {
                refusals = 0;
                tokio::task::yield_now().await;
            }
            Err(error) => {
                shared.hub.refused(&error);
                if !shared.hub.store_refused("firing timers", &error) {
                    return;
                }
                refusals += 1;
                let pause = pause_ms(shared.hub.parts.config.store_retry_max_ms, refusals);
                tokio::time::sleep(ms(pause)).await;
            }
        }
    }
}

/// Fires what is due. `Some`: how long there is nothing to do. `turn`: the App that had its turn last,
/// where not all had one.
async fn round(
    shared: &Arc<Shared>,
    turn: &mut Option<AppNo>,
) -> Result<Option<Duration>, StoreError> {
    let hub = &shared.hub;
    let config = &hub.parts.config;
    let longest = Duration::from_millis(LONGEST_SLEEP_MS as u64);
    // Whatever is set from here on rings: this look may miss it.
    hub.timers_sleep_until.store(UnixMs::MAX, Relaxed);
    let is_paused = hub.parts.store.is_scheduler_paused().await?;
    hub.is_scheduler_paused.store(is_paused, Relaxed);
    if is_paused {
        return Ok(Some(longest));
    }
    let now = hub.parts.clock.now();
    let early = if fault::planted(Bug::FireEarly) {
        PLANTED_EARLY_MS
    } else {
        0
    };
    let ask = DueAsk {
        now: now + early,
        after: *turn,
        each: config.timer_share,
        most: config.timer_round,
        most_bytes: config.timer_round_bytes,
    };
    let due = hub.parts.store.due_timers(ask).await?;
    let last = due.timers.last().map(|last| last.app);
    *turn = last.filter(|_| due.is_full);
    if due.timers.is_empty() {
        let until = due.next.unwrap_or(UnixMs::MAX);
        hub.timers_sleep_until.store(until, Relaxed);
        let wait = hub.parts.clock.lasts(until.saturating_sub(now));
        return Ok(Some(wait.clamp(Duration::from_millis(1), longest)));
    }
    fault::stage("timer.read");
    shared.be_current().await?;
    for (app, timers) in by_app(due.timers) {
        if hub.is_stopping() {
            return Ok(None);
        }
        let unfired = fire(shared, app, timers).await?;
        conclude(shared, app, unfired).await?;
    }
    Ok(None)
}

fn by_app(timers: Vec<DueTimer>) -> Vec<(AppNo, Vec<DueTimer>)> {
    let mut apps: Vec<(AppNo, Vec<DueTimer>)> = Vec::new();
    for timer in timers {
        match apps.last_mut() {
            Some((app, of_app)) if *app == timer.app => of_app.push(timer),
            _ => apps.push((timer.app, vec![timer])),
        }
    }
    apps
}

/// Fires timers of one App together; where one of them makes that fail, each alone.
async fn fire(
    shared: &Arc<Shared>,
    app: AppNo,
    timers: Vec<DueTimer>,
) -> Result<Vec<Unfired>, StoreError> {
    let timers: Arc<[DueTimer]> = timers.into();
    let why = match attempt(shared, app, timers.clone()).await? {
        Ok(unfired) => return Ok(unfired),
        Err(why) => why,
    };
    if let [timer] = &timers[..] {
        return Ok(vec![Unfired::new(timer, why)]);
    }
    let mut all = Vec::new();
    for timer in &timers[..] {
        match attempt(shared, app, Arc::new([timer.clone()])).await? {
            Ok(unfired) => all.extend(unfired),
            Err(why) => all.push(Unfired::new(timer, why)),
        }
    }
    Ok(all)
}

/// In a task of its own, so that a panic is an answer. The sentence: what one of them is to blame for; the
/// store's own trouble is an error.
async fn attempt(
    shared: &Arc<Shared>,
    app: AppNo,
    timers: Arc<[DueTimer]>,
) -> Result<Result<Vec<Unfired>, String>, StoreError> {
    let of_task = shared.clone();
    let firing = tokio::spawn(async move { of_task.fire(app, timers).await });
    match firing.await {
        Ok(Ok(unfired)) => Ok(Ok(unfired)),
        // A row of whom it is for, as a rule.
        Ok(Err(error @ StoreError::Corrupt(_))) => Ok(Err(error.to_string())),
        Ok(Err(error)) => Err(error),
        Err(error) => {
            shared.hub.meters.part_panicked("scheduler");
            tracing::error!(%app, "firing timers panicked: {error}");
            Ok(Err(format!("firing it panicked: {error}")))
        }
    }
}

/// Writes down what did not fire.
async fn conclude(
    shared: &Arc<Shared>,
    app: AppNo,
    unfired: Vec<Unfired>,
) -> Result<(), StoreError> {
    let hub = &shared.hub;
    let config = &hub.parts.config;
    if unfired.is_empty() {
        return Ok(());
    }
    let now = hub.parts.clock.now();
    let patience = TimerPatience {
        tries: config.timer_tries,
        backoff_ms: config.timer_backoff_ms,
        backoff_max_ms: config.timer_backoff_max_ms,
    };
    let failures = unfired
        .into_iter()
        .map(|unfired| {
            let kind = unfired.kind;
            let failure = failure(app, unfired, patience, now);
            hub.meters.timer_failed(kind, failure.next_try_at.is_none());
            failure
        })
        .collect();
    hub.parts.store.fail_timers(failures, now).await?;
    hub.tell();
    Ok(())
}

fn failure(app: AppNo, mut unfired: Unfired, patience: TimerPatience, now: UnixMs) -> TimerFailure {
    let attempts = unfired.attempts.saturating_add(1);
    let in_patience = patience.next_try_at(attempts, now);
    let is_watch = unfired.kind == TimerKind::Watch;
    let next_try_at = in_patience.or_else(|| {
        let pause = i64::from(patience.backoff_max_ms);
        is_watch.then(|| now.saturating_add(pause))
    });
    let error = short(std::mem::take(&mut unfired.why));
    let subject = &unfired.subject;
    match (in_patience, next_try_at) {
        (Some(_), _) => {
            tracing::warn!(%app, subject, attempts, "a timer cannot fire and is tried again: {error}")
        }
        (None, Some(_)) => {
            tracing::error!(%app, subject, attempts, "a monitor is not looked at, and its timer is tried again: {error}")
        }
        (None, None) => {
            tracing::error!(%app, subject, attempts, "a timer cannot fire and is set aside: {error}")
        }
    }
    // Of one that is tried on it is told once.
    let is_told = in_patience.is_none() && (!is_watch || attempts == patience.tries);
    let event = is_told.then(|| set_aside(app, &unfired, attempts, &error));
    TimerFailure {
        claim: unfired.claim,
        due_at: unfired.due_at,
        attempts,
        error,
        next_try_at,
        event,
        callout: None,
    }
}

/// What is told of a timer that was tried often enough.
pub(crate) fn set_aside(app: AppNo, unfired: &Unfired, attempts: u16, error: &str) -> NewEvent {
    let failed = TimerFailed {
        kind: unfired.kind.as_str().to_owned(),
        subject: unfired.subject.clone(),
        due_at: unfired.due_at,
        attempts,
        message: error.to_owned(),
    };
    news::event(app, EventKind::TimerFailed, &unfired.subject, &failed)
}

pub(crate) fn short(mut error: String) -> String {
    let mut end = MAX_ERROR_BYTES.min(error.len());
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error.truncate(end);
    error
}
