//! Live Activities: steps under their fences, with timer, records, events and the notification.

use super::{Fixture, Subject, T0, address, nobody};
use crate::live_activity::{ActivityClaim, ActivityStep, ErrandChange, StoredActivity};
use crate::store::{Acceptance, NewEvent, RefusedDelivery, Retention, Retirement, Settlement};
use crate::timer::{DueAsk, DueTimer, TimerFailure, TimerSubject};
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{DeliveryId, DeviceNo, NotificationNo};
use carillon_model::live_activity::{ActivityState, Record, RecordKind, RefusedPush};
use carillon_model::push_type::TokenKind;

fn step(f: &Fixture, id: &str, claim: ActivityClaim, next_at: Option<UnixMs>) -> ActivityStep {
    ActivityStep {
        app: f.app,
        id: id.into(),
        claim,
        state: ActivityState::Starting,
        plan: Some(r#"{"a":"é"}"#.into()),
        run: r#"{"seq":1}"#.into(),
        recipient: "user:u1".into(),
        attributes_type: "T".into(),
        next_at,
        errand: ErrandChange::Keep,
        records: vec![Record {
            what: RecordKind::Phase,
            phase: Some("ending".into()),
            due_at: T0,
            phones: 1,
            waiting: 2,
            phone: None,
            reason: None,
        }],
        events: vec![NewEvent {
            app: f.app,
            kind: "live_activity.started",
            subject: id.into(),
            data: "{}".into(),
        }],
        urgent: Vec::new(),
        now: T0,
    }
}

fn claim(of: &StoredActivity) -> ActivityClaim {
    ActivityClaim::Known {
        no: of.no,
        fence: of.fence,
    }
}

async fn read(f: &Fixture, id: &str) -> StoredActivity {
    f.hot
        .live_activity(f.app, id.into())
        .await
        .unwrap()
        .unwrap()
}

async fn made(f: &Fixture, id: &str, next_at: Option<UnixMs>) -> StoredActivity {
    let new = step(f, id, ActivityClaim::New, next_at);
    assert!(f.hot.step_live_activity(new).await.unwrap());
    read(f, id).await
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

/// As it was read, or not at all; its timer is always that of its last step; over restarts.
pub async fn live_activities_are_stepped_under_their_fence(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let first = made(&f, "a", Some(T0 + 5)).await;
    assert_eq!((first.app, &*first.id, first.created_at), (f.app, "a", T0));
    assert_eq!(
        (&*first.plan, &*first.run),
        (r#"{"a":"é"}"#, r#"{"seq":1}"#)
    );
    let again = step(&f, "a", ActivityClaim::New, None);
    assert!(
        !f.hot.step_live_activity(again).await.unwrap(),
        "there is one"
    );
    subject.restart().await;
    let f = f.again(subject);
    assert_eq!(due(&f, T0 + 4).await.len(), 0);
    let found = due(&f, T0 + 5).await;
    let Ok(TimerSubject::LiveActivity(activity)) = &found[0].subject else {
        panic!("another subject: {:?}", found[0].subject);
    };
    assert_eq!(**activity, first);
    assert_eq!(found[0].due_at, T0 + 5);
    let mut second = step(&f, "a", claim(&first), Some(T0 + 9));
    (second.state, second.run, second.now) = (ActivityState::Active, "{}".into(), T0 + 5);
    assert!(f.hot.step_live_activity(second.clone()).await.unwrap());
    assert!(!f.hot.step_live_activity(second).await.unwrap(), "once");
    let now = read(&f, "a").await;
    assert_eq!(
        (now.no, now.state, &*now.run),
        (first.no, ActivityState::Active, "{}")
    );
    assert_eq!((now.created_at, now.updated_at), (T0, T0 + 5));
    assert!(now.fence != first.fence);
    assert_eq!(due(&f, T0 + 8).await.len(), 0);
    // One that cannot fire is tried again, and a step makes up for it.
    let failed = due(&f, T0 + 9).await;
    let failure = TimerFailure {
        claim: failed[0].claim,
        due_at: failed[0].due_at,
        attempts: 1,
        error: "so".into(),
        next_try_at: Some(T0 + 20),
        event: None,
        callout: None,
    };
    f.hot.fail_timers(vec![failure], T0 + 9).await.unwrap();
    assert_eq!(due(&f, T0 + 19).await.len(), 0);
    assert_eq!(due(&f, T0 + 20).await[0].attempts, 1);
    let mut step = step(&f, "a", claim(&now), Some(T0 + 30));
    (step.state, step.plan, step.run) = (ActivityState::Active, None, "[]".into());
    assert!(f.hot.step_live_activity(step.clone()).await.unwrap());
    assert!(!f.hot.step_live_activity(step).await.unwrap(), "once");
    let same = read(&f, "a").await;
    assert_eq!(
        (&*same.plan, same.state, &*same.run),
        (r#"{"a":"é"}"#, ActivityState::Active, "[]"),
        "what is declared has not changed"
    );
    assert!(same.fence != now.fence);
    assert_eq!(due(&f, T0 + 30).await[0].attempts, 0);
    let records = f.hot.live_activity_records(now.no, 10).await.unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].what.phase.as_deref(), Some("ending"));
    assert_eq!(
        f.hot.live_activity_records(now.no, 2).await.unwrap(),
        records[1..]
    );
    let events = f.hot.events(f.app, 0, 100).await.unwrap();
    let told = events
        .iter()
        .filter(|event| event.kind == "live_activity.started");
    assert_eq!(told.count(), 3, "with each step, in its transaction");
}

/// A step and its notification are both there or neither is.
pub async fn what_a_live_activity_pushes_is_its_step(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 1).await;
    let first = made(&f, "a", Some(T0)).await;
    let push = async || {
        let mut item = f.notification(&devices, 1, false);
        item.activity = Some(step(&f, "a", claim(&first), None));
        let no = item.no;
        (no, f.hot.accept(vec![item]).await.unwrap())
    };
    let (no, answer) = push().await;
    assert_eq!(answer, [Acceptance::New]);
    let records = f.hot.live_activity_records(first.no, 10).await.unwrap();
    assert_eq!(records[1].notification, Some(no));
    let sent = f.hot.live_activity_sent(f.app, no).await.unwrap();
    assert_eq!(sent, Some(("a".to_owned(), records[1].clone())));
    assert_eq!(records[0].notification, None);
    assert_eq!(due(&f, T0).await.len(), 0, "it has no next moment");
    let (stale, answer) = push().await;
    assert_eq!(answer, [Acceptance::Stale]);
    assert_eq!(f.hot.live_activity_sent(f.app, stale).await.unwrap(), None);
    assert!(f.hot.notification(f.app, stale).await.unwrap().is_none());
    assert_eq!(
        f.hot.live_activity_records(first.no, 10).await.unwrap(),
        records
    );
}

/// By id, by state, by whom it is for; gone with their time, their App and their user.
pub async fn live_activities_are_listed_and_go(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    for id in ["b", "a", "c"] {
        made(&f, id, Some(T0 + 5)).await;
    }
    let ended = read(&f, "b").await;
    let mut end = step(&f, "b", claim(&ended), None);
    end.state = ActivityState::Ended;
    assert!(f.hot.step_live_activity(end).await.unwrap());
    let ids = async |state, after: Option<&str>, limit| {
        let after = after.map(str::to_owned);
        let all = f
            .hot
            .live_activities(f.app, state, after, limit)
            .await
            .unwrap();
        all.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 2).await, ["a", "b"]);
    assert_eq!(ids(None, Some("b"), 2).await, ["c"]);
    assert_eq!(
        ids(Some(ActivityState::Starting), None, 10).await,
        ["a", "c"]
    );
    let of = async |recipient: &str, of_type: &str| {
        let recipients = vec!["device:x".to_owned(), recipient.to_owned()];
        let all = f
            .hot
            .live_activities_of(f.app, recipients, of_type.into(), 10);
        all.await.unwrap().len()
    };
    assert_eq!((of("user:u1", "T").await, of("user:u1", "t").await), (2, 0));
    assert_eq!(of("user:U1", "T").await, 0);
    let of = async |limit| {
        let recipients = vec!["device:x".to_owned(), "user:u1".to_owned()];
        let all = f.hot.running_live_activities(f.app, recipients, limit);
        let all = all.await.unwrap().into_iter();
        all.map(|(of, one)| (of, one.id)).collect::<Vec<_>>()
    };
    let mut running = of(10).await;
    running.sort();
    let expected = ["a", "c"].map(|id| ("user:u1".to_owned(), id.to_owned()));
    assert_eq!(running, expected);
    assert_eq!(of(1).await.len(), 1);
    let prune = async |records_before| {
        let retention = Retention {
            content_before: T0 - 1,
            records_before,
            versions_before: T0 - 1,
            lists_before: T0 - 1,
            now: T0,
            slice: 10,
        };
        while f.hot.prune(retention).await.unwrap() > 0 {}
    };
    prune(T0).await;
    assert_eq!(ids(None, None, 10).await, ["a", "b", "c"]);
    prune(T0 + 1).await;
    assert_eq!(ids(None, None, 10).await, ["a", "c"], "what runs stays");
    assert_eq!(f.hot.live_activity_records(ended.no, 10).await.unwrap(), []);
    let erased = f.registry.erase_user(f.app, "u1".into(), T0, nobody());
    erased.await.unwrap();
    assert_eq!(ids(None, None, 10).await, Vec::<String>::new());
    assert_eq!(due(&f, T0 + 5).await.len(), 0);
    let left = made(&f, "d", Some(T0 + 5)).await;
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    prune(T0).await;
    assert_eq!(f.hot.live_activity_records(left.no, 10).await.unwrap(), []);
    assert!(
        f.hot
            .live_activity(f.app, "d".into())
            .await
            .unwrap()
            .is_none()
    );
}

