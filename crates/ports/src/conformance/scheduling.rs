//! Timers: notifications that are sent later.

use super::{Fixture, Subject, T0, everybody, nobody};
use crate::store::{
    Acceptance, Idempotency, NewEvent, NewNotification, NotificationView, Retention,
};
use crate::timer::{
    DueAsk, DueSend, DueTimer, FiredTimer, NewTimer, SendChange, SendState, TimerClaim,
    TimerFailure, TimerSubject, When,
};
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::timer::MissedRun;

const MINUTE: i64 = 60_000;

fn timer(due_at: UnixMs) -> NewTimer {
    NewTimer {
        due_at,
        missed: MissedRun::FireIfLateByUnder(MINUTE),
        body: Bytes::from_static(b"whom it is for"),
    }
}

fn later(f: &Fixture, due_at: UnixMs) -> NewNotification {
    NewNotification {
        when: When::Later(timer(due_at)),
        expires_at: Some(due_at + MINUTE),
        ..f.notification(&[], 1, false)
    }
}

async fn due(f: &Fixture, now: UnixMs) -> Vec<DueTimer> {
    let ask = DueAsk {
        now,
        after: None,
        each: 100,
        most: 1_000,
        most_bytes: u64::MAX,
    };
    f.hot.due_timers(ask).await.unwrap().timers
}

fn send_of(timer: &DueTimer) -> &DueSend {
    let Ok(TimerSubject::Send(send)) = &timer.subject else {
        panic!("it is a send: {timer:?}");
    };
    send
}

/// The notification of a due timer, to some devices.
fn fired(f: &Fixture, timer: &DueTimer, devices: &[DeviceNo], at: UnixMs) -> NewNotification {
    let head = &send_of(timer).notification;
    let claim = timer.claim;
    NewNotification {
        no: head.no,
        when: When::Fired(FiredTimer { claim, at }),
        batches: (0..)
            .zip(devices.chunks(2))
            .map(|(place, devices)| f.batch(head.no.batch(place), devices, false))
            .collect(),
        ..f.notification(&[], 1, false)
    }
}

async fn fire(f: &Fixture, item: NewNotification) -> Acceptance {
    f.hot.accept(vec![item]).await.unwrap().remove(0)
}

fn state(view: &NotificationView) -> &SendState {
    &view.plan.as_ref().unwrap().state
}

/// Accepted and not sent; found when it is due, over a restart; sent once.
pub async fn sends_when_the_time_has_come(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 1).await;
    let mut item = later(&f, T0 + MINUTE);
    item.idempotency = Some(Idempotency {
        scoped_key: "k".into(),
        body_hash: [1; 32],
        keep_until: T0 + MINUTE,
    });
    let no = f.accept(item.clone()).await;
    let repeated = f.hot.accept(vec![item]).await.unwrap();
    assert!(matches!(repeated[..], [Acceptance::Repeated { no: same, .. }] if same == no));
    let view = f.view(no).await;
    assert_eq!(
        (view.deliveries, view.open, view.completed_at),
        (0, 0, None)
    );
    assert!(!view.fanout_finished);
    assert_eq!(view.head.send_at, Some(T0 + MINUTE));
    let waits = SendState::Waiting {
        next_try_at: T0 + MINUTE,
        attempts: 0,
        last_error: None,
    };
    assert_eq!(state(&view), &waits);
    assert!(f.claim(T0 + 2 * MINUTE).await.is_empty());

    let early = f.hot.due_timers(DueAsk {
        now: T0,
        after: None,
        each: 9,
        most: 9,
        most_bytes: u64::MAX,
    });
    let early = early.await.unwrap();
    assert!(early.timers.is_empty());
    assert_eq!(early.next, Some(T0 + MINUTE));
    subject.restart().await;
    let f = f.again(subject);
    let now = T0 + MINUTE + 5;
    let found = due(&f, now).await;
    assert_eq!(found.len(), 1);
    let (one, send) = (&found[0], send_of(&found[0]));
    assert_eq!((one.app, one.due_at, one.attempts), (f.app, T0 + MINUTE, 0));
    assert_eq!(send.body, timer(0).body);
    assert_eq!(send.missed, timer(0).missed);
    assert_eq!(
        (send.notification.no, send.notification.accepted_at),
        (no, T0)
    );
    assert_eq!(send.notification.expires_at, Some(T0 + 2 * MINUTE));

    assert_eq!(
        fire(&f, fired(&f, one, &devices, now)).await,
        Acceptance::New
    );
    assert_eq!(
        fire(&f, fired(&f, one, &devices, now)).await,
        Acceptance::Stale,
        "it fires once"
    );
    assert!(due(&f, now).await.is_empty());
    let view = f.view(no).await;
    assert_eq!((view.deliveries, view.open), (1, 1));
    assert_eq!(state(&view), &SendState::Begun { at: now });
    let claimed = f.claim(now).await;
    assert_eq!(claimed.len(), 1);
    let head = &claimed[0].notification;
    assert_eq!((head.accepted_at, head.begins_at()), (T0, now));
    f.settle(no.batch(0), vec![(0, FinalState::Accepted)], now + 1)
        .await;
    assert_eq!(f.view(no).await.completed_at, Some(now + 1));
}

