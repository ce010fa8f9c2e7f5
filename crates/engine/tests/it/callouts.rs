//! Call-outs: asked when a schedule is due, sent once, over crashes, and nobody else has to wait.

use crate::world::{T0, World, nobody};
use carillon_engine::{EngineConfig, Origin, SendItem};
use carillon_model::app::AppSettings;
use carillon_model::callout::CalloutResult;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::notification::NotificationChange;
use carillon_model::push_type::TokenKind;
use carillon_model::schedule::{RunResult, ScheduleDefinition};
use carillon_model::webhook::WebhookSecrets;
use carillon_ports::callout::{CalloutRun, CalloutStore as _};
use carillon_ports::clock::Clock as _;
use carillon_ports::memory::answered;
use carillon_ports::registry::Registry as _;
use carillon_ports::schedule::{NewRun, ScheduleStore as _};
use carillon_ports::timer::SendState;
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: i64 = 60_000;

async fn define(
    world: &World,
    app: AppNo,
    kind: DefinitionKind,
    name: &str,
    body: String,
) -> Definition {
    let no = world.store.definition_no(app, kind, name.into());
    let (no, now) = (no.await.unwrap(), world.clock.now());
    let secrets = WebhookSecrets::new("whsec_x".into(), now);
    let sealed = world.engine.seal_webhook(no, &secrets);
    let sealed = (kind == DefinitionKind::Callout).then_some(sealed);
    let put = world
        .store
        .put_definition(no, app, kind, name.into(), body, sealed, now, nobody());
    let stored = put.await.unwrap();
    world.engine.refresh().await.unwrap();
    stored
}

async fn callout_of(world: &World, app: AppNo, with: Value) -> Definition {
    let mut body = json!({"url": "https://app.example/news", "timeout_ms": 1_000, "attempts": 2});
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    define(
        world,
        app,
        DefinitionKind::Callout,
        "news",
        body.to_string(),
    )
    .await
}

async fn callout(world: &World, with: Value) -> Definition {
    callout_of(world, world.app, with).await
}

/// Due at every full hour; [`T0`] is one.
async fn schedule_of(world: &World, app: AppNo, name: &str, notification: Value) -> Definition {
    let body = json!({
        "cron": "0 * * * *", "time_zone": "UTC", "notification": notification
    });
    let read: ScheduleDefinition = serde_json::from_value(body).unwrap();
    let body = serde_json::to_string(&read).unwrap();
    define(world, app, DefinitionKind::Schedule, name, body).await
}

fn asking() -> Value {
    json!({
        "target": {"users": ["u1"]},
        "content_from": {"callout": "news", "data": {"edition": "noon"}}
    })
}

async fn schedule(world: &World) -> Definition {
    let daily = schedule_of(world, world.app, "daily", asking()).await;
    near_the_hour(world);
    daily
}

/// Two seconds before the next full hour.
fn near_the_hour(world: &World) {
    let hour = 60 * MINUTE;
    let now = world.clock.now();
    world.clock.jump(hour - now.rem_euclid(hour) - 2_000);
}

/// Runs of the call-out, oldest first.
async fn asked(world: &World, callout: &Definition) -> Vec<CalloutRun> {
    let runs = world.store.callout_runs(callout.no, None, 100);
    let mut runs = runs.await.unwrap();
    runs.reverse();
    runs
}

/// Runs of the schedule, oldest first.
async fn told(world: &World, schedule: &Definition) -> Vec<NewRun> {
    let runs = world.store.schedule_runs(schedule.no, None, 100);
    runs.await
        .unwrap()
        .into_iter()
        .rev()
        .map(|run| run.what)
        .collect()
}

async fn until_ended(world: &World, callout: &Definition, count: usize) -> Vec<CalloutRun> {
    let is_so = async || {
        let runs = asked(world, callout).await;
        runs.iter().filter(|run| run.finished_at.is_some()).count() >= count
    };
    world.until(Duration::from_secs(600), is_so).await;
    world.pass(2_000).await;
    asked(world, callout).await
}

