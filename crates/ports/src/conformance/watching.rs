//! Monitors: steps under their fences, with timer, incidents, events, rings and pages; what is due, and how they did.

use super::{Fixture, Subject, T0, address, nobody, registration, some_delivery};
use crate::store::{NewEvent, Retention, Retirement, Settlement};
use crate::timer::{DueAsk, DueTimer, TimerFailure, TimerSubject};
use crate::watch::{
    HOUR_MS, HourTally, INCIDENT_ENTRIES, IncidentFilter, PagePhone, RingChange, StoredIncident,
    StoredWatch, TALLY_HOURS, WatchClaim, WatchEntry, WatchStep,
};
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::device::PushTokenRegistration;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{DefinitionNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::monitor::{
    CALL_SCREEN, Entry, Fault, FaultKind, Page, PageHow, PageNo, PhoneFacts, ResolvedBy, RingRules,
    Rings, Sound, Tally, Told, WatchState, What,
};
use carillon_model::push_type::TokenKind;

async fn put(f: &Fixture, name: &str) -> Definition {
    let (kind, name) = (DefinitionKind::Monitor, name.to_owned());
    let no = f.registry.definition_no(f.app, kind, name.clone()).await;
    let body = "{}".to_owned();
    let put = f
        .registry
        .put_definition(no.unwrap(), f.app, kind, name, body, None, T0, nobody());
    put.await.unwrap()
}

fn step(f: &Fixture, monitor: DefinitionNo, claim: WatchClaim) -> WatchStep {
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

async fn write(f: &Fixture, step: WatchStep) -> bool {
    f.hot.step_watches(vec![step]).await.unwrap() == [true]
}

async fn read(f: &Fixture, monitor: DefinitionNo) -> StoredWatch {
    let found = f.hot.watches(vec![monitor]).await.unwrap().remove(0);
    found.unwrap()
}

/// A monitor whose record is there.
async fn made(f: &Fixture, name: &str) -> StoredWatch {
    let no = put(f, name).await.no;
    assert!(write(f, step(f, no, WatchClaim::New)).await);
    read(f, no).await
}

/// Another step of one, as it is now.
async fn next(f: &Fixture, monitor: DefinitionNo) -> WatchStep {
    let watch = read(f, monitor).await;
    step(f, monitor, WatchClaim::Known(watch.fence))
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

fn fault() -> Fault {
    Fault::new(FaultKind::Status, "shop.example answered 503")
}

fn entry(incident: Option<u32>, at: UnixMs, what: What) -> WatchEntry {
    WatchEntry {
        entry: Entry { at, incident, what },
        told: vec![],
    }
}

fn opened(incident: u32, at: UnixMs) -> WatchEntry {
    entry(Some(incident), at, What::Opened(fault()))
}

fn resolved(incident: u32, at: UnixMs) -> WatchEntry {
    let what = What::Resolved {
        by: ResolvedBy::Recovery,
        lasted_ms: 7,
        is_told: true,
    };
    entry(Some(incident), at, what)
}

fn paged(incident: u32, at: UnixMs) -> WatchEntry {
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

async fn prune(f: &Fixture, records_before: UnixMs, now: UnixMs) {
    while f.hot.prune(retention(records_before, now)).await.unwrap() > 0 {}
}

async fn incidents(f: &Fixture, filter: IncidentFilter) -> Vec<(DefinitionNo, u32)> {
    let limit = if filter.limit == 0 { 100 } else { filter.limit };
    let filter = IncidentFilter { limit, ..filter };
    let found = f.hot.incidents(f.app, filter).await.unwrap();
    found.into_iter().map(|one| (one.monitor, one.no)).collect()
}

async fn incident(f: &Fixture, monitor: DefinitionNo, no: u32) -> StoredIncident {
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
        .map(|one| one.as_ref().map(|one| one.monitor))
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

/// What is due first comes first; those of deleted Apps are passed over.
pub async fn checks_are_due_in_their_order(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut all = Vec::new();
    for (name, check_at) in [
        ("a", Some(T0 + 9)),
        ("b", None),
        ("c", Some(T0 + 3)),
        ("d", Some(T0 + 5)),
    ] {
        let no = put(&f, name).await.no;
        let mut step = step(&f, no, WatchClaim::New);
        step.check_at = check_at;
        assert!(write(&f, step).await);
        all.push(no);
    }
    let due = async |until, limit| {
        let due = f.hot.due_checks(until, limit).await.unwrap();
        due.into_iter().map(|one| one.monitor).collect::<Vec<_>>()
    };
    assert_eq!(due(T0 + 2, 10).await, []);
    assert_eq!(due(T0 + 5, 10).await, [all[2], all[3]]);
    assert_eq!(due(T0 + 99, 2).await, [all[2], all[3]]);
    assert_eq!(due(T0 + 99, 10).await, [all[2], all[3], all[0]]);
    let every = async |after, limit| {
        let found = f.hot.all_watches(after, limit).await.unwrap();
        found.into_iter().map(|one| one.monitor).collect::<Vec<_>>()
    };
    assert_eq!(every(None, 3).await, all[..3]);
    assert_eq!(every(Some(all[2]), 3).await, all[3..]);
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    assert_eq!(due(T0 + 99, 10).await, []);
    assert_eq!(every(None, 10).await, []);
}

/// Each entry has its row, and the incident's own row is made of them; what is about none is not kept.
pub async fn incidents_are_made_of_their_entries(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let monitor = made(&f, "shop").await.monitor;
    assert_eq!(f.hot.incident(monitor, 1).await.unwrap(), None);
    let told = |device: Option<&str>| Told {
        user: "ann".into(),
        device: device.map(str::to_owned),
        how: Some(PageHow::Critical),
        instead: None,
        detour: None,
        notification: None,
        detour: None,
    };
    let mut first = next(&f, monitor).await;
    first.entries = vec![
        entry(None, T0, What::Suspected(fault())),
        opened(1, T0 + 1),
        paged(1, T0 + 2),
    ];
    first.entries[2].told = vec![told(Some("phone")), told(None)];
    assert!(write(&f, first.clone()).await);
    let mut expected = StoredIncident {
        monitor,
        app: f.app,
        no: 1,
        opened_at: T0 + 1,
        fault: fault(),
        acknowledged: None,
        pages: 1,
        is_given_up: false,
        resolved: None,
    };
    assert_eq!(incident(&f, monitor, 1).await, expected);
    let mut second = next(&f, monitor).await;
    let acknowledged = What::Acknowledged { by: "ann".into() };
    second.entries = vec![
        paged(1, T0 + 3),
        entry(Some(1), T0 + 4, What::GivenUp),
        entry(Some(1), T0 + 5, acknowledged),
    ];
    assert!(write(&f, second).await);
    (expected.pages, expected.is_given_up) = (2, true);
    expected.acknowledged = Some(("ann".into(), T0 + 5));
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(incident(&f, monitor, 1).await, expected);
    let mut third = next(&f, monitor).await;
    third.entries = vec![
        entry(Some(1), T0 + 6, What::Unacknowledged { by: None }),
        resolved(1, T0 + 7),
        entry(None, T0 + 8, What::Released),
    ];
    assert!(write(&f, third).await);
    (expected.acknowledged, expected.is_given_up) = (None, false);
    expected.resolved = Some((ResolvedBy::Recovery, T0 + 7));
    assert_eq!(incident(&f, monitor, 1).await, expected);
    let all = f.hot.incident_entries(monitor, 1, 100).await.unwrap();
    assert_eq!(all.len(), 7);
    assert_eq!(
        all[..2].iter().map(|one| one.no).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(all[0].what, first.entries[1]);
    assert_eq!(all[1].what, first.entries[2]);
    assert_eq!(all[6].what, resolved(1, T0 + 7));
    let newest = f.hot.incident_entries(monitor, 1, 2).await.unwrap();
    assert_eq!(newest, all[5..]);
    assert_eq!(f.hot.incident_entries(monitor, 2, 2).await.unwrap(), []);
    // One that never ends keeps its newest.
    let mut long = next(&f, monitor).await;
    let many = (0..=INCIDENT_ENTRIES).map(|n| paged(2, T0 + 9 + n));
    long.entries = std::iter::once(opened(2, T0 + 8)).chain(many).collect();
    assert!(write(&f, long).await);
    let kept = f.hot.incident_entries(monitor, 2, u32::MAX).await.unwrap();
    assert_eq!(kept.len() as i64, INCIDENT_ENTRIES);
    assert_eq!(kept[0].no, 3, "the newest are kept");
    let pages = incident(&f, monitor, 2).await.pages;
    assert_eq!(i64::from(pages), INCIDENT_ENTRIES + 1);
}

/// The latest opened first, page by page; of one monitor, open ones, closed ones, those since an instant.
pub async fn incidents_are_listed(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let (a, b) = (made(&f, "a").await.monitor, made(&f, "b").await.monitor);
    let mut first = next(&f, a).await;
    first.entries = vec![
        opened(1, T0 + 1),
        resolved(1, T0 + 2),
        opened(2, T0 + 5),
        resolved(2, T0 + 6),
        opened(3, T0 + 7),
    ];
    let mut second = next(&f, b).await;
    second.entries = vec![opened(1, T0 + 5)];
    let written = f.hot.step_watches(vec![first, second]).await.unwrap();
    assert_eq!(written, [true, true]);
    let all = [(a, 3), (b, 1), (a, 2), (a, 1)];
    assert_eq!(incidents(&f, IncidentFilter::default()).await, all);
    let with = |monitor, is_open, since| IncidentFilter {
        monitor,
        is_open,
        since,
        ..IncidentFilter::default()
    };
    for (filter, expected) in [
        (with(Some(a), None, None), vec![(a, 3), (a, 2), (a, 1)]),
        (with(None, Some(true), None), vec![(a, 3), (b, 1)]),
        (with(None, Some(false), None), vec![(a, 2), (a, 1)]),
        (with(Some(b), Some(true), None), vec![(b, 1)]),
        (with(Some(b), Some(false), None), vec![]),
        (with(Some(a), Some(false), Some(T0 + 2)), vec![(a, 2)]),
        (with(None, None, Some(T0 + 5)), vec![(a, 3), (b, 1), (a, 2)]),
        (with(None, None, Some(T0 + 8)), vec![]),
    ] {
        let case = format!("{filter:?}");
        assert_eq!(incidents(&f, filter).await, expected, "{case}");
    }
    let mut before = None;
    for expected in all {
        let filter = IncidentFilter {
            before,
            limit: 1,
            ..IncidentFilter::default()
        };
        assert_eq!(incidents(&f, filter).await, [expected]);
        let last = incident(&f, expected.0, expected.1).await;
        before = Some((last.opened_at, last.monitor, last.no));
    }
    let other = carillon_model::id::AppNo(f.app.0 + 1);
    let filter = IncidentFilter {
        limit: 9,
        ..IncidentFilter::default()
    };
    assert_eq!(f.hot.incidents(other, filter).await.unwrap(), []);
}

fn rung(rings: &Rings) -> Rings {
    let facts = PhoneFacts {
        has_call_screen: true,
        has_voip_token: true,
    };
    let mut now = rings.clone();
    let how = now.page(PageHow::Ring, facts, &RingRules::default(), T0);
    assert_eq!(how, (PageHow::Ring, None));
    now
}

/// Step, pages and rings are all there or none is; a device that another monitor has rung meanwhile is read anew.
pub async fn what_a_monitor_pages_is_its_step(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 2).await;
    let (a, b) = (made(&f, "a").await, made(&f, "b").await);
    let ring = |was: &Rings| RingChange {
        device: devices[0],
        was: was.clone(),
        now: rung(was),
    };
    let page = |of: &StoredWatch, no: u32, was: &Rings| {
        let item = f.notification(&devices, 2, false);
        let number = item.no;
        let mut step = step(&f, of.monitor, WatchClaim::Known(of.fence));
        step.entries = vec![opened(no, T0), paged(no, T0)];
        (step.rings, step.pages) = (vec![ring(was)], vec![(no, item)]);
        (number, step)
    };
    let none = Rings::default();
    let (first, one) = page(&a, 1, &none);
    let (second, two) = page(&b, 7, &none);
    let answers = f.hot.step_watches(vec![one, two]).await.unwrap();
    assert_eq!(answers, [true, false], "its device is rung by the other");
    assert_eq!(
        f.hot.incident_of(first).await.unwrap(),
        Some((a.monitor, 1))
    );
    assert_eq!(f.hot.incident_of(second).await.unwrap(), None);
    assert!(f.hot.notification(f.app, second).await.unwrap().is_none());
    assert_eq!(f.hot.incident(b.monitor, 7).await.unwrap(), None);
    assert_eq!(read(&f, b.monitor).await, b);
    assert_eq!(f.view(first).await.deliveries, 2);
    assert_eq!(f.claim(T0).await.len(), 1, "its work is due at once");
    // Read anew, it is rung again; and both in one go where the second knows of the first.
    let rings = async || {
        let users = vec!["u0".to_owned()];
        let phones = f.hot.page_phones(f.app, users, 9).await.unwrap();
        phones[0].rings.clone()
    };
    assert_eq!(rings().await, rung(&none));
    let (second, two) = page(&b, 7, &rings().await);
    let mut one = next(&f, a.monitor).await;
    one.rings = vec![ring(&two.rings[0].now)];
    let answers = f.hot.step_watches(vec![two, one]).await.unwrap();
    assert_eq!(answers, [true, true]);
    assert_eq!(
        f.hot.incident_of(second).await.unwrap(),
        Some((b.monitor, 7))
    );
    assert_eq!(rings().await, rung(&rung(&rung(&none))));
    // It is heard of, and goes with its device.
    let mut answered = rings().await;
    answered.answered();
    f.hot.heard_of(devices.clone()).await.unwrap();
    assert_eq!(rings().await, answered);
    f.hot.heard_of(devices.clone()).await.unwrap();
    assert_eq!(rings().await, answered);
    let deleted = f.registry.delete_device(f.app, "d0".into(), T0, nobody());
    assert!(deleted.await.unwrap());
    let mut third = next(&f, a.monitor).await;
    third.rings = vec![ring(&none)];
    assert!(write(&f, third).await, "nothing is left of its rings");
}

/// Of each user those devices that were seen last, with what counts for how they are paged.
pub async fn phones_are_found_by_person(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let with = |id: &str, user: &str, kinds: &[(TokenKind, u64)], capabilities: &[&str]| {
        let mut device = registration(id, user, 0);
        let tokens = kinds.iter().map(|(kind, number)| {
            PushTokenRegistration::new(*kind, address(*number), TokenEnvironment::Production)
        });
        device.push_tokens = tokens.collect();
        device.capabilities = capabilities.iter().map(|&name| name.to_owned()).collect();
        device
    };
    let both = [(TokenKind::Alert, 1), (TokenKind::Voip, 2)];
    let register = async |device, now| {
        let made = f.registry.register_devices(f.app, vec![device], now).await;
        made.unwrap().remove(0).no
    };
    let full = with("a-full", "ann", &both, &["other", CALL_SCREEN]);
    let full = register(full, T0 + 9).await;
    let bare = register(with("a-bare", "ann", &[], &["voip"]), T0).await;
    let two = [(TokenKind::WebPush, 5), (TokenKind::Fcm, 3)];
    let android = with("a-android", "ann", &two, &[]);
    let android = register(android, T0 + 5).await;
    let bob = with("b", "bob", &[(TokenKind::Voip, 4)], &[]);
    let bob = register(bob, T0).await;
    let find = async |users: &[&str], most| {
        let users = users.iter().map(|&user| user.to_owned()).collect();
        f.hot.page_phones(f.app, users, most).await.unwrap()
    };
    let expected = |device, id: &str, user: &str, facts: [bool; 2], at: &[Gateway]| PagePhone {
        device,
        id: id.into(),
        user: user.into(),
        has_call_screen: facts[0],
        has_voip_token: facts[1],
        alert_gateways: at.to_vec(),
        rings: Rings::default(),
    };
    let of_ann = [
        expected(full, "a-full", "ann", [true, true], &[Gateway::Apns]),
        expected(bare, "a-bare", "ann", [false, false], &[]),
        expected(
            android,
            "a-android",
            "ann",
            [false, false],
            &Gateway::ALL[1..],
        ),
    ];
    let of_bob = expected(bob, "b", "bob", [false, true], &[]);
    assert_eq!(find(&["ann"], 9).await, of_ann);
    assert_eq!(
        find(&["bob", "eve", "ann"], 2).await,
        [of_bob, of_ann[0].clone(), of_ann[2].clone()]
    );
    // A push token that is dead reaches nobody, and an app may take back what it has declared.
    let dead = Settlement {
        retirements: vec![Retirement {
            app: f.app,
            delivery: some_delivery(),
            device: full,
            kind: TokenKind::Voip,
            generation: 1,
            since: None,
            reason: "BadDeviceToken".into(),
        }],
        now: T0,
        ..Settlement::default()
    };
    f.hot.settle(dead).await.unwrap();
    assert_eq!(
        find(&["ann"], 9).await[0],
        expected(full, "a-full", "ann", [true, false], &[Gateway::Apns])
    );
    register(with("a-full", "ann", &both, &[]), T0 + 10).await;
    let again = find(&["ann"], 9).await.remove(0);
    assert_eq!(
        again,
        expected(full, "a-full", "ann", [false, true], &[Gateway::Apns])
    );
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
        incidents(&f, open).await,
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
    assert_eq!(incidents(&f, IncidentFilter::default()).await, [(b, 2)]);
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

/// Who else rings a device has nothing to do with a device that nobody rang.
pub async fn devices_are_rung_apart(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 2).await;
    let (a, b) = (made(&f, "a").await, made(&f, "b").await);
    let ring = |device: DeviceNo| {
        let was = Rings::default();
        let now = rung(&was);
        RingChange { device, was, now }
    };
    let mut one = step(&f, a.monitor, WatchClaim::Known(a.fence));
    one.rings = vec![ring(devices[0])];
    let mut two = step(&f, b.monitor, WatchClaim::Known(b.fence));
    two.rings = vec![ring(devices[1])];
    let answers = f.hot.step_watches(vec![one, two]).await.unwrap();
    assert_eq!(answers, [true, true]);
    // Where one of a step's devices is not as it was read, the other is not rung either.
    let mut third = next(&f, a.monitor).await;
    let known = rung(&Rings::default());
    third.rings = vec![
        RingChange {
            device: devices[0],
            was: known.clone(),
            now: rung(&known),
        },
        ring(devices[1]),
    ];
    assert!(!write(&f, third).await);
    let rings = async || {
        let users = vec!["u0".to_owned(), "u1".to_owned()];
        let phones = f.hot.page_phones(f.app, users, 9).await.unwrap();
        phones.into_iter().map(|one| one.rings).collect::<Vec<_>>()
    };
    assert_eq!(rings().await, [known.clone(), known.clone()]);
    // One that is rung twice in a step goes on from its first ring.
    let twice = rung(&known);
    let mut fourth = next(&f, a.monitor).await;
    fourth.rings = [(&known, &twice), (&twice, &rung(&twice))]
        .map(|(was, now)| RingChange {
            device: devices[0],
            was: was.clone(),
            now: now.clone(),
        })
        .to_vec();
    assert!(write(&f, fourth).await);
    assert_eq!(rings().await, [rung(&twice), known]);
}
