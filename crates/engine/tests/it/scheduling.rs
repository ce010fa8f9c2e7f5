//! Sends at a time: fired once, at the right moment, whatever happens around them.

use crate::fake_gateway::retry;
use crate::world::{T0, World, address, to};
use bytes::Bytes;
use carillon_engine::{Accepted, ChangeRefusal, EngineConfig, Refusal};
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::event::TimerFailed;
use carillon_model::id::NotificationNo;
use carillon_model::notification::NotificationChange;
use carillon_model::push_type::TokenKind;
use carillon_model::timer::MissedRun;
use carillon_ports::clock::Clock as _;
use carillon_ports::store::{HotStore as _, NewNotification};
use carillon_ports::timer::{NewTimer, SendState, When};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: i64 = 3_600_000;

fn rfc3339(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

fn at(mut body: Value, at: UnixMs) -> Value {
    body["send_at"] = json!(rfc3339(at));
    body
}

fn change(json: Value) -> NotificationChange {
    serde_json::from_value(json).unwrap()
}

async fn state(world: &World, no: NotificationNo) -> SendState {
    world.view(no).await.plan.unwrap().state
}

/// The codes and pointers of what is wrong with a body.
async fn refused(world: &World, body: Value) -> (String, &'static str, String) {
    match world.try_send(body).await {
        Err(Refusal::Invalid(mut problems)) => {
            let problem = problems.remove(0);
            (problem.pointer, problem.code, problem.message)
        }
        other => panic!("it is refused: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn sent_at_its_time_to_whom_there_is_then() {
    let world = World::new().await;
    world.devices(1..2).await;
    let body = at(to(1..3), T0 + HOUR);
    let accepted: Accepted = world.try_send(body).await.unwrap();
    assert_eq!(accepted.send_at, Some(T0 + HOUR));
    assert_eq!((accepted.deliveries, accepted.late), (None, false));
    let no = accepted.no;
    world.pass(HOUR as u64 - 10).await;
    assert!(world.gateway.written().is_empty());
    assert!(matches!(state(&world, no).await, SendState::Waiting { .. }));
    // One device is there only now, one never was.
    world.devices(2..3).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)]);
    let SendState::Begun { at } = view.plan.unwrap().state else {
        panic!("it fired");
    };
    assert!((T0 + HOUR..T0 + HOUR + 5).contains(&at), "{}", at - T0);
    assert_eq!(world.events("notification.completed").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_one_wakes_the_scheduler() {
    let world = World::new().await;
    world.devices(1..3).await;
    world.send(at(to(1..2), T0 + 24 * HOUR)).await;
    world.pass(10_000).await;
    let soon = world.clock.now() + 300;
    let no = world.send(at(to(2..3), soon)).await;
    world.pass(310).await;
    assert_eq!(world.gateway.written().len(), 1);
    let SendState::Begun { at } = state(&world, no).await else {
        panic!("it fired");
    };
    assert!(at - soon < 5, "{}", at - soon);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_is_seen_within_a_second() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.send(at(to(1..2), T0 + 24 * HOUR)).await;
    world.pass(5_000).await;
    world.clock.jump(-HOUR);
    world.pass(2_000).await;
    assert!(world.gateway.written().is_empty());
    world.clock.jump(26 * HOUR);
    world.pass(1_100).await;
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_and_after_the_time() {
    let world = World::new().await;
    world.devices(1..3).await;
    let soon = world.send(at(to(1..2), T0 + HOUR)).await;
    let missed = world.send(at(to(2..3), T0 + 10)).await;
    let world = world.crash().await;
    world.clock.jump(100);
    assert_eq!(
        world.completed(missed).await.states,
        [(FinalState::Accepted, 1)]
    );
    assert!(matches!(
        state(&world, soon).await,
        SendState::Waiting { .. }
    ));
    world.clock.jump(HOUR);
    let world = world.crash().await;
    assert_eq!(
        world.completed(soon).await.states,
        [(FinalState::Accepted, 1)]
    );
    let world = world.crash().await;
    world.pass(10_000).await;
    assert_eq!(world.gateway.written().len(), 2, "each once");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_found_when_it_is_accepted() {
    let world = World::new().await;
    world.devices(1..2).await;
    let past = at(to(1..2), T0 - 1);
    let (pointer, code, message) = refused(&world, past.clone()).await;
    assert_eq!((&*pointer, code), ("/send_at", "send_at.past"));
    assert!(message.contains("2027-01-15T07:59:59.999Z"), "{message}");
    let mut now = past;
    now["if_past"] = json!("send_now");
    let sent = world.try_send(now).await.unwrap();
    assert_eq!(
        (sent.late, sent.send_at, sent.deliveries),
        (true, None, Some(1))
    );
    for (extra, pointer, code) in [
        (json!({"send_at": "soon"}), "/send_at", "send_at.time"),
        (
            json!({"send_at": {"local": "2027-06-31T09:00", "time_zone": "Asia/Seoul"}}),
            "/send_at/local",
            "send_at.local",
        ),
        (
            json!({"send_at": {"local": "2027-06-01T09:00", "time_zone": "Asia/Soul"}}),
            "/send_at/time_zone",
            "send_at.time_zone",
        ),
        (
            json!({"send_at": "2031-01-01T00:00:00Z"}),
            "/send_at",
            "send_at.too_far",
        ),
        (json!({"if_past": "refuse"}), "/if_past", "send_at.if_past"),
        (
            json!({"send_at": rfc3339(T0 + HOUR), "expires_at": rfc3339(T0 + HOUR)}),
            "/expires_at",
            "expiry.past",
        ),
        (
            json!({"send_at": rfc3339(T0 + HOUR), "expires_in": "0s"}),
            "/expires_in",
            "expiry.past",
        ),
        (
            json!({"send_at": rfc3339(T0 + HOUR), "target": {"push_tokens": ["xyz"]}}),
            "/target/push_tokens/0",
            "target.push_token",
        ),
    ] {
        let mut body = to(1..2);
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        let (found, its, _) = refused(&world, body).await;
        assert_eq!((&*found, its), (pointer, code), "{extra}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiry_counts_from_the_send() {
    let world = World::new().await;
    world.devices(1..2).await;
    let mut body = at(to(1..2), T0 + HOUR);
    body["expires_in"] = json!("5m");
    let no = world.send(body).await;
    let expires_at = world.view(no).await.head.expires_at;
    assert_eq!(expires_at, Some(T0 + HOUR + 300_000));
    // Nobody looked until it was over.
    world.clock.jump(2 * HOUR);
    assert_eq!(world.completed(no).await.states, [(FinalState::Expired, 1)]);
    assert!(world.gateway.written().is_empty());
}

#[tokio::test(start_paused = true)]
async fn changed_until_it_is_sent() {
    let world = World::new().await;
    world.devices(1..3).await;
    let mut body = at(to(1..2), T0 + HOUR);
    body["expires_in"] = json!("5m");
    let no = world.send(body).await;
    let edit = async |json| {
        world
            .engine
            .change(world.app, no, &change(json))
            .await
            .unwrap()
    };
    let sooner = json!({
        "send_at": rfc3339(T0 + 60_000), "target": {"devices": ["d2"]}, "content": {"body": "other"}
    });
    edit(sooner).await.unwrap();
    let view = world.view(no).await;
    assert_eq!(view.head.send_at, Some(T0 + 60_000));
    assert_eq!(view.head.expires_at, Some(T0 + 360_000), "it counts anew");
    let past = edit(json!({"send_at": rfc3339(T0 - 1)})).await;
    assert!(matches!(past, Err(ChangeRefusal::Invalid(_))));
    world.pass(60_010).await;
    let view = world.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 1)]);
    let written = world.gateway.written();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].push_token, address(2).0, "to whom it says now");
    assert_eq!(edit(json!({})).await, Err(ChangeRefusal::NotWaiting));
}

#[tokio::test(start_paused = true)]
async fn moved_to_the_past_it_is_sent_at_once() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.send(at(to(1..2), T0 + HOUR)).await;
    world.pass(5_000).await;
    let now = change(json!({"send_at": rfc3339(T0), "if_past": "send_now"}));
    world
        .engine
        .change(world.app, no, &now)
        .await
        .unwrap()
        .unwrap();
    world.pass(20).await;
    assert_eq!(world.gateway.written().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_before_its_time_completes_it() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.send(at(to(1..2), T0 + HOUR)).await;
    let answer = world.engine.cancel(world.app, no).await.unwrap().unwrap();
    assert!(answer.confirmed);
    assert_eq!((answer.not_sent, answer.sent), (0, 0));
    let view = world.view(no).await;
    assert!(view.head.cancelled && view.completed_at.is_some());
    world.clock.jump(2 * HOUR);
    world.pass(5_000).await;
    assert!(world.gateway.written().is_empty());
    assert_eq!(world.events("notification.completed").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn crowds_and_users_are_found_when_it_is_sent() {
    let world = World::new().await;
    let all = json!({"target": {"all": true}, "content": {"body": "x"}, "except_users": ["u2"]});
    let users = json!({"target": {"users": ["u1", "u2", "u9"]}, "content": {"body": "x"}, "except_users": ["u2"]});
    let nobody = json!({"target": {"users": ["u9"]}, "content": {"body": "x"}});
    let mut numbers = Vec::new();
    for body in [all, users, nobody] {
        numbers.push(world.send(at(body, T0 + HOUR)).await);
    }
    world.devices(1..4).await;
    world.clock.jump(HOUR);
    let mut ended = Vec::new();
    for no in numbers {
        ended.push(world.completed(no).await.states);
    }
    let accepted = |count| vec![(FinalState::Accepted, count)];
    assert_eq!(ended, [accepted(2), accepted(1), vec![]]);
}

/// A retry's time counts from the send, not from an acceptance long before.
#[tokio::test(start_paused = true)]
async fn retries_have_their_whole_time() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.send(at(to(1..2), T0 + 100 * HOUR)).await;
    world.gateway.script(|w| match w.before {
        0 => retry(),
        _ => crate::fake_gateway::accept(),
    });
    world.clock.jump(100 * HOUR);
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 1)]
    );
    assert_eq!(world.gateway.written().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_fails_alone_and_is_told() {
    let world = World::new().await;
    world.devices(1..2).await;
    let good = world.try_send(at(to(1..2), T0 + 50)).await.unwrap();
    let head = world.view(good.no).await.head;
    let poison = world.hot.next_notification();
    let item = NewNotification {
        no: poison,
        app: world.app,
        accepted_at: T0,
        when: When::Later(NewTimer {
            due_at: T0 + 40,
            missed: MissedRun::Fire,
            body: Bytes::from_static(b"{"),
        }),
        expires_at: None,
        options: head.options,
        payload: head.payload,
        batches: vec![],
        badge: None,
        fanout: None,
        idempotency: None,
        throttle: None,
        consumes: None,
        turn: None,
        campaign: None,
        activity: None,
    };
    world.store.accept(vec![item]).await.unwrap();
    world.clock.jump(60);
    assert_eq!(
        world.completed(good.no).await.states,
        [(FinalState::Accepted, 1)]
    );
    let aside = async || matches!(state(&world, poison).await, SendState::SetAside { .. });
    world.until(Duration::from_secs(3_600), aside).await;
    let told = world.events("timer.failed").await;
    assert_eq!(told.len(), 1);
    let failed: TimerFailed = serde_json::from_str(&told[0].data).unwrap();
    assert_eq!((failed.attempts, failed.due_at), (8, T0 + 40));
    assert_eq!(failed.subject, poison.public(T0));
    assert!(failed.message.contains("unreadable"), "{}", failed.message);
    // What cannot be read cannot be changed, but cancelled.
    let refused = world
        .engine
        .change(world.app, poison, &change(json!({})))
        .await;
    assert!(matches!(refused.unwrap(), Err(ChangeRefusal::Invalid(_))));
    world
        .engine
        .cancel(world.app, poison)
        .await
        .unwrap()
        .unwrap();
    assert!(world.view(poison).await.completed_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_fails_alone() {
    let world = World::new().await;
    world.devices(1..4).await;
    let token = address(7)
        .0
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect::<String>();
    let mut body = to(1..2);
    body["target"] = json!({ "push_tokens": [token] });
    let poison = world.send(at(body, T0 + 50)).await;
    let mut good = Vec::new();
    for n in 1..4 {
        good.push(world.send(at(to(n..n + 1), T0 + 50)).await);
    }
    world.gateway.panic_at(Some(token));
    for no in good {
        assert_eq!(
            world.completed(no).await.states,
            [(FinalState::Accepted, 1)]
        );
    }
    let SendState::Waiting {
        attempts,
        last_error,
        ..
    } = state(&world, poison).await
    else {
        panic!("it is tried again");
    };
    assert!(attempts > 0 && last_error.unwrap().contains("panicked"));
    world.gateway.panic_at(None);
    assert_eq!(
        world.completed(poison).await.states,
        [(FinalState::Accepted, 1)]
    );
}

/// Where the devices of somebody cannot be read, what is for others goes on, and so does the server.
#[tokio::test(start_paused = true)]
async fn one_for_whom_cannot_be_read_fails_alone() {
    let world = World::new().await;
    world.devices(1..4).await;
    let of = |user: &str| json!({"target": {"users": [user]}, "content": {"body": "x"}});
    let spoilt = world.send(at(of("u2"), T0 + 50)).await;
    let good = [
        world.send(at(of("u1"), T0 + 50)).await,
        world.send(at(of("u3"), T0 + 50)).await,
    ];
    world.store.spoil_user(Some("u2"));
    let accepted = [(FinalState::Accepted, 1)];
    for no in good {
        assert_eq!(world.completed(no).await.states, accepted);
    }
    let SendState::Waiting { last_error, .. } = state(&world, spoilt).await else {
        panic!("it is tried again");
    };
    let said = last_error.unwrap();
    assert!(said.contains("the devices of u2 are spoilt"), "{said}");
    world.store.spoil_user(None);
    assert_eq!(world.completed(spoilt).await.states, accepted);
}

#[tokio::test(start_paused = true)]
async fn one_app_with_many_delays_no_other() {
    let config = EngineConfig {
        timer_round: 20,
        timer_share: 10,
        ..EngineConfig::default()
    };
    let world = World::with(config).await;
    world.devices(1..2).await;
    let quiet = world.app("quiet", AppSettings::default()).await;
    let facts = crate::fake_gateway::signing_key(&Environment::ALL);
    let quiet_key = world.credential(quiet, "key", facts).await;
    world
        .devices_of(quiet, 1..2, TokenKind::Alert, TokenEnvironment::Production)
        .await;
    for _ in 0..300 {
        world.send(at(to(1..2), T0 + HOUR)).await;
    }
    let own = world.try_send_to(quiet, at(to(1..2), T0 + HOUR), None);
    let own = own.await.unwrap().no;
    world.clock.jump(HOUR);
    world.completed_of(quiet, own).await;
    let all = async || {
        let open = world.hot.scheduled(world.app, false, None, 1_000).await;
        open.unwrap().is_empty()
    };
    world.until(Duration::from_secs(60), all).await;
    world
        .until(Duration::from_secs(60), async || {
            world.gateway.written().len() == 301
        })
        .await;
    let written = world.gateway.written();
    let its = |push: &crate::fake_gateway::Written| push.pool.credential == quiet_key;
    let place = written.iter().position(its).unwrap();
    assert!(place < 60, "it had its turn with the first: {place}");
}

#[tokio::test(start_paused = true)]
async fn nothing_fires_after_a_restore_until_it_is_resumed() {
    let world = World::new().await;
    world.devices(1..2).await;
    let no = world.send(at(to(1..2), T0 + 1_000)).await;
    world.store.pause_scheduler();
    world.pass(10_000).await;
    assert!(world.gateway.written().is_empty());
    assert!(world.engine.status().scheduler_paused);
    assert!(world.engine.resume_scheduler().await.unwrap());
    assert_eq!(
        world.completed(no).await.states,
        [(FinalState::Accepted, 1)]
    );
    assert!(!world.engine.resume_scheduler().await.unwrap());
    assert!(!world.engine.status().scheduler_paused);
}
