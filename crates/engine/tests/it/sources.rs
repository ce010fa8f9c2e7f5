//! Audiences in linked databases: read when a campaign begins, whole or not at all, also over crashes.

use crate::world::{World, address};
use carillon_engine::{EngineConfig, Refusal, ResumeAnswer};
use carillon_model::campaign::{CampaignState, Phase};
use carillon_model::id::NotificationNo;
use carillon_model::list::UploadCounts;
use carillon_model::push_type::TokenKind;
use carillon_ports::campaign::{CampaignStore as _, CampaignView};
use carillon_ports::source::{NamedBy, Names};
use serde_json::{Value, json};

fn names(all: &[&str]) -> Names {
    all.iter()
        .map(|name| (!name.is_empty()).then(|| (*name).to_owned()))
        .collect()
}

fn users(numbers: std::ops::Range<u64>) -> Names {
    numbers.map(|n| Some(format!("u{n}"))).collect()
}

async fn create(world: &World, with: Value) -> Result<NotificationNo, Refusal> {
    let mut body = json!({
        "name": "spring", "audience": {"source": "members"}, "content": {"body": "hello"}
    });
    for (key, value) in with.as_object().unwrap() {
        body[key] = value.clone();
    }
    let request = serde_json::from_value(body).unwrap();
    let answer = world.engine.create_campaign(world.app, request, None);
    answer.await.unwrap().map(|accepted| accepted.no)
}

async fn view(world: &World, no: NotificationNo) -> CampaignView {
    world.store.campaign(world.app, no).await.unwrap().unwrap()
}

async fn state(world: &World, no: NotificationNo) -> CampaignState {
    serde_json::from_str(&view(world, no).await.head.state).unwrap()
}

/// Who was written to, each how often.
fn written(world: &World) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = world.gateway.written();
    all.sort_by(|a, b| a.push_token.cmp(&b.push_token));
    all.into_iter().map(|push| push.push_token).collect()
}