/// By device and type; the newest token counts, and a device that is gone starts nothing.
pub async fn devices_start_live_activities(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 3).await;
    let set = async |device: DeviceNo, of_type: &str, of: Option<i64>| {
        let of = of.map(DeviceNo);
        let set = f.hot.set_startable(f.app, device, of_type.into(), of, T0);
        set.await.unwrap();
    };
    let all = async |of_type: &str| {
        let asked = vec![devices[2], devices[0], devices[1]];
        let found = f.hot.startable(asked, of_type.into()).await.unwrap();
        found
            .into_iter()
            .map(|one| (one.device, one.push_token_of.0))
            .collect::<Vec<_>>()
    };
    set(devices[0], "T", Some(70)).await;
    set(devices[2], "T", Some(71)).await;
    set(devices[2], "T", Some(72)).await;
    set(devices[1], "t", Some(73)).await;
    assert_eq!(all("T").await, [(devices[0], 70), (devices[2], 72)]);
    assert_eq!(all("t").await, [(devices[1], 73)]);
    set(devices[0], "T", None).await;
    set(devices[0], "T", None).await;
    assert_eq!(all("T").await, [(devices[2], 72)]);
    // The same phone under another id: its token is one phone's.
    set(devices[1], "T", Some(72)).await;
    assert_eq!(all("T").await, [(devices[1], 72)]);
    set(devices[2], "T", Some(72)).await;
    let deleted = f.registry.delete_device(f.app, "d2".into(), T0, nobody());
    assert!(deleted.await.unwrap());
    assert_eq!(all("T").await, []);
}

