//! Several processes on one store, each with some of the roles.

use crate::fake_gateway::signing_key;
use crate::world::{World, to};
use async_trait::async_trait;
use carillon_engine::EngineConfig;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::lane::Lane;
use carillon_model::outcome::Outcome;
use carillon_model::push_type::TokenKind;
use carillon_model::role::Role;
use carillon_ports::clock::Clock as _;
use carillon_ports::instance::{InstanceStore, Presence, Pulse};
use carillon_ports::memory::MemoryStore;
use carillon_ports::store::Result;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The bound for a new leader.
const HAND_OVER: Duration = Duration::from_secs(5);

fn in_ms(world: &World, ms: i64, mut body: Value) -> Value {
    let at = jiff::Timestamp::from_millisecond(world.clock.now() + ms).unwrap();
    body["send_at"] = json!(at.to_string());
    body
}

/// What lives, by the names of their roles, as a process sees it.
fn living(world: &World) -> Vec<String> {
    let all = world.engine.status().instances;
    all.into_iter()
        .map(|report| report.instance.presence.name)
        .collect()
}

/// Waits until a process sees these others, in this order.
async fn sees(world: &World, names: &[&str]) {
    world
        .until(Duration::from_secs(10), async || living(world) == names)
        .await;
}

/// How many pushes the gateway got of each delivery: there must be one.
fn once_each(world: &World) -> usize {
    let written = world.gateway.written();
    let ids: HashSet<_> = written.iter().map(|push| push.gateway_id).collect();
    assert_eq!(ids.len(), written.len(), "nothing is sent twice");
    ids.len()
}

#[tokio::test(start_paused = true)]
async fn each_role_does_its_part_in_a_process_of_its_own() {
    let api = World::shared("api").await;
    let _others = [
        api.another("scheduler").await,
        api.another("worker").await,
        api.another("sender").await,
    ];
    sees(&api, &["api", "scheduler", "worker", "sender"]).await;
    api.devices(1..21).await;
    let start = Instant::now();
    let now = api.to(1..6).await;
    api.completed(now).await;
    assert!(start.elapsed() < Duration::from_secs(1), "a look, no more");
    let crowd = json!({ "target": { "all": true }, "content": { "body": "hello" } });
    let crowd = api.send(crowd).await;
    let later = api.send(in_ms(&api, 2_000, to(6..11))).await;
    assert_eq!(
        api.completed(crowd).await.states,
        [(FinalState::Accepted, 20)]
    );
    assert_eq!(api.view(later).await.completed_at, None, "its time comes");
    api.completed(later).await;
    assert_eq!(once_each(&api), 30);
}

#[tokio::test(start_paused = true)]
async fn a_process_without_a_role_does_none_of_it() {
    let api = World::shared("api").await;
    api.devices(1..3).await;
    let sent = api.to(1..2).await;
    let later = api.send(in_ms(&api, 1_000, to(2..3))).await;
    api.pass(60_000).await;
    for no in [sent, later] {
        assert_eq!(api.view(no).await.completed_at, None);
    }
    assert_eq!(api.gateway.written().len(), 0);
    let _other = api.another("scheduler,worker,sender").await;
    for no in [sent, later] {
        api.completed(no).await;
    }
    assert_eq!(once_each(&api), 2);
}

#[tokio::test(start_paused = true)]
async fn another_scheduler_takes_over_in_time() {
    let api = World::shared("api,worker,sender").await;
    let first = api.another("scheduler").await;
    let second = api.another("scheduler").await;
    api.devices(1..101).await;
    let names = ["api,worker,sender", "scheduler", "scheduler"];
    sees(&second, &names).await;
    let mut numbers = Vec::new();
    for n in 1..101 {
        // Two minutes before they are due all heartbeats were steady for long.
        let body = in_ms(&api, 120_000 + n as i64 * 100, to(n..n + 1));
        numbers.push(api.send(body).await);
    }
    api.pass(125_000).await;
    let due = numbers.len() / 2;
    assert!((due - 5..=due).contains(&once_each(&api)));
    let leads = |world: &World| {
        let all = world.engine.status().instances;
        let own = all.into_iter().find(|report| report.is_own);
        own.is_some_and(|own| own.leads.contains(&Role::Scheduler))
    };
    assert!(leads(&first) && !leads(&second));
    let dead_at = Instant::now();
    drop(first.engine);
    second.until(HAND_OVER, async || leads(&second)).await;
    for no in &numbers {
        api.completed(*no).await;
    }
    assert_eq!(once_each(&api), 100);
    let longest_gap = {
        let mut at: Vec<Instant> = api.gateway.written().iter().map(|push| push.at).collect();
        at.sort_unstable();
        at.windows(2).map(|two| two[1] - two[0]).max().unwrap()
    };
    assert!(longest_gap < HAND_OVER, "{longest_gap:?}");
    assert!(dead_at.elapsed() < Duration::from_secs(15));
}

