//! Schedules: their timers, set with their definitions and by their turns, and their runs.

use super::{Fixture, Subject, T0, nobody};
use crate::schedule::{NewRun, ScheduleTurn};
use crate::store::{Acceptance, Idempotency, NewEvent, Retention};
use crate::timer::{DueAsk, DueTimer, TimerClaim, TimerFailure, TimerSubject};
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::schedule::{RunCause, RunResult};

const HOUR: i64 = 3_600_000;
/// Due at every full hour; [`T0`] is one.
const HOURLY: &str =
    r#"{"cron":"0 * * * *","time_zone":"UTC","notification":{"target":{"all":true}}}"#;

async fn put(f: &Fixture, name: &str, body: &str, now: UnixMs) -> Definition {
    let (kind, name) = (DefinitionKind::Schedule, name.to_owned());
    let no = f.registry.definition_no(f.app, kind, name.clone()).await;
    f.registry
        .put_definition(
            no.unwrap(),
            f.app,
            kind,
            name,
            body.to_owned(),
            None,
            now,
            nobody(),
        )
        .await
        .unwrap()
}

async fn due(f: &Fixture, now: UnixMs) -> (Vec<DueTimer>, Option<UnixMs>) {
    let ask = DueAsk {
        now,
        after: None,
        each: 10,
        most: 10,
        most_bytes: u64::MAX,
    };
    let found = f.hot.due_timers(ask).await.unwrap();
    (found.timers, found.next)
}

fn run(due_at: UnixMs, result: RunResult) -> NewRun {
    NewRun {
        due_at,
        last_due_at: due_at,
        times: 1,
        fired_at: due_at + 5,
        cause: RunCause::Due,
        result,
        notification: None,
        failure: None,
    }
}

fn turn(
    f: &Fixture,
    of: &Definition,
    timer: Option<(TimerClaim, Option<UnixMs>)>,
    runs: Vec<NewRun>,
) -> ScheduleTurn {
    ScheduleTurn {
        app: f.app,
        schedule: of.no,
        timer,
        runs,
        callout: None,
    }
}

/// Who stores a definition read the clock before it was his turn: what fired meanwhile does not fire again.
pub async fn a_time_that_fired_is_not_planned_again(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = put(&f, "news", HOURLY, T0).await;
    let (found, _) = due(&f, T0 + HOUR).await;
    let fired = turn(
        &f,
        &made,
        Some((found[0].claim, Some(T0 + 2 * HOUR))),
        vec![run(T0 + HOUR, RunResult::Sent)],
    );
    assert!(f.hot.record_turn(fired, None, T0 + HOUR).await.unwrap());
    put(&f, "news", HOURLY, T0 + HOUR - 10).await;
    assert_eq!(due(&f, T0 + HOUR).await.1, Some(T0 + 2 * HOUR));
    // A run of a clock that was far ahead does not keep it silent.
    put(&f, "news", HOURLY, T0 - 24 * HOUR).await;
    assert_eq!(due(&f, T0 - 24 * HOUR).await.1, Some(T0 - 23 * HOUR));
}