fn addresses(numbers: impl Iterator<Item = u64>) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = numbers.map(|n| address(n).0.to_vec()).collect();
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn those_whom_a_source_names_get_it_once_in_either_mode() {
    for mode in ["live", "frozen"] {
        let world = World::new().await;
        world.devices(1..101).await;
        let mut rows = users(1..51);
        // Again, nobody here, no name.
        rows.extend(names(&["u7", "stranger", "", "u50"]));
        world.sources.put("members", NamedBy::User, rows);
        let no = create(&world, json!({"audience_mode": mode, "slice_size": 7}))
            .await
            .unwrap();
        world.completed(no).await;
        assert_eq!(written(&world), addresses(1..51), "{mode}");
        let read = state(&world, no).await.source.unwrap();
        let rows = UploadCounts {
            taken: 50,
            doubled: 2,
            unknown: 1,
            bad: 1,
        };
        assert_eq!((read.devices, read.rows), (Some(50), rows));
        assert_eq!(world.sources.readings("members"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn devices_are_named_by_ids_and_push_tokens_too() {
    let world = World::new().await;
    world.devices(1..11).await;
    let by_id = ["d1", "d2", "d99"];
    world.sources.put("members", NamedBy::Device, names(&by_id));
    let no = create(&world, json!({})).await.unwrap();
    world.completed(no).await;
    let hex = |n: u64| {
        let bytes = address(n).0;
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let (three, four) = (hex(3), hex(4));
    let tokens = names(&[&three, &format!(" {four} "), "no push token"]);
    let by = NamedBy::PushToken(TokenKind::Alert);
    world.sources.put("members", by, tokens);
    let no = create(&world, json!({"name": "summer"})).await.unwrap();
    world.completed(no).await;
    assert_eq!(written(&world), addresses(1..5));
    assert_eq!(state(&world, no).await.source.unwrap().rows.bad, 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_nobody_has_is_refused_with_the_nearest() {
    let world = World::new().await;
    world.sources.put("members", NamedBy::User, users(1..2));
    let refused = create(&world, json!({"audience": {"source": "member"}})).await;
    let Err(Refusal::Invalid(problems)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(problems[0].pointer, "/audience/source");
    assert_eq!(problems[0].code, "target.unknown_source");
    assert!(problems[0].message.contains("did you mean `members`"));
    // Nor does a single notification go there.
    let body = json!({"target": {"source": "members"}, "content": {"body": "x"}});
    let sent = world.try_send(body).await;
    let Err(Refusal::Invalid(problems)) = sent else {
        panic!("{sent:?}");
    };
    assert_eq!(problems[0].code, "target.source_campaign");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_comes_back_is_waited_for_and_no_half_is_sent_to() {
    let config = EngineConfig::default();
    let pause = u64::from(config.source_pause_ms);
    let world = World::with(config).await;
    world.devices(1..51).await;
    world.sources.put("members", NamedBy::User, users(1..51));
    world.sources.fail("members", 2, true);
    let no = create(&world, json!({})).await.unwrap();
    world.pass(pause - 1_000).await;
    let read = state(&world, no).await.source.unwrap();
    assert_eq!((read.failures, read.devices), (1, None));
    assert!(read.error.unwrap().contains("is away"));
    assert_eq!(written(&world).len(), 0);
    world.completed(no).await;
    assert_eq!(world.sources.readings("members"), 3);
    assert_eq!(written(&world), addresses(1..51));
    assert_eq!(state(&world, no).await.source.unwrap().error, None);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_halts_a_campaign_until_somebody_lets_it_go_on() {
    let world = World::new().await;
    world.devices(1..11).await;
    for (tries, is_temporary) in [(5, true), (1, false)] {
        let name = format!("spring-{is_temporary}");
        world.sources.put("members", NamedBy::User, users(1..11));
        world.sources.fail("members", 5, is_temporary);
        let before = written(&world).len();
        let no = create(&world, json!({"name": name})).await.unwrap();
        world.pass(600_000).await;
        let halted = state(&world, no).await;
        assert_eq!(halted.phase, Phase::Begin);
        let halt = halted.halted.unwrap();
        assert_eq!(halt.reason, "source");
        assert!(halt.message.contains("is away"), "{}", halt.message);
        assert_eq!(world.sources.readings("members"), tries);
        assert!(view(&world, no).await.notification.head.paused);
        assert_eq!(written(&world).len(), before);
        world.sources.put("members", NamedBy::User, users(1..11));
        let answer = world.engine.resume_campaign(world.app, no).await.unwrap();
        assert_eq!(answer, Some(ResumeAnswer::Going));
        world.completed(no).await;
        assert_eq!(written(&world).len(), before + 10);
    }
    let events = world.events("campaign.halted").await;
    assert_eq!(events.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn rows_that_name_nobody_halt_and_no_rows_are_nobody() {
    let world = World::new().await;
    world.devices(1..11).await;
    world
        .sources
        .put("members", NamedBy::User, names(&["x", "y"]));
    let no = create(&world, json!({})).await.unwrap();
    world.pass(60_000).await;
    let halt = state(&world, no).await.halted.unwrap();
    assert!(
        halt.message.contains("none of the 2 rows"),
        "{}",
        halt.message
    );
    world.sources.put("members", NamedBy::User, Vec::new());
    let no = create(&world, json!({"name": "summer"})).await.unwrap();
    let seen = world.completed(no).await;
    assert_eq!(seen.deliveries, 0);
    assert_eq!(written(&world).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_reading_begins_anew() {
    let mut world = World::new().await;
    world.devices(1..31).await;
    world.sources.put("members", NamedBy::User, users(1..31));
    world.sources.hang("members", true);
    let no = create(&world, json!({"slice_size": 10})).await.unwrap();
    world.pass(5_000).await;
    assert_eq!(world.sources.readings("members"), 1);
    world = world.crash().await;
    world.sources.hang("members", false);
    world.pass(2_000).await;
    assert_eq!(world.sources.readings("members"), 2);
    world = world.crash().await;
    world.completed(no).await;
    assert_eq!(written(&world), addresses(1..31));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_delays_no_other_campaign() {
    let world = World::new().await;
    world.devices(1..11).await;
    world.sources.put("members", NamedBy::User, users(1..11));
    world.sources.hang("members", true);
    let waits = create(&world, json!({})).await.unwrap();
    let all = json!({"name": "other", "audience": {"all": true}});
    let other = create(&world, all).await.unwrap();
    world.completed(other).await;
    assert_eq!(state(&world, waits).await.phase, Phase::Begin);
    // Cancelled while it is read: it ends, and nothing of it is sent.
    let cancelled = world.engine.cancel(world.app, waits).await.unwrap();
    assert!(cancelled.is_some());
    world.completed(waits).await;
    assert_eq!(written(&world).len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_reads_some_rows_and_sends_nothing() {
    let world = World::new().await;
    world.devices(1..11).await;
    let mut rows = users(1..11);
    rows.extend(names(&["stranger"]));
    world.sources.put("members", NamedBy::User, rows);
    let body = json!({
        "name": "spring", "audience": {"source": "members"}, "content": {"body": "hello"}, "except_users": ["u3"]
    });
    let rehearse = async |body: &Value| {
        let request = serde_json::from_value(body.clone()).unwrap();
        let tried = world.engine.rehearse_campaign(world.app, request).await;
        tried.unwrap()
    };
    let tried = rehearse(&body).await.unwrap();
    let source = tried.source.unwrap();
    assert_eq!((source.taken, source.unknown), (10, 1));
    assert_eq!(tried.report.sampled, 9);
    world.sources.fail("members", 1, true);
    let problems = rehearse(&body).await.unwrap_err();
    assert_eq!(problems[0].code, "target.source_unread");
    assert_eq!(problems[0].pointer, "/audience/source");
    assert_eq!(written(&world).len(), 0);
}
