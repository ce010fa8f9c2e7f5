//! What processes on one store know of each other's doings: wake-ups, pauses, rates, trouble.

use crate::fake_gateway::{blocked, signing_key};
use crate::world::{World, to};
use carillon_engine::{PauseAnswer, ResumeAnswer};
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::outcome::{Outcome, TroubleScope};
use carillon_model::push_type::TokenKind;
use carillon_model::rate::{Rate, Rates};
use carillon_ports::clock::Clock as _;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

const LOOK: Duration = Duration::from_millis(250);

async fn sees(world: &World, count: usize) {
    world
        .until(Duration::from_secs(10), async || {
            world.engine.status().instances.len() == count
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_woken_does_not_wait_for_the_next_look() {
    let api = World::shared("api").await.waking().await;
    let _others = [
        api.another("scheduler").await,
        api.another("worker").await,
        api.another("sender").await,
    ];
    sees(&api, 4).await;
    api.devices(1..11).await;
    let crowd = json!({ "target": { "all": true }, "content": { "body": "hello" } });
    for body in [to(1..6), crowd] {
        // Far from a look, of which the last was a moment ago.
        let sent_at = Instant::now();
        let no = api.send(body).await;
        api.until(LOOK * 4, async || {
            let view = api.view(no).await;
            view.completed_at.is_some()
        })
        .await;
        let took = sent_at.elapsed();
        assert!(took < LOOK, "{took:?}");
    }
}

async fn campaign(world: &World, pace: u32) -> NotificationNo {
    let body = json!({
        "name": "spring", "audience": { "all": true }, "content": { "body": "hello" },
        "pace": { "per_second": pace }, "slice_size": 10,
    });
    let request = serde_json::from_value(body).unwrap();
    let answer = world.engine.create_campaign(world.app, request, None);
    answer.await.unwrap().unwrap().no
}

async fn pause(world: &World, no: NotificationNo) -> u64 {
    match world.engine.pause_campaign(world.app, no).await.unwrap() {
        Some(PauseAnswer::Paused { in_flight }) => in_flight,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_reaches_what_another_process_holds() {
    let api = World::shared("api").await;
    let _others = [api.another("worker").await, api.another("sender").await];
    sees(&api, 3).await;
    api.devices(1..201).await;
    // The gateway is slower than the pace: the sender holds what waits.
    api.gateway.window(5);
    api.gateway
        .script(|_| vec![(400, Outcome::accepted(1, 400_000))]);
    let no = campaign(&api, 50).await;
    api.until(Duration::from_secs(10), async || {
        api.gateway.written().len() >= 20
    })
    .await;
    let in_flight = pause(&api, no).await;
    assert_eq!(in_flight, 0, "what was on its way has been answered");
    let written = api.gateway.written().len();
    api.pass(30_000).await;
    assert_eq!(api.gateway.written().len(), written, "it rests");
    let going = api.engine.resume_campaign(api.app, no).await.unwrap();
    assert_eq!(going, Some(ResumeAnswer::Going));
    let view = api.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 200)]);
    assert_eq!(api.gateway.written().len(), 200, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_pause_says_what_another_process_still_sends() {
    let api = World::shared("api").await;
    let _others = [api.another("worker").await, api.another("sender").await];
    sees(&api, 3).await;
    api.devices(1..31).await;
    api.gateway
        .script(|_| vec![(20_000, Outcome::accepted(1, 1))]);
    let no = campaign(&api, 10).await;
    api.until(Duration::from_secs(10), async || {
        api.gateway.written().len() >= 10
    })
    .await;
    let in_flight = pause(&api, no).await;
    let written = api.gateway.written().len() as u64;
    assert_eq!(in_flight, written);
    let going = api.engine.resume_campaign(api.app, no).await.unwrap();
    assert_eq!(going, Some(ResumeAnswer::Going));
    api.completed(no).await;
    assert_eq!(api.gateway.written().len(), 30, "each once");
}

async fn app_in_both_environments(world: &World, n: u64, settings: AppSettings) -> AppNo {
    let app = world.app(&format!("app{n}"), settings).await;
    world
        .credential(app, "key", signing_key(&Environment::ALL))
        .await;
    for (numbers, environment) in [
        (1..2, TokenEnvironment::Production),
        (2..3, TokenEnvironment::Sandbox),
    ] {
        world
            .devices_of(app, numbers, TokenKind::Alert, environment)
            .await;
    }
    app
}

/// Which Apps a process sends for.
fn apps_of(world: &World) -> BTreeSet<AppNo> {
    let all = world.engine.status().lanes;
    all.into_iter().map(|status| status.lane.app).collect()
}

#[tokio::test(start_paused = true)]
async fn an_app_is_known_everywhere_before_its_work_is_judged() {
    let api = World::shared("api").await.waking().await;
    let _others = [
        api.another("scheduler,worker").await,
        api.another("sender").await,
    ];
    sees(&api, 3).await;
    for n in 0..5 {
        // Just made, and sent to at once: in all ways.
        let app = app_in_both_environments(&api, n, AppSettings::default()).await;
        let soon = jiff::Timestamp::from_millisecond(api.clock.now() + 20).unwrap();
        let mut timed = to(1..2);
        timed["send_at"] = json!(soon.to_string());
        let crowd = json!({ "target": { "all": true }, "content": { "body": "hello" } });
        for body in [to(1..2), timed, crowd] {
            let sent = api.try_send_to(app, body, None).await.unwrap();
            let view = api.completed_of(app, sent.no).await;
            assert_eq!(view.states.len(), 1, "{:?}", view.states);
            assert_eq!(view.states[0].0, FinalState::Accepted);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_with_rates_is_sent_for_by_one_process() {
    let api = World::shared("api,scheduler,worker").await;
    let (first, second) = (api.another("sender").await, api.another("sender").await);
    sees(&second, 3).await;
    let limited = AppSettings {
        rates: Rates {
            total: Some(Rate::per_second(100)),
            ..Rates::default()
        },
        ..AppSettings::default()
    };
    let mut rated = BTreeSet::new();
    for n in 0..20 {
        let is_rated = n % 2 == 0;
        let settings = if is_rated {
            limited.clone()
        } else {
            AppSettings::default()
        };
        let app = app_in_both_environments(&api, n, settings).await;
        if is_rated {
            rated.insert(app);
        }
        for sender in [&first, &second] {
            let knows = async || !sender.engine.directory().credentials(app).is_empty();
            sender.until(LOOK * 4, knows).await;
        }
        let sent = api.try_send_to(app, to(1..3), None).await.unwrap();
        api.completed_of(app, sent.no).await;
    }
    let (of_first, of_second) = (apps_of(&first), apps_of(&second));
    let both: BTreeSet<AppNo> = of_first.intersection(&of_second).copied().collect();
    assert!(both.is_disjoint(&rated), "{both:?}");
    assert!(!both.is_empty(), "lanes of the others are spread");
    assert!(rated.iter().any(|app| of_first.contains(app)));
    assert!(rated.iter().any(|app| of_second.contains(app)));
}

#[tokio::test(start_paused = true)]
async fn trouble_of_a_lane_is_known_where_it_is_asked_for() {
    let api = World::shared("api,worker,scheduler").await;
    let sender = api.another("sender").await;
    sees(&api, 2).await;
    api.devices(1..2).await;
    api.gateway
        .script(|_| blocked(TroubleScope::Credential, "InvalidProviderToken", None));
    api.to(1..2).await;
    let reason = |world: &World| {
        let status = world.engine.status();
        let mut problems = status.all_lanes().filter_map(|lane| lane.problem.clone());
        problems.next().map(|problem| problem.reason)
    };
    let known = Some("InvalidProviderToken".to_owned());
    api.until(Duration::from_secs(5), async || reason(&sender) == known)
        .await;
    api.until(Duration::from_secs(5), async || reason(&api) == known)
        .await;
    assert!(
        api.engine.status().lanes.is_empty(),
        "it sends nothing itself"
    );
    api.gateway.script(|_| crate::fake_gateway::accept());
    api.until(Duration::from_secs(10), async || reason(&api).is_none())
        .await;
}
