//! Monitors: steps under their fences, with timer, incidents and events; what is due, how they did, and how they go.

use super::{Fixture, Subject, T0, nobody};
use crate::store::{NewEvent, Retention};
use crate::timer::{DueAsk, DueTimer, TimerFailure, TimerSubject};
use crate::watch::{
    HOUR_MS, HourTally, IncidentFilter, StoredIncident, StoredWatch, TALLY_HOURS, WatchClaim,
    WatchEntry, WatchStep,
};
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{
    Entry, Fault, FaultKind, Page, PageHow, PageNo, ResolvedBy, Sound, Tally, WatchState, What,
};

pub(super) async fn put(f: &Fixture, name: &str) -> Definition {
    let (kind, name) = (DefinitionKind::Monitor, name.to_owned());
    let no = f.registry.definition_no(f.app, kind, name.clone()).await;
    let body = "{}".to_owned();
    let put = f
        .registry
        .put_definition(no.unwrap(), f.app, kind, name, body, None, T0, nobody());
    put.await.unwrap()
}

pub(super) fn step(f: &Fixture, monitor: DefinitionNo, claim: WatchClaim) -> WatchStep {
    WatchStep {
        monitor,
        app: f.app,
        claim,
        state: WatchState::Ok,
        record: r#"{"a":"é"}"#.into(),
        version: 1,
        check_at: None,
        look_at: None,
        entries: vec![],
        events: vec![],
        rings: vec![],
        pages: vec![],
        now: T0,
    }
}

pub(super) async fn write(f: &Fixture, step: WatchStep) -> bool {
    f.hot.step_watches(vec![step]).await.unwrap() == [true]
}

pub(super) async fn read(f: &Fixture, monitor: DefinitionNo) -> StoredWatch {
    let found = f.hot.watches(vec![monitor]).await.unwrap().remove(0);
    found.unwrap().unwrap()
}

/// A monitor whose record is there.
pub(super) async fn made(f: &Fixture, name: &str) -> StoredWatch {
    let no = put(f, name).await.no;
    assert!(write(f, step(f, no, WatchClaim::New)).await);
    read(f, no).await
}

/// Another step of one, as it is now.
pub(super) async fn next(f: &Fixture, monitor: DefinitionNo) -> WatchStep {
    let watch = read(f, monitor).await;
    step(f, monitor, WatchClaim::Known(watch.fence))
}

pub(super) async fn due(f: &Fixture, now: UnixMs) -> Vec<DueTimer> {
    let ask = DueAsk {
        now,
        after: None,
        each: 10,
        most: 10,
        most_bytes: u64::MAX,
    };
    f.hot.due_timers(ask).await.unwrap().timers
}

pub(super) fn fault() -> Fault {
    Fault::new(FaultKind::Status, "shop.example answered 503")
}

pub(super) fn entry(incident: Option<u32>, at: UnixMs, what: What) -> WatchEntry {
    WatchEntry {
        entry: Entry { at, incident, what },
        told: vec![],
    }
}

pub(super) fn opened(incident: u32, at: UnixMs) -> WatchEntry {
    entry(Some(incident), at, What::Opened(fault()))
}

pub(super) fn resolved(incident: u32, at: UnixMs) -> WatchEntry {
    let what = What::Resolved {
        by: ResolvedBy::Recovery,
        lasted_ms: 7,
        is_told: true,
    };
    entry(Some(incident), at, what)
}

pub(super) fn paged(incident: u32, at: UnixMs) -> WatchEntry {
    let page = Page {
        no: PageNo::default(),
        how: PageHow::Ring,
        sound: Sound::default(),
    };
    entry(Some(incident), at, What::Paged(page))
}

fn retention(records_before: UnixMs, now: UnixMs) -> Retention {
    Retention {
        content_before: T0 - 1,
        records_before,
        versions_before: T0 - 1,
        lists_before: T0 - 1,
        now,
        slice: 10,
    }
}

pub(super) async fn prune(f: &Fixture, records_before: UnixMs, now: UnixMs) {
    while f.hot.prune(retention(records_before, now)).await.unwrap() > 0 {}
}

pub(super) async fn listed(f: &Fixture, filter: IncidentFilter) -> Vec<(DefinitionNo, u32)> {
    let limit = if filter.limit == 0 { 100 } else { filter.limit };
    let filter = IncidentFilter { limit, ..filter };
    let found = f.hot.incidents(f.app, filter).await.unwrap();
    found.into_iter().map(|one| (one.monitor, one.no)).collect()
}