/// Heartbeats stop, or wait, and nothing else.
struct Mute {
    inner: MemoryStore,
    is_mute: watch::Receiver<bool>,
}

/// A process whose heartbeats wait while the switch says so.
async fn mutable(world: &World, roles: &str) -> (World, watch::Sender<bool>) {
    let (switch, is_mute) = watch::channel(false);
    let known_by = |inner| -> Arc<dyn InstanceStore> { Arc::new(Mute { inner, is_mute }) };
    (world.another_known_by(roles, known_by).await, switch)
}

#[async_trait]
impl InstanceStore for Mute {
    fn is_shared(&self) -> bool {
        true
    }
    async fn join(&self, presence: Presence) -> Result<()> {
        self.inner.join(presence).await
    }
    async fn heartbeat(&self, give_up_after_ms: Option<u32>, report: String) -> Result<()> {
        let mut is_mute = self.is_mute.clone();
        if is_mute.wait_for(|is_mute| !is_mute).await.is_err() {
            std::future::pending().await
        }
        self.inner.heartbeat(give_up_after_ms, report).await
    }
    async fn pulse(&self) -> Result<Pulse> {
        self.inner.pulse().await
    }
    async fn resign(&self) -> Result<()> {
        self.inner.resign().await
    }
    async fn leave(&self) -> Result<()> {
        self.inner.leave().await
    }
    async fn directory_no(&self) -> Result<i64> {
        self.inner.directory_no().await
    }
    async fn reports(&self) -> Result<Vec<String>> {
        self.inner.reports().await
    }
    async fn held_elsewhere(&self, no: NotificationNo) -> Result<u64> {
        self.inner.held_elsewhere(no).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_given_up_writes_nothing_and_stops() {
    let api = World::shared("api").await;
    let (mute, switch) = mutable(&api, "scheduler,worker,sender").await;
    let other = api.another("scheduler,worker,sender").await;
    api.devices(1..201).await;
    for n in 1..201 {
        api.send(in_ms(&api, 60_000 + n as i64 * 50, to(n..n + 1)))
            .await;
    }
    api.pass(62_000).await;
    assert!(once_each(&api) > 30, "it fires and sends");
    switch.send_replace(true);
    let engine = mute.engine.clone();
    let sentence = tokio::time::timeout(HAND_OVER, engine.failed()).await;
    let sentence = sentence.expect("it learns that it was given up");
    assert!(sentence.contains("given up"), "{sentence}");
    sees(&other, &["api", "scheduler,worker,sender"]).await;
    other
        .until(Duration::from_secs(60), async || once_each(&api) == 200)
        .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_common_wait_who_is_back_first_gives_the_others_time() {
    let api = World::shared("api").await;
    let (first, of_first) = mutable(&api, "sender").await;
    let (second, of_second) = mutable(&api, "sender").await;
    // Nobody else is there to judge.
    api.engine.leave().await.unwrap();
    api.pass(10_000).await;
    of_first.send_replace(true);
    of_second.send_replace(true);
    api.pass(10_000).await;
    of_first.send_replace(false);
    api.pass(1_500).await;
    of_second.send_replace(false);
    api.pass(10_000).await;
    sees(&first, &["sender", "sender"]).await;
    sees(&second, &["sender", "sender"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_not_heard_of_begins_to_send_nothing() {
    let api = World::shared("api,scheduler,worker").await;
    let (mute, switch) = mutable(&api, "sender").await;
    sees(&api, &["api,scheduler,worker", "sender"]).await;
    api.devices(1..11).await;
    // It holds work that waits for room, when it is heard of no more.
    api.gateway.window(1);
    api.gateway
        .script(|_| vec![(1_500, Outcome::accepted(1, 1_500_000))]);
    let no = api.to(1..11).await;
    api.until(Duration::from_secs(1), async || {
        api.gateway.written().len() == 1
    })
    .await;
    switch.send_replace(true);
    let from = Instant::now();
    api.pass(3_500).await;
    let last = api.gateway.written().iter().map(|push| push.at).max();
    // Two thirds of three seconds, from a heartbeat a second ago at most.
    assert!(last.unwrap() < from + Duration::from_secs(2));
    drop(mute);
    let _other = api.another("sender").await;
    let view = api.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 10)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_sender_held_is_sent_by_another() {
    let api = World::shared("api,scheduler,worker").await;
    let first = api.another("sender").await;
    api.devices(1..51).await;
    sees(&api, &["api,scheduler,worker", "sender"]).await;
    // Those of the first are never answered.
    api.gateway.window(50);
    api.gateway
        .script(|_| vec![(3_600_000, Outcome::accepted(1, 1))]);
    let no = api.to(1..51).await;
    api.until(Duration::from_secs(1), async || {
        !api.gateway.written().is_empty()
    })
    .await;
    let _second = api.another("sender").await;
    drop(first);
    api.gateway.script(|_| crate::fake_gateway::accept());
    let died_at = Instant::now();
    let view = api.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 50)]);
    assert!(died_at.elapsed() < HAND_OVER + Duration::from_secs(1));
    let tries = api.attempts(no, 0).await;
    assert_eq!(tries[0].result, "rescued_in_doubt");
}

/// The lanes that a process sends from.
fn lanes(world: &World) -> BTreeSet<Lane> {
    let all = world.engine.status().lanes;
    all.into_iter().map(|status| status.lane).collect()
}

async fn some_apps(world: &World) -> Vec<AppNo> {
    let mut apps = Vec::new();
    for n in 0..20 {
        let app = world.app(&format!("app{n}"), AppSettings::default()).await;
        world
            .credential(app, "key", signing_key(&Environment::ALL))
            .await;
        world
            .devices_of(app, 1..3, TokenKind::Alert, TokenEnvironment::Production)
            .await;
        apps.push(app);
    }
    apps
}

async fn send_to_each(world: &World, apps: &[AppNo]) {
    for app in apps {
        let sent = world.try_send_to(*app, to(1..3), None).await.unwrap();
        let is_done = async || {
            let view = world.view_of(*app, sent.no).await;
            view.completed_at.is_some()
        };
        world.until(Duration::from_secs(2), is_done).await;
    }
}

#[tokio::test(start_paused = true)]
async fn senders_share_the_lanes_and_take_them_over() {
    let api = World::shared("api,scheduler,worker").await;
    let (first, second) = (api.another("sender").await, api.another("sender").await);
    let apps = some_apps(&api).await;
    sees(&api, &["api,scheduler,worker", "sender", "sender"]).await;
    send_to_each(&api, &apps).await;
    let (of_first, of_second) = (lanes(&first), lanes(&second));
    assert_eq!(of_first.len() + of_second.len(), apps.len());
    assert!(of_first.is_disjoint(&of_second));
    assert!(
        of_first.len() > 3 && of_second.len() > 3,
        "about a half each"
    );
    assert!(lanes(&api).is_empty(), "it sends nothing");

    first.engine.stop(Duration::from_secs(5)).await;
    first.engine.leave().await.unwrap();
    sees(&second, &["api,scheduler,worker", "sender"]).await;
    send_to_each(&api, &apps).await;
    assert_eq!(lanes(&second).len(), apps.len());
    assert_eq!(once_each(&api), apps.len() * 4);
}

#[tokio::test(start_paused = true)]
async fn who_stops_is_followed_before_his_last_answer() {
    let api = World::shared("api").await;
    let first = api.another("scheduler,worker,sender").await;
    let second = api.another("scheduler,worker,sender").await;
    api.devices(1..3).await;
    let name = "scheduler,worker,sender";
    sees(&second, &["api", name, name]).await;
    api.gateway
        .script(|_| vec![(20_000, Outcome::accepted(1, 20_000_000))]);
    let slow = api.to(1..2).await;
    api.until(Duration::from_secs(1), async || {
        api.gateway.written().len() == 1
    })
    .await;
    let stopping = first.engine.clone();
    let stops = tokio::spawn(async move { stopping.stop(Duration::from_secs(60)).await });
    api.gateway.script(|_| crate::fake_gateway::accept());
    let later = api.send(in_ms(&api, 1_000, to(2..3))).await;
    let asked_at = Instant::now();
    api.completed(later).await;
    assert!(asked_at.elapsed() < Duration::from_secs(2));
    assert_eq!(api.view(slow).await.completed_at, None, "it is waited for");
    assert!(stops.await.unwrap().is_clean());
    assert_eq!(api.view(slow).await.states, [(FinalState::Accepted, 1)]);
    assert_eq!(once_each(&api), 2);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_followed_at_once() {
    let api = World::shared("api,worker,sender").await;
    let first = api.another("scheduler").await;
    let second = api.another("scheduler").await;
    api.devices(1..2).await;
    sees(&second, &["api,worker,sender", "scheduler", "scheduler"]).await;
    let no = api.send(in_ms(&api, 1_000, to(1..2))).await;
    first.engine.stop(Duration::from_secs(5)).await;
    first.engine.leave().await.unwrap();
    let left_at = Instant::now();
    api.completed(no).await;
    assert!(left_at.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_what_another_process_holds() {
    let api = World::shared("api,scheduler,worker").await;
    let _sender = api.another("sender").await;
    api.devices(1..101).await;
    sees(&api, &["api,scheduler,worker", "sender"]).await;
    api.gateway.window(20);
    // 10 are answered in the end, 10 wait in the pool, 80 in the sender's lane.
    api.gateway.script(|push| {
        if push.push_token[7] <= 10 {
            vec![(300, Outcome::accepted(1, 300_000))]
        } else {
            Vec::new()
        }
    });
    let no = api.to(1..101).await;
    api.until(Duration::from_secs(1), async || {
        api.gateway.written().len() == 10
    })
    .await;
    let answer = api.engine.cancel(api.app, no).await.unwrap().unwrap();
    assert!(answer.confirmed);
    assert_eq!((answer.not_sent, answer.sent), (90, 10));
    api.pass(60_000).await;
    assert_eq!(api.gateway.written().len(), 10, "nothing after the answer");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_says_when_another_process_still_sends() {
    let api = World::shared("api,scheduler,worker").await;
    let _sender = api.another("sender").await;
    api.devices(1..3).await;
    sees(&api, &["api,scheduler,worker", "sender"]).await;
    api.gateway
        .script(|_| vec![(10_000, Outcome::accepted(1, 1))]);
    let no = api.to(1..3).await;
    api.until(Duration::from_secs(1), async || {
        api.gateway.written().len() == 2
    })
    .await;
    let asked_at = Instant::now();
    let answer = api.engine.cancel(api.app, no).await.unwrap().unwrap();
    let wait = EngineConfig::default().cancel_wait_ms.into();
    assert!(asked_at.elapsed() >= Duration::from_millis(wait));
    assert_eq!((answer.confirmed, answer.sent), (false, 2));
    let view = api.completed(no).await;
    assert_eq!(view.states, [(FinalState::Accepted, 2)], "told as it was");
}

#[tokio::test(start_paused = true)]
async fn changes_of_the_directory_are_seen_everywhere() {
    let api = World::shared("api").await;
    let other = api.another("scheduler,worker,sender").await;
    let app = api.app("late", AppSettings::default()).await;
    api.credential(app, "key", signing_key(&Environment::ALL))
        .await;
    other
        .until(Duration::from_secs(1), async || {
            let directory = other.engine.directory();
            !directory.credentials(app).is_empty()
        })
        .await;
    api.devices_of(app, 1..2, TokenKind::Alert, TokenEnvironment::Production)
        .await;
    let sent = api.try_send_to(app, to(1..2), None).await.unwrap();
    api.completed_of(app, sent.no).await;
}

#[tokio::test(start_paused = true)]
async fn what_one_process_writes_is_told_by_another() {
    let api = World::shared("api").await;
    let _worker = api.another("worker").await;
    let _sender = api.another("sender").await;
    api.devices(1..2).await;
    let told = api.engine.events_written();
    let no = api.to(1..2).await;
    api.completed(no).await;
    api.until(Duration::from_secs(2), async || told.has_changed().unwrap())
        .await;
    let events = api.hot.events(api.app, 0, 10).await.unwrap();
    assert!(!events.is_empty());
}