/// A definition sets its timer, another replaces it, and without one there is none; over restarts.
pub async fn schedules_are_due_by_their_definition(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = put(&f, "news", HOURLY, T0).await;
    assert_eq!(due(&f, T0).await.0.len(), 0, "after now, not at it");
    assert_eq!(due(&f, T0).await.1, Some(T0 + HOUR));
    subject.restart().await;
    let f = f.again(subject);
    let (found, next) = due(&f, T0 + HOUR).await;
    assert_eq!((found.len(), next), (1, None));
    assert_eq!((found[0].app, found[0].due_at), (f.app, T0 + HOUR));
    let Ok(TimerSubject::Schedule(schedule)) = &found[0].subject else {
        panic!("another subject: {:?}", found[0].subject);
    };
    assert_eq!(
        (schedule.no, &*schedule.name, &*schedule.body),
        (made.no, "news", HOURLY)
    );
    // What passed before it is changed is not made up for, and the old timer is void.
    let daily = HOURLY.replace("0 * * * *", "0 0 * * *");
    put(&f, "news", &daily, T0 + HOUR).await;
    let (none, next) = due(&f, T0 + HOUR).await;
    assert!(none.is_empty() && next.is_some_and(|at| at > T0 + HOUR));
    let old = turn(&f, &made, Some((found[0].claim, Some(T0))), vec![]);
    assert!(!f.hot.record_turn(old, None, T0).await.unwrap());
    // Paused, ended and deleted ones are not due.
    let paused = HOURLY.replace(r#""time_zone""#, r#""paused":true,"time_zone""#);
    put(&f, "news", &paused, T0).await;
    assert_eq!(due(&f, T0 + HOUR).await.1, None);
    let ended = HOURLY.replace(
        r#""time_zone""#,
        r#""ends_at":"2020-01-01T00:00:00Z","time_zone""#,
    );
    put(&f, "news", &ended, T0).await;
    assert_eq!(due(&f, T0 + HOUR).await.1, None);
    put(&f, "news", HOURLY, T0).await;
    assert_eq!(due(&f, T0).await.1, Some(T0 + HOUR));
    let kind = DefinitionKind::Schedule;
    let gone = f
        .registry
        .delete_definition(f.app, kind, "news".into(), T0, nobody());
    assert!(gone.await.unwrap());
    let (none, next) = due(&f, T0 + HOUR).await;
    assert!(none.is_empty() && next.is_none());
}

/// One that could not fire is tried again, and is about the time that it was due at.
pub async fn a_schedule_that_is_tried_again_keeps_its_time(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = put(&f, "news", HOURLY, T0).await;
    let at = T0 + HOUR;
    for attempts in 1..3 {
        let tried_at = at + i64::from(attempts - 1) * 7;
        let (found, _) = due(&f, tried_at).await;
        assert_eq!((found.len(), found[0].due_at), (1, at));
        let failure = TimerFailure {
            claim: found[0].claim,
            due_at: found[0].due_at,
            attempts,
            error: "x".into(),
            next_try_at: Some(tried_at + 7),
            event: None,
            callout: None,
        };
        f.hot.fail_timers(vec![failure], tried_at).await.unwrap();
        assert_eq!(due(&f, tried_at).await.1, Some(tried_at + 7));
    }
    let (found, _) = due(&f, at + 14).await;
    assert_eq!((found[0].due_at, found[0].attempts), (at, 2));
    let next = Some(at + HOUR);
    let fired = turn(
        &f,
        &made,
        Some((found[0].claim, next)),
        vec![run(at, RunResult::Sent)],
    );
    assert!(f.hot.record_turn(fired, None, at + 14).await.unwrap());
    let (found, _) = due(&f, at + HOUR).await;
    assert_eq!(
        found[0].due_at,
        at + HOUR,
        "its next time is one of its own"
    );
    let failure = TimerFailure {
        claim: found[0].claim,
        due_at: at + HOUR,
        attempts: 1,
        error: "x".into(),
        next_try_at: None,
        event: None,
        callout: None,
    };
    f.hot.fail_timers(vec![failure], at + HOUR).await.unwrap();
    put(&f, "news", HOURLY, at + HOUR).await;
    let (found, _) = due(&f, at + 2 * HOUR).await;
    assert_eq!(found[0].due_at, at + 2 * HOUR, "so is that of a change");
}

/// Two that make one schedule at once each have a number for it: the later one's is due, and only that.
pub async fn a_schedule_that_two_make_at_once_is_due_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (kind, name) = (DefinitionKind::Schedule, String::from("news"));
    let one = f.registry.definition_no(f.app, kind, name.clone()).await;
    let other = f.registry.definition_no(f.app, kind, name.clone()).await;
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one, other, "nothing is stored yet");
    for no in [one, other] {
        let (name, body) = (name.clone(), HOURLY.to_owned());
        let put = f
            .registry
            .put_definition(no, f.app, kind, name, body, None, T0, nobody());
        put.await.unwrap();
    }
    let (found, _) = due(&f, T0 + HOUR).await;
    let subjects: Vec<_> = found
        .iter()
        .map(|timer| match &timer.subject {
            Ok(TimerSubject::Schedule(schedule)) => Ok(schedule.no),
            other => Err(format!("{other:?}")),
        })
        .collect();
    assert_eq!(subjects, [Ok(other)]);
}

