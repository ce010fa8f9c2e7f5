//! Live Activities: a lesson's whole life over changes of plan, late and rotating tokens, crashes and two schedulers.

use crate::fake_gateway::{accept, in_doubt, rejected};
use crate::world::{T0, World};
use carillon_engine::live_activity::{
    ActivityAnswer, ActivityRefusal, OpenActivity, ToldAddress, ToldToken,
};
use carillon_model::UnixMs;
use carillon_model::app::{AppSettings, LiveActivitySettings};
use carillon_model::environment::TokenEnvironment;
use carillon_model::live_activity::{
    ActivityChange, ActivityRequest, ActivityState, EndRequest, Recipient, RecordKind,
};
use carillon_model::outcome::TokenFate;
use carillon_ports::clock::Clock as _;
use carillon_ports::live_activity::{ActivityRecord, LiveActivityStore as _, StoredActivity};
use carillon_ports::registry::{Device, Registry as _};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const MINUTE: i64 = 60_000;

pub(crate) fn at(minutes: i64) -> String {
    jiff::Timestamp::from_millisecond(T0 + minutes * MINUTE)
        .unwrap()
        .to_string()
}

/// From now on for an hour, with "ending" a quarter of an hour before its end.
fn lesson(with: Value) -> ActivityRequest {
    let mut body = json!({
        "recipient": {"user": "u1"}, "attributes_type": "Lesson", "attributes": {"childId": "7"},
        "content_state": {"status": "active"},
        "alert": {"title": "Lesson", "body": "It begins"},
        "starts_at": at(10), "ends_at": at(70), "stale_after": "5m",
        "phases": [{"name": "ending", "at": "ends_at - 15m", "content_state": {"status": "ending"}}],
        "end": {"content_state": {"status": "ended"}, "dismiss_after": "5m"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

fn told(number: u8) -> ToldToken {
    ToldToken {
        push_token: format!("{number:02x}").repeat(32),
        environment: TokenEnvironment::Production,
        fcm_token: None,
        attributes_type: "Lesson".into(),
        content_state: None,
        frequent_pushes: None,
        attributes: None,
    }
}

impl World {
    async fn device(&self, number: u64) -> Device {
        let found = self.store.device(self.app, format!("d{number}")).await;
        found.unwrap().unwrap()
    }

    pub(crate) async fn can_start(&self, number: u64, token: u8) {
        let device = self.device(number).await;
        let text = format!("{token:02x}").repeat(32);
        let told = Some(ToldAddress {
            push_token: &text,
            environment: TokenEnvironment::Production,
            fcm_token: None,
        });
        let set = self
            .engine
            .tell_push_to_start(self.app, &device, "Lesson".into(), told);
        set.await.unwrap().unwrap();
    }

    async fn put(&self, request: ActivityRequest) -> Result<ActivityAnswer, ActivityRefusal> {
        self.engine
            .put_live_activity(self.app, "l", request)
            .await
            .unwrap()
    }

    async fn token(
        &self,
        number: u64,
        told: &ToldToken,
    ) -> Result<ActivityAnswer, ActivityRefusal> {
        let device = self.device(number).await;
        self.engine
            .tell_update_token(self.app, "l", &device, told)
            .await
            .unwrap()
    }

    async fn activity(&self) -> StoredActivity {
        self.store
            .live_activity(self.app, "l".into())
            .await
            .unwrap()
            .unwrap()
    }

    async fn records(&self) -> Vec<ActivityRecord> {
        let no = self.activity().await.no;
        self.store.live_activity_records(no, 100).await.unwrap()
    }

    /// Many that the app started on one phone, `l0` and on. `is_let`: whether the person lets the app push often for each.
    async fn many(&self, count: u32, is_let: impl Fn(u32) -> Option<bool>) {
        self.devices(1..2).await;
        let device = self.device(1).await;
        for n in 0..count {
            let id = format!("l{n}");
            let request = lesson(json!({"start": "app", "alert": null}));
            let put = self.engine.put_live_activity(self.app, &id, request);
            put.await.unwrap().unwrap();
            let told = ToldToken {
                push_token: format!("{n:064x}"),
                content_state: Some(json!({"status": "active"})),
                frequent_pushes: is_let(n),
                ..told(1)
            };
            let tell = self.engine.tell_update_token(self.app, &id, &device, &told);
            tell.await.unwrap().unwrap();
        }
    }

    /// Of each phase that `l<n>` has shown: why it was not pushed at once.
    async fn phases(&self, n: u32) -> Vec<Option<String>> {
        let stored = self.store.live_activity(self.app, format!("l{n}"));
        let no = stored.await.unwrap().unwrap().no;
        let records = self.store.live_activity_records(no, 10).await.unwrap();
        let phases = records
            .into_iter()
            .filter(|record| record.what.what == RecordKind::Phase);
        phases.map(|phase| phase.what.reason).collect()
    }

    /// Until so many minutes after [`T0`], and a little more.
    pub(crate) async fn until_minute(&self, minutes: i64) {
        let left = T0 + minutes * MINUTE - self.clock.now();
        self.pass(u64::try_from(left).unwrap() + 3_000).await;
    }

    /// First byte of the push token, event and status of all pushes; and that their timestamps rise.
    pub(crate) fn pushes(&self) -> Vec<(u8, String, String)> {
        let mut last = 0;
        let written = self.gateway.written();
        let pushes = written.iter().map(|push| {
            let payload: Value = serde_json::from_slice(&push.payload).unwrap();
            let aps = &payload["aps"];
            let timestamp = aps["timestamp"].as_i64().unwrap();
            assert!(timestamp >= last, "{timestamp} after {last}");
            last = timestamp;
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            (
                push.push_token[0],
                word(&aps["event"]),
                word(&aps["content-state"]["status"]),
            )
        });
        pushes.collect()
    }
}

pub(crate) fn push(token: u8, event: &str, status: &str) -> (u8, String, String) {
    (token, event.into(), status.into())
}

#[tokio::test(start_paused = true)]
async fn a_lesson_that_is_extended_over_a_crash_and_a_new_token() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.can_start(1, 0xaa).await;
    assert!(world.put(lesson(json!({}))).await.unwrap().is_new);
    assert!(
        !world.put(lesson(json!({}))).await.unwrap().is_new,
        "the same again"
    );
    world.until_minute(9).await;
    assert_eq!(world.pushes(), []);
    world.until_minute(10).await;
    assert_eq!(world.pushes(), [push(0xaa, "start", "active")]);
    world.token(1, &told(1)).await.unwrap();
    assert_eq!(world.activity().await.state, ActivityState::Active);
    world.token(1, &told(2)).await.unwrap();
    // It dies just before, and comes up half a minute late.
    world.until_minute(54).await;
    let world = world.crash_for(90_000).await;
    world.until_minute(57).await;
    let mut seen = vec![push(0xaa, "start", "active"), push(2, "update", "ending")];
    assert_eq!(world.pushes(), seen);

    let longer: ActivityChange = serde_json::from_value(json!({"ends_at": at(90)})).unwrap();
    let changed = world
        .engine
        .change_live_activity(world.app, "l", &longer)
        .await;
    changed.unwrap().unwrap();
    world.until_minute(74).await;
    seen.push(push(2, "update", "active"));
    assert_eq!(world.pushes(), seen);
    world.until_minute(75).await;
    seen.push(push(2, "update", "ending"));
    assert_eq!(world.pushes(), seen);
    world.until_minute(120).await;
    seen.push(push(2, "end", "ended"));
    assert_eq!(world.pushes(), seen);
    let end: Value = serde_json::from_slice(&world.gateway.written()[4].payload).unwrap();
    let dismissed = end["aps"]["dismissal-date"].as_i64().unwrap();
    assert_eq!(dismissed * 1_000, T0 + 95 * MINUTE);

    let records = world.records().await;
    let what: Vec<_> = records
        .iter()
        .map(|record| (record.what.what, record.notification.is_some()))
        .collect();
    assert_eq!(
        what,
        [
            (RecordKind::Started, true),
            (RecordKind::Phase, true),
            (RecordKind::Updated, true),
            (RecordKind::Phase, true),
            (RecordKind::Ended, true),
        ]
    );
    let over = world.put(lesson(json!({"ends_at": at(200)}))).await;
    assert_eq!(
        over.unwrap_err(),
        ActivityRefusal::Over(ActivityState::Ended)
    );
    assert_eq!(world.events("live_activity.ended").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_schedulers_show_each_phase_once() {
    let world = World::shared("api,scheduler,worker,sender").await;
    let other = world.another("scheduler,worker,sender").await;
    world.devices(1..2).await;
    world.can_start(1, 0xaa).await;
    world.put(lesson(json!({}))).await.unwrap();
    world.until_minute(10).await;
    world.token(1, &told(1)).await.unwrap();
    world.until_minute(80).await;
    drop(other);
    assert_eq!(
        world.pushes(),
        [
            push(0xaa, "start", "active"),
            push(1, "update", "ending"),
            push(1, "end", "ended"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn updates_are_held_for_the_token_and_late_phones_are_started() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.put(lesson(json!({}))).await.unwrap();
    world.until_minute(11).await;
    assert_eq!(world.pushes(), []);
    assert_eq!(world.events("live_activity.token_missing").await.len(), 1);
    world.can_start(1, 0xaa).await;
    world.until_minute(12).await;
    assert_eq!(world.pushes(), [push(0xaa, "start", "active")]);
    for status in ["late", "later"] {
        let change = json!({"content_state": {"status": status}});
        let change: ActivityChange = serde_json::from_value(change).unwrap();
        let changed = world
            .engine
            .change_live_activity(world.app, "l", &change)
            .await;
        changed.unwrap().unwrap();
        world.pass(2_000).await;
    }
    assert_eq!(world.pushes().len(), 1, "nobody can be told");
    world.until_minute(15).await;
    assert_eq!(
        world.events("live_activity.start_unanswered").await.len(),
        1
    );
    world.token(1, &told(1)).await.unwrap();
    world.pass(2_000).await;
    assert_eq!(world.pushes()[1..], [push(1, "update", "later")]);
    let end = EndRequest::default();
    world
        .engine
        .end_live_activity(world.app, "l", &end)
        .await
        .unwrap()
        .unwrap();
    world.pass(2_000).await;
    assert_eq!(world.pushes()[2..], [push(1, "end", "ended")]);
    let again = world
        .engine
        .end_live_activity(world.app, "l", &end)
        .await
        .unwrap();
    assert_eq!(
        again.unwrap_err(),
        ActivityRefusal::Over(ActivityState::Ended)
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_app_started_is_adopted_and_strangers_are_not() {
    let world = World::new().await;
    world.devices(1..3).await;
    world
        .put(lesson(json!({"start": "app", "alert": null})))
        .await
        .unwrap();
    assert_eq!(
        world.token(2, &told(9)).await.unwrap_err(),
        ActivityRefusal::NotRecipient
    );
    let other = ToldToken {
        attributes_type: "Ride".into(),
        ..told(1)
    };
    let Err(ActivityRefusal::Invalid(problems)) = world.token(1, &other).await else {
        panic!("another type was taken");
    };
    assert_eq!(problems[0].code, "live_activity.attributes_type");
    world.until_minute(11).await;
    let shows = ToldToken {
        content_state: Some(json!({"status": "active"})),
        ..told(1)
    };
    world.token(1, &shows).await.unwrap();
    world.until_minute(56).await;
    assert_eq!(world.pushes(), [push(1, "update", "ending")]);
    let device = world.device(1).await;
    world
        .engine
        .tell_gone(world.app, "l", &device, false)
        .await
        .unwrap()
        .unwrap();
    world.until_minute(80).await;
    assert_eq!(world.pushes().len(), 1, "it shows it no more");
    assert_eq!(world.activity().await.state, ActivityState::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_burst_at_the_same_second_is_fired_whole() {
    let world = World::new().await;
    world.many(300, |_| None).await;
    let is_so = async || world.gateway.written().len() == 300;
    world.until_minute(55).await;
    world.until(Duration::from_secs(60), is_so).await;
    let left: UnixMs = T0 + 80 * MINUTE - world.clock.now();
    world.pass(u64::try_from(left).unwrap()).await;
    assert_eq!(world.gateway.written().len(), 600);
}

fn unregistered() -> crate::fake_gateway::Reply {
    rejected(TokenFate::Retire { since: None }, 410, "Unregistered")
}

#[tokio::test(start_paused = true)]
async fn a_phone_whose_update_token_died_is_told_nothing_more() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.can_start(1, 0xaa).await;
    world.put(lesson(json!({}))).await.unwrap();
    world.until_minute(10).await;
    world.token(1, &told(1)).await.unwrap();
    world.gateway.script(|w| match w.push_token[0] {
        1 => unregistered(),
        _ => accept(),
    });
    world.until_minute(55).await;
    let records = world.records().await;
    let last = &records.last().unwrap().what;
    assert_eq!(
        (last.what, last.reason.as_deref()),
        (RecordKind::TokenDead, Some("Unregistered"))
    );
    let device = world.device(1).await;
    assert_eq!(last.phone, Some(device.no.0));
    let events = world.events("live_activity.token_dead").await;
    assert_eq!(events.len(), 1);
    assert!(
        events[0].data.contains(r#""phones":0"#),
        "{}",
        events[0].data
    );
    let change = json!({"content_state": {"status": "late"}});
    let change: ActivityChange = serde_json::from_value(change).unwrap();
    let changed = world.engine.change_live_activity(world.app, "l", &change);
    changed.await.unwrap().unwrap();
    world.pass(2_000).await;
    let mut seen = vec![push(0xaa, "start", "active"), push(1, "update", "ending")];
    assert_eq!(world.pushes(), seen);
    // Another one, and it is told what it missed.
    world.token(1, &told(2)).await.unwrap();
    world.pass(2_000).await;
    seen.push(push(2, "update", "late"));
    assert_eq!(world.pushes(), seen);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_refused_is_pushed_once_more_and_an_unanswered_one_is_not() {
    for (name, answer, starts) in [
        ("refused", rejected(TokenFate::Keep, 400, "BadTopic"), 2),
        ("unanswered", in_doubt(), 1),
        ("dead", unregistered(), 1),
    ] {
        let world = World::new().await;
        world.devices(1..2).await;
        world.can_start(1, 0xaa).await;
        world.gateway.script(move |w| match w.push_token[0] {
            0xaa => answer.clone(),
            _ => accept(),
        });
        world.put(lesson(json!({}))).await.unwrap();
        world.until_minute(20).await;
        assert_eq!(world.pushes().len(), starts, "{name}");
        let records = world.records().await;
        let refused = records
            .iter()
            .filter(|record| record.what.what == RecordKind::StartRefused);
        let is_refused = name != "unanswered";
        assert_eq!(
            refused.count(),
            if is_refused { starts } else { 0 },
            "{name}"
        );
        let unanswered = world.events("live_activity.start_unanswered").await.len();
        assert_eq!(unanswered, usize::from(!is_refused), "{name}");
        // What comes by another push-to-start token is another start, where it surely was not started.
        world.can_start(1, 0xbb).await;
        world.pass(2_000).await;
        assert_eq!(
            world.pushes().len(),
            starts + usize::from(is_refused),
            "{name}"
        );
        let device = world.device(1).await;
        let gone = world.engine.tell_gone(world.app, "l", &device, true);
        gone.await.unwrap().unwrap();
        world.pass(2_000).await;
        assert_eq!(
            world.pushes().len(),
            starts + usize::from(is_refused) + usize::from(starts == 1),
            "{name}: at most three"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_when_the_clock_jumps_right_after_a_crash_is_pushed() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.can_start(1, 0xaa).await;
    world.put(lesson(json!({}))).await.unwrap();
    world.until_minute(10).await;
    world.token(1, &told(1)).await.unwrap();
    // The old Scheduler is awake in the same moment as whoever lets it die.
    world.until_minute(54).await;
    let world = world.crash().await;
    world.clock.jump(90_000);
    world.until_minute(57).await;
    assert_eq!(
        world.pushes(),
        [push(0xaa, "start", "active"), push(1, "update", "ending")]
    );
}

#[tokio::test(start_paused = true)]
async fn pushes_at_once_are_counted_for_a_phone_and_not_for_an_activity() {
    let mut config = carillon_engine::EngineConfig::default();
    config.live_activities.urgent_per_hour = 3;
    let world = World::with(config).await;
    world.many(5, |n| Some(n == 4)).await;
    world.until_minute(56).await;
    assert_eq!(world.gateway.written().len(), 5);
    let mut beyond = Vec::new();
    for n in 0..5 {
        if world.phases(n).await[0].as_deref() == Some("budget") {
            beyond.push(n);
        }
    }
    assert_eq!(beyond.len(), 1, "of five in the same second: {beyond:?}");
    assert!(beyond != [4]);
}

#[tokio::test(start_paused = true)]
async fn hundreds_in_one_second_are_each_shown_once_within_their_phones_budget() {
    const COUNT: u32 = 300;
    let mut config = carillon_engine::EngineConfig::default();
    config.live_activities.urgent_per_hour = 3;
    let world = World::with(config).await;
    world.many(COUNT, |_| None).await;
    world.until_minute(56).await;
    assert_eq!(world.gateway.written().len(), COUNT as usize);
    let mut within = 0;
    for n in 0..COUNT {
        let reasons = world.phases(n).await;
        assert_eq!(reasons.len(), 1, "l{n}: {reasons:?}");
        within += u32::from(reasons[0].as_deref() != Some("budget"));
    }
    assert_eq!(within, 3);
}

/// Counts the timers of activities that fired.
#[derive(Default)]
struct FiredTimers(Arc<AtomicU64>);

impl Recorder for FiredTimers {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let has = |value: &str| key.labels().any(|label| label.value() == value);
        let is_meant = key.name() == "carillon_timers_total" && has("live_activity");
        match is_meant && has("fired") {
            true => Counter::from_arc(self.0.clone()),
            false => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_the_store_refused_the_rest_is_counted() {
    const COUNT: usize = 300;
    let fired = FiredTimers::default();
    let _guard = metrics::set_default_local_recorder(&fired);
    let world = World::new().await;
    world.many(COUNT as u32, |_| None).await;
    world.until_minute(54).await;
    let before = fired.0.load(Relaxed);
    // The last: it is written after others.
    let last = format!("l{}", COUNT - 1);
    world.store.fail_pushes_of(Some(&last));
    world.until_minute(56).await;
    let written = world.gateway.written().len();
    assert!((1..COUNT).contains(&written), "{written}");
    world.store.fail_pushes_of(None);
    world.until_minute(57).await;
    assert_eq!(world.gateway.written().len(), COUNT, "each once");
    assert_eq!(fired.0.load(Relaxed) - before, COUNT as u64);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_declared_is_adopted_where_the_app_allows_it() {
    let world = World::new().await;
    world.devices(1..2).await;
    let shows = ToldToken {
        content_state: Some(json!({"status": "active"})),
        attributes: Some(json!({"childId": "7"})),
        ..told(1)
    };
    assert_eq!(
        world.token(1, &shows).await.unwrap_err(),
        ActivityRefusal::Unknown
    );
    let settings = AppSettings {
        live_activities: LiveActivitySettings { adopt: true },
        ..AppSettings::default()
    };
    let directory = world.engine.directory();
    let app = directory.app_by_no(world.app).unwrap();
    assert_eq!(world.app(&app.id, settings).await, world.app);
    let Err(ActivityRefusal::Invalid(problems)) = world.token(1, &told(1)).await else {
        panic!("adopted without what it shows");
    };
    assert_eq!(problems[0].pointer, "/content_state");
    assert!(world.token(1, &shows).await.unwrap().is_new);
    assert!(
        !world.token(1, &shows).await.unwrap().is_new,
        "the same again"
    );
    assert_eq!(world.events("live_activity.started").await.len(), 1);
    let adopted = OpenActivity::read(&world.activity().await).unwrap();
    assert_eq!(
        (adopted.run.state, adopted.is_adopted),
        (ActivityState::Active, true)
    );
    assert_eq!(adopted.plan.recipient, Recipient::User("u1".into()));
    assert_eq!(adopted.plan.attributes, json!({"childId": "7"}));
    // The plan comes later, and keeps its phones.
    world.until_minute(11).await;
    assert_eq!(world.pushes(), [], "it shows it already");
    let other = lesson(json!({"attributes_type": "Ride"}));
    assert!(matches!(
        world.put(other).await,
        Err(ActivityRefusal::Invalid(_))
    ));
    assert!(!world.put(lesson(json!({}))).await.unwrap().is_new);
    world.until_minute(80).await;
    assert_eq!(
        world.pushes(),
        [push(1, "update", "ending"), push(1, "end", "ended")]
    );
}

#[tokio::test(start_paused = true)]
async fn an_adopted_one_ends_with_its_phones_and_there_are_only_so_many() {
    let world = World::new().await;
    world.devices(1..2).await;
    let settings = AppSettings {
        live_activities: LiveActivitySettings { adopt: true },
        ..AppSettings::default()
    };
    let id = world
        .engine
        .directory()
        .app_by_no(world.app)
        .unwrap()
        .id
        .clone();
    world.app(&id, settings).await;
    let device = world.device(1).await;
    let tell = async |n: u8| {
        let told = ToldToken {
            content_state: Some(json!({"status": "active"})),
            ..told(n)
        };
        let id = format!("l{n}");
        let told = world
            .engine
            .tell_update_token(world.app, &id, &device, &told);
        told.await.unwrap()
    };
    for n in 1..6 {
        tell(n).await.unwrap();
    }
    let Err(ActivityRefusal::Invalid(problems)) = tell(6).await else {
        panic!("a sixth was adopted");
    };
    assert_eq!(problems[0].code, "live_activity.too_many");
    let gone = world.engine.tell_gone(world.app, "l3", &device, false);
    gone.await.unwrap().unwrap();
    let stored = world.store.live_activity(world.app, "l3".into()).await;
    assert_eq!(stored.unwrap().unwrap().state, ActivityState::Ended);
    tell(6).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_phone_starts_only_so_many_and_those_of_most_relevance() {
    let world = World::new().await;
    world.devices(1..2).await;
    world.can_start(1, 0xaa).await;
    for n in 0..7 {
        // Two of the same instant take the last place.
        let starts_at = at(10 + i64::min(n, 5));
        let request = lesson(json!({"starts_at": starts_at, "ends_at": at(70), "relevance": n}));
        let id = format!("l{n}");
        let put = world.engine.put_live_activity(world.app, &id, request);
        put.await.unwrap().unwrap();
    }
    world.until_minute(14).await;
    let device = world.device(1).await;
    let gone = world.engine.tell_gone(world.app, "l0", &device, false);
    gone.await.unwrap().unwrap();
    world.until_minute(16).await;
    assert_eq!(world.pushes().len(), 6, "a sixth after one was gone");
    let records = async |id: &str| {
        let stored = world.store.live_activity(world.app, id.into()).await;
        let no = stored.unwrap().unwrap().no;
        let records = world.store.live_activity_records(no, 10).await.unwrap();
        let what = records
            .into_iter()
            .map(|record| (record.what.what, record.what.phone));
        what.collect::<Vec<_>>()
    };
    assert_eq!(records("l6").await, [(RecordKind::Started, None)]);
    assert_eq!(
        records("l5").await,
        [(RecordKind::NoRoom, Some(device.no.0))]
    );
    assert_eq!(world.events("live_activity.token_missing").await.len(), 0);
}