pub(super) async fn incident(f: &Fixture, monitor: DefinitionNo, no: u32) -> StoredIncident {
    f.hot.incident(monitor, no).await.unwrap().unwrap()
}

/// As it was read, or not at all; its timer is always that of its last step; over restarts.
pub async fn monitors_are_stepped_under_their_fence(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let monitor = put(&f, "shop").await.no;
    assert_eq!(f.hot.watches(vec![monitor]).await.unwrap(), [None]);
    let mut first = step(&f, monitor, WatchClaim::New);
    (first.look_at, first.check_at) = (Some(T0 + 5), Some(T0 + 7));
    first.events = vec![NewEvent {
        app: f.app,
        kind: "incident.opened",
        subject: "shop".into(),
        data: "{}".into(),
    }];
    assert!(write(&f, first.clone()).await);
    assert!(!write(&f, first.clone()).await, "there is one");
    let one = read(&f, monitor).await;
    assert_eq!((one.app, one.state), (f.app, WatchState::Ok));
    assert_eq!((&*one.record, one.version), (r#"{"a":"é"}"#, 1));
    assert_eq!((one.check_at, one.updated_at), (Some(T0 + 7), T0));
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(due(&f, T0 + 4).await.len(), 0);
    let found = due(&f, T0 + 5).await;
    let Ok(TimerSubject::Watch(watch)) = &found[0].subject else {
        panic!("another subject: {:?}", found[0].subject);
    };
    assert_eq!((&**watch, found[0].due_at), (&one, T0 + 5));
    let mut second = step(&f, monitor, WatchClaim::Known(one.fence));
    (second.state, second.record) = (WatchState::Suspected, "{}".into());
    (second.version, second.now, second.look_at) = (2, T0 + 5, Some(T0 + 9));
    second.events = first.events.clone();
    let answers = f.hot.step_watches(vec![second.clone(), second]);
    assert_eq!(answers.await.unwrap(), [true, false], "once");
    let two = read(&f, monitor).await;
    assert_eq!((two.state, &*two.record), (WatchState::Suspected, "{}"));
    assert_eq!(
        (two.version, two.check_at, two.updated_at),
        (2, None, T0 + 5)
    );
    assert!(two.fence != one.fence);
    let events = f.hot.events(f.app, 0, 100).await.unwrap();
    let told = events
        .iter()
        .filter(|event| event.kind == "incident.opened");
    assert_eq!(told.count(), 2, "with each step that was written");
    // One that cannot fire is tried again, and a step makes up for it.
    assert_eq!(due(&f, T0 + 8).await.len(), 0);
    let failed = due(&f, T0 + 9).await;
    let failure = TimerFailure {
        claim: failed[0].claim,
        due_at: failed[0].due_at,
        attempts: 1,
        error: "so".into(),
        next_try_at: None,
        event: None,
        callout: None,
    };
    f.hot.fail_timers(vec![failure], T0 + 9).await.unwrap();
    assert_eq!(due(&f, T0 + 99).await.len(), 0);
    let mut third = next(&f, monitor).await;
    third.look_at = Some(T0 + 9);
    assert!(write(&f, third).await);
    assert_eq!(due(&f, T0 + 9).await[0].attempts, 0);
    assert!(write(&f, next(&f, monitor).await).await);
    assert_eq!(due(&f, T0 + 99).await.len(), 0, "it has none any more");
}

/// Many in one transaction: each stands for itself, and one that is there twice goes on from its first step.
pub async fn monitors_are_stepped_together(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (a, b) = (made(&f, "a").await, made(&f, "b").await);
    let c = put(&f, "c").await.no;
    let steps = vec![
        step(&f, a.monitor, WatchClaim::Known(a.fence)),
        step(&f, b.monitor, WatchClaim::Known(b.fence + 1)),
        step(&f, c, WatchClaim::New),
        step(&f, a.monitor, WatchClaim::Known(a.fence)),
        step(&f, c, WatchClaim::New),
        step(&f, DefinitionNo(c.0 + 1_000), WatchClaim::New),
    ];
    let answers = f.hot.step_watches(steps).await.unwrap();
    assert_eq!(answers, [true, false, true, false, false, false]);
    let wanted = vec![c, DefinitionNo(c.0 + 1_000), b.monitor, c];
    let found = f.hot.watches(wanted).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| one.as_ref().map(|one| one.as_ref().unwrap().monitor))
        .collect();
    assert_eq!(found, [Some(c), None, Some(b.monitor), Some(c)]);
    assert_eq!(read(&f, b.monitor).await, b);
    // An incident that is opened and closed in one go, and one that goes on from the step before.
    let mut one = next(&f, a.monitor).await;
    one.entries = vec![opened(1, T0), resolved(1, T0 + 1), opened(2, T0 + 2)];
    let mut two = next(&f, b.monitor).await;
    two.entries = vec![opened(1, T0)];
    assert_eq!(
        f.hot.step_watches(vec![one, two]).await.unwrap(),
        [true, true]
    );
    let mut one = next(&f, a.monitor).await;
    one.entries = vec![paged(2, T0 + 3)];
    let mut two = next(&f, b.monitor).await;
    two.entries = vec![paged(1, T0 + 3), resolved(1, T0 + 4)];
    assert_eq!(
        f.hot.step_watches(vec![one, two]).await.unwrap(),
        [true, true]
    );
    let first = incident(&f, a.monitor, 1).await;
    assert_eq!(first.resolved, Some((ResolvedBy::Recovery, T0 + 1)));
    let second = incident(&f, a.monitor, 2).await;
    assert_eq!((second.pages, second.resolved), (1, None));
    let other = incident(&f, b.monitor, 1).await;
    assert_eq!((other.pages, other.resolved.is_some()), (1, true));
}

/// What is due first comes first, page by page; those of deleted Apps are passed over.
pub async fn checks_are_due_in_their_order(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut all = Vec::new();
    for (name, check_at) in [
        ("a", Some(T0 + 9)),
        ("b", None),
        ("c", Some(T0 + 3)),
        ("d", Some(T0 + 5)),
        ("f", Some(T0 + 5)),
    ] {
        let no = put(&f, name).await.no;
        let mut step = step(&f, no, WatchClaim::New);
        step.check_at = check_at;
        assert!(write(&f, step).await);
        all.push(no);
    }
    let due = async |until, limit| {
        let due = f.hot.due_checks(until, None, limit).await.unwrap();
        let due = due.checks.into_iter().map(|one| one.unwrap().monitor);
        due.collect::<Vec<_>>()
    };
    assert_eq!(due(T0 + 2, 10).await, []);
    assert_eq!(due(T0 + 5, 10).await, [all[2], all[3], all[4]]);
    assert_eq!(due(T0 + 99, 2).await, [all[2], all[3]]);
    let in_order = [all[2], all[3], all[4], all[0]];
    assert_eq!(due(T0 + 99, 10).await, in_order);
    for limit in [1, 2, 3, 10] {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = f.hot.due_checks(T0 + 99, after, limit).await.unwrap();
            assert!(page.checks.len() <= limit as usize);
            found.extend(page.checks.into_iter().map(|one| one.unwrap().monitor));
            (after, pages) = (page.next, pages + 1);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, in_order, "in pages of {limit}");
        assert_eq!(pages, 4 / limit + 1, "a full page may be followed by none");
    }
    let no = put(&f, "e").await.no;
    let mut firing = step(&f, no, WatchClaim::New);
    firing.state = WatchState::Firing;
    let state = step(&f, no, WatchClaim::New).state;
    assert!(write(&f, firing).await);
    assert_eq!(
        f.hot.watch_counts().await.unwrap(),
        [(f.app, state, 5), (f.app, WatchState::Firing, 1)]
    );
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    assert_eq!(due(T0 + 99, 10).await, []);
    assert_eq!(f.hot.watch_counts().await.unwrap(), []);
}

