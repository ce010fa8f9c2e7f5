//! Schedules: due by the clock, once; what was missed; what is refused; what is asked for.

use crate::world::{T0, World, nobody};
use carillon_engine::IdempotencyKey;
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::schedule::{RunCause, RunResult, ScheduleDefinition};
use carillon_ports::campaign::CampaignStore as _;
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::Registry as _;
use carillon_ports::schedule::{NewRun, ScheduleStore as _};
use carillon_ports::timer::DueAsk;
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Due at every full minute; [`T0`] is one, and a full hour.
fn minutely(with: Value) -> Value {
    let mut body = json!({
        "cron": "* * * * *", "time_zone": "UTC",
        "notification": {"target": {"users": ["u1"]}, "content": {"body": "hello"}}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

async fn define(world: &World, kind: DefinitionKind, name: &str, body: Value) -> Definition {
    let no = world.store.definition_no(world.app, kind, name.into());
    let (no, app, now) = (no.await.unwrap(), world.app, world.clock.now());
    let body = match kind {
        DefinitionKind::Schedule => {
            let read: ScheduleDefinition = serde_json::from_value(body).unwrap();
            serde_json::to_string(&read).unwrap()
        }
        _ => body.to_string(),
    };
    let put = world
        .store
        .put_definition(no, app, kind, name.into(), body, None, now, nobody());
    let stored = put.await.unwrap();
    world.engine.refresh().await.unwrap();
    stored
}

async fn schedule(world: &World, body: Value) -> Definition {
    define(world, DefinitionKind::Schedule, "news", body).await
}

/// Its runs, oldest first.
async fn runs(world: &World, of: &Definition) -> Vec<NewRun> {
    let runs = world.store.schedule_runs(of.no, None, 100).await.unwrap();
    runs.into_iter().rev().map(|run| run.what).collect()
}

/// How many units of time after [`T0`] runs were due, and what came of them.
fn told(runs: &[NewRun], unit: i64) -> Vec<(i64, RunResult, u32)> {
    let after = |at: UnixMs| (at - T0) / unit;
    runs.iter()
        .map(|run| (after(run.due_at), run.result, run.times))
        .collect()
}

async fn until_runs(world: &World, of: &Definition, count: usize) -> Vec<NewRun> {
    let is_so = async || runs(world, of).await.len() >= count;
    world.until(Duration::from_secs(86_400), is_so).await;
    world.pass(2_000).await;
    runs(world, of).await
}

#[tokio::test(start_paused = true)]
async fn it_is_sent_each_time_once_also_over_a_crash() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = schedule(&world, minutely(json!({}))).await;
    let seen = until_runs(&world, &news, 2).await;
    assert_eq!(
        told(&seen, MINUTE),
        [(1, RunResult::Sent, 1), (2, RunResult::Sent, 1)]
    );
    for run in &seen {
        assert_eq!(run.cause, RunCause::Due);
        assert!((0..2_000).contains(&(run.fired_at - run.due_at)), "{run:?}");
        let view = world.hot.notification(world.app, run.notification.unwrap());
        assert_eq!(view.await.unwrap().unwrap().deliveries, 1);
    }
    let world = world.crash().await;
    let seen = until_runs(&world, &news, 3).await;
    assert_eq!(seen.len(), 3);
    assert_eq!(world.gateway.written().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn of_what_was_missed_at_most_the_latest_is_sent() {
    use RunResult::{Sent, Skipped};
    for (missed, expected) in [
        (json!("fire"), vec![(1, Skipped, 4), (5, Sent, 1)]),
        (
            json!({"fire_if_late_by_under": "31m"}),
            vec![(1, Skipped, 4), (5, Sent, 1)],
        ),
        (
            json!({"fire_if_late_by_under": "29m"}),
            vec![(1, Skipped, 5)],
        ),
        (json!("skip"), vec![(1, Skipped, 5)]),
    ] {
        let world = World::new().await;
        world.devices(1..2).await;
        let news = schedule(
            &world,
            minutely(json!({"cron": "0 * * * *", "missed": missed})),
        )
        .await;
        // As after a downtime: the clock is five and a half hours on when anybody looks.
        world.clock.jump(5 * HOUR + HOUR / 2);
        let seen = until_runs(&world, &news, expected.len()).await;
        assert_eq!(told(&seen, HOUR), expected, "{missed}");
        let all = until_runs(&world, &news, expected.len() + 1).await;
        assert_eq!(told(&all, HOUR).last(), Some(&(6, Sent, 1)), "it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_a_failed_run_that_is_told() {
    let world = World::new().await;
    world.devices(1..2).await;
    let template = |variables: Value| {
        json!({
            "default_locale": "en", "variables": variables,
            "content": {"en": {"body": "hello"}}
        })
    };
    define(&world, DefinitionKind::Template, "t", template(json!({}))).await;
    let notification = json!({"target": {"users": ["u1"]}, "template": {"name": "t"}});
    let news = schedule(&world, minutely(json!({"notification": notification}))).await;
    until_runs(&world, &news, 1).await;
    let needed = template(json!({"name": {"type": "string"}}));
    define(&world, DefinitionKind::Template, "t", needed).await;
    let seen = until_runs(&world, &news, 2).await;
    let failed = &seen[1];
    assert_eq!(
        (failed.result, failed.notification),
        (RunResult::Failed, None)
    );
    let (code, message) = failed.failure.as_ref().unwrap();
    assert_eq!(code, "template.variable_missing");
    assert!(message.contains("name"), "{message}");
    let events = world.hot.events(world.app, 0, 100).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "schedule.failed")
        .collect();
    assert_eq!(told.len(), 1);
    let data: Value = serde_json::from_str(&told[0].data).unwrap();
    assert_eq!(
        (&*told[0].subject, &data["code"], &data["due_at"]),
        (
            "news",
            &json!("template.variable_missing"),
            &json!(T0 + 2 * MINUTE)
        )
    );
    define(&world, DefinitionKind::Template, "t", template(json!({}))).await;
    let seen = until_runs(&world, &news, 3).await;
    assert_eq!(seen[2].result, RunResult::Sent, "it goes on");
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_changed_or_deleted_is_not_sent_any_more() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = schedule(&world, minutely(json!({}))).await;
    until_runs(&world, &news, 1).await;
    schedule(&world, minutely(json!({"paused": true}))).await;
    world.pass(3 * MINUTE as u64).await;
    assert_eq!(runs(&world, &news).await.len(), 1);
    // Resumed: what passed meanwhile is not made up for.
    schedule(&world, minutely(json!({"missed": "fire"}))).await;
    let seen = until_runs(&world, &news, 2).await;
    assert_eq!(told(&seen, MINUTE)[1..], [(5, RunResult::Sent, 1)]);
    schedule(&world, minutely(json!({"ends_at": "2027-01-15T08:06:30Z"}))).await;
    world.pass(3 * MINUTE as u64).await;
    let seen = runs(&world, &news).await;
    assert_eq!(seen.len(), 3, "once before it ended");
    assert_eq!(seen[2].due_at, T0 + 6 * MINUTE);
    schedule(&world, minutely(json!({}))).await;
    let kind = DefinitionKind::Schedule;
    let deleted = world
        .store
        .delete_definition(world.app, kind, "news".into(), T0, nobody());
    assert!(deleted.await.unwrap());
    world.engine.refresh().await.unwrap();
    world.pass(3 * MINUTE as u64).await;
    assert_eq!(runs(&world, &news).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_asked_for_changes_nothing_else() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = schedule(&world, minutely(json!({"paused": true}))).await;
    let run = async || {
        let key = IdempotencyKey {
            scoped_key: "k".into(),
            body_hash: [1; 32],
        };
        let run = world.engine.run_schedule(world.app, &news, Some(key));
        run.await.unwrap().unwrap()
    };
    let sent = run().await;
    assert!(!sent.repeated);
    assert_eq!(run().await.no, sent.no, "the same key is the same run");
    let seen = runs(&world, &news).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].cause, seen[0].result, seen[0].notification),
        (RunCause::Asked, RunResult::Sent, Some(sent.no))
    );
    world.pass(2 * MINUTE as u64).await;
    assert_eq!(runs(&world, &news).await.len(), 1, "it still rests");
}

/// One that is tried again, because it could not fire at its time, is the run of that time.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_tried_again_keeps_its_time() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = schedule(&world, minutely(json!({}))).await;
    world.store.spoil_user(Some("u1"));
    let timer = async || {
        let ask = DueAsk {
            now: T0 + 2 * MINUTE,
            after: None,
            each: 1,
            most: 1,
            most_bytes: 1,
        };
        let found = world.hot.due_timers(ask).await.unwrap();
        found.timers.into_iter().next().unwrap()
    };
    let is_tried = async || timer().await.attempts == 3;
    world.until(Duration::from_secs(3_600), is_tried).await;
    world.store.spoil_user(None);
    let seen = until_runs(&world, &news, 1).await;
    assert_eq!(seen[0].due_at, T0 + MINUTE, "{seen:?}");
    assert!(seen[0].fired_at > T0 + MINUTE + 3_000, "{seen:?}");
    assert_eq!(told(&seen, MINUTE), [(1, RunResult::Sent, 1)]);
}

/// A campaign to all at every full minute.
fn campaigns(with: Value) -> Value {
    let mut campaign = json!({
        "name": "spring", "audience": {"all": true}, "content": {"body": "hello"},
        "audience_mode": "frozen", "pace": {"per_second": 3}, "expires_in": "1h"
    });
    for (key, value) in with.as_object().unwrap() {
        campaign[key] = value.clone();
    }
    minutely(json!({"notification": null, "campaign": campaign}))
}

#[tokio::test(start_paused = true)]
async fn a_campaign_begins_each_time_also_over_a_crash() {
    let world = World::new().await;
    world.devices(1..8).await;
    let news = schedule(&world, campaigns(json!({}))).await;
    let seen = until_runs(&world, &news, 1).await;
    let world = world.crash().await;
    let first = seen[0].notification.unwrap();
    world.completed(first).await;
    let seen = until_runs(&world, &news, 2).await;
    let second = seen[1].notification.unwrap();
    world.completed(second).await;
    for (run, name) in seen.iter().zip(["2027-01-15T08:01Z", "2027-01-15T08:02Z"]) {
        let no = run.notification.unwrap();
        let view = world.store.campaign(world.app, no).await.unwrap().unwrap();
        assert_eq!(view.head.name, format!("spring@{name}"));
        assert_eq!(view.notification.deliveries, 7);
        let expires_at = view.notification.head.expires_at;
        assert!((HOUR..HOUR + 2_000).contains(&(expires_at.unwrap() - run.due_at)));
    }
    // By hand another one, with a name of its own.
    let ran = world.engine.run_schedule(world.app, &news, None).await;
    let no = ran.unwrap().unwrap().no;
    world.completed(no).await;
    let view = world.store.campaign(world.app, no).await.unwrap().unwrap();
    assert!(view.head.name.len() > "spring@2027-01-15T08:02Z".len());
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_is_there_already_is_a_failed_run() {
    let world = World::new().await;
    world.devices(1..3).await;
    let body = json!({"name": "spring@2027-01-15T08:01Z", "audience": {"all": true}, "content": {"body": "mine"}});
    let request = serde_json::from_value(body).unwrap();
    let made = world.engine.create_campaign(world.app, request, None).await;
    made.unwrap().unwrap();
    let news = schedule(&world, campaigns(json!({}))).await;
    let seen = until_runs(&world, &news, 2).await;
    let failure = seen[0].failure.as_ref().unwrap();
    assert_eq!(
        (seen[0].result, &*failure.0),
        (RunResult::Failed, "schedule.name_taken")
    );
    assert_eq!(seen[1].result, RunResult::Sent, "the next time is another");
    assert_eq!(world.events("schedule.failed").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn monday_at_nine_by_each_readers_clock() {
    let world = World::new().await;
    world.devices(1..3).await;
    let local = json!({
        "pace": null, "local_time": {"at": "09:00", "default_time_zone": "Asia/Seoul"}
    });
    let mut body = campaigns(local);
    // T0 is a Friday at 8:00.
    body["cron"] = json!("0 12 * * SUN");
    let news = schedule(&world, body).await;
    world.clock.jump(52 * HOUR - MINUTE);
    let seen = until_runs(&world, &news, 1).await;
    let no = seen[0].notification.unwrap();
    let view = world.store.campaign(world.app, no).await.unwrap().unwrap();
    assert_eq!(view.head.name, "spring@2027-01-17T12:00Z");
    assert!(
        view.head.plan.contains("2027-01-18T09:00"),
        "{}",
        view.head.plan
    );
    // Nine in Seoul is midnight in UTC.
    let midnight = T0 + (2 * 24 + 16) * HOUR;
    world.clock.jump(midnight - 10_000 - world.clock.now());
    world.pass(5_000).await;
    assert_eq!(world.gateway.written().len(), 0);
    world.completed(no).await;
    let written_at = world.clock.now();
    assert!(
        (0..MINUTE).contains(&(written_at - midnight)),
        "{}",
        written_at - midnight
    );
    assert_eq!(world.gateway.written().len(), 2);
}
