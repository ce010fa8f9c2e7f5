//! Live Activities: a lesson's whole life over changes of plan, late and rotating tokens, crashes and two schedulers.

use crate::world::{T0, World};
use carillon_engine::live_activity::{ActivityAnswer, ActivityRefusal, ToldToken};
use carillon_model::UnixMs;
use carillon_model::environment::TokenEnvironment;
use carillon_model::live_activity::{
    ActivityChange, ActivityRequest, ActivityState, EndRequest, RecordKind,
};
use carillon_ports::clock::Clock as _;
use carillon_ports::live_activity::{ActivityRecord, LiveActivityStore as _, StoredActivity};
use carillon_ports::registry::{Device, Registry as _};
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: i64 = 60_000;

fn at(minutes: i64) -> String {
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
        attributes_type: "Lesson".into(),
        content_state: None,
    }
}

impl World {
    async fn device(&self, number: u64) -> Device {
        let found = self.store.device(self.app, format!("d{number}")).await;
        found.unwrap().unwrap()
    }

    async fn can_start(&self, number: u64, token: u8) {
        let device = self.device(number).await;
        let told = Some((
            format!("{token:02x}").repeat(32),
            TokenEnvironment::Production,
        ));
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

    /// Until so many minutes after [`T0`], and a little more.
    async fn until_minute(&self, minutes: i64) {
        let left = T0 + minutes * MINUTE - self.clock.now();
        self.pass(u64::try_from(left).unwrap() + 3_000).await;
    }

    /// First byte of the push token, event and status of all pushes; and that their timestamps rise.
    fn pushes(&self) -> Vec<(u8, String, String)> {
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

fn push(token: u8, event: &str, status: &str) -> (u8, String, String) {
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
    world.devices(1..2).await;
    let device = world.device(1).await;
    for n in 0..300 {
        let id = format!("l{n}");
        let request = lesson(json!({"start": "app", "alert": null}));
        world
            .engine
            .put_live_activity(world.app, &id, request)
            .await
            .unwrap()
            .unwrap();
        let told = ToldToken {
            push_token: format!("{n:064x}"),
            content_state: Some(json!({"status": "active"})),
            ..told(1)
        };
        world
            .engine
            .tell_update_token(world.app, &id, &device, &told)
            .await
            .unwrap()
            .unwrap();
    }
    let is_so = async || world.gateway.written().len() == 300;
    world.until_minute(55).await;
    world.until(Duration::from_secs(60), is_so).await;
    let left: UnixMs = T0 + 80 * MINUTE - world.clock.now();
    world.pass(u64::try_from(left).unwrap()).await;
    assert_eq!(world.gateway.written().len(), 600);
}