/// What is to be asked of a gateway: the first that is due first, over restarts, until it is done; and nothing is
/// forgotten as long as something is to be asked.
pub async fn live_activities_have_errands(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let first = made(&f, "a", None).await;
    made(&f, "b", None).await;
    let set = async |f: &Fixture, id: &str, errand: ErrandChange| {
        let stored = read(f, id).await;
        let mut step = step(f, id, claim(&stored), None);
        (step.state, step.errand) = (ActivityState::Ended, errand);
        assert!(f.hot.step_live_activity(step).await.unwrap());
    };
    let errands = async |f: &Fixture, limit| {
        let all = f.hot.live_activity_errands(limit).await.unwrap();
        let all = all.into_iter().map(|(due_at, one)| (due_at, one.id));
        all.collect::<Vec<_>>()
    };
    assert_eq!(errands(&f, 10).await, []);
    set(&f, "a", ErrandChange::At(T0 + 9)).await;
    set(&f, "b", ErrandChange::At(T0 + 5)).await;
    set(&f, "a", ErrandChange::At(T0 + 7)).await;
    set(&f, "a", ErrandChange::Keep).await;
    subject.restart().await;
    let f = f.again(subject);
    let both = [(T0 + 5, "b".to_owned()), (T0 + 7, "a".to_owned())];
    assert_eq!(errands(&f, 10).await, both);
    assert_eq!(errands(&f, 1).await, both[..1]);
    set(&f, "b", ErrandChange::Done).await;
    set(&f, "b", ErrandChange::Done).await;
    let retention = Retention {
        content_before: T0 - 1,
        records_before: T0 + 1,
        versions_before: T0 - 1,
        lists_before: T0 - 1,
        now: T0,
        slice: 10,
    };
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert_eq!(errands(&f, 10).await, both[1..]);
    assert_eq!(read(&f, "a").await.no, first.no, "it has an errand");
    let gone = f.hot.live_activity(f.app, "b".into()).await.unwrap();
    assert!(gone.is_none());
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    while f.hot.prune(retention).await.unwrap() > 0 {}
    assert_eq!(errands(&f, 10).await, []);
}