/// What is counted of an hour adds up, and is kept for 400 days.
pub async fn hours_add_up(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (a, b) = (made(&f, "a").await.monitor, made(&f, "b").await.monitor);
    let unknown = put(&f, "c").await.no;
    let tally = |ms: u64| {
        let mut tally = Tally::default();
        tally.spent(WatchState::Ok, ms);
        tally.answered(ms);
        tally
    };
    let of = |monitor, hour, tally| HourTally {
        monitor,
        hour,
        tally,
    };
    let hour = T0 / HOUR_MS;
    let add = async |tallies| f.hot.add_tallies(tallies).await.unwrap();
    add(vec![
        of(a, hour, tally(3)),
        of(b, hour, tally(4)),
        of(a, hour + 1, tally(5)),
        of(a, hour, tally(6)),
        of(unknown, hour, tally(7)),
    ])
    .await;
    add(vec![of(a, hour, tally(8)), of(b, hour - 1, tally(9))]).await;
    let mut sum = tally(3);
    sum.add(&tally(6));
    sum.add(&tally(8));
    let read = async |monitors, from, until| f.hot.tallies(monitors, from, until).await.unwrap();
    let all = [
        of(b, hour - 1, tally(9)),
        of(b, hour, tally(4)),
        of(a, hour, sum.clone()),
        of(a, hour + 1, tally(5)),
    ];
    let monitors = || vec![b, unknown, a];
    assert_eq!(read(monitors(), hour - 1, hour + 2).await, all);
    assert_eq!(read(monitors(), hour, hour + 1).await, all[1..3]);
    prune(&f, T0, T0 + TALLY_HOURS * HOUR_MS).await;
    assert_eq!(read(monitors(), 0, i64::MAX).await, all[1..]);
    prune(&f, T0, T0 + (TALLY_HOURS + 1) * HOUR_MS).await;
    assert_eq!(read(monitors(), 0, i64::MAX).await, all[3..]);
}

