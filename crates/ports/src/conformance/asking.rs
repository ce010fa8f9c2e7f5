//! Call-outs: timers that are put off, and the runs of what is asked meanwhile.

use super::{Fixture, Subject, T0, nobody};
use crate::callout::{CalloutBegin, CalloutEnd, CalloutRun, OpenCallout};
use crate::schedule::{NewRun, ScheduleTurn};
use crate::store::{NewNotification, Retention};
use crate::timer::{DueAsk, DueTimer, NewTimer, SendChange, TimerFailure, TimerSubject, When};
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::callout::CalloutResult;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::DefinitionNo;
use carillon_model::schedule::{RunCause, RunResult};
use carillon_model::timer::MissedRun;

const HOUR: i64 = 3_600_000;
const CALLOUT: DefinitionNo = DefinitionNo(4_711);
/// Due at every full hour; [`T0`] is one.
const HOURLY: &str =
    r#"{"cron":"0 * * * *","time_zone":"UTC","notification":{"target":{"all":true}}}"#;

async fn schedule(f: &Fixture, now: UnixMs) -> Definition {
    let (kind, name) = (DefinitionKind::Schedule, "hourly".to_owned());
    let no = f.registry.definition_no(f.app, kind, name.clone()).await;
    let (no, body) = (no.unwrap(), HOURLY.to_owned());
    let put = f
        .registry
        .put_definition(no, f.app, kind, name, body, None, now, nobody());
    put.await.unwrap()
}

async fn due(f: &Fixture, now: UnixMs) -> Vec<DueTimer> {
    let ask = DueAsk {
        now,
        after: None,
        each: 10,
        most: 10,
        most_bytes: u64::MAX,
    };
    f.hot.due_timers(ask).await.unwrap().timers
}

fn begin(f: &Fixture, of: &Definition, timer: &DueTimer, until: UnixMs) -> CalloutBegin {
    CalloutBegin {
        timer: timer.claim,
        app: f.app,
        callout: CALLOUT,
        schedule: Some(of.no),
        notification: None,
        due_at: timer.due_at,
        until,
        is_asked: true,
        now: timer.due_at + 1,
    }
}

fn end(open: &OpenCallout, result: CalloutResult) -> CalloutEnd {
    CalloutEnd {
        run: open.run,
        at: open.due_at + 700,
        result,
        attempts: 2,
        failure: Some(("callout.status".into(), "500".into())),
    }
}

fn turn(f: &Fixture, of: &Definition, open: &OpenCallout, end: CalloutEnd) -> ScheduleTurn {
    ScheduleTurn {
        app: f.app,
        schedule: of.no,
        timer: Some((open.timer, Some(open.due_at + HOUR))),
        runs: vec![NewRun {
            due_at: open.due_at,
            last_due_at: open.due_at,
            times: 1,
            fired_at: open.due_at + 5,
            cause: RunCause::Due,
            result: RunResult::Skipped,
            notification: None,
            failure: None,
        }],
        callout: Some(end),
    }
}