/// What surely reached nobody comes back to the activity whose push it was: its next step is due by it, whoever works on
/// one has read another one, and that step forgets it.
pub async fn refused_pushes_come_back(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(0, 2).await;
    let first = made(&f, "a", Some(T0 + 1_000)).await;
    let other = made(&f, "b", Some(T0 + 1_000)).await;
    let mut item = f.notification(&devices, 2, false);
    item.activity = Some(step(&f, "a", claim(&first), Some(T0 + 1_000)));
    let no = item.no;
    assert_eq!(f.hot.accept(vec![item]).await.unwrap(), [Acceptance::New]);
    let pushed = read(&f, "a").await;
    assert_eq!(pushed.refused, []);
    let refused = |no: NotificationNo| RefusedDelivery {
        delivery: DeliveryId {
            batch: no.batch(0),
            position: 1,
        },
        device: devices[1],
        is_start: true,
        reason: "Bäd".into(),
    };
    let settle = async |refused: Vec<RefusedDelivery>, retirements: Vec<Retirement>| {
        let settlement = Settlement {
            refused,
            retirements,
            now: T0 + 5,
            ..Settlement::default()
        };
        f.hot.settle(settlement).await.unwrap();
    };
    settle(
        vec![refused(no), refused(f.hot.next_notification())],
        vec![],
    )
    .await;
    let told = read(&f, "a").await;
    let start = RefusedPush {
        push_token_of: devices[1].0,
        pushed_at: T0,
        is_start: true,
        reason: "Bäd".into(),
    };
    assert_eq!(told.refused, std::slice::from_ref(&start));
    assert_eq!(read(&f, "b").await, other);
    let stale = step(&f, "a", claim(&pushed), None);
    assert!(!f.hot.step_live_activity(stale).await.unwrap());
    let found = due(&f, T0 + 5).await;
    let Ok(TimerSubject::LiveActivity(activity)) = &found[0].subject else {
        panic!("another subject: {:?}", found[0].subject);
    };
    assert_eq!((found.len(), &**activity), (1, &told));

    // An update token that dies.
    let dead = f.hot.resolve_push_tokens(
        f.app,
        vec![address(70)],
        TokenKind::LiveActivity,
        TokenEnvironment::Production,
        T0,
    );
    let dead = dead.await.unwrap()[0].device;
    let retirement = |kind: TokenKind, device: DeviceNo| Retirement {
        app: f.app,
        delivery: refused(no).delivery,
        device,
        kind,
        generation: 1,
        since: None,
        reason: "Unregistered".into(),
    };
    let tokens = f.hot.read_push_tokens(TokenKind::LiveActivity, vec![dead]);
    let generation = tokens.await.unwrap().0[0].generation;
    let dies = |generation| Retirement {
        generation,
        ..retirement(TokenKind::LiveActivity, dead)
    };
    settle(vec![], vec![dies(generation + 1)]).await;
    assert_eq!(read(&f, "a").await, told, "of another registration");
    settle(vec![], vec![dies(generation)]).await;
    let both = read(&f, "a").await;
    let update = RefusedPush {
        push_token_of: dead.0,
        is_start: false,
        reason: "Unregistered".into(),
        ..start.clone()
    };
    assert_eq!(both.refused, [start, update]);
    let next = step(&f, "a", claim(&both), Some(T0 + 1_000));
    assert!(f.hot.step_live_activity(next).await.unwrap());
    let heard = read(&f, "a").await;
    assert_eq!(heard.refused, []);
    assert_eq!(due(&f, T0 + 5).await.len(), 0);

    // A push-to-start token that dies starts nothing any more.
    let start = f.hot.resolve_push_tokens(
        f.app,
        vec![address(71)],
        TokenKind::LiveActivityStart,
        TokenEnvironment::Production,
        T0,
    );
    let start = start.await.unwrap()[0].device;
    let set = f
        .hot
        .set_startable(f.app, devices[0], "T".into(), Some(start), T0);
    set.await.unwrap();
    let tokens = f
        .hot
        .read_push_tokens(TokenKind::LiveActivityStart, vec![start]);
    let generation = tokens.await.unwrap().0[0].generation;
    let dies = Retirement {
        generation,
        ..retirement(TokenKind::LiveActivityStart, start)
    };
    settle(vec![], vec![dies]).await;
    let left = f.hot.startable(vec![devices[0]], "T".into()).await.unwrap();
    assert_eq!(left, []);
    assert_eq!(read(&f, "a").await, heard);

    // One that is over hears nothing.
    let mut end = step(&f, "a", claim(&heard), None);
    end.state = ActivityState::Ended;
    assert!(f.hot.step_live_activity(end).await.unwrap());
    settle(vec![refused(no)], vec![]).await;
    assert_eq!(read(&f, "a").await.refused, []);
    assert_eq!(due(&f, T0 + 999).await.len(), 0);
}