/// A turn moves the timer and records its runs together, and only as the timer was read.
pub async fn a_turn_is_written_once(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = put(&f, "news", HOURLY, T0).await;
    let claim = due(&f, T0 + HOUR).await.0[0].claim;
    let next = Some(T0 + 3 * HOUR);
    let skipped = NewRun {
        last_due_at: T0 + 2 * HOUR,
        times: 2,
        ..run(T0 + HOUR, RunResult::Skipped)
    };
    let failed = NewRun {
        failure: Some(("template.unknown".into(), "no such template".into())),
        ..run(T0 + 2 * HOUR, RunResult::Failed)
    };
    let first = turn(
        &f,
        &made,
        Some((claim, next)),
        vec![skipped.clone(), failed.clone()],
    );
    let event = NewEvent {
        app: f.app,
        kind: "schedule.failed",
        subject: "news".into(),
        data: "{}".into(),
    };
    let record = async |turn: &ScheduleTurn, event: Option<NewEvent>| {
        f.hot
            .record_turn(turn.clone(), event, T0 + 2 * HOUR)
            .await
            .unwrap()
    };
    assert!(record(&first, Some(event.clone())).await);
    assert!(
        !record(&first, Some(event)).await,
        "its timer is another now"
    );
    assert_eq!(due(&f, T0 + 2 * HOUR).await.1, next);
    let runs = f.hot.schedule_runs(made.no, None, 10).await.unwrap();
    let runs: Vec<_> = runs.into_iter().map(|run| run.what).collect();
    assert_eq!(runs, [failed, skipped], "newest first");
    let events = f.hot.events(f.app, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&*events[0].kind, &*events[0].subject),
        ("schedule.failed", "news")
    );
    // Never again: there is no timer left.
    let claim = due(&f, T0 + 3 * HOUR).await.0[0].claim;
    let last = turn(&f, &made, Some((claim, None)), vec![]);
    assert!(record(&last, None).await);
    let (none, next) = due(&f, T0 + 3 * HOUR).await;
    assert!(none.is_empty() && next.is_none());
    // One that was asked for needs none.
    let asked = NewRun {
        cause: RunCause::Asked,
        ..run(T0, RunResult::Failed)
    };
    let asked = turn(&f, &made, None, vec![asked]);
    assert!(record(&asked, None).await);
    assert_eq!(
        f.hot.schedule_runs(made.no, None, 10).await.unwrap().len(),
        3
    );
}

/// The notification, its run and the next time are one transaction.
pub async fn what_a_schedule_sends_is_its_run(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = put(&f, "news", HOURLY, T0).await;
    let claim = due(&f, T0 + HOUR).await.0[0].claim;
    let devices = f.devices(0, 1).await;
    let send = async |timer| {
        let mut item = f.notification(&devices, 1, false);
        let runs = vec![run(T0 + HOUR, RunResult::Sent)];
        item.turn = Some(turn(&f, &made, timer, runs));
        item.idempotency = Some(Idempotency {
            scoped_key: "run".into(),
            body_hash: [1; 32],
            keep_until: T0 + 100 * HOUR,
        });
        let no = item.no;
        (no, f.hot.accept(vec![item]).await.unwrap())
    };
    let timer = Some((claim, Some(T0 + 2 * HOUR)));
    let (no, answer) = send(timer).await;
    assert_eq!(answer, [Acceptance::New]);
    let (_, again) = send(timer).await;
    assert_eq!(
        again,
        [Acceptance::Repeated {
            no,
            accepted_at: T0
        }]
    );
    let runs = f.hot.schedule_runs(made.no, None, 10).await.unwrap();
    assert_eq!(runs.len(), 1, "a repeated one is no run");
    assert_eq!(runs[0].what.notification, Some(no));
    assert_eq!(due(&f, T0 + HOUR).await.1, Some(T0 + 2 * HOUR));
    // As the timer was read, or not at all; then the key is free again.
    let mut item = f.notification(&devices, 1, false);
    let stale = item.no;
    item.turn = Some(turn(
        &f,
        &made,
        timer,
        vec![run(T0 + HOUR, RunResult::Sent)],
    ));
    assert_eq!(f.hot.accept(vec![item]).await.unwrap(), [Acceptance::Stale]);
    assert!(f.hot.notification(f.app, stale).await.unwrap().is_none());
    assert_eq!(
        f.hot.schedule_runs(made.no, None, 10).await.unwrap().len(),
        1
    );
}

/// Newest first, in pages, for each schedule its own; gone with the records.
pub async fn runs_are_read_page_by_page_and_pruned(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let made = put(&f, "news", HOURLY, T0).await;
    let other = put(&f, "other", HOURLY, T0).await;
    for hour in 0..5 {
        let asked = turn(
            &f,
            &made,
            None,
            vec![run(T0 + hour * HOUR, RunResult::Skipped)],
        );
        assert!(f.hot.record_turn(asked, None, T0).await.unwrap());
    }
    let page = async |before| {
        let runs = f.hot.schedule_runs(made.no, before, 2).await.unwrap();
        let last = runs.last().map(|run| run.no);
        let times: Vec<_> = runs
            .iter()
            .map(|run| (run.what.due_at - T0) / HOUR)
            .collect();
        (times, last)
    };
    let (first, last) = page(None).await;
    assert_eq!(first, [4, 3]);
    let (second, last) = page(last).await;
    assert_eq!(second, [2, 1]);
    assert_eq!(page(last).await.0, [0]);
    assert!(
        f.hot
            .schedule_runs(other.no, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let retention = Retention {
        content_before: T0 + 3 * HOUR,
        records_before: T0 + 3 * HOUR,
        versions_before: T0,
        lists_before: T0,
        now: T0,
        slice: 2,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert_eq!(page(None).await.0, [4, 3]);
    assert!(page(page(None).await.1).await.0.is_empty());
}