/// To several batches, to an audience, and to nobody.
pub async fn later_sends_go_to_whom_there_is(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(f.accept(later(&f, T0 + MINUTE)).await);
    }
    let now = T0 + MINUTE;
    let found = due(&f, now).await;
    let of = |no: NotificationNo| {
        let is_of = |timer: &&DueTimer| send_of(timer).notification.no == no;
        found.iter().find(is_of).unwrap()
    };
    let several = fired(&f, of(numbers[0]), &devices, now);
    let crowd = NewNotification {
        fanout: Some(everybody()),
        ..fired(&f, of(numbers[1]), &[], now)
    };
    let nobody = fired(&f, of(numbers[2]), &[], now);
    let answers = f.hot.accept(vec![several, crowd, nobody]).await.unwrap();
    assert_eq!(answers, [Acceptance::New, Acceptance::New, Acceptance::New]);
    let view = f.view(numbers[0]).await;
    assert_eq!(
        (view.deliveries, view.open, view.completed_at),
        (3, 3, None)
    );
    let fanouts = f.hot.fanouts(T0, 9).await.unwrap().due;
    assert_eq!(fanouts.len(), 1);
    assert_eq!(fanouts[0].notification.no, numbers[1]);
    let view = f.view(numbers[2]).await;
    assert_eq!((view.deliveries, view.completed_at), (0, Some(now)));
    let events = f.hot.events(f.app, 0, 100).await.unwrap();
    let completed = events.iter().filter(|e| e.kind == "notification.completed");
    assert_eq!(completed.count(), 1, "it is told that it is over");
    let backlog = f.hot.backlog(100).await.unwrap();
    assert_eq!(
        backlog[0].2, now,
        "waits since its sending began, not since its acceptance"
    );
}

/// A change is fenced against firing, both ways.
pub async fn changes_until_it_is_sent(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.accept(later(&f, T0 + MINUTE)).await;
    let read = due(&f, T0 + MINUTE).await.remove(0);
    let other = AppNo(f.app.0 + 1);
    assert!(f.hot.waiting_send(other, no).await.unwrap().is_none());
    let waiting = f.hot.waiting_send(f.app, no).await.unwrap().unwrap();
    assert_eq!((waiting.claim, &waiting.body), (read.claim, &timer(0).body));
    let change = |claim: TimerClaim, due_at| SendChange {
        no,
        claim,
        timer: NewTimer {
            body: Bytes::from_static(b"somebody else"),
            ..timer(due_at)
        },
        expires_at: None,
        options: super::options(carillon_model::push_type::OnUnknown::Drop),
        payload: Bytes::from_static(b"{\"aps\":{\"a\":1}}"),
        now: T0,
        callout: None,
    };
    let changed = f.hot.change_send(change(read.claim, T0 + 5 * MINUTE));
    assert!(changed.await.unwrap());
    let again = f.hot.change_send(change(read.claim, T0));
    assert!(!again.await.unwrap(), "it is not as it was read");
    let stale = fire(&f, fired(&f, &read, &[], T0 + MINUTE)).await;
    assert_eq!(stale, Acceptance::Stale, "nor does it fire as it was");
    assert!(due(&f, T0 + MINUTE).await.is_empty());
    let view = f.view(no).await;
    assert_eq!(view.head.send_at, Some(T0 + 5 * MINUTE));
    assert_eq!((view.head.expires_at, view.completed_at), (None, None));
    assert_eq!(&view.head.payload[..], b"{\"aps\":{\"a\":1}}");
    let read = due(&f, T0 + 5 * MINUTE).await.remove(0);
    assert_eq!(&send_of(&read).body[..], b"somebody else");
    let answer = fire(&f, fired(&f, &read, &[], T0 + 5 * MINUTE)).await;
    assert_eq!(answer, Acceptance::New);
    assert!(f.hot.waiting_send(f.app, no).await.unwrap().is_none());
    assert!(!f.hot.change_send(change(read.claim, T0)).await.unwrap());
}