/// Over all activities of a phone, for an hour to the minute; also of one whose step was written beside a notification.
pub async fn pushes_at_once_are_counted_by_phone(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let phones = f.devices(0, 3).await;
    let push = async |id: &str, phones: &[DeviceNo], now: UnixMs| {
        let mut step = step(&f, id, ActivityClaim::New, None);
        (step.urgent, step.now) = (phones.to_vec(), now);
        f.hot.step_live_activity(step).await.unwrap()
    };
    let count = async |now: UnixMs| {
        let found = f.hot.urgent_pushes(phones.clone(), now).await.unwrap();
        let found = found.into_iter().map(|(phone, count)| (phone.0, count));
        found.collect::<Vec<_>>()
    };
    let (a, b) = (phones[0], phones[1]);
    assert_eq!(count(T0).await, []);
    assert!(push("1", &[a, b], T0).await);
    assert!(push("2", &[a], T0 + 1).await);
    assert!(!push("2", &[a], T0 + 2).await, "not written, not counted");
    let minute = 60_000;
    let mut item = f.notification(&phones, 3, false);
    let mut step = step(&f, "3", ActivityClaim::New, None);
    (step.urgent, step.now) = (vec![a], T0 + 10 * minute);
    item.activity = Some(step);
    assert_eq!(f.hot.accept(vec![item]).await.unwrap(), [Acceptance::New]);
    assert_eq!(count(T0 + 10 * minute).await, [(a.0, 3), (b.0, 1)]);
    assert_eq!(count(T0 + 58 * minute).await, [(a.0, 3), (b.0, 1)]);
    assert_eq!(count(T0 + 61 * minute).await, [(a.0, 1)]);
    assert_eq!(count(T0 - 5 * minute).await, [], "the clock was set back");
    let retention = |now| Retention {
        content_before: T0 - 1,
        records_before: T0 - 1,
        versions_before: T0 - 1,
        lists_before: T0 - 1,
        now,
        slice: 10,
    };
    while f.hot.prune(retention(T0 + 62 * minute)).await.unwrap() > 0 {}
    assert_eq!(
        count(T0 + 20 * minute).await,
        [(a.0, 1)],
        "the hour is over"
    );
}