fn body_of(world: &World) -> Vec<String> {
    let written = world.gateway.written();
    written
        .iter()
        .map(|written| String::from_utf8_lossy(&written.payload).into_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_is_sent_once_with_its_run() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule(&world).await;
    world
        .receivers
        .answer(|_| (500, answered(200, r#"{"content":{"body":"Rain at noon"}}"#)));
    let runs = until_ended(&world, &news, 1).await;
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!(run.result, CalloutResult::Answered, "{run:?}");
    assert_eq!(
        (run.due_at, run.attempts, run.begun),
        (T0 + 60 * MINUTE, 1, 1)
    );
    let (began, ended) = (run.started_at.unwrap(), run.finished_at.unwrap());
    assert!(began >= run.due_at && ended >= began + 500);
    assert_eq!(run.failure, None);

    let turns = told(&world, &daily).await;
    assert_eq!(turns.len(), 1);
    assert_eq!(
        (turns[0].result, turns[0].due_at, turns[0].notification),
        (RunResult::Sent, run.due_at, run.notification)
    );
    let view = world.completed(run.notification.unwrap()).await;
    assert_eq!(view.deliveries, 1);
    assert!(body_of(&world)[0].contains("Rain at noon"));

    let questions = world.receivers.questions();
    assert_eq!(questions.len(), 1);
    let question: Value = serde_json::from_slice(&questions[0].1.body).unwrap();
    assert_eq!(
        question,
        json!({
            "type": "callout.asked", "timestamp": "2027-01-15T09:00:00Z", "app": "shop",
            "callout": "news", "schedule": "daily", "data": {"edition": "noon"}
        })
    );
    // And the next time again.
    near_the_hour(&world);
    let runs = until_ended(&world, &news, 2).await;
    assert_eq!(runs[1].due_at, T0 + 120 * MINUTE);
    assert_ne!(world.receivers.questions()[1].1.id, questions[0].1.id);
    assert_eq!(world.gateway.written().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_it_is_asked_asks_again_under_the_same_id() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule(&world).await;
    world
        .receivers
        .answer(|_| (900, answered(200, r#"{"content":{"body":"late"}}"#)));
    let is_asked = async || !world.receivers.questions().is_empty();
    world.until(Duration::from_secs(86_400), is_asked).await;
    let world = world.crash().await;
    let runs = until_ended(&world, &news, 1).await;
    assert_eq!(runs.len(), 1, "the same run");
    assert_eq!(
        (runs[0].result, runs[0].begun, runs[0].due_at),
        (CalloutResult::Answered, 2, T0 + 60 * MINUTE)
    );
    let questions = world.receivers.questions();
    assert_eq!(questions.len(), 2);
    assert_eq!(questions[0].1.id, questions[1].1.id);
    assert_eq!(questions[0].1.body, questions[1].1.body);
    let turns = told(&world, &daily).await;
    assert_eq!(turns.len(), 1);
    assert_eq!(world.gateway.written().len(), 1, "sent once");
}

#[tokio::test(start_paused = true)]
async fn the_worker_asks_for_the_scheduler_and_another_goes_on() {
    let world = World::shared("api,scheduler,sender").await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule(&world).await;
    world
        .receivers
        .answer(|_| (900, answered(200, r#"{"content":{"body":"late"}}"#)));
    // Nobody works: it waits.
    let waits = async || asked(&world, &news).await.len() == 1;
    world.until(Duration::from_secs(60), waits).await;
    world.pass(10_000).await;
    assert!(world.receivers.questions().is_empty());
    assert_eq!(asked(&world, &news).await[0].started_at, None);
    let first = world.another("worker").await;
    let second = world.another("worker").await;
    let is_asked = async || !world.receivers.questions().is_empty();
    world.until(Duration::from_secs(60), is_asked).await;
    drop(first);
    let runs = until_ended(&second, &news, 1).await;
    assert_eq!(runs.len(), 1, "the same run");
    assert_eq!(
        (runs[0].result, runs[0].begun, runs[0].due_at),
        (CalloutResult::Answered, 2, T0 + 60 * MINUTE)
    );
    let questions = world.receivers.questions();
    assert_eq!(questions.len(), 2);
    assert_eq!(questions[0].1.id, questions[1].1.id);
    assert_eq!(told(&world, &daily).await.len(), 1);
    world.completed(runs[0].notification.unwrap()).await;
    assert_eq!(world.gateway.written().len(), 1, "sent once");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_of_asking_gives_up() {
    let mut world = World::with(EngineConfig {
        callout_begins: 2,
        ..EngineConfig::default()
    })
    .await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule(&world).await;
    world.receivers.answer(|_| (900, answered(204, "")));
    for asked in 1..3 {
        let is_asked = async || world.receivers.questions().len() >= asked;
        world.until(Duration::from_secs(86_400), is_asked).await;
        world = world.crash().await;
    }
    let runs = until_ended(&world, &news, 1).await;
    assert_eq!(runs[0].result, CalloutResult::Failed);
    assert_eq!(runs[0].failure.as_ref().unwrap().0, "callout.interrupted");
    assert_eq!(world.receivers.questions().len(), 2);
    assert_eq!(told(&world, &daily).await[0].result, RunResult::Failed);
}

#[tokio::test(start_paused = true)]
async fn without_a_good_answer_the_fallback_says_what_becomes_of_it() {
    let content = json!({"content": {"body": "Nothing new"}});
    for (fallback, expected, turn, sent) in [
        (json!("fail"), CalloutResult::Failed, RunResult::Failed, 0),
        (json!("skip"), CalloutResult::Skipped, RunResult::Skipped, 0),
        (content, CalloutResult::Fallback, RunResult::Sent, 1),
    ] {
        for (status, body, attempts, code) in [
            (500, "", 2, "callout.status"),
            (404, "", 1, "callout.status"),
            (200, "nonsense", 1, "callout.answer"),
            (200, r#"{"variables":{}}"#, 1, "callout.answer"),
            (200, r#"{"content":{"body":"x","badge":-1}}"#, 1, ""),
        ] {
            let world = World::new().await;
            world.devices(1..2).await;
            let news = callout(&world, json!({"fallback": fallback})).await;
            let daily = schedule(&world).await;
            world.receivers.answer(move |_| (1, answered(status, body)));
            let runs = until_ended(&world, &news, 1).await;
            let run = &runs[0];
            assert_eq!((run.result, run.attempts), (expected, attempts), "{run:?}");
            let failure = run.failure.as_ref().unwrap();
            assert!(failure.0.starts_with(code), "{failure:?}");
            let turns = told(&world, &daily).await;
            assert_eq!((turns.len(), turns[0].result), (1, turn));
            assert_eq!(world.gateway.written().len(), sent, "{fallback} {status}");
            let events = world.events("schedule.failed").await;
            assert_eq!(events.len(), usize::from(turn == RunResult::Failed));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_answers_204_sends_nothing() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule(&world).await;
    until_ended(&world, &news, 1).await;
    near_the_hour(&world);
    let runs = until_ended(&world, &news, 2).await;
    for run in &runs {
        assert_eq!((run.result, &run.failure), (CalloutResult::Skipped, &None));
    }
    let turns = told(&world, &daily).await;
    let results: Vec<_> = turns.iter().map(|run| run.result).collect();
    assert_eq!(results, [RunResult::Skipped, RunResult::Skipped]);
    assert_eq!(world.gateway.written().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_one_is_asked_again_and_then_it_is_over() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({"fallback": {"content": {"body": "Later"}}})).await;
    schedule(&world).await;
    world.receivers.answer(|_| (60_000, answered(204, "")));
    let runs = until_ended(&world, &news, 1).await;
    let run = &runs[0];
    assert_eq!((run.result, run.attempts), (CalloutResult::Fallback, 2));
    // Two attempts of a second, and a second between them.
    let took = run.finished_at.unwrap() - run.started_at.unwrap();
    assert!((3_000..4_000).contains(&took), "{took}");
    assert!(body_of(&world)[0].contains("Later"));
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_it_is_asked_sends_nothing() {
    for is_deleted in [true, false] {
        let world = World::new().await;
        world.devices(1..2).await;
        let news = callout(&world, json!({})).await;
        let daily = schedule(&world).await;
        world
            .receivers
            .answer(|_| (900, answered(200, r#"{"content":{"body":"too late"}}"#)));
        let is_asked = async || !world.receivers.questions().is_empty();
        world.until(Duration::from_secs(86_400), is_asked).await;
        if is_deleted {
            let (kind, now) = (DefinitionKind::Schedule, world.clock.now());
            let name = daily.name.clone();
            let gone = world
                .store
                .delete_definition(world.app, kind, name, now, nobody());
            assert!(gone.await.unwrap());
        } else {
            let other = json!({"target": {"users": ["u1"]}, "content": {"body": "said"}});
            schedule_of(&world, world.app, "daily", other).await;
        }
        world.engine.refresh().await.unwrap();
        world.pass(5_000).await;
        let runs = asked(&world, &news).await;
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].result, CalloutResult::Overtaken, "{:?}", runs[0]);
        assert_eq!(world.gateway.written().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_ones_of_an_app_delay_no_other_schedule_and_no_other_app() {
    let world = World::with(EngineConfig {
        callout_concurrency: 2,
        callout_calls: 3,
        ..EngineConfig::default()
    })
    .await;
    world.devices(1..2).await;
    let slow = callout(&world, json!({"timeout_ms": 60_000, "attempts": 1})).await;
    for n in 0..6 {
        schedule_of(&world, world.app, &format!("slow{n}"), asking()).await;
    }
    let plain = json!({"target": {"users": ["u1"]}, "content": {"body": "plain"}});
    schedule_of(&world, world.app, "plain", plain).await;
    let other = world.app("other", AppSettings::default()).await;
    world
        .credential(
            other,
            "key",
            crate::fake_gateway::signing_key(&Environment::ALL),
        )
        .await;
    let production = TokenEnvironment::Production;
    world
        .devices_of(other, 1..2, TokenKind::Alert, production)
        .await;
    let quick = callout_of(&world, other, json!({"url": "https://quick.example/x"})).await;
    schedule_of(&world, other, "quick", asking()).await;
    near_the_hour(&world);
    world.receivers.answer(|call| {
        let said = r#"{"content":{"body":"asked"}}"#;
        if call.url.as_str().contains("quick") {
            (5, answered(200, said))
        } else {
            (50_000, answered(200, said))
        }
    });
    let is_quick_over = async || {
        let runs = asked(&world, &quick).await;
        runs.iter().any(|run| run.finished_at.is_some())
    };
    world
        .until(Duration::from_secs(86_400), is_quick_over)
        .await;
    world.pass(1_000).await;
    assert!(world.clock.now() - (T0 + 60 * MINUTE) < 5_000);
    assert_eq!(
        world.gateway.written().len(),
        2,
        "the plain and the quick one"
    );
    assert!(world.receivers.most_running() <= 3);
    let runs = asked(&world, &slow).await;
    assert_eq!(runs.len(), 6, "what waits for its turn is written down too");
    let waiting = runs.iter().filter(|run| run.started_at.is_none()).count();
    assert_eq!(waiting, 4);
    let runs = until_ended(&world, &slow, 6).await;
    for run in &runs[..6] {
        assert_eq!(
            (run.result, run.due_at),
            (CalloutResult::Answered, T0 + 60 * MINUTE)
        );
    }
    assert_eq!(world.gateway.written().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_while_nobody_looked_is_not_asked() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule_of(&world, world.app, "daily", asking()).await;
    // As after a downtime: two and a half hours later, and a schedule fires if it is late by less than one.
    world.clock.jump(150 * MINUTE);
    let runs = until_ended(&world, &news, 1).await;
    assert_eq!(world.receivers.questions().len(), 1);
    assert_eq!(runs[0].result, CalloutResult::Skipped);
    let turns = told(&world, &daily).await;
    let seen: Vec<_> = turns
        .iter()
        .map(|run| ((run.due_at - T0) / MINUTE, run.result, run.times))
        .collect();
    assert_eq!(
        seen,
        [(60, RunResult::Skipped, 1), (120, RunResult::Skipped, 1)],
        "the first was missed; the second was asked, and answered 204"
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_for_long_makes_it_missed() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule(&world).await;
    world.receivers.answer(|_| (900, answered(204, "")));
    let is_asked = async || !world.receivers.questions().is_empty();
    world.until(Duration::from_secs(86_400), is_asked).await;
    world.clock.jump(59 * MINUTE);
    let world = world.crash().await;
    world.clock.jump(4 * MINUTE);
    let runs = until_ended(&world, &news, 1).await;
    let first = &runs[0];
    assert_eq!((first.due_at, first.begun), (T0 + 60 * MINUTE, 2));
    let turns = told(&world, &daily).await;
    assert_eq!(turns[0].due_at, T0 + 60 * MINUTE);
    assert_eq!(turns[0].result, RunResult::Skipped);
}

// === notifications that wait for their time, campaigns, and runs by hand ===

async fn send(world: &World, with: Value) -> NotificationNo {
    let mut request = asking();
    for (key, value) in with.as_object().unwrap() {
        request[key] = value.clone();
    }
    let item = SendItem {
        request: serde_json::from_value(request).unwrap(),
        idempotency: None,
        origin: Origin::default(),
    };
    let mut answers = world.engine.send(world.app, vec![item]).await.unwrap();
    answers.remove(0).unwrap().no
}

fn at(minutes: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(T0 + minutes * MINUTE).unwrap();
    at.to_string()
}

async fn campaign(world: &World) -> NotificationNo {
    let body = json!({
        "name": "spring", "audience": {"all": true}, "pace": {"per_second": 4}, "slice_size": 3,
        "content_from": {"callout": "news"}
    });
    let request = serde_json::from_value(body).unwrap();
    let answer = world.engine.create_campaign(world.app, request, None).await;
    answer.unwrap().unwrap().no
}

/// A question's fields, without those that are the same for all.
fn question(world: &World, at: usize) -> Value {
    let mut question: Value =
        serde_json::from_slice(&world.receivers.questions()[at].1.body).unwrap();
    for (field, expected) in [
        ("type", "callout.asked"),
        ("app", "shop"),
        ("callout", "news"),
    ] {
        let found = question.as_object_mut().unwrap().remove(field);
        assert_eq!(found, Some(json!(expected)));
    }
    question
}

#[tokio::test(start_paused = true)]
async fn a_send_at_a_time_is_asked_then_and_one_without_at_once() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    world
        .receivers
        .answer(|_| (500, answered(200, r#"{"content":{"body":"Rain"}}"#)));
    let later = send(&world, json!({"send_at": at(10), "expires_in": "1h"})).await;
    world.pass(60_000).await;
    assert_eq!(world.receivers.questions().len(), 0, "not before its time");
    let runs = until_ended(&world, &news, 1).await;
    let run = &runs[0];
    assert_eq!(
        (run.result, run.due_at, run.schedule, run.notification),
        (CalloutResult::Answered, T0 + 10 * MINUTE, None, Some(later))
    );
    let view = world.completed(later).await;
    assert_eq!(
        (view.deliveries, view.head.send_at),
        (1, Some(T0 + 10 * MINUTE))
    );
    assert!(body_of(&world)[0].contains("Rain"));
    let id = view.head.no.public(view.head.accepted_at);
    assert_eq!(
        question(&world, 0),
        json!({"timestamp": at(10), "notification": id, "data": {"edition": "noon"}})
    );

    let now = send(&world, json!({})).await;
    let runs = until_ended(&world, &news, 2).await;
    assert_eq!(runs[1].notification, Some(now));
    assert_eq!(world.completed(now).await.deliveries, 1);
    assert_eq!(world.gateway.written().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_campaign_asks_once_for_all_of_it_over_crashes() {
    let world = World::new().await;
    world.devices(1..11).await;
    let news = callout(&world, json!({})).await;
    world
        .receivers
        .answer(|_| (900, answered(200, r#"{"content":{"body":"Spring"}}"#)));
    let no = campaign(&world).await;
    let is_asked = async || !world.receivers.questions().is_empty();
    world.until(Duration::from_secs(60), is_asked).await;
    assert_eq!(world.view(no).await.deliveries, 0);
    let world = world.crash().await;
    let runs = until_ended(&world, &news, 1).await;
    assert_eq!(
        (runs[0].result, runs[0].begun),
        (CalloutResult::Answered, 2)
    );
    let world = world.crash().await;
    let view = world.completed(no).await;
    assert_eq!(view.deliveries, 10);
    let said = body_of(&world);
    assert_eq!(said.len(), 10);
    assert!(said.iter().all(|body| body.contains("Spring")));
    let questions = world.receivers.questions();
    assert_eq!(questions.len(), 2, "again after the crash, and never more");
    assert_eq!(
        (&questions[0].1.id, &questions[0].1.body),
        (&questions[1].1.id, &questions[1].1.body)
    );
    let head = &view.head;
    let ids = json!({
        "timestamp": at(0), "notification": head.no.public(head.accepted_at),
        "campaign": carillon_model::campaign::public(head.no, head.accepted_at), "data": null
    });
    let mut seen = question(&world, 0);
    seen["timestamp"] = ids["timestamp"].clone();
    assert_eq!(seen, ids);
}

#[tokio::test(start_paused = true)]
async fn a_run_by_hand_asks_and_tells_for_which_schedule() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let daily = schedule_of(&world, world.app, "daily", asking()).await;
    world
        .receivers
        .answer(|_| (900, answered(200, r#"{"content":{"body":"now"}}"#)));
    let ran = world.engine.run_schedule(world.app, &daily, None).await;
    let no = ran.unwrap().unwrap().no;
    let is_asked = async || !world.receivers.questions().is_empty();
    world.until(Duration::from_secs(60), is_asked).await;
    let world = world.crash().await;
    let runs = until_ended(&world, &news, 1).await;
    assert_eq!(
        (runs.len(), runs[0].schedule, runs[0].notification),
        (1, Some(daily.no), Some(no))
    );
    assert_eq!(world.completed(no).await.deliveries, 1);
    assert_eq!(world.gateway.written().len(), 1);
    for at in 0..2 {
        assert_eq!(question(&world, at)["schedule"], "daily");
    }
    let turns = told(&world, &daily).await;
    assert_eq!(
        (turns.len(), turns[0].result, turns[0].notification),
        (1, RunResult::Sent, Some(no))
    );
}

#[tokio::test(start_paused = true)]
async fn a_send_without_a_good_answer_ends_as_the_fallback_says() {
    let content = json!({"content": {"body": "Nothing new"}});
    for (fallback, status, expected, sent) in [
        (json!("fail"), 404, CalloutResult::Failed, 0),
        (json!("skip"), 404, CalloutResult::Skipped, 0),
        (json!("fail"), 204, CalloutResult::Skipped, 0),
        (content, 404, CalloutResult::Fallback, 2),
    ] {
        let world = World::new().await;
        world.devices(1..2).await;
        let news = callout(&world, json!({"fallback": fallback})).await;
        world.receivers.answer(move |_| (1, answered(status, "")));
        let no = send(&world, json!({"send_at": at(10)})).await;
        let of_all = campaign(&world).await;
        let runs = until_ended(&world, &news, 2).await;
        for run in &runs {
            assert_eq!(run.result, expected, "{fallback} {status}");
            assert_eq!(run.failure.is_some(), status != 204);
        }
        assert_eq!(world.gateway.written().len(), sent);
        let events = world.events("timer.failed").await;
        if expected == CalloutResult::Failed {
            assert_eq!(events.len(), 2);
            for no in [no, of_all] {
                let plan = world.view(no).await.plan.unwrap();
                let SendState::SetAside { last_error, .. } = plan.state else {
                    panic!("{plan:?}");
                };
                let why = last_error.unwrap();
                assert!(
                    why.contains("the call-out news") && why.contains("404"),
                    "{why}"
                );
            }
        } else {
            assert_eq!(events.len(), 0);
            for no in [no, of_all] {
                let deliveries = world.completed(no).await.deliveries;
                assert_eq!(deliveries, u64::from(sent > 0));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_set_aside_is_asked_again_when_it_is_changed() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    world.receivers.answer(|_| (1, answered(404, "")));
    let no = send(&world, json!({})).await;
    until_ended(&world, &news, 1).await;
    world
        .receivers
        .answer(|_| (1, answered(200, r#"{"content":{"body":"Better"}}"#)));
    let change = json!({"send_at": at(10), "if_past": "send_now"});
    let change: NotificationChange = serde_json::from_value(change).unwrap();
    let changed = world.engine.change(world.app, no, &change).await;
    changed.unwrap().unwrap();
    let runs = until_ended(&world, &news, 2).await;
    assert_eq!(runs[1].result, CalloutResult::Answered);
    world.completed(no).await;
    assert!(body_of(&world)[0].contains("Better"));
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_or_said_while_it_is_asked_is_not_what_is_answered() {
    for is_cancelled in [true, false] {
        let world = World::new().await;
        world.devices(1..2).await;
        let news = callout(&world, json!({})).await;
        world
            .receivers
            .answer(|_| (900, answered(200, r#"{"content":{"body":"too late"}}"#)));
        let no = send(&world, json!({})).await;
        let is_asked = async || !world.receivers.questions().is_empty();
        world.until(Duration::from_secs(60), is_asked).await;
        if is_cancelled {
            let cancelled = world.engine.cancel(world.app, no).await;
            assert!(cancelled.unwrap().unwrap().confirmed);
        } else {
            let change = json!({"content": {"body": "said"}});
            let change: NotificationChange = serde_json::from_value(change).unwrap();
            let changed = world.engine.change(world.app, no, &change).await;
            changed.unwrap().unwrap();
        }
        world.pass(5_000).await;
        let runs = asked(&world, &news).await;
        assert_eq!((runs.len(), runs[0].result), (1, CalloutResult::Overtaken));
        world.completed(no).await;
        let said = body_of(&world);
        assert_eq!(said.len(), usize::from(!is_cancelled));
        assert!(said.iter().all(|body| body.contains("said")));
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_or_lost_its_call_out_asks_nobody() {
    let world = World::new().await;
    world.devices(1..2).await;
    let news = callout(&world, json!({})).await;
    let no = send(&world, json!({"send_at": at(10), "expires_in": "5m"})).await;
    let other = send(&world, json!({"send_at": at(60)})).await;
    world.clock.jump(20 * MINUTE);
    assert_eq!(world.completed(no).await.deliveries, 0);
    let (kind, now) = (DefinitionKind::Callout, world.clock.now());
    let gone = world
        .store
        .delete_definition(world.app, kind, "news".into(), now, nobody());
    assert!(gone.await.unwrap());
    world.engine.refresh().await.unwrap();
    world.clock.jump(40 * MINUTE);
    let is_tried = async || match world.view(other).await.plan.unwrap().state {
        SendState::Waiting { last_error, .. } => last_error.is_some(),
        _ => false,
    };
    world.until(Duration::from_secs(600), is_tried).await;
    assert_eq!(asked(&world, &news).await, []);
    assert_eq!(world.gateway.written().len(), 0);
}