/// Cancelling and firing: exactly one of them wins.
pub async fn a_cancel_withdraws_what_waits(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 1).await;
    let (first, second) = (later(&f, T0 + MINUTE), later(&f, T0 + MINUTE));
    let (cancelled, sent) = (f.accept(first).await, f.accept(second).await);
    let found = due(&f, T0 + MINUTE).await;
    let mark = f
        .hot
        .cancel(f.app, cancelled, T0 + 9)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((mark.not_sent, mark.held), (0, false));
    for timer in &found {
        let no = send_of(timer).notification.no;
        let answer = fire(&f, fired(&f, timer, &devices, T0 + MINUTE)).await;
        let expected = if no == cancelled {
            Acceptance::Stale
        } else {
            Acceptance::New
        };
        assert_eq!(answer, expected);
    }
    let view = f.view(cancelled).await;
    assert!(view.head.cancelled);
    assert_eq!((view.deliveries, view.completed_at), (0, Some(T0 + 9)));
    assert_eq!(state(&view), &SendState::Withdrawn);
    f.hot
        .cancel(f.app, cancelled, T0 + 10)
        .await
        .unwrap()
        .unwrap();
    let events = f.hot.events(f.app, 0, 100).await.unwrap();
    assert_eq!(events.len(), 1, "its end is told once: {events:?}");
    let mark = f
        .hot
        .cancel(f.app, sent, T0 + MINUTE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(mark.not_sent, 1, "what fired is cancelled like any other");
}

/// One App's many delay nobody, and the turns go round.
pub async fn apps_take_turns(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut others = Vec::new();
    for id in ["a", "b"] {
        let put = f
            .registry
            .put_app(id.into(), id.into(), AppSettings::default(), T0, nobody());
        others.push(put.await.unwrap().0.no);
    }
    let of = |app: AppNo, due_at| NewNotification {
        app,
        ..later(&f, due_at)
    };
    let many = (0..50).map(|n| of(f.app, T0 + n)).collect();
    f.hot.accept(many).await.unwrap();
    let few = others.iter().map(|app| of(*app, T0 + MINUTE)).collect();
    f.hot.accept(few).await.unwrap();
    let ask = |after, most| DueAsk {
        now: T0 + MINUTE,
        after,
        each: 3,
        most,
        most_bytes: u64::MAX,
    };
    let apps = |timers: &[DueTimer]| -> Vec<AppNo> { timers.iter().map(|t| t.app).collect() };
    let all = f.hot.due_timers(ask(None, 100)).await.unwrap();
    let [a, b] = others[..] else { unreachable!() };
    assert_eq!(apps(&all.timers), [f.app, f.app, f.app, a, b]);
    let at: Vec<_> = all.timers.iter().map(|timer| timer.due_at - T0).collect();
    assert_eq!(at[..3], [0, 1, 2], "the oldest first");
    let turn = f.hot.due_timers(ask(Some(f.app), 2)).await.unwrap();
    assert_eq!(apps(&turn.timers), [a, b]);
    let turn = f.hot.due_timers(ask(Some(a), 3)).await.unwrap();
    assert_eq!(apps(&turn.timers), [b, f.app, f.app]);
    let early = DueAsk {
        now: T0 + 1,
        ..ask(Some(b), 100)
    };
    let early = f.hot.due_timers(early).await.unwrap();
    assert_eq!((early.timers.len(), early.next), (2, Some(T0 + 2)));
}

/// However large what they say is, no more of it is read at once than is asked for.
pub async fn a_round_of_timers_is_bounded_by_bytes(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let put = f
        .registry
        .put_app("a".into(), "a".into(), AppSettings::default(), T0, nobody());
    let other = put.await.unwrap().0.no;
    let large = |app, due_at| {
        let body = Bytes::from(vec![b'x'; 1_000]);
        NewNotification {
            app,
            when: When::Later(NewTimer {
                body,
                ..timer(due_at)
            }),
            ..later(&f, due_at)
        }
    };
    let items = [(f.app, 1), (f.app, 2), (f.app, 3), (other, 1)];
    let items = items.map(|(app, after)| large(app, T0 + after)).to_vec();
    f.hot.accept(items).await.unwrap();
    let read = async |after, most_bytes| {
        let ask = DueAsk {
            now: T0 + MINUTE,
            after,
            each: 10,
            most: 10,
            most_bytes,
        };
        let found = f.hot.due_timers(ask).await.unwrap();
        let of = |timer: &DueTimer| (timer.app, timer.due_at - T0);
        (
            found.timers.iter().map(of).collect::<Vec<_>>(),
            found.is_full,
        )
    };
    let (one, two) = (vec![(f.app, 1)], vec![(f.app, 1), (f.app, 2)]);
    assert_eq!(read(None, 1).await, (one, true), "one at least");
    assert_eq!(read(None, 2_000).await, (two, true));
    let turned = vec![(other, 1), (f.app, 1)];
    assert_eq!(read(Some(f.app), 1_500).await, (turned, true));
    let (all, is_full) = read(None, 1 << 20).await;
    assert_eq!((all.len(), is_full), (4, false));
}