/// Put off once by who has read it; due again then, with the same run and its first time; ended with a turn.
pub async fn a_timer_is_put_off_and_its_run_stays_open(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hourly = schedule(&f, T0).await;
    let first = &due(&f, T0 + HOUR).await[0];
    let mut waits = begin(&f, &hourly, first, T0 + HOUR + 1_000);
    waits.is_asked = false;
    let waiting = f.hot.begin_callout(waits.clone()).await.unwrap().unwrap();
    assert_eq!((waiting.due_at, waiting.begun), (T0 + HOUR, 0));
    assert_eq!(f.hot.begin_callout(waits).await.unwrap(), None, "its fence");
    let found = &f.hot.open_callouts(10).await.unwrap()[..];
    let [waits] = found else { panic!("{found:?}") };
    assert_eq!((waits.claim, waits.due_at), (waiting.timer, T0 + HOUR));
    assert_eq!(waits.app, f.app);
    assert!(matches!(&waits.subject, Ok(TimerSubject::Schedule(of)) if of.no == hourly.no));
    assert!(f.hot.open_callouts(0).await.unwrap().is_empty());
    assert!(due(&f, T0 + HOUR + 999).await.is_empty());

    let again = &due(&f, T0 + HOUR + 1_000).await[0];
    assert_eq!(again.due_at, T0 + HOUR, "its own time");
    let asks = begin(&f, &hourly, again, T0 + HOUR + 60_000);
    let open = f.hot.begin_callout(asks).await.unwrap().unwrap();
    assert_eq!(
        (open.run, open.due_at, open.begun),
        (waiting.run, T0 + HOUR, 1)
    );
    let stale = turn(&f, &hourly, &waiting, end(&waiting, CalloutResult::Skipped));
    assert!(!f.hot.record_turn(stale, None, T0).await.unwrap());
    let runs = f.hot.callout_runs(CALLOUT, None, 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (runs[0].result, runs[0].started_at, runs[0].finished_at),
        (CalloutResult::Asking, Some(T0 + HOUR + 1), None)
    );

    subject.restart().await;
    let f = f.again(subject);
    let ending = end(&open, CalloutResult::Skipped);
    let written = turn(&f, &hourly, &open, ending.clone());
    assert!(f.hot.record_turn(written, None, T0).await.unwrap());
    let runs = f.hot.callout_runs(CALLOUT, None, 10).await.unwrap();
    let run = &runs[0];
    assert_eq!(
        (run.result, run.finished_at, run.attempts, run.begun),
        (CalloutResult::Skipped, Some(ending.at), 2, 1)
    );
    assert_eq!((run.schedule, run.due_at), (Some(hourly.no), T0 + HOUR));
    assert_eq!(run.failure, ending.failure);
    assert!(f.hot.open_callouts(10).await.unwrap().is_empty());
    let late = end(&open, CalloutResult::Failed);
    f.hot.end_callout(late).await.unwrap();
    let runs = f.hot.callout_runs(CALLOUT, None, 10).await.unwrap();
    assert_eq!(runs[0].result, CalloutResult::Skipped, "it has ended");
    // The next time is another run.
    let next = &due(&f, T0 + 2 * HOUR).await[0];
    let asks = begin(&f, &hourly, next, T0 + 3 * HOUR);
    let second = f.hot.begin_callout(asks).await.unwrap().unwrap();
    assert!(second.run > open.run);
    assert_eq!(second.due_at, T0 + 2 * HOUR);
}