/// What is kept of a monitor goes with its definition and with its App; an incident that is closed, in its time.
pub async fn what_is_kept_of_monitors_goes(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 1).await;
    let (a, b) = (made(&f, "a").await.monitor, made(&f, "b").await.monitor);
    let mut pages = Vec::new();
    for monitor in [a, b] {
        let mut step = next(&f, monitor).await;
        step.look_at = Some(T0 + 5);
        step.check_at = Some(T0 + 5);
        step.entries = vec![opened(1, T0), resolved(1, T0 + 10), opened(2, T0 + 11)];
        for no in [1, 2] {
            let item = f.notification(&devices, 1, false);
            pages.push(item.no);
            step.pages.push((no, item));
        }
        assert!(write(&f, step).await);
        let tally = HourTally {
            monitor,
            hour: 1,
            tally: Tally::default(),
        };
        f.hot.add_tallies(vec![tally]).await.unwrap();
    }
    let known = async |at: usize| f.hot.incident_of(pages[at]).await.unwrap().is_some();
    let old = async |monitor| f.hot.incident_entries(monitor, 1, 9).await.unwrap().len();
    prune(&f, T0 + 10, HOUR_MS).await;
    assert_eq!((old(a).await, known(0).await), (2, true));
    prune(&f, T0 + 11, HOUR_MS).await;
    assert_eq!((old(a).await, known(0).await), (0, false));
    let open = IncidentFilter::default();
    assert_eq!(
        listed(&f, open).await,
        [(b, 2), (a, 2)],
        "what is open stays"
    );
    assert!(known(1).await);
    let tallies = async || f.hot.tallies(vec![a, b], 0, 9).await.unwrap().len();
    assert_eq!((due(&f, T0 + 5).await.len(), tallies().await), (2, 2));
    // One whose definition is deleted is not stepped any more.
    let late = next(&f, a).await;
    let (kind, name) = (DefinitionKind::Monitor, "a".to_owned());
    let deleted = f
        .registry
        .delete_definition(f.app, kind, name, T0, nobody());
    assert!(deleted.await.unwrap());
    let new = step(&f, a, WatchClaim::New);
    let answers = f.hot.step_watches(vec![late, new]).await.unwrap();
    assert_eq!(answers, [false, false]);
    assert_eq!(f.hot.watches(vec![a]).await.unwrap(), [None]);
    assert_eq!(listed(&f, IncidentFilter::default()).await, [(b, 2)]);
    assert_eq!(f.hot.incident_entries(a, 2, 9).await.unwrap(), []);
    assert!(!known(1).await && known(3).await);
    assert_eq!((due(&f, T0 + 5).await.len(), tallies().await), (1, 1));
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    prune(&f, T0, HOUR_MS).await;
    assert_eq!(f.hot.watches(vec![b]).await.unwrap(), [None]);
    assert_eq!(f.hot.incident(b, 2).await.unwrap(), None);
    assert_eq!(f.hot.incident_entries(b, 2, 9).await.unwrap(), []);
    assert!(!known(3).await);
    assert_eq!(tallies().await, 0);
}