/// What cannot fire is tried again, then set aside until it is changed; others go on.
pub async fn what_cannot_fire_is_set_aside(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.accept(later(&f, T0)).await;
    let failure = |claim, attempts, next_try_at: Option<UnixMs>| TimerFailure {
        claim,
        due_at: T0,
        attempts,
        error: format!("failure {attempts}"),
        next_try_at,
        event: next_try_at.is_none().then(|| NewEvent {
            app: f.app,
            kind: "timer.failed",
            subject: "ntf_1".into(),
            data: "{}".into(),
        }),
        callout: None,
    };
    let read = due(&f, T0).await.remove(0);
    let failed = f
        .hot
        .fail_timers(vec![failure(read.claim, 1, Some(T0 + 10))], T0);
    failed.await.unwrap();
    assert!(due(&f, T0 + 9).await.is_empty());
    let stale = fire(&f, fired(&f, &read, &[], T0)).await;
    assert_eq!(stale, Acceptance::Stale, "another fence");
    let again = due(&f, T0 + 10).await.remove(0);
    assert_eq!(again.attempts, 1);
    let last = vec![failure(again.claim, 2, None), failure(read.claim, 9, None)];
    f.hot.fail_timers(last, T0 + 10).await.unwrap();
    assert!(due(&f, T0 + 1_000 * MINUTE).await.is_empty());
    let view = f.view(no).await;
    let aside = SendState::SetAside {
        attempts: 2,
        last_error: Some("failure 2".into()),
    };
    assert_eq!((state(&view), view.completed_at), (&aside, None));
    let events = f.hot.events(f.app, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1, "only what was as it was read is told");
    let waiting = f.hot.waiting_send(f.app, no).await.unwrap().unwrap();
    let change = SendChange {
        no,
        claim: waiting.claim,
        timer: timer(T0 + MINUTE),
        expires_at: None,
        options: view.head.options.clone(),
        payload: view.head.payload.clone(),
        now: T0,
        callout: None,
    };
    assert!(f.hot.change_send(change).await.unwrap());
    let found = due(&f, T0 + MINUTE).await;
    assert_eq!(
        (found.len(), found[0].attempts),
        (1, 0),
        "tries are forgotten"
    );
}

/// What is coming, by its times, and what was set aside.
pub async fn lists_what_is_coming(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut numbers = Vec::new();
    for minutes in [3, 1, 2, 1] {
        numbers.push(f.accept(later(&f, T0 + minutes * MINUTE)).await);
    }
    f.single(1, false).await;
    let list = async |aside, after, limit| -> Vec<_> {
        let views = f.hot.scheduled(f.app, aside, after, limit).await.unwrap();
        views.iter().map(|view| view.head.no).collect()
    };
    let [three, one, two, first] = numbers[..] else {
        unreachable!()
    };
    assert_eq!(list(false, None, 9).await, [one, first, two, three]);
    assert_eq!(list(false, None, 2).await, [one, first]);
    let after = Some((T0 + MINUTE, first));
    assert_eq!(list(false, after, 9).await, [two, three]);
    assert!(list(true, None, 9).await.is_empty());
    let read = f.hot.waiting_send(f.app, two).await.unwrap().unwrap();
    let failure = TimerFailure {
        claim: read.claim,
        due_at: T0 + 2 * MINUTE,
        attempts: 1,
        error: "x".into(),
        next_try_at: None,
        event: None,
        callout: None,
    };
    f.hot.fail_timers(vec![failure], T0).await.unwrap();
    assert_eq!(list(true, None, 9).await, [two]);
    assert!(list(true, Some((0, two)), 9).await.is_empty());
    assert_eq!(list(false, None, 9).await, [one, first, three]);
    let other = f.hot.scheduled(AppNo(f.app.0 + 1), false, None, 9);
    assert!(other.await.unwrap().is_empty());
}

/// Retention leaves what waits, however old; with its App it goes.
pub async fn what_waits_goes_with_its_app(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let no = f.accept(later(&f, T0 + 100 * MINUTE)).await;
    let retention = |before| Retention {
        content_before: before,
        records_before: before,
        versions_before: before,
        lists_before: before,
        now: before,
        slice: 10,
    };
    let prune = async |before| while f.hot.prune(retention(before)).await.unwrap() > 0 {};
    prune(T0 + 99 * MINUTE).await;
    assert!(!f.view(no).await.head.payload.is_empty());
    f.registry.delete_app(f.app, T0, nobody()).await.unwrap();
    assert!(
        due(&f, T0 + 200 * MINUTE).await.is_empty(),
        "its App is gone"
    );
    prune(T0 + 99 * MINUTE).await;
    assert!(f.hot.notification(f.app, no).await.unwrap().is_none());
    assert!(f.hot.waiting_send(f.app, no).await.unwrap().is_none());
}