/// A schedule that is stored anew or deleted ends what is asked for it; runs are read by pages, and pruned.
pub async fn what_changes_overtakes_its_question(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    for n in 1..4 {
        let hourly = schedule(&f, T0 + (n - 1) * HOUR).await;
        let timer = &due(&f, T0 + n * HOUR).await[0];
        let asks = begin(&f, &hourly, timer, T0 + n * HOUR + 60_000);
        let open = f.hot.begin_callout(asks).await.unwrap().unwrap();
        let now = T0 + n * HOUR + 10;
        if n == 3 {
            let (kind, name) = (DefinitionKind::Schedule, "hourly".to_owned());
            let gone = f
                .registry
                .delete_definition(f.app, kind, name, now, nobody());
            assert!(gone.await.unwrap());
        } else {
            schedule(&f, now).await;
        }
        let runs = f.hot.callout_runs(CALLOUT, None, 1).await.unwrap();
        assert_eq!(
            (runs[0].no, runs[0].result, runs[0].finished_at),
            (open.run, CalloutResult::Overtaken, Some(now))
        );
        let written = turn(&f, &hourly, &open, end(&open, CalloutResult::Answered));
        assert!(!f.hot.record_turn(written, None, now).await.unwrap());
    }
    let all = f.hot.callout_runs(CALLOUT, None, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    let rest = f
        .hot
        .callout_runs(CALLOUT, Some(all[0].no), 1)
        .await
        .unwrap();
    assert_eq!(rest, all[1..2]);
    let other = f.hot.callout_runs(DefinitionNo(1), None, 10).await.unwrap();
    assert_eq!(other, []);
    let retention = Retention {
        content_before: T0,
        records_before: T0 + 2 * HOUR + 1,
        versions_before: T0,
        lists_before: T0,
        now: T0,
        slice: 2,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    let kept = f.hot.callout_runs(CALLOUT, None, 10).await.unwrap();
    assert_eq!(kept, all[..2]);
}

/// One that waits for its time is put off with what it is; it ends with what it says then, with what came of it
/// instead, or by whatever else becomes of it.
pub async fn what_is_sent_later_is_asked_first(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let hourly = schedule(&f, T0 + 5 * HOUR).await;
    let later = |body: &'static [u8]| NewTimer {
        due_at: T0 + HOUR,
        missed: MissedRun::Fire,
        body: Bytes::from_static(body),
    };
    let mut numbers = Vec::new();
    for _ in 0..4 {
        let item = NewNotification {
            when: When::Later(later(b"asks")),
            ..f.notification(&[], 1, false)
        };
        numbers.push(f.accept(item).await);
    }
    let mut open = Vec::new();
    for timer in due(&f, T0 + HOUR).await {
        let Ok(TimerSubject::Send(send)) = &timer.subject else {
            panic!("a send: {timer:?}");
        };
        let asks = CalloutBegin {
            // As when somebody ran it.
            schedule: Some(hourly.no).filter(|_| open.is_empty()),
            notification: Some(send.notification.no),
            ..begin(&f, &hourly, &timer, T0 + HOUR + 60_000)
        };
        let no = send.notification.no;
        open.push((no, f.hot.begin_callout(asks).await.unwrap().unwrap()));
    }
    assert_eq!(open.len(), 4);
    assert!(due(&f, T0 + HOUR + 59_999).await.is_empty());
    let found = f.hot.open_callouts(10).await.unwrap();
    let asks = |timer: &DueTimer| {
        let Ok(TimerSubject::Send(send)) = &timer.subject else {
            panic!("a send: {timer:?}");
        };
        (send.notification.no, timer.claim)
    };
    let expected: Vec<_> = open.iter().map(|(no, open)| (*no, open.timer)).collect();
    assert_eq!(found.iter().map(asks).collect::<Vec<_>>(), expected);
    subject.restart().await;
    let f = f.again(subject);
    let again = due(&f, T0 + HOUR + 60_000).await;
    let Ok(TimerSubject::Send(send)) = &again[0].subject else {
        panic!("a send: {again:?}");
    };
    assert_eq!(&send.body[..], b"asks", "what it is stays");
    // It says something from now on.
    let says = |no, claim, callout| SendChange {
        no,
        claim,
        timer: later(b"says"),
        expires_at: None,
        options: send.notification.options.clone(),
        payload: Bytes::from_static(b"{}"),
        now: T0 + HOUR + 10,
        callout,
    };
    let answered = end(&open[0].1, CalloutResult::Answered);
    let change = says(open[0].0, open[0].1.timer, Some(answered.clone()));
    assert!(f.hot.change_send(change).await.unwrap());
    let change = says(open[0].0, open[0].1.timer, Some(answered));
    assert!(!f.hot.change_send(change).await.unwrap(), "its fence");
    // It cannot be sent.
    let failure = TimerFailure {
        claim: open[1].1.timer,
        due_at: T0 + HOUR,
        attempts: 1,
        error: "no answer".into(),
        next_try_at: None,
        event: None,
        callout: Some(end(&open[1].1, CalloutResult::Failed)),
    };
    f.hot.fail_timers(vec![failure], T0 + HOUR).await.unwrap();
    // Somebody changes it, and somebody cancels it.
    let change = says(open[2].0, open[2].1.timer, None);
    assert!(f.hot.change_send(change).await.unwrap());
    let cancelled = f.hot.cancel(f.app, open[3].0, T0 + HOUR + 20).await;
    assert!(cancelled.unwrap().is_some());
    let late = TimerFailure {
        claim: open[3].1.timer,
        due_at: T0 + HOUR,
        attempts: 1,
        error: "no answer".into(),
        next_try_at: None,
        event: None,
        callout: Some(end(&open[3].1, CalloutResult::Failed)),
    };
    f.hot.fail_timers(vec![late], T0 + HOUR).await.unwrap();

    let runs = f.hot.callout_runs(CALLOUT, None, 10).await.unwrap();
    for ((no, open), (result, finished_at)) in open.iter().zip([
        (CalloutResult::Answered, T0 + HOUR + 700),
        (CalloutResult::Failed, T0 + HOUR + 700),
        (CalloutResult::Overtaken, T0 + HOUR + 10),
        (CalloutResult::Overtaken, T0 + HOUR + 20),
    ]) {
        let run = runs.iter().find(|run| run.no == open.run).unwrap();
        assert_eq!(
            (run.result, run.notification, run.finished_at),
            (result, Some(*no), Some(finished_at))
        );
        let by = Some(hourly.no).filter(|_| run.no == open_first(&runs));
        assert_eq!(run.schedule, by);
    }
    assert_eq!(f.view(open[0].0).await.head.payload[..], b"{}"[..]);
    let due: Vec<_> = due(&f, T0 + HOUR).await;
    let due: Vec<_> = due
        .iter()
        .map(|timer| match &timer.subject {
            Ok(TimerSubject::Send(send)) => (send.notification.no, &send.body[..]),
            other => panic!("a send: {other:?}"),
        })
        .collect();
    assert_eq!(due, [(open[0].0, &b"says"[..]), (open[2].0, &b"says"[..])]);
}

/// The run that was opened first.
fn open_first(runs: &[CalloutRun]) -> i64 {
    runs.iter().map(|run| run.no).min().unwrap_or(0)
}
